"""Owners: what a station stores of its aircraft, and what a person sees of their system ids and of revoked aircraft.

What must not live here: who owns an id (core/ground/systems.py), which sessions are accepted (core/ground/listener.py).
"""

from __future__ import annotations

from collections.abc import Iterable

from firmware_shims import definitions
from gateway.core.ground.listener import Listener
from gateway.core.ground.starts import Starts
from gateway.core.ground.systems import OTHERS, Systems
from gateway.report.alarms import Alarms, Reason
from keys.folders.station import StationFolder
from keys.order_device import OrderDevice


def recall(
    station: StationFolder, agency_id: bytes, devices: Iterable[OrderDevice], starts: Starts, systems: Systems
) -> None:
    """Give the core what the folder has of `devices`: at the start, and for those that a newer order adds."""
    for device in devices:
        if boot := station.boot(agency_id, device.pub):
            starts.remember(device.pub, boot)
        if system := station.system(agency_id, device.pub):
            systems.remember(device.pub, system)


class Owners:
    """The aircraft of one station. The listener has the order in force; later orders are of the same agency."""

    def __init__(self, systems: Systems, listener: Listener, station: StationFolder) -> None:
        self._systems, self._listener, self._station = systems, listener, station
        self._agency_id = listener.order.agency_id
        recall(station, self._agency_id, listener.order.content.devices, listener.starts, systems)

    def record(self) -> None:
        """Put what was learned into the folder's memory; it is written in the background."""
        for device, system in self._systems.take_learned():
            self._station.record_system(self._agency_id, device, system)

    # --- what a person sees ---

    def alarm(self, alarms: Alarms, now: float) -> None:
        names = self._names()
        for device in self._listener.revoked.take_heard():
            alarms.raise_(Reason.REVOKED_HEARD, now, key=device.hex(), device=names[device])
        for device, system, owner in self._systems.take_clashes():
            key, sender = f"{device.hex()} {owner.hex()}", names[device]
            alarms.raise_(Reason.SYSTEM_TWICE, now, key=key, device=sender, system=system, owner=names[owner])

    def foreign(self) -> dict[str, dict[str, int]]:
        """By device, counts of frames under ids that are not its own."""
        names, counts = self._names(), dict[str, dict[str, int]]()
        for (device, system, message), count in self._systems.foreign.items():
            kind = "others" if (system, message) == OTHERS else f"system {system}, {definitions.name_of(message)}"
            counts.setdefault(names[device], {})[kind] = count
        return counts

    def name(self, device: bytes) -> str:
        return self._names()[device]

    def _names(self) -> dict[bytes, str]:
        return {device.pub: device.name for device in self._listener.order.content.devices}
