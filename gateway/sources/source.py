"""Source: one [[source]] at work: the way by which it comes, the parser of what comes, and its lane.

What lives here: how these are put together, and its report. What must not: the loop (role.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from gateway import clock
from gateway.endpoints.address import Address
from gateway.report.log import say
from gateway.report.source_status import SourceReport, State
from gateway.sources import rtsp
from gateway.sources.feeder import Feeder
from gateway.sources.lane import Lane
from gateway.sources.pushed import Pushed
from gateway.sources.relay import Relay
from gateway.sources.runner import Runner
from gateway.sources.stream import Elementary, Parser, Plain, Stream, Transport
from gateway.sources.tables import PORT_WORD, Source, rtmp_address


class Way(Protocol):
    """How a source comes: a command, a server, a socket. `run` ends when it is cancelled, and leaves nothing behind."""

    @property
    def last_error(self) -> str: ...
    @property
    def state(self) -> State: ...
    @property
    def restarts(self) -> int: ...
    async def run(self) -> None: ...


class AtWork:
    """`run` brings pictures to the lane until it is cancelled. `folder` is for sockets."""

    def __init__(self, source: Source, towards: Address, folder: Path) -> None:
        self.source = source
        self._lane = Lane(towards)
        self._folder = folder
        self._closes: list[Callable[[], None]] = [self._lane.close]
        self._faults: dict[str, Callable[[], int]] = {}  # besides those of the stream
        self._topics: Mapping[int, int] = {}
        self._way, self._stream = _WAYS[source.way](self)

    async def run(self) -> None:
        try:
            await self._way.run()
        finally:
            for close in self._closes:
                close()

    def report(self, now: float) -> SourceReport:
        self._lane.measure(now)
        source, way, lane = self.source, self._way, self._lane
        return SourceReport(
            name=source.name,
            lane=source.lane,
            way=source.way,
            seen_by=source.seen_by,
            state=way.state,
            age_s=None if lane.heard is None else round(now - lane.heard, 1),
            pictures=self._stream.pictures,
            datagrams=lane.sent,
            taken=lane.taken(now),
            not_taken=lane.not_taken,
            kbit=round(lane.kbit, 1),
            restarts=way.restarts,
            damage=self._damage(),
            telemetry={str(topic): count for topic, count in self._topics.items()},
            last_error=way.last_error,
        )

    def _damage(self) -> dict[str, int]:
        found = {kind.value: count for kind, count in self._stream.damage().items()}
        return found | {name: count for name, counted in self._faults.items() if (count := counted())}

    # --- the ways ---

    def _command(self) -> tuple[Way, Stream]:
        run = self.source.run or ()
        if self.source.gives == "rtp":
            relay = Relay(self._send)
            self._closes.append(relay.close)
            self._faults["of_other_users"] = lambda: relay.kept_out
            words = [word.replace(PORT_WORD, str(relay.port)) for word in run]
            runner = Runner(self.source.name, lambda: (words, None, ()), None, lambda: None, _say)
            relay.heard = runner.heard
            return runner, Plain()
        parser = self._parser()
        return Runner(self.source.name, lambda: (run, None, ()), parser.feed, parser.begin, _say), parser

    def _fetched(self) -> tuple[Way, Stream]:
        parser, words = self._parser(), lambda: rtsp.words(self.source)
        return Runner(self.source.name, words, parser.feed, parser.begin, _say), parser

    def _pushed(self) -> tuple[Way, Stream]:
        at = rtmp_address(self.source)
        assert at is not None
        pushed = Pushed(self.source.name, at, self._send, _say)
        return pushed, pushed

    def _fed(self) -> tuple[Way, Stream]:
        parser = self._parser()
        feeder = Feeder(self.source.socket or "", self._folder, parser.feed, parser.begin, _say)
        self._faults["records_missing"], self._topics = lambda: feeder.missing, feeder.topics
        return feeder, parser

    def _parser(self) -> Parser:
        gives = self.source.gives or "h264"
        return Elementary("h265" if gives == "h265" else "h264", self._send) if gives != "ts" else Transport(self._send)

    def _send(self, datagrams: Sequence[bytes]) -> None:
        self._lane.send(datagrams, clock.now())


def _say(text: str) -> None:
    say("source", text)


_WAYS: dict[str, Callable[[AtWork], tuple[Way, Stream]]] = {
    "run": AtWork._command,
    "rtmp": AtWork._pushed,
    "rtsp": AtWork._fetched,
    "socket": AtWork._fed,
}
