"""Recorder card: what a recorder asks of its card, by the length of its segments, and what a power cut leaves of a flight.

What lives here: a real recorder on a real file system. What must not: making that (bench/ext4_card.py).
"""

from __future__ import annotations

import random
import statistics
import threading
import time
from collections.abc import Sequence
from typing import NamedTuple

from bench.ext4_card import Ext4Card
from bench.recorded_session import RecordedSession
from bench.recorder_feed import RecorderFeed
from bench.result import Progress, Table
from bench.workspace import Scene
from gateway import clock
from gateway.errors import CardError
from gateway.recording import opened
from gateway.recording.group import Group
from gateway.recording.leaf import Cut
from keys.policy import Policy

MBIT = 8.0
USUAL_S = Policy().segment_s
SEGMENTS_S = (1, USUAL_S, 5, 10)
WAITS_S = 0.1  # what air hands over next, the write of a cut, and its place among other processes
SETTLE_S = 3.0  # the session has begun, and its files are there
COLUMNS = ("segment_s", "segment (MB)", "to the device, times the data", "flushes a segment", "KiB a segment in addition")


class Form(NamedTuple):
    """The extent: segment lengths, seconds of each, power cuts."""

    segments_s: Sequence[int]
    seconds: float
    cuts: int


FULL, QUICK = Form(SEGMENTS_S, 20.0, 12), Form((USUAL_S,), 8.0, 3)


class Written(NamedTuple):
    """Of one length of segments: bytes of records, bytes and flushes that the device got meanwhile, sizes of segments."""

    data: int
    device: int
    flushes: int
    sizes: Sequence[int]

    @property
    def times(self) -> float:
        return self.device / self.data


class PowerCut(NamedTuple):
    """Seconds of a flight that one took: of what the log counts, and of all that opens."""

    counted: float
    opens: float


def by_segment(scene: Scene, form: Form, progress: Progress) -> dict[int, Written]:
    """By segment_s."""
    found = {}
    for number, segment_s in enumerate(form.segments_s):
        progress(number, len(form.segments_s) + 1, f"the card, segments of {segment_s} s")
        card = Ext4Card(scene)
        before = card.device()
        feed = _feed(scene, card, segment_s)
        feed.fly(MBIT, max(form.seconds, 2 * segment_s))
        feed.end()
        after = card.device()
        sizes = [file.length for cut in feed.leaves() if isinstance(cut, Cut) for file in cut.files]
        feed.close()
        found[segment_s] = Written(
            feed.written, after.written - before.written, after.flushes - before.flushes, sizes[1:-1] or sizes
        )
    return found


def power_cuts(scene: Scene, form: Form, progress: Progress) -> tuple[list[PowerCut], float]:
    """At random moments of a flight; and the longest sync of this card."""
    progress(len(form.segments_s), len(form.segments_s) + 1, "power cuts")
    card = Ext4Card(scene)
    sync_s = max(card.sync_s() for _ in range(5))
    feed = _feed(scene, card, USUAL_S)
    moments = random.Random(1)  # noqa: S311 - moments, not keys
    ended = threading.Event()

    def fly() -> None:
        while not ended.is_set():
            feed.fly(MBIT, 0.5)

    flies = threading.Thread(target=fly)
    flies.start()
    try:
        time.sleep(SETTLE_S)
        found = []
        for _ in range(form.cuts):
            time.sleep(moments.uniform(0.0, USUAL_S))
            found.append(_power_cut(card, feed))
    finally:
        ended.set()
        flies.join()
    feed.close()
    return found, sync_s


def _feed(scene: Scene, card: Ext4Card, segment_s: int) -> RecorderFeed:
    session = RecordedSession(card.folder.with_suffix(".archive"), clock.now(), Policy(segment_s=segment_s))
    feed = RecorderFeed(scene, session, card.folder / "recordings")
    feed.wait_ready()
    return feed


def _power_cut(card: Ext4Card, feed: RecorderFeed) -> PowerCut:
    now_us = feed.mono_us()
    with card.after_power_cut() as left:
        try:
            (session,) = opened.sessions(left)
        except CardError:  # the names of the session are not on the card yet
            return PowerCut(now_us / 1e6, now_us / 1e6)
        counted = max((cut.end_us for cut in session.leaves if isinstance(cut, Cut)), default=0)
        last = counted
        for record in session.records(feed.session.keys(), [Group.VIDEO_A], 1000 * max(0, counted - 10_000_000)):
            last = max(last, record.time_ns // 1000)
    return PowerCut(max(0, now_us - counted) / 1e6, max(0, now_us - last) / 1e6)


def table(found: dict[int, Written]) -> Table:
    rows = []
    for segment_s, each in found.items():
        size = statistics.median(each.sizes)
        segments = max(1.0, each.data / size)
        more = (each.device - each.data) / segments / 1024
        rows.append((segment_s, size / 1e6, each.times, each.flushes / segments, more))
    notes = (
        f"video of {MBIT:g} Mbit/s, a whole session; data: its records. ext4 with its defaults on a loop device",
        "a smaller segment_s loses less in a power cut, and asks more of the card",
    )
    return Table("Length of segments, and what reaches the card", COLUMNS, tuple(rows), notes)


def cuts_table(cuts: Sequence[PowerCut], sync_s: float) -> Table:
    rows = tuple(
        (what, statistics.median(values), max(values))
        for what, values in (
            ("what the log counts", [cut.counted for cut in cuts]),
            ("all that opens", [cut.opens for cut in cuts]),
        )
    )
    notes = (
        f"{len(cuts)} copies of the device at random moments, mounted and opened; segment_s is {USUAL_S}",
        f"one sync of {1000 * sync_s:.0f} ms: the longest of five, of 2 MiB",
    )
    return Table("What a power cut takes (seconds of the flight)", ("of", "median", "worst"), rows, notes)
