"""A line at its own rate: a pseudo-terminal knows what rate the other side has set, so its far end can be a UART."""

from __future__ import annotations

import contextlib
import os
import pty
import termios
import threading
import tty

import pytest
from pymavlink.dialects.v20 import common as dialect

from gateway.board import autopilot
from gateway.board.autopilot import look
from gateway.board.subject import Subject
from gateway.config import AirConfig
from keys.commands.account import caller

FC = dialect.MAVLink(None, srcSystem=7, srcComponent=1)
NOISE = bytes(range(0x10, 0x50))
RATES = {57_600: termios.B57600, 115_200: termios.B115200, 921_600: termios.B921600}


def heartbeat(kind: int = dialect.MAV_TYPE_QUADROTOR, autopilot: int = dialect.MAV_AUTOPILOT_PX4) -> bytes:
    return bytes(FC.heartbeat_encode(kind, autopilot, 81, 0, 3).pack(FC))


class Uart:
    """Sends `data` all the time, which only who listens at `baud` can read; and keeps what is written to it."""

    def __init__(self, data: bytes, baud: int = 57_600) -> None:
        self._master, self._slave = pty.openpty()  # the second stays open: nothing is lost while nobody listens
        tty.setraw(self._slave)
        self.device, self.written = os.ttyname(self._slave), b""
        self._data, self._rate = data, RATES[baud]
        self._over = threading.Event()
        os.set_blocking(self._master, False)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.wait(0.05):
            speed = termios.tcgetattr(self._master)[5]
            if self._data:
                os.write(self._master, self._data if speed == self._rate else NOISE)
            with contextlib.suppress(BlockingIOError):
                self.written += os.read(self._master, 4096)

    def end(self) -> None:
        self._over.set()
        self._thread.join()
        os.close(self._master)
        os.close(self._slave)


@pytest.fixture
def uart():
    made = []

    def start(*args) -> Uart:
        made.append(Uart(*args))
        return made[-1]

    yield start
    for each in made:
        each.end()


def asked(tmp_path, fc: str, system: int = 7):
    settings = AirConfig(device="d", fc=fc, link=("udpout:127.0.0.1:9",), system_id=system)
    subject = Subject(role="air", path=tmp_path / "air.toml", settings=settings, user=caller())
    *_, finding = look(subject)
    return finding


def test_a_heartbeat_is_heard_and_nothing_written(tmp_path, uart):
    line = uart(heartbeat(), 57_600)
    finding = asked(tmp_path, f"serial:{line.device}:57600")
    assert (finding.state, finding.text) == (
        "ok",
        f"heartbeat of vehicle 7/1, disarmed, at serial:{line.device}:57600: PX4",
    )
    assert line.written == b""


def test_a_vehicle_of_another_number_is_named(tmp_path, uart):
    line = uart(heartbeat(), 57_600)
    finding = asked(tmp_path, f"serial:{line.device}:57600", 1)
    assert finding.text == "the vehicle is system 7, and air.toml says 1: it counts as another aircraft"
    assert finding.cure == f"if it is this one: system_id = 7 in {tmp_path}/air.toml"


def test_another_aircraft_that_is_passed_on_is_not_taken_for_this_one(tmp_path, uart):
    other = dialect.MAVLink(None, srcSystem=2, srcComponent=1)
    passed_on = bytes(other.heartbeat_encode(dialect.MAV_TYPE_QUADROTOR, dialect.MAV_AUTOPILOT_PX4, 81, 0, 3).pack(other))
    line = uart(passed_on + heartbeat() + passed_on, 57_600)
    assert "vehicle 7/1" in asked(tmp_path, f"serial:{line.device}:57600").text


def test_another_baud_rate_is_found_and_named(tmp_path, uart):
    line = uart(heartbeat(), 115_200)
    finding = asked(tmp_path, f"serial:{line.device}:921600")
    assert (finding.state, line.written) == ("do this", b"")
    assert finding.text == f"it sends at 115200 baud on {line.device}, and air.toml says 921600"
    assert f'fc = "serial:{line.device}:115200" in {tmp_path}/air.toml' in finding.cure
    assert "SERIAL2_BAUD = 921 (ArduPilot)" in finding.cure
    assert "SER_TEL2_BAUD = 921600 (PX4)" in finding.cure


def test_a_silent_line_and_a_line_of_noise_are_told_apart(tmp_path, uart, monkeypatch):
    monkeypatch.setattr(autopilot, "LISTEN_S", 0.4)
    monkeypatch.setattr(autopilot, "TRY_S", 0.2)
    silent, noisy = uart(b""), uart(NOISE)
    assert "nothing comes from" in asked(tmp_path, f"serial:{silent.device}:57600").text
    assert "cross TX and RX" in asked(tmp_path, f"serial:{silent.device}:57600").cure
    assert "but no MAVLink at any of 57600, " in asked(tmp_path, f"serial:{noisy.device}:57600").text


def test_a_ground_station_on_the_line_is_no_flight_controller(tmp_path, uart, monkeypatch):
    monkeypatch.setattr(autopilot, "LISTEN_S", 0.4)
    line = uart(heartbeat(dialect.MAV_TYPE_GCS, dialect.MAV_AUTOPILOT_INVALID))
    finding = asked(tmp_path, f"serial:{line.device}:57600")
    assert finding.state == "do this"
    assert "only others' heartbeats" in finding.text


def test_an_autopilot_that_must_be_spoken_to_first_cannot_be_heard(tmp_path):
    finding = asked(tmp_path, "msp+tcp:127.0.0.1:5761")
    assert (finding.state, finding.what) == ("cannot tell", "flight controller")
    assert "speaks MSP" in finding.text
    finding = asked(tmp_path, "udpout:127.0.0.1:14540")
    assert (finding.state, finding.what) == ("cannot tell", "flight controller")
