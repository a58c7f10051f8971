"""Listing: what is on a card, in words and as JSON, for `zegel recording list`. It needs no key.

What lives here: the sentences. What must not: reading.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from gateway.recording.damage import Damage
from gateway.recording.group import Group
from gateway.recording.index import Segment
from gateway.recording.leaf import Gap
from gateway.recording.opened import Session
from gateway.recording.reason import CloseReason, GapReason
from keys.times import duration

US, KIB = 1_000_000, 1024
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")
_ENDS = {
    CloseReason.ENDED: "ended as it was asked to",
    CloseReason.OTHER_ORDER: "ended by another order, under which the next session began",
    CloseReason.GONE: "ended when zegel air was gone",
}
POWER = "not ended: the power went, or it is still recorded"
REASONS = {
    GapReason.CARD_FULL: "the card was full",
    GapReason.CARD_SLOW: "the card was too slow",
    GapReason.CARD_FAILED: "the card failed",
    GapReason.RECORDER_RESTARTED: "the recorder started again",
    GapReason.NOT_ASKED_FOR: "not asked for: the order says that video is recorded on request",
    GapReason.PAUSED: "paused by {station}",
}
OF_LINK = {
    GapReason.CARD_FULL: "the disk of the station was full",
    GapReason.CARD_SLOW: "the disk of the station was too slow",
    GapReason.CARD_FAILED: "the disk of the station failed",
    GapReason.RECORDER_RESTARTED: "the ground was not running",
}
HOLES = {
    Damage.UNREADABLE: "the card does not give it back",
    Damage.SEGMENT_LOST: "not on the card",
    Damage.SEGMENT_BROKEN: "opened only up to a broken place",
    Damage.TAIL_BROKEN: "not finished when the power went",
    Damage.RECORDS_BROKEN: "has bytes that are no records",
}


def lines(session: Session, matching: bool | None) -> Iterator[str]:
    """`matching`: whether each file is as the log has it; None if that was not checked."""
    times = session.times
    claimed = ", by the aircraft's clock" if times.offset_us is not None else ""
    yield f"session {session.id.hex()}"
    yield f"  began {times.date(0)}{claimed}; {duration(session.end_us // US)}; {end_of(session)}"
    yield f"  {_origin(session)}"
    if session.proof.signed_by:
        yield f"  the order is {session.proof.signed_by}"
    yield from (f"  not proved: {missing}" for missing in session.proof.missing)
    for group in session.groups:
        begin, end, size, count = session.extent(group)
        pieces = "datagrams" if session.of_link else "segments"
        yield f"  {group.label:9} {times.clock(begin)} to {times.clock(end)}, {amount(size)} in {count} {pieces}"
    yield from (f"  {sentence}" for sentence in _changes(session))
    yield from damaged(session)
    yield f"  {_hashes(session, matching)}"


def end_of(session: Session) -> str:
    """How it ended, in words."""
    if session.of_link:
        return "the aircraft ended it" if session.close else "it was not heard to end"
    return _ENDS[session.close.reason] if session.close else POWER


def _origin(session: Session) -> str:
    order, stated = session.proof.order, session.proof.stated
    parts = [f"aircraft {session.proof.device!r}" if session.proof.device else "an aircraft that is not known"]
    parts += [f"start {stated.boot_counter}"] if stated else []
    parts += [f"operation {order.operation!r} of {order.agency!r}, order {order.serial}"] if order else []
    parts += [f"zegel {session.software}"] if session.software else []
    return ", ".join(parts)


def _changes(session: Session) -> Iterator[str]:
    """Gaps, and when it was armed and disarmed, by their times."""
    clock = session.times.clock
    told = [(each.mono_us, f"{'armed' if each.armed else 'disarmed'} {clock(each.mono_us)}") for each in session.armed]
    told += [(each.from_us, f"NOT RECORDED: {gap(session, each)}") for each in session.gaps]
    yield from (sentence for _, sentence in sorted(told))


def gap(session: Session, found: Gap) -> str:
    """Of what, from when to when, why, and by whom."""
    clock = session.times.clock
    until = f"to {clock(found.to_us)}" if found.to_us else "to the end"
    lost = f", {found.lost} datagrams" if found.lost else ""
    return f"{labels(found.groups)} {clock(found.from_us)} {until}: {reason(session, found)}{lost}"


def damaged(session: Session) -> Iterator[str]:
    """What of it is damaged, as far as it was read; that a key does not open a part is no damage."""
    counts = session.damage.counts()
    for damage in filter(counts.get, Damage):
        yield f"  {'not opened' if damage is Damage.NOT_OPENED else 'DAMAGED'}: {damage.value}: {counts[damage]}"


def hole(session: Session, damage: Damage, segments: Sequence[Segment]) -> str:
    """What is wrong with segments that follow one another, of what, and from when to when."""
    clock, first, last = session.times.clock, segments[0], segments[-1]
    until = f"to {clock(last.end_us)}" if last.end_us is not None else "on"
    count = f"{len(segments)} segment{'s' if len(segments) > 1 else ''}"
    return f"{first.group.label} {clock(first.start_us)} {until}, {count}: {HOLES[damage]}"


def reason(session: Session, found: Gap) -> str:
    names = {station.index: repr(station.name) for station in session.proof.order.stations} if session.proof.order else {}
    reasons = REASONS | OF_LINK if session.of_link else REASONS
    return reasons[found.reason].format(station=f"station {names.get(found.station, found.station)}")


def _hashes(session: Session, matching: bool | None) -> str:
    if session.of_link:
        return "kept by a station as it came by the link: there is no log to compare it with"
    if matching is None:
        return "the files were not compared with the log: --check"
    return "every file is as the log has it" if matching else "NOT every file is as the log has it"


def labels(groups: Iterable[Group]) -> str:
    return ", ".join(group.label for group in groups)


def amount(size: int) -> str:
    """1.2 GiB."""
    if size < KIB:
        return f"{size} bytes"
    scale = next(scale for scale in itertools.count(1) if size < KIB ** (scale + 1) or scale == len(_UNITS) - 1)
    return f"{size / KIB**scale:.1f} {_UNITS[scale]}"


def as_json(sessions: Sequence[Session], matching: Sequence[bool | None]) -> dict[str, Any]:
    """For programs. Times are seconds since the session began."""
    return {"sessions": [_object(session, same) for session, same in zip(sessions, matching, strict=True)]}


def _object(session: Session, matching: bool | None) -> dict[str, Any]:
    order, stated, utc = session.proof.order, session.proof.stated, session.times.utc(0)
    return {
        "id": session.id.hex(),
        "folder": str(session.folder),
        "began": utc.isoformat() if utc else None,
        "seconds": session.end_us / US,
        "ended": session.close.reason.name.lower() if session.close else None,
        "aircraft": session.proof.device or None,
        "start": stated.boot_counter if stated else None,
        "operation": order.operation if order else None,
        "agency": order.agency if order else None,
        "order": order.serial if order else None,
        "software": session.software or None,
        "signed_by": session.proof.signed_by or None,
        "not_proved": list(session.proof.missing),
        "groups": [_group(session, group) for group in session.groups],
        "gaps": [_gap(found) for found in session.gaps],
        "armed": [{"at": each.mono_us / US, "armed": each.armed} for each in session.armed],
        "damage": {damage.name.lower(): count for damage, count in session.damage.counts().items()},
        "files_match": matching,
    }


def _group(session: Session, group: Group) -> dict[str, Any]:
    begin, end, size, count = session.extent(group)
    pieces = "datagrams" if session.of_link else "segments"
    return {"group": group.label, "from": begin / US, "to": end / US, "bytes": size, pieces: count}


def _gap(found: Gap) -> dict[str, Any]:
    return {
        "groups": [group.label for group in found.groups],
        "from": found.from_us / US,
        "to": found.to_us / US if found.to_us else None,
        "reason": found.reason.name.lower(),
        "lost": found.lost,
        "station": found.station or None,
    }


def lost_bytes(session: Session) -> bool:
    """Whether anything of it is damaged."""
    return bool(session.damage.counts().keys() - {Damage.TAIL_BROKEN})
