"""What a service manager hears of a real air and a real ground, and that a loop that stands still is not heard."""

from __future__ import annotations

import signal
import socket
import time

import pytest

from gateway.demo.stage import Program, free_port
from tests.system.house import zegel

WATCHDOG_S = 1.5  # a beat each half second


@pytest.fixture
def manager(tmp_path, monkeypatch):
    """What it hears in so many seconds; it is in the environment of all that is started after it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", str(int(WATCHDOG_S * 1e6)))

        def hear(seconds: float, until: str = "\n") -> list[str]:
            end, heard = time.monotonic() + seconds, []
            while (left := end - time.monotonic()) > 0 and not any(until in line for line in heard):
                listener.settimeout(left)
                try:
                    heard.append(listener.recv(4096).decode())
                except TimeoutError:
                    break
            return heard

        yield hear


def test_air_is_ready_alive_and_gone_as_it_says(house, manager):
    """The serial port is not there, and the service is up all the same: it waits for it."""
    words = ("air", "--device", str(house.folder / "drone-7"), "--fc", "serial:/dev/ttyNONE:57600")
    air = Program((*words, "--link", "udpout:127.0.0.1:9"), house.folder, "air")
    try:
        heard = manager(20, "WATCHDOG=1")
        assert "READY=1" in heard, air.output()
        assert heard[0].startswith("STATUS=sealed")
        assert "WATCHDOG=1" in manager(5, "WATCHDOG")
        air.process.send_signal(signal.SIGSTOP)
        manager(0.2)
        assert manager(2 * WATCHDOG_S) == []
        air.process.send_signal(signal.SIGCONT)
        assert "WATCHDOG=1" in manager(5, "WATCHDOG")
    finally:
        assert air.end() == 0
    assert "STOPPING=1" in manager(1, "STOPPING")


def test_air_without_an_order_is_up_and_flies_as_soon_as_it_has_one(house, manager):
    device = house.folder / "bare"
    zegel("device", "init", device, "--name", "bare")
    zegel("agency", "certify-device", house.folder / "agency", device / "device.csr", "-o", house.folder / "bare.crt")
    zegel("device", "enrol", device, house.folder / "bare.crt", "--root", house.folder / "agency/root/root.crt")
    air = Program(("air", "--device", str(device), "--link", "udpout:127.0.0.1:9"), house.folder, "bare")
    try:
        heard = manager(20, "WATCHDOG=1")
        assert "STATUS=waiting for an order: nothing is sent" in heard, air.output()
        assert "READY=1" in heard
        order = house.folder / "bare.order"
        zegel(
            *("order", "issue", house.folder / "agency", "--operation", "Night Watch", "--hours", "8", "-o", order),
            *("--device", house.folder / "bare.crt", "--station", f"{house.folder}/pilot/station.pub:telemetry"),
        )
        zegel("device", "load-order", device, order)
        assert any(line.startswith("STATUS=sealed") for line in manager(20, "STATUS=sealed")), air.output()
    finally:
        assert air.end() == 0


def test_ground_is_ready_and_alive(house, manager):
    words = ("ground", "--station", str(house.folder / "pilot"), "--order", str(house.order))
    ground = Program(
        (*words, "--link", f"udpin:127.0.0.1:{free_port()}", "--gcs", "udpout:127.0.0.1:9"), house.folder, "ground"
    )
    try:
        heard = manager(20, "WATCHDOG=1")
        assert heard[0] == "STATUS=nothing to open"
        assert "READY=1" in heard, ground.output()
        assert "WATCHDOG=1" in manager(5, "WATCHDOG")
    finally:
        assert ground.end() == 0
    assert "STOPPING=1" in manager(1, "STOPPING")
