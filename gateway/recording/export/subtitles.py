"""Subtitles: time, position and height, one for each second of a film. SubRip (.srt)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gateway.recording.export import track
from gateway.recording.export.track import Position
from gateway.recording.export.wall_clock import WallClock

SECOND_NS = 1_000_000_000
OLDEST_NS = 3 * SECOND_NS  # an older position is none


def subtitles(begin_ns: int, end_ns: int, clock: WallClock, positions: Sequence[Position]) -> Iterator[str]:
    """The blocks of a film whose pictures are of this time of the session."""
    for number, at in enumerate(range(begin_ns, end_ns, SECOND_NS), 1):
        from_, to = at - begin_ns, min(at + SECOND_NS, end_ns) - begin_ns
        lines = [clock.words(at), *_place(track.near(positions, at + SECOND_NS // 2, OLDEST_NS))]
        yield f"{number}\n{_stamp(from_)} --> {_stamp(to)}\n" + "\n".join(lines) + "\n\n"


def _place(at: Position | None) -> list[str]:
    if at is None:
        return []
    return [f"{at.latitude:.6f} {at.longitude:.6f}  {at.altitude:.1f} m, {at.above_home:.1f} m above home"]


def _stamp(time_ns: int) -> str:
    seconds, milliseconds = divmod(time_ns // 1_000_000, 1000)
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02},{milliseconds:03}"
