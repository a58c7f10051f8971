"""Counters: what `zegel status -v` shows below the screen: sessions, endpoints and every counter, by the names of the JSON.

What lives here: pure functions of a status to rows. What must not: what a person needs at a glance (screen.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gateway.core.drop_reason import DropReason
from gateway.endpoint_state import State
from gateway.report import wording
from gateway.report.role_status import AirStatus, EndpointStatus, FeedStatus, GroundStatus, SessionStatus, Status
from gateway.report.screen import Row

SESSION_SHOWN = 8  # hexadecimal digits of a session_id


def rows(status: Status) -> list[Row]:
    return [Row(label, [text]) for label, text in _counters(status)]


def _counters(status: Status) -> Iterator[tuple[str, str]]:
    yield from _air(status) if isinstance(status, AirStatus) else _ground(status)
    for name, row in status.frames.items():
        yield "vehicle", f"{name}: {row.frames} frames, {row.rx_lost_est} lost before they came here"
    yield from map(_endpoint, status.endpoints)
    if isinstance(status, GroundStatus):
        yield from (("feed", _feed(feed)) for feed in (status.feed, status.feed_tcp) if feed)
    yield from _dropped(status)
    yield "data path", status.data_path


def _air(status: AirStatus) -> Iterator[tuple[str, str]]:
    yield "session", f"{status.session[:SESSION_SHOWN]}  boot {status.boot_counter}  epoch {status.epoch}"
    yield "datagrams", _pairs(status.lanes) or "none yet"


def _ground(status: GroundStatus) -> Iterator[tuple[str, str]]:
    for session in status.sessions:
        yield "session", _session(session)
    yield "datagrams", _pairs(status.opened) or "none yet"
    yield "commands", _pairs(status.commands)


def _session(session: SessionStatus) -> str:
    systems = ", ".join(map(str, session.systems)) or "not known"
    whose = f"{session.device}, system {systems}  boot {session.boot_counter}"
    return f"{session.session[:SESSION_SHOWN]}  {whose}  {wording.session(session)}"


def _endpoint(end: EndpointStatus) -> tuple[str, str]:
    line = f"{end.endpoint}  {end.state}"
    if end.state is State.RECONNECTING:
        return end.use, f"{line}, {end.last_error}"
    line += f", in {end.rx_per_s:g}/s {end.rx_kbit:g} kbit/s, out {end.tx_per_s:g}/s {end.tx_kbit:g} kbit/s"
    if end.loss_percent is not None:
        line += f", {end.loss_percent:g} % lost"
    return end.use, line + (f", for {' '.join(end.clients)}" if end.clients else "")


def _feed(feed: FeedStatus) -> str:
    if feed.state in {State.DOWN, State.RECONNECTING}:
        return f"{feed.address}  {feed.state}, {feed.last_error}".lstrip()
    behind = f", too slow: {feed.behind} times" if feed.behind else ""
    refused = f", refused: {feed.refused} messages" if feed.refused else ""
    return f"{feed.address}  {feed.state}, subscribed: {_pairs(feed.subscriptions) or 'no program'}{behind}{refused}"


def _dropped(status: Status) -> Iterator[tuple[str, str]]:
    drops = {name: count for name, count in status.drops.items() if count}
    if others := drops.pop(DropReason.NOT_GRANTED, 0):
        yield "for others", f"{others} datagrams of lanes that this station's role does not have"
    yield "dropped", _pairs(drops) or "nothing"
    for place, count in status.unexpected.items():
        yield "unexpected", f"{place}: {count}"
    for station, counts in status.kept_back.items():
        for message, count in counts.items():
            yield "kept back", f"{message}, {count} times, from {station}"
    if isinstance(status, GroundStatus):
        yield from _of_others(status)
    if isinstance(status, AirStatus):
        for message, count in status.kept_aboard.items():
            yield "kept aboard", f"{message}, {count} times"


def _of_others(status: GroundStatus) -> Iterator[tuple[str, str]]:
    """Commands that are for no aircraft, and frames of an aircraft under an id that is not its own."""
    for message, count in status.misrouted.items():
        yield "kept back", f"{message}, {count} times: for no one aircraft"
    for device, kinds in status.foreign.items():
        for kind, count in kinds.items():
            yield "foreign", f"{device}: {kind}, {count}: list it to let it pass"


def _pairs(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())
