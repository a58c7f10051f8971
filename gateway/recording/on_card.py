"""OnCard: the folder of one session, with the files in it that are open. SPEC.md section 8."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

from gateway.recording import leaf, paths, sequence
from gateway.recording.disk import Disk
from gateway.recording.leaves import LeafLog
from gateway.recording.segment import Recording, Segment, SessionFiles
from keys import cose

HEADERS_MAX = 1 << 24  # bytes of headers.cbor that are read


@dataclasses.dataclass(slots=True)
class OpenFile:
    """How far a segment is in its file."""

    handle: int
    pieces: int = 0  # that were written
    size: int = 0  # their bytes
    started: int = 0  # bytes that the system was told to write


class OnCard:
    """`log` is the session's log, `logged` are the recordings in it; `folders` hold names that are not synced yet."""

    def __init__(self, disk: Disk, card: Path, session: SessionFiles) -> None:
        """OSError. Files that are there are written again: after an error the system shows what the card may not have."""
        self._disk, self.session = disk, session
        self._folder = paths.session(card, session.session_id)
        disk.make_folder(self._folder)
        self.folders = {card, self._folder}
        self._files: dict[Segment, OpenFile] = {}
        self._recordings: set[bytes] = set()  # whose header is here
        self._new = list[int]()  # files that are whole and not synced
        self._put(self._folder / paths.ORDER, session.order_file)
        self._put(self._folder / paths.STATEMENT, session.statement)
        headers = disk.read(self._folder / paths.HEADERS, HEADERS_MAX) or b""
        self._headers = headers[: max((end for _, end in sequence.items(headers)), default=0)]
        self.log = LeafLog(disk, self._folder / paths.LEAVES)
        self.logged = {one.rec_id for one in self.log.found if isinstance(one, leaf.Recording)}

    def _put(self, path: Path, data: bytes, at: int = 0) -> None:
        """The file ends with `data`, which begins `at` this offset."""
        handle = self._disk.open(path)
        self._disk.write(handle, at, [data])
        self._disk.cut(handle, at + len(data))
        self._new.append(handle)

    def open(self, segment: Segment) -> OpenFile:
        """Its file; the folder of its recording is made with the first.

        What an earlier attempt wrote into it stays until the same bytes are written over it: the leaf that counts it may
        be on the card already, although its sync failed.
        """
        if segment not in self._files:
            folder = self._recording(segment.recording)
            self._disk.make_folder(folder)
            self.folders |= {self._folder, folder}
            self._files[segment] = OpenFile(self._disk.open(paths.segment(folder, segment.index)))
        return self._files[segment]

    def put_header(self, recording: Recording) -> None:
        """header.cose, and once more in headers.cbor."""
        if recording.rec_id in self._recordings:
            return
        self._put(self._recording(recording) / paths.HEADER, recording.message)
        item = cose.dumps(recording.message)
        at = len(self._headers) if self._recordings else 0
        if item not in self._headers:
            self._headers += item
        self._put(self._folder / paths.HEADERS, self._headers[at:], at)
        self._recordings.add(recording.rec_id)

    def unsynced(self, segments: Iterable[Segment]) -> list[int]:
        """The handles of all that a cut with these segments has to sync."""
        return [self.log.handle, *(self._files[segment].handle for segment in segments), *self._new]

    def close(self, segments: Iterable[Segment]) -> None:
        """They, and what is whole, are synced."""
        for segment in segments:
            self._disk.close(self._files.pop(segment).handle)
        for handle in self._new:
            self._disk.close(handle)
        self._new.clear()
        self.folders.clear()

    def _recording(self, recording: Recording) -> Path:
        return paths.recording(self._folder, recording.rec_id)
