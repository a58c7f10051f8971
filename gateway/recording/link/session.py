"""Session: one session as a station kept it, from the files of one or several starts of its ground. SPEC.md section 8.1.

What lives here: finding the sessions of a folder, which needs no key, and their records, which need the station folder. It
has the form of gateway.recording.opened.Session, so that list, play and export take it. What must not: words for people.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from gateway.core.ground.listener import Listener, StationIdentity
from gateway.core.ground.starts import Start
from gateway.core.wire import CONTROL_BELOW
from gateway.errors import CardError
from gateway.recording import card, opened
from gateway.recording.damage import Damages
from gateway.recording.group import PORTS, Group
from gateway.recording.leaf import Close, Gap
from gateway.recording.link import form, reading
from gateway.recording.link.index import Heard, Index, Mark, Traffic
from gateway.recording.link.opening import Opening
from gateway.recording.link.reading import BEGIN, Recorded
from gateway.recording.opened import FOR_EVER_NS, US_NS
from gateway.recording.pcap import Record
from gateway.recording.proof import prove
from gateway.recording.reason import CloseReason, GapReason
from gateway.recording.segment_keys import SegmentKeys
from gateway.recording.times import Times
from keys import order
from keys.errors import KeysError
from keys.folders.station import StationFolder
from keys.lanes import TELEMETRY_LANES, Lane, lanes_for
from keys.order import Order, VerifiedOrder
from keys.recording_header import RecordingHeader

# A reader begins so long before what is asked for: keys are announced again meanwhile, on narrow links in the longer time.
LEAD_NS, LEAD_NARROW_NS = 10_000_000_000, 60_000_000_000
LEAD_SIZE = 8 << 20  # bytes: where so many came, the link is not narrow
LANES = {Group.FLIGHT: TELEMETRY_LANES, Group.VIDEO_A: (Lane.VIDEO_A,), Group.VIDEO_B: (Lane.VIDEO_B,)}
GROUPS = tuple(LANES)


class OfStation:
    """By the folder of the station that kept it. It opens no recording that was made aboard."""

    def __init__(self, folder: StationFolder) -> None:
        self.folder, self._held = folder, folder.hold()

    def opens(self, _header: RecordingHeader) -> bool:
        return False

    def key(self, _header: RecordingHeader, _index: int) -> None:
        return None

    def groups(self, content: Order) -> list[Group]:
        """Those that this station may read by its roles."""
        me = self.folder.index_in(content)
        lanes = next(lanes_for(station.roles) for station in content.stations if station.index == me)
        return [group for group, of in LANES.items() if {*of} & {*lanes}]


@dataclass(frozen=True)
class Part:
    """What one start of the ground heard of the session."""

    recorded: Recorded
    index: Index
    heard: Heard

    def since_began(self, time_ns: int) -> int:
        """Nanoseconds since the session began."""
        return max(0, time_ns - self.heard.zero_ns)

    def mark(self, session_ns: int) -> Mark:
        """The last place at which a reader can begin, to have the keys for what came from then on."""
        wanted, marks = session_ns + self.heard.zero_ns, self.index.marks
        octets = next((mark.octets for mark in reversed(marks) if mark.time_ns <= wanted), 0)
        for mark in reversed(marks):
            before_ns = wanted - mark.time_ns
            if before_ns >= LEAD_NARROW_NS or (before_ns >= LEAD_NS and octets - mark.octets >= LEAD_SIZE):
                return mark
        return marks[0]


class LinkSession(opened.Session):
    """One session, as these parts heard it. `orders`: files by their hashes in hexadecimal."""

    of_link = True

    def __init__(  # what the other kind of session reads from its log is found here by the parts
        self, folder: Path, session_id: bytes, parts: Sequence[Part], orders: Mapping[str, bytes],
        roots: Sequence[x509.Certificate], damage: Damages,
    ) -> None:  # fmt: skip
        self.id, self.folder, self.damage = session_id, folder / f"session-{session_id.hex()}", damage
        self._orders = orders
        self._parts = sorted(parts, key=lambda part: part.since_began(part.index.first_ns))
        newest = self._parts[-1].heard
        signed = orders.get(newest.stated.order_hash.hex(), b"")
        self.proof = prove(session_id, signed, newest.message, roots)
        self.leaves, self.headers, self.segments = [], {}, []
        claimed = newest.stated.unix_time * 1_000_000 if newest.stated.unix_time else None
        self.times = Times(newest.claimed_us if newest.claimed_us is not None else claimed)

    # --- without a key ---

    @property
    def groups(self) -> list[Group]:
        return [group for group in GROUPS if self._traffic(group)]

    @property
    def software(self) -> str:
        return self._parts[0].recorded.start.software

    @property
    def close(self) -> Close | None:
        """None if no beat said so."""
        return Close(CloseReason.ENDED) if any(part.heard.closed for part in self._parts) else None

    @property
    def gaps(self) -> list[Gap]:
        """What came and was not kept, and the times between two starts of the ground."""
        found = []
        for before, part in zip([None, *self._parts], self._parts, strict=False):
            if before:
                times = before.since_began(before.index.last_ns), part.since_began(part.index.first_ns)
                found += [_gap(*times, GapReason.RECORDER_RESTARTED, 0)] if times[0] < times[1] else []  # else a replay
            for missing in part.index.missing:
                times = part.since_began(missing.from_ns), part.since_began(missing.to_ns)
                if missing.to_ns > part.heard.first_ns:
                    found.append(_gap(*times, GapReason(missing.reason), missing.datagrams))
        return found

    @property
    def end_us(self) -> int:
        return max(part.since_began(part.heard.last_ns) for part in self._parts) // US_NS

    def extent(self, group: Group) -> tuple[int, int, int, int]:
        found = self._traffic(group)
        begin = min(part.since_began(each.first_ns) for part, each in found)
        end = max(part.since_began(each.last_ns) for part, each in found)
        octets, datagrams = sum(each.octets for _, each in found), sum(each.datagrams for _, each in found)
        return begin // US_NS, end // US_NS, octets, datagrams

    def _traffic(self, group: Group) -> list[tuple[Part, Traffic]]:
        return [
            (part, part.index.traffic[kid])
            for part in self._parts
            for kid in part.heard.kids & part.index.traffic.keys()
            if kid >> 8 in LANES[group]
        ]

    # --- with the station folder ---

    def opens(self, keys: SegmentKeys) -> list[Group]:
        """The groups that came and that this station may read. CardError if it is not a station's folder; KeysError."""
        station = self._station(keys)
        if not any(self._opens(part, station) for part in self._parts):
            return []
        marks = self._parts[-1].index.marks
        allowed = station.groups(self._first_order(station, marks[-1].order_hash).content)
        return [group for group in self.groups if group in allowed]

    def require_opens(self, keys: SegmentKeys, groups: Iterable[Group]) -> list[Group]:
        station = self._station(keys)
        found = [group for group in self.opens(station) if group in groups]
        if not found:
            raise CardError(
                f"station {station.folder.name!r} opens nothing of session {self.id.hex()[:8]}",
                hint="zegel recording list --station DIR says what it may read",
            )
        return found

    def records(
        self, keys: SegmentKeys, groups: Iterable[Group], from_ns: int = 0, to_ns: int = FOR_EVER_NS
    ) -> Iterator[Record]:
        """As they came, from `from_ns` on and before `to_ns`. A time never goes back, although links may."""
        station, at = self._station(keys), 0
        ports = {int(port) for group in groups for port in PORTS[group]}
        for part in self._parts:
            if part.since_began(part.index.last_ns) < from_ns:
                continue
            for record in self._of_part(part, station, from_ns):
                at = max(at, part.since_began(record.time_ns))
                if at >= to_ns:
                    return
                if at >= from_ns and record.port in ports:
                    yield record._replace(time_ns=at)

    def _of_part(self, part: Part, station: OfStation, from_ns: int) -> Iterator[Record]:
        mark = part.mark(from_ns)
        opening = self._opening(part, station, mark.order_hash)
        return opening.run(record for _, record in part.recorded.records(mark.place))

    def _opens(self, part: Part, station: OfStation) -> bool:
        """Whether it ever gets keys of the session: what is not control adds nothing to that."""
        opening = self._opening(part, station, part.index.marks[0].order_hash)
        return opening.is_granted(
            record
            for _, record in part.recorded.records(BEGIN)
            if form.link_of(record.port) is None or record.content[:1] < bytes([CONTROL_BELOW])
        )

    def _opening(self, part: Part, station: OfStation, order_hash: str) -> Opening:
        start, folder = part.recorded.start, station.folder
        first = self._first_order(station, order_hash)
        me = StationIdentity(folder.index_in(first.content), folder.profile, folder.seed)
        listener = Listener(first, me, _known(start), _named(start))
        return Opening(listener, self.id, start.links, lambda name: self._order(station, name))

    def _first_order(self, station: OfStation, order_hash: str) -> VerifiedOrder:
        """CardError if it is not here, KeysError if it is not one for this station."""
        if order_hash not in self._orders:
            raise CardError(
                f"the order of session {self.id.hex()[:8]} is not with the recording",
                hint="name its file: --order op.order",
            )
        found = station.folder.verify(self._orders[order_hash])
        station.folder.index_in(found.content)
        return found

    def _order(self, station: OfStation, order_hash: str) -> VerifiedOrder | None:
        """None if it is not here, or not one for this station."""
        with contextlib.suppress(CardError, KeysError):
            return self._first_order(station, order_hash)
        return None

    @staticmethod
    def _station(keys: SegmentKeys) -> OfStation:
        if not isinstance(keys, OfStation):
            raise CardError(
                "a recording that a ground made opens with the folder of its station", hint="--station DIR, and no --key"
            )
        return keys


