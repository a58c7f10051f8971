"""Frame reader: the MAVLink frames in the bytes of a plain endpoint, framed separately for each sender.

What must not live here: the use of the frames.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple, TypeAlias

from firmware_shims import mavlink
from gateway.batch import AGED_S, Batch
from gateway.core.barrier import Barrier
from gateway.endpoints import Endpoint

BATCHES_A_READ = 4  # bytes of a flooding sender before others have their turn
FRAMES_A_READ = 512  # the same, of datagrams that hold many frames
SENDERS = 16  # framers kept; an endpoint has at most this many clients
SETTLE_S = 0.005  # after this silence a sender may have ended its frame

Sender: TypeAlias = tuple[int, Hashable]  # number of the connection, and the sender on it


class Came(NamedTuple):
    """Frames that came together, and for how many seconds the first of them had waited before it was read."""

    waited: float
    frames: list[bytes]


def together(came: Iterable[Came]) -> list[bytes]:
    """All frames in order, for a caller to whom their age does not matter."""
    return [frame for _, frames in came for frame in frames]


class FrameReader:
    """`only_mavlink`: a client of a server that does not begin with a frame is disconnected. A page in a browser can send
    any bytes after the head of its request, and the browser's user may be an allowed one.

    `strangers`  the number of these
    """

    def __init__(self, endpoint: Endpoint, barrier: Barrier | None = None, *, only_mavlink: bool = False) -> None:
        self.endpoint, self._barrier = endpoint, barrier or Barrier()
        self._only_mavlink = only_mavlink and endpoint.address.kind == "tcpin"
        self.strangers = 0
        self._framers: dict[Sender, mavlink.Framer] = {}  # the one read last is last
        self._gone = 0  # bytes skipped by framers that are no more
        self._begun: dict[Sender, float] = {}  # unfinished frames: sender -> last read, oldest first
        self._batch = Batch(1) if endpoint.sender_waits else Batch()  # then a part of what waits can be read

    @property
    def resync_bytes(self) -> int:
        """Bytes that were no part of a frame."""
        return self._gone + sum(framer.skipped_bytes for framer in self._framers.values())

    def next_due(self) -> float:
        """When to call `read` again without new data: silence ends bytes that only looked like a frame."""
        return self._settles_at()

    def _settles_at(self) -> float:
        return next(iter(self._begun.values()), float("inf")) + SETTLE_S

    def read(self, now: float, reads: int = BATCHES_A_READ) -> list[Came]:
        """The frames that the received bytes complete, in order."""
        out: list[Came] = []
        batch = self._batch
        for _ in range(reads):
            if not self.endpoint.receive_into(batch, now):
                break
            if self._only_mavlink and self._is_stranger(batch):
                self.strangers += 1
                self.endpoint.hang_up()
                continue
            out += self._framed(batch, now)
            if not (self.endpoint.stream or batch.full) or sum(len(came.frames) for came in out) >= FRAMES_A_READ:
                break
        while now >= self._settles_at():
            out.append(self._settled(now))
        return [came for came in out if came.frames]

    def _framed(self, batch: Batch, now: float) -> list[Came]:
        """Usually one batch; frames that had waited are split where there is a gap in time between them."""
        datagrams, senders = batch.datagrams(), self.endpoint.senders(range(batch.count))
        if len(senders) == 1 and batch.oldest < AGED_S:
            return [Came(batch.oldest, self._frames(senders[0], datagrams, now))]
        out: list[Came] = []
        for index, datagram in enumerate(datagrams):
            (sender,) = senders if len(senders) == 1 else self.endpoint.senders([index])
            frames, waited = self._frames(sender, [datagram], now), batch.age(index)
            if out and out[-1].waited - waited < AGED_S:
                out[-1].frames.extend(frames)
            else:
                out.append(Came(waited, frames))
        return out

    def _frames(self, name: Hashable, reads: Sequence[bytes], now: float) -> list[bytes]:
        out: list[bytes] = []
        sender = self.endpoint.connection, name
        framer = self._framer(sender)
        with self._barrier:
            if self.endpoint.stream:
                for read in reads:
                    out += framer.feed(read)
            else:
                out += framer.datagrams(reads)
        if self._begun:
            self._begun.pop(sender, None)
        if framer.waiting:
            self._begun[sender] = now
        return out

    def _settled(self, now: float) -> Came:
        """The frames that silence completes, of the sender that was quiet longest."""
        sender, read_at = next(iter(self._begun.items()))
        del self._begun[sender]
        settled = Came(now - read_at, [])
        with self._barrier:
            settled.frames.extend(self._framers[sender].end_of_burst())
        return settled

    def _is_stranger(self, batch: Batch) -> bool:
        """Whether these are the first bytes of a connection, and not the beginning of a frame."""
        (name,) = self.endpoint.senders([0])
        known = (self.endpoint.connection, name) in self._framers
        return not known and bytes(batch.view(0)[:1]) not in mavlink.STARTS

    def _framer(self, sender: Sender) -> mavlink.Framer:
        """The framer of one sender: bytes of another sender in between do not continue its frame."""
        framer = self._framers.pop(sender, None) or mavlink.Framer()
        self._framers[sender] = framer
        if len(self._framers) > SENDERS:
            oldest = next(iter(self._framers))
            gone = self._framers.pop(oldest)
            self._begun.pop(oldest, None)
            gone.reset()
            self._gone += gone.skipped_bytes
        return framer
