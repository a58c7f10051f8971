"""A pcap as a file of any size: read piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from gateway.recording import pcap
from gateway.recording.pcap import Malformed, Record

PIECE_SIZE = 1 << 20


def records(path: Path, progress: Callable[[int], None] = lambda _: None) -> Iterator[Record]:
    """`progress` gets the bytes that were read, piece by piece. Raises Malformed."""
    with path.open("rb") as file:
        if file.read(len(pcap.FILE_HEADER)) != pcap.FILE_HEADER:
            raise Malformed("the file does not begin as a recording does")
        yield from read(file, progress)


def read(file: BinaryIO, progress: Callable[[int], None] = lambda _: None) -> Iterator[Record]:
    """The records from here on. A record that is cut at the end is left out; Malformed for anything else."""
    rest = b""
    while piece := file.read(PIECE_SIZE):
        rest += piece
        progress(len(piece))
        at = 0
        for record in pcap.read(rest):
            at += pcap.OVERHEAD + len(record.content)
            yield record
        rest = rest[at:]


def encode(record: Record) -> bytes:
    return pcap.head(record.time_ns, record.port, len(record.content)) + record.content
