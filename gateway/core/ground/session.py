"""Session: what a ground knows of one start of one aircraft. Its beats, its epochs, and the granted keys.

What lives here: what is known, changed only by the listener and only with what verified. SPEC.md sections 5.5 and 7.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Mapping

from gateway.core.ground.lateness import Lateness
from gateway.core.ground.listed import Listed
from gateway.core.session_state import SessionState
from gateway.core.sframe import HeaderBlock
from gateway.core.wire import BEYOND_BEAT_BY, KEEP_EPOCH_S
from keys.announcement import Announcement, Grant
from keys.beat import Beat
from keys.beat_flag import Flag
from keys.keyring import ReceiveKey
from keys.lanes import Lane
from keys.order import VerifiedOrder
from keys.statement import Statement

ALIVE_FOR_S = 3.0  # since the last verified beat
ECHOES = 64  # nonces of beats that are kept, for frames that waited before they were read: of many seconds
LATE_S, LATE_NARROW_S = 2.0, 3.0  # REJECT a beat that comes later than the soonest by more than this
LEASE_S, LEASE_NARROW_S = 3.0, 6.0  # this long after the newest beat no datagram is opened any more
NAMED_FOR_S = 1.0  # a seq that was named in a beat counts as the highest for so long, unless a higher one is named
BEATS_AT_ONCE, BEATS_PER_S = 50, 10  # more than an aircraft sends; a seq beyond cannot be the next one
LASTED_S, A_BEAT_COUNTS_S = 5.0, 1.0  # how long its beats must go on; each gap counts for the latter at most


class OpeningKey(ReceiveKey):
    """`block`: what was made ahead for the counters that come next; it goes with the key."""

    __slots__ = ("block",)

    def __init__(self, base_key: bytes, kid: int, start: int = 0) -> None:
        super().__init__(base_key, kid, start=start)
        self.block: HeaderBlock | None = None


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Lease:
    """Permission to open one KID of one session, up to a counter. It equals only itself, and so its hash costs nothing."""

    session: Session
    lane: Lane
    key: OpeningKey
    below: int  # the first CTR that is too far beyond the beat
    epoch: int  # the full number; the KID has its lowest four bits
    proves: bool = False  # of the granted lanes, the one whose key fewest stations have: its senders may be answered
    only_beats: bool = (
        False  # nothing else is taken: beats were missed, and one that comes in its time tells what is current
    )

    def permits_as(self, other: Lease) -> bool:
        """Whether both permit the same."""
        mine, theirs = ((each.key, each.below, each.epoch, each.proves, each.only_beats) for each in (self, other))
        return self.session is other.session and mine == theirs


class Session:
    """`seq`, `lateness`: of what was heard of it before, if it was: by an earlier process, or before it was dropped."""

    def __init__(
        self,
        statement: Statement,
        device_public: bytes,
        order: VerifiedOrder | None = None,
        seq: int = -1,
        lateness: Lateness | None = None,
    ) -> None:
        self.statement = statement
        self.order = order  # None while it is not here: SPEC.md section 7, order pending
        self.session_id = statement.session_id()
        self.public = statement.session_key()
        self.device_public = device_public
        self.boot_counter = statement.boot_counter
        self.beat: Beat | None = None
        self._is_narrow = False  # by its flags, kept because `&` of a Flag costs more than all that is done with the result
        self.epoch_at: float | None = None  # when its current epoch began, on our clock; None if that was not heard
        self.seq = seq  # of the newest beat; a beat whose seq is not higher is stale
        self.beat_at = float("-inf")  # when the newest beat came, on our clock
        self._nonces: deque[tuple[float, bytes]] = deque(maxlen=ECHOES)  # (arrival of its beat, nonce), oldest first
        self.first_beat_at = float("inf")
        self.latest: Beat | None = None  # the newest that verified, also if it came late
        self.late_at = float("-inf")  # arrival of the last late beat
        self.asked: Mapping[bytes, float] = {}  # our challenges that no beat has answered, and when each was drawn
        self.opened = False  # whether a grant was ever installed here
        self.lasted = False  # whether it was open and its beats went on for LASTED_S: then its start is stored
        self._kept_up_s = 0.0  # for how long its beats have gone on
        self.proved = False  # whether a beat ever answered a challenge of ours: no recording can do that
        self.stored_at = float("-inf")  # arrival of the beat that was last handed out to be stored
        self.lateness = lateness or Lateness()
        self.newest_message = b""
        self.highest_seq = 0  # that a beat in a control datagram has named in the last second; it may be forged
        self._named_at = float("-inf")
        self.listed, self.listed_late = Listed(), Listed()  # by the newest beat; by a newer one that came late
        self.uplink_keys: dict[int, bytes] = {}  # by epoch; for the uplink
        self._receive: dict[int, dict[int, OpeningKey]] = {}  # full epoch -> KID -> key
        self._bounds: dict[int, dict[int, int]] = {}  # full epoch -> KID -> first CTR beyond the newest beat
        self._commitments: dict[tuple[int, int], bytes] = {}
        self._replaced_at: dict[int, float] = {}  # full epoch -> when a later one became current
        self._young: deque[Beat] = deque()  # beats whose counters may still be on their way, oldest first
        self.closed = False  # a beat said so; no later beat changes it
        self._over = False  # closed, and no datagram can be on its way any more

    @property
    def pending(self) -> bool:
        """Whether its order is not here."""
        return self.order is None

    def state(self, station: int, now: float) -> SessionState:
        """What it is to the station of this index in the order."""
        if self.beat is None:
            return SessionState.STATED
        if self.closed:
            return SessionState.CLOSED
        if not self.alive(now):
            return SessionState.DELAYED if self.comes_late(now) else SessionState.SILENT
        if self.granted:
            return SessionState.OPEN
        listed = self.beat.fragments
        return SessionState.UNLISTED if listed and station not in listed else SessionState.BEATING

    @property
    def heard(self) -> bool:
        """Whether a beat of it was taken, or came late: one that was dropped and stated again may have late ones alone."""
        return self.beat is not None or self.late_at > float("-inf")

    def alive(self, now: float) -> bool:
        return not self.closed and now - self.beat_at < ALIVE_FOR_S

    @property
    def granted(self) -> bool:
        """Whether the keys of the epoch that is current are here."""
        return self.beat is not None and self.beat.epoch in self._receive

    # --- time ---

    @property
    def _late_s(self) -> float:
        return LATE_NARROW_S if self._is_narrow else LATE_S

    @property
    def _lease_s(self) -> float:
        return LEASE_NARROW_S if self._is_narrow else LEASE_S

    def is_late(self, beat: Beat, now: float) -> bool:
        """Whether a newer verified beat comes late: somebody withheld it, or the link has become too slow."""
        if answers := self.asked.keys() & {*beat.challenges.values()}:
            self.lateness.answered(beat, max(self.asked[value] for value in answers), now)
        late = self.lateness.of(beat, now) > self._late_s
        if self._note_latest(beat) and late:
            self.late_at = now
            self.listed_late.follow(beat)
        return late

    def _note_latest(self, beat: Beat) -> bool:
        newer = self.latest is None or beat.seq > self.latest.seq
        if newer:
            self.latest = beat
        return newer

    def comes_late(self, now: float) -> bool:
        """Whether new beats come, but too late to be accepted; repeats do not count."""
        return not self.closed and now - self.late_at <= ALIVE_FOR_S

    def _lease_is_over(self, now: float) -> bool:
        return now - self.beat_at > self._lease_s

    def next_change(self, now: float) -> float:
        """When `settle` has something to do, or the lease ends."""
        if self._over or self._lease_is_over(now):
            return float("inf")
        old_at = self._old_at(self._young[0]) if self._young else float("inf")
        return min(self.beat_at + self._lease_s, old_at)

    def settle(self, now: float) -> None:
        """Move the windows past datagrams that were sent before a beat that is old by now."""
        while self._young and self._old_at(self._young[0]) < now:
            self._begin_at(self._young.popleft())

    def _old_at(self, beat: Beat) -> float:
        return self.lateness.due(beat) + self._late_s

    def _begin_at(self, beat: Beat) -> None:
        """From now on, open no datagram that was sent before this beat."""
        for table in (self._receive, self._bounds):
            for epoch in [epoch for epoch in table if epoch < beat.epoch]:
                del table[epoch]
        keys = self._receive.get(beat.epoch, {})
        for kid in keys.keys() & beat.next_ctr.keys():
            keys[kid].window.begin(beat.next_ctr[kid])
        self._over = self._over or bool(beat.flags & Flag.SESSION_CLOSED)

    # --- what is current ---

    def hear(self, beat: Beat, message: bytes, now: float) -> None:
        """Take a newer verified beat that is not late: it says which epoch is current, and up to which counter.

        Windows begin at its counters if datagrams before it may be old: at the first beat, at one after the end of the
        lease, and at one that shows that the beat before it was late.
        """
        begins = self.beat is None or self._lease_is_over(now)
        begins = self.lateness.note(beat, now) > self._late_s or begins
        if self.beat is None:
            self.epoch_at = None if beat.epoch else now - beat.session_ms / 1000
        elif self.beat.epoch < beat.epoch:
            self._replace(beat.epoch, now)
            self.epoch_at = now if self.alive(now) else None
        self.listed.follow(beat)
        self._count(now)
        self.closed = self.closed or bool(beat.flags & Flag.SESSION_CLOSED)
        self.beat, self.seq, self.newest_message = beat, beat.seq, message
        self._is_narrow = bool(beat.flags & Flag.NARROW_LINK)
        self._note_latest(beat)
        if self.latest is beat:
            self.listed_late = Listed()
        self.beat_at = max(self.beat_at, now)
        self._nonces.append((now, beat.nonce))
        self.first_beat_at = min(self.first_beat_at, now)
        self._bounds[beat.epoch] = {kid: ctr + BEYOND_BEAT_BY for kid, ctr in beat.next_ctr.items()}
        if begins:
            self._young.clear()
            self._begin_at(beat)
        else:
            self._await(beat)

    def _count(self, now: float) -> None:
        """Count the time since the last beat, a gap for little. It is never reset, since a jammer can make gaps."""
        if self.beat is not None:
            self._kept_up_s += min(max(0.0, now - self.beat_at), A_BEAT_COUNTS_S)
        self.lasted = self.lasted or (self.opened and self._kept_up_s >= LASTED_S)

    def _replace(self, epoch: int, now: float) -> None:
        """Make this epoch current. Datagrams of the one before it may still be on their way, and of no other."""
        for table in (self.uplink_keys, self._receive, self._bounds, self._replaced_at):
            for old in [old for old in table if old < epoch - 1]:
                del table[old]
        if epoch - 1 in self.uplink_keys:
            self._replaced_at[epoch - 1] = now
        self._commitments = {(of, kid): value for (of, kid), value in self._commitments.items() if of >= epoch}

    def _await(self, beat: Beat) -> None:
        """Keep one beat for each millisecond, so that their number is bounded by the time that makes a beat late."""
        if self._young and self._young[-1].session_ms >= beat.session_ms:
            self._young.pop()
        self._young.append(beat)

    def may_be_newest(self, seq: int, now: float) -> bool:
        """Whether the next beat of the aircraft can have this seq, and no beat has named a higher possible one recently."""
        since = now - self.beat_at
        if self.beat is not None and seq > self.seq + BEATS_AT_ONCE + BEATS_PER_S * since:
            return False
        newest = seq > self.highest_seq or now - self._named_at > NAMED_FOR_S
        if newest or seq == self.highest_seq:
            self.highest_seq, self._named_at = seq, now
        return newest

    def nonce_at(self, came_at: float) -> bytes | None:
        """The nonce of the beat that was the newest at `came_at`; None if that is too long ago."""
        return next((nonce for heard_at, nonce in reversed(self._nonces) if heard_at <= came_at), None)

    def listing(self, fragment_hash: bytes) -> Listed | None:
        """The list that has this announcement fragment. That of the newest beat precedes that of a late one."""
        return next((listed for listed in (self.listed, self.listed_late) if listed.lists(fragment_hash)), None)

    @property
    def _leading(self) -> bool:
        return self.beat is not None and self.beat.ms_to_next > 0

    def commit(self, announced: Announcement) -> bool:
        """Keep the signed commitments while their epoch lasts; False if two differ, which proves equivocation."""
        for kid, value in announced.commitments.items():
            if self._commitments.setdefault((announced.epoch, kid), value) != value:
                return False
        return True

    def install(self, epoch: int, grant: Grant) -> None:
        """Make receive keys. A grant that is already installed changes nothing, so a window is never emptied.

        A window begins at the counter that the newest beat says, so that an attacker cannot replay the epoch so far to a
        station that joins late or restarts.
        """
        if epoch not in self._receive:
            stands = self.beat.next_ctr if self.beat and self.beat.epoch == epoch else {}
            keys = {kid: OpeningKey(key, kid, start=stands.get(kid, 0)) for kid, key in grant.base_keys.items()}
            self._receive[epoch] = keys
            self.uplink_keys[epoch] = grant.uplink_key
            self.opened = True

    def install_late(self, epoch: int, uplink_key: bytes) -> None:
        """Install the uplink key alone, from an announcement that only a late beat lists. It opens no datagram. A challenge
        sealed under it lets a station recover that missed a rekey.
        """
        near = {beat.epoch + ahead for beat in (self.beat, self.latest) if beat for ahead in (-1, 0, 1)}
        self.uplink_keys.setdefault(epoch, uplink_key)
        self.uplink_keys = {of: key for of, key in self.uplink_keys.items() if of in near}

    def leases(self, now: float) -> list[Lease]:
        """What may be opened now: the epoch of the beat, the next in lead time, the previous for datagrams on their way.

        After the end of the lease, a beat in the evidence lane can still renew it: beats in control datagrams are checked
        within a budget that a flood of forgeries uses up.
        """
        ended = self._lease_is_over(now)
        out: list[Lease] = []
        if self._over or (ended and self.closed):
            return out
        for epoch, keys in self._receive.items():
            lanes = {kid: Lane(kid >> 8) for kid in keys}
            proof = Lane.TELEMETRY if Lane.TELEMETRY in lanes.values() else Lane.EVIDENCE
            for kid, key in keys.items():
                lane, below = lanes[kid], self._below(epoch, kid)
                if below and (lane is Lane.EVIDENCE or not ended):
                    out.append(Lease(self, lane, key, below, epoch, lane is proof and not ended, ended))
        return out

    def known_kids(self) -> set[int]:
        """KIDs that the newest beat names, whether or not they are granted to us."""
        return set(self.beat.next_ctr) if self.beat else set()

    def _below(self, epoch: int, kid: int) -> int:
        assert self.beat is not None
        if epoch == self.beat.epoch + 1:
            return BEYOND_BEAT_BY if self._leading else 0
        return self._bounds.get(epoch, {}).get(kid, 0)

    def expire(self, now: float) -> None:
        """Drop the uplink keys of epochs that are over."""
        for epoch, at in list(self._replaced_at.items()):
            if now - at > KEEP_EPOCH_S:
                del self._replaced_at[epoch]
                self.uplink_keys.pop(epoch, None)
