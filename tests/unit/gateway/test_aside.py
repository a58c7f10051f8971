from __future__ import annotations

import threading

from gateway.aside import Aside


def test_the_loop_never_waits_and_hears_of_the_alarm_once():
    aside, slow_card, done = Aside(), threading.Event(), []

    def write() -> str:
        slow_card.wait(10)
        done.append(True)
        return "the card is full"

    assert aside.start(write)
    assert not aside.start(write)  # one at a time
    assert aside.take_alarm() is None
    slow_card.set()
    aside.finish()
    assert done == [True]
    assert aside.take_alarm() == "the card is full"
    assert aside.take_alarm() is None
    assert aside.start(lambda: None)
    aside.finish()
    assert aside.take_alarm() is None
