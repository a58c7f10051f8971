"""What the frames of an aircraft say: a recorded flight, each message by its values, and what no frame can do."""

from __future__ import annotations

import itertools
import json
import lzma
import math
import random
from typing import Any

import msgspec
import pytest
from pymavlink.dialects.v20 import ardupilotmega as dialect

from firmware_shims import tlog
from gateway.demo.flight import LOG
from gateway.view import messages, texts, track, traffic
from gateway.view.aircraft import Aircraft
from gateway.view.telemetry import Attitude, Battery, Camera, Gimbal, Gnss, Position, Radio
from gateway.view.texts import Texts
from gateway.view.track import Track

FLOWN = [*tlog.frames(lzma.decompress(LOG.read_bytes()))]
NUMBERS = [*messages.FORMS]


def frame(name: str, *, system: int = 1, component: int = 1, **values: Any) -> bytes:
    kind = getattr(dialect, f"MAVLink_{name.lower()}_message")
    filled = {field: values.get(field, _nothing(kind, place)) for place, field in enumerate(kind.fieldnames)}
    line = dialect.MAVLink(None, srcSystem=system, srcComponent=component)
    return bytes(kind(**filled).pack(line))


def _nothing(kind: Any, place: int) -> Any:
    length = kind.array_lengths[kind.orders[place]]
    if kind.fieldtypes[place] == "char":
        return b""
    return [0] * length if length else 0


def heartbeat(**values: Any) -> bytes:
    copter = {"type": 2, "autopilot": 3, "base_mode": 81, "custom_mode": 5}
    return frame("heartbeat", **{**copter, **values})


def after(*frames: bytes, systems: tuple[int, ...] = (1,), begun: bool = True) -> Aircraft:
    aircraft = Aircraft(systems)
    for place, data in enumerate([heartbeat(), *frames] if begun else frames):
        aircraft.take(data, 10.0 + place, 1_000_000 * place)
    return aircraft


def test_a_recorded_flight_ends_with_what_its_log_says():
    aircraft, decoder = Aircraft((4,)), dialect.MAVLink(None)
    last: dict[str, Any] = {}
    for at, data in FLOWN:
        aircraft.take(data, at, round(at * 1e6))
        message = decoder.decode(bytearray(data))
        last[message.get_type()] = message
    now, values, place = FLOWN[-1][0], aircraft.telemetry, last["GLOBAL_POSITION_INT"]
    assert values.position
    assert values.battery
    assert values.gnss
    assert values.mode
    assert values.armed
    assert values.heading
    assert now - values.position.at < 0.5
    assert abs(values.position.v.lat - place.lat / 1e7) < 1e-4
    assert abs((values.position.v.height_m or 0) - place.relative_alt / 1000) < 1
    assert values.battery.v.volt == pytest.approx(last["SYS_STATUS"].voltage_battery / 1000, abs=0.2)
    gnss = last["GPS_RAW_INT"]
    ellipsoid = gnss.alt_ellipsoid / 1000
    assert values.gnss.v == Gnss(6, "RTK fixed", gnss.satellites_visible, gnss.eph / 100, ellipsoid)
    assert aircraft.home
    assert aircraft.home.v.lat == last["HOME_POSITION"].latitude / 1e7
    assert values.mode.v in {"GUIDED", "AUTO", "LOITER", "RTL", "LAND", "STABILIZE"}
    assert [line.text for line in aircraft.texts.lines]
    assert (aircraft.garbage, aircraft.foreign) == (0, 0)
    assert len(aircraft.track.points) > 10
    assert all(b.time_us - a.time_us >= 1e6 for a, b in itertools.pairwise(aircraft.track.points))


@pytest.mark.parametrize("number", NUMBERS)
def test_each_message_is_unpacked_as_pymavlink_does(number: int):
    kind, rng = dialect.mavlink_map[number], random.Random(number)
    payload = rng.randbytes(kind.unpacker.size)
    line = dialect.MAVLink(None, srcSystem=1, srcComponent=1)
    head = bytes([0xFD, len(payload), 0, 0, 0, 1, 1]) + number.to_bytes(3, "little")
    crc = dialect.x25crc(head[1:] + payload + bytes([kind.crc_extra])).crc
    whole = head + payload + crc.to_bytes(2, "little")
    theirs, ours = line.decode(bytearray(whole)).to_dict(), messages.fields(number, whole)
    assert ours is not None
    for name, value in ours.items():
        if isinstance(value, bytes):
            assert value.split(b"\0")[0].decode("latin-1") == theirs[name].split("\0")[0] or not value.isascii()
        else:
            assert str(list(value) if isinstance(value, tuple) else value) == str(theirs[name]), name


