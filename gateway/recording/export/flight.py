"""Flight: the telemetry log, the track and the events out of flight.pcap."""

from __future__ import annotations

import json
import struct
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from firmware_shims import mavlink, tlog
from gateway.recording.export import pcap_file, track
from gateway.recording.export.parts import Parts
from gateway.recording.export.track import Gpx, Kml, Position
from gateway.recording.export.wall_clock import WallClock, plausible
from gateway.recording.group import Port
from gateway.recording.pcap import Record

SYSTEM_TIME = 2
_UNIX_US = struct.Struct("<Q")
EACH_NS = 200_000_000  # subtitles need no more positions than these


@dataclass
class Flight:
    """What was found: numbers, and the positions for subtitles."""

    frames: int = 0
    commands: int = 0
    stripped: int = 0
    events: int = 0
    damaged: int = 0
    points: int = 0
    other_points: int = 0  # of other senders than the first
    positions: list[Position] = field(default_factory=list)


def of_autopilot(path: Path) -> tuple[int, int] | None:
    """(microseconds of the session, UTC in microseconds), as the flight controller said first."""
    for record in pcap_file.records(path):
        if (
            record.port == Port.TELEMETRY
            and _is_frame(record.content)
            and mavlink.message_id(record.content) == SYSTEM_TIME
        ):
            (utc_us,) = _UNIX_US.unpack(mavlink.payload(record.content)[: _UNIX_US.size].ljust(_UNIX_US.size, b"\0"))
            if plausible(utc_us):
                return record.time_ns // 1000, utc_us
    return None


class FlightWriter:
    """Of one export: `add` each record of flight.pcap, in its sequence."""

    def __init__(self, stack: ExitStack, parts: Parts, clock: WallClock) -> None:
        self.found = Flight()
        self._clock = clock
        self._log = parts.binary(stack, "flight.tlog")
        self._events = parts.text(stack, "events.jsonl")
        self._gpx = Gpx(parts.text(stack, "track.gpx").write, clock)
        self._kml = Kml(parts.text(stack, "track.kml").write)
        self._sender: tuple[int, int] | None = None

    def add(self, record: Record) -> None:
        if record.port == Port.EVENT:
            self._event(record)
        elif _is_frame(record.content):
            self._frame(record)
        else:
            self.found.damaged += 1

    def end(self) -> Flight:
        self._gpx.end()
        self._kml.end()
        return self.found

    def _frame(self, record: Record) -> None:
        frame = mavlink.unsigned(record.content)
        self.found.frames += 1
        self.found.commands += record.port == Port.UPLINK
        self.found.stripped += len(frame) != len(record.content)
        self._log.write(tlog.entry(self._clock.stamp_us(record.time_ns), frame))
        at = track.position(record.time_ns, frame) if record.port == Port.TELEMETRY else None
        if at is not None:
            self._point(at, mavlink.key(frame)[:2])

    def _point(self, at: Position, sender: tuple[int, int]) -> None:
        self._sender = self._sender or sender
        if sender != self._sender:
            self.found.other_points += 1
            return
        self.found.points += 1
        self._gpx.add(at)
        self._kml.add(at)
        positions = self.found.positions
        if not positions or at.time_ns - positions[-1].time_ns >= EACH_NS:
            positions.append(at)

    def _event(self, record: Record) -> None:
        try:
            event = msgspec.json.decode(record.content)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            event = None
        if not isinstance(event, dict):
            self.found.damaged += 1
            return
        self.found.events += 1
        times = {"time": self._clock.iso(record.time_ns), "since_start_s": record.time_ns / 1e9}
        self._events.write(json.dumps(times | event | times) + "\n")


def _is_frame(content: bytes) -> bool:
    return content[:1] in (b"\xfd", b"\xfe") and mavlink.frame_size(content, 0) == len(content)
