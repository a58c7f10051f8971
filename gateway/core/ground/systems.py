"""Systems: which device owns a MAVLink system id, by the order or because it used it first. SPEC.md section 7.4.

The flow of a bundle that was opened:
  1  `sift`     frames whose sender is known to pass do, by one look into a set
  2  `_judge`   all others; what passes is known to pass from then on, until an owner changes
  3  `_claim`   a device without a list owns the first id of its autopilot's heartbeat

What goes up asks `owner`. What must not live here: sessions (uplink_sessions.py), storing what was learned. Sans-IO.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from firmware_shims import heartbeat, mavlink
from firmware_shims.mavlink import V2
from gateway.core.barrier import Barrier
from gateway.core.ground.opened import Bundle
from keys.order import Order

NAMES_MAX = 32  # kinds of foreign frames that are counted apart, of each device
OTHERS = -1, -1  # system and message of the rest


class Foreign(NamedTuple):
    """What a device sent under an id that is not its own."""

    device: bytes  # its public key
    system: int
    message: int


class Clash(NamedTuple):
    """A device sent under an id that another device owns."""

    device: bytes
    system: int
    owner: bytes


class Systems:
    """Those of the devices of `order`, the newest.

    `foreign` counts the frames that were dropped; those of too many kinds under `OTHERS`.
    """

    def __init__(self, order: Order, barrier: Barrier | None = None) -> None:
        self.foreign: Counter[Foreign] = Counter()
        self.dropped = 0
        self._barrier = barrier or Barrier()
        self._passing: dict[bytes, set[int]] = {}  # of each device that may fly: ids that are known to pass
        self._first: dict[bytes, int] = {}  # of a device without a list: the id that it was heard with first
        self._learned: list[tuple[bytes, int]] = []
        self._stations: set[int] = set()  # ids of ground control stations at this ground
        self._clashes: set[Clash] = set()
        self.adopt(order)

    def adopt(self, order: Order) -> None:
        """Go on under a newer order, by its lists."""
        self._flying = [device for device in order.devices if not device.void]
        self._settle()

    def remember(self, device: bytes, system: int) -> None:
        """What was learned in an earlier process."""
        self._first[device] = system
        self._settle()

    def take_learned(self) -> list[tuple[bytes, int]]:
        """(public key, system) of the owners found since the last call, for the caller to store."""
        learned, self._learned = self._learned, []
        return learned

    def take_clashes(self) -> set[Clash]:
        """The devices that sent under the id of another one since the last call."""
        clashes, self._clashes = self._clashes, set()
        return clashes

    def _settle(self) -> None:
        """Determine the owners again after a change, and forget which ids pass."""
        self._listed = {device.pub: device.systems for device in self._flying if device.systems}
        self._owners = {system: device for device, systems in self._listed.items() for system in systems}
        for device in self._flying:
            if device.pub not in self._listed and (first := self._first.get(device.pub)):
                self._owners.setdefault(first, device.pub)
        self._settled = {*self._owners.values()}
        for passing in self._passing.values():  # `_sifted` may hold one of them
            passing.clear()
        self._passing = {device.pub: self._passing.get(device.pub, set()) for device in self._flying}

    # --- up ---

    def owner(self, system: int) -> bytes | None:
        """The public key of the device that owns this id, or that all ids are for since there is no other; None."""
        alone = len(self._flying) == 1 and not self._listed
        return self._owners.get(system) or (self._flying[0].pub if alone else None)

    def owned(self, device: bytes) -> list[int]:
        """The ids that this device owns; empty if it has no list and was not heard yet."""
        return sorted(system for system, owner in self._owners.items() if owner == device)

    def hear_stations(self, frames: Iterable[bytes]) -> None:
        """Note the system ids of the ground control stations at this ground."""
        for frame in frames:
            heard = heartbeat.read(frame)
            if heard and not heard.from_autopilot and heard.sysid not in self._stations:
                self._stations.add(heard.sysid)
                self._settle()

    # --- down ---

    def sift(self, bundles: Iterable[Bundle]) -> list[Bundle]:
        """The bundles without frames of ids that their device does not own."""
        return [self._sifted(bundle) for bundle in bundles]

    def _sifted(self, bundle: Bundle) -> Bundle:
        device = bundle.lease.session.device_public
        passing = self._passing.get(device, ())
        kept = [f for f in bundle.frames if f[5 if f[0] == V2 else 3] in passing or self._passes(device, f)]
        return bundle if len(kept) == len(bundle.frames) else bundle._replace(frames=kept)

    def _passes(self, device: bytes, frame: memoryview) -> bool:
        with self._barrier:
            if self._judge(device, frame):
                return True
        self.dropped += 1
        return False

    def _judge(self, device: bytes, frame: memoryview) -> bool:
        system, _, _ = mavlink.key(frame)
        if device in self._passing and device not in self._settled:
            self._claim(device, frame)
        owner = self._owners.get(system)
        if owner == device or (owner is None and self._is_free(device, system)):
            if device in self._settled:  # else its heartbeat is still to be looked at
                self._passing[device].add(system)
            return True
        if owner is not None:
            self._clashes.add(Clash(device, system, owner))
        self._count(Foreign(device, system, mavlink.message_id(frame)))
        return False

    def _is_free(self, device: bytes, system: int) -> bool:
        """Whether a device may use an id that no device owns, such as that of a vehicle that it relays."""
        return device in self._passing and device not in self._listed and system not in self._stations

    def _claim(self, device: bytes, frame: memoryview) -> None:
        heard = heartbeat.read(frame)
        if heard is None or not heard.from_autopilot or heard.compid != heartbeat.AUTOPILOT:
            return
        if heard.sysid and heard.sysid not in self._owners and heard.sysid not in self._stations:
            self._first[device] = heard.sysid
            self._learned.append((device, heard.sysid))
            self._settle()

    def _count(self, kind: Foreign) -> None:
        if kind not in self.foreign and sum(other.device == kind.device for other in self.foreign) >= NAMES_MAX:
            kind = Foreign(kind.device, *OTHERS)
        self.foreign[kind] += 1
