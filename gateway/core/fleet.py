"""Fleet: the sessions that a station may speak to. A Commander for each, and which of a device's sessions is commanded.

SPEC.md section 7. Sans-IO: time and random bytes are arguments.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gateway.core.commander import Commander, Entropy, Refusal
from gateway.core.session import Session
from keys.order import Order, OrderStation

SILENT_AFTER_S = 2.5  # without a beat, which a narrow link has once a second


class Fleet:
    """All aircraft of `order` as its `station` may command them."""

    def __init__(self, order: Order, station: OrderStation, mtu: int, entropy: Entropy) -> None:
        self.station = station
        self.commanders: dict[bytes, Commander] = {}  # by session_id
        self._order, self._mtu, self._entropy = order, mtu, entropy
        self._commanded: dict[bytes, bytes] = {}  # a device's public key -> session_id

    def follow(self, sessions: Iterable[Session], now: float) -> None:
        """Take note of the sessions that there are; call it whenever they may have changed."""
        heard = [session for session in sessions if session.beat]
        self.commanders = {session.session_id: self._commander(session) for session in heard}
        for device in {session.device_public for session in heard}:
            self._choose(device, now)

    def _commander(self, session: Session) -> Commander:
        known = self.commanders.get(session.session_id)
        if known and known.session is session:
            return known
        return Commander(session, self.station, self._order.policy.pad, self._mtu, self._entropy)

    def _choose(self, device: bytes, now: float) -> None:
        """The uplink stays where it is while that session beats: the newer one may be a copy of the aircraft."""
        theirs = [c.session for c in self.commanders.values() if c.session.device_public == device]
        current = self._commanded.get(device)
        beating = [s for s in theirs if not s.closed and now - s.beat_at <= SILENT_AFTER_S]
        if any(session.session_id == current for session in beating):
            return
        if beating or current not in self.commanders:
            choice = max(beating or theirs, key=lambda session: (session.boot_counter, session.first_beat_at))
            self._commanded[device] = choice.session_id

    @property
    def commanded(self) -> list[Commander]:
        """The one commanded session of each device."""
        return [self.commanders[name] for name in self._commanded.values() if name in self.commanders]

    def control(self, now: float) -> list[bytes]:
        """The challenges that are due: to every live session, so that F3 is there if the uplink moves."""
        return [datagram for commander in self.commanders.values() for datagram in commander.control(now)]

    def seal(self, frames: Sequence[bytes], now: float) -> list[bytes] | Refusal:
        """`frames` for every aircraft, since routing by target is the autopilots' own; or why none may be told."""
        out: list[bytes] = []
        refusal: Refusal | None = None if self.commanded else Refusal.NO_AIRCRAFT
        for commander in self.commanded:
            sealed = commander.seal(frames, now)
            if isinstance(sealed, Refusal):
                refusal = sealed
            else:
                out += sealed
        return refusal if refusal and not out else out
