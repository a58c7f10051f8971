"""kill -9 at random moments: no (key, nonce) twice, every feed returns. Shows 5 of the main job."""

from __future__ import annotations

import random
import socket
import statistics
import time
from collections.abc import Callable

import pytest
from cryptography.exceptions import InvalidTag

from gateway.batch import Batch
from gateway.core import sframe
from gateway.core.ground.listener import Listener, StationIdentity
from gateway.core.ground.opener import Opener
from gateway.core.ground.session import Lease
from gateway.demo.stage import HOST
from keys.folders.station import StationFolder
from keys.order import verify_order
from tests.memory_link import mavlink_frame
from tests.system.house import Flight, House


class Auditor:
    """Opens the capture with the pilot's seed and notes which (key, nonce) sealed what."""

    def __init__(self, house: House) -> None:
        station = StationFolder.open(house.folder / "pilot")
        order = verify_order(house.order.read_bytes(), station.roots, 0)
        self._opener = Opener(Listener(order, StationIdentity(1, station.profile, station.seed), {}))
        self._batch = Batch()
        self.sealed_by: dict[tuple[bytes, bytes], bytes] = {}
        self.salts: set[bytes] = set()

    def hear(self, datagram: bytes, now: float) -> None:
        self._batch.clear()
        self._batch.append(datagram)
        self._opener.open(self._batch, now)
        if datagram[0] >> 4 != sframe.DOWNLINK_FIRST >> 4:
            return
        kid, ctr, size = sframe.decode_header(datagram[:7])
        for lease in self._opener.listener.leases.get(kid, ()):
            nonce = sframe.nonce(lease.key.salt, ctr)
            if self._sealed_under(lease, nonce, datagram, size):
                # A salt is 96 bits of the same derivation as its key: equal pairs have equal (salt, nonce).
                name = (lease.key.salt, nonce)
                assert self.sealed_by.setdefault(name, datagram) == datagram, "one (key, nonce) sealed two datagrams"
                self.salts.add(lease.key.salt)

    def _sealed_under(self, lease: Lease, nonce: bytes, datagram: bytes, size: int) -> bool:
        """Two sessions may share a KID; only the key that opens a datagram sealed it."""
        try:
            lease.key.cipher.decrypt(nonce, datagram[size:], datagram[:size] + lease.session.session_id)
        except InvalidTag:
            return False
        return True


class Killer:
    """Feeds a flight, audits all that leaves it, and kills what it is told to."""

    def __init__(self, house: House, flight: Flight, seed: int) -> None:
        self.flight, self.rng, self.auditor = flight, random.Random(seed), Auditor(house)
        self._out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._seq = self._audited = 0
        flight.wait_open()
        flight.step_more = self.feed

    def close(self) -> None:
        self.flight.step_more = lambda: None
        self._out.close()

    def feed(self) -> None:
        if self.rng.random() < 0.2:
            self._seq += 1
            self._out.sendto(mavlink_frame(self.rng, self._seq), (HOST, self.flight.fc_port))
            self._out.sendto(self.rng.randbytes(800), (HOST, self.flight.camera_port))
        for datagram in self.flight.radio.capture[self._audited :]:
            self.auditor.hear(datagram, self._audited / 1000)
        self._audited = len(self.flight.radio.capture)

    def kill(self, what: str) -> float:
        """kill -9 of `what`, and its restart; the seconds until every station had both feeds again."""
        stations = list(self.flight.stations.values())
        if what != "ground":
            self.flight.air.kill()
        if what != "air":
            for station in stations:
                station.program.kill()
                station.start()
        if what != "ground":
            self.flight.start_air()
        started = stations[-1].program.started if what == "ground" else self.flight.air.started
        before = [(len(station.frames), len(station.packets)) for station in stations]

        def returned() -> bool:
            now = [(len(station.frames), len(station.packets)) for station in stations]
            return all(n[0] > b[0] and n[1] > b[1] for n, b in zip(now, before, strict=True))

        assert self.flight.until(returned), self.flight.logs()
        return time.monotonic() - started


def kill_many(house: House, flight: Flight, times: int, figure: Callable[[str], None]) -> None:
    killer, back = Killer(house, flight, seed=times), {"air": [], "ground": [], "both": []}
    for _ in range(times):
        flight.run(killer.rng.random())
        what = killer.rng.choice(list(back))
        back[what].append(killer.kill(what))
    killer.close()
    auditor = killer.auditor
    assert len(auditor.salts) >= times
    figure(f"{times} kills, {len(auditor.sealed_by)} datagrams, {len(auditor.salts)} keys: no (key, nonce) twice")
    for what, took in back.items():
        median, worst = statistics.median(took), max(took)
        figure(f"kill -9 of {what}: {len(took)} times, feeds back after {median:.2f} s median, {worst:.2f} s worst")


def test_twenty_kills(fly, house, figure):
    kill_many(house, fly(("pilot", "observer")), 20, figure)


@pytest.mark.alone
@pytest.mark.soak
def test_two_hundred_kills(fly, house, figure):
    kill_many(house, fly(("pilot", "observer")), 200, figure)
