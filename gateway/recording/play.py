"""Play: a recording as if it were live, for the programs that people already use. One turn a record:

    1 next      the records of all groups by time, from the key picture before the start on
    2 wait      until it is due; keys pause, go back and on; a long gap is skipped
    3 send      telemetry and video to their ports; an event is a line for people

What must not live here: opening, sockets, what a key press looks like. The process has the recording key, so it reads no
media: a program without keys finds key pictures (gateway.recording.export.lead).
"""

from __future__ import annotations

import operator
import shutil
import time
from collections.abc import Hashable, Iterator, Sequence

import msgspec

from gateway.errors import GatewayError
from gateway.recording import listing
from gateway.recording.damage import Damage
from gateway.recording.export import originals
from gateway.recording.group import PORTS, VIDEO_GROUPS, Group, Port
from gateway.recording.index import Segment
from gateway.recording.keyboard import Key, Keyboard
from gateway.recording.opened import FOR_EVER_NS, US_NS, Session
from gateway.recording.outlets import Outlets
from gateway.recording.pace import SECOND_NS, Pace
from gateway.recording.pcap import Record
from gateway.recording.segment_keys import SegmentKeys
from gateway.recording.times import since
from keys.commands.terminal import show
from keys.printable import printable

SEEK_NS = 10 * SECOND_NS
GAP_NS = 5 * SECOND_NS  # of silence in all groups, which is skipped
HOLE_NS = SECOND_NS // 2  # likewise, where something was not recorded, or does not open
LEADS_NS = (10 * SECOND_NS, 60 * SECOND_NS)  # how far back a key picture is looked for
LOOK_EACH_S = 0.1
TEXT_MAX = 200
KEYS = "space pauses, arrows go 10 s back and on, q ends"


