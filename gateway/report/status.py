"""`zegel status`: shows the status of every running role of this computer to a person.

What lives here: the command, and what it shows in which order. What must not: what a status consists of (role_status.py),
how it comes here (status_socket.py), sentences for states (wording.py), what is wrong (advice.py).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.core.drop_reason import DropReason
from gateway.endpoint_state import State
from gateway.errors import NotRunning
from gateway.report import wording
from gateway.report.advice import advise
from gateway.report.role_status import (
    AirStatus,
    EndpointStatus,
    FeedStatus,
    GroundStatus,
    SessionStatus,
    Status,
    decoded,
)
from gateway.report.status_socket import read_raw
from keys.commands.terminal import json_text, show
from keys.printable import printable
from keys.times import duration, utc

SCHEMA = 1  # of the JSON: a higher number where a key is gone or means something else
SESSION_SHOWN = 8  # hexadecimal digits of a session_id


def command(parser: argparse.ArgumentParser) -> None:
    """show what every running air and ground on this computer is doing"""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "example:\n  zegel status\n  zegel status pilot\n  zegel status --json | python3 -m json.tool"
    parser.add_argument("name", metavar="NAME", nargs="*", help="only of these devices or stations; otherwise of all")
    parser.add_argument("--json", action="store_true", help="everything, as a list of JSON objects")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    found = read_raw()
    if not found:
        raise NotRunning(
            "no zegel air or ground of this user is running here",
            hint="start one: zegel air --help; for the services: sudo zegel status",
        )
    if args.name:
        names = sorted({printable(said["name"]) for said in found})
        found = [said for said in found if said["name"] in args.name]
        if not found:
            raise NotRunning(f"nothing of that name runs here: {', '.join(args.name)}", hint=f"here run {', '.join(names)}")
    if args.json:
        show(json_text([_for_programs(said) for said in found], 2))
    else:
        show("\n\n".join(_text_or_why_not(said) for said in found))
    return 0


def _for_programs(said: Mapping[str, Any]) -> dict[str, Any]:
    """What a role says, with the number of its form first. `wrong` is null if another version says it."""
    status = decoded(said)
    return {"schema": SCHEMA, **said, "wrong": None if status is None else advise(status)}


def _text_or_why_not(said: Mapping[str, Any]) -> str:
    """A process of another version may publish less than this one shows, and a stranger anything."""
    if status := decoded(said):
        return text(status)
    name = printable(f"{said['role']} {said['name']}")
    return f"{name}: not shown, it is another version's; zegel status --json has it, and a restart mends it"


def text(status: Status) -> str:
    """All that a person sees of one role, escaped."""
    lines = [f"{status.role} {status.name}: {wording.role(status)}", f"  operation  {status.operation}", _order(status)]
    lines += _air(status) if isinstance(status, AirStatus) else _ground(status)
    for name, row in status.frames.items():
        lines.append(f"  vehicle    {name}: {row.frames} frames, {row.rx_lost_est} lost before they came here")
    lines += map(_endpoint, status.endpoints)
    lines += _feed(status.feed) if isinstance(status, GroundStatus) and status.feed else []
    lines += _dropped(status)
    if not status.memory_locked:
        lines.append("  memory     not locked, so keys may reach swap")
    lines += [f"  alarm      {alarm}" for alarm in status.alarms]
    if line := advise(status):
        lines.append(f"  wrong      {line}")
    return "\n".join(map(printable, lines))


def _order(status: Status) -> str:
    left_s = status.order_left_s
    until = f"  order      {status.order}, until {utc(status.order_ends)}"
    if left_s is None:
        return until
    return f"{until}, for {duration(int(left_s))} more" if left_s > 0 else f"{until}, ENDED"


def _air(status: AirStatus) -> list[str]:
    session = f"{status.session[:SESSION_SHOWN]}  boot {status.boot_counter}  epoch {status.epoch}"
    return [f"  session    {session}", _datagrams(status.lanes)]


def _ground(status: GroundStatus) -> list[str]:
    return [*map(_session, status.sessions), _datagrams(status.opened)]


def _session(session: SessionStatus) -> str:
    systems = ", ".join(map(str, session.systems)) or "not known"
    whose = f"{session.device}, system {systems}  boot {session.boot_counter}"
    return f"  session    {session.session[:SESSION_SHOWN]}  {whose}  {wording.session(session)}"


def _datagrams(counts: Mapping[str, int]) -> str:
    return f"  datagrams  {_pairs(counts) or 'none yet'}"


def _endpoint(end: EndpointStatus) -> str:
    line = f"  {end.use:<9}  {end.endpoint}  {end.state}"
    if end.state is State.RECONNECTING:
        return f"{line}, {end.last_error}"
    line += f", in {end.rx_per_s:g}/s {end.rx_kbit:g} kbit/s, out {end.tx_per_s:g}/s {end.tx_kbit:g} kbit/s"
    if end.loss_percent is not None:
        line += f", {end.loss_percent:g} % lost"
    return line + (f", for {' '.join(end.clients)}" if end.clients else "")


def _feed(feed: FeedStatus) -> list[str]:
    refused = f", refused: {feed.refused} messages" if feed.refused else ""
    subscribed = _pairs(feed.subscriptions) or "no program"
    return [f"  feed       {feed.address}  {feed.state}, subscribed: {subscribed}{refused}"]


def _dropped(status: Status) -> Iterator[str]:
    drops = {name: count for name, count in status.drops.items() if count}
    if others := drops.pop(DropReason.NOT_GRANTED, 0):
        yield f"  for others {others} datagrams of lanes that this station's role does not have"
    yield "  dropped    " + (_pairs(drops) or "nothing")
    for place, count in status.unexpected.items():
        yield f"  unexpected {place}: {count}"
    for station, counts in status.kept_back.items():
        for message, count in counts.items():
            yield f"  kept back  {message}, {count} times, from {station}"
    if isinstance(status, GroundStatus):
        yield from _of_others(status)


def _of_others(status: GroundStatus) -> Iterator[str]:
    """Commands that are for no aircraft, and frames of an aircraft under an id that is not its own."""
    for message, count in status.misrouted.items():
        yield f"  kept back  {message}, {count} times: for no one aircraft"
    for device, kinds in status.foreign.items():
        for kind, count in kinds.items():
            yield f"  foreign    {device}: {kind}, {count}: list it to let it pass"


def _pairs(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())
