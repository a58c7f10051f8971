"""MSP session: a flight controller that is asked by MSP, as MAVLink 2 of this aircraft's autopilot. Sans-IO.

    requests   what to send now: which firmware is it, and then what that firmware is asked (msp_polls.py)
    receive    bytes from the line become replies (msp.py), values (the firmware's file) and messages

A message is made only when a reply comes, so nothing is repeated while the flight controller is silent, the heartbeat
included. What a message takes from another reply must be fresh (msp_polls.py), or the message is not made. Unknown is NaN
in a float; MSP has no turn rates and no throttle, which are 0, as in the MAVLink that Betaflight itself sends.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from typing import cast

from firmware_shims import heartbeat, msp, msp_values, statustext
from firmware_shims.definitions import NUMBER_OF
from firmware_shims.msp_polls import Polls
from firmware_shims.msp_values import (
    ALTITUDE,
    ATTITUDE,
    BOXIDS,
    FC_VARIANT,
    FC_VERSION,
    RAW_GPS,
    Altitude,
    Attitude,
    Position,
    Power,
    Status,
)
from firmware_shims.sender import Sender
from firmware_shims.shim import BY_VARIANT, MspShim

RATES = {"ATTITUDE": 20.0, "GLOBAL_POSITION_INT": 5.0, "GPS_RAW_INT": 5.0, "VFR_HUD": 5.0, "SYS_STATUS": 2.0}
RATE_MAX = 50.0
STATUS_PER_S, BOXIDS_PER_S, WHO_PER_S = 5.0, 0.2, 1.0
HEARTBEAT_EVERY_S = 1.0
EARLY = 0.25  # of its time: an answer that comes a little early is not left out
_MANUAL_INPUT, _STABILIZE, _ARMED = 64, 16, 128  # MAV_MODE_FLAG; not CUSTOM_MODE: there are no numbers of modes
_STANDBY, _ACTIVE = 3, 4  # MAV_STATE
_UNKNOWN = 65_535
_FORM = {
    "HEARTBEAT": "<IBBBBB",
    "ATTITUDE": "<I6f",
    "GPS_RAW_INT": "<QiiiHHHHBB",
    "GLOBAL_POSITION_INT": "<IiiiihhhH",
    "SYS_STATUS": "<IIIHHhHHHHHHb",
    "VFR_HUD": "<ffffhH",
}


class MspSession:
    """`rates`: messages of RATES, and how often a second they are wanted.

    `firmware`  what it is, once known
    `variant`   four letters by which it names itself; nothing is made of what an unknown one says
    `unread`    replies whose payload did not fit its layout
    `notes`     sentences for the log; the caller takes them out
    """

    def __init__(self, system: int, rates: Mapping[str, float]) -> None:
        self._sender = Sender(system, heartbeat.AUTOPILOT)
        self._rates = {**RATES, **rates}
        self._parser = msp.Parser()
        self.unread = 0
        self.notes: list[str] = []
        self.begin()

    def begin(self) -> None:
        """The line was opened: whatever is at its other end is asked who it is, and what was heard before is forgotten."""
        self._parser.reset()
        self.variant, self.firmware = "", None
        self._polls = Polls({FC_VARIANT: WHO_PER_S, FC_VERSION: WHO_PER_S})
        self._values: dict[type, tuple[int, msp_values.Values]] = {}
        self._boxes: bytes = b""
        self._mode: frozenset[int] | None = None
        self._heartbeat_at = self._began = -math.inf
        self._next: dict[str, float] = {}  # of messages that share an answer with others: when each is wanted again

    firmware: MspShim | None
    variant: str

    @property
    def skipped_bytes(self) -> int:
        return self._parser.skipped_bytes

    # --- asking ---

    def requests(self, now: float) -> list[bytes]:
        return [msp.request(command) for command in self._polls.due(now)]

    def next_due(self) -> float:
        return self._polls.next_due()

    def _wanted(self, firmware: MspShim) -> dict[int, float]:
        rate = self._rates
        place = max(rate["GPS_RAW_INT"], rate["GLOBAL_POSITION_INT"])
        return {
            ATTITUDE: rate["ATTITUDE"],
            RAW_GPS: place,
            ALTITUDE: max(rate["VFR_HUD"], rate["GLOBAL_POSITION_INT"]),
            firmware.STATUS: STATUS_PER_S,
            firmware.POWER: rate["SYS_STATUS"],
            BOXIDS: BOXIDS_PER_S,
        }

    # --- hearing ---

    def receive(self, data: bytes | memoryview, now: float) -> list[bytes]:
        """The messages that the next bytes give rise to."""
        return [frame for reply in self._parser.feed(data) for frame in self._heard(reply, now)]

    def _heard(self, reply: msp.Reply, now: float) -> list[bytes]:
        if not self._polls.answer(reply.command, now, refused=reply.refused) or reply.refused:
            return []
        try:
            if self.firmware is None:
                return self._introduced(reply, now)
            return self._told(self.firmware, reply, now)
        except ValueError:
            self.unread += 1
            return []

    def _introduced(self, reply: msp.Reply, now: float) -> list[bytes]:
        if reply.command == FC_VARIANT:
            (name,) = msp_values.read("<4s", reply.payload)
            if (variant := name.decode("latin-1")) != self.variant:
                self.variant = variant
                if variant not in BY_VARIANT:
                    read = ", ".join(BY_VARIANT)
                    self.notes.append(f"the flight controller calls itself {variant!r} by MSP: only {read} are read")
        elif self.variant in BY_VARIANT:
            version = ".".join(map(str, msp_values.read("<BBB", reply.payload)))
            self.firmware, self._began = BY_VARIANT[self.variant], now
            self._polls.adopt(self._wanted(self.firmware))
            return [self._says(f"{self.firmware.NAME} {version}, read by MSP")]
        return []

    def _told(self, firmware: MspShim, reply: msp.Reply, now: float) -> list[bytes]:
        command, payload = reply.command, reply.payload
        if command == BOXIDS:
            self._boxes = payload
            return []
        handlers: dict[int, tuple[Callable[[bytes], msp_values.Values], Callable[[float], list[bytes]]]] = {
            ATTITUDE: (msp_values.attitude, self._attitude),
            ALTITUDE: (msp_values.altitude, self._vfr_hud),
            RAW_GPS: (firmware.position, self._position),
            firmware.STATUS: (firmware.status, lambda now: self._status(firmware, now)),
            firmware.POWER: (firmware.power, self._power),
        }
        read, make = handlers[command]
        value = read(payload)
        self._values[type(value)] = command, value
        return make(now)

    def _fresh(self, kind: type) -> msp_values.Values | None:
        command, value = self._values.get(kind, (0, None))
        return value if self._polls.fresh(command) else None

    def _is_wanted(self, name: str, now: float) -> bool:
        """Whether a message is wanted now that shares its answer with one that is wanted more often."""
        every_s = 1 / self._rates[name]
        at = self._next.get(name, -math.inf)
        if now < at - EARLY * every_s:
            return False
        self._next[name] = max(at, now - every_s) + every_s
        return True

    # --- messages ---

    def _message(self, name: str, *content: float) -> bytes:
        return self._sender.frame(NUMBER_OF[name], struct.pack(_FORM[name], *content))

    def _says(self, text: str) -> bytes:
        content = statustext.payload(statustext.NOTICE, text[: statustext.TEXT_MAX])
        return self._sender.frame(statustext.NUMBER, content)

    def _since_ms(self, now: float) -> int:
        """Since this session began: MSP does not say when the flight controller was started."""
        return int((now - self._began) * 1000) & 0xFFFFFFFF

    def _attitude(self, now: float) -> list[bytes]:
        said = cast("Attitude", self._fresh(Attitude))
        yaw = said.yaw - 2 * math.pi if said.yaw > math.pi else said.yaw
        return [self._message("ATTITUDE", self._since_ms(now), said.roll, said.pitch, yaw, 0, 0, 0)]

    def _position(self, now: float) -> list[bytes]:
        said = cast("Position", self._fresh(Position))
        since_ms, above_sea = self._since_ms(now), said.altitude * 1000
        place = said.latitude, said.longitude, above_sea
        raw = (*(_UNKNOWN, _UNKNOWN), *(said.speed, said.course, said.fix, said.satellites))
        made: list[bytes] = []
        if self._is_wanted("GPS_RAW_INT", now):
            made.append(self._message("GPS_RAW_INT", since_ms * 1000, *place, *raw))
        height = cast("Altitude | None", self._fresh(Altitude))
        if said.known and height is not None and self._is_wanted("GLOBAL_POSITION_INT", now):
            course = math.radians(said.course / 100)
            north, east = _int16(said.speed * math.cos(course)), _int16(said.speed * math.sin(course))
            attitude = cast("Attitude | None", self._fresh(Attitude))
            heading = _UNKNOWN if attitude is None else _degrees(attitude.yaw) * 100
            above_start, down = _int32(height.height * 1000), _int16(-height.climb * 100)
            moving = above_start, north, east, down, heading
            made.append(self._message("GLOBAL_POSITION_INT", since_ms, *place, *moving))
        return made

    def _vfr_hud(self, now: float) -> list[bytes]:
        height = cast("Altitude", self._fresh(Altitude))
        attitude, place = cast("Attitude | None", self._fresh(Attitude)), cast("Position | None", self._fresh(Position))
        if attitude is None or not self._is_wanted("VFR_HUD", now):
            return []
        with_place = place is not None and place.known
        speed, above_sea = (place.speed / 100, float(place.altitude)) if place and with_place else (math.nan, height.height)
        return [self._message("VFR_HUD", math.nan, speed, above_sea, height.climb, _degrees(attitude.yaw), 0)]

    def _power(self, now: float) -> list[bytes]:  # noqa: ARG002 - as the others
        said, status = cast("Power", self._fresh(Power)), cast("Status | None", self._fresh(Status))
        there, healthy, load = (status.there, status.healthy, status.load) if status else (0, 0, 0)
        battery = min(said.voltage, _UNKNOWN), _int16(said.current)
        return [self._message("SYS_STATUS", there, there, healthy, load, *battery, *(0,) * 6, said.percent)]

    def _status(self, firmware: MspShim, now: float) -> list[bytes]:
        """Without BOXIDS it is not known which flag means armed, so there is no heartbeat."""
        if not self._boxes:
            return []
        said = cast("Status", self._fresh(Status))
        active = frozenset(box for place, box in enumerate(self._boxes) if said.boxes >> place & 1)
        made: list[bytes] = []
        if now >= self._heartbeat_at:
            self._heartbeat_at = now + HEARTBEAT_EVERY_S * (1 - 0.5 / STATUS_PER_S)
            armed = msp_values.ARM in active
            base = _MANUAL_INPUT | _STABILIZE * bool(active & firmware.STABILIZED) | _ARMED * armed
            state = _ACTIVE if armed else _STANDBY
            made.append(self._message("HEARTBEAT", 0, firmware.VEHICLE, heartbeat.GENERIC, base, state, 3))
        shown = active & {msp_values.ARM, *firmware.MODES}
        if shown != self._mode:
            names = [firmware.MODES[box] for box in sorted(shown & firmware.MODES.keys())]
            armed_text = "armed" if msp_values.ARM in shown else "disarmed"
            made.append(self._says(", ".join([armed_text, *names])))
            self._mode = shown
        return made


def _int16(value: float) -> int:
    return max(-32_768, min(32_767, round(value)))


def _int32(value: float) -> int:
    return max(-(2**31), min(2**31 - 1, round(value)))


def _degrees(radians: float) -> int:
    return round(math.degrees(radians)) % 360
