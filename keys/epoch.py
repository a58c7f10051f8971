"""Epoch: the life of one set of traffic keys on the aircraft. SPEC.md section 2.

Drawing an epoch makes its send keys and, in the same call, the signed announcements that give them to the
stations; the base keys themselves are not kept. Pure: random bytes come from the caller.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from keys import announcement
from keys.announcement import KEY_SIZE, SUITE, Announcement
from keys.keyring import SendKey
from keys.lanes import Lane, Role, downlink_kid, lanes_for
from keys.order_station import OrderStation

Entropy = Callable[[int], bytes]


class SessionSigner(NamedTuple):
    """What signs the announcements of a session, and what they name: its order and its id."""

    order_hash: bytes
    session_id: bytes
    key: Ed25519PrivateKey


@dataclasses.dataclass(slots=True)
class Epoch:
    """The traffic keys of one epoch, on the aircraft."""

    number: int
    send_keys: dict[Lane, SendKey] = dataclasses.field(repr=False)
    uplink_keys: dict[int, bytes] = dataclasses.field(repr=False)  # station -> base_key of the KIDs of that station
    announcements: dict[int, bytes] = dataclasses.field(repr=False)  # station -> signed message

    def next_ctrs(self) -> dict[int, int]:
        return {key.kid: key.next_ctr for key in self.send_keys.values()}


def granted_lanes(roles: Role, lanes: Iterable[Lane]) -> tuple[Lane, ...]:
    """Of the `lanes` this session has, those that a station with `roles` is given."""
    wanted = lanes_for(roles)
    return tuple(lane for lane in lanes if lane in wanted)


def draw(
    number: int,
    lanes: tuple[Lane, ...],
    stations: Iterable[OrderStation],
    session: SessionSigner,
    entropy: Entropy,
) -> Epoch:
    """A new epoch with fresh random keys for `lanes`."""
    base_keys = {lane: entropy(KEY_SIZE) for lane in lanes}
    kids = {lane: downlink_kid(lane, session.session_id, number) for lane in lanes}
    uplink_keys: dict[int, bytes] = {}
    announcements: dict[int, bytes] = {}
    for station in stations:
        uplink_keys[station.index] = entropy(KEY_SIZE)
        header = Announcement(session.session_id, session.order_hash, number, station.index, SUITE, {}, b"")
        granted = {kids[lane]: base_keys[lane] for lane in granted_lanes(station.roles, lanes)}
        sealed = announcement.seal(header, station.profile, station.pub, granted, uplink_keys[station.index])
        announcements[station.index] = sealed.sign(session.key)
    send_keys = {lane: SendKey(base_keys[lane], kids[lane]) for lane in lanes}
    return Epoch(number, send_keys, uplink_keys, announcements)