def _known(start: form.Start) -> dict[bytes, tuple[int, bytes, int]]:
    with contextlib.suppress(ValueError):  # no hexadecimal digits
        return {bytes.fromhex(device): (boot, bytes.fromhex(name), seq) for device, boot, name, seq in start.known}
    return {}


def _named(start: form.Start) -> Start | None:
    with contextlib.suppress(ValueError):
        return Start(bytes.fromhex(start.named[0]), start.named[1]) if start.named else None
    return None


def _gap(from_ns: int, to_ns: int, reason: GapReason, lost: int) -> Gap:
    return Gap(GROUPS, from_ns // US_NS, max(from_ns, to_ns) // US_NS, reason, lost, 0)


# --- of a folder ---


def is_here(folder: Path) -> bool:
    """Whether a ground recorded into this folder."""
    with contextlib.suppress(OSError):
        return any(form.parse_name(name) for name in card.names(folder))
    return False


def sessions(folder: Path, roots: Sequence[x509.Certificate] = (), more_orders: Iterable[bytes] = ()) -> list[LinkSession]:
    """Those that a ground recorded, the last one last; CardError if there is none."""
    orders = {**_orders(folder), **_by_hash(more_orders)}
    contents = {name: found for name, data in orders.items() if (found := _content(data))}
    parts: dict[bytes, list[Part]] = {}
    damage = Damages()  # of the folder: a file holds what came of all aircraft
    for recorded in reading.starts(folder, damage):
        index = Index(contents, recorded.records())
        for session_id, heard in index.sessions.items():
            if heard.first_ns >= 0:
                parts.setdefault(session_id, []).append(Part(recorded, index, heard))
    if not parts:
        raise CardError(
            f"in what was recorded in {folder} no session can be found",
            hint="" if contents else "the order is not with it; name its file: --order op.order",
        )
    made = [LinkSession(folder, name, each, orders, roots, damage) for name, each in parts.items()]
    return sorted(made, key=LinkSession.rank)


def _orders(folder: Path) -> dict[str, bytes]:
    """By their hashes, as their names have them; each is verified before anything is opened under it."""
    found = []
    for name in card.names(folder):
        if form.is_order(name):
            with contextlib.suppress(OSError):
                found.append(card.read(folder / name))
    return _by_hash(found)


def _by_hash(files: Iterable[bytes]) -> dict[str, bytes]:
    return {content.hash().hex(): data for data in files if (content := _content(data))}


def _content(data: bytes) -> Order | None:
    with contextlib.suppress(KeysError):
        return order.parse_order(data)
    return None
