"""Plain video: the turns of a link that C takes (gateway/native): its datagrams are the next of their lanes.

What lives here: which turns are plain, and what follows from them. What must not: opening and sending. The role does
everything else, in Python, and all of it where there is no library.
"""

from __future__ import annotations

from collections.abc import Container, Hashable, Sequence
from typing import TYPE_CHECKING

from gateway import clock
from gateway.batch import Batch
from gateway.core.drop_reason import DropReason
from gateway.core.ground.opened import Arrival, Opened
from gateway.core.ground.opener import Opener
from gateway.core.ground.paths import Paths
from gateway.endpoints import Endpoint
from gateway.endpoints.direct import Direct
from gateway.loop.poller import Poller
from gateway.native.library import Library, Unavailable
from gateway.native.open import OpenTurn
from gateway.native.structures import Open
from gateway.native.wait import Wait
from gateway.recording.link.form import LINK_PORT
from gateway.recording.link.stage import GROUP
from gateway.report import wording
from keys.lanes import VIDEO_LANES
from keys.policy import PolicyFlag

if TYPE_CHECKING:
    from gateway.ground.link_record import LinkRecord
    from gateway.ground.publication import Publication


class PlainVideo:
    """Of all links, to `players`. `why_python`: why Python does it all; empty if C takes the plain turns."""

    def __init__(
        self,
        links: Sequence[Endpoint],
        players: Sequence[Endpoint],
        batch: Batch,
        opener: Opener,
        paths: Paths,
        *,
        native: bool,
        record: LinkRecord | None = None,
    ) -> None:
        self._opener, self._paths = opener, paths
        receivers = [player for player in players if isinstance(player, Direct)]
        self._turns: dict[Endpoint, _Turn] = {}
        self._wait: Wait | None = None
        try:
            library = Library("open", Open, wanted=native)
        except Unavailable as reason:
            self.why_python = str(reason)
            return
        found = [(number, link) for number, link in enumerate(links) if isinstance(link, Direct)]
        padded = bool(opener.listener.order.content.policy.flags & PolicyFlag.PAD_VIDEO)
        self.why_python = "the order pads video" if padded else "" if found else "all links are serial"
        for number, link in found if not self.why_python else ():
            self._turns[link] = _Turn(number, link, receivers, OpenTurn(library, link, receivers, batch))
            if record:
                self._turns[link].open.record(record.stage.stages, GROUP, LINK_PORT + number)
        self._wait = Wait(library)

    @property
    def data_path(self) -> str:
        """Which path the video takes, for people."""
        return wording.data_path(self.why_python)

    def wait(self, poller: Poller, until: float, watched: Container[int]) -> None:
        """Open and send what comes until `until`, or until something else is to be done; links `watched` are Python's."""
        if self._wait is None or not any(turn.plain for turn in self._turns.values()):
            return
        now = clock.now()
        turns = [turn for turn in self._turns.values() if turn.number not in watched and self._is_ready(turn, False, now)]
        if not turns or (descriptors := poller.descriptors(until)) is None:
            return
        ended = self._wait.take_turns(descriptors, [turn.open for turn in turns])
        for turn in turns:
            turn.ready = turn.open is not ended

    def take(self, link: Endpoint, publication: Publication | None, now: float) -> bool | None:
        """Whether the link may have more; None if this read is Python's."""
        turn = self._turns.get(link)
        publishes = publication is not None and publication.wants_video
        if turn is None or not self._is_ready(turn, publishes, now):
            return None
        done = turn.open.turn(now)
        turn.ready = done is not None
        if publication and publishes and done != 0:  # also what it opened before a datagram that is left to Python
            for lease, datagrams in turn.open.datagrams():
                publication.opened_in_c(lease, datagrams, now)
        return None if done is None else done > 0 and turn.open.more

    def _is_ready(self, turn: _Turn, publishes: bool, now: float) -> bool:
        if turn.name is None:  # no video has come by this link, or of several senders
            return False
        leases, until, ways = self._opener.listener.leases, self._opener.listener.next_change, turn.ways()
        if leases is turn.known and ways == turn.known_ways and turn.prepared_for == (turn.name, publishes):
            turn.ready = turn.ready or (turn.plain and turn.open.renew(until))
            return turn.ready
        if not turn.open.renew(until):
            return False  # the next read is Python's; what has changed is prepared after it
        self._collect(turn, now)
        turn.known, turn.known_ways, turn.prepared_for = leases, ways, (turn.name, publishes)
        found = [each[0] for each in leases.values() if len(each) == 1 and each[0].lane in VIDEO_LANES]
        turn.ready = turn.plain = turn.open.prepare(found, turn.name, until, feed=publishes)
        return turn.ready

    def heard(self, link: Endpoint, opened: Opened) -> None:
        """Python has read and opened this: the sender of video is the one whose datagrams may be plain."""
        if (turn := self._turns.get(link)) is None:
            return
        turn.ready = False
        video = [arrival for arrival in opened.arrivals if arrival.lease.lane in VIDEO_LANES]
        if video:
            senders = link.senders([slot for arrival in video for slot in arrival.slots])
            turn.name = senders[0] if len(senders) == 1 else None

    def collect(self, now: float) -> None:
        """Count what was done, before the status is told; and forget keys of what may not be opened any more."""
        current = {lease.key for leases in self._opener.listener.leases.values() for lease in leases}
        for turn in self._turns.values():
            self._collect(turn, now)
            if not turn.open.keys <= current:
                turn.open.forget()
                turn.ready, turn.known = False, None

    def _collect(self, turn: _Turn, now: float) -> None:
        for lease, ctrs, bad_tag in turn.open.collect(now):
            self._opener.drops[DropReason.BAD_TAG] += bad_tag
            self._opener.opened[lease.lane] += len(ctrs)
            if ctrs:
                self._paths.hear(turn.number, Arrival(lease, (), ctrs), [turn.open.name], now)
                turn.link.propose([turn.open.name], now)
        self._opener.drops[DropReason.LATE] += turn.open.late
        turn.open.late = 0

    def close(self) -> None:
        for turn in self._turns.values():
            turn.open.close()
        self._turns.clear()


class _Turn:
    """The turn of one link, and what it was prepared for."""

    def __init__(self, number: int, link: Endpoint, players: Sequence[Direct], made: OpenTurn) -> None:
        self.number, self.link, self.open = number, link, made
        self.name: Hashable | None = None  # the sender of the video
        self.ready = self.plain = False  # now; as far as `known` goes
        self.known: object = None  # the table of leases
        self.known_ways: object = None
        self.prepared_for: Hashable | None = None  # the sender, and whether what is opened is published
        self._ends = [*players, *([link] if isinstance(link, Direct) else [])]

    def ways(self) -> list[object]:
        return [end.way() for end in self._ends]
