"""What a flight writes to its log: little, however much flaps, and neither keys nor positions nor the order."""

from __future__ import annotations

import base64
import contextlib
import random
import socket
import struct
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from pymavlink.dialects.v20 import all as dialect

from gateway.demo.leaks import WINDOW, shared_windows
from gateway.demo.stage import HOST, free_port
from gateway.endpoint_state import State
from gateway.endpoints import open_endpoint
from gateway.endpoints.address import parse
from gateway.report import log
from gateway.report.endpoint_watch import PATIENCE_S, EndpointWatch
from gateway.report.log import SAME_AT_ONCE, LogLimiter
from tests.memory_link import mavlink_frame

FLAPS = 1000
LATITUDE, LONGITUDE, ALTITUDE_MM = 523_731_234, 48_922_345, 123_456  # 1e-7 degrees, as MAVLink has it


@pytest.mark.soak
def test_a_flight_controller_that_flaps_a_thousand_times_costs_a_few_lines(fly, figure):
    port = free_port()
    flight, rng = fly(("pilot",), fc=f"tcp:{HOST}:{port}"), random.Random(2)
    flight.wait_open()
    lines = len(flight.logs().splitlines())
    for flap in range(FLAPS):  # the port opens, now and then somebody is there for a moment, and it closes
        with socket.create_server((HOST, port), reuse_port=False) as server:
            server.settimeout(0.005)
            with contextlib.suppress(TimeoutError):
                server.accept()[0].sendall(mavlink_frame(rng, flap))
        if flap % 50 == 0:
            flight.run(0.02)
    flight.run(1.0)
    grown = len(flight.logs().splitlines()) - lines
    figure(f"log: a flight controller that came and went {FLAPS} times: {grown} lines")
    assert grown <= 20
    assert flight.air.running


def test_outages_that_are_long_enough_to_be_told_are_told_a_few_times(monkeypatch, tmp_path, capfd):
    """A thousand outages of seconds would take an hour: the clock is the test's, all else is as in a flight."""
    link = open_endpoint(parse(f"serial:{tmp_path}/ttyNONE:57600"))
    clock = [0.0]
    watch = EndpointWatch([link], lambda text: log.say("air", text))
    with monkeypatch.context() as patch:
        patch.setattr(log, "_limiter", LogLimiter())
        patch.setattr(log, "time", SimpleNamespace(monotonic=lambda: clock[0], strftime=time.strftime))
        for _ in range(FLAPS):
            for state, seconds in ((State.RECONNECTING, PATIENCE_S + 0.5), (State.CONNECTED, 0.5)):
                link.state = state
                watch.look(clock[0])
                clock[0] += seconds
                watch.look(clock[0])
    log.flush()
    said = capfd.readouterr().out.splitlines()
    assert len(said) <= 2 * (SAME_AT_ONCE + clock[0] / 600 + 1)
    assert any("more like this were left out" in line for line in said)


def test_the_whole_log_of_a_flight_holds_no_key_no_position_and_nothing_of_the_order(fly, house):
    flight = fly(("pilot", "observer"))
    flight.wait_open()
    gps = dialect.MAVLink(None, srcSystem=1, srcComponent=1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        for seq in range(200):
            message = dialect.MAVLink_global_position_int_message(seq, LATITUDE, LONGITUDE, ALTITUDE_MM, 0, 0, 0, 0, 0)
            out.sendto(message.pack(gps), (HOST, flight.fc_port))
            flight.run(0.005)
    house.issue(house.folder / "new.order", ("pilot",))
    (house.folder / "broken.order").write_bytes((house.folder / "new.order").read_bytes()[:-9])
    for order in ("broken.order", "new.order"):  # a change in flight, and a mistake
        (house.folder / order).replace(house.order)
        flight.run(1.5)
    flight.stations["observer"].program.kill()
    flight.end()
    log = b"\n".join(path.read_bytes() for path in house.folder.glob("*.log"))
    assert b"sealed: operation" in log
    folders = [house.folder / name for name in ("drone-7", "pilot", "observer", "agency")]
    secrets = [path.read_bytes() for folder in folders for path in files(folder)] + [house.order.read_bytes()]
    spelled = [spell(item) for item in secrets for spell in (bytes, lambda b: b.hex().encode(), base64.b64encode)]
    allowed = [line for line in (b"Harbour Police", b"Night EndpointWatch") if line in log]
    found = log
    for name in allowed:
        found = found.replace(name, b"")
    assert not shared_windows(spelled, [found])
    for number in (LATITUDE, LONGITUDE, ALTITUDE_MM):
        assert not [form for form in forms(number) if form in log]
    assert shared_windows(spelled, [log + secrets[0].hex().encode()])  # the detector itself can fail


def files(folder: Path) -> list[Path]:
    """All but the public ones, whose fingerprints people compare."""
    public = {".pub", ".crt", ".csr"}
    return [p for p in folder.rglob("*") if p.is_file() and p.stat().st_size >= WINDOW and p.suffix not in public]


def forms(number: int) -> list[bytes]:
    written = [str(number), f"{number / 1e7:.4f}", f"{number / 1000:.1f}"]
    return [*(form.encode() for form in written), struct.pack("<i", number)]
