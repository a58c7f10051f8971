"""Fleet: every aircraft of every ground of this computer, with its telemetry and its lanes of video.

What lives here: which message belongs to what, and which session of an aircraft is shown. What must not: sockets, clocks
(times are arguments), what a viewer is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from gateway.endpoints.feed import TELEMETRY
from gateway.endpoints.feed_reader import Published
from gateway.report.role_status import GroundStatus, SessionStatus
from gateway.view.aircraft import Aircraft
from gateway.view.pictures import Picture, PictureStream

AIRCRAFT_MAX = 64
STREAMS_MAX = (1 << 16) - 1  # their number has 16 bits
SILENT_AFTER_S = 1.0  # then another session of the same aircraft is shown
FORGET_AFTER_S = 600.0  # an aircraft, or a ground, of which nothing is heard
LATE_MAX_S = 60.0  # a message that waited for longer, or a clock that was set


class LiveStream:
    """One lane of video. `id` is its own as long as this program runs; `number` is that of its last picture."""

    def __init__(self, number: int, ground: str, device: str, lane: str) -> None:
        self.id, self.ground, self.device, self.lane = number, ground, device, lane
        self.video = PictureStream()
        self.number = 0
        self.heard_at = float("-inf")


class LiveAircraft:
    """One aircraft as one ground opens it.

    `session`        the one that is shown; empty before the first message
    `other_session`  messages of another one, which are left out: a copy of the aircraft, or one that is over
    """

    def __init__(self, ground: str, device: str) -> None:
        self.ground, self.device = ground, device
        self.session, self.systems = "", list[int]()
        self.seen = Aircraft()
        self.streams: dict[str, LiveStream] = {}  # by lane
        self.heard_at = float("-inf")
        self.other_session = 0


OnPicture: TypeAlias = Callable[[LiveStream, Picture], None]


class Fleet:
    """`on_picture` is called with each picture, in decoding order.

    `grounds`   the newest status of each ground that runs
    `gone`      the last one of those that have ended
    `told_at`   when each of both was told
    `aircraft`  by ground and device
    """

    def __init__(self, on_picture: OnPicture) -> None:
        self.grounds: dict[str, GroundStatus] = {}
        self.gone: dict[str, GroundStatus] = {}
        self.told_at: dict[str, float] = {}
        self.aircraft: dict[tuple[str, str], LiveAircraft] = {}
        self._on_picture = on_picture
        self._streams = 0

    def take_status(self, ground: str, status: GroundStatus | None, now: float) -> None:
        """None: it has ended. `now` in seconds of a clock that is not set back."""
        if status is not None:
            self.gone.pop(ground, None)
            self.grounds[ground] = status
            self.told_at[ground] = now
        elif (last := self.grounds.pop(ground, None)) is not None:
            self.gone[ground] = last
        self._forget(now)

    def take(self, ground: str, published: Published, now: float, unix_now: float) -> None:
        """One message of a ground's feed. The two times are the same moment by two clocks."""
        origin = published.origin
        aircraft = self._aircraft(ground, origin.device)
        if aircraft is None or not self._is_shown(aircraft, origin.session, now):
            return
        aircraft.heard_at = now
        waited = min(max(0.0, unix_now - origin.time_us / 1e6), LATE_MAX_S)
        if published.topic == TELEMETRY:
            if origin.systems != aircraft.systems:
                aircraft.systems = aircraft.seen.systems = origin.systems
            aircraft.seen.take_all(published.datagrams, now - waited, origin.time_us)
        elif (stream := self._stream(aircraft, origin.lane)) is not None:
            stream.heard_at = now - waited
            self._show(stream, published, origin.time_us / 1e6)

    def streams(self) -> Iterator[LiveStream]:
        for aircraft in self.aircraft.values():
            yield from aircraft.streams.values()

    def sessions(self, ground: str, device: str) -> list[SessionStatus]:
        """Of this device, as its ground says, or said when it ended."""
        status = self.grounds.get(ground) or self.gone.get(ground)
        return [session for session in status.sessions if session.device == device] if status else []

    def _show(self, stream: LiveStream, published: Published, at: float) -> None:
        for datagram in published.datagrams:
            for picture in stream.video.take(datagram, at):
                stream.number += 1
                self._on_picture(stream, picture)

    def _aircraft(self, ground: str, device: str) -> LiveAircraft | None:
        found = self.aircraft.get((ground, device))
        if found is None and len(self.aircraft) < AIRCRAFT_MAX:
            found = self.aircraft[ground, device] = LiveAircraft(ground, device)
        return found

    def _stream(self, aircraft: LiveAircraft, lane: str) -> LiveStream | None:
        found = aircraft.streams.get(lane)
        if found is None and self._streams < STREAMS_MAX and lane in {"video_a", "video_b"}:
            self._streams += 1
            found = aircraft.streams[lane] = LiveStream(self._streams, aircraft.ground, aircraft.device, lane)
        return found

    def _is_shown(self, aircraft: LiveAircraft, session: str, now: float) -> bool:
        """One session at a time: pictures of two that alternate can be decoded by no one."""
        if session == aircraft.session:
            return True
        if now - aircraft.heard_at < SILENT_AFTER_S and not self._replaces(aircraft, session):
            aircraft.other_session += 1
            return False
        aircraft.session = session
        for stream in aircraft.streams.values():
            stream.video.begin_anew()
        return True

    def _replaces(self, aircraft: LiveAircraft, session: str) -> bool:
        """Whether the ground knows it as a later start of the aircraft."""
        starts = {one.session: one.boot_counter for one in self.sessions(aircraft.ground, aircraft.device)}
        return session in starts and starts[session] > starts.get(aircraft.session, -1)

    def _forget(self, now: float) -> None:
        for name in [name for name in self.gone if now - self.told_at[name] > FORGET_AFTER_S]:
            del self.gone[name], self.told_at[name]
        for key, aircraft in [*self.aircraft.items()]:
            if now - aircraft.heard_at > FORGET_AFTER_S and not self.sessions(*key):
                del self.aircraft[key]
