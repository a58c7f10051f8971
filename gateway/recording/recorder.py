"""Recorder: what `zegel air` says, made into recordings, cuts and leaves. SPEC.md sections 8 and 9.

What lives here: which segment begins and ends when, and which leaf says so. Sans-IO: time and random bytes are arguments,
and what is to be written is handed to the writer, which may be slow without anything here waiting for it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from typing import Protocol

from gateway.recording import handover
from gateway.recording.gaps import Gaps
from gateway.recording.group import VIDEO_GROUPS, Group
from gateway.recording.handover import Armed, Clock, Close, Epoch, FromAir, Session, Sign, Signed, Wanted
from gateway.recording.leaf import Armed as ArmedLeaf
from gateway.recording.leaf import Close as CloseLeaf
from gateway.recording.leaf import Cut, Gap, Leaf
from gateway.recording.pcap import OVERHEAD
from gateway.recording.reason import CloseReason, GapReason
from gateway.recording.segment import Batch, Recording, Segment, SessionFiles
from keys import order, ratchet, recording_header
from keys.policy import PolicyFlag

CUT_AT_MOST = 4  # a cut takes at most this part of the memory, so that what comes while it is written has room
LEAVES_MAX = 4096  # of one cut: while the card takes nothing, neither toggles nor failures fill the memory
MICRO = 1_000_000
_GROUPS = frozenset(map(int, Group))
_TIME = struct.Struct("<II")  # seconds and nanoseconds, at the beginning of a record

Fill = Callable[[bytearray], object]  # with random bytes


class Sink(Protocol):
    """Where batches go."""

    def add(self, batch: Batch) -> None: ...
    def abandon(self) -> None: ...
    def begin(self, session: SessionFiles) -> None: ...


class Refused(ValueError):
    """A message of air that means nothing now."""


class Recorder:
    """One connection of air. `refused` counts messages that meant nothing."""

    def __init__(self, sink: Sink, ask: Callable[[Sign], None], fill: Fill, memory: int) -> None:
        self._sink, self._ask, self._fill = sink, ask, fill
        self._cut_max = memory // CUT_AT_MOST
        self.session: SessionFiles | None = None
        self.lost = 0  # datagrams of this session
        self._began = 0.0
        self._reset()

    def _reset(self) -> None:
        self._recordings: dict[Group, Recording] = {}
        self._segments: dict[Group, Segment] = {}
        self._unsigned: dict[bytes, Recording] = {}
        self._gaps = Gaps()
        self._wanted = frozenset(Group)
        self._left_out: Gap | None = None  # the gap of the groups that are not wanted
        self._offset_us: int | None = None
        self._armed: bool | None = None
        self._batch: Batch | None = None
        self._since: float | None = None  # when the batch began to have content
        self._resumed_us = self._heard_us = 0
        self._early: list[Gap] | None = None  # losses before the first cut, by when the log of the session was read
        self.groups: tuple[Group, ...] = ()  # of the last cut

    # --- times ---

    def mono_us(self, now: float) -> int:
        return max(0, int((now - self._began) * MICRO))

    def cut_at(self) -> float | None:
        """When the next cut is due; None if there is nothing to cut."""
        return None if self._since is None or self.session is None else self._since + self.session.order.policy.segment_s

    # --- structures ---

    def take(self, message: FromAir, now: float) -> None:
        """KeysError or Refused for one that means nothing; the recorder goes on as it was."""
        if isinstance(message, Session):
            self._begin(message, now)
        elif isinstance(message, Signed):
            self._signed(message)
        elif self.session is None:
            raise Refused("no session")
        elif isinstance(message, Clock):
            self._offset_us = message.offset_us
        elif isinstance(message, Wanted):
            self._want(message, now)
        elif isinstance(message, Epoch):
            self.cut(now)
            self._end_recordings()
        elif isinstance(message, Armed):
            if message.armed != self._armed:
                self._armed = message.armed
                self.cut(now, [ArmedLeaf(message.mono_us, message.armed)])
        elif isinstance(message, Close):
            self.end(CloseReason(message.reason), now)

    def _begin(self, message: Session, now: float) -> None:
        content = order.parse_order(message.order)
        if not content.recording:
            raise Refused("an order without a recording key")
        if self.session and self.session.session_id == message.session_id:
            raise Refused("the session that is recorded already")
        self.end(CloseReason.OTHER_ORDER, now)
        self.abandon()
        self._reset()
        self.session = SessionFiles(
            message.session_id, content.hash(), content, message.order, message.statement, message.software
        )
        self._began, self.lost = message.began, 0
        self._resumed_us = self._heard_us = self.mono_us(now)
        self._early = []
        self._sink.begin(self.session)
        if content.policy.flags & PolicyFlag.VIDEO_ON_REQUEST:
            self._want(Wanted(self.mono_us(now), [Group.FLIGHT]), now)

    def _signed(self, message: Signed) -> None:
        recording = self._unsigned.pop(message.payload, None)
        if recording is None or not message.message:
            raise Refused("a signature that was not asked for, or none")
        recording.message = message.message

    def _want(self, message: Wanted, now: float) -> None:
        missing = [group for group in VIDEO_GROUPS if group not in message.groups]
        reason = GapReason.PAUSED if message.station else GapReason.NOT_ASKED_FOR
        if self._left_out and (missing, reason) == (list(self._left_out.groups), self._left_out.reason):
            return
        if self._left_out:
            self._add(self._gaps.end(self._left_out.reason, message.mono_us), now)
            self._left_out = None
        self._wanted = frozenset(message.groups) | {Group.FLIGHT}
        if missing:
            begun = self._gaps.begin(reason, missing, message.mono_us, message.station)
            self._add(begun, now)
            (self._left_out,) = begun

    def end(self, reason: CloseReason, now: float) -> None:
        """The session, if there is one."""
        if self.session is None:
            return
        self.cut(now, [CloseLeaf(reason)])
        self._end_recordings()
        self.session = None

    def abandon(self) -> None:
        """What air has not signed until now it never will: it is gone, or has another session."""
        self._unsigned.clear()
        self._sink.abandon()

    # --- data ---

    def put(self, message: memoryview, now: float) -> None:
        """A data message, received at `now`; Refused."""
        if len(message) < handover.HEAD.size:
            raise Refused("no message")
        kind, number, _, lost = handover.HEAD.unpack_from(message)
        if self.session is None or kind != handover.DATA or number not in _GROUPS:
            raise Refused("no data")
        group, records = Group(number), message[handover.HEAD.size :]
        if len(records) < OVERHEAD:
            raise Refused("no record")
        seconds, nanoseconds = _TIME.unpack_from(records)
        start_us, heard_us = seconds * MICRO + nanoseconds // 1000, self.mono_us(now)
        if lost:
            self.lose({group: lost}, self._heard_us, start_us, now)
        self._heard_us = heard_us
        if group not in self._wanted:
            raise Refused("a group that is not wanted")
        self._require_room(group, len(records), now)
        if (segment := self._segments.get(group)) is None:
            segment = self._new_segment(group, start_us, now)
        segment.put(records, min(start_us, heard_us), heard_us)

    def _require_room(self, group: Group, size: int, now: float) -> None:
        """A segment that would grow past its limit, or a batch past its part of the memory, is cut before."""
        assert self.session is not None
        segment = self._segments.get(group)
        most = self.session.order.policy.segment_max
        if (segment and segment.length + size > most) or (self._batch and self._batch.length() + size > self._cut_max):
            self.cut(now)

    def _new_segment(self, group: Group, start_us: int, now: float) -> Segment:
        if group not in self._recordings:
            self._recordings[group] = self._new_recording(group, start_us)
        segment = self._segments[group] = self._recordings[group].segment(start_us)
        self._content(now).segments.append(segment)
        return segment

    def _new_recording(self, group: Group, mono_us: int) -> Recording:
        assert self.session is not None
        rec_id, rk_0 = bytearray(recording_header.REC_ID_SIZE), bytearray(ratchet.KEY_SIZE)
        self._fill(rec_id)
        self._fill(rk_0)
        session = self.session
        header = recording_header.seal(
            session.order, session.order_hash, session.session_id, bytes(rec_id), rk_0, group, mono_us
        )
        recording = Recording(header.rec_id, group, header.payload(), ratchet.Ratchet(rk_0))
        self._unsigned[recording.payload] = recording
        self._ask(Sign(recording.payload))
        return recording

    def ask_again(self) -> None:
        """For every signature that is still missing."""
        for payload in self._unsigned:
            self._ask(Sign(payload))

    # --- gaps ---

    def lose(self, lost: dict[Group, int], from_us: int, to_us: int, now: float) -> None:
        """Datagrams that did not come here, or found no room: in the gap that explains it, or in one of their own."""
        datagrams = sum(lost.values())
        self.lost += datagrams
        gap = Gap(tuple(sorted(lost)), from_us, max(to_us, from_us, 1), GapReason.CARD_SLOW, datagrams, 0)
        if self._early is not None:
            self._early.append(gap)
        elif not self._gaps.lose(datagrams):
            self._add([self._gaps.late(gap)], now)

    def open_gap(self, reason: GapReason, from_us: int) -> list[Leaf]:
        """The leaf that says so, which the caller hands on: to `leaf`, or at once to the card."""
        return list(self._gaps.begin(reason, self._wanted, from_us))

    def close_gap(self, reason: GapReason, now: float) -> None:
        self._add(self._gaps.end(reason, self.mono_us(now)), now)

    def leaf(self, leaves: Iterable[Leaf], now: float) -> None:
        self._add(leaves, now)

    def found(self, leaves: list[Leaf], now: float) -> None:
        """Leaves of this session that an earlier process wrote: what it held was lost with it."""
        if leaves:
            ends = [one.end_us for one in leaves if isinstance(one, Cut)]
            self._add(self.open_gap(GapReason.RECORDER_RESTARTED, min(max(ends, default=0), self._resumed_us)), now)

    # --- cuts ---

    def _content(self, now: float) -> Batch:
        """The batch that grows."""
        assert self.session is not None
        if self._batch is None:
            self._batch = Batch(self.session)
            self._sink.add(self._batch)
            self._since = now
        return self._batch

    def _add(self, leaves: Iterable[Leaf], now: float) -> None:
        if leaves := list(leaves):
            batch = self._content(now)
            batch.leaves += leaves[: max(0, LEAVES_MAX - len(batch.leaves))]

    def cut(self, now: float, then: Iterable[Leaf] = ()) -> None:
        """End the segments of all groups together; leaves that follow are written with them."""
        if self._batch is None and not then:
            return
        batch = self._content(now)
        early, self._early = self._early or [], None
        batch.leaves += [gap for gap in early if not self._gaps.lose(gap.lost)]
        batch.leaves += self._gaps.end(GapReason.RECORDER_RESTARTED, self._resumed_us)
        if batch.segments:
            files = tuple(segment.finish() for segment in batch.segments)
            start, end = min(one.start_us for one in batch.segments), max(one.end_us for one in batch.segments)
            utc = max(0, end + self._offset_us) if self._offset_us is not None else 0
            batch.leaves.append(Cut(start, end, utc, files))
            self.groups = tuple(sorted(self._segments))
        batch.leaves += then
        batch.closed = True
        self._segments.clear()
        self._batch = self._since = None

    def _end_recordings(self) -> None:
        for recording in self._recordings.values():
            recording.end()
        self._recordings.clear()
