"""Opened: the sessions of a card, and their records. SPEC.md sections 8 and 9.

What lives here: one session, found without a key, and its records by time, with one. What must not: words for people. A
card may be torn, changed or hostile: what is wrong with it is noted (`damage`) and left out, and nothing is raised for it.
Memory is bounded by the log, which is the index, and by one chunk of each group.
"""

from __future__ import annotations

import bisect
import contextlib
import hashlib
import heapq
import operator
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from cryptography import x509

from gateway.errors import CardError
from gateway.recording import card, index, leaf, opening, paths, sequence
from gateway.recording.cobblestone import NotOpened
from gateway.recording.damage import Damage, Damages
from gateway.recording.group import PORTS, Group
from gateway.recording.index import Segment
from gateway.recording.leaf import Armed, Close, Cut, Gap, Open
from gateway.recording.pcap import Malformed, Record
from gateway.recording.proof import prove
from gateway.recording.segment_keys import SegmentKeys
from gateway.recording.times import Times
from keys.errors import KeysError
from keys.ratchet import wipe
from keys.recording_header import RecordingHeader

US_NS = 1000  # nanoseconds in a microsecond
FOR_EVER_NS = 1 << 63
HEADER_MIN = 200  # bytes: what ends headers.cbor has fewer, such as zeros, of which a card can claim any number
SEGMENT_MAX = 1 << 27  # bytes of a file that an aircraft writes: twice the largest segment_max of an order


def sessions(path: Path, roots: Sequence[x509.Certificate] = ()) -> list[Session]:
    """Those of a card, its mounted image or a copy, the last start last. CardError if there is none."""
    found = [Session(folder, roots) for folder in card.sessions(path)]
    return sorted(found, key=Session.rank)


