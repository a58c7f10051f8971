"""Frames: what MAVLink frames the bytes of a plain endpoint complete, each of its connections framed on its own.

What must not live here: what becomes of the frames.
"""

from __future__ import annotations

from firmware_shims import mavlink
from gateway.batch import Batch
from gateway.core.barrier import Barrier
from gateway.endpoints import Endpoint

BATCHES_A_READ = 4  # what a flooding sender may take before others have their turn
CONNECTIONS = 16  # framers kept; a TCP server has at most so many clients
SETTLE_S = 0.005  # a serial line this quiet has ended its frame


class FrameReader:
    def __init__(self, endpoint: Endpoint, barrier: Barrier | None = None) -> None:
        self.endpoint, self._barrier = endpoint, barrier or Barrier()
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

    def read(self, now: float) -> list[bytes]:
        """The frames that the bytes at hand complete, in order."""
        out: list[bytes] = []
        batch = self._batch
        for _ in range(BATCHES_A_READ):
            if not self.endpoint.fill(batch, now):
                break
            self._read_at = now
            framer = self._framer(self.endpoint.connection)
            with self._barrier:
                if self.endpoint.stream:
                    for read in batch.datagrams():
                        out += framer.feed(read)
                else:
                    out += framer.datagrams(batch.datagrams())
            if not (self.endpoint.stream or batch.full):
                break
        if now >= self.next_due():
            self._read_at = float("inf")
            for framer in self._framers.values():
                with self._barrier:
                    out += framer.settle()
        return out

    def _framer(self, connection: int) -> mavlink.Framer:
        """That of one connection: another one does not continue its frame, even if its bytes come in between."""
        framer = self._framers.pop(connection, None) or mavlink.Framer()
        self._framers[connection] = framer
        if len(self._framers) > CONNECTIONS:
            gone = self._framers.pop(next(iter(self._framers)))
            gone.reset()
            self._gone += gone.skipped_bytes
        return framer
