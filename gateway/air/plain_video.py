"""Plain video: the turns of a camera that C takes (gateway/native): its one sender goes on, and every link takes all.

What lives here: which turns are plain, and what follows from them. What must not: sealing and sending. The role does
everything else, in Python, and all of it where there is no library.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from gateway import clock
from gateway.air.recording import Recording
from gateway.batch import Batch
from gateway.core.air.announcer import Announcer
from gateway.core.wire import DOWNLINK_OVERHEAD
from gateway.endpoints import Endpoint
from gateway.endpoints.direct import Direct
from gateway.loop.pacing import Pace
from gateway.loop.poller import Poller
from gateway.native.library import Library, Unavailable
from gateway.native.seal import SealTurn
from gateway.native.structures import Seal
from gateway.native.wait import Wait
from gateway.report import wording
from keys.keyring import REJECT_AFTER_PACKETS, SendKey
from keys.lanes import Lane

EVER = float("inf")


class Came(NamedTuple):
    """What C has sealed of a camera: datagrams, clusters of reads (gateway.loop.pacing), and when the last of them came."""

    camera: Endpoint
    datagrams: int
    clusters: int
    at: float


class PlainVideo:
    """Of all cameras, to `links` and the recorder. `why_python`: why Python does it all; empty if C takes plain turns."""

    def __init__(
        self,
        cameras: Sequence[Endpoint],
        links: Sequence[Endpoint],
        recording: Recording,
        batch: Batch,
        mtu: int,
        *,
        native: bool,
    ) -> None:
        self._links = [link for link in links if isinstance(link, Direct)]
        self._largest = mtu - DOWNLINK_OVERHEAD
        self._turns: dict[Endpoint, _Turn] = {}
        self._wait: Wait | None = None
        self.late = self.failed = 0  # datagrams that were dropped after a standstill; that OpenSSL did not seal
        try:
            library = Library("seal", Seal, wanted=native)
        except Unavailable as reason:
            self.why_python = str(reason)
            return
        self.why_python = "" if len(self._links) == len(links) else "a serial link carries the video"
        if not self.why_python:
            found = [camera for camera in cameras if isinstance(camera, Direct) and isinstance(camera, Endpoint)]
            self._turns = {camera: _Turn(SealTurn(library, camera, batch), [camera, *self._links]) for camera in found}
            for camera, turn in self._turns.items():
                turn.seal.record(recording.stages, recording.groups[camera])
            self._wait = Wait(library)

    def wait(
        self, poller: Poller, until: float, cameras: Iterable[tuple[Lane, Endpoint]], announcer: Announcer, pace: Pace
    ) -> Iterator[Came]:
        """Seal and send what comes until `until`, or until something else is to be done; what came of each camera."""
        turns: dict[Endpoint, _Turn] = {}
        if self._wait is None or not any(turn.ready for turn in self._turns.values()):
            return
        for lane, camera in cameras:
            turn, key = self._turns.get(camera), announcer.send_key(lane)
            if turn is not None and key is not None and turn.holds(key):
                turn.seal.seal_below(announcer.seals_below(key))
                turn.seal.end.rest_s = pace.rest_s(camera)
                turn.seal.end.rest_until = poller.due(camera, turn.seal.end.rest_until)
                poller.resume(camera)
                turns[camera] = turn
        if not turns or (descriptors := poller.descriptors(until)) is None:
            return
        ended = self._wait.take_turns(descriptors, [turn.seal for turn in turns.values()])
        now = clock.now()
        for camera, turn in turns.items():
            turn.ready = turn.seal is not ended
            end = turn.seal.end
            if end.rest_until > now:
                poller.defer(camera, end.rest_until)
            if end.messages:
                yield Came(camera, end.messages, end.clusters, end.came_at)
                end.messages = end.clusters = 0

    def relay(self, camera: Endpoint, lane: Lane, announcer: Announcer, now: float, *, padded: bool) -> int | None:
        """How many datagrams of the camera were sealed and sent; None if this turn is Python's."""
        if (turn := self._turns.get(camera)) is None:
            return None
        key = announcer.send_key(lane)
        if key is None or padded:
            turn.forget()
            return None
        if not turn.holds(key):
            turn.seal.collect(now)
            turn.ready = turn.seal.prepare(key, announcer.session_id, self._largest, self._links, EVER)
            turn.note(key)
        turn.seal.seal_below(REJECT_AFTER_PACKETS)  # `send_key` has looked whether a beat is due
        done = turn.seal.turn(now) if turn.ready else None
        if done is None:
            turn.ready = False  # Python reads: what is known of the camera has to be asked again
        return done

    def data_path(self, *, padded: bool) -> str:
        """Which path the video takes, for people. `padded`: the order wants it."""
        return wording.data_path(self.why_python or ("the order pads video" if padded else ""))

    def collect(self, now: float, announcer: Announcer) -> None:
        """Count what was done, before the status is told; and forget keys of an epoch or a session that is over."""
        current = announcer.current.send_keys.values()
        for turn in self._turns.values():
            if turn.key not in current:
                turn.forget()
            turn.seal.collect(now)
            self.late += turn.seal.late
            self.failed += turn.seal.failed
            turn.seal.late = turn.seal.failed = 0

    def close(self) -> None:
        for turn in self._turns.values():
            turn.seal.close()
        self._turns.clear()


class _Turn:
    """The turn of one camera, and what it was prepared for."""

    def __init__(self, seal: SealTurn, ends: Sequence[Direct]) -> None:
        self.seal, self.ready = seal, False
        self._ends, self._ways = ends, [end.way() for end in ends]
        self.key: SendKey | None = None

    def holds(self, key: SendKey) -> bool:
        """Whether it is prepared, and for this."""
        same = self.ready and key is self.key and self._ways == [end.way() for end in self._ends]
        return same and self.seal.renew()

    def note(self, key: SendKey) -> None:
        self.key, self._ways = key, [end.way() for end in self._ends]

    def forget(self) -> None:
        if self.key is not None:
            self.key, self.ready = None, False
            self.seal.forget()
