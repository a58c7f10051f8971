"""Nothing lost, nothing out of order under load; start-up time, memory and added latency are printed, not asserted."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.demo.stage import HOST, Program, free_port
from tests.memory_link import World, mavlink_frame
from tests.system.house import House, zegel

MBIT, FRAMES_PER_S = 50, 500
MEMORY_MB_MAX = 80


def load(*words: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.system.load", *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])


def through(house: House, seconds: float) -> tuple[dict, dict, dict[str, float]]:
    """Generator -> air -> ground -> sink on loopback: (sent, received, resident MB)."""
    fc, camera, link, gcs, video = (free_port() for _ in range(5))
    ground = Program(
        (*("ground", "--station", str(house.folder / "pilot"), "--order", str(house.order)),
         *("--link", f"udpin:{HOST}:{link}", "--gcs", f"udpout:{HOST}:{gcs}", "--video", f"udpout:{HOST}:{video}")),
        house.folder, "ground")  # fmt: skip
    air = Program(
        (*("air", "--device", str(house.folder / "drone-7"), "--fc", f"udpin:{HOST}:{fc}"),
         *("--video", f"udpin:{HOST}:{camera}", "--link", f"udpout:{HOST}:{link}")),
        house.folder, "air")  # fmt: skip
    try:
        until = time.monotonic() + 20
        while ": open" not in ground.output() and time.monotonic() < until:
            time.sleep(0.05)
        sink = load("sink", gcs, video)
        time.sleep(1.0)  # until its sockets are bound
        generator = load("generate", fc, camera, MBIT, FRAMES_PER_S, seconds)
        sent = json.loads(generator.communicate()[0])
        memory = {"air": air.resident_mb(), "ground": ground.resident_mb()}
        received = json.loads(sink.communicate(timeout=30)[0])
    finally:
        air.end()
        ground.end()
    return sent, received, memory


def check(house: House, seconds: float, figure: Callable[[str], None]) -> None:
    sent, received, memory = through(house, seconds)
    figure(f"{MBIT} Mbit/s of video and {FRAMES_PER_S} frames/s of telemetry for {seconds:g} s on loopback")
    for feed, count in sent.items():
        got = received[feed]
        figure(f"{feed}: {count} sent, {got['received']} received, {got['out_of_order']} out of order,"
              f" added latency p50 {got['p50_ms']} ms, p99 {got['p99_ms']} ms")  # fmt: skip
        assert got["received"] == got["distinct"] == count
        assert got["out_of_order"] == 0
    figure(f"resident memory: air {memory['air']:.1f} MB, ground {memory['ground']:.1f} MB")
    assert 0 < memory["air"] < MEMORY_MB_MAX
    assert 0 < memory["ground"] < MEMORY_MB_MAX


@pytest.mark.alone
def test_load_for_a_moment(house, figure, data_path):
    check(house, 5, figure)


@pytest.mark.alone
@pytest.mark.soak
def test_load_for_a_minute(house, figure):
    check(house, 60, figure)


@pytest.mark.alone
def test_time_to_the_first_sealed_frame(fly, figure):
    """From the start of the process to a telemetry datagram on the link; printed, since timing is for the bench."""
    frame = mavlink_frame(World(1).random, 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        flight = fly(())
        flight.step_more = lambda: out.sendto(frame, (HOST, flight.fc_port))
        assert flight.until(lambda: any(d[0] >> 4 == 9 and d[1] in (1, 4) for d in flight.radio.capture))
        figure(f"zegel air to the first sealed frame: {time.monotonic() - flight.air.started:.2f} s")


def test_status_tells_who_is_running(fly):
    flight = fly()
    flight.wait_open()
    flight.run(1.0)
    statuses = json.loads(zegel("status", "--json"))
    assert [(s["role"], s["name"], s["sealed"]) for s in statuses] == [("air", "drone-7", True), ("ground", "pilot", True)]
    text = zegel("status")
    assert "air drone-7: sealed" in text
    assert "ground pilot: open" in text
