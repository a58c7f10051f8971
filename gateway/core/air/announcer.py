"""Announcer: the aircraft's side of a session. Which keys are current, and which messages about them are due.

The flow:
  1  `Announcer(...)`  draws the session key, states the session (session_id = hash of the statement), draws epoch 0 2
  `datagrams`       everything that is due now: the beat, as a control datagram and in the evidence lane, then statement and
                       announcements in turn, never more than 5 % of the link
  3  `_turn_epoch`     before REKEY_AFTER_PACKETS or the order's rekey_s the next epoch is drawn and announced; after
                       the lead time it becomes current and the old send keys are dropped
  4  `close`           a last beat says that the session is over

Sans-IO: time, the clock's claim and random bytes are arguments. SPEC.md sections 5.4, 5.6 and 7.
"""

from __future__ import annotations

import enum
import itertools
from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.core import fragment
from gateway.core.air.freshness import Freshness
from gateway.core.aircraft_state import AircraftState
from gateway.core.control_cipher import ControlCipher
from gateway.core.sealer import Sealer
from gateway.core.wire import BEAT_AFTER_PACKETS, CONTROL_MAX, KEEP_EPOCH_S, Evidence, Kind
from keys import cose, epoch, recording_header
from keys.beat import NONCE_SIZE, SESSION_MS_MAX, Beat
from keys.beat_flag import Flag
from keys.epoch import Epoch, SessionSigner
from keys.errors import KeysError
from keys.keyring import REJECT_AFTER_PACKETS, SendKey
from keys.lanes import Lane
from keys.order import VerifiedOrder
from keys.statement import Statement

BEAT_EVERY_S = 0.5
NARROW_BELOW_BPS = 250_000
NARROW_BEAT_EVERY_S = 1.0  # as a control datagram and in the evidence lane, in turn
NARROW_FIRST_BEATS = 4  # first beats of a session, control datagrams as on other links: no station has the keys yet
BEATS_APART_S = 0.1  # least time to the last beat, for one that answers a challenge
START_ROUNDS = 5  # rounds of announcements in the first second of an epoch
START_ROUND_EVERY_S = 0.2
ANNOUNCE_SHARE = 0.05  # of the link, beats not counted
NARROW_START_SHARE, NARROW_START_S = 0.25, 10.0  # of a narrow link, when a session begins
LEAD_ROUNDS = 3
STATEMENT_EVERY = 4  # datagrams of a round: on a narrow link a new station need not wait for its end
REKEY_AFTER_PACKETS = REJECT_AFTER_PACKETS // 2  # far enough ahead that no lead time can reach the limit


class Phase(enum.Enum):
    STEADY = "steady"
    LEAD = "lead"  # the next epoch is drawn and announced; the current one still seals
    CLOSED = "closed"


PHASES = {Phase.STEADY: (Phase.LEAD, Phase.CLOSED), Phase.LEAD: (Phase.STEADY, Phase.CLOSED), Phase.CLOSED: ()}


class DeviceStart(NamedTuple):
    """One start of one device: its place in the order, its key and its boot counter."""

    device_index: int
    key: cose.PrivateKey
    boot_counter: int


class _Replaced(NamedTuple):
    """The epoch before the current one; its uplink keys are accepted for a while."""

    at: float
    epoch: int
    uplink_keys: dict[int, bytes]


