"""Links: one of two links is cut and restored, and no frame is lost."""

from __future__ import annotations

from gateway.demo.play import JOIN_WITHIN_S, Play
from gateway.demo.stage import SAYS_OPEN

CUT_AFTER_S, CUT_FOR_S = 1.0, 2.5


def act(play: Play) -> None:
    play.title("7. The pilot's station listens by radio and by LTE, and the radio is cut")
    pilot = play.stations["pilot"]
    opened = pilot.says(SAYS_OPEN)
    play.lte.listeners.append(pilot.add_link())
    play.until(lambda: pilot.says(SAYS_OPEN) > opened, JOIN_WITHIN_S)
    play.playing = True
    play.run(CUT_AFTER_S)
    play.radio.deaf.add(pilot.port)
    play.run(CUT_FOR_S)
    play.radio.deaf.clear()
    play.fly(CUT_AFTER_S)
    play.say(f"   for {CUT_FOR_S:g} s none of {play.radio.unheard} datagrams came by radio; LTE brought them")
    play.ledger.expect("one of the pilot's two links was cut, and restored", play.radio.unheard > 0)
