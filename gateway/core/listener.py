"""Listener: the ground's side of the control plane. Whom it believes, and which keys that opens.

The flow of a control datagram, SPEC.md section 5.5:
  1  lengths, the operation's key, the header  nothing else is looked at before a signature verified
  2  statement: a device key of our order, boot counter not older than the one we know   -> a `Session`
  3  beat: the session's key, a rising seq     -> opens the lanes of its epoch, bounds their counters
  4  announcement fragment: only if the newest beat lists it; whole, signed, ours -> HPKE, commitments -> keys installed
  5  order fragment: out of a sealed lane, gathered; `take_order` hands a whole one out in its turn (order_intake.py),
     `adopt` takes it when it verified

Every refusal is a counted DropReason, never an exception. Sans-IO: time is an argument; what must be stored (boot
counters, orders) is handed out by `take_heard` and `take_order`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from gateway.core import fragment, order_fragments
from gateway.core.budget import Budget
from gateway.core.control_cipher import ControlCiphers
from gateway.core.order_intake import OrderIntake
from gateway.core.revoked import Revoked
from gateway.core.session import Lease, Session
from gateway.core.wire import ControlHeader, DropReason, Kind, is_sealed_control, message_id, parse_control
from keys import announcement, beat, cose, statement
from keys.errors import KeysError
from keys.grant import Profile
from keys.kid import DOWNLINK_LANES, Lane, downlink_kid, lanes_for
from keys.order import VerifiedOrder

VERIFY_A_SECOND = 200  # signatures of statements, and as many of beats in control datagrams
NEWEST_A_SECOND = 50  # besides, of such beats that name a higher seq than any before: a recording has none for long
BOOT_JUMP_MAX = 1_000
SESSIONS_MAX = 8  # per device; only the holder of a device key can make one
SUPERSEDED_AFTER_S = 10.0  # an older session that is silent this long beside a newer one is over
OVERLAP_S = 1.0  # what is still on its way when an aircraft starts again


@dataclasses.dataclass(frozen=True, slots=True)
class Me:
    """The station that listens. The seed is the operation's secret: never in a repr."""

    index: int
    profile: Profile
    seed: bytes = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Heard:
    """A session whose first beat verified: what a station has to remember of it."""

    device_public: bytes
    boot_counter: int
    session_id: bytes


