"""What Betaflight and iNav say, as MAVLink that pymavlink reads. iNav's replies are vectors made from its source."""

from __future__ import annotations

import math
import random
import struct
from typing import Any

import pytest
from pymavlink.dialects.v20 import common

from firmware_shims import heartbeat, mavlink
from firmware_shims.msp_session import MspSession
from tests.hostile.mutation import mutated
from tests.msp_peer import BETAFLIGHT, INAV, MspPeer, reply

STEP_S = 0.01


class Scene:
    """A session and a flight controller that answers at once; `heard` are the messages, decoded, by name."""

    def __init__(self, says: dict[int, bytes], **rates: float) -> None:
        self.peer, self.session = MspPeer(says), MspSession(7, rates)
        self.now = 1000.0
        self.heard: dict[str, list[Any]] = {}
        self.frames: list[bytes] = []
        self._decoder = common.MAVLink(None)

    def run(self, seconds: float, *, answers: bool = True) -> None:
        until = self.now + seconds
        while self.now < until:
            replies = self.peer.take(b"".join(self.session.requests(self.now)))
            self.take(b"".join(replies) if answers else b"")
            self.now += STEP_S

    def take(self, data: bytes) -> None:
        for frame in self.session.receive(data, self.now):
            message = self._decoder.decode(bytearray(frame))
            assert (message.get_srcSystem(), message.get_srcComponent()) == (7, 1)
            self.heard.setdefault(message.get_type(), []).append(message)
            self.frames.append(frame)

    def last(self, name: str) -> Any:
        return self.heard[name][-1]


def test_betaflight():
    scene = Scene(BETAFLIGHT)
    scene.run(10)
    assert [text.text for text in scene.heard["STATUSTEXT"]] == ["Betaflight 4.6.0, read by MSP", "armed, ANGLE"]
    counts = {name: len(messages) for name, messages in scene.heard.items()}
    assert counts.pop("HEARTBEAT") in (10, 11)
    assert counts.pop("ATTITUDE") in range(195, 203)
    assert all(counts[name] in range(48, 53) for name in ("GPS_RAW_INT", "GLOBAL_POSITION_INT", "VFR_HUD"))
    attitude = scene.last("ATTITUDE")
    assert math.degrees(attitude.roll) == pytest.approx(20)
    assert math.degrees(attitude.pitch) == pytest.approx(10.5)  # MSP's pitch is positive with the nose down
    assert math.degrees(attitude.yaw) == pytest.approx(-89)
    gps = scene.last("GPS_RAW_INT")
    assert (gps.fix_type, gps.satellites_visible) == (3, 11)
    assert (gps.lat, gps.lon, gps.alt, gps.vel, gps.cog) == (523_702_157, 48_951_679, -3000, 540, 9000)
    assert (gps.eph, gps.epv) == (65_535, 65_535)
    place = scene.last("GLOBAL_POSITION_INT")
    assert (place.lat, place.lon, place.alt, place.relative_alt) == (523_702_157, 48_951_679, -3000, 123_450)
    assert (place.vx, place.vy, place.vz, place.hdg) == (0, 540, 150, 27_100)
    status = scene.last("SYS_STATUS")
    assert (status.voltage_battery, status.current_battery, status.battery_remaining) == (16_180, 1234, -1)
    assert (status.onboard_control_sensors_present, status.load) == (1 | 2 | 4 | 8 | 32, 70)
    hud = scene.last("VFR_HUD")
    assert (hud.heading, hud.groundspeed, hud.alt, hud.climb) == (271, pytest.approx(5.4), -3.0, -1.5)
    assert math.isnan(hud.airspeed)


@pytest.mark.parametrize("slow", ["GPS_RAW_INT", "GLOBAL_POSITION_INT", "VFR_HUD"])
def test_messages_of_one_answer_each_at_its_own_rate(slow: str):
    rates = {"GPS_RAW_INT": 10.0, "GLOBAL_POSITION_INT": 10.0, "VFR_HUD": 10.0, slow: 0.5}
    scene = Scene(BETAFLIGHT, **rates)
    scene.run(20)
    counts = {name: len(scene.heard[name]) for name in rates}
    assert counts.pop(slow) in range(10, 13)
    assert all(count in range(195, 203) for count in counts.values())


