"""Several of everything on one computer: aircraft on one port, stations, ground control stations of one ground."""

from __future__ import annotations

import json
import random
import socket

import pytest

from gateway.demo.stage import HOST, Program, drain, free_port, udp_socket
from tests.memory_link import mavlink_frame
from tests.system.house import zegel


@pytest.fixture
def second_aircraft(house):
    """drone-8 in the same order; gives a function that starts it towards a port, and the port of its flight controller."""
    folder, root = house.folder, house.folder / "agency/root/root.crt"
    zegel("device", "init", folder / "drone-8", "--name", "drone-8")
    zegel("agency", "certify-device", folder / "agency", folder / "drone-8/device.csr", "-o", folder / "drone-8.crt")
    zegel("device", "enrol", folder / "drone-8", folder / "drone-8.crt", "--root", root)
    house.order = folder / "two.order"
    house.issue(house.order, ("pilot", "observer"), ("--device", folder / "drone-8.crt"))
    for name in ("drone-7", "drone-8"):
        zegel("device", "load-order", folder / name, house.order)
    fc_port, started = free_port(), []

    def start(port: int) -> int:
        words = ("air", "--device", str(folder / "drone-8"), "--fc", f"udpin:{HOST}:{fc_port}")
        link = ("--video", f"udpin:{HOST}:{free_port()}", "--link", f"udpout:{HOST}:{port}")
        started.append(Program((*words, *link), folder, "air-8"))
        return fc_port

    yield start
    for program in started:
        program.end()


def test_two_aircraft_on_one_port_of_two_stations_on_one_computer(fly, second_aircraft):
    flight = fly(("pilot", "observer"))
    fc_ports = (flight.fc_port, second_aircraft(flight.radio.port))
    flight.wait_open(times=2)
    rng, sent = random.Random(3), ([], [])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as fc:

        def step() -> None:
            for frames, port, sysid in zip(sent, fc_ports, (1, 2), strict=True):
                if len(frames) < 100:
                    frames.append(mavlink_frame(rng, len(frames), sysid))
                    fc.sendto(frames[-1], (HOST, port))

        flight.step_more = step
        assert flight.until(lambda: all(len(s.frames) == 200 for s in flight.stations.values())), flight.logs()
    for station in flight.stations.values():
        assert [f for f in station.frames if f[5] == 1] == sent[0]
        assert [f for f in station.frames if f[5] == 2] == sent[1]
    flight.run(1.0)
    grounds = [s for s in json.loads(zegel("status", "--json")) if s["role"] == "ground"]
    assert [s["name"] for s in grounds] == ["observer", "pilot"]
    states = [[session["state"] for session in s["sessions"]] for s in grounds]
    assert states == [["open", "open"]] * 2
    assert "two aircraft" not in flight.logs()


def test_several_ground_control_stations_hear_one_ground(fly):
    port = free_port()
    flight = fly(more_ground=("--gcs", f"udpin:{HOST}:{port}"))
    flight.wait_open()
    programs = [udp_socket() for _ in range(3)]
    heard: list[list[bytes]] = [[], [], []]
    rng, fc = random.Random(4), udp_socket()
    for program in programs:
        program.sendto(mavlink_frame(rng, 0, sysid=255), (HOST, port))
    flight.run(0.3)

    def step() -> None:
        fc.sendto(mavlink_frame(rng, 1), (HOST, flight.fc_port))
        for frames, program in zip(heard, programs, strict=True):
            frames.extend(drain(program))

    flight.step_more = step
    assert flight.until(lambda: all(len(frames) > 20 for frames in heard))
    flight.run(1.0)
    ground = next(s for s in json.loads(zegel("status", "--json")) if s["role"] == "ground")
    (listed,) = (end["clients"] for end in ground["endpoints"] if end["endpoint"] == f"udpin:{HOST}:{port}")
    assert sorted(listed) == sorted(f"{HOST}:{program.getsockname()[1]}" for program in programs)
    for made in (*programs, fc):
        made.close()
