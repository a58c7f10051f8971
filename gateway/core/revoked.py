"""Revoked: the devices whose keys our newest order says are void, and what is still heard of them. SPEC.md section 5.5.

A session of such a device is kept only so that its beats can be told from forgeries: who has a lost aircraft and transmits
is an alarm. It has no keys here. Sans-IO: time is an argument.
"""

from __future__ import annotations

from collections.abc import Iterable

from gateway.core.session import Session
from gateway.core.wire import DropReason
from keys import beat, cose
from keys.errors import KeysError
from keys.order_device import OrderDevice

SESSIONS_MAX = 8  # of one device; the oldest gives way, for anybody who has the key makes as many as they like


class Revoked:
    def __init__(self) -> None:
        self.devices: frozenset[bytes] = frozenset()  # public keys
        self._sessions: dict[bytes, Session] = {}  # by the first 8 bytes of the session_id
        self._heard: set[bytes] = set()

    def adopt(self, devices: Iterable[OrderDevice]) -> None:
        """Those of our newest order."""
        self.devices = frozenset(device.pub for device in devices if device.void)

    def add(self, session: Session) -> None:
        """A session of such a device, whose statement verified."""
        hint, device = session.session_id[:8], session.device_public
        if hint in self._sessions:
            return
        theirs = [known for known, other in self._sessions.items() if other.device_public == device]
        if len(theirs) >= SESSIONS_MAX:
            del self._sessions[theirs[0]]
        self._sessions[hint] = session

    def session(self, hint: bytes) -> Session | None:
        """The one that a beat says it is of, by the first 8 bytes of the session_id."""
        return self._sessions.get(hint)

    def beat(self, session: Session, message: bytes, now: float) -> DropReason:
        """A beat of one of these sessions: a newer one, rightly signed, says that the key is in use."""
        try:
            newest = beat.verify(cose.parse_sign1(message), session.public)
        except KeysError:
            return DropReason.BAD_SIGNATURE
        if newest.session_id != session.session_id:
            return DropReason.BAD_SIGNATURE
        if session.beat is not None and newest.seq <= session.beat.seq:
            return DropReason.STALE_BEAT
        session.hear(newest, message, now)
        self._heard.add(session.device_public)
        return DropReason.REVOKED_DEVICE

    def take_heard(self) -> set[bytes]:
        """The public keys of those that were heard since the last call."""
        heard, self._heard = self._heard, set()
        return heard