VALUES: list[tuple[bytes, str, Any]] = [
    (frame("global_position_int", lat=521234567, lon=43456789, alt=120_100, relative_alt=80_000, hdg=65535),
     "position", Position(52.1234567, 4.3456789, 120.1, 80.0)),
    (frame("global_position_int", lat=1, lon=1, hdg=36_000), "heading", 0.0),
    (frame("global_position_int", lat=1, lon=1, vx=300, vy=400), "ground_speed", 5.0),
    (frame("vfr_hud", climb=-1.5, airspeed=math.nan), "climb", -1.5),
    (frame("attitude", roll=math.pi / 6, pitch=0.0, yaw=-math.pi), "attitude", Attitude(30.0, 0.0, -180.0)),
    (frame("sys_status", voltage_battery=15_100, current_battery=1234, battery_remaining=55),
     "battery", Battery(15.1, 12.34, 55)),
    (frame("sys_status", voltage_battery=65_535, current_battery=-1, battery_remaining=55),
     "battery", Battery(None, None, 55)),
    (frame("battery_status", voltages=[4100, 4100, *[65_535] * 8], current_battery=-1, battery_remaining=-1),
     "battery", Battery(8.2, None, None)),
    (frame("gps_raw_int", fix_type=3, satellites_visible=255, eph=65_535), "gnss", Gnss(3, "3D", None, None)),
    (frame("gps_raw_int", fix_type=77, satellites_visible=9, eph=120), "gnss", Gnss(77, "fix 77", 9, 1.2)),
    (frame("radio_status", system=51, component=68, rssi=180, remrssi=255, rxerrors=3),
     "radio", Radio(180, None, 0, 0, 3)),
    (frame("mount_status", component=154, pointing_a=-9000, pointing_c=4500),
     "gimbal", Gimbal(0.0, -90.0, 45.0, yaw_is_absolute=False)),
    (frame("gimbal_device_attitude_status", component=154, flags=64, q=[math.sqrt(0.5), 0.0, -math.sqrt(0.5), 0.0]),
     "gimbal", Gimbal(0.0, -90.0, 0.0, yaw_is_absolute=True)),
    (frame("gimbal_device_attitude_status", flags=16, q=[1.0, 0, 0, 0]), "gimbal", Gimbal(0, 0, 0, yaw_is_absolute=True)),
    (frame("gimbal_device_attitude_status", flags=48, q=[1.0, 0, 0, 0]), "gimbal", Gimbal(0, 0, 0, yaw_is_absolute=False)),
    (frame("camera_fov_status", component=100, hfov=60.0, vfov=math.nan, lat_image=(1 << 31) - 1),
     "camera", Camera(60.0, None, None, None, None)),
    (frame("camera_fov_status", hfov=60.0, vfov=40.0, lat_image=520000000, lon_image=40000000, alt_image=2000),
     "camera", Camera(60.0, 40.0, 52.0, 4.0, 2.0)),
    (frame("system_time", time_unix_usec=1_790_000_000_000_000), "utc_us", 1_790_000_000_000_000),
    (heartbeat(), "mode", "LOITER"),
    (heartbeat(autopilot=12, custom_mode=3 << 24 | 4 << 16), "mode", "LOITER"),
    (heartbeat(autopilot=0), "mode", ""),
    (heartbeat(base_mode=209), "armed", True),
]  # fmt: skip


@pytest.mark.parametrize(("data", "name", "wanted"), VALUES)
def test_values(data: bytes, name: str, wanted: Any):
    aircraft = after(data)
    found = getattr(aircraft.telemetry, name)
    assert (found.v, found.at) == (wanted, 11.0)


NOTHING = [
    ("position", frame("global_position_int", lat=0, lon=0)),
    ("position", frame("global_position_int", lat=910000000, lon=1)),
    ("heading", frame("global_position_int", lat=1, lon=1, hdg=65_535)),
    ("air_speed", frame("vfr_hud", airspeed=math.nan)),
    ("ground_speed", frame("vfr_hud", groundspeed=math.inf)),
    ("climb", frame("vfr_hud", climb=1e30)),
    ("attitude", frame("attitude", roll=math.nan)),
    ("attitude", frame("attitude", yaw=-math.inf)),
    ("attitude", frame("attitude", yaw=1e9)),
    ("gimbal", frame("gimbal_device_attitude_status", q=[math.nan, 0, 0, 0])),
    ("gimbal", frame("gimbal_device_attitude_status", q=[1e30, 1e30, 0, 0])),
    ("gimbal", frame("mount_status", pointing_a=1_000_000)),
    ("battery", frame("sys_status", voltage_battery=65_535, battery_remaining=-1)),
    ("utc_us", frame("system_time", time_unix_usec=0)),
    ("utc_us", frame("system_time", time_unix_usec=(1 << 64) - 1)),
]