class Announcer:
    """One session. `entropy(n)` gives n random bytes; `link_bps` is the narrowest link's rate in bits a second.

    `began`      the zero of the session's times
    `statement`  the message
    """

    def __init__(
        self,
        order: VerifiedOrder,
        device: DeviceStart,
        lanes: tuple[Lane, ...],
        link_bps: int,
        entropy: Callable[[int], bytes],
        now: float,
        unix_time: int = 0,
    ) -> None:
        """`lanes` are those of this session."""
        self.order, self.lanes, self.link_bps = order, lanes, link_bps
        self._entropy = entropy
        self._session_key = Ed25519PrivateKey.from_private_bytes(entropy(32))
        public = self._session_key.public_key().public_bytes_raw()
        statement = Statement(order.order_hash, device.device_index, public, device.boot_counter, unix_time)
        self.session_id = statement.session_id()
        self.sealer = Sealer(self.session_id)
        self.phase = Phase.STEADY
        self.flags = Flag.NARROW_LINK if link_bps < NARROW_BELOW_BPS else Flag(0)
        self.state = AircraftState()  # for the next beat; the caller keeps it current
        self.freshness = Freshness(order.content.policy.fresh_ms / 1000)
        self._cipher = ControlCipher(order.content.op_id)
        self.statement = statement.sign(device.key)
        self._statement = self._sealed(fragment.split(Kind.STATEMENT, self.statement))
        self._seq = 0
        self.began = now
        self.beat_at = now  # when the next beat is due
        self._beat_sent_at = float("-inf")
        self._answered: set[int] = set()  # stations that have sent a challenge
        self._beaten: dict[int, int] = {}  # KID -> next CTR, as in the last beat
        self._bytes_left = self._bytes_per_s = link_bps * ANNOUNCE_SHARE / 8
        self._counted_at = now
        self._outbox: deque[bytes] = deque()
        self._next: Epoch | None = None
        self._previous: _Replaced | None = None
        self._closed_at = float("inf")
        self._install(self._draw(0), now)

    # --- for the data path ---

    def send_key(self, lane: Lane) -> SendKey | None:
        """The key that seals `lane` now; None if this session has no such lane or is closed."""
        if self.phase is Phase.CLOSED or (key := self.current.send_keys.get(lane)) is None:
            return None
        if key.next_ctr - self._beaten.get(key.kid, 0) > BEAT_AFTER_PACKETS:
            self.beat_at = float("-inf")  # no station opens a datagram that is too far beyond a beat
        return key

    def seals_below(self, key: SendKey) -> int:
        """The counter of this key from which on a beat is due first."""
        return self._beaten.get(key.kid, 0) + BEAT_AFTER_PACKETS

    @property
    def epoch(self) -> int:
        return self.current.number

    def uplink_keys(self, now: float) -> dict[int, dict[int, bytes]]:
        """Epoch -> station -> uplink key, of the epochs whose uplink is accepted now: SPEC.md section 4.7."""
        if now - self._closed_at > self.freshness.fresh_s:
            return {}
        taken = {drawn.number: drawn.uplink_keys for drawn in (self.current, self._next) if drawn}
        if self._previous and now - self._previous.at <= KEEP_EPOCH_S:
            taken[self._previous.epoch] = self._previous.uplink_keys
        return taken

    def answer(self, station: int, now: float) -> None:
        """This station has sent a challenge: its first answer in a session does not wait for the next regular beat."""
        if station not in self._answered:
            self._answered.add(station)
            self.beat_at = min(self.beat_at, max(now, self._beat_sent_at + BEATS_APART_S))

    def next_due(self) -> float:
        """When `datagrams` will return something again."""
        if self.phase is Phase.CLOSED:
            return float("inf")
        turn = self._switch_at if self.phase is Phase.LEAD else self._rekey_at - self.lead_s
        missing = len(self._outbox[0]) - self._bytes_left if self._outbox else float("inf")
        allowed = self._counted_at + max(0.0, missing) / self._rate(self._counted_at)
        return min(self.beat_at, self._round_at, allowed, turn)

    def sign_recording(self, payload: bytes) -> bytes:
        """The signed header of a recording; empty if the payload is not that of one of this session."""
        try:
            return recording_header.sign(payload, self._session_key, self.session_id, self.order.order_hash)
        except KeysError:
            return b""

    # --- sending ---

    def datagrams(self, now: float, unix_time: int = 0) -> list[bytes]:
        """Everything that is due at `now`, in order. `unix_time` is the board clock's claim, 0 if not believed."""
        if self.phase is Phase.CLOSED:
            return []
        self._turn_epoch(now)
        out = self._next_round(now) if now >= self._round_at else []
        if now >= self.beat_at:
            out += self._beats(now, unix_time)
        return out + self._share_of_link(now)

    def close(self, now: float, unix_time: int = 0) -> list[bytes]:
        """The last beat; after it this session seals nothing, and its send keys are deleted.

        Its uplink is opened for fresh_ms more (uplink_opener.py); then the caller drops the announcer.
        """
        if self.phase is Phase.CLOSED:
            return []
        self.flags |= Flag.SESSION_CLOSED
        out = self._beats(now, unix_time)
        for drawn in (self.current, self._next):
            if drawn:
                drawn.send_keys.clear()
        self._closed_at = now
        self._move(Phase.CLOSED)
        return out

    # --- beats ---

    def _beats(self, now: float, unix_time: int) -> list[bytes]:
        narrow = self.link_bps < NARROW_BELOW_BPS and not self.flags & Flag.SESSION_CLOSED
        message = self._sign_beat(now, unix_time)
        slow = narrow and self._seq >= NARROW_FIRST_BEATS
        self._beat_sent_at, self.beat_at = now, now + (NARROW_BEAT_EVERY_S if slow else BEAT_EVERY_S)
        control = self._sealed(fragment.split(Kind.BEAT, message))
        if narrow and (self._seq <= NARROW_FIRST_BEATS or self._seq % 2):
            return control
        key = self.current.send_keys[Lane.EVIDENCE]
        sealed = self.sealer.seal_one(key, bytes([Evidence.BEAT]) + message)
        return [sealed] if narrow else [*control, sealed]

    def _sign_beat(self, now: float, unix_time: int) -> bytes:
        self._seq += 1
        left = max(1, int((self._switch_at - now) * 1000)) if self.phase is Phase.LEAD else 0
        nonce = self._entropy(NONCE_SIZE)
        self.freshness.beat(self._seq, nonce, now)
        self._beaten = self.current.next_ctrs()
        beat = Beat(
            self.session_id,
            self._seq,
            nonce,
            self.current.number,
            self._beaten,
            unix_time,
            self.freshness.challenges(now),
            self._listed,
            left,
            int(self.flags | self.state.flags()),
            min(int((now - self.began) * 1000), SESSION_MS_MAX),
            self.state.content(),
        )
        return beat.sign(self._session_key)

    # --- announcements ---

    def _rate(self, now: float) -> float:
        """Bytes a second for announcements. If a round takes seconds, no station commands a new session before its end."""
        begins = self.link_bps < NARROW_BELOW_BPS and now - self.began < NARROW_START_S
        return self._bytes_per_s * (NARROW_START_SHARE / ANNOUNCE_SHARE if begins else 1)

    def _share_of_link(self, now: float) -> list[bytes]:
        """The part of the queued round that the link's share allows now (a token bucket of one second)."""
        out = []
        burst = max(self._bytes_per_s, CONTROL_MAX)
        self._bytes_left = min(burst, self._bytes_left + (now - self._counted_at) * self._rate(self._counted_at))
        self._counted_at = now
        while self._outbox and self._bytes_left >= len(self._outbox[0]):
            self._bytes_left -= len(self._outbox[0])
            out.append(self._outbox.popleft())
        return out

    def _next_round(self, now: float) -> list[bytes]:
        """The statement, with one round queued after it, unless the last one still waits for its share of the link.

        A receiver needs statement, beat and announcements in this order: on a wide link a round brings its own beat,
        so a station that starts late joins within one round.
        """
        if self._outbox:
            self._round_at = now + START_ROUND_EVERY_S
            return []
        self._rounds += 1
        self._round_at = now + (
            START_ROUND_EVERY_S if self._rounds < START_ROUNDS else self.order.content.policy.announce_s
        )
        for place, datagram in enumerate(self._fragments, 1):
            self._outbox.append(datagram)
            if place % STATEMENT_EVERY == 0:
                self._outbox.extend(self._statement)
        if self.link_bps >= NARROW_BELOW_BPS:
            self.beat_at = now
        self._bytes_left -= sum(map(len, self._statement))
        return self._statement[:]

    def _sealed(self, opened: Iterable[bytes]) -> list[bytes]:
        """Control datagrams, sealed for the air."""
        return [self._cipher.seal(datagram) for datagram in opened]

    def _announce(self, announced: Epoch, now: float) -> None:
        """From now on repeat the announcements of `announced`, and list them in the beats."""
        opened = {i: fragment.split(Kind.ANNOUNCEMENT, m) for i, m in announced.announcements.items()}
        self._listed = {i: [fragment.listed_hash(d) for d in parts] for i, parts in opened.items()}
        self._fragments = parts = self._sealed(itertools.chain(*opened.values()))
        statements = 1 + len(parts) // STATEMENT_EVERY
        # Duration of one round at its share of the link.
        self.round_s = (sum(map(len, parts)) + statements * sum(map(len, self._statement))) / self._bytes_per_s
        self._outbox.clear()
        self._rounds = 0
        self._round_at = now
        self.beat_at = now

    @property
    def lead_s(self) -> float:
        """The lead time of a new epoch: three rounds of announcements, or the order's lead_s if longer."""
        return max(self.order.content.policy.lead_s, LEAD_ROUNDS * self.round_s)

    # --- epochs ---

    def _draw(self, number: int) -> Epoch:
        session = SessionSigner(self.order.order_hash, self.session_id, self._session_key)
        return epoch.draw(number, self.lanes, self.order.content.stations, session, self._entropy)

    def _install(self, drawn: Epoch, now: float) -> None:
        self.current = drawn
        self._announce(drawn, now)
        # On a link so narrow that the next lead time would begin at once, announce this epoch first.
        self._rekey_at = now + max(self.order.content.policy.rekey_s, 2 * self.lead_s)
        self._switch_at = self._rekey_at

    def _turn_epoch(self, now: float) -> None:
        if self._previous and now - self._previous.at > KEEP_EPOCH_S:
            self._previous = None
        used = max(key.next_ctr for key in self.current.send_keys.values())
        if self.phase is Phase.STEADY and (now >= self._rekey_at - self.lead_s or used >= REKEY_AFTER_PACKETS):
            self._next = self._draw(self.current.number + 1)
            self._switch_at = now + self.lead_s
            self._announce(self._next, now)
            self._move(Phase.LEAD)
        elif self.phase is Phase.LEAD and now >= self._switch_at:
            assert self._next is not None
            self._previous = _Replaced(now, self.current.number, self.current.uplink_keys)
            self._install(self._next, now)
            self._next = None
            self._move(Phase.STEADY)

    def _move(self, phase: Phase) -> None:
        assert phase in PHASES[self.phase], f"{self.phase} does not lead to {phase}"
        self.phase = phase
