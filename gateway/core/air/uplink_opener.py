"""Uplink opener: the aircraft's side of the uplink. Which datagrams it opens, and which of them it accepts.

The flow, SPEC.md section 4.7, and the functions in its order:
  1  `open`        only datagrams of the uplink's form continue
  2  `_addressed`  session byte, station and lane by the order, an epoch that is accepted now; no key was derived yet
  3  `_key_of`     a live instance has its keys, of every epoch; an unknown one costs a derivation from the one budget
  4  `_open_kid`   replay window, AES-GCM, echo; then an unknown instance takes its slot, then the window moves
  5  `_carry_out`  the commands of a read in the order of their sealing, without those that come long after later ones
  6  `_deliver`    frames, challenges, order fragments, what is recorded

Every refusal is a counted DropReason, never an exception. Sans-IO: time is an argument. The permissions of a commander are
not checked here, but frame by frame outside (firmware_shims.guard).
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from cryptography.exceptions import InvalidTag

from firmware_shims import mavlink
from gateway.batch import HEADROOM, TAG_SIZE, Batch
from gateway.core import sframe
from gateway.core.air.announcer import Announcer
from gateway.core.air.command_order import Came, CommandOrder, Place
from gateway.core.air.instances import Instance, Instances
from gateway.core.barrier import Barrier
from gateway.core.budget import Budget
from gateway.core.drop_reason import DropReason
from gateway.core.order_fragments import NAME_SIZE
from gateway.core.wire import CONTROL_BELOW, RECORD_OFF, RECORD_ON, Control
from keys.beat import CHALLENGE_SIZE, NONCE_SIZE
from keys.keyring import ReceiveKey
from keys.lanes import Lane, Role, uplink_head
from keys.order_station import OrderStation

DERIVE_PER_S = 1_000  # keys of unknown instances, for all senders together; 8 microseconds each
DERIVE_BURST = 100.0
PLAIN_MIN = NONCE_SIZE + 1  # a shorter one has no content
MAY_CONTROL = Role.COMMAND | Role.CONTROL

Indices = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
SenderOf: TypeAlias = Callable[[int], Hashable]  # the sender's address of the datagram in a slot


class _Rows(NamedTuple):
    """Datagrams that are being opened: (n,) slots, KIDs, counters and header lengths."""

    slots: Indices
    kids: Indices
    ctrs: Indices
    sizes: Indices

    def where(self, good: Mask) -> _Rows:
        """Those that are good; not copied if they all are."""
        return self if good.all() else _Rows(*(column[good] for column in self))


class _Command(NamedTuple):
    """A verified new datagram of lane 16: its slot, and the plaintext after its echo."""

    instance: Instance
    place: Place
    slot: int
    plain: bytes


class StationMessage(NamedTuple):
    """A control message of a station, by its index."""

    station: int
    kind: Control
    content: bytes


@dataclasses.dataclass(slots=True)
class Accepted:
    """The accepted content of one batch, in order: frames and order fragments by station index, challenges, and the slots.

    `copies`: slots of datagrams that were received before, by another link or again.
    """

    frames: list[tuple[int, bytes]] = dataclasses.field(default_factory=list)
    challenges: list[int] = dataclasses.field(default_factory=list)
    control: list[StationMessage] = dataclasses.field(default_factory=list)
    slots: list[int] = dataclasses.field(default_factory=list)
    copies: list[int] = dataclasses.field(default_factory=list)


class UplinkOpener:
    """Opens the uplink of one session. `drops` counts datagrams by reason, `opened` those accepted by station."""

    def __init__(self, announcer: Announcer, barrier: Barrier | None = None, former: UplinkOpener | None = None) -> None:
        """`former` is that of the closed session which this one replaces: its counts continue."""
        self.announcer = announcer
        self.barrier = barrier or Barrier()
        self.drops: Counter[DropReason] = former.drops if former else Counter()
        self.opened: Counter[int] = former.opened if former else Counter()
        self._former = former
        self._stations = {station.index: station for station in announcer.order.content.stations}
        self._permitted = np.zeros(256, np.bool_)  # by the first byte of the KID
        for station in self._stations.values():
            self._permitted[uplink_head(Lane.CONTROL, station.index)] = True
            self._permitted[uplink_head(Lane.UPLINK, station.index)] = bool(station.roles & Role.COMMAND)
        self._live = Instances()
        self._record: tuple[Instance, Place] | None = None  # the newest message about what is recorded
        self._command_orders = {index: CommandOrder() for index in self._stations}
        self._waiting: dict[int, list[_Command]] = {}  # by station: what was accepted of the present read
        self._sender_of: SenderOf = _one_sender
        self._budget = Budget(DERIVE_PER_S, DERIVE_BURST)
        if former:
            former._go_on_under(announcer.order.content.stations)
            self._budget = former._budget
            # This session knows the instances of the former one: no flood delays their first command.
            mine = (announcer.session_id, announcer.current.uplink_keys)
            self._live.follow(former._live, self._stations.values(), *mine)

    def _go_on_under(self, stations: Iterable[OrderStation]) -> None:
        """The session is closed. Commands continue from stations that may command by `stations`, under index and key."""
        later = {(station.index, station.pub) for station in stations if station.roles & Role.COMMAND}
        kept = [index for index, station in self._stations.items() if (index, station.pub) in later]
        commands = np.zeros(256, np.bool_)
        commands[[uplink_head(Lane.UPLINK, index) for index in kept]] = True
        self._permitted &= commands
        self._former = None

    def tick(self, now: float) -> None:
        """Delete the previous session and its keys when its time is over; call it now and then."""
        if self._former and not self._former.announcer.uplink_keys(now):
            self._former = None

    # --- 1: forms ---

    def open(self, batch: Batch, now: float, sender_of: SenderOf | None = None) -> Accepted:
        """The accepted content of `batch`; the plaintexts are copies, so the batch may be filled again."""
        accepted = Accepted()
        self._sender_of = sender_of or _one_sender
        lengths = batch.lengths[: batch.count]
        first = batch.octets[: batch.count, HEADROOM]
        uplink = (first >= sframe.UPLINK_FIRST) & (lengths > sframe.UPLINK_HEADER_MIN)
        for index in np.flatnonzero(~uplink).tolist():
            self.drops[_why_not_uplink(batch.view(index))] += 1
        slots = np.flatnonzero(uplink)
        if not slots.size:
            return accepted
        heads = batch.octets[slots, HEADROOM : HEADROOM + sframe.UPLINK_HEADER_MAX]
        kids, ctrs, sizes, good = sframe.parse(heads, sframe.UPLINK_KID)
        rows = self._keep(_Rows(slots, kids, ctrs, sizes), good, DropReason.BAD_HEADER)
        rows = self._keep(rows, lengths[rows.slots] >= rows.sizes + (PLAIN_MIN + TAG_SIZE), DropReason.TOO_SHORT)
        self._take(batch, self._without_former(batch, rows, accepted, now), accepted, now)
        return accepted

    def _without_former(self, batch: Batch, rows: _Rows, accepted: Accepted, now: float) -> _Rows:
        """The rows that are not of the previous session; the rows of that one go first, while it is open."""
        self.tick(now)
        former = self._former
        if former is None:
            return rows
        theirs = _session_byte(rows.kids) == former.announcer.session_id[0]
        if theirs.any():
            former._sender_of = self._sender_of
            former._take(batch, rows.where(theirs), accepted, now)
        return rows.where(~theirs)

    def _take(self, batch: Batch, rows: _Rows, accepted: Accepted, now: float) -> None:
        """Steps 2 to 6, for the rows of the right form."""
        self._live.keep(self.announcer.uplink_keys(now))
        rows = self._addressed(rows, now)
        for kid in dict.fromkeys(rows.kids.tolist()):
            self._try_kid(batch, kid, rows.where(rows.kids == kid), accepted, now)
        self._carry_out(batch, accepted, now)

    def _try_kid(self, batch: Batch, kid: int, rows: _Rows, accepted: Accepted, now: float) -> None:
        """After an unexpected exception, again one by one, so that one datagram costs only itself.

        Datagrams that are in `accepted` or wait for their turn have moved the window and count as replayed.
        """
        try:
            self._open_kid(batch, kid, rows, accepted, now)
        except Exception as error:
            if rows.slots.size == 1:
                self._unexpected(error)
                return
            self.barrier.note(error)
            for slot in rows.slots:
                self._try_kid(batch, kid, rows.where(rows.slots == slot), accepted, now)

    def _unexpected(self, error: Exception) -> None:
        self.drops[DropReason.UNEXPECTED] += 1
        self.barrier.note(error)

    def _keep(self, rows: _Rows, good: Mask, reason: DropReason) -> _Rows:
        """Those that are good; the others are counted."""
        kept = rows.where(good)
        if kept is not rows:
            self._count(~good, reason)
        return kept

    def _count(self, dropped: Mask, reason: DropReason) -> None:
        self.drops[reason] += int(np.count_nonzero(dropped))

    # --- 2: the KID ---

    def _addressed(self, rows: _Rows, now: float) -> _Rows:
        """The rows whose KID is of this session, of a station and lane by the order, and of an epoch accepted now."""
        ours = _session_byte(rows.kids) == self.announcer.session_id[0]
        rows = self._keep(rows, ours, DropReason.UNKNOWN_SESSION)
        rows = self._keep(rows, self._permitted[rows.kids >> 56 & 0xFF], DropReason.NOT_PERMITTED)
        taken = [epoch & 0xFF for epoch in self.announcer.uplink_keys(now)]
        return self._keep(rows, np.isin(rows.kids >> 48 & 0xFF, taken), DropReason.WRONG_EPOCH)

    # --- 3: the instance ---

    def _key_of(self, kid: int, now: float) -> tuple[Instance, int, ReceiveKey] | None:
        """The instance of this KID, the epoch and the key; None if the budget is spent.

        A live one costs one derivation for each lane and epoch and no budget, so that no flood excludes it.
        """
        epoch, bases = next(item for item in self.announcer.uplink_keys(now).items() if item[0] & 0xFF == kid >> 48 & 0xFF)
        instance = self._live.get(kid)
        if instance is None:
            if not self._budget.spend(now):
                return None
            instance = Instance(self._stations[kid >> 56 & 0xF], now)
        return instance, epoch, instance.key(kid, epoch, bases)

    # --- 4: window, tag, echo ---

    def _open_kid(self, batch: Batch, kid: int, rows: _Rows, accepted: Accepted, now: float) -> None:
        known = self._key_of(kid, now)
        if known is None:
            self.drops[DropReason.OVER_BUDGET] += rows.slots.size
            return
        instance, epoch, key = known
        lane = Lane((kid >> 60) + 15)
        too_old, seen = key.window.look(rows.ctrs)
        self._count(too_old, DropReason.TOO_OLD)
        self._count(seen, DropReason.REPLAYED)
        accepted.copies += rows.slots[seen].tolist()
        rows = rows.where(~(too_old | seen))
        headers = zip(rows.slots.tolist(), rows.ctrs.tolist(), rows.sizes.tolist(), strict=True)
        said = [self._opened(batch, key, slot, ctr, size, now) for slot, ctr, size in headers]
        right = np.array([each is not None for each in said], np.bool_)
        if not right.any():
            return
        if not self._live.hear(kid, instance, now, self.announcer.freshness.fresh_s):
            self._count(right, DropReason.TOO_MANY_INSTANCES)
            return
        rows = rows.where(right)
        fresh = key.window.accept(rows.ctrs)
        self._count(~fresh, DropReason.REPLAYED)
        verified = zip(rows.slots.tolist(), rows.ctrs.tolist(), filter(None, said), fresh.tolist(), strict=True)
        for slot, ctr, (seq, plain), is_new in verified:
            place = Place(seq, epoch, ctr)
            if is_new and lane is Lane.UPLINK:
                self._waiting.setdefault(instance.station.index, []).append(_Command(instance, place, slot, plain))
            elif is_new and plain[0] == Control.RECORD and self._is_overtaken(instance, place):
                self.drops[DropReason.OUT_OF_ORDER] += 1
            elif is_new and self._deliver(instance.station, lane, plain, accepted, now):
                accepted.slots.append(slot)
                if plain[0] == Control.RECORD:
                    self._record = instance, place

    def _is_overtaken(self, instance: Instance, place: Place) -> bool:
        """Whether a later message about what is recorded was accepted: it counts, although this one is authentic."""
        if self._record is None:
            return False
        last_from, last = self._record
        return place.seq < last.seq or (instance is last_from and place[1:] < last[1:])

    def _opened(
        self, batch: Batch, key: ReceiveKey, slot: int, ctr: int, size: int, now: float
    ) -> tuple[int, bytes] | None:
        """The number of the echoed beat and the plaintext after the echo, if tag and echo are right."""
        datagram = batch.view(slot)
        aad = bytes(datagram[:size]) + self.announcer.session_id
        try:
            plain = key.cipher.decrypt(sframe.nonce(key.salt, ctr), datagram[size:], aad)
        except InvalidTag:
            self.drops[DropReason.BAD_TAG] += 1
            return None
        except Exception as error:
            self._unexpected(error)
            return None
        seq = self.announcer.freshness.echoed(plain[:NONCE_SIZE], now)
        if seq is None:
            self.drops[DropReason.STALE_ECHO] += 1
            return None
        return seq, plain[NONCE_SIZE:]

    # --- 5: the order of commands ---

    def _carry_out(self, batch: Batch, accepted: Accepted, now: float) -> None:
        waiting, self._waiting = self._waiting, {}
        for station, commands in waiting.items():
            try:
                read = [self._came(command, batch) for command in commands]
                in_order = [commands[number] for number in self._command_orders[station].in_order(read, now)]
            except Exception as error:
                self._unexpected(error)
                continue
            self.drops[DropReason.OUT_OF_ORDER] += len(commands) - len(in_order)
            for command in in_order:
                if self._deliver(command.instance.station, Lane.UPLINK, command.plain, accepted, now):
                    accepted.slots.append(command.slot)

    def _came(self, command: _Command, batch: Batch) -> Came:
        sender = self._sender_of(command.slot)
        return Came(command.place, command.instance.taken, sender, batch.age(command.slot))

    # --- 6: content ---

    def _deliver(self, station: OrderStation, lane: Lane, plain: bytes, accepted: Accepted, now: float) -> bool:
        try:
            reason = (
                self._frames(station, plain, accepted)
                if lane is Lane.UPLINK
                else self._control(station, plain, accepted, now)
            )
        except Exception as error:
            self._unexpected(error)
            return False
        if reason:
            self.drops[reason] += 1
            return False
        self.opened[station.index] += 1
        if self._former and lane is Lane.UPLINK:
            self._former._permitted[uplink_head(Lane.UPLINK, station.index)] = (
                False  # the station has moved to the new session
            )
        return True

    def _frames(self, station: OrderStation, plain: bytes, accepted: Accepted) -> DropReason | None:
        try:
            spans = mavlink.split(plain)
        except ValueError:
            return DropReason.BAD_PADDING
        accepted.frames += [(station.index, plain[begin : begin + size]) for begin, size in spans]
        return None

    def _control(self, station: OrderStation, plain: bytes, accepted: Accepted, now: float) -> DropReason | None:
        kind, content = plain[0], plain[1:]
        if kind == Control.CHALLENGE and len(content) == CHALLENGE_SIZE:
            self.announcer.freshness.challenge(station.index, content, now)
            self.announcer.answer(station.index, now)
            accepted.challenges.append(station.index)
            return None
        if kind == Control.ORDER_HELD and len(content) == NAME_SIZE:
            accepted.control.append(StationMessage(station.index, Control.ORDER_HELD, content))
            return None
        if kind not in (Control.ORDER_FRAGMENT, Control.RECORD):
            return DropReason.BAD_CONTROL
        if kind == Control.RECORD and content not in (RECORD_OFF, RECORD_ON):
            return DropReason.BAD_CONTROL
        if not station.roles & MAY_CONTROL:
            return DropReason.NOT_PERMITTED
        accepted.control.append(StationMessage(station.index, Control(kind), content))
        return None


def _one_sender(_slot: int) -> None:
    """For a link with one peer."""


def _session_byte(kids: Indices) -> Indices:
    return kids >> 40 & 0xFF


def _why_not_uplink(datagram: memoryview) -> DropReason:
    """The reason for a datagram that does not have the uplink's form."""
    if not len(datagram):
        return DropReason.TOO_SHORT
    first = datagram[0]
    if first >= sframe.UPLINK_FIRST:
        return DropReason.TOO_SHORT
    ours = first < CONTROL_BELOW or first >> 4 == sframe.DOWNLINK_FIRST >> 4
    return DropReason.WRONG_DIRECTION if ours else DropReason.NOT_ZEGEL
