"""Guard policies through real processes: what each refuses and names, at the ground and aboard, and what must arrive."""

from __future__ import annotations

import json
import struct
import time

import pytest
from pymavlink.dialects.v20 import all as dialect

from gateway.demo.flight import FlightController
from gateway.report.wording import READY
from tests import guarded
from tests.system.house import Flight, zegel

SENDER = dialect.MAVLink(None, srcSystem=255, srcComponent=190)
POLICY_OF = {"pilot": "pilot", "observer": "observer", "visitor": "camera-operator"}  # by station
COMMANDS = "telemetry,video,command"


def made(kind: str, *fields: object) -> bytes:
    """By pymavlink."""
    return bytes(getattr(dialect, f"MAVLink_{kind}_message")(*fields).pack(SENDER))


def long(name: str, *params: float) -> bytes:
    number = getattr(dialect, f"MAV_CMD_{name}")
    return made("command_long", 1, 1, number, 0, *params, *[0] * (7 - len(params)))


def item(command: int, *params: float) -> bytes:
    return made("mission_item_int", 1, 1, 0, 3, command, 0, 1, *params, *[0] * (4 - len(params)), 0, 0, 0)


def file(opcode: int, path: bytes) -> bytes:
    payload = struct.pack("<HBBBBBBI", 1, 0, opcode, len(path), 0, 0, 0, 0) + path
    return made("file_transfer_protocol", 0, 1, 1, payload.ljust(251, b"\0"))


def parameter(name: bytes) -> bytes:
    return made("param_set", 1, 1, name, 1.0, dialect.MAV_PARAM_TYPE_REAL32)


def tunnel(kind: int) -> bytes:
    return made("tunnel", 1, 1, kind, 4, list(range(128)))


HEARTBEAT = made("heartbeat", 6, 8, 0, 0, 4, 3)
HELD = {
    "observer": {
        "HEARTBEAT": HEARTBEAT,
        "MANUAL_CONTROL": made("manual_control", 1, 0, 0, 500, 0, 0),
        "RC_CHANNELS_OVERRIDE": made("rc_channels_override", 1, 1, *[1500] * 8),
        "COMMAND_LONG COMPONENT_ARM_DISARM": long("COMPONENT_ARM_DISARM", 1),
    },
    "camera-operator": {
        "HEARTBEAT": HEARTBEAT,
        "MOUNT_CONTROL": made("mount_control", 1, 1, 0, 0, 9000, 0),
        "COMMAND_LONG DO_MOUNT_CONTROL": long("DO_MOUNT_CONTROL", 0, 0, 90, 0, 0, 0, 2),
        "COMMAND_LONG DO_SET_ROI_LOCATION": long("DO_SET_ROI_LOCATION", 0, 0, 0, 0, 1, 1, 1),
    },
    "pilot": {
        "COMMAND_LONG PREFLIGHT_REBOOT_SHUTDOWN param1": long("PREFLIGHT_REBOOT_SHUTDOWN", 42, 24, 71, 93),
        "COMMAND_LONG CONTROL_HIGH_LATENCY": long("CONTROL_HIGH_LATENCY", 1),
        "COMMAND_LONG MAV_CMD 40002": long("PAYLOAD_CONTROL", 1),  # of a dialect that the table has not
        "TUNNEL MODALAI_ESC_UART_PASSTHRU": tunnel(211),
        "GPS_INJECT_DATA": made("gps_inject_data", 1, 1, 4, [1] * 110),
        "AIRLINK_AUTH": made("airlink_auth", b"user", b"password"),
        "FILE_TRANSFER_PROTOCOL REMOVEFILE": file(8, b"APM/LOGS/00000001.BIN"),
        "FILE_TRANSFER_PROTOCOL TRUNCATEFILE": file(12, b"APM/LOGS/00000001.BIN"),
        "MISSION_ITEM_INT FLASH_BOOTLOADER": item(dialect.MAV_CMD_FLASH_BOOTLOADER),
        "PARAM_SET BRD_*": parameter(b"BRD_OPTIONS"),
        "PARAM_SET SERIAL*": parameter(b"SERIAL_PASS2"),
        "PARAM_SET LOG_*": parameter(b"LOG_BACKEND_TYPE"),
        "SETUP_SIGNING": made("setup_signing", 1, 1, bytes(32), 1),
    },
}
PASSES = {
    "observer": [guarded.frame("REQUEST_EVENT"), made("timesync", 0, 7), long("REQUEST_MESSAGE", 148)],
    "camera-operator": [
        made("gimbal_manager_set_pitchyaw", 1, 1, 0, 0, 0.1, 0.2, 0.0, 0.0),
        long("IMAGE_START_CAPTURE", 0, 0, 1),
    ],
    "pilot": [
        HEARTBEAT,
        guarded.frame("REQUEST_EVENT", seq=10),
        guarded.frame("TIMESYNC", bytes(range(1, 19))),
        guarded.frame("COMMAND_CANCEL", b"\1\1\x10\1"),
        guarded.frame("PLAY_TUNE_V2", b"MFT240L8 a b c".ljust(254, b"\1")),
        guarded.frame("MISSION_COUNT", bytes(range(1, 10))),
        guarded.frame("SET_ATTITUDE_TARGET", bytes(range(1, 52))),
        guarded.frame("SET_MODE", bytes(range(1, 12))),  # longer than its definition
        long("PREFLIGHT_REBOOT_SHUTDOWN", 1),
        item(dialect.MAV_CMD_NAV_WAYPOINT, 1),
        parameter(b"WPNAV_SPEED"),
        file(4, b"APM/LOGS/00000001.BIN"),
        long("COMPONENT_ARM_DISARM", 1),
    ],
}
UNRULY = """
import sys
if "ground" in sys.orig_argv:
    from firmware_shims.guard import Guard
    Guard.held = lambda *_: None
"""


