"""Commander: a station's side of the uplink of one session. Whether it may send, under which key, and what it sends.

The flow, SPEC.md sections 4.7 and 6:
  1  `challenges`  those that are due, each for one way up (challenges.py)
     `hold`        ahead of a change of order, that we hold the next one
  2  `refusal`     why nothing may be commanded now, as a value
  3  `seal`        frames behind the echo of the beat that was newest when they came, in bundles, under our own instance
     `carry`       a fragment of an order, in the same way
     `record`      whether video is to be recorded

What must not live here: which session of a device is commanded (uplink_sessions.py), what a frame says (guard.py).
Sans-IO: time and random bytes are arguments.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.core import bundle
from gateway.core.ground.challenges import Challenges, Way
from gateway.core.ground.instance import Instance
from gateway.core.ground.session import Session
from gateway.core.refusal import Refusal
from gateway.core.sealer import Sealer
from gateway.core.wire import RECORD_OFF, RECORD_ON, UPLINK_OVERHEAD, Control
from keys.beat import NONCE_SIZE
from keys.beat_flag import Flag
from keys.epoch import Entropy
from keys.lanes import Lane, Role
from keys.order_station import OrderStation
from keys.policy import Policy

HOLD_EVERY_S = 1.0
MAY_CONTROL = Role.COMMAND | Role.CONTROL  # carry orders up, and say what is recorded


class Commander:
    """Speaks to one session as `station`. `policy`: the order's; `mtu`: the link's largest datagram in bytes.

    `instance`: ours in this session, if there was a commander of it before.
    """

    def __init__(
        self,
        session: Session,
        station: OrderStation,
        policy: Policy,
        mtu: int,
        entropy: Entropy,
        instance: Instance | None = None,
    ) -> None:
        self.session, self.station = session, station
        self._fresh_s = policy.fresh_ms / 1000
        self._limit = mtu - UPLINK_OVERHEAD
        self._pad = tuple(size for size in policy.pad if size <= self._limit)
        self._sealer = Sealer(session.session_id)
        self.instance = instance or Instance(session.session_id, station.index, entropy)
        self._challenges = Challenges(entropy)
        self._hold_at = float("-inf")

    # --- 1: challenges ---

    def challenges(self, ways: Sequence[Way], now: float) -> list[tuple[Way, bytes]]:
        """The sealed challenges that are due, each with its way; `ways` are all present ones."""
        self.instance.keep(self.session.uplink_keys)
        if self.session.pending or not self._may_ask(now):
            return []
        self._read_answers(now)
        kind, due = bytes([Control.CHALLENGE]), self._challenges.due(ways, now)
        self.session.asked = self._challenges.asked
        return [(way, self._say(kind + value)) for way, value in due]

    def hold(self, name: bytes, now: float) -> list[bytes]:
        """The message that we hold the order of this name: once a second, while the beats announce a change of order."""
        beat = self.session.beat
        ahead = beat is not None and beat.flags & Flag.ORDER_CHANGE_AHEAD
        if not ahead or now < self._hold_at or self.session.pending or not self._may_speak(now):
            return []
        self._hold_at = now + HOLD_EVERY_S
        return [self._say(bytes([Control.ORDER_HELD]) + name)]

    def _read_answers(self, now: float) -> None:
        if self.session.beat is not None:
            self._challenges.hear(self.session.beat, self.station.index, now)
            self.session.proved |= self._challenges.answered(now)

    def answered(self, now: float) -> bool:
        """F3: a beat has answered a challenge that we drew at most 10 s ago."""
        self._read_answers(now)
        return self._challenges.answered(now)

    def take_proved(self) -> list[Way]:
        """The ways whose challenges were answered since the last call."""
        return self._challenges.take_proved()

    # --- 2: permission ---

    def refusal(self, now: float) -> Refusal | None:
        """Why nothing may be commanded now; None if it may."""
        if not self.station.roles & Role.COMMAND:
            return Refusal.OBSERVER
        if not (self.session.alive(now) or self.closing(now)):
            return Refusal.ENDED
        if not self._granted():
            return Refusal.NO_KEYS
        if self.session.pending:
            return Refusal.PENDING
        return None if self.answered(now) else Refusal.NOT_FRESH

    def closing(self, now: float) -> bool:
        """The session is closed, and the aircraft, which goes on under another order, still accepts its commands."""
        return self.session.closed and now - self.session.beat_at <= self._fresh_s

    def _may_speak(self, now: float) -> bool:
        return self.session.alive(now) and self._granted()

    def _may_ask(self, now: float) -> bool:
        """Also a session whose beats come late: an answer shows whether they do, or whether a clock ran wrong."""
        return self._may_speak(now) or (self.session.comes_late(now) and self._granted())

    def _granted(self) -> bool:
        return self._epoch() is not None

    def _epoch(self) -> int | None:
        """The newest epoch that has begun and whose grant is here."""
        beat = self.session.latest
        begun = [epoch for epoch in self.session.uplink_keys if beat and epoch <= beat.epoch]
        return max(begun, default=None)

    # --- 3: sealing ---

    def seal(self, frames: Sequence[bytes], now: float, came_at: float | None = None) -> list[bytes] | Refusal:
        """The datagrams that carry `frames`, whole MAVLink frames in their order; or why there are none.

        They follow the echo of the beat that was the newest when they came, at `came_at`. So the aircraft counts the time
        that they waited here, and a ground that stood still cannot make an old command fresh.
        """
        refusal = self.refusal(now)
        if refusal:
            return refusal
        echo = self.session.nonce_at(now if came_at is None else came_at)
        if echo is None:
            return Refusal.LATE
        bundles = bundle.pack(frames, self._limit - NONCE_SIZE)
        return [self._seal(Lane.UPLINK, echo, packed) for packed in bundles]

    def carry(self, fragment: bytes, now: float) -> bytes | None:
        """The datagram that carries an order fragment up; None if the session is not alive or our keys are not here."""
        return self._say(bytes([Control.ORDER_FRAGMENT]) + fragment) if self._may_speak(now) else None

    def record(self, now: float, *, on: bool) -> bytes | None:
        """The datagram that asks for video to be recorded, or pauses that; None if it would not be accepted now."""
        may = self.station.roles & MAY_CONTROL and not self.session.pending and self._may_speak(now)
        return self._say(bytes([Control.RECORD]) + (RECORD_ON if on else RECORD_OFF)) if may else None

    def _say(self, content: bytes) -> bytes:
        """Sealed in lane 17."""
        assert self.session.latest is not None
        return self._seal(Lane.CONTROL, self.session.latest.nonce, content)

    def _seal(self, lane: Lane, echo: bytes, content: bytes) -> bytes:
        plain = echo + content
        if lane is Lane.UPLINK:
            plain = bundle.padded(plain, self._pad)
        epoch = self._epoch()
        assert epoch is not None
        return self._sealer.seal_one(self.instance.key(lane, epoch, self.session.uplink_keys), plain)