def test_inav_by_vectors():
    scene = Scene(INAV)
    scene.run(3)
    texts = [text.text for text in scene.heard["STATUSTEXT"]]
    assert texts == ["iNav 8.0.1, read by MSP", "armed, NAV WP"]
    beat = scene.last("HEARTBEAT")
    assert (beat.type, beat.autopilot, beat.base_mode) == (0, 0, 64 | 128)
    status = scene.last("SYS_STATUS")
    assert (status.voltage_battery, status.current_battery, status.battery_remaining) == (16_180, 1234, 83)
    assert (status.onboard_control_sensors_health, status.load) == (1 | 2 | 8 | 16 | 32, 120)
    assert scene.last("GPS_RAW_INT").fix_type == 3


def test_a_heartbeat_that_the_gateway_itself_reads():
    """By it, an aircraft on the ground may be refused a start (gateway.air.standing)."""
    disarmed = {**BETAFLIGHT, 150: BETAFLIGHT[150][:6] + bytes(4) + BETAFLIGHT[150][10:]}
    for says, armed in ((BETAFLIGHT, True), (disarmed, False)):
        scene, autopilots = Scene(says), heartbeat.Autopilots(7)
        scene.run(2)
        autopilots.hear(scene.frames)
        assert (autopilots.armed, autopilots.stands) == (armed, not armed)
    assert scene.heard["HEARTBEAT"][0].system_status == common.MAV_STATE_STANDBY


@pytest.mark.parametrize(("flag", "satellites", "fix"), [(0, 9, 1), (1, 9, 3), (2, 5, 3), (2, 4, 2)])
def test_betaflights_fix_is_a_flag(flag: int, satellites: int, fix: int):
    scene = Scene({**BETAFLIGHT, 106: bytes([flag, satellites]) + BETAFLIGHT[106][2:]})
    scene.run(1)
    assert scene.last("GPS_RAW_INT").fix_type == fix
    assert ("GLOBAL_POSITION_INT" in scene.heard) == (fix > 1)


@pytest.mark.parametrize(("said", "fix"), [(0, 1), (1, 2), (2, 3), (3, 1), (255, 1)])
def test_inavs_fix_is_a_kind(said: int, fix: int):
    scene = Scene({**INAV, 106: bytes([said]) + INAV[106][1:]})
    scene.run(1)
    assert scene.last("GPS_RAW_INT").fix_type == fix


def test_silence_gives_nothing():
    scene = Scene(BETAFLIGHT)
    scene.run(3)
    before = len(scene.frames)
    scene.run(60, answers=False)
    assert len(scene.frames) == before
    scene.run(2)
    assert len(scene.frames) > before


@pytest.mark.parametrize(
    ("command", "missing"), [(109, {"GLOBAL_POSITION_INT", "VFR_HUD"}), (108, {"VFR_HUD", "ATTITUDE"})]
)
def test_a_value_that_is_older_than_three_polls_is_in_no_message(command: int, missing: set[str]):
    """What keeps the rest going is that the other commands are answered."""
    scene = Scene(BETAFLIGHT)
    scene.run(2)
    del scene.peer.says[command]
    take, scene.peer.take = scene.peer.take, lambda data: [each for each in take(data) if b"!" not in each]  # lost
    scene.run(5)
    before = {name: len(messages) for name, messages in scene.heard.items()}
    scene.run(5)
    silent = {name for name, messages in scene.heard.items() if len(messages) == before[name]}
    assert silent == missing | {"STATUSTEXT"}
    if command == 108:
        assert scene.last("GLOBAL_POSITION_INT").hdg == 65_535


def test_a_command_that_is_refused_stalls_nothing():
    """As stock Betaflight in simulation refuses RAW_GPS: it is built without."""
    scene = Scene({command: said for command, said in BETAFLIGHT.items() if command != 106})
    scene.run(5)
    assert not {"GPS_RAW_INT", "GLOBAL_POSITION_INT"} & scene.heard.keys()
    assert len(scene.heard["ATTITUDE"]) in range(95, 103)
    assert scene.last("VFR_HUD").alt == pytest.approx(123.45)
    assert math.isnan(scene.last("VFR_HUD").groundspeed)


