"""Instances: the starts of a station's ground that the aircraft knows, by the names under which they seal.

SPEC.md section 4.7, steps 3 and 5, and how they continue in the session that replaces this one. Sans-IO: time is
an argument.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Container, Iterable, Iterator, Mapping

from gateway.core.air.command_order import Trail
from keys.keyring import ReceiveKey, instance_after
from keys.lanes import INSTANCE_SIZE, Lane, uplink_kid
from keys.order_station import OrderStation
from keys.replay import UPLINK_WINDOW

INSTANCES_MAX = 8  # of a station: a ground that restarts again and again
IDLE_FOR = 2  # times fresh_ms: after this time the echo refuses all former datagrams of an instance
WHO = ~(0xF0FF << 48)  # of a KID, all but lane and epoch


@dataclasses.dataclass(slots=True, eq=False)
class Instance:
    """One start of a station's ground: it keeps its name in both lanes and all epochs of a session.

    Until its first datagram it may have one of two names, depending on the previous sessions that its ground knows.
    """

    station: OrderStation
    heard_at: float
    follows: dict[int, bytes] = dataclasses.field(
        default_factory=dict
    )  # by KID: the name of an earlier session from which it is derived
    heard_as: int | None = None  # the KID, without lane and epoch
    keys: dict[tuple[int, int], ReceiveKey] = dataclasses.field(default_factory=dict, repr=False)  # by KID, whole epoch
    taken: Trail[tuple[int, int]] = dataclasses.field(default_factory=Trail)  # (epoch, CTR) of its commands

    def key(self, kid: int, epoch: int, uplink_keys: Mapping[int, bytes]) -> ReceiveKey:
        """Derived once; `uplink_keys` are those of the epoch, by station."""
        if (kid, epoch) not in self.keys:
            self.keys[kid, epoch] = ReceiveKey(uplink_keys[self.station.index], kid, UPLINK_WINDOW)
        return self.keys[kid, epoch]

    def handed_on(self) -> list[bytes]:
        """The names from which its ground may derive that of the next session.

        After our answer a ground derives it from its name here, and before that from the name from which this one
        was derived: SPEC.md section 4.7.
        """
        heard = [] if self.heard_as is None else [self.heard_as.to_bytes(8, "big")[-INSTANCE_SIZE:]]
        return [*heard, *self.follows.values()]


class Instances:
    """The live instances of one session."""

    def __init__(self) -> None:
        self._named: dict[int, Instance] = {}  # by KID without lane and epoch; one that has two names is here twice

    def __iter__(self) -> Iterator[Instance]:
        return iter(dict.fromkeys(self._named.values()))

    def get(self, kid: int) -> Instance | None:
        return self._named.get(kid & WHO)

    def follow(
        self, former: Instances, stations: Iterable[OrderStation], session_id: bytes, uplink_keys: Mapping[int, bytes]
    ) -> None:
        """Add the live instances of the previous session whose station is among these, with the same key."""
        listed = {station.pub: station for station in stations}
        for live in former:
            if station := listed.get(live.station.pub):
                index, key = station.index, uplink_keys[station.index]
                names = {instance_after(key, name): name for name in live.handed_on()}
                follows = {uplink_kid(Lane.UPLINK, index, session_id, 0, new) & WHO: old for new, old in names.items()}
                self._named |= dict.fromkeys(follows, Instance(station, live.heard_at, follows))

    def hear(self, kid: int, instance: Instance, now: float, fresh_s: float) -> bool:
        """It has verified under this KID. Whether it gets a slot: it may replace an idle one."""
        if kid & WHO not in self._named and not self._make_room(instance.station, now - IDLE_FOR * fresh_s):
            return False
        who, instance.heard_at = kid & WHO, now
        if instance.heard_as is None:
            self._forget(instance)
            instance.heard_as = who
            instance.follows = {name: former for name, former in instance.follows.items() if name == who}
            self._named[who] = instance
        return True

    def _make_room(self, station: OrderStation, idle_since: float) -> bool:
        others = [live for live in self if live.station is station]
        if len(others) < INSTANCES_MAX:
            return True
        idlest = min(others, key=lambda live: live.heard_at)
        if idlest.heard_at >= idle_since:
            return False
        self._forget(idlest)
        return True

    def _forget(self, instance: Instance) -> None:
        self._named = {who: live for who, live in self._named.items() if live is not instance}

    def keep(self, epochs: Container[int]) -> None:
        """Delete the keys of epochs that are over."""
        for live in self:
            if any(epoch not in epochs for _, epoch in live.keys):
                live.keys = {place: key for place, key in live.keys.items() if place[1] in epochs}