class Listener:
    """`known` maps a device's public key to the (boot counter, session_id) last heard of it."""

    def __init__(
        self,
        order: VerifiedOrder,
        me: Me,
        known: Mapping[bytes, tuple[int, bytes]],
        accept_older: bool = False,
    ) -> None:
        self.me = me
        self._orders: dict[bytes, VerifiedOrder] = {}  # by order_hash: the newest, and those that it came after
        self.orders: OrderIntake[bytes] = OrderIntake()  # that came by the link, by session as `sessions` has it
        self.revoked = Revoked()
        self._take_up(order)
        self.sessions: dict[bytes, Session] = {}  # by the first 8 bytes of the session_id, as announcements name it
        self.leases: dict[int, tuple[Lease, ...]] = {}  # by KID; two sessions may share one
        self.refused_boot: tuple[int, int] | None = None  # (counter heard, counter known) of the last older session
        self._known = dict(known)
        self._accept_older = accept_older
        self._heard: list[Heard] = []
        self._over: set[bytes] = set()  # hints of superseded sessions: what ended does not begin again
        self._statement_budget, self._beat_budget = Budget(VERIFY_A_SECOND), Budget(VERIFY_A_SECOND)
        self._newest_budget = Budget(NEWEST_A_SECOND)
        self._statements: dict[bytes, DropReason | bytes] = {}  # what became of those of our devices, by message id

    def _take_up(self, order: VerifiedOrder) -> None:
        self.order = self._orders[order.order_hash] = order
        self._ciphers = ControlCiphers(known.order.op_id for known in reversed(self._orders.values()))
        self.my_lanes = self._lanes_under(order)
        self.revoked.adopt(order.order.devices)
        self._devices = [cose.load_public(device.alg, device.pub) for device in order.order.devices]

    def _lanes_under(self, order: VerifiedOrder | None) -> tuple[Lane, ...]:
        """Those of our roles; under an order that we do not have, any that are granted."""
        if order is None:
            return DOWNLINK_LANES
        return next(lanes_for(s.roles) for s in order.order.stations if s.index == self.me.index)

    def take_heard(self) -> list[Heard]:
        """Sessions heard since the last call, for the caller to store."""
        heard, self._heard = self._heard, []
        return heard

    # --- 1: from the air ---

    def control(self, datagram: bytes, now: float) -> DropReason | None:
        """Take one control datagram; None if it was of use or a repeat, else why it was dropped."""
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
            return self._announcement_fragment(header, part, opened)
        if header.count != 1 or message_id(part) != header.message_id:
            return DropReason.BAD_MESSAGE_ID
        if header.kind is Kind.STATEMENT:
            return self._statement(header.message_id, part, now)
        return self._control_beat(part, now)

    # --- 2: statements ---

    def _statement(self, identity: bytes, message: bytes, now: float) -> DropReason | None:
        if identity not in self._statements:  # repeats cost one lookup
            index = statement.claimed_device(message)
            if index is None or index >= len(self._devices):
                return DropReason.UNKNOWN_DEVICE
            if not self._statement_budget.spend(now):
                return DropReason.OVER_BUDGET
            try:
                stated = statement.verify(cose.parse_sign1(message), self._devices[index])
            except KeysError:
                return DropReason.BAD_SIGNATURE
            self._statements[identity] = self._open_session(self.order.order.devices[index].pub, stated, now)
        known = self._statements[identity]
        if isinstance(known, DropReason):
            return known
        return None if known in self.sessions else DropReason.OLDER_SESSION

    def _open_session(self, device_public: bytes, stated: statement.Statement, now: float) -> DropReason | bytes:
        """Under which hint the session stands in `sessions` now, or why it does not."""
        session = Session(stated, device_public, self._orders.get(stated.order_hash))
        hint = session.session_id[:8]
        if device_public in self.revoked.devices:
            self.revoked.add(session)
            return DropReason.REVOKED_DEVICE
        if hint in self._over or not self._admit(device_public, stated):
            return DropReason.OLDER_SESSION
        if hint not in self.sessions and not self._make_room(device_public, now):
            return DropReason.TOO_MANY_SESSIONS
        self.sessions.setdefault(hint, session)
        return hint

    def _make_room(self, device_public: bytes, now: float) -> bool:
        """An aircraft may start again and again: what is not alive gives way, and may come again."""
        theirs = [session for session in self.sessions.values() if session.device_public == device_public]
        if len(theirs) < SESSIONS_MAX:
            return True
        silent = [session for session in theirs if not session.alive(now)]
        if not silent:
            return False  # eight copies of one aircraft at once; "two aircraft" has been said long before
        del self.sessions[min(silent, key=lambda s: (s.beat_at, s.boot_counter)).session_id[:8]]
        self._statements.clear()
        return True

    def _admit(self, device_public: bytes, stated: statement.Statement) -> bool:
        """F1 of SPEC.md section 6: an earlier session, played back or from a rolled-back card, is refused."""
        if device_public not in self._known or self._accept_older:
            return True
        counter, session_id = self._known[device_public]
        if counter < stated.boot_counter <= counter + BOOT_JUMP_MAX or stated.session_id() == session_id:
            return True
        self.refused_boot = (stated.boot_counter, counter)
        return False

    # --- 3: beats ---

    def _control_beat(self, message: bytes, now: float) -> DropReason | None:
        hint = beat.claimed_session(message) or b""
        session = self.sessions.get(hint) or self.revoked.session(hint)
        if session is None:
            return DropReason.UNKNOWN_SESSION
        if message == session.newest_message:
            return None
        seq = beat.claimed_seq(message)
        if seq is None:
            return DropReason.BAD_SIGNATURE
        if session.beat is not None and seq <= session.beat.seq:
            return DropReason.STALE_BEAT
        if not self._may_check(session, seq, now):
            return DropReason.OVER_BUDGET
        if session.device_public in self.revoked.devices:
            return self.revoked.beat(session, message, now)
        return self._beat(session, message, now)

    def _may_check(self, session: Session, seq: int, now: float) -> bool:
        """Whether a signature check may be spent on a beat of this seq.

        A recording opens too, and its beats are genuine. None of them is above the aircraft's next one, so that one has a
        budget which a recording uses only the first time that it is played through.
        """
        newest, session.highest_seq = seq > session.highest_seq, max(seq, session.highest_seq)
        return (newest and self._newest_budget.spend(now)) or self._beat_budget.spend(now)

    def sealed_beat(self, session: Session, message: bytes, now: float) -> DropReason | None:
        """A beat out of the session's evidence lane: outsiders cannot forge it, so it costs no budget."""
        return None if message == session.newest_message else self._beat(session, message, now)

    def _beat(self, session: Session, message: bytes, now: float) -> DropReason | None:
        try:
            newest = beat.verify(cose.parse_sign1(message), session.public)
        except KeysError:
            return DropReason.BAD_SIGNATURE
        if newest.session_id != session.session_id:
            return DropReason.BAD_SIGNATURE
        if session.beat is not None and newest.seq <= session.beat.seq:
            return DropReason.STALE_BEAT
        if session.beat is None:
            self._remember(session)
        session.hear(newest, message, now)
        self._retire(session, now)
        self._relet(now)
        return None

    def _remember(self, session: Session) -> None:
        stated = session.statement
        known = self._known.get(session.device_public)
        if known is None or known[0] < stated.boot_counter:
            self._known[session.device_public] = (stated.boot_counter, session.session_id)
            self._heard.append(Heard(session.device_public, stated.boot_counter, session.session_id))

    # --- 4: announcements ---

    def _announcement_fragment(self, header: ControlHeader, part: bytes, opened: bytes) -> DropReason | None:
        """For every session whose beat lists it: a malicious aircraft may list what is another's."""
        digest = fragment.listed_hash(opened)
        listing = [session for session in self.sessions.values() if session.beat and session.beat.lists(digest)]
        outcomes = [self._take_fragment(session, header, part) for session in listing]
        if None in outcomes:
            return None
        return outcomes[0] if outcomes else DropReason.UNLISTED_FRAGMENT

    def _take_fragment(self, session: Session, header: ControlHeader, part: bytes) -> DropReason | None:
        if header.message_id in session.announcements:
            return None
        try:
            message = session.reassembler.add(header, part)
        except ValueError:
            return DropReason.BAD_MESSAGE_ID
        if message is None:
            return None
        reason = self._announcement(session, message)
        session.announcements.add(header.message_id)
        return reason

    def _announcement(self, session: Session, message: bytes) -> DropReason | None:
        try:
            announced = announcement.verify(cose.parse_sign1(message), session.public)
        except KeysError:
            return DropReason.BAD_SIGNATURE
        theirs = (announced.session_id, announced.order_hash)
        if theirs != (session.session_id, session.statement.order_hash) or not session.expects(announced.epoch):
            return DropReason.BAD_GRANT
        if not session.commit(announced):
            return DropReason.EQUIVOCATION
        if announced.station != self.me.index:
            return None
        lanes = self._lanes_under(session.order)
        mine = {downlink_kid(lane, session.session_id, announced.epoch) for lane in lanes}
        if not announced.commitments.keys() <= mine:
            return DropReason.BAD_GRANT
        try:
            session.install(announced.epoch, announced.open(self.me.profile, self.me.seed))
        except KeysError:
            return DropReason.UNKNOWN_ORDER if session.pending else DropReason.BAD_GRANT
        self._relet(session.beat_at)
        return None

    # --- 5: orders ---

    def order_fragment(self, session: Session, content: bytes) -> DropReason | None:
        """A piece of an order out of a sealed lane of `session`; every reader of that lane can have forged it."""
        name = order_fragments.name_of(content)
        if any(known.startswith(name) for known in self._orders):
            return None
        try:
            self.orders.add(session.session_id[:8], content)
        except ValueError:
            return DropReason.BAD_ORDER
        return None

    def take_order(self, now: float) -> bytes | None:
        """An order that came whole and whose turn it is, for the caller to verify and store."""
        found = self.orders.take(now)
        return found and found[1]

    def adopt(self, order: VerifiedOrder) -> None:
        """Go on under an order that succeeds ours (keys.amendment) and lists us; what waited for it waits no more."""
        self._take_up(order)
        self.orders.forget_refusals()
        for session in self.sessions.values():
            if session.statement.order_hash == order.order_hash:
                session.order = order
        for session in [s for s in self.sessions.values() if s.device_public in self.revoked.devices]:
            self._end(session)
            self.revoked.add(session)
        self._statements.clear()  # those of devices that are void now are judged once more

    def _end(self, session: Session) -> None:
        """At once: nothing more is opened."""
        del self.sessions[session.session_id[:8]]
        left = {kid: tuple(each for each in leases if each.session is not session) for kid, leases in self.leases.items()}
        self.leases = {kid: leases for kid, leases in left.items() if leases}

    # --- upkeep ---

    def tick(self, now: float) -> None:
        """Let old epochs and superseded sessions go; call it about once a second."""
        for session in list(self.sessions.values()):
            session.expire(now)
            self._retire(session, now)
        self.orders.keep(self.sessions)
        self._relet(now)

    def _retire(self, newer: Session, now: float) -> None:
        """Drop the sessions that `newer`, of the same device, has taken the place of."""
        if newer.beat is None:
            return
        for hint, old in list(self.sessions.items()):
            older = old.device_public == newer.device_public and old.boot_counter < newer.boot_counter
            if older and (old.closed or now - old.beat_at > SUPERSEDED_AFTER_S):
                del self.sessions[hint]
                self._over.add(hint)

    def _relet(self, now: float) -> None:
        """Make the table of leases anew: what the data path may open from now on."""
        leases: dict[int, tuple[Lease, ...]] = {}
        for session in self.sessions.values():
            for lease in session.leases(now):
                leases[lease.key.kid] = (*leases.get(lease.key.kid, ()), lease)
        self.leases = leases

    def two_aircraft(self, now: float) -> bool:
        """An older session of a device beats on beside a newer one: a copied key, or a copied aircraft."""
        alive = [s for s in self.sessions.values() if s.alive(now)]
        return any(
            old.device_public == new.device_public
            and old.boot_counter <= new.boot_counter
            and old.beat_at - new.first_beat_at > OVERLAP_S
            for old in alive
            for new in alive
            if old is not new
        )
