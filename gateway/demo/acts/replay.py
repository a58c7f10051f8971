"""Replay: a recording of the first run is replayed and refused."""

from __future__ import annotations

from gateway.demo.play import STATUS_WITHIN_S, Play
from gateway.demo.stage import FIRST_SFRAME, statuses

AT_ONCE = 50


def act(play: Play) -> None:
    play.title("5. An attacker recorded the first run and replays all of it")
    before = {name: len(s.frames) + len(s.packets) for name, s in play.stations.items()}
    refused = _drops(play)
    for position, datagram in enumerate(play.first_run):
        play.radio.send(datagram)
        if position % AT_ONCE == 0:
            play.step()
    play.run(STATUS_WITHIN_S)
    got = sum(len(s.frames) + len(s.packets) - before[name] for name, s in play.stations.items())
    # More than was replayed is of the running session: lanes of other roles.
    played = len(play.first_run)
    play.refused = {name: min(count - refused[name], played) for name, count in _drops(play).items()}
    play.say(f"   {played} datagrams played to every station: {got} frames or pictures came out of it;")
    play.say("   refused: " + ", ".join(f"{name} {count}" for name, count in play.refused.items()))
    play.ledger.expect("nothing of the earlier run is accepted", got == 0)
    sealed = sum(datagram[0] >= FIRST_SFRAME for datagram in play.first_run)
    all_refused = all(count >= sealed for count in play.refused.values())
    play.ledger.expect("every station refused and counted all sealed datagrams of it", all_refused)


def _drops(play: Play) -> dict[str, int]:
    """How many datagrams each station's `zegel ground` did not open, by `zegel status`."""
    counts = {pid: sum(status.drops.values()) for pid, status in statuses(play.programs()).items()}
    return {name: counts.get(s.program.process.pid, 0) for name, s in play.stations.items()}
