"""Session: what a ground knows of one start of one aircraft. Its beat, its epochs, the keys it was granted.

What lives here: state, moved only by the listener and only with what verified. SPEC.md sections 5.5 and 7.
"""

from __future__ import annotations

import dataclasses
from collections import deque

from gateway.core.fragment import Reassembler
from gateway.core.wire import BEYOND_BEAT_BY, KEEP_EPOCH_S
from keys.announcement import Announcement, Grant
from keys.beat import Beat, Flag
from keys.keyring import ReceiveKey
from keys.kid import Lane
from keys.order import VerifiedOrder
from keys.statement import Statement

ALIVE_FOR_S = 3.0  # since the last verified beat
ECHOES = 64  # nonces of beats kept for what came before it was read: many seconds' worth


@dataclasses.dataclass(frozen=True, slots=True)
class Lease:
    """Leave to open one KID of one session, up to a counter."""

    session: Session
    lane: Lane
    key: ReceiveKey
    below: int  # the first CTR that is beyond the beat
    epoch: int  # the whole number; the KID holds four bits of it


class Session:
    def __init__(self, statement: Statement, device_public: bytes, order: VerifiedOrder | None = None) -> None:
        self.statement = statement
        self.order = order  # None while it is not here: SPEC.md section 7, order pending
        self.session_id = statement.session_id()
        self.public = statement.session_key()
        self.device_public = device_public
        self.boot_counter = statement.boot_counter
        self.beat: Beat | None = None
        self.beat_at = float("-inf")  # when the newest beat came, on our monotonic clock
        self._nonces: deque[tuple[float, bytes]] = deque(maxlen=ECHOES)  # (when its beat came, nonce), oldest first
        self.first_beat_at = float("inf")
        self.newest_message = b""
        self.highest_seq = 0  # that a beat in a control datagram has named, whoever sent it
        self.reassembler = Reassembler()
        self.announcements: set[bytes] = set()  # ids of messages already taken
        self.uplink_keys: dict[int, bytes] = {}  # by epoch; for the uplink
        self._receive: dict[int, dict[int, ReceiveKey]] = {}  # full epoch -> KID -> key
        self._bounds: dict[int, dict[int, int]] = {}  # full epoch -> KID -> first CTR beyond the newest beat
        self._commitments: dict[tuple[int, int], bytes] = {}
        self._replaced_at: dict[int, float] = {}  # full epoch -> when a later one became current

    @property
    def pending(self) -> bool:
        """Flying under an order that we do not have."""
        return self.order is None

    @property
    def closed(self) -> bool:
        return self.beat is not None and bool(self.beat.flags & Flag.SESSION_CLOSED)

    def alive(self, now: float) -> bool:
        return not self.closed and now - self.beat_at < ALIVE_FOR_S

    @property
    def granted(self) -> bool:
        """Whether the keys of the epoch that is current are here."""
        return self.beat is not None and self.beat.epoch in self._receive

    def hear(self, beat: Beat, message: bytes, now: float) -> None:
        """A newer verified beat: what is current, and up to which counter."""
        for epoch in (*self._receive, *self._bounds):
            if epoch < beat.epoch:
                self._replaced_at.setdefault(epoch, now)
        if self.beat is None or beat.fragments != self.beat.fragments:
            self.reassembler.clear()
            self.announcements.clear()
        self.beat, self.beat_at, self.newest_message = beat, now, message
        self._nonces.append((now, beat.nonce))
        self.first_beat_at = min(self.first_beat_at, now)
        self._bounds[beat.epoch] = {kid: ctr + BEYOND_BEAT_BY for kid, ctr in beat.next_ctr.items()}

    def nonce_at(self, came_at: float) -> bytes | None:
        """That of the beat that was the newest at `came_at`; None if that is longer ago than what is kept."""
        return next((nonce for heard_at, nonce in reversed(self._nonces) if heard_at <= came_at), None)

    def expects(self, epoch: int) -> bool:
        """Only the beat's epoch is installed, and in lead time the next."""
        return self.beat is not None and (epoch == self.beat.epoch or (self._leading and epoch == self.beat.epoch + 1))

    @property
    def _leading(self) -> bool:
        return self.beat is not None and self.beat.ms_to_next > 0

    def commit(self, announced: Announcement) -> bool:
        """Note the signed commitments; False if one contradicts another, which is proof of equivocation."""
        for kid, value in announced.commitments.items():
            if self._commitments.setdefault((announced.epoch, kid), value) != value:
                return False
        return True

    def install(self, epoch: int, grant: Grant) -> None:
        """Make receive keys; a grant that is already installed is a no-op, so no window is ever emptied.

        What was sent before we joined is not for us: a window begins where the newest beat says that the lane stands, so
        that nobody can play the epoch so far to a station that comes late or restarts.
        """
        if epoch not in self._receive:
            stands = self.beat.next_ctr if self.beat and self.beat.epoch == epoch else {}
            keys = {kid: ReceiveKey(key, kid, start=stands.get(kid, 0)) for kid, key in grant.base_keys.items()}
            self._receive[epoch] = keys
            self.uplink_keys[epoch] = grant.uplink_key

    def leases(self, now: float) -> list[Lease]:
        """What may be opened now: the beat's epoch, the next in lead time, the previous for a while."""
        out: list[Lease] = []
        if self.closed and now - self.beat_at > KEEP_EPOCH_S:
            return out
        for epoch, keys in self._receive.items():
            for kid, key in keys.items():
                below = self._below(epoch, kid, now)
                if below:
                    out.append(Lease(self, Lane(kid >> 8), key, below, epoch))
        return out

    def known_kids(self) -> set[int]:
        """KIDs that the newest beat speaks of, whether or not we were granted them."""
        return set(self.beat.next_ctr) if self.beat else set()

    def _below(self, epoch: int, kid: int, now: float) -> int:
        assert self.beat is not None
        if epoch == self.beat.epoch + 1:
            return BEYOND_BEAT_BY if self._leading else 0
        if epoch != self.beat.epoch and now - self._replaced_at.get(epoch, now) > KEEP_EPOCH_S:
            return 0
        return self._bounds.get(epoch, {}).get(kid, 0)

    def expire(self, now: float) -> None:
        """Drop the keys of epochs that are over."""
        for epoch, at in list(self._replaced_at.items()):
            if now - at > KEEP_EPOCH_S:
                del self._replaced_at[epoch]
                for table in (self._receive, self._bounds, self.uplink_keys):
                    table.pop(epoch, None)
                self._commitments = {k: v for k, v in self._commitments.items() if k[0] != epoch}
