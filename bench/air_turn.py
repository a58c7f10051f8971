"""Air turn: what `zegel air` does with one turn's frames of the flight controller, in memory, step by step.

It runs the product's code: FrameReader, AirUplink, FrameCounts, Bundler, Sealer, in the order of air/role.py. What must not
live here: sockets and processes (bench.repeater), and comparisons (bench.measures.mavlink).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from bench.pair import Pair
from firmware_shims.mavlink import FRAME_MAX
from gateway.air.uplink import AirUplink
from gateway.batch import CAPACITY, HEADROOM, Batch
from gateway.core.bundle import Bundler
from gateway.core.wire import LINK_MTU
from gateway.endpoints import Endpoint
from gateway.endpoints.address import parse
from gateway.loop.frame_reader import BATCHES_A_READ, FrameReader, together
from gateway.report.alarms import Alarms
from gateway.report.frame_counts import FrameCounts
from keys.lanes import Lane

LANES = (Lane.TELEMETRY, Lane.OBSERVER_TELEMETRY)
FRAMES = BATCHES_A_READ * CAPACITY  # of a turn with a full socket
TURNS = 20  # for one figure
READ_SIZE = 512  # bytes that one read of a fast serial line gives


class Wire(Endpoint):
    """Gives the same datagrams each turn; the copy into the batch represents the kernel's."""

    stream = False

    def __init__(self, datagrams: Sequence[bytes]) -> None:
        super().__init__(parse("udpin:127.0.0.1:14560"))
        self._kept = [_batch(datagrams[at : at + CAPACITY]) for at in range(0, len(datagrams), CAPACITY)]
        self._width = max(FRAME_MAX, *map(len, datagrams))
        self._next = 0

    def receive_into(self, batch: Batch, now: float) -> int:  # noqa: ARG002 - an endpoint's
        batch.clear()
        if self._next == len(self._kept):
            self._next = 0
            return 0
        kept, self._next = self._kept[self._next], self._next + 1
        used = slice(HEADROOM, HEADROOM + self._width)
        batch.octets[: kept.count, used] = kept.octets[: kept.count, used]
        batch.lengths[: kept.count] = kept.lengths[: kept.count]
        batch.count = kept.count
        return kept.count

    def rewind(self) -> None:
        self._next = 0

    def send(self, batch: Batch, now: float) -> int:  # noqa: ARG002 - an endpoint's
        """This measurement sends nothing."""
        return batch.count

    def interests(self) -> list[tuple[int, int]]:
        return []

    def _open(self, now: float) -> None:
        """There is nothing to open."""

    def _release(self) -> None:
        """There is nothing to close."""


class SerialWire(Wire):
    """The same bytes from a serial line: split anywhere."""

    stream = True


class Turn:
    """The parts of one turn over `frames`; each step gets the result of the previous step."""

    def __init__(self, frames: Sequence[bytes]) -> None:
        self.pair = Pair()
        whole = b"".join(frames)
        self.wire = Wire(frames)
        self.serial = SerialWire([whole[at : at + READ_SIZE] for at in range(0, len(whole), READ_SIZE)])
        self.reader, self.serial_reader = FrameReader(self.wire), FrameReader(self.serial)
        self.frames = list(frames)
        self.uplink = AirUplink(self.pair.announcer, self.wire, Alarms(lambda _: None))
        self.table = FrameCounts()
        self.bundler = Bundler(LINK_MTU, self.pair.announcer.order.content.policy.pad, 0.0)
        self.bundles, self.batch = Batch(CAPACITY // len(LANES)), Batch()

    def steps(self) -> dict[str, Callable[[], float]]:
        """Name -> CPU seconds that one turn of this step takes."""
        return {
            "framing: datagrams": lambda: _timed(self.wire.rewind, lambda: self.reader.read(0.0)),
            "framing: serial line": lambda: _timed(self.serial.rewind, lambda: self.serial_reader.read(0.0)),
            "guard": lambda: _timed(_nothing, lambda: self.uplink.may_leave(self.frames, 0.0)),
            "count for the status": lambda: _timed(_nothing, lambda: self.table.count(self.frames)),
            "bundle": lambda: _timed(self.bundles.clear, self._bundle),
            "seal for commanders": lambda: _timed(self._copied, lambda: self._seal(0)),
            "copy, seal for observers": lambda: _timed(self._bundled, self._copy_and_seal),
            "all, from datagrams": lambda: _timed(self.wire.rewind, self.all),
        }

    def all(self) -> int:
        """The whole turn; how many datagrams would go to the link."""
        frames = self.uplink.may_leave(together(self.reader.read(0.0)), 0.0)
        self.table.count(frames)
        self.bundles.clear()
        self.bundler.add(frames, 0.0)
        self.bundler.bundle_into(self.bundles, 0.0)
        self._copy()
        for number in range(len(LANES)):
            self._seal(number)
        return self.batch.count

    def _bundle(self) -> None:
        self.bundler.add(self.frames, 0.0)
        self.bundler.bundle_into(self.bundles, 0.0)

    def _bundled(self) -> None:
        self.bundles.clear()
        self._bundle()

    def _copy(self) -> None:
        self.batch.copy_from(self.bundles, [*range(self.bundles.count)] * len(LANES))

    def _copied(self) -> None:
        self._bundled()
        self._copy()

    def _seal(self, number: int) -> None:
        self.pair.seal(LANES[number], self.batch, number * self.bundles.count, self.bundles.count)

    def _copy_and_seal(self) -> None:
        self._copy()
        self._seal(1)


def _timed(prepare: Callable[[], object], run: Callable[[], object]) -> float:
    """CPU seconds of `run`, the mean of some turns; the first warms the caches, as a busy aircraft's are."""
    prepare()
    run()
    took = 0.0
    for _ in range(TURNS):
        prepare()
        began = time.process_time()
        run()
        took += time.process_time() - began
    return took / TURNS


def _nothing() -> None:
    """The steps that some steps need before them."""


def _batch(datagrams: Sequence[bytes]) -> Batch:
    batch = Batch()
    batch.hold(datagrams)
    return batch
