"""Plain turns: the turns of air and ground that the code in C takes, for bench/instrumented.py.

It runs the product's own code: Poller, both PlainVideo with their wait in C, and what Python does before a turn is plain. C
reads the clock itself, so the pair of this module lives in the computer's time.
"""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

from bench.pair import Pair
from gateway import clock
from gateway.air import plain_video as aboard
from gateway.air.recording import Recording
from gateway.batch import Batch
from gateway.core.ground.paths import Paths
from gateway.core.wire import LINK_MTU
from gateway.ground import plain_video as below
from gateway.loop.pacing import Pace
from gateway.loop.poller import Poller
from gateway.recording.group import Group
from keys.lanes import Lane

if TYPE_CHECKING:
    from gateway.endpoints import Endpoint

LANE = Lane.VIDEO_A
WAIT_S = 0.02  # seconds: in them an emulated processor enters a wait
READY_WITHIN, PAUSE_S = 50, 0.02  # turns, and between them: after a standstill Python reads for a while


class Interrupted(Exception):
    """The process stood still for too long before this turn, so that it was Python's. Another one will do."""


class PlainTurns:
    """A camera's endpoint and one to the link; the link's at a ground and one to the player. `to_camera` is the camera.

    `recorder`: the socket to one, if what the camera sends is recorded.
    """

    def __init__(
        self,
        to_camera: Endpoint,
        air: tuple[Endpoint, Endpoint],
        ground: tuple[Endpoint, Endpoint],
        recorder: socket.socket | None = None,
    ) -> None:
        self.pair = Pair(now=clock.now())
        self._to_camera, (self._camera, self._to_link), (self._link, to_player) = to_camera, air, ground
        self._film, self._aboard, self._below = Batch(), Batch(), Batch()
        self._up, self._down = Poller(air), Poller(ground)
        recording = Recording([self._camera])
        self.stages = recording.stages
        self.stages.begin(clock.now())
        self.stages.connect(recorder)
        self.stages.want(Group if recorder else ())
        ends = [self._camera], [self._to_link], recording
        self._seals = aboard.PlainVideo(*ends, self._aboard, LINK_MTU, native=True)
        self._opens = below.PlainVideo([self._link], [to_player], self._below, self.pair.opener, Paths(1), native=True)

        self._pace, self._cameras = Pace(self._up, {}), [(LANE, self._camera)]
        self._key = self.pair.key(LANE)
        (self._lease,) = self.pair.opener.listener.leases[self._key.kid]

    @property
    def why_python(self) -> str:
        """Why there are no such turns here; empty if there are."""
        return self._seals.why_python or self._opens.why_python

    def film(self, count: int, size: int) -> None:
        """The camera sends so many datagrams, and the next turn of both ends is plain."""
        self._make_ready(size)
        if count:
            self._film.hold([bytes(size)] * count)
            self._to_camera.send(self._film, clock.now())

    def wait(self, count: int) -> None:
        """Both ends enter a wait in C, are woken by `count` datagrams, if any, go on, and leave it at the next deadline."""
        until = clock.now() + WAIT_S
        came = self._seals.wait(self._up, until, self._cameras, self.pair.announcer, self._pace)
        if sum(each.datagrams for each in came) != count:
            raise Interrupted("C did not seal")
        self._opens.wait(self._down, clock.now() + WAIT_S, ())
        if self._lease.key.window.top + 1 != self._key.next_ctr:
            raise Interrupted("C did not open")

    def air(self) -> int:
        if not (done := self._relay()):
            raise Interrupted("C did not seal")
        return done

    def ground(self) -> None:
        if self._opens.take(self._link, None, clock.now()) is None:
            raise Interrupted("C did not open")

    def opened(self) -> int:
        """How many datagrams the station has opened so far."""
        self._opens.collect(clock.now())
        return self.pair.opener.opened[LANE]

    def _relay(self) -> int | None:
        return self._seals.relay(self._camera, LANE, self.pair.announcer, clock.now(), padded=False)

    def _make_ready(self, size: int) -> None:
        """Beats until now; a datagram through Python, which learns the senders; an empty turn at both ends."""
        while self.pair.now < clock.now():
            self.pair.hear()
        for _ in range(READY_WITHIN):
            if self._relay() == 0 and self._opens.take(self._link, None, clock.now()) is False:
                return
            time.sleep(PAUSE_S)
            self._film.hold([bytes(size)])
            self._to_camera.send(self._film, clock.now())
            if self._camera.receive_into(self._aboard, clock.now()):
                self.pair.seal(LANE, self._aboard)
                self._to_link.send(self._aboard, clock.now())
            while self._link.receive_into(self._below, clock.now()):
                self._opens.heard(self._link, self.pair.opener.open(self._below, clock.now()))
        raise Interrupted("no turn is plain")
