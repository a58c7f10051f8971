"""Video: the exact elementary stream out of a pcap, and what a film needs to be made from it.

What lives here: the file that is the stream (.h264, .h265, .ts), and while the film is made its pictures and
their times. Memory holds one picture.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

from gateway.recording.export import pcap_file, plan
from gateway.recording.export.plan import PART
from gateway.recording.pcap import Record
from gateway.video.damage import Damage
from gateway.video.nal import KINDS, Codec, kind
from gateway.video.parameter_sets import ParameterSets
from gateway.video.recognise import Content, Form, recognise
from gateway.video.sdp import Description
from gateway.video.stream_pictures import Picture, StreamPictures
from gateway.video.ts_mux import START_CODE

PROBED = 300  # datagrams that tell what the stream is
_ENTRY = struct.Struct("<IQQB")  # size of a picture, when it came (ns), when it is shown (ticks), flags
_KEY, _SETS = 1, 2  # flags: a decoder can begin here; holds parameter sets


class Entry(NamedTuple):
    """One picture in the file of pictures."""

    size: int
    arrived_ns: int
    shown: int
    key: bool
    sets: bool


@dataclass
class Stream:
    """What was found. `mended`: parameter sets that were put in front of the first key picture."""

    form: Form
    name: str  # of the exact stream
    codec: Codec | None = None
    pictures: int = 0
    keys: int = 0
    skipped: int = 0  # pictures that were left out: before the first key picture, or of another codec
    mended: int = 0
    lost: int = 0
    restarts: int = 0
    complete: bool = False  # all parameter sets are known
    sets: list[bytes] = field(default_factory=list)
    damage: dict[Damage, int] = field(default_factory=dict)


class VideoWriter:
    """Of one lane. `outside`: parameter sets that are known from elsewhere; `from_key`: leave out what precedes the first.

    `pictures`, `index`  files that hold the pictures, and their times, once `write` has returned
    """

    def __init__(self, folder: Path, lane: str, form: Form, outside: Sequence[bytes], *, from_key: bool) -> None:
        self.stream = Stream(form, f"{lane}.{form.content.codec or 'ts'}")
        self._raw = form.content is Content.MPEG_TS or form.payload_type is None  # the datagrams are the stream
        self._exact = folder / (self.stream.name + PART)
        self.pictures = folder / f".{lane}.pictures{PART}" if self._raw else self._exact
        self.index = folder / f".{lane}.index{PART}"
        self._outside, self._from_key = outside, from_key
        self._sets: ParameterSets | None = None

    def write(self, records: Iterable[Record]) -> Stream:
        found, reader = self.stream, StreamPictures(self.stream.form)
        with ExitStack() as stack:
            exact = stack.enter_context(plan.create(self._exact))
            into = stack.enter_context(plan.create(self.pictures)) if self._raw else exact
            entries = stack.enter_context(plan.create(self.index))
            for record in records:
                if self._raw:
                    exact.write(reader.content(record.content))
                self._add(reader.feed(record.content, record.time_ns), into, entries)
            self._add(reader.flush(), into, entries)
        found.lost, found.restarts, found.damage = reader.lost, reader.restarts, dict(reader.damage)
        if self._sets is not None:
            found.complete, found.sets = self._sets.complete, self._sets.newest()
        return found

    def end(self) -> None:
        """The exact stream gets its name, and the other files go."""
        self._exact.replace(self._exact.with_name(self.stream.name))
        self.index.unlink()
        if self._raw:
            self.pictures.unlink()

    def _add(self, pictures: list[Picture], into: BinaryIO, entries: BinaryIO) -> None:
        for picture in pictures:
            nals = self._nals(picture)
            if not nals:
                continue
            codec, data = picture.unit.codec, START_CODE + START_CODE.join(nals)
            sets = any(kind(codec, nal) in KINDS[codec].parameters for nal in nals)
            into.write(data)
            flags = (_KEY if picture.unit.key else 0) | (_SETS if sets else 0)
            entries.write(_ENTRY.pack(len(data), picture.arrived_ns, picture.shown, flags))
            self.stream.pictures += 1
            self.stream.keys += picture.unit.key

    def _nals(self, picture: Picture) -> list[bytes]:
        """The units as they came; the first key picture gets the sets that it lacks and that are known from elsewhere."""
        codec, nals = picture.unit.codec, picture.unit.nals
        if self._sets is None:
            self.stream.codec, self._sets = codec, ParameterSets(codec)
            self._sets.learn([nal for nal in self._outside if len(nal) >= KINDS[codec].header_size])
        if codec != self.stream.codec:
            self.stream.skipped += 1
            return []
        if not self.stream.keys and picture.unit.key:
            whole = self._sets.completed(nals)
            self.stream.mended = len(whole) - len(nals)
            return whole
        self._sets.learn(nals)
        if not self.stream.keys and self._from_key:
            self.stream.skipped += 1
            return []
        return nals


def form_of(source: Path, described: Description | None) -> Form:
    """What the datagrams tell; a description counts for RTP that does not tell."""
    found = recognise(record.content for record in islice(pcap_file.records(source), PROBED))
    if found.content is Content.UNKNOWN and described is not None:
        return Form(Content.H264 if described.codec == "h264" else Content.H265, described.payload_type)
    return found


def entries(index: Path) -> Iterator[Entry]:
    with index.open("rb") as file:
        while piece := file.read(_ENTRY.size):
            size, arrived_ns, shown, flags = _ENTRY.unpack(piece)
            yield Entry(size, arrived_ns, shown, bool(flags & _KEY), bool(flags & _SETS))
