"""Listener: the ground's side of the control plane. Which statements and beats it accepts, and which keys they open.

The flow of a control datagram, SPEC.md section 5.5:
  1  lengths, the operation's key, the header  nothing else is read before a signature verified
  2  statement: a device key of our order, boot counter not older than the one we know   -> a `Session`
  3  beat: the session's key, a rising seq, not late -> opens the lanes of its epoch, bounds their counters
  4  announcement fragment: only if the newest beat lists it; whole, signed, ours -> HPKE, commitments -> keys installed;
     if only a late beat lists it, the uplink key alone
  5  order fragment: out of a sealed lane, gathered; `pop_candidate_order` hands out a whole one (order_intake.py),
     `adopt` takes it when it verified

Every refusal is a counted DropReason, never an exception. Sans-IO: time is an argument; what must be stored (boot
counters, orders) is handed out by `take_heard` and `pop_candidate_order`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from gateway.core import fragment, order_fragments
from gateway.core.budget import Budget
from gateway.core.control_cipher import ControlCiphers
from gateway.core.drop_reason import DropReason
from gateway.core.ground.listed import Listed
from gateway.core.ground.revoked import Revoked, RevokedSession
from gateway.core.ground.session import Lease, Session
from gateway.core.ground.starts import NewSession, Start, Starts
from gateway.core.order_intake import OrderIntake
from gateway.core.wire import ControlHeader, Kind, is_sealed_control, message_id, parse_control
from keys import announcement, beat, cose, statement
from keys.errors import KeysError
from keys.grant import Profile
from keys.lanes import DOWNLINK_LANES, Lane, downlink_kid, lanes_for
from keys.order import VerifiedOrder

VERIFY_PER_S = 200  # signatures of statements, and as many of beats in control datagrams
NEWEST_PER_S = 50  # more, for beats that can be the next one (Session.may_be_newest); a recording soon has none
SESSIONS_MAX = 8  # per device; only the holder of a device key can make one
STATEMENTS_MAX = 4_096  # verified ones that are remembered, so that a repeat costs no signature check
Leases: TypeAlias = dict[int, tuple[Lease, ...]]
OVERLAP_S = 1.0  # datagrams can still be on their way for so long when an aircraft starts again


@dataclasses.dataclass(frozen=True, slots=True)
class StationIdentity:
    """The station that listens. The seed is the operation's secret: never in a repr."""

    index: int
    profile: Profile
    seed: bytes = dataclasses.field(repr=False)