class Player:
    """One session, of these groups."""

    def __init__(
        self,
        session: Session,
        keys: SegmentKeys,
        groups: Sequence[Group],
        outlets: Outlets,
        keyboard: Keyboard,
        speed: float = 1.0,
    ) -> None:
        self._session, self._keys, self._groups, self._outlets = session, keys, groups, outlets
        self._keyboard, self._pace = keyboard, Pace(speed)
        self._line = Line(shown=keyboard.there)
        self._at_ns = 0  # how far it is: of the latest record that was sent, or the place of a jump
        self._before_ns = 0  # of the record that was sent last; of a hostile recording it may be any
        self._end_ns = FOR_EVER_NS
        self._look_at = 0.0  # when the keyboard and the terminal have their turn, on the monotonic clock
        self._told = set[int]()  # ports at which no program listened
        self._segments = {segment.place: segment for segment in session.segments}
        self._gaps = sorted(
            (gap for gap in session.gaps if set(gap.groups) & set(groups)), key=operator.attrgetter("from_us")
        )
        self._next_gap = 0  # of these, which is told next
        self._spans = [_span_ns(gap.from_us, gap.to_us or None) for gap in self._gaps]
        self._holes = list(self._spans)  # and of segments that do not open
        self._damage: dict[tuple[Damage, Group], list[Segment]] = {}  # found, and not told yet
        self._left_out = 0

    def run(self, begin_ns: int, end_ns: int) -> None:
        """To the end, or until the key that ends it."""
        begin: int | None = begin_ns
        self._end_ns = end_ns
        damage, before = self._session.damage, self._session.damage.listener
        damage.listener = self._damaged
        try:
            while begin is not None:
                begin = self._from(begin)
        finally:
            damage.listener = before
            self._line.clear()

    def summary(self) -> Iterator[str]:
        """What was sent, what no program took, and what of the card is damaged."""
        outlets = self._outlets
        for port, place in outlets.places.items():
            lost = f"; no program took {outlets.refused[port]} of them" if outlets.refused[port] else ""
            yield f"  {port.name.lower().replace('_', '-')}: {outlets.sent[port]} datagrams to {place}{lost}"
        if self._left_out:
            yield f"  not played: {self._left_out} commands that the aircraft accepted"
        yield from listing.damaged(self._session)

    # --- 1 next ---

    def _from(self, begin_ns: int) -> int | None:
        """Play from here on; where to go on after a jump, or None at the end."""
        self._at_ns = self._before_ns = begin_ns
        self._next_gap = next((place for place, (_, end) in enumerate(self._spans) if end > begin_ns), len(self._gaps))
        starts = {group: self._start(group, begin_ns) for group in self._groups}
        by_port = {int(port): start for group, start in starts.items() for port in PORTS[group]}
        begun = False
        for record in self._session.records(self._keys, self._groups, min(starts.values()), self._end_ns):
            if record.time_ns < by_port[record.port]:
                continue
            self._tell_missing(record.time_ns)
            if not begun or self._silent(record):
                self._skip(record)
                begun = True
            key = self._wait(record)
            if key is not None:
                return self._after(key)
            self._send(record)
        self._tell_missing(self._end_ns)
        return None

    def _start(self, group: Group, begin_ns: int) -> int:
        """For video the key picture before, with which a decoder can begin."""
        if group not in VIDEO_GROUPS or begin_ns == 0:
            return begin_ns
        for back in LEADS_NS:
            try:
                lead = originals.ask(self._session.records(self._keys, [group], max(0, begin_ns - back), begin_ns + 1))
            except GatewayError as error:
                self._line.tell(f"{group.label} begins without a key picture: {error}")
                break
            if lead.key_ns is not None:
                earlier = (begin_ns - lead.key_ns) / SECOND_NS
                sets = "" if lead.sets else "; it has no parameter sets, a player needs the camera's description (SDP)"
                self._line.tell(f"{group.label} begins {earlier:.1f} s earlier, with a key picture{sets}")
                return lead.key_ns
        return begin_ns

    def _silent(self, record: Record) -> bool:
        """Whether it is not waited for: nothing comes for long before it, or what came is missing."""
        silence = record.time_ns - self._before_ns
        if silence <= HOLE_NS:
            return False
        return silence > GAP_NS or any(begin < record.time_ns and self._before_ns < end for begin, end in self._holes)

    def _skip(self, record: Record) -> None:
        """The clock of the records goes on with this one."""
        clock, before_ns = self._session.times.clock, self._before_ns
        if self._silent(record):
            self._line.tell(f"nothing from {clock(before_ns // US_NS)} to {clock(record.time_ns // US_NS)}: skipped")
        self._pace.begin(record.time_ns, time.monotonic())

    def _tell_missing(self, until_ns: int) -> None:
        """What was not recorded or does not open, when its time has come."""
        for (damage, _), segments in self._damage.items():
            self._line.tell(f"DAMAGED: {listing.hole(self._session, damage, segments)}")
        self._damage.clear()
        while self._next_gap < len(self._gaps) and self._gaps[self._next_gap].from_us * US_NS < until_ns:
            self._line.tell(f"NOT RECORDED: {listing.gap(self._session, self._gaps[self._next_gap])}")
            self._next_gap += 1

    def _damaged(self, damage: Damage, thing: Hashable) -> None:
        """Found while it is read, a moment before it would have been played."""
        segment = self._segments.get(thing)  # type: ignore[call-overload]
        if segment is not None and damage in listing.HOLES:
            self._holes.append(_span_ns(segment.start_us, segment.end_us))
            self._damage.setdefault((damage, segment.group), []).append(segment)

    # --- 2 wait ---

    def _wait(self, record: Record) -> Key | None:
        """Until it is due; the key that makes a jump or ends it. A late record does not keep the keyboard waiting."""
        while True:
            now = time.monotonic()
            left = self._pace.left(record.time_ns, now)
            if now < self._look_at and left <= 0:
                return None
            if now >= self._look_at:
                self._line.progress(self._progress())
                self._look_at = now + LOOK_EACH_S
            key = self._keyboard.wait(min(left, LOOK_EACH_S))
            if key is Key.PAUSE:
                self._pace.toggle(time.monotonic())
                self._look_at = 0.0
            elif key is not None or left <= 0:
                return key

    def _after(self, key: Key) -> int | None:
        if key is Key.END:
            return None
        return max(0, self._at_ns + (SEEK_NS if key is Key.FORWARD else -SEEK_NS))

    # --- 3 send ---

    def _send(self, record: Record) -> None:
        self._at_ns, self._before_ns = max(self._at_ns, record.time_ns), record.time_ns
        clock = self._session.times.clock(record.time_ns // 1000)
        if self._outlets.send(record):
            if record.port in self._outlets.refused and record.port not in self._told:
                self._told.add(record.port)
                self._line.tell(f"no program listens at {self._outlets.places[Port(record.port)]} yet")
        elif record.port == Port.EVENT:
            self._line.tell(f"{clock} {event(record.content)}")
        else:
            self._left_out += 1

    def _progress(self) -> str:
        at, end = self._at_ns // 1000, self._session.end_us
        paused = "  paused" if self._pace.paused else ""
        return f"{self._session.times.clock(at)}  {since(at)} of {since(end)}{paused}  {KEYS}"


def event(content: bytes) -> str:
    """In one line: its name, and what else it says."""
    try:
        said = msgspec.json.decode(content, type=dict[str, str | int | float | bool | None])
    except (msgspec.MsgspecError, ValueError):  # a text that is no UTF-8 is a ValueError
        return "an event that cannot be read"
    more = ", ".join(f"{name} {value}" for name, value in said.items() if name != "event")
    return printable(f"{said.get('event')}: {more}" if more else str(said.get("event")), TEXT_MAX)


def _span_ns(from_us: int, to_us: int | None) -> tuple[int, int]:
    return from_us * US_NS, FOR_EVER_NS if to_us is None else to_us * US_NS


class Line:
    """The last line of a terminal, which says how far it is; what is told is above it."""

    def __init__(self, *, shown: bool) -> None:
        self._shown = shown

    def tell(self, text: str) -> None:
        self.clear()
        show(text)

    def progress(self, text: str) -> None:
        if self._shown:
            columns = shutil.get_terminal_size().columns - 1
            show(printable(text, columns).ljust(columns), errors=True, end="\r")

    def clear(self) -> None:
        self.progress("")
