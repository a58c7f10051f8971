"""Pair: an aircraft and a station in memory, joined by a real order, real keys and real announcements.

What lives here: the session for a measurement of the data path. What must not: sockets, clocks, figures.
"""

from __future__ import annotations

import random

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench import paper
from gateway.batch import Batch
from gateway.core.air.announcer import BEAT_EVERY_S, Announcer, DeviceStart
from gateway.core.ground.listener import Listener, StationIdentity
from gateway.core.ground.opener import Opener
from keys import grant
from keys.grant import Profile
from keys.keyring import SendKey
from keys.lanes import Lane

LANES = (Lane.TELEMETRY, Lane.OBSERVER_TELEMETRY, Lane.VIDEO_A, Lane.EVIDENCE)
LINK_BPS = 100_000_000
JOIN_WITHIN = 20  # rounds of control
AFTER = 100_000  # datagrams: from 65,536 on a counter takes three bytes, as for most of a flight


class Pair:
    """The first start of an aircraft, and the pilot that opens it. `seed` determines all randomness except HPKE's.

    `now`: when it starts, by a clock of the caller's choice.
    """

    def __init__(self, seed: int = 0, now: float = 0.0) -> None:
        entropy = random.Random(seed).randbytes  # noqa: S311 - nothing secret is sealed, and a count must repeat
        device = Ed25519PrivateKey.from_private_bytes(entropy(32))
        station_seed = entropy(grant.SEED_SIZE)
        order = paper.verified(paper.order(device, station_seed))
        self.now = now
        self.announcer = Announcer(order, DeviceStart(0, device, 1), LANES, LINK_BPS, entropy, self.now)
        for lane in LANES:
            self.key(lane).reserve(AFTER)
        self.listener = Listener(order, StationIdentity(1, Profile.X25519, station_seed), {})
        self.opener = Opener(self.listener)
        self._join()

    def key(self, lane: Lane) -> SendKey:
        """The key that seals `lane`."""
        key = self.announcer.send_key(lane)
        assert key is not None
        return key

    def seal(self, lane: Lane, batch: Batch, first: int = 0, count: int | None = None) -> None:
        """Seal as the aircraft does, in place: `count` datagrams from slot `first` on, all by default."""
        self.announcer.sealer.seal(self.key(lane), batch, first, count)

    def hear(self) -> None:
        """Half a second later: the aircraft's messages. A lane opens at most 65,536 datagrams past a beat."""
        self.now += BEAT_EVERY_S
        batch = Batch()
        for datagram in self.announcer.datagrams(self.now):
            batch.append(datagram)
        self.opener.open(batch, self.now)
        self.listener.tick(self.now)

    def _join(self) -> None:
        for _ in range(JOIN_WITHIN):
            self.hear()
            if any(session.granted for session in self.listener.sessions.values()):
                return
        raise AssertionError(f"the station did not join: {self.opener.drops}")


def arrived(sealed: Batch, batch: Batch) -> None:
    """Make `batch` like the batch of a station's socket after `sealed` was sent: each datagram at its usual offset."""
    batch.hold(sealed.datagrams())
