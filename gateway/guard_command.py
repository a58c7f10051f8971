"""`zegel guard test`: what a guard policy would let through of a recorded flight. Needs no key and sends nothing.

What must not live here: what a policy allows (firmware_shims), and which file an order is for (keys.folders.guard_file).
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator, Set
from pathlib import Path

from firmware_shims import heartbeat, mavlink, tlog
from firmware_shims.definitions import COMMANDS, MESSAGES, name_of
from firmware_shims.tlog import TlogError
from gateway.errors import ConfigError
from gateway.guards import Guards
from keys.commands.terminal import show
from keys.order_station import GUARDS
from keys.printable import printable

Row = tuple[bool, str]  # whether it passes, and its name


def command(parser: argparse.ArgumentParser) -> None:
    """say what a guard policy would let through of a telemetry log"""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "example:\n  zegel guard test technician flight.tlog --guard guard.toml"
    parser.add_argument("do", choices=("test",), help="judge the frames of the ground control stations in the log")
    parser.add_argument("policy", metavar="POLICY", help=f"{', '.join(GUARDS)}, or one of guard.toml")
    parser.add_argument(
        "log", type=Path, metavar="file.tlog", help="a telemetry log, as QGroundControl and MAVProxy write it"
    )
    parser.add_argument("--guard", metavar="guard.toml", help="guard policies of your own")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    guards = Guards.of(args.guard)
    if args.policy not in guards.names:
        raise ConfigError(f"{args.policy!r} is not a guard policy", hint=f"they are {', '.join(guards.names)}")
    try:
        log = list(tlog.frames(args.log.read_bytes()))
    except TlogError as error:
        raise ConfigError(
            f"{args.log} is no telemetry log: {error}", hint="QGroundControl and MAVProxy write .tlog"
        ) from None
    stations = senders(frame for _, frame in log)
    counts = judged(guards, args.policy, [each for each in log if mavlink.key(each[1])[0] in stations])
    systems = ", ".join(map(str, sorted(stations))) or "none"
    show(f"{args.log}: {counts.total()} frames of ground control stations (systems: {systems}), guard policy {args.policy}")
    for line in lines(counts):
        show(line)
    return 0


def senders(frames: Iterable[bytes]) -> Set[int]:
    """The systems of which no heartbeat is an autopilot's: the ground control stations."""
    systems, flying = set[int](), set[int]()
    for frame in frames:
        systems.add(mavlink.key(frame)[0])
        heard = heartbeat.read(frame)
        if heard and heard.from_autopilot:
            flying.add(heard.sysid)
    return systems - flying


def judged(guards: Guards, policy: str, log: Iterable[tuple[float, bytes]]) -> Counter[Row]:
    """How often each kind passes or is kept back, as a ground would judge it."""
    guard, counts = guards.of_station(policy), Counter[Row]()
    for when, frame in log:
        held = guard.held(frame, when)
        counts[held is None, held or _named(frame)] += 1
    return counts


def _named(frame: bytes) -> str:
    number = mavlink.message_id(frame)
    message = MESSAGES.get(number)
    if message is None or "command" not in message.fields:
        return name_of(number)
    asked = int(message.number_in(mavlink.payload(frame), "command"))
    return f"{message.name} {COMMANDS.get(asked, f'MAV_CMD {asked}')}"


def lines(counts: Counter[Row]) -> Iterator[str]:
    """What passes first, the most frequent first."""
    for (passes, name), count in sorted(counts.items(), key=lambda item: (not item[0][0], -item[1], item[0][1])):
        yield f"  {'passes' if passes else 'kept back'}  {count:7}  {printable(name)}"
