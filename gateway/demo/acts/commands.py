"""Commands: a pilot commands, an observer may not, a delayed command is refused."""

from __future__ import annotations

from gateway.demo.play import Play
from gateway.demo.uplink import Uplink


def act(play: Play) -> None:
    play.title("6. Commands: the pilot's, the observer's, and one that an attacker held back")
    uplink = Uplink(play.radio, play.flight, play.ledger, play.until, play.say)
    uplink.run(play.stations["pilot"], play.stations["observer"], sessions=2)