class Session:
    """One session. Making it reads the log and the headers, and no segment.

    `headers`   of the recordings that can be opened, by their ids
    `segments`  by their times
    `of_link`   whether a ground kept it, as it came by its links (gateway.recording.link); then it has no log
    """

    of_link = False

    def __init__(self, folder: Path, roots: Sequence[x509.Certificate] = ()) -> None:
        self.folder, self.damage = folder, Damages()
        self.id = paths.session_id(folder.resolve().name) or b""
        self.proof = prove(self.id, self._read(paths.ORDER), self._read(paths.STATEMENT), roots)
        self.leaves = leaf.read(self._read(paths.LEAVES))
        there = self._recordings()
        self.headers = self._headers(there)
        self.segments = index.segments(self.leaves, self.headers, there)
        self.times = Times(self._offset_us())
        self._starts = {group: [segment.start_us for segment in self.of(group)] for group in Group}

    def rank(self) -> tuple[int, int, bytes]:
        """The later start has the greater one; a start whose statement is lost comes first."""
        stated = self.proof.stated
        return (stated.boot_counter, stated.unix_time, self.id) if stated else (0, 0, self.id)

    # --- what there is, without a key ---

    @property
    def groups(self) -> list[Group]:
        """Those that have a segment."""
        return sorted({segment.group for segment in self.segments})

    @property
    def software(self) -> str:
        return next((each.software for each in self.leaves if isinstance(each, Open)), "")

    @property
    def close(self) -> Close | None:
        """How it ended; None if the power went."""
        return next((each for each in self.leaves if isinstance(each, Close)), None)

    @property
    def armed(self) -> list[Armed]:
        return [each for each in self.leaves if isinstance(each, Armed)]

    @property
    def gaps(self) -> list[Gap]:
        """Each once, with its end if it has one."""
        found: dict[tuple[object, ...], Gap] = {}
        for each in self.leaves:
            if isinstance(each, Gap):
                found[each.from_us, each.reason, each.groups] = each
        return list(found.values())

    @property
    def end_us(self) -> int:
        """The end of the last cut, or of what else the log has last. Segments that no leaf counts go on behind it."""
        cuts = [each.end_us for each in self.leaves if isinstance(each, Cut)]
        starts = [segment.start_us for segment in self.segments]
        return max([*cuts, *starts, *(each.mono_us for each in self.armed)], default=0)

    def of(self, group: Group) -> list[Segment]:
        """The segments of a group, by their times."""
        return [segment for segment in self.segments if segment.group == group]

    def extent(self, group: Group) -> tuple[int, int, int, int]:
        """Of a group that is there: first and last microsecond that is known, bytes, and files (of a link datagrams)."""
        segments = self.of(group)
        end = max(segment.end_us or segment.start_us for segment in segments)
        return segments[0].start_us, end, sum(map(self.size, segments)), len(segments)

    def path(self, segment: Segment) -> Path:
        return paths.segment(paths.recording(self.folder, segment.rec_id), segment.index)

    def size(self, segment: Segment) -> int:
        """Bytes on the card; 0 if it is not there."""
        with contextlib.suppress(OSError):
            return card.size(self.path(segment))
        return 0

    def check(self, segment: Segment) -> bool:
        """Whether the file is as the log has it; of one that no leaf counts nothing is known, so it is."""
        if segment.leaf is None:
            return True
        try:
            with card.File(self.path(segment)) as file:
                same = file.size == segment.leaf.length <= SEGMENT_MAX
                same = same and opening.sha256(file, file.size) == segment.leaf.sha256
        except OSError as error:
            self._note_error(error, segment)
            return False
        if not same:
            self.damage.note(Damage.SEGMENT_CHANGED, segment.place)
        return same

    # --- what is in it, with a key ---

    def opens(self, keys: SegmentKeys) -> list[Group]:
        """The groups of which these keys open anything."""
        return sorted({Group(header.group) for header in self.headers.values() if keys.opens(header)})

    def require_opens(self, keys: SegmentKeys, groups: Iterable[Group]) -> list[Group]:
        """Those of `groups` of which these keys open anything; CardError if that is none."""
        opens = self.opens(keys)
        found = [group for group in opens if group in groups]
        if opens and not found:
            raise CardError(
                f"session {self.id.hex()[:8]} has nothing of these lanes that this key opens",
                hint=f"it opens {', '.join(group.label for group in opens)}",
            )
        if not found:
            sealed = ", ".join(f"{key.name!r}" for key in self.proof.order.recording) if self.proof.order else ""
            raise CardError(
                f"this key opens nothing of session {self.id.hex()[:8]}",
                hint=f"its recordings are sealed to {sealed}" if sealed else "",
            )
        return found

    def records(
        self, keys: SegmentKeys, groups: Iterable[Group], from_ns: int = 0, to_ns: int = FOR_EVER_NS
    ) -> Iterator[Record]:
        """The records of these groups from `from_ns` on and before `to_ns`, merged by their times."""
        streams = (self._of_group(keys, group, from_ns, to_ns) for group in groups)
        return heapq.merge(*streams, key=operator.attrgetter("time_ns"))

    def between(self, group: Group, from_ns: int = 0, to_ns: int = FOR_EVER_NS) -> Iterator[Segment]:
        """The segments of a group that can hold records of these times, in their sequence."""
        segments, starts = self.of(group), self._starts[group]
        for segment in segments[: bisect.bisect_left(starts, to_ns / US_NS)]:
            if segment.end_us is None or segment.end_us * US_NS >= from_ns:
                yield segment

    def key(self, keys: SegmentKeys, segment: Segment) -> bytearray | None:
        """Of one segment, which the caller erases; None if these keys do not open it, or its header is lost."""
        header = self.headers.get(segment.rec_id)
        return None if header is None else keys.key(header, segment.index)

    def plaintext(self, keys: SegmentKeys, segment: Segment) -> Iterator[bytes]:
        """The chunks of a segment, up to the first that does not open."""
        if (key := self.key(keys, segment)) is None:
            if segment.rec_id in self.headers:
                self.damage.note(Damage.NOT_OPENED, segment.place)
            return
        try:
            with card.File(self.path(segment)) as file:
                yield from opening.chunks(file, key, opening.context(*segment.place))
        except OSError as error:
            self._note_error(error, segment)
        except NotOpened:
            self.damage.note(Damage.SEGMENT_BROKEN if segment.leaf else Damage.TAIL_BROKEN, segment.place)
        finally:
            wipe(key)

    def _of_group(self, keys: SegmentKeys, group: Group, from_ns: int, to_ns: int) -> Iterator[Record]:
        found = list(self.between(group, from_ns, to_ns))
        unknown = [segment for segment in found if segment.end_us is None]
        early = set(unknown[: self._early(keys, unknown, from_ns)])
        for segment in found:
            if segment in early:
                continue
            is_late = False
            try:
                for record in opening.records(self.plaintext(keys, segment), segment.index):
                    if record.port not in PORTS[group]:
                        raise Malformed(f"a record of port {record.port} in {group.name}")
                    if from_ns <= record.time_ns < to_ns:
                        yield record
                    is_late = record.time_ns >= to_ns
            except Malformed:
                self.damage.note(Damage.RECORDS_BROKEN, segment.place)
            if is_late and segment.end_us is None:
                return

    def _early(self, keys: SegmentKeys, segments: Sequence[Segment], from_ns: int) -> int:
        """How many of these, whose times no leaf has, end before `from_ns`: the next of them begins before that, too."""
        low, high = 0, len(segments) if from_ns else 0
        while high - low > 1:
            middle = at = (low + high) // 2
            while at > low and (first_ns := self._first_ns(keys, segments[at])) is None:
                at -= 1
            if at == low:
                high = middle  # none between tells; it is safe to begin too early
            elif first_ns is not None and first_ns < from_ns:
                low = at
            else:
                high = at
        return low

    def _first_ns(self, keys: SegmentKeys, segment: Segment) -> int | None:
        """The time of its first record; None if it has none that can be read."""
        with contextlib.suppress(Malformed):
            for record in opening.records(self.plaintext(keys, segment), segment.index):
                return record.time_ns
        return None

    # --- loading ---

    def _read(self, name: str) -> bytes:
        """Empty if it is not there."""
        try:
            return card.read(self.folder / name)
        except FileNotFoundError:
            return b""
        except OSError:
            self.damage.note(Damage.UNREADABLE, name)
            return b""

    def _recordings(self) -> dict[bytes, list[int]]:
        """rec_id -> the segments whose files are there."""
        found = {}
        for name in self._names(self.folder):
            if (rec_id := paths.rec_id(name)) is not None:
                indexes = map(paths.index, self._names(self.folder / name))
                found[rec_id] = sorted(each for each in indexes if each is not None)
        return found

    def _names(self, folder: Path) -> list[str]:
        try:
            return card.names(folder)
        except OSError:
            self.damage.note(Damage.UNREADABLE, folder.name)
            return []

    def _headers(self, there: Iterable[bytes]) -> dict[bytes, RecordingHeader]:
        """Of each recording the one in its folder; where that is not whole, the one in headers.cbor."""
        hashes = {each.rec_id: each.header_hash for each in self.leaves if isinstance(each, leaf.Recording)}
        second = {header.rec_id: (header, copy) for copy in self._copies() if (header := self._header(copy))}
        found = {}
        for rec_id in there:
            message = self._read(f"rec-{rec_id.hex()}/{paths.HEADER}")
            header = self._header(message) if message else None
            if header is None or header.rec_id != rec_id:
                header, message = second.get(rec_id, (None, b""))
                self.damage.note(Damage.HEADER_COPIED if header else Damage.HEADER_LOST, rec_id)
            if header is None:
                continue
            found[rec_id] = header
            if hashes.get(rec_id, hashlib.sha256(message).digest()) != hashlib.sha256(message).digest():
                self.damage.note(Damage.HEADER_CHANGED, rec_id)
        return found

    def _copies(self) -> Iterator[bytes]:
        """The messages in headers.cbor."""
        for item, _ in sequence.items(self._read(paths.HEADERS)):
            if not isinstance(item, bytes) or len(item) < HEADER_MIN:
                return
            yield item

    def _header(self, message: bytes) -> RecordingHeader | None:
        with contextlib.suppress(KeysError):
            return self.proof.header(message)
        return None

    def _offset_us(self) -> int | None:
        """Unix time minus the session's, as the aircraft claimed it last; None if it claimed none."""
        for each in reversed(self.leaves):
            if isinstance(each, Cut) and each.utc_us:
                return each.utc_us - each.end_us
        stated = self.proof.stated
        return stated.unix_time * 1_000_000 if stated and stated.unix_time else None

    def _note_error(self, error: OSError, segment: Segment) -> None:
        lost = isinstance(error, FileNotFoundError)
        self.damage.note(Damage.SEGMENT_LOST if lost else Damage.UNREADABLE, segment.place)
