"""View state: what a page of the console is told: the grounds, the aircraft and their seal, and the pictures.

What lives here: the messages of docs/console.md, out of what the grounds say and the fleet has seen. What must not:
sockets, viewers, and any message to a ground. What is not known is null, and every text is text: no page may take it for
markup. Lists are bounded, whatever an aircraft or an order has.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import msgspec

from gateway import clock
from gateway.console import picture_message, seal_words
from gateway.endpoints.feed_reader import Published
from gateway.report.advice import advise
from gateway.report.role_status import GroundStatus, SessionStatus, Use
from gateway.video.nal import Codec
from gateway.view.aircraft import Aircraft
from gateway.view.fleet import Fleet, LiveAircraft, LiveStream
from gateway.view.pictures import Picture
from gateway.view.telemetry import Position, Telemetry, Value
from keys.printable import printable

OnPicture: TypeAlias = Callable[[int, bytes, bool], None]
GROUND_SILENT_AFTER_S = 3.0  # a ground tells its status twice a second
BUILT_FOR_S = 0.1  # several viewers get the same state
GROUNDS_MAX, AIRCRAFT_MAX, READERS_MAX, ALARMS_MAX, REFUSED_MAX = 8, 16, 16, 12, 24
TRAFFIC_MAX, TEXTS_MAX = 40, 20
NAME_MAX, SENTENCE_MAX = 80, 300
POINTS_A_MESSAGE = 1000
MICRO = 1_000_000
_COMMAND, _NOT_REFUSED = "command", {"sent", "commands_refused"}
_PLAYERS = {"video_a": 0, "video_b": 1}  # their place among the endpoints of players
_RTP_PLAYER = (
    "gst-launch-1.0 udpsrc port={port} caps=application/x-rtp,media=video,clock-rate=90000,encoding-name={name}"
    " ! decodebin ! autovideosink sync=false"
)
_RTP_NAMES: dict[Codec | None, str] = {"h264": "H264", "h265": "H265"}
_Json: TypeAlias = dict[str, Any]


class ViewState:
    """`on_picture` gets the number of the stream, the whole message, and whether a decoder can begin with it.

    `version`     grows when something important has changed: the seal, an order, a session, a stream
    `transcoded`  of a stream that viewers get as H.264 in place of what it is: its codec string
    """

    def __init__(self, on_picture: OnPicture) -> None:
        self.version = 0
        self.transcoded: dict[int, str] = {}
        self._on_picture = on_picture
        self._fleet = Fleet(self._picture)
        self._streams: dict[int, LiveStream] = {}
        self._important: dict[str, object] = {}  # by ground
        self._codecs: dict[int, str] = {}
        self._built, self._built_at = b"", float("-inf")

    # --- what comes ---

    def take_status(self, ground: str, status: GroundStatus | None) -> None:
        self._fleet.take_status(ground, status, clock.now())
        if self._important.get(ground, ()) != (important := _important(status)):
            self._important[ground] = important
            self._change()

    def take(self, ground: str, published: Published) -> None:
        self._fleet.take(ground, published, clock.now(), time.time())

    def _picture(self, stream: LiveStream, picture: Picture) -> None:
        if picture.key and self._codecs.get(stream.id) != (codec := stream.video.codec_string):
            self._streams[stream.id], self._codecs[stream.id] = stream, codec
            self._change()
        self._on_picture(stream.id, picture_message.encode(stream.id, stream.number, picture), picture.key)

    def _change(self) -> None:
        self.version += 1
        self._built_at = float("-inf")

    # --- what goes ---

    def stream_id(self, ground: str, device: str, lane: str) -> int | None:
        """None: there is no such stream, or not yet."""
        aircraft = self._fleet.aircraft.get((ground, device))
        stream = aircraft.streams.get(lane) if aircraft else None
        return stream.id if stream else None

    def codec(self, stream_id: int) -> Codec | None:
        """What the aircraft sends, whether or not it is transcoded."""
        stream = self._streams.get(stream_id)
        return stream.video.codec if stream else None

    def since_key(self, stream_id: int) -> list[bytes]:
        """The messages of the pictures since the last key picture, oldest first."""
        if (stream := self._streams.get(stream_id)) is None:
            return []
        kept = stream.video.since_key
        first = stream.number - len(kept) + 1
        return [
            picture_message.encode(stream_id, first + place, picture, catching_up=True)
            for place, picture in enumerate(kept)
        ]

    def state(self, browser_dropped: int = 0) -> bytes:
        """The message `state`. `browser_dropped`: pictures that this viewer's browser was too slow for."""
        now = clock.now()
        if now - self._built_at > BUILT_FOR_S:
            self._built_at = now
            self._built = msgspec.json.encode(self._state(now))  # NaN would become null
        return b'{"type":"state","browser_dropped":%d,' % browser_dropped + self._built[1:]

    def tracks(self, after: int = 0) -> tuple[list[bytes], int]:
        """The messages `track` with the points that are newer than `after`, and the next value of that."""
        out: list[bytes] = []
        newest = after
        for aircraft in self._fleet.aircraft.values():
            if points := aircraft.seen.track.since(after):
                newest = max(newest, points[-1].number)
            for at in range(0, len(points), POINTS_A_MESSAGE):
                some = [point[:3] for point in points[at : at + POINTS_A_MESSAGE]]
                said = {"type": "track", "device": _name(aircraft.device), "ground": _name(aircraft.ground), "points": some}
                out.append(msgspec.json.encode(said))
        return out, newest

    # --- the state ---

    def _state(self, now: float) -> _Json:
        now_us = round(time.time() * MICRO)
        return {"now_us": now_us, "grounds": self._grounds(now, now_us), "aircraft": self._all_aircraft(now, now_us)}

    def _statuses(self) -> list[tuple[str, GroundStatus, bool]]:
        """Each ground that runs or has ended, with its last status, and whether it runs."""
        fleet = self._fleet
        running = [(name, status, True) for name, status in fleet.grounds.items()]
        return [*running, *((name, status, False) for name, status in fleet.gone.items())][:GROUNDS_MAX]

    def _is_alive(self, name: str, now: float) -> bool:
        told_at = self._fleet.told_at.get(name, float("-inf"))
        return name in self._fleet.grounds and now - told_at < GROUND_SILENT_AFTER_S

    def _grounds(self, now: float, now_us: int) -> list[_Json]:
        return [
            _ground(name, status, now - self._fleet.told_at[name], now_us, alive=self._is_alive(name, now))
            for name, status, _ in self._statuses()
        ]

    def _all_aircraft(self, now: float, now_us: int) -> list[_Json]:
        found: list[_Json] = []
        for name, status, _ in self._statuses():
            seen = (device for ground, device in self._fleet.aircraft if ground == name)
            for device in dict.fromkeys((*(session.device for session in status.sessions), *seen)):
                if len(found) < AIRCRAFT_MAX:
                    found.append(self._one_aircraft(name, status, device, now, now_us))
        return found

    def _one_aircraft(self, ground: str, status: GroundStatus, device: str, now: float, now_us: int) -> _Json:
        live, alive, since = (
            self._fleet.aircraft.get((ground, device)),
            self._is_alive(ground, now),
            self._since(ground, now),
        )
        session = _shown(self._fleet.sessions(ground, device), live)
        return {
            "ground": _name(ground),
            "device": _name(device),
            "systems": (session.systems if session else live.systems if live else [])[:READERS_MAX],
            **_sealed(session, since, now_us, alive=alive),
            "link": _link(status, session, live, now, since),
            "commander": self._commander(status, device, now),
            "recording": _recording(session),
            **(_seen(live.seen, now) if live else {"telemetry": {}, "home": None, "station": None, "track_reset": 0}),
            **(_lists(live.seen, now) if live else {"texts": [], "traffic": []}),
            "streams": [self._stream(stream, status, now) for stream in live.streams.values()] if live else [],
        }

    def _since(self, ground: str, now: float) -> float:
        return now - self._fleet.told_at.get(ground, now)

    def _commander(self, status: GroundStatus, device: str, now: float) -> _Json:
        """Who commanded last from this computer. What a station elsewhere sent, no ground knows."""
        asked = [
            (session.commanded_age_s + self._since(name, now), name)
            for name, other, _ in self._statuses()
            for session in other.sessions
            if session.device == device and session.commanded_age_s is not None
        ]
        age_s, last = min(asked, default=(None, None))
        may = [_name(name) for name, roles in status.roles.items() if _COMMAND in roles]
        return {
            "may": may[:READERS_MAX],
            "last": last and _name(last),
            "last_age_s": _rounded(age_s),
            "refused": None,
        }

    def _stream(self, stream: LiveStream, status: GroundStatus, now: float) -> _Json:
        video, transcoded = stream.video, self.transcoded.get(stream.id)
        return {
            "id": stream.id,
            "lane": stream.lane,
            "codec": "h264" if transcoded else video.codec,
            "codec_string": transcoded or video.codec_string,
            "transcoded": transcoded is not None,
            "width": video.sequence.width if video.sequence else None,
            "height": video.sequence.height if video.sequence else None,
            "pictures": video.pictures,
            "damaged": video.damaged,
            "lost": video.lost,
            "unrecognised": video.unrecognised,
            "age_s": _rounded(now - stream.heard_at),
            "player": _player(stream, status),
        }


