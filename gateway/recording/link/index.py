"""Index: what one start of a ground heard, found without a key: sessions, their times, and how much of each lane.

What lives here: one look at all records. Control datagrams are open to everyone who has an order of the operation
(SPEC.md section 4.1); statements and beats count only if their signatures verify. What must not: files, keys, opening.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.core.control_cipher import ControlCiphers
from gateway.core.sframe import DOWNLINK_FIRST
from gateway.core.wire import CONTROL_BELOW, Kind, is_sealed_control, parse_control
from gateway.recording.link import form
from gateway.recording.link.form import Lost, Order
from gateway.recording.link.reading import Place, event
from gateway.recording.pcap import Record
from gateway.recording.reason import GapReason
from keys import beat, cose, order, statement
from keys.beat_flag import Flag
from keys.errors import KeysError
from keys.statement import Statement

MARK_EVERY_NS = 1_000_000_000
SEEN_MAX = 4096  # control datagrams, which are repeated again and again
MS_NS = 1_000_000


class Mark(NamedTuple):
    """From here on a reader can begin: the time, and the order that is in force; empty if none is named yet.

    `octets`: of the datagrams before it.
    """

    time_ns: int
    place: Place
    order_hash: str
    octets: int


class Missing(NamedTuple):
    """Datagrams that came and were not kept."""

    from_ns: int
    to_ns: int
    datagrams: int
    reason: int


@dataclass
class Traffic:
    """What came under one KID."""

    datagrams: int = 0
    octets: int = 0
    first_ns: int = 0
    last_ns: int = 0


@dataclass
class Heard:
    """One session, as its statement and its beats have it. `zero_ns`: when it began, on the clock of the start."""

    message: bytes
    stated: Statement
    zero_ns: int = 1 << 63
    first_ns: int = -1  # of its first beat; -1 if none was heard
    last_ns: int = -1
    claimed_us: int | None = None  # Unix time minus the session's, as its newest beat has it
    closed: bool = False
    kids: set[int] = field(default_factory=set)


class Index:
    """Of one start. `orders` are those that the folder has, by their hash in hexadecimal; they are not verified here."""

    def __init__(self, orders: Mapping[str, order.Order], records: Iterable[tuple[Place, Record]]) -> None:
        self.sessions: dict[bytes, Heard] = {}
        self.traffic: dict[int, Traffic] = {}
        self.marks: list[Mark] = []
        self.missing: list[Missing] = []
        self.first_ns, self.last_ns = -1, 0  # of the datagrams; the former -1 if there is none
        self.octets = 0  # in them
        self._orders, self._order_hash = orders, ""
        self._ciphers = ControlCiphers(each.op_id for each in orders.values())
        self._seen: dict[bytes, None] = {}
        self._lost: list[tuple[int, Lost]] = []
        for place, record in records:
            self._take(place, record)

    def _take(self, place: Place, record: Record) -> None:
        time_ns, _, content = record
        if form.link_of(record.port) is None:
            said = event(record)
            if isinstance(said, Order):
                self._order_hash = said.order_hash
            elif isinstance(said, Lost) and said.reason in GapReason._value2member_map_:
                self._lost.append((time_ns, said))
            return
        if self._lost:
            self.missing += [Missing(since_ns, time_ns, lost.count, lost.reason) for since_ns, lost in self._lost]
            self._lost.clear()
        if not self.marks or time_ns - self.marks[-1].time_ns >= MARK_EVERY_NS:
            self.marks.append(Mark(time_ns, place, self._order_hash, self.octets))
        self.octets += len(content)
        if self.first_ns < 0:
            self.first_ns = time_ns
        self.last_ns = max(self.last_ns, time_ns)
        if content[:1] < bytes([CONTROL_BELOW]):
            self._control(content, time_ns)
        elif content[0] >> 4 == DOWNLINK_FIRST >> 4:
            self._count(content, time_ns)

    def _count(self, content: bytes, time_ns: int) -> None:
        kid = int.from_bytes(content[1:3], "big")
        if (found := self.traffic.get(kid)) is None:
            found = self.traffic[kid] = Traffic(first_ns=time_ns)
        found.datagrams += 1
        found.octets += len(content)
        found.last_ns = time_ns

    def _control(self, datagram: bytes, time_ns: int) -> None:
        if datagram in self._seen or not is_sealed_control(datagram):
            return
        if len(self._seen) >= SEEN_MAX:
            del self._seen[next(iter(self._seen))]
        self._seen[datagram] = None
        opened = self._ciphers.open(datagram)
        if opened is None or (parsed := parse_control(opened)) is None:
            return
        header, message = parsed
        if header.kind is Kind.STATEMENT:
            self._statement(message)
        elif header.kind is Kind.BEAT:
            self._beat(message, time_ns)

    def _statement(self, message: bytes) -> None:
        device = statement.claimed_device(message)
        for content in self._orders.values():
            if device is None or device >= len(content.devices):
                continue
            try:
                key = cose.load_public(content.devices[device].alg, content.devices[device].pub)
                stated = statement.verify(cose.parse_sign1(message), key)
            except KeysError:
                continue
            self.sessions.setdefault(stated.session_id(), Heard(message, stated))
            return

    def _beat(self, message: bytes, time_ns: int) -> None:
        claimed = beat.claimed_session(message)
        for session_id, heard in self.sessions.items():
            if session_id[:8] == claimed:
                try:
                    found = beat.of_session(message, heard.stated.session_key(), session_id)
                except KeysError:
                    continue
                _hear(heard, found, time_ns)


def _hear(heard: Heard, found: beat.Beat, time_ns: int) -> None:
    """A beat that was withheld comes late: the one that came soonest says when the session began."""
    heard.zero_ns = min(heard.zero_ns, time_ns - found.session_ms * MS_NS)
    heard.first_ns = time_ns if heard.first_ns < 0 else heard.first_ns
    heard.last_ns = time_ns
    heard.closed = heard.closed or bool(found.flags & Flag.SESSION_CLOSED)
    heard.kids |= found.next_ctr.keys()
    if found.unix_time:
        heard.claimed_us = (found.unix_time * 1000 - found.session_ms) * 1000
