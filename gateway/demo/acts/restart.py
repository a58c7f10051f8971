"""Restart: the aircraft and its recorder lose power and come back; so do the feeds."""

from __future__ import annotations

import time

from gateway.demo.play import Play

LASTS_S = 5.0
BEFORE_S, DOWN_S = 1.0, 0.5


def act(play: Play) -> None:
    play.title("4. The aircraft loses power (kill -9) in mid-flight, and starts again")
    play.first_run = list(play.radio.capture)
    play.playing = True
    play.run(BEFORE_S)
    lost = time.monotonic()
    play.air.cut_power()
    play.say("   the power is gone")
    play.run(DOWN_S)
    play.start_air()
    play.wait_open(2)
    back = play.ledger.outage(lost)
    play.say(f"   new session, new keys; every feed is open again {back - play.air.started:.1f} s after the start")
    play.fly(LASTS_S)