def _important(status: GroundStatus | None) -> object:
    """What a viewer must see at once when it is another."""
    if status is None:
        return None
    sessions = [(one.session, one.state, one.pending, one.vendor_has_picture, one.flags) for one in status.sessions]
    return status.order, status.sealed, status.classification, sessions, status.alarms


def _name(text: str) -> str:
    return printable(text, NAME_MAX)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _counts(counts: Iterable[tuple[str, int]]) -> dict[str, int]:
    some = [(_name(name), count) for name, count in counts if count and name not in _NOT_REFUSED]
    return dict(some[:REFUSED_MAX])


def _ground(name: str, status: GroundStatus, since: float, now_us: int, *, alive: bool) -> _Json:
    left = None if status.order_left_s is None else status.order_left_s - since
    return {
        "name": _name(name),
        "role": status.roles.get(status.name, []),
        "operation": _name(status.operation),
        "agency": _name(status.agency),
        "class": _name(status.classification),
        "order": status.order,
        "order_ends_us": status.order_ends * MICRO,
        "order_left_s": _rounded(left),
        "next_order": _next_order(status, since, now_us),
        "wrong": printable(advise(status), SENTENCE_MAX) if alive else seal_words.GROUND_ENDED,
        "alarms": [printable(text, SENTENCE_MAX) for text in status.alarms[:ALARMS_MAX]],
        "readers": [{"name": _name(one), "roles": roles} for one, roles in [*status.roles.items()][:READERS_MAX]],
        "refused": _counts((*status.commands.items(), *status.drops.items())),
        "recording": None,
        "alive": alive,
    }


