from __future__ import annotations

import threading

from gateway.loop.background import BackgroundTask


def test_without_memory_for_a_thread_the_task_is_asked_for_again(monkeypatch):
    aside, no_memory = BackgroundTask(), RuntimeError("can't start new thread")
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", lambda _: (_ for _ in ()).throw(no_memory))
        assert not aside.start(lambda: "done")
        aside.finish()
    assert aside.start(lambda: "done")
    aside.finish()
    assert aside.take_trouble() == "done"


def test_the_loop_never_waits_and_hears_of_the_trouble_once():
    aside, slow_card, done = BackgroundTask(), threading.Event(), []

    def write() -> str:
        slow_card.wait(10)
        done.append(True)
        return "the card is full"

    assert aside.start(write)
    assert not aside.start(write)  # one at a time
    assert aside.take_trouble() is None
    slow_card.set()
    aside.finish()
    assert done == [True]
    assert aside.take_trouble() == "the card is full"
    assert aside.take_trouble() is None
    assert aside.start(lambda: None)
    aside.finish()
    assert aside.take_trouble() is None
