"""Reading: the starts of a link recording, and their records as they are in the files. SPEC.md section 8.1.

What lives here: which files make one start, and what each record is. What must not: opening datagrams. Files may be torn,
changed or hostile: what is no record ends a file, and nothing is raised for it but what cannot be read at all.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from gateway.recording import card, pcap
from gateway.recording.damage import Damage, Damages
from gateway.recording.link import form
from gateway.recording.link.form import Event, Name, Start
from gateway.recording.pcap import Malformed, Record

READ_SIZE = 1 << 20  # bytes at once


class Place(NamedTuple):
    """Of a record: which of the files, and the byte in it."""

    file: int
    at: int


BEGIN = Place(0, len(pcap.FILE_HEADER))


@dataclass
class Recorded:
    """One start of a ground. `start`: what the first file that can be read says of it."""

    name: str
    files: list[Path]
    start: Start
    damage: Damages

    def records(self, since: Place = BEGIN) -> Iterator[tuple[Place, Record]]:
        """Those of all files from `since` on, in their sequence, each with its place."""
        for number, path in enumerate(self.files[since.file :], since.file):
            begin = since.at if number == since.file else BEGIN.at
            try:
                for at, record in _of_file(path, begin):
                    yield Place(number, at), record
            except OSError:
                self.damage.note(Damage.UNREADABLE, path.name)
            except Malformed:
                self.damage.note(Damage.FILE_BROKEN, path.name)


def starts(folder: Path, damage: Damages) -> list[Recorded]:
    """Those in a folder, by the time at which they say that they began. OSError if it cannot be read.

    `damage`: what is found now and later.
    """
    found: defaultdict[str, list[Name]] = defaultdict(list)
    for name in filter(None, map(form.parse_name, card.names(folder))):
        found[name.start].append(name)
    made = []
    for start, names in found.items():
        files = [folder / form.file_name(*each) for each in sorted(names, key=lambda each: each.number)]
        if said := _said(files):
            made.append(Recorded(start, files, said, damage))
        else:
            damage.note(Damage.FILE_BROKEN, start)
    return sorted(made, key=lambda each: (each.start.unix_us, each.name))


def _said(files: list[Path]) -> Start | None:
    """What these say of the start of the ground; None if none of them says anything."""
    for path in files:
        with contextlib.suppress(OSError, Malformed):
            said = next((event(record) for _, record in _of_file(path, BEGIN.at)), None)
            if isinstance(said, Start):
                return said
    return None


def event(record: Record) -> Event | None:
    """What a record says that is no datagram."""
    return form.event(record.content) if record.port == form.EVENT else None


def _of_file(path: Path, at: int) -> Iterator[tuple[int, Record]]:
    """Each whole record from byte `at` on, with its place. OSError, Malformed."""
    with card.File(path) as file:
        if file.read(0, BEGIN.at) not in (pcap.FILE_HEADER, b""):
            raise Malformed("it does not begin as a pcap file")
        while data := file.read(at, READ_SIZE):
            begin = at
            for record in pcap.read(data):
                yield at, record
                at += pcap.OVERHEAD + len(record.content)
            if at == begin:  # the last record is cut
                return
