"""Aircraft: what the frames of one aircraft say, for a screen and for other systems. It knows how old each value is.

What lives here: which frames count, and what their values mean. What must not: sockets, clocks, sessions.

A frame counts if it is of the aircraft's own systems, and what only an autopilot knows if it is of the autopilot's
component. A value is read ten times a second at most: frames in between are left out unread, so that an aircraft that
sends fast, or floods, costs little.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable

from firmware_shims import heartbeat, mavlink, shim
from firmware_shims.heartbeat import Heartbeat
from gateway.view import messages
from gateway.view.messages import Fields
from gateway.view.numbers import INT32_MAX, UINT8_MAX, UINT16_MAX, angles, finite, known, place
from gateway.view.telemetry import (
    Attitude,
    Battery,
    Camera,
    Gimbal,
    Gnss,
    Position,
    Radio,
    Telemetry,
    Value,
    Vehicle,
)
from gateway.view.texts import Texts
from gateway.view.track import Track
from gateway.view.traffic import Traffic

READ_EVERY_S = 0.09
SENDERS_MAX = 256  # pairs of message and component whose last time is kept
BATTERY_OLD_S = 5.0
COURSE_FROM = 0.5  # m/s: what moves more slowly goes nowhere in particular
FIXES = ("no GNSS", "no fix", "2D", "3D", "DGPS", "RTK float", "RTK fixed", "static", "PPP")
_OWN_ADDRESS = bytes(20)  # id_or_mac of what an aircraft transmits itself
_ARMED, _NO_AUTOPILOT = 128, 8  # MAV_MODE_FLAG_SAFETY_ARMED, MAV_AUTOPILOT_INVALID
_NOT_VEHICLES = (6, 18)  # MAV_TYPE: ground station, onboard controller
_YAW_LOCK, _YAW_IN_VEHICLE, _YAW_IN_EARTH = 16, 32, 64  # GIMBAL_DEVICE_FLAGS
_ALL_SENDERS = frozenset((messages.RADIO_STATUS,))  # a radio has a system id of its own
_AUTOPILOTS = frozenset(
    (
        *(messages.SYS_STATUS, messages.SYSTEM_TIME, messages.GPS_RAW_INT, messages.ATTITUDE),
        *(messages.GLOBAL_POSITION_INT, messages.VFR_HUD, messages.BATTERY_STATUS, messages.HOME_POSITION),
    )
)
_NEIGHBOURS = frozenset((messages.ADSB_VEHICLE, messages.OPEN_DRONE_ID_BASIC_ID, messages.OPEN_DRONE_ID_LOCATION))
_EACH_COUNTS = frozenset((*_NEIGHBOURS, messages.STATUSTEXT))  # these have their own limits


class Aircraft:
    """`systems`: its MAVLink system ids; empty if they are not known, then each counts.

    `home`, `station`  where it started, and where it says that its operator is
    `garbage`          frames that are no frames, or whose checksum is wrong
    `foreign`          frames of other systems
    """

    def __init__(self, systems: Collection[int] = ()) -> None:
        self.systems = systems
        self.telemetry = Telemetry()
        self.home: Value[Position] | None = None
        self.station: Value[Position] | None = None
        self.texts, self.traffic, self.track = Texts(), Traffic(), Track()
        self.garbage = self.foreign = 0
        self._autopilot = 0  # its component
        self._read_at: dict[tuple[int, int], float] = {}  # by message and component
        self._time_us = 0

    def take(self, frame: bytes, at: float, time_us: int = 0) -> None:
        """One MAVLink frame. `at`: seconds of any clock that is not set back; `time_us`: the same as Unix time."""
        if not messages.is_whole(frame):
            self.garbage += 1
            return
        number = mavlink.message_id(frame)
        reader = _READERS.get(number)
        if reader is None:
            return
        system, component, _ = mavlink.key(frame)
        if self.systems and system not in self.systems and number not in _ALL_SENDERS:
            self.foreign += 1
            return
        if (number in _AUTOPILOTS and component != self._autopilot) or not self._may_read(number, component, at):
            return
        said = messages.fields(number, frame)
        if said is None:
            self.garbage += 1
            return
        self._time_us = time_us
        reader(self, said, at, component)

    def take_all(self, frames: Iterable[bytes], at: float, time_us: int = 0) -> None:
        for frame in frames:
            self.take(frame, at, time_us)

    def _may_read(self, number: int, component: int, at: float) -> bool:
        if number in _EACH_COUNTS:
            return number == messages.STATUSTEXT or self.traffic.allows(at)
        sender = (number, component)
        if not at - self._read_at.get(sender, float("-inf")) < READ_EVERY_S:
            if len(self._read_at) >= SENDERS_MAX:
                self._read_at.clear()
            self._read_at[sender] = at
            return True
        return False

    # --- what an autopilot says ---

    def _heartbeat(self, said: Fields, at: float, component: int) -> None:
        if said["autopilot"] == _NO_AUTOPILOT or said["type"] in _NOT_VEHICLES:
            return
        if not self._autopilot or component == heartbeat.AUTOPILOT:
            self._autopilot = component
        if component != self._autopilot:
            return
        armed = bool(said["base_mode"] & _ARMED)
        heard = Heartbeat(0, component, armed, True, said["autopilot"], said["type"], said["custom_mode"])
        firmware = shim.sender_of(heard)
        values = self.telemetry
        values.armed = Value(armed, at)
        values.mode = Value(firmware.mode(heard) if firmware else "", at)
        values.vehicle = Value(Vehicle(said["type"], firmware.NAME if firmware else ""), at)

    def _position(self, said: Fields, at: float, _: int) -> None:
        values = self.telemetry
        if (where := place(said["lat"], said["lon"])) is not None:
            values.position = Value(Position(*where, finite(said["alt"], 1000), finite(said["relative_alt"], 1000)), at)
            self.track.take(*where, self._time_us)
            north, east = said["vx"] / 100, said["vy"] / 100
            speed = math.hypot(north, east)
            values.ground_speed = Value(round(speed, 2), at)
            course = round(math.degrees(math.atan2(east, north)) % 360, 1) % 360
            values.course = Value(course, at) if speed >= COURSE_FROM else None
            values.climb = Value(-said["vz"] / 100, at)
        if (heading := known(said["hdg"], UINT16_MAX, 100)) is not None:
            values.heading = Value(heading % 360, at)

    def _hud(self, said: Fields, at: float, _: int) -> None:
        values = self.telemetry
        if (speed := finite(said["airspeed"])) is not None:
            values.air_speed = Value(speed, at)
        if (speed := finite(said["groundspeed"])) is not None:
            values.ground_speed = Value(speed, at)
        if (climb := finite(said["climb"])) is not None:
            values.climb = Value(climb, at)

    def _attitude(self, said: Fields, at: float, _: int) -> None:
        turned = [said[name] for name in ("roll", "pitch", "yaw")]
        if all(abs(angle) <= 2 * math.pi for angle in turned):  # NaN is not
            self.telemetry.attitude = Value(Attitude(*(round(math.degrees(angle), 1) for angle in turned)), at)

    def _power(self, said: Fields, at: float, _: int) -> None:
        volt = known(said["voltage_battery"], UINT16_MAX, 1000)
        ampere, percent = known(said["current_battery"], -1, 100), said["battery_remaining"]
        if volt or percent >= 0:
            self.telemetry.battery = Value(Battery(volt, ampere, _percent(percent)), at)

    def _battery(self, said: Fields, at: float, _: int) -> None:
        """Of an autopilot that says nothing of its battery in SYS_STATUS."""
        known_already = self.telemetry.battery
        if said["id"] or (known_already and at - known_already.at < BATTERY_OLD_S):
            return
        cells = [cell for cell in said["voltages"] if cell != UINT16_MAX]
        volt = round(sum(cells) / 1000, 2) if cells else None
        ampere = known(said["current_battery"], -1, 100)
        self.telemetry.battery = Value(Battery(volt, ampere, _percent(said["battery_remaining"])), at)

    def _gnss(self, said: Fields, at: float, _: int) -> None:
        fix, seen = said["fix_type"], said["satellites_visible"]
        text = FIXES[fix] if fix < len(FIXES) else f"fix {fix}"
        hdop = known(said["eph"], UINT16_MAX, 100)
        # 0 is "not sent": the field is newer than the message, and who does not know it leaves it out.
        ellipsoid = finite(said["alt_ellipsoid"], 1000) if said["alt_ellipsoid"] else None
        self.telemetry.gnss = Value(Gnss(fix, text, None if seen == UINT8_MAX else seen, hdop, ellipsoid), at)

    def _clock(self, said: Fields, at: float, _: int) -> None:
        if 0 < said["time_unix_usec"] < 1 << 53:  # a number that a browser can count with
            self.telemetry.utc_us = Value(said["time_unix_usec"], at)

    def _home(self, said: Fields, at: float, _: int) -> None:
        if (where := place(said["latitude"], said["longitude"])) is not None:
            self.home = Value(Position(*where, finite(said["altitude"], 1000)), at)

    # --- what others say ---

    def _radio(self, said: Fields, at: float, _: int) -> None:
        strengths = (said[name] for name in ("rssi", "remrssi", "noise", "remnoise"))
        rssi, remote, noise, remote_noise = (None if value == UINT8_MAX else value for value in strengths)
        self.telemetry.radio = Value(Radio(rssi, remote, noise, remote_noise, said["rxerrors"]), at)

    def _mount(self, said: Fields, at: float, _: int) -> None:
        pitch, roll, yaw = (finite(said[f"pointing_{axis}"], 100, 1) for axis in "abc")
        if pitch is not None and roll is not None and yaw is not None and max(map(abs, (pitch, roll, yaw))) <= 360:  # noqa: PLR2004
            self.telemetry.gimbal = Value(Gimbal(roll, pitch, yaw, yaw_is_absolute=False), at)

    def _gimbal(self, said: Fields, at: float, _: int) -> None:
        flags = said["flags"]
        from_north = bool(flags & (_YAW_IN_EARTH if flags & (_YAW_IN_VEHICLE | _YAW_IN_EARTH) else _YAW_LOCK))
        if (turned := angles(*said["q"])) is not None:
            self.telemetry.gimbal = Value(Gimbal(*turned, yaw_is_absolute=from_north), at)

    def _camera(self, said: Fields, at: float, _: int) -> None:
        where = None if INT32_MAX in (said["lat_image"], said["lon_image"]) else place(said["lat_image"], said["lon_image"])
        alt = None if where is None or said["alt_image"] == INT32_MAX else finite(said["alt_image"], 1000)
        views = (angle if 0 < angle < 360 else None for angle in (said["hfov"], said["vfov"]))  # noqa: PLR2004
        hfov, vfov = (None if angle is None else round(angle, 1) for angle in views)
        lat, lon = where or (None, None)
        self.telemetry.camera = Value(Camera(hfov, vfov, lat, lon, alt), at)

    def _text(self, said: Fields, at: float, component: int) -> None:
        part = said["id"], said["chunk_seq"]
        self.texts.take(component, said["severity"], said["text"], part, at, self._time_us)

    def _adsb(self, said: Fields, at: float, _: int) -> None:
        self.traffic.adsb(said, at)

    def _remote_name(self, said: Fields, _at: float, _: int) -> None:
        self.traffic.remote_name(said)

    def _remote_place(self, said: Fields, at: float, _: int) -> None:
        if bytes(said["id_or_mac"]) != _OWN_ADDRESS:
            self.traffic.remote_place(said, at)

    def _operator(self, said: Fields, at: float, _: int) -> None:
        where = place(said["operator_latitude"], said["operator_longitude"])
        if where is not None and bytes(said["id_or_mac"]) == _OWN_ADDRESS:
            self.station = Value(Position(*where), at)


def _percent(value: int) -> int | None:
    return value if 0 <= value <= 100 else None  # noqa: PLR2004


_READERS: dict[int, Callable[[Aircraft, Fields, float, int], None]] = {
    messages.HEARTBEAT: Aircraft._heartbeat,
    messages.SYS_STATUS: Aircraft._power,
    messages.SYSTEM_TIME: Aircraft._clock,
    messages.GPS_RAW_INT: Aircraft._gnss,
    messages.ATTITUDE: Aircraft._attitude,
    messages.GLOBAL_POSITION_INT: Aircraft._position,
    messages.VFR_HUD: Aircraft._hud,
    messages.RADIO_STATUS: Aircraft._radio,
    messages.BATTERY_STATUS: Aircraft._battery,
    messages.MOUNT_STATUS: Aircraft._mount,
    messages.HOME_POSITION: Aircraft._home,
    messages.ADSB_VEHICLE: Aircraft._adsb,
    messages.STATUSTEXT: Aircraft._text,
    messages.CAMERA_FOV_STATUS: Aircraft._camera,
    messages.GIMBAL_DEVICE_ATTITUDE_STATUS: Aircraft._gimbal,
    messages.OPEN_DRONE_ID_BASIC_ID: Aircraft._remote_name,
    messages.OPEN_DRONE_ID_LOCATION: Aircraft._remote_place,
    messages.OPEN_DRONE_ID_SYSTEM: Aircraft._operator,
}
