"""Frame reader: what MAVLink frames the bytes of a plain endpoint complete, each of its connections framed on its own.

What must not live here: what becomes of the frames.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from firmware_shims import mavlink
from gateway.batch import AGED_S, Batch
from gateway.core.barrier import Barrier
from gateway.endpoints import Endpoint

BATCHES_A_READ = 4  # what a flooding sender may take before others have their turn
CONNECTIONS = 16  # framers kept; a TCP server has at most so many clients
SETTLE_S = 0.005  # a serial line this quiet has ended its frame


class Came(NamedTuple):
    """Frames that came together, and for how many seconds the first of them had waited before it was read."""

    waited: float
    frames: list[bytes]


def together(came: Iterable[Came]) -> list[bytes]:
    """All frames in order, for whom it does not matter how old they are."""
    return [frame for _, frames in came for frame in frames]


class FrameReader:
    """`only_mavlink`: who connects to a server and does not begin with a frame is hung up on. A page in a browser can send
    what it likes behind the head of its request, and the browser's user may be here.

    `strangers`  how many that were
    """

    def __init__(self, endpoint: Endpoint, barrier: Barrier | None = None, *, only_mavlink: bool = False) -> None:
        self.endpoint, self._barrier = endpoint, barrier or Barrier()
        self._only_mavlink = only_mavlink and endpoint.address.kind == "tcpin"
        self.strangers = 0
        self._framers: dict[int, mavlink.Framer] = {}  # by connection; the one read last stands last
        self._gone = 0  # bytes skipped by framers that are no more
        self._read_at = float("inf")
        self._batch = Batch()

    @property
    def resync_bytes(self) -> int:
        """Bytes that were no part of a frame."""
        return self._gone + sum(framer.skipped_bytes for framer in self._framers.values())

    def next_due(self) -> float:
        """When `read` has to be called again though nothing came: silence ends a frame."""
        return self._read_at + SETTLE_S

    def read(self, now: float) -> list[Came]:
        """The frames that the bytes at hand complete, in order."""
        out: list[Came] = []
        batch = self._batch
        for _ in range(BATCHES_A_READ):
            if not self.endpoint.receive_into(batch, now):
                break
            if self._only_mavlink and self._is_stranger(batch):
                self.strangers += 1
                self.endpoint.hang_up()
                continue
            self._read_at = now
            out += self._framed(self._framer(self.endpoint.connection), batch)
            if not (self.endpoint.stream or batch.full):
                break
        if now >= self.next_due():
            settled, self._read_at = Came(now - self._read_at, []), float("inf")
            for framer in self._framers.values():
                with self._barrier:
                    settled.frames.extend(framer.end_of_burst())
            out.append(settled)
        return [came for came in out if came.frames]

    def _framed(self, framer: mavlink.Framer, batch: Batch) -> list[Came]:
        """All of a batch, as it nearly always is; those that had waited, apart wherever a while lies between them."""
        if batch.oldest < AGED_S:
            return [Came(batch.oldest, self._frames(framer, batch.datagrams()))]
        out: list[Came] = []
        for index, datagram in enumerate(batch.datagrams()):
            frames, waited = self._frames(framer, [datagram]), batch.age(index)
            if out and out[-1].waited - waited < AGED_S:
                out[-1].frames.extend(frames)
            else:
                out.append(Came(waited, frames))
        return out

    def _frames(self, framer: mavlink.Framer, reads: Sequence[bytes]) -> list[bytes]:
        out: list[bytes] = []
        with self._barrier:
            if self.endpoint.stream:
                for read in reads:
                    out += framer.feed(read)
            else:
                out += framer.datagrams(reads)
        return out

    def _is_stranger(self, batch: Batch) -> bool:
        """Whether a connection begins with this, and it is not the beginning of a frame."""
        return self.endpoint.connection not in self._framers and bytes(batch.view(0)[:1]) not in mavlink.STARTS

    def _framer(self, connection: int) -> mavlink.Framer:
        """That of one connection: another one does not continue its frame, even if its bytes come in between."""
        framer = self._framers.pop(connection, None) or mavlink.Framer()
        self._framers[connection] = framer
        if len(self._framers) > CONNECTIONS:
            gone = self._framers.pop(next(iter(self._framers)))
            gone.reset()
            self._gone += gone.skipped_bytes
        return framer
