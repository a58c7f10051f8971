from __future__ import annotations

import threading

from gateway.loop.background import BackgroundTask


def test_without_memory_for_a_thread_the_task_is_asked_for_again(monkeypatch):
    background, no_memory = BackgroundTask(), RuntimeError("can't start new thread")
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", lambda _: (_ for _ in ()).throw(no_memory))
        assert not background.start(lambda: "done")
        background.finish()
    assert background.start(lambda: "done")
    background.finish()
    assert background.take_trouble() == "done"


def test_the_loop_never_waits_and_hears_of_the_trouble_once():
    background, slow_card, done = BackgroundTask(), threading.Event(), []

    def write() -> str:
        slow_card.wait(10)
        done.append(True)
        return "the card is full"

    assert background.start(write)
    assert not background.start(write)  # one at a time
    assert background.take_trouble() is None
    slow_card.set()
    background.finish()
    assert done == [True]
    assert background.take_trouble() == "the card is full"
    assert background.take_trouble() is None
    assert background.start(lambda: None)
    background.finish()
    assert background.take_trouble() is None
