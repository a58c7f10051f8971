"""An insider: a station of the order with a program of its own, that sends what `zegel ground` never would."""

from __future__ import annotations

import os
import time

from gateway.core.ground.listener import Listener, StationIdentity
from gateway.core.ground.opener import Opener
from gateway.core.ground.uplink_sessions import UplinkSessions
from gateway.core.sealer import Sealer
from gateway.core.wire import BEYOND_BEAT_BY, LINK_MTU, Evidence
from keys.folders.station import StationFolder
from keys.keyring import SendKey
from keys.lanes import Lane
from keys.order import verify_order
from tests.memory_link import batches
from tests.system.house import Flight


class Insider:
    """Hears all that is on the air of `flight`, with the folder of station `name`."""

    def __init__(self, flight: Flight, name: str) -> None:
        self.flight, self._heard = flight, 0
        self._next_ctr = 0  # of what was forged: the same one twice would be a replay
        station = StationFolder.open(flight.house.folder / name)
        order = verify_order(flight.house.order.read_bytes(), station.roots, 0)
        index = station.index_in(order.content)
        self.listener = Listener(order, StationIdentity(index, station.profile, station.seed), {})
        self._opener, self._fleet = Opener(self.listener), UplinkSessions(order, index, LINK_MTU, os.urandom)
        assert flight.until(self._joined), flight.logs()

    def _hear(self) -> None:
        fresh, self._heard = self.flight.radio.capture[self._heard :], len(self.flight.radio.capture)
        for batch in batches(fresh):
            self._opener.open(batch, time.monotonic())
        self._fleet.follow(self.listener.sessions.values(), time.monotonic())

    def _joined(self) -> bool:
        self._hear()
        return any(session.granted for session in self.listener.sessions.values())

    def carry(self, fragment: bytes) -> None:
        """An order fragment in lane 17, to the aircraft."""
        self._hear()
        (commander,) = self._fleet.commanders.values()
        datagram = commander.carry(fragment, time.monotonic())
        assert datagram is not None
        self.flight.radio.send_up(datagram)

    def forge(self, fragment: bytes) -> None:
        """An order fragment in lane 7, to all grounds; ahead of the aircraft's own counters."""
        self._hear()
        (session,) = self.listener.sessions.values()
        (lease,) = [lease for lease in session.leases(time.monotonic()) if lease.lane is Lane.EVIDENCE]
        key = SendKey(bytes(32), lease.key.kid)
        key.cipher, key.salt = lease.key.cipher, lease.key.salt  # a reader's key is the sender's
        key.next_ctr = max(self._next_ctr, lease.below - BEYOND_BEAT_BY // 2)
        self._next_ctr = key.next_ctr + 1
        plain = bytes([Evidence.ORDER_FRAGMENT]) + fragment
        self.flight.radio.send(Sealer(session.session_id).seal_one(key, plain))
