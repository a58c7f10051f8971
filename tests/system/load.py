"""A generator and a sink for the load test, each in a process of its own so that neither is measured with the gateway.

    python -m tests.system.load generate FC_PORT CAMERA_PORT MBIT FRAMES_PER_S SECONDS
    python -m tests.system.load sink GCS_PORT VIDEO_PORT            (prints one JSON line once it hears nothing for 2 s)

Each datagram carries its number and the monotonic nanoseconds of its sending, which all processes of a machine share.
"""

from __future__ import annotations

import json
import os
import select
import socket
import struct
import sys
import time

import numpy as np

HOST = "127.0.0.1"
STAMP = struct.Struct(">QQ")  # number, monotonic nanoseconds
VIDEO_SIZE = 1200
QUIET_S = 2.0
READ_WITHIN_S = 0.5  # datagrams of a port that no program has any more are refused (gateway/endpoints/plain_users.py)
MAVLINK_STAMP_AT = 10  # behind a MAVLink 2 header


def generate(fc_port: int, camera_port: int, mbit: float, frames: float, seconds: float) -> None:
    """Video and telemetry at a steady pace, a millisecond's worth at a time."""
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    filler, rates = os.urandom(VIDEO_SIZE - STAMP.size), (mbit * 1e6 / 8 / VIDEO_SIZE, frames)
    sent, began = [0, 0], time.monotonic()
    while (passed := time.monotonic() - began) < seconds:
        while sent[1] < passed * rates[1]:
            out.sendto(_frame(sent[1]), (HOST, fc_port))
            sent[1] += 1
        while sent[0] < passed * rates[0]:
            out.sendto(STAMP.pack(sent[0], time.monotonic_ns()) + filler, (HOST, camera_port))
            sent[0] += 1
        time.sleep(0.001)
    time.sleep(READ_WITHIN_S)
    print(json.dumps({"video": sent[0], "telemetry": sent[1]}))


def _frame(number: int) -> bytes:
    stamp = STAMP.pack(number, time.monotonic_ns())
    return bytes([0xFD, len(stamp), 0, 0, number & 0xFF, 1, 1, 30, 0, 0]) + stamp + bytes(2)


def sink(gcs_port: int, video_port: int) -> None:
    ends = {"telemetry": (_bound(gcs_port), MAVLINK_STAMP_AT), "video": (_bound(video_port), 0)}
    got: dict[str, list[tuple[int, int]]] = {name: [] for name in ends}
    heard = float("inf")
    while time.monotonic() - heard < QUIET_S or heard == float("inf"):
        ready, _, _ = select.select([end for end, _ in ends.values()], (), (), 0.5)
        for name, (end, at) in ends.items():
            if end in ready:
                heard = time.monotonic()
                _take(end, at, got[name])
    print(json.dumps({name: _report(items) for name, items in got.items()}))


def _bound(port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    made.bind((HOST, port))
    made.setblocking(False)
    return made


def _take(end: socket.socket, at: int, got: list[tuple[int, int]]) -> None:
    while True:
        try:
            data = end.recv(2048)
        except BlockingIOError:
            return
        number, stamp = STAMP.unpack_from(data, at)
        got.append((number, time.monotonic_ns() - stamp))


def _report(items: list[tuple[int, int]]) -> dict[str, float]:
    numbers = np.array([number for number, _ in items], np.int64)
    took = np.array([ns for _, ns in items], np.int64) / 1e6
    out_of_order = int(np.count_nonzero(np.diff(numbers) <= 0))
    p50, p99 = (round(float(v), 3) for v in np.percentile(took, [50, 99])) if took.size else (0.0, 0.0)
    return {
        "received": len(items),
        "distinct": len(set(numbers.tolist())),
        "out_of_order": out_of_order,
        "p50_ms": p50,
        "p99_ms": p99,
    }


if __name__ == "__main__":
    role, *rest = sys.argv[1:]
    if role == "generate":
        generate(int(rest[0]), int(rest[1]), *map(float, rest[2:]))
    else:
        sink(int(rest[0]), int(rest[1]))
