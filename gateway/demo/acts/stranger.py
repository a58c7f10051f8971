"""Stranger: a station that is not in the order opens nothing."""

from __future__ import annotations

from gateway.demo.play import JOIN_WITHIN_S, STRANGER, Play
from gateway.demo.stranger import pretend


def act(play: Play) -> None:
    play.title(f"3. A station that is not in the order: {STRANGER!r}, with the order and a copy of the whole link")
    program = play.listen(STRANGER).program
    code = program.process.wait(JOIN_WITHIN_S)
    for line in program.output().strip().splitlines():
        play.say(f"   {line}")
    play.ledger.expect("the stranger's zegel ground refuses to start", code != 0)
    opened, refused = pretend(play.folder / STRANGER, play.folder / "op.order", play.radio.capture)
    play.say(
        f"   pretending to be each listed station, with its own key: {opened} datagrams opened, {refused} grants failed"
    )
    play.ledger.expect("the stranger opens nothing", opened == 0 and refused > 0)