@pytest.mark.parametrize(("name", "data"), NOTHING)
def test_what_is_not_known_or_no_number_is_no_value(name: str, data: bytes):
    assert getattr(after(data).telemetry, name) is None


@pytest.mark.parametrize("number", NUMBERS)
def test_whatever_a_message_holds_json_can_say_it(number: int):
    rng, form = random.Random(number), dialect.mavlink_map[number]
    aircraft = after()
    for place in range(300):
        payload = rng.choice([rng.randbytes, lambda n: b"\xff" * n, lambda n: b"\x7f" * n, bytes])(form.unpacker.size)
        head = bytes([0xFD, len(payload), 0, 0, 0, 1, 1]) + number.to_bytes(3, "little")
        crc = dialect.x25crc(head[1:] + payload + bytes([form.crc_extra])).crc
        aircraft.take(head + payload + crc.to_bytes(2, "little"), 20.0 + place, place)
    said = msgspec.to_builtins((aircraft.telemetry, [*aircraft.texts.lines], aircraft.traffic.at(320.0), aircraft.home))
    json.dumps(said, allow_nan=False)
    assert aircraft.garbage == 0


def test_frames_of_other_systems_do_not_count_but_those_of_its_radio():
    aircraft = after(frame("vfr_hud", system=2, climb=1.0), frame("radio_status", system=51, rssi=3))
    assert aircraft.telemetry.climb is None
    assert aircraft.telemetry.radio
    assert aircraft.foreign == 1
    assert after(frame("vfr_hud", climb=1.0), systems=()).telemetry.climb


def test_only_the_autopilot_says_what_an_autopilot_knows():
    assert after(frame("vfr_hud", climb=1.0), begun=False).telemetry.climb is None
    assert after(frame("vfr_hud", component=191, climb=1.0)).telemetry.climb is None
    other = after(heartbeat(component=200), frame("vfr_hud", component=200, climb=1.0), begun=False)
    assert other.telemetry.climb
    calls_itself_one = after(heartbeat(component=154, base_mode=209, type=26))
    assert calls_itself_one.telemetry.armed
    assert calls_itself_one.telemetry.armed.v is False
    assert after(heartbeat(component=191, autopilot=8, type=18), begun=False).telemetry.armed is None


def test_what_is_no_frame_is_counted():
    whole = heartbeat()
    aircraft = after(b"", b"\xfd", whole[:-1], whole + b"\0", whole[:-1] + bytes([whole[-1] ^ 1]), begun=False)
    assert aircraft.garbage == 5
    assert aircraft.telemetry.armed is None


def test_a_value_is_read_ten_times_a_second_at_most():
    aircraft = after()
    for place in range(1000):
        aircraft.take(frame("vfr_hud", climb=float(place)), 20 + 0.001 * place)
    assert aircraft.telemetry.climb
    assert aircraft.telemetry.climb.v in range(900, 1000)
    assert aircraft.telemetry.climb.at >= 20.9


def test_another_component_in_each_frame_costs_no_memory():
    aircraft = after()
    for number, component in itertools.product(NUMBERS, range(256)):
        message = dialect.mavlink_map[number].msgname
        aircraft.take(frame(message, component=component), 20.0)
        assert len(aircraft._read_at) <= 256


# --- texts ---


def chunks(text: bytes, number: int) -> list[bytes]:
    parts = [text[at : at + 50] for at in range(0, len(text) + 1, 50)]
    return [frame("statustext", severity=2, text=part, id=number, chunk_seq=n) for n, part in enumerate(parts)]


def test_a_line_that_comes_in_chunks_is_one_line():
    whole = b"the quick brown fox " * 7
    assert [line.text for line in after(*chunks(whole, 9)).texts.lines] == [whole.decode().strip()]
    interleaved = [one for pair in zip(chunks(whole, 9), chunks(whole.upper(), 8), strict=True) for one in pair]
    assert len(after(*interleaved).texts.lines) == 2


def test_a_line_of_which_the_end_is_lost_is_shown_after_a_while():
    aircraft = after(*chunks(b"x" * 120, 9)[:2])
    assert not aircraft.texts.lines
    aircraft.texts.tick(12.5)
    assert not aircraft.texts.lines
    aircraft.texts.tick(15.0)
    assert [line.text for line in aircraft.texts.lines] == ["x" * 100]


def test_a_line_is_text_in_one_line_whatever_it_holds():
    (line,) = after(frame("statustext", severity=200, text=b"\x1b[2J<b>\xe2\x80\xae\n\x07\xff")).texts.lines
    assert line.text == "\\x1b[2J<b>\\u202e\\n\\x07\ufffd"
    assert line.severity == 7
    assert line.time_us == 1_000_000