def _next_order(status: GroundStatus, since: float, now_us: int) -> _Json | None:
    """The order that aircraft announce: this ground has it already, and their present one is another."""
    for session in status.sessions:
        if session.order_change_ahead and session.next_key_s is not None and session.order != status.order:
            begins_us = now_us + round(max(0.0, session.next_key_s - since) * MICRO)
            return {"serial": status.order, "begins_us": begins_us}
    return None


def _shown(sessions: list[SessionStatus], live: LiveAircraft | None) -> SessionStatus | None:
    """The one of which pictures and telemetry come; else the open one, else the latest start."""
    mine = next((one for one in sessions if live and one.session == live.session), None)
    if mine is not None and seal_words.is_open(mine):
        return mine
    return max(sessions, key=lambda one: (seal_words.is_open(one), one.boot_counter), default=None)


def _sealed(session: SessionStatus | None, since: float, now_us: int, *, alive: bool) -> _Json:
    level, text = seal_words.seal(session, alive=alive)
    sealed = alive and session is not None and seal_words.is_open(session)
    open_for_s = session.open_for_s if session and sealed else None
    begun_us = None if open_for_s is None else now_us - round((open_for_s + since) * MICRO)
    found: _Json = {
        "sealed": sealed,
        "sealed_since_us": begun_us,
        "seal": {"level": level, "text": text, "since_us": begun_us},
    }
    if session is None:
        return {**found, "session": None, "state": None, "order": None, "heard": [], "key_age_s": None, "next_key_s": None,
                "seal_begins": None, "beat_age_s": None}  # fmt: skip
    vendor = session.vendor_has_picture
    return {
        **found,
        "session": session.session,
        "state": session.state,
        "order": session.order,
        "heard": [_name(name) for name in session.heard],
        "key_age_s": _older(session.key_age_s, since),
        "next_key_s": None if session.next_key_s is None else max(0.0, round(session.next_key_s - since, 1)),
        "seal_begins": None if vendor is None else "controller" if vendor else "aircraft",
        "beat_age_s": _older(session.beat_age_s, since),
    }


