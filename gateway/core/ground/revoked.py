"""Revoked: the devices that our newest order makes void, and what is still heard of them. SPEC.md section 5.5.

Of a session of such a device no more is kept than tells its newer beats from forgeries and from repeats: that somebody who
has a lost aircraft transmits is an alarm, and an attacker with its key can make any number of beats. Sans-IO.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.core.drop_reason import DropReason
from keys import beat
from keys.errors import KeysError
from keys.order_device import OrderDevice

SESSIONS_MAX = 8  # of one device; a new one replaces the oldest


@dataclasses.dataclass(slots=True)
class RevokedSession:
    """What is kept of one session of a revoked device."""

    session_id: bytes
    public: Ed25519PublicKey
    device_public: bytes
    seq: int  # of the newest verified beat


class Revoked:
    """The revoked devices of one ground. `devices` are their public keys."""

    def __init__(self) -> None:
        self.devices: frozenset[bytes] = frozenset()  # public keys
        self._sessions: dict[bytes, RevokedSession] = {}  # by the first 8 bytes of the session_id
        self._heard: set[bytes] = set()

    def adopt(self, devices: Iterable[OrderDevice]) -> None:
        """Take the revoked devices of our newest order."""
        self.devices = frozenset(device.pub for device in devices if device.void)

    def add(self, session: RevokedSession) -> None:
        """Note a session of such a device, whose statement verified."""
        hint, device = session.session_id[:8], session.device_public
        if hint in self._sessions:
            return
        theirs = [known for known, other in self._sessions.items() if other.device_public == device]
        if len(theirs) >= SESSIONS_MAX:
            del self._sessions[theirs[0]]
        self._sessions[hint] = session

    def session(self, hint: bytes) -> RevokedSession | None:
        """The session that a beat names by the first 8 bytes of its session_id."""
        return self._sessions.get(hint)

    def beat(self, session: RevokedSession, message: bytes) -> DropReason:
        """A beat of one of these sessions. A newer one with a valid signature shows that the key is in use."""
        try:
            newest = beat.of_session(message, session.public, session.session_id)
        except KeysError:
            return DropReason.BAD_SIGNATURE
        if newest.seq <= session.seq:
            return DropReason.STALE_BEAT
        session.seq = newest.seq
        self._heard.add(session.device_public)
        return DropReason.REVOKED_DEVICE

    def take_heard(self) -> set[bytes]:
        """The public keys of the devices that were heard since the last call."""
        heard, self._heard = self._heard, set()
        return heard