class Scene:
    def __init__(self, flight: Flight, fc: FlightController) -> None:
        self.flight, self.fc = flight, fc
        flight.step_more = lambda: fc.play(time.monotonic())
        flight.wait_open()
        for station in flight.stations.values():
            assert flight.until(lambda station=station: bool(station.says(READY) and station.frames)), flight.logs()

    def sends(self, name: str, *frames: bytes) -> None:
        for frame in frames:
            self.flight.stations[name].command(frame)
            self.flight.step()

    def heard(self, *frames: bytes) -> bool:
        """Whether these came, and after a while nothing else."""
        whole = b"".join(frames)
        self.flight.until(lambda: len(self.fc.heard) >= len(whole))
        self.flight.run(0.5)
        found, self.fc.heard[:] = bytes(self.fc.heard), b""
        return found == whole

    def status(self, role: str, name: str) -> dict:
        self.flight.run(1.2)
        return next(s for s in json.loads(zegel("status", "--json")) if (s["role"], s["name"]) == (role, name))


@pytest.fixture
def start(house, fly):
    fc = FlightController()

    def begin(roles: dict[str, str], more: tuple[str, ...] = ()) -> Scene:
        """`more`: words for every role, if the order is loaded already."""
        if not more:
            house.load(roles)
        return Scene(fly(tuple(roles), fc=f"serial:{fc.path}:921600", more=more, more_ground=more), fc)

    yield begin
    fc.close()


def test_what_a_policy_holds_is_refused_at_its_ground_by_name_and_the_rest_arrives(start):
    scene = start({name: f"{COMMANDS}:{policy}" for name, policy in POLICY_OF.items()})
    for name, policy in POLICY_OF.items():
        held, passes = HELD[policy], PASSES[policy]
        scene.sends(name, *held.values(), *passes, *held.values())
        assert scene.heard(*passes), policy
        status = scene.status("ground", name)
        assert status["kept_back"] == {name: dict.fromkeys(held, 2)}
        assert status["commands"] == {"sent": len(passes), "guarded": 2 * len(held)}
        for each in held:
            assert f"kept back: {each}, 2 times (guard policy '{policy}')" in status["alarms"]
            assert scene.flight.stations[name].says(f"alarm: kept back: {each}, once")
        assert f"{each}, 2 times, from {name}" in " ".join(zegel("status", "-v").split())
    aboard = scene.status("air", "drone-7")
    assert aboard["kept_back"] == {}
    assert aboard["commands"] == {
        name: {"accepted": len(PASSES[policy]), "guarded": 0} for name, policy in sorted(POLICY_OF.items())
    }


def test_what_a_changed_ground_lets_up_is_refused_aboard_by_name(start, tmp_path, monkeypatch):
    (tmp_path / "unruly").mkdir()
    (tmp_path / "unruly/sitecustomize.py").write_text(UNRULY)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "unruly"))
    scene = start({name: f"{COMMANDS}:{policy}" for name, policy in POLICY_OF.items()})
    for name, policy in POLICY_OF.items():
        scene.sends(name, *HELD[policy].values(), *PASSES[policy])
        assert scene.heard(*PASSES[policy]), policy
        assert scene.status("ground", name)["kept_back"] == {}
    aboard = scene.status("air", "drone-7")
    assert aboard["kept_back"] == {name: dict.fromkeys(HELD[policy], 1) for name, policy in POLICY_OF.items()}
    assert aboard["drops"]["guarded"] == sum(map(len, HELD.values()))
    for name, policy in POLICY_OF.items():
        for each in HELD[policy]:
            assert (
                f"alarm: kept back: {each}, once (guard policy '{policy}' of station '{name}')" in scene.flight.air.output()
            )


def test_a_maintainers_frames_arrive_but_for_the_signing_key(start):
    scene = start({"pilot": f"{COMMANDS}:maintainer"})
    frames = dict(pair for held in HELD.values() for pair in held.items())
    scene.sends("pilot", *frames.values())
    del frames["SETUP_SIGNING"]
    assert scene.heard(*frames.values())
    assert scene.status("ground", "pilot")["kept_back"] == {"pilot": {"SETUP_SIGNING": 1}}
