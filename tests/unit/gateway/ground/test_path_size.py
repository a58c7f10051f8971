"""A network that swallows large datagrams, and everything else by which a station loses video."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from gateway.batch import Batch
from gateway.core.ground.opened import Arrival
from gateway.core.ground.paths import Reception
from gateway.core.ground.session import Lease, Session
from gateway.core.wire import DOWNLINK_OVERHEAD
from gateway.endpoints import open_link
from gateway.endpoints.address import parse
from gateway.ground.path_size import OVER_S, PathSizes
from keys.beat import Beat
from keys.keyring import ReceiveKey
from keys.lanes import Lane, downlink_kid
from keys.statement import Statement

BEAT = Beat(bytes(32), 1, bytes(8), 0, {}, 0, {}, {}, 0, 0, 0, {})
KEY = ReceiveKey(bytes(32), 0x1A0)
LANES = (Lane.TELEMETRY, Lane.VIDEO_A)
PATH = 1280  # bytes of a packet
HOLE = PATH - 28 - DOWNLINK_OVERHEAD  # the largest plaintext that passes
FRAMES_PER_S, STEP_S = 30, 0.5
FULL = 1400  # pkt_size of an encoder

Encoder = Callable[[random.Random], list[int]]
Network = Callable[[random.Random, list[int]], list[bool]]  # which come


def pictures(rng: random.Random) -> list[int]:
    """The datagrams of one picture: full ones and a rest."""
    size = rng.randint(300, 6000)
    return [FULL] * (size // FULL) + [size % FULL or FULL]


def steady(rng: random.Random) -> list[int]:
    """A small picture at a constant bit rate: most are one datagram, and a few are cut."""
    size = int(rng.gauss(1150, 200))
    return [FULL, size - FULL] if size > FULL else [size]


def transport(rng: random.Random) -> list[int]:
    """MPEG-TS: whole packets only."""
    return [7 * 188] * 3


def small(rng: random.Random) -> list[int]:
    """A picture in one datagram, mostly a short one."""
    return [min(FULL, int(rng.expovariate(1 / 500)) + 20)]


def hole(rng: random.Random, sizes: list[int]) -> list[bool]:
    return [size <= HOLE for size in sizes]


def noise(rng: random.Random, sizes: list[int]) -> list[bool]:
    return [rng.random() > 0.5 for _ in sizes]


def noise_by_length(rng: random.Random, sizes: list[int]) -> list[bool]:
    """Of a radio at the edge of its range: a long datagram has more bits that can be wrong."""
    return [rng.random() > size / 2000 for size in sizes]


def short_queue(rng: random.Random, sizes: list[int]) -> list[bool]:
    """More video than the link carries: of each burst only the beginning comes."""
    return [place < 2 for place, _ in enumerate(sizes)]


def favoured_telemetry(rng: random.Random, sizes: list[int]) -> list[bool]:
    """A link that is far too slow for the video, at whose beginning telemetry goes first."""
    return [size <= 200 or rng.random() > 0.96 for size in sizes]


def well(rng: random.Random, sizes: list[int]) -> list[bool]:
    return [True for _ in sizes]


class Link:
    """One link with one aircraft; what the station is told of it."""

    def __init__(self, encoder: Encoder, network: Network, text: str = "udpin:127.0.0.1:14600") -> None:
        self.reception, self.session, self._rng = (
            Reception(),
            Session(Statement(bytes(32), 0, bytes(32), 1, 0), b""),
            random.Random(3),
        )
        self._encoder, self._network = encoder, network
        self._sizes = PathSizes([open_link(parse(text))], [self.reception])
        self._sent = dict.fromkeys(LANES, 0)
        self._batch = Batch()

    def _fly(self, lane: Lane, sizes: list[int]) -> None:
        came = [place for place, passes in enumerate(self._network(self._rng, sizes)) if passes]
        if came:
            ctrs = [self._sent[lane] + place for place in came]
            arrival = Arrival(Lease(self.session, lane, KEY, 1 << 28, 0), range(len(came)), ctrs)
            self._batch.lengths[: len(came)] = np.array(sizes)[came]
            self.reception.count(arrival)
            if 0 in self._sizes.watched:
                self._sizes.note(0, arrival, self._batch)
        self._sent[lane] += len(sizes)

    def run(self, seconds: float, at: float = 100.0) -> Iterator[int | None]:
        for step in range(int(seconds / STEP_S)):
            now = at + step * STEP_S
            for _ in range(int(FRAMES_PER_S * STEP_S)):
                self._fly(Lane.VIDEO_A, self._encoder(self._rng))
            for _ in range(5):
                self._fly(Lane.TELEMETRY, [self._rng.randint(40, 200)])
            kids = {downlink_kid(lane, self.session.session_id, 0): ctr for lane, ctr in self._sent.items()}
            self.session.beat, self.session.beat_at = dataclasses.replace(BEAT, next_ctr=kids), now
            self._sizes.look([self.session], LANES, now)
            yield self.reception.carries_up_to


@pytest.mark.parametrize("encoder", [pictures, steady, transport])
def test_a_network_that_swallows_large_datagrams_is_known(encoder: Encoder):
    link = Link(encoder, hole)
    found = list(link.run(90.0))
    assert found[0] is None
    told = [size for size in found if size is not None]
    assert len(told) > len(found) / 2
    assert max(told) <= HOLE + DOWNLINK_OVERHEAD
    assert all(size is not None for size in found[-10:])


@pytest.mark.parametrize("network", [well, noise, noise_by_length, short_queue, favoured_telemetry])
@pytest.mark.parametrize("encoder", [pictures, steady, transport, small])
def test_no_other_loss_is_taken_for_it(encoder: Encoder, network: Network):
    assert not any(Link(encoder, network).run(60.0))


def test_datagrams_that_all_pass_are_no_fault_of_a_small_path():
    assert not any(Link(lambda _: [1000] * 3, hole).run(30.0))


def test_when_the_encoder_is_set_to_smaller_datagrams_the_advice_ends():
    link = Link(pictures, hole)
    assert any(link.run(30.0))
    link._encoder = lambda _: [1000] * 3
    assert not any(list(link.run(30.0, at=130.0))[int(OVER_S / STEP_S) :])


def test_what_came_before_the_station_is_no_loss():
    """A station that starts late, or a session that it hears for the first time, has a beat with high counters."""
    link = Link(pictures, well)
    link._sent = dict.fromkeys(LANES, 1_000_000)
    assert not any(link.run(30.0))


def test_a_serial_line_gets_no_video_and_is_not_judged():
    assert not any(Link(transport, hole, "serial:/dev/ttyUSB0:57600").run(30.0))


def test_a_silent_aircraft_is_not_judged():
    link = Link(pictures, hole)
    assert any(link.run(30.0))
    link._sizes.look([link.session], LANES, 200.0)
    assert link.reception.carries_up_to is None
