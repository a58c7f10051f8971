"""What an attack happens to: a real aircraft, a station that hears it, and time. Everything in memory, from a seed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from keys.lanes import Lane, Role
from keys.order import Policy
from tests.memory_link import OBSERVER, PILOT, Aircraft, Station, World, join, mavlink_frame

STEP_S = 0.05


class Scene:
    """Station 1 has joined. `flight` gives what the aircraft sends; `is_well` whether a feed is open still."""

    def __init__(self, seed: int = 1, roles: Sequence[Role] = (PILOT, OBSERVER), policy: Policy | None = None) -> None:
        self.world = World(seed, roles, policy=policy)
        self.rng = random.Random(seed)
        self.aircraft: Aircraft = self.world.aircraft()
        self.station: Station = self.world.station(1)
        self.now = join(self.world, self.station, self.aircraft, 0.0)
        self.frames: list[bytes] = []  # what `flight` sent
        self.pictures: list[bytes] = []

    def joins(self, index: int) -> Station:
        """Another station of the order, once it has joined."""
        station = self.world.station(index)
        self.now = join(self.world, station, self.aircraft, self.now + 0.5)
        return station

    def restarts(self) -> None:
        """The aircraft's next start, heard by station 1."""
        self.aircraft = self.world.aircraft(self.now)
        self.now = join(self.world, self.station, self.aircraft, self.now)

    def step(self) -> list[bytes]:
        """What the aircraft sends in a twentieth of a second, a frame and a picture among it."""
        self.frames.append(mavlink_frame(self.rng, len(self.frames)))
        self.pictures.append(self.rng.randbytes(self.rng.randrange(1, 200)))
        sent = self.aircraft.control(self.now)
        sent += self.aircraft.telemetry(self.frames[-1:], self.now)
        sent += self.aircraft.seal(Lane.VIDEO_A, self.pictures[-1:])
        self.now += STEP_S
        return sent

    def flight(self, seconds: float) -> list[bytes]:
        """What the aircraft sends in a while, and the station has not heard yet."""
        sent, end = [], self.now + seconds
        while self.now < end:
            sent += self.step()
        return sent

    def is_well(self) -> bool:
        """Whether a frame and a picture that are sent now come through."""
        self.now += 1.0
        frame, picture = mavlink_frame(self.rng, 255), self.rng.randbytes(100)
        wire = self.aircraft.control(self.now) + self.aircraft.telemetry([frame], self.now)
        self.station.receive(wire + self.aircraft.seal(Lane.VIDEO_A, [picture]), self.now)
        self.station.listener.tick(self.now)
        return self.station.frames[-1:] == [frame] and self.station.video[Lane.VIDEO_A][-1:] == [picture]


def dropped(station: Station) -> int:
    return sum(station.opener.drops.values())


def delivered(station: Station) -> int:
    return len(station.frames) + sum(map(len, station.video.values()))


def moved(victim: Station | Aircraft, attack: Callable[[], object]) -> Counter[str]:
    """By how much each of the victim's counters moved in the attack."""
    before = victim.drops
    attack()
    return victim.drops - before


def interleaved(real: Sequence[bytes], forged: Iterable[bytes]) -> list[bytes]:
    """The real datagrams each behind its share of the forged ones."""
    forged, out = list(forged), []
    share = len(forged) // (len(real) + 1)
    for place, datagram in enumerate(real):
        out += [*forged[place * share : (place + 1) * share], datagram]
    return out + forged[len(real) * share :]