def _older(age_s: float | None, since: float) -> float | None:
    return None if age_s is None else round(age_s + since, 2)


def _link(
    status: GroundStatus, session: SessionStatus | None, live: LiveAircraft | None, now: float, since: float
) -> _Json:
    """Of the link that loses least: what one link loses, another may bring."""
    links = status.of_use(Use.LINK)
    ages = [now - live.heard_at] if live else []
    ages += [session.beat_age_s + since] if session and session.beat_age_s is not None else []
    return {
        "loss_percent": min((link.loss_percent for link in links if link.loss_percent is not None), default=None),
        "serial_lost": _lost_aboard(status, session.systems if session else []),
        "radio_lost": min((link.rx_lost_est for link in links if link.rx_lost_est is not None), default=None),
        "age_s": _rounded(min(ages, default=None)),
    }


def _lost_aboard(status: GroundStatus, systems: list[int]) -> int | None:
    """MAVLink frames that were missing already when the aircraft sealed what came around them."""
    mine = [one for name, one in status.frames.items() if name.partition("/")[0] in map(str, systems)]
    return sum(one.lost_aboard for one in mine) if mine else None


def _recording(session: SessionStatus | None) -> _Json | None:
    said = session.recording if session else None
    return {"groups": said.groups, "reason": said.reason, "room_s": said.room_s} if said and said.key else None


def _seen(seen: Aircraft, now: float) -> _Json:
    return {
        "telemetry": _values(seen.telemetry, now),
        "home": _place(seen.home),
        "station": _place(seen.station),
        "track_reset": seen.track.reset_us,
    }


def _values(telemetry: Telemetry, now: float) -> _Json:
    found: dict[str, Value[Any] | None] = {name: getattr(telemetry, name) for name in telemetry.__struct_fields__}
    return {name: {"v": value.v, "age_s": max(0.0, round(now - value.at, 2))} for name, value in found.items() if value}


def _place(value: Value[Position] | None) -> _Json | None:
    return {"lat": value.v.lat, "lon": value.v.lon} if value else None


def _lists(seen: Aircraft, now: float) -> _Json:
    seen.texts.tick(now)
    texts = [*seen.texts.lines][-TEXTS_MAX:]
    return {
        "texts": [{"at_us": line.time_us, "severity": line.severity, "text": line.text} for line in texts],
        "traffic": [
            {
                "kind": one.kind,
                "id": one.id,
                "lat": one.lat,
                "lon": one.lon,
                "alt_m": one.alt_m,
                "heading": one.heading,
                "age_s": max(0.0, round(now - one.at, 1)),
            }
            for one in seen.traffic.at(now)[-TRAFFIC_MAX:]
        ],
    }


def _player(stream: LiveStream, status: GroundStatus) -> str:
    """A line that plays this lane in another program; empty if its ground sends it to no port of this computer."""
    players = status.of_use(Use.PLAYER)
    place = _PLAYERS[stream.lane]
    port = players[place].endpoint.rpartition(":")[2] if place < len(players) else ""
    name = _RTP_NAMES.get(stream.video.codec)
    if not port.isdecimal() or name is None:
        return ""
    if stream.video.is_transport_stream:
        return f"ffplay -fflags nobuffer udp://127.0.0.1:{port}"
    return _RTP_PLAYER.format(port=port, name=name)