def test_without_boxids_it_is_not_known_whether_it_is_armed():
    scene = Scene({command: said for command, said in BETAFLIGHT.items() if command != 119})
    scene.run(5)
    assert "HEARTBEAT" not in scene.heard
    assert len(scene.heard["SYS_STATUS"]) > 5


def test_another_firmware_is_not_guessed():
    scene = Scene({**BETAFLIGHT, 2: b"CLFL"})
    scene.run(5)
    assert (scene.frames, scene.session.variant, scene.session.firmware) == ([], "CLFL", None)
    assert scene.session.notes == ["the flight controller calls itself 'CLFL' by MSP: only BTFL, INAV are read"]
    assert (scene.session.skipped_bytes, scene.session.next_due() < scene.now + 1) == (0, True)
    assert set(scene.peer.asked) == {2, 3}


def test_another_flight_controller_on_the_same_line():
    scene = Scene(BETAFLIGHT)
    scene.run(2)
    scene.peer.says = INAV
    scene.session.begin()
    scene.run(2)
    assert "iNav 8.0.1, read by MSP" in [text.text for text in scene.heard["STATUSTEXT"]]


def test_modes_are_said_when_they_change():
    scene = Scene(BETAFLIGHT)
    scene.run(2)
    scene.peer.says[150] = BETAFLIGHT[150][:6] + (0b100001).to_bytes(4, "little") + BETAFLIGHT[150][10:]
    scene.run(2)
    assert [text.text for text in scene.heard["STATUSTEXT"]][1:] == ["armed, ANGLE", "armed, GPS RESCUE"]
    assert scene.last("HEARTBEAT").base_mode == 64 | 128


def test_more_than_32_boxes():
    """The flags of the others are behind a count."""
    boxes = bytes([*range(100, 140), 0])
    says = struct.pack("<HHHIBHBBB", 0, 0, 0, 0, 0, 0, 3, 0, 2) + bytes([0, 1]) + bytes(9)
    scene = Scene({**BETAFLIGHT, 119: boxes, 150: says})
    scene.run(2)
    assert scene.last("HEARTBEAT").base_mode & 128


@pytest.mark.parametrize(
    ("says", "command", "size"),
    [
        *((BETAFLIGHT, command, size) for command, size in ((150, 15), (108, 5), (106, 15), (109, 5), (110, 6))),
        *((INAV, 0x2000, 12), (INAV, 0x2002, 23), (INAV, 0x2002, 25)),
    ],
)
def test_a_payload_that_does_not_fit_is_counted(says: dict[int, bytes], command: int, size: int):
    scene = Scene({**says, command: says[command][:size].ljust(size, b"\0")})
    scene.run(2)
    assert scene.session.unread > 0


def test_old_betaflight_has_tenths_of_a_volt():
    scene = Scene({**BETAFLIGHT, 110: BETAFLIGHT[110][:7]})
    scene.run(2)
    assert scene.last("SYS_STATUS").voltage_battery == 16_200


def test_extreme_values_fit_their_fields():
    rng = random.Random(1)
    for says, firmware in ((BETAFLIGHT, "Betaflight"), (INAV, "iNav")):
        for fill in (b"\xff", b"\x7f", b"\x80", None):
            extreme = {
                command: said if command in (2, 3) else (fill * len(said) if fill else rng.randbytes(len(said)))
                for command, said in says.items()
            }
            scene = Scene(extreme)
            scene.run(2)
            assert scene.session.firmware is not None
            assert firmware == scene.session.firmware.NAME
            assert "ATTITUDE" in scene.heard


def test_whatever_comes_is_a_message_or_counted():
    rng, samples = random.Random(2), [reply(command, said) for command, said in {**BETAFLIGHT, **INAV}.items()]
    scene = Scene(BETAFLIGHT)
    scene.run(1)
    for _ in range(3000):
        data = mutated(rng, tuple(samples))
        scene.take(data)
        scene.session.requests(scene.now)
        scene.now += 0.02
    assert all(mavlink.Framer().feed(frame) == [frame] for frame in scene.frames)
