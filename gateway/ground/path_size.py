"""Path size: whether a link carries small datagrams and swallows large ones. For the links of a station.

A network whose MTU is smaller than it says does that, and tells neither end (RFC 2923 section 2.1). No aircraft learns of
it, and at a station it looks like a bad radio. Where telemetry comes and not all video, either large datagrams do not pass,
or more is sent than the link carries. The sizes of what comes tell which. An encoder cuts a large picture into datagrams of
one size and a rest. Of too much video some of that size come, so the largest size is a frequent one. Where they do not
pass, the largest is one of many sizes that are about as frequent, and all that is larger is cut off.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

from gateway.batch import Batch
from gateway.core.ground.opened import Arrival
from gateway.core.ground.paths import Reception
from gateway.core.ground.session import Session
from gateway.core.wire import DOWNLINK_OVERHEAD
from gateway.endpoints import Endpoint
from keys.lanes import VIDEO_LANES, Lane

OVER_S = 10.0  # of what was sent and what came
OTHERS_MIN, VIDEO_MIN = 10, 100  # datagrams in that time; fewer tell nothing
VIDEO_LOST_MIN = 0.08
OTHERS_LOST_MAX = 0.1  # of what is lost of the video; on a noisy radio, losses are as the lengths
NONE_MIN = 300  # of video that were sent, where none comes
SIZES_MIN = 100  # datagrams whose sizes are judged
NEAR, STEPS = 16, 8  # bytes below the largest size that count as that size; so many times as wide is its neighbourhood
DENSE = 0.03  # of the datagrams in that neighbourhood: fewer are the thin end of a distribution
AROUND_MIN = 60  # in that neighbourhood: so many show how they are distributed
FREQUENT = 3.0  # times as frequent as its neighbours

Key: TypeAlias = tuple[bytes, Lane, int]  # session, lane, epoch


class _Count(NamedTuple):
    """Since the beginning of a lane and epoch: sent by the newest beat, expected by what came, and came."""

    sent: int
    expected: int
    came: int


class _Passed(NamedTuple):
    """Datagrams of some lanes, in some time."""

    sent: int = 0
    came: int = 0

    @property
    def lost(self) -> float:
        """The share that did not come."""
        return max(0, self.sent - self.came) / self.sent if self.sent else 0.0


class PathSize:
    """Of one link. `watching`: the sizes of what comes are to be noted."""

    def __init__(self, reception: Reception) -> None:
        self._reception = reception
        self._past: deque[tuple[float, dict[Key, _Count]]] = deque()
        self._sizes: Counter[int] = Counter()  # of plaintexts, since the watch began
        self.watching = False

    def note(self, sizes: Iterable[int]) -> None:
        """Datagrams came whose plaintexts have these sizes."""
        self._sizes.update(sizes)

    def look(self, sessions: Iterable[Session], lanes: Sequence[Lane], now: float) -> None:
        """Judge the last seconds, for a station that opens these lanes; call it about twice a second."""
        others, video = self._recent(sessions, lanes, now)
        video_alone = video.lost >= VIDEO_LOST_MIN and others.lost <= OTHERS_LOST_MAX * video.lost
        self.watching = video_alone and others.came >= OTHERS_MIN and video.sent >= VIDEO_MIN
        self._reception.carries_up_to = None
        if not self.watching:
            self._sizes.clear()
        elif self._sizes and (self._are_cut_off() if video.came else video.sent >= NONE_MIN):
            self._reception.carries_up_to = max(self._sizes) + DOWNLINK_OVERHEAD

    def _are_cut_off(self) -> bool:
        """Whether the distribution of sizes ends at the largest, without a most frequent size there."""
        total, most = self._sizes.total(), max(self._sizes)
        if total < SIZES_MIN:
            return False
        largest = sum(count for size, count in self._sizes.items() if size > most - NEAR)
        around = sum(count for size, count in self._sizes.items() if size > most - NEAR * STEPS)
        return around >= max(AROUND_MIN, DENSE * total) and largest <= max(1.0, FREQUENT * (around - largest) / (STEPS - 1))

    def _recent(self, sessions: Iterable[Session], lanes: Sequence[Lane], now: float) -> tuple[_Passed, _Passed]:
        """(other lanes, video): what was sent and what came in the last seconds, of what was known at their beginning."""
        counts = dict(self._counts(sessions, lanes, now))
        self._past.append((now, counts))
        while now - self._past[0][0] > OVER_S:
            self._past.popleft()
        before, totals = self._past[0][1], {False: _Passed(), True: _Passed()}
        for key, count in counts.items():
            if began := before.get(key):
                is_video, came = key[1] in VIDEO_LANES, count.came - began.came
                sent = count.expected - began.expected if came else count.sent - began.sent
                totals[is_video] = _Passed(totals[is_video].sent + sent, totals[is_video].came + came)
        return totals[False], totals[True]

    def _counts(self, sessions: Iterable[Session], lanes: Sequence[Lane], now: float) -> Iterator[tuple[Key, _Count]]:
        for session in sessions:
            if session.beat is None or not session.alive(now):
                continue
            epoch = session.beat.epoch
            sent = {kid >> 8: ctr for kid, ctr in session.beat.next_ctr.items()}  # keys.lanes.downlink_kid
            for lane in lanes:
                if lane in sent:
                    count = _Count(sent[lane], *self._reception.of_lane(session, lane, epoch))
                    yield (session.session_id, lane, epoch), count


class PathSizes:
    """Of all links of a station, by their numbers. A serial line has no MTU, and a narrow one gets no video.

    `watched`: those of which what comes is to be noted
    """

    def __init__(self, links: Sequence[Endpoint], receptions: Sequence[Reception]) -> None:
        pairs = zip(links, receptions, strict=True)
        self._all = {number: PathSize(each) for number, (link, each) in enumerate(pairs) if link.address.kind != "serial"}
        self.watched: dict[int, PathSize] = {}

    def note(self, number: int, arrival: Arrival, batch: Batch) -> None:
        """`arrival` came by this link, which is watched, in slots of `batch` that are opened."""
        self.watched[number].note(batch.lengths[arrival.slots].tolist())

    def look(self, sessions: Iterable[Session], lanes: Sequence[Lane], now: float) -> None:
        known = [*sessions]
        for path in self._all.values():
            path.look(known, lanes, now)
        self.watched = {number: path for number, path in self._all.items() if path.watching}