class Listener:
    """`known`, `named`: as `Starts` takes them."""

    def __init__(
        self,
        order: VerifiedOrder,
        me: StationIdentity,
        known: Mapping[bytes, Sequence[Any]],
        named: Start | None = None,
    ) -> None:
        self.me = me
        self._orders: dict[bytes, VerifiedOrder] = {}  # by order_hash: the newest, and those before it
        self.orders: OrderIntake[bytes] = OrderIntake()  # that came by the link, by the keys of `sessions`
        self.revoked = Revoked()
        self._take_up(order)
        self.sessions: dict[bytes, Session] = {}  # by the first 8 bytes of the session_id, as announcements name it
        self.leases: Leases = {}  # by KID; two sessions may share one
        self.next_change = float("inf")  # when leases end or windows move next without a beat
        self.starts = Starts(known, self.sessions, named)
        self._statement_budget, self._beat_budget = Budget(VERIFY_PER_S), Budget(VERIFY_PER_S)
        self._newest_budget = Budget(NEWEST_PER_S)
        self._stated: dict[bytes, statement.Statement] = {}  # that verified, by message id, oldest first

    def _take_up(self, order: VerifiedOrder) -> None:
        self.order = self._orders[order.order_hash] = order
        self._ciphers = ControlCiphers(known.content.op_id for known in reversed(self._orders.values()))
        self.my_lanes = self._lanes_under(order)
        self.revoked.adopt(order.content.devices)
        self._devices = [cose.load_public(device.alg, device.pub) for device in order.content.devices]

    def _lanes_under(self, order: VerifiedOrder | None) -> tuple[Lane, ...]:
        """The lanes of our roles; under an order that we do not have, any that are granted."""
        if order is None:
            return DOWNLINK_LANES
        return next(lanes_for(s.roles) for s in order.content.stations if s.index == self.me.index)

    def take_heard(self) -> list[NewSession]:
        """What to store of the sessions that lasted."""
        return self.starts.take_heard()

    # --- 1: from the air ---

    def control(self, datagram: bytes, now: float) -> DropReason | None:
        """Process one control datagram; None if it was accepted or a repeat, else why it was dropped."""
        if not is_sealed_control(datagram):
            return DropReason.BAD_CONTROL
        opened = self._ciphers.open(datagram)
        if opened is None:
            return DropReason.UNOPENED_CONTROL
        parsed = parse_control(opened)
        if parsed is None:
            return DropReason.BAD_CONTROL
        header, part = parsed
        if header.kind is Kind.ANNOUNCEMENT:
            return self._announcement_fragment(header, part, opened, now)
        if header.count != 1 or message_id(part) != header.message_id:
            return DropReason.BAD_MESSAGE_ID
        if header.kind is Kind.STATEMENT:
            return self._statement(header.message_id, part, now)
        return self._control_beat(part, now)

    # --- 2: statements ---

    def _statement(self, identity: bytes, message: bytes, now: float) -> DropReason | None:
        """Only the verified signature is remembered: the reason for a refusal may be gone when it is repeated."""
        if identity not in self._stated:
            index = statement.claimed_device(message)
            if index is None or index >= len(self._devices):
                return DropReason.UNKNOWN_DEVICE
            if not self._statement_budget.spend(now):
                return DropReason.OVER_BUDGET
            try:
                stated = statement.verify(cose.parse_sign1(message), self._devices[index])
            except KeysError:
                return DropReason.BAD_SIGNATURE
            if len(self._stated) >= STATEMENTS_MAX:
                del self._stated[next(iter(self._stated))]
            self._stated[identity] = stated
        return self._open_session(self._stated[identity], now)

    def _open_session(self, stated: statement.Statement, now: float) -> DropReason | None:
        """None if the session is in `sessions` now, or why it is not."""
        hint, device = stated.session_id()[:8], self.order.content.devices[stated.device_index].pub
        if hint in self.sessions:
            return None
        if device in self.revoked.devices:
            self.revoked.add(RevokedSession(stated.session_id(), stated.session_key(), device, seq=-1))
            return DropReason.REVOKED_DEVICE
        if not self.starts.admits(device, stated, now):
            return DropReason.OLDER_SESSION
        if not self._make_room(device, now):
            return DropReason.TOO_MANY_SESSIONS
        left = self.starts.left(device, stated.session_id())
        self.sessions[hint] = Session(stated, device, self._orders.get(stated.order_hash), *left)
        return None

    def _make_room(self, device_public: bytes, now: float) -> bool:
        """Drop a session that is not alive if there are too many; an aircraft may start again and again.

        A session that was open here is not dropped for a few messages with a copied key: only after it has been silent for
        a while, and never once it has lasted.
        """
        theirs = [session for session in self.sessions.values() if session.device_public == device_public]
        if len(theirs) < SESSIONS_MAX:
            return True
        spare = [session for session in theirs if self.starts.gives_way(session, now)]
        if not spare:
            return False  # eight copies of one aircraft at once; the alarm "two aircraft" was raised long before
        self.starts.drop(min(spare, key=lambda s: (s.opened, s.beat_at, s.boot_counter)))
        return True

    # --- 3: beats ---

    def _control_beat(self, message: bytes, now: float) -> DropReason | None:
        hint = beat.claimed_session(message) or b""
        session = self.sessions.get(hint) or self.revoked.session(hint)
        if session is None:
            return DropReason.UNKNOWN_SESSION
        if isinstance(session, Session) and message == session.newest_message:
            return None
        seq = beat.claimed_seq(message)
        if seq is None:
            return DropReason.BAD_SIGNATURE
        if seq <= session.seq:
            return DropReason.STALE_BEAT
        if not self._may_check(session, seq, now):
            return DropReason.OVER_BUDGET
        if isinstance(session, RevokedSession):
            return self.revoked.beat(session, message)
        return self._beat(session, message, now)

    def _may_check(self, session: Session | RevokedSession, seq: int, now: float) -> bool:
        """Whether a signature check may be spent on a beat of this seq.

        A recording can be opened too, and its beats are genuine, but none is above the next one of the aircraft. So that
        one has a budget of its own, which a recording can use only the first time that it is played.
        """
        newest = isinstance(session, Session) and session.may_be_newest(seq, now)
        return (newest and self._newest_budget.spend(now)) or self._beat_budget.spend(now)

    def sealed_beat(self, session: Session, message: bytes, now: float) -> DropReason | None:
        """A beat from the evidence lane of the session: an outsider cannot forge it, so it costs no budget."""
        return None if message == session.newest_message else self._beat(session, message, now)

    def _beat(self, session: Session, message: bytes, now: float) -> DropReason | None:
        try:
            newest = beat.of_session(message, session.public, session.session_id)
        except KeysError:
            return DropReason.BAD_SIGNATURE
        if newest.seq <= session.seq or (session.beat and newest.epoch < session.beat.epoch):
            return DropReason.STALE_BEAT
        if session.is_late(newest, now):
            return DropReason.LATE_BEAT
        if session.beat is None and not self.starts.may_begin(session, now):
            return DropReason.OLDER_SESSION
        session.hear(newest, message, now)
        self.starts.hear(session, now)
        self._retire(self.starts.beside(session), now)
        self.settle(now)
        return None

    # --- 4: announcements ---

    def _announcement_fragment(self, header: ControlHeader, part: bytes, opened: bytes, now: float) -> DropReason | None:
        """Take it for every session whose beat lists it: a malicious aircraft may list fragments of another one."""
        digest = fragment.listed_hash(opened)
        outcomes = [
            self._take_fragment(session, listed, header, part, now)
            for session in self.sessions.values()
            if (listed := session.listing(digest))
        ]
        if None in outcomes:
            return None
        return outcomes[0] if outcomes else DropReason.UNLISTED_FRAGMENT

    def _take_fragment(
        self, session: Session, listed: Listed, header: ControlHeader, part: bytes, now: float
    ) -> DropReason | None:
        if header.message_id in listed.taken:
            return None
        if not self.starts.may_begin(session, now):
            return DropReason.OLDER_SESSION
        try:
            message = listed.reassembler.add(header, part)
        except ValueError:
            return DropReason.BAD_MESSAGE_ID
        if message is None:
            return None
        reason = self._announcement(session, listed, message, now)
        listed.taken.add(header.message_id)
        return reason

    def _announcement(self, session: Session, listed: Listed, message: bytes, now: float) -> DropReason | None:
        try:
            announced = announcement.verify(cose.parse_sign1(message), session.public)
        except KeysError:
            return DropReason.BAD_SIGNATURE
        theirs = (announced.session_id, announced.order_hash)
        if theirs != (session.session_id, session.statement.order_hash) or not listed.expects(announced.epoch):
            return DropReason.BAD_GRANT
        if not listed.names(announced):
            return DropReason.BAD_GRANT
        is_late = listed is session.listed_late
        if not is_late and not session.commit(announced):
            return DropReason.EQUIVOCATION
        if announced.station != self.me.index:
            return None
        lanes = self._lanes_under(session.order)
        mine = {downlink_kid(lane, session.session_id, announced.epoch) for lane in lanes}
        if not announced.commitments.keys() <= mine:
            return DropReason.BAD_GRANT
        try:
            grant = announced.open(self.me.profile, self.me.seed)
        except KeysError:
            return DropReason.UNKNOWN_ORDER if session.pending else DropReason.BAD_GRANT
        if is_late:
            session.install_late(announced.epoch, grant.uplink_key)
            return None
        session.install(announced.epoch, grant)
        self.settle(now)
        return None

    # --- 5: orders ---

    def order_fragment(self, session: Session, content: bytes) -> DropReason | None:
        """An order fragment from a sealed lane of `session`; every reader of that lane can have forged it."""
        name = order_fragments.name_of(content)
        if any(known.startswith(name) for known in self._orders):
            return None
        try:
            self.orders.add(session.session_id[:8], content)
        except ValueError:
            return DropReason.BAD_ORDER
        return None

    def pop_candidate_order(self, now: float) -> bytes | None:
        """The next complete order, for the caller to verify and store."""
        found = self.orders.pop(now)
        return found and found[1]

    def adopt(self, order: VerifiedOrder) -> None:
        """Go on under an order that succeeds ours (keys.amendment) and lists us; its sessions are not pending any more."""
        self._take_up(order)
        self.orders.forget_refusals()
        for session in self.sessions.values():
            if session.statement.order_hash == order.order_hash:
                session.order = order
        for session in [s for s in self.sessions.values() if s.device_public in self.revoked.devices]:
            self._end(session)
            self.revoked.add(RevokedSession(session.session_id, session.public, session.device_public, session.seq))

    def _end(self, session: Session) -> None:
        """End a session at once: no more of it is opened."""
        del self.sessions[session.session_id[:8]]
        left = {kid: tuple(each for each in leases if each.session is not session) for kid, leases in self.leases.items()}
        self.leases = {kid: leases for kid, leases in left.items() if leases}

    # --- upkeep ---

    def tick(self, now: float) -> None:
        """Drop old epochs and superseded sessions; call it about once a second."""
        for session in self.sessions.values():
            session.expire(now)
        self._retire([*self.sessions.values()], now)
        self.orders.keep(self.sessions)
        self.settle(now)

    def _retire(self, sessions: Iterable[Session], now: float) -> None:
        """Drop those that later ones have replaced."""
        for session in sessions:
            if self.starts.is_over(session, now):
                self.starts.drop(session)

    def settle(self, now: float) -> None:
        """Move the windows with time, and make the table of leases, by which the data path opens from now on."""
        leases: Leases = {}
        for session in self.sessions.values():
            session.settle(now)
            for lease in session.leases(now):
                leases[lease.key.kid] = (*leases.get(lease.key.kid, ()), lease)
        if not _permit_the_same(leases, self.leases):
            self.leases = leases
        self.next_change = min((session.next_change(now) for session in self.sessions.values()), default=float("inf"))

    def two_aircraft(self, now: float) -> bool:
        """Whether an older session of a device still beats while a newer one does: a copied key, or a copied aircraft."""
        alive = [s for s in self.sessions.values() if s.alive(now)]
        return any(
            old.device_public == new.device_public
            and old.boot_counter <= new.boot_counter
            and old.beat_at - new.first_beat_at > OVERLAP_S
            for old in alive
            for new in alive
            if old is not new
        )


def _permit_the_same(leases: Leases, others: Leases) -> bool:
    """Then the table that the data path has prepared for remains the same one."""
    return leases.keys() == others.keys() and all(
        len(each) == len(others[kid]) and all(map(Lease.permits_as, each, others[kid])) for kid, each in leases.items()
    )