def test_a_flood_of_texts_is_bounded_and_counted():
    aircraft, count = after(), 20_000  # a megabyte
    for place in range(count):
        aircraft.take(frame("statustext", text=b"%050d" % place, id=place % 65_536), 20 + place * 1e-4)
    assert len(aircraft.texts.lines) <= texts.KEPT
    assert len(aircraft.texts._unfinished) <= texts.UNFINISHED_MAX
    assert aircraft.texts.dropped >= count - texts.AT_ONCE - 3 * texts.PER_S
    aircraft.take(frame("statustext", text=b"later"), 30.0)
    assert aircraft.texts.lines[-1].text == "later"


def test_a_line_has_an_end():
    lines = Texts()
    for place in range(200):
        lines.take(1, 0, b"y" * 50, (7, place % 256), float(place), 0)
    lines.tick(1000.0)
    assert {len(line.text) for line in lines.lines} == {texts.TEXT_MAX}


# --- traffic ---


def adsb(address: int = 0x4841AA, **values: Any) -> bytes:
    good = {"lat": 520000000, "lon": 40000000, "altitude": 1_000_000, "heading": 9000, "callsign": b"KLM123", "flags": 31}
    return frame("adsb_vehicle", ICAO_address=address, **{**good, **values})


def test_other_aircraft_by_adsb():
    (one,) = after(adsb()).traffic.at(12.0)
    assert (one.kind, one.id, one.lat, one.lon, one.alt_m, one.heading, one.at) == ("adsb", "KLM123", 52, 4, 1000, 90, 11)
    (bare,) = after(adsb(flags=1)).traffic.at(12.0)
    assert (bare.id, bare.alt_m, bare.heading) == ("4841aa", None, None)
    assert after(adsb(flags=30)).traffic.at(12.0) == []
    assert after(adsb(lat=0, lon=0)).traffic.at(12.0) == []
    assert after(adsb()).traffic.at(72.0) == []


def test_other_aircraft_by_remote_identification():
    address = [1] * 20
    name = frame("open_drone_id_basic_id", id_or_mac=address, uas_id=[*b"NLD-<x>", *[0] * 13])
    where = frame(
        "open_drone_id_location", id_or_mac=address, latitude=1, longitude=2, altitude_geodetic=-1000.0, direction=36_100
    )
    (one,) = after(name, where).traffic.at(13.0)
    assert (one.kind, one.id, one.alt_m, one.heading) == ("remote_id", "NLD-<x>", None, None)


def test_its_own_remote_identification_says_where_its_operator_is_and_is_no_traffic():
    own = frame("open_drone_id_location", latitude=1, longitude=2)
    operator = frame("open_drone_id_system", operator_latitude=520000000, operator_longitude=40000000)
    aircraft = after(own, operator)
    assert aircraft.traffic.at(13.0) == []
    assert aircraft.station
    assert (aircraft.station.v.lat, aircraft.station.v.lon) == (52.0, 4.0)


def test_ten_thousand_other_aircraft_are_bounded_and_counted():
    aircraft = after()
    for place in range(10_000):
        aircraft.take(adsb(place), 20 + place * 1e-3)
        name = frame("open_drone_id_basic_id", id_or_mac=[*place.to_bytes(2, "big"), *[1] * 18])
        aircraft.take(name, 20 + place * 1e-3)
    assert len(aircraft.traffic.at(30.0)) <= traffic.KEPT_MAX
    assert len(aircraft.traffic._names) <= traffic.KEPT_MAX
    assert aircraft.traffic.dropped >= 20_000 - traffic.AT_ONCE - 11 * traffic.PER_S


# --- track ---


def test_a_track_is_bounded_and_its_points_are_handed_out_once():
    line = Track()
    for place in range(track.KEPT + 500):
        line.take(52 + place * 1e-4, 4.0, place * 1_000_000)
    assert len(line.points) == track.KEPT
    last = line.points[-1].number
    assert line.since(last) == []
    line.take(51.9, 4.0, 10**12)
    assert [point.lat for point in line.since(last)] == [51.9]


def test_a_track_does_not_go_where_nothing_flies():
    line = Track()
    line.take(52.0, 4.0, 5_000_000)
    line.take(52.0, 4.000001, 7_000_000)
    line.take(52.0, 4.1, 5_500_000)
    assert (len(line.points), line.reset_us) == (1, 5_000_000)
    line.take(10.0, 4.0, 9_000_000)
    assert (len(line.points), line.reset_us) == (1, 9_000_000)
