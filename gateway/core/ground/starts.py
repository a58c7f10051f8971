"""Starts: which session of a device may begin to open, and what a station remembers of it. SPEC.md sections 5.5, 6 (F1).

A device key may be in other hands. So a session counts beyond its own life only once it has lasted, and one that is open
here goes on whatever a later one says.

Sans-IO: what has to be stored is handed out by `take_heard`; time is an argument.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from gateway.core.ground.lateness import Lateness
from gateway.core.ground.session import Session
from keys.statement import Statement

BOOT_JUMP_MAX = 1_000
SUPERSEDED_AFTER_S = 10.0  # an older session that is silent for so long while a newer one is heard is over
LEFT_MAX = 64  # dropped sessions of a device of which something is kept
STORE_EVERY_S = 5.0  # how old the stored seq of a session can become


class Known(NamedTuple):
    """The newest session of a device that lasted, and the seq of its newest beat."""

    boot_counter: int
    session_id: bytes
    seq: int = -1


class Start(NamedTuple):
    """One start of one device."""

    device_public: bytes
    boot_counter: int


class Left(NamedTuple):
    """What is kept of a session that was dropped, or heard before this process began."""

    seq: int  # of its newest beat
    lateness: Lateness


class Refused(NamedTuple):
    """A refused start, and the boot counter that it is not above, or too far above."""

    heard: int
    known: int
    device_public: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class NewSession:
    """A session that lasted, as a station has to store it."""

    device_public: bytes
    boot_counter: int
    session_id: bytes
    seq: int
    named: bool  # by the operator: it replaces a newer one


_NOTHING = Known(-1, b"")


class Starts:
    """The starts of all devices. `known`: what was stored of each, by its public key, in the form of `Known`.

    `sessions` are those that the listener holds. `named`: the start that is taken although a newer one is known.
    """

    def __init__(
        self, known: Mapping[bytes, Sequence[Any]], sessions: dict[bytes, Session], named: Start | None = None
    ) -> None:
        self.refused: Refused | None = None  # the last one
        self._known = {device: Known(*remembered) for device, remembered in known.items()}
        self._sessions, self._named = sessions, named
        self._heard: dict[bytes, NewSession] = {}  # by the device's public key
        self._left: dict[bytes, dict[bytes, Left]] = {}  # by device and session_id: what was dropped, oldest first

    # --- who may ---

    def admits(self, device_public: bytes, stated: Statement, now: float) -> bool:
        """Whether a session may begin to open: no other with the same or a higher counter is heard, and F1 allows it."""
        if self._named == (device_public, stated.boot_counter):
            return True
        later = self._earlier_than(device_public, stated, now)
        if later is None:
            return True
        self.refused = Refused(stated.boot_counter, later, device_public)
        return False

    def _earlier_than(self, device_public: bytes, stated: Statement, now: float) -> int | None:
        """The boot counter of a session that forbids it: it is not later than that one, or too far ahead."""
        session_id, counter, known = stated.session_id(), stated.boot_counter, self._of(device_public)
        for other in self._of_device(device_public):
            heard = now - other.beat_at <= SUPERSEDED_AFTER_S
            if heard and other.boot_counter >= counter and other.session_id != session_id:
                return other.boot_counter
        if known is _NOTHING or known.session_id == session_id or 0 < counter - known.boot_counter <= BOOT_JUMP_MAX:
            return None
        return known.boot_counter

    def may_begin(self, session: Session, now: float) -> bool:
        """The same for a session that is held. One that was open goes on."""
        return session.opened or self.admits(session.device_public, session.statement, now)

    def left(self, device_public: bytes, session_id: bytes) -> Left:
        """What is remembered of this session; a seq of -1, which is below all, if nothing is."""
        known = self._of(device_public)
        stored = known.seq if known.session_id == session_id else -1
        seq, lateness = self._left.get(device_public, {}).get(session_id) or Left(-1, Lateness())
        return Left(max(stored, seq), lateness)

    def drop(self, session: Session) -> None:
        """Drop it. If it is stated again, beats that were heard stay old, and beats that were withheld are late."""
        del self._sessions[session.session_id[:8]]
        left = self._left.setdefault(session.device_public, {})
        left.pop(session.session_id, None)
        left[session.session_id] = Left(session.seq, session.lateness)
        if len(left) > LEFT_MAX:
            del left[next(iter(left))]

    def is_over(self, session: Session, now: float) -> bool:
        """Whether a later one has replaced it.

        If it is only silent, it stays until the later one has lasted: a few messages with a copied key must end no flight.
        """
        silent = now - session.beat_at > SUPERSEDED_AFTER_S and not self._is_named(session)
        return any(
            other.beat
            and other.boot_counter > session.boot_counter
            and (session.closed or (self._counts(other) and silent))
            for other in self.beside(session)
        )

    def gives_way(self, session: Session, now: float) -> bool:
        """Whether one that has only been stated may replace it."""
        if session.opened:
            return not self._counts(session) and now - session.beat_at > SUPERSEDED_AFTER_S
        return not session.alive(now)

    def _counts(self, session: Session) -> bool:
        """Whether it has lasted, and the operator has not named an older one instead."""
        return session.lasted and session.boot_counter <= self._of(session.device_public).boot_counter

    def beside(self, session: Session) -> list[Session]:
        """The other sessions of the same device."""
        return [other for other in self._of_device(session.device_public) if other is not session]

    # --- what is remembered ---

    def remember(self, device_public: bytes, remembered: Sequence[Any]) -> None:
        """Take what was stored of a device by an earlier process, in the form of `Known`."""
        self._known[device_public] = Known(*remembered)

    def hear(self, session: Session, now: float) -> None:
        """Note that a beat of it was accepted. A session that lasted counts from now on, also after a restart."""
        if not session.lasted or not self._is_newest(session, now):
            return
        self._known[session.device_public] = Known(session.boot_counter, session.session_id, session.seq)
        if now - session.stored_at >= STORE_EVERY_S:
            for one in self._remembered():
                one.stored_at = one.beat_at
                self._heard[one.device_public] = self._heard_of(one)

    def take_heard(self) -> list[NewSession]:
        """What is to be stored. When one session that lasted is due, all of them are, so that one write is enough."""
        heard, self._heard = self._heard, {}
        return [*heard.values()]

    def lasting(self) -> list[NewSession]:
        """What is to be stored at the end of the process."""
        return [self._heard_of(session) for session in self._remembered()]

    def _remembered(self) -> list[Session]:
        """The sessions that are remembered."""
        return [s for s in self._sessions.values() if self._of(s.device_public).session_id == s.session_id]

    def _is_newest(self, session: Session, now: float) -> bool:
        """Whether none that lasted is later; but one that the operator has named precedes all others while it is heard."""
        known = self._of(session.device_public)
        if any(self._is_named(other) and other.lasted and other.alive(now) for other in self.beside(session)):
            return False
        later = session.boot_counter > known.boot_counter or session.session_id == known.session_id
        return later or self._is_named(session)

    def _of_device(self, device_public: bytes) -> list[Session]:
        return [session for session in self._sessions.values() if session.device_public == device_public]

    def _of(self, device_public: bytes) -> Known:
        return self._known.get(device_public, _NOTHING)

    def _is_named(self, session: Session) -> bool:
        return self._named == (session.device_public, session.boot_counter)

    def _heard_of(self, session: Session) -> NewSession:
        named = self._is_named(session)
        return NewSession(session.device_public, session.boot_counter, session.session_id, session.seq, named)
