"""Index: which segments a session has, and of what times: from its leaves, its headers and the names of its files.

What lives here: that, for files of which nothing is believed yet. What must not: files, keys. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from gateway.recording.group import Group
from gateway.recording.leaf import Cut, File, Leaf
from keys.recording_header import RecordingHeader

INDEX_MAX = 1 << 20  # the ratchet turns once a segment: no number on a card keeps it turning without end

Place = tuple[bytes, int]  # rec_id, index


@dataclass(frozen=True, slots=True)
class Segment:
    """One file. `leaf` is None if no leaf counts it: the last one, or all of them where the log is damaged."""

    group: Group
    rec_id: bytes
    index: int
    start_us: int
    end_us: int | None  # None: it is not known
    leaf: File | None = None

    @property
    def place(self) -> Place:
        return self.rec_id, self.index


def segments(
    leaves: Iterable[Leaf], headers: Mapping[bytes, RecordingHeader], there: Mapping[bytes, Iterable[int]]
) -> list[Segment]:
    """Those of the log and those of the card (`there`: rec_id -> indexes), by their times."""
    counted: dict[Place, Segment] = {}
    ends: dict[bytes, int] = {}
    for segment in _of_the_log(leaves):
        counted.setdefault(segment.place, segment)
        ends[segment.rec_id] = max(ends.get(segment.rec_id, 0), segment.end_us or 0)
    found = [*counted.values(), *_others(counted, ends, headers, there)]
    return sorted(found, key=lambda segment: (segment.start_us, segment.rec_id, segment.index))


def _of_the_log(leaves: Iterable[Leaf]) -> Iterator[Segment]:
    for cut in leaves:
        if isinstance(cut, Cut):
            for file in cut.files:
                if file.index < INDEX_MAX:
                    yield Segment(file.group, file.rec_id, file.index, cut.start_us, cut.end_us, file)


def _others(
    counted: Mapping[Place, Segment],
    ends: Mapping[bytes, int],
    headers: Mapping[bytes, RecordingHeader],
    there: Mapping[bytes, Iterable[int]],
) -> Iterator[Segment]:
    """Files that no leaf counts, of recordings whose group is known. They begin after what is counted."""
    for rec_id, indexes in there.items():
        if (header := headers.get(rec_id)) is None:
            continue
        start_us = ends.get(rec_id, header.mono_us)
        for index in indexes:
            if index < INDEX_MAX and (rec_id, index) not in counted:
                yield Segment(Group(header.group), rec_id, index, start_us, None)
