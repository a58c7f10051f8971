"""README.txt: what an export holds, which of it is original, where its times come from, and what is missing.

What lives here: the words. What must not: a file of the export.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from gateway.recording.export.film import Film
from gateway.recording.export.flight import Flight
from gateway.recording.export.plan import Gap, Original, Plan
from gateway.recording.export.video import Stream
from gateway.recording.export.wall_clock import WallClock, since

WIDTH = 16
ORIGINAL = "original"
EXACT = "exact"
DERIVED = "derived"
KINDS = f"""\
{ORIGINAL}   the plaintext of what was recorded, byte by byte
{EXACT}      bytes of the original, taken out of their packets and otherwise unchanged
{DERIVED}    made by this program from the originals in this folder, and from nothing else
"""


@dataclass
class Video:
    """One lane. `film` is None if there is none; `why` says why then."""

    original: Original
    stream: Stream | None = None
    film: Film | None = None
    by: str = ""
    why: str = ""


@dataclass
class Found:
    """What the steps of an export found."""

    flight: Flight | None = None
    videos: dict[str, Video] = field(default_factory=dict)


def text(plan: Plan, found: Found, clock: WallClock) -> str:
    parts = [
        _head(plan, clock),
        ("Files", [*_files(plan, found), "", *KINDS.splitlines()]),
        ("Times", list(_times(plan, clock))),
        ("Gaps and pauses", [_gap(gap, clock) for gap in plan.gaps] or ["None were written down by the aircraft."]),
        ("What is missing or was changed", list(missing(plan, found)) or ["Nothing that this program knows of."]),
        ("How to check", list(_check(plan))),
    ]
    return "\n".join(f"{title}\n{'-' * len(title)}\n" + "\n".join(lines) + "\n" for title, lines in parts)


def _head(plan: Plan, clock: WallClock) -> tuple[str, list[str]]:
    begins = [one.from_ns for one in plan.originals.values() if one.from_ns is not None]
    ends = [one.to_ns for one in plan.originals.values() if one.to_ns is not None]
    facts = {"Session": plan.asked.session, **plan.facts, "Lanes": ", ".join(plan.asked.lanes)}
    if begins and ends:
        facts |= {"From": clock.words(min(begins)), "To": clock.words(max(ends))}
    if plan.asked.from_ns is not None or plan.asked.to_ns is not None:
        asked = [_at(plan.asked.from_ns, "the beginning"), _at(plan.asked.to_ns, "the end")]
        facts["A part only"] = " to ".join(asked)
    facts["Made by"] = f"zegel {plan.version}, `zegel recording export`"
    lines = [f"{name:{WIDTH}}{value}" for name, value in facts.items()]
    if plan.others:
        lines += ["", "The card holds other sessions, which are not here. A power cut in flight begins a new one:"]
        lines += [f"    {other}" for other in plan.others]
    return "A recorded flight", lines


def _at(time_ns: int | None, otherwise: str) -> str:
    return otherwise if time_ns is None else since(time_ns)


def _files(plan: Plan, found: Found) -> Iterator[str]:
    for lane, original in plan.originals.items():
        yield _file(f"{lane}.pcap", ORIGINAL, f"{original.records:,} records; opens in Wireshark")
    if found.flight is not None:
        flight = found.flight
        yield _file("flight.tlog", DERIVED, f"{flight.frames:,} MAVLink frames; {flight.commands:,} are accepted commands")
        yield _file("track.gpx", DERIVED, f"{flight.points:,} positions, each GLOBAL_POSITION_INT of the autopilot")
        yield _file("track.kml", DERIVED, "the same as a line, for maps")
        yield _file("events.jsonl", DERIVED, f"{flight.events:,} events of the aircraft's gateway, one JSON object a line")
    for lane, video in found.videos.items():
        if video.stream is not None:
            kind = DERIVED if video.stream.mended else EXACT
            yield _file(video.stream.name, kind, f"{video.stream.form.content.value}, {video.stream.pictures:,} pictures")
        if video.film is not None:
            yield _file(f"{lane}.mp4", DERIVED, f"{video.film.pictures:,} pictures, not encoded again; by {video.by}")
            yield _file(f"{lane}.srt", DERIVED, "subtitles of it: time, position, height")


def _file(name: str, kind: str, what: str) -> str:
    return f"{name:{WIDTH}}{kind:11}{what}"


def _times(plan: Plan, clock: WallClock) -> Iterator[str]:
    yield f"UTC comes from: {clock.source}."
    reader = "the aircraft's gateway read the data" if plan.aboard else "they came to the station by the link"
    yield f"The records of a pcap have the time since the session began, when {reader}."
    if clock.offset_us is None:
        yield "So have all other files: in flight.tlog the session begins at 1970-01-01 00:00:00, and track.gpx has none."
    else:
        yield f"All other files have UTC: the time of the pcap plus {clock.offset_us / 1e6:.6f} seconds since 1970."
        yield f"The same for a pcap: editcap -t {clock.offset_us / 1e6:.6f} flight.pcap shifted.pcap"
    yield "In a film, the time between two pictures is the camera's; after a pause it is the gateway's."


def _gap(gap: Gap, clock: WallClock) -> str:
    until = clock.words(gap.to_us * 1000) if gap.to_us else "the end of the session"
    lost = f"; {gap.lost:,} datagrams" if gap.lost else ""
    return f"{', '.join(gap.lanes)}: {clock.words(gap.from_us * 1000)} to {until}: {gap.why}{lost}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def missing(plan: Plan, found: Found) -> Iterator[str]:
    yield from (f"session: {sentence}" for sentence in plan.damage)
    for lane, original in plan.originals.items():
        yield from (f"{lane}: {sentence}" for sentence in original.damage)
        if not original.records:
            yield f"{lane}: nothing was recorded"
        if original.moved_back and original.from_ns is not None:
            yield f"{lane}: begins at {since(original.from_ns)}, before the time that was asked for, with a key picture"
    if (flight := found.flight) is not None:
        if flight.stripped:
            yield f"flight.tlog: {_count(flight.stripped, 'signature')} left out, so the checksums of these frames are new"
        if flight.damaged:
            yield f"flight.pcap: {_count(flight.damaged, 'record')} with neither a MAVLink frame nor an event"
        if flight.other_points:
            yield f"track.gpx: {_count(flight.other_points, 'position')} of other senders left out"
    for lane, video in found.videos.items():
        yield from (f"{lane}: {sentence}" for sentence in _of_video(lane, video))


def _of_video(lane: str, video: Video) -> Iterator[str]:
    if (stream := video.stream) is not None:
        if stream.lost:
            yield f"{_count(stream.lost, 'packet')} did not reach the gateway aboard; their pictures are damaged"
        for damage, count in stream.damage.items():
            yield f"{damage.value}: {count:,}"
        if stream.mended:
            yield f"{stream.name}: {_count(stream.mended, 'parameter set')} before the first key picture, which had none"
        if stream.skipped:
            yield f"{_count(stream.skipped, 'picture')} before the first key picture only in {lane}.pcap"
        if stream.restarts:
            yield f"the camera began again, paused, or its clock went wrong: {_count(stream.restarts, 'time')}"
    if video.film is not None and video.film.before:
        yield f"{_count(video.film.before, 'picture')} before the first key picture not in {lane}.mp4"
    if video.film is not None and not video.film.key:
        yield f"{lane}.mp4 has no key picture; a player shows damage at its beginning"
    if video.why:
        yield f"there is no {lane}.mp4: {video.why}"


def _check(plan: Plan) -> Iterator[str]:
    yield "That the files are as they were exported:    sha256sum -c SHA256SUMS"
    yield "That the originals are what was recorded: export the card again with the recording key, and compare the pcaps."
    yield "That the derived files are right: open the pcaps with other programs, such as Wireshark."
    if plan.aboard:
        yield "The hashes of the encrypted files on the card are in its leaves.cbor: zegel recording list CARD --check"
