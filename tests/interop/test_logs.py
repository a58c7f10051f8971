"""Logs of several firmwares through both roles: what comes out are the same bytes, message by message."""

from __future__ import annotations

import contextlib
import socket
from collections import Counter

import pytest

from firmware_shims import mavlink
from firmware_shims.definitions import name_of
from gateway.demo.flight import recorded_flight
from gateway.demo.stage import HOST
from tests.interop import logs

WINDOW = 8192  # bytes on their way
LIMIT_S = 240.0


def own() -> list[bytes]:
    return [frame for _, frame in recorded_flight()]


def fetched(name: str) -> list[bytes]:
    try:
        return logs.frames(logs.LOGS[name])
    except logs.Missing as error:
        pytest.skip(str(error))


def counts(frames: list[bytes]) -> Counter[tuple[int, str]]:
    """By version of MAVLink and message."""
    return Counter((frame[0], name_of(mavlink.message_id(frame))) for frame in frames)


def through(fly, frames: list[bytes]) -> list[bytes]:
    """By TCP, and no more at a time than the sockets of this process hold if it stands still for a while."""
    stream, at, came, counted = b"".join(frames), 0, 0, 0
    with socket.create_server((HOST, 0)) as server:
        server.settimeout(20)
        flight = fly(fc=f"tcp:{HOST}:{server.getsockname()[1]}")
        line, _ = server.accept()
        line.setblocking(False)
        flight.wait_open()
        got = flight.stations["pilot"].frames

        def send() -> None:
            nonlocal at, came, counted
            came, counted = came + sum(map(len, got[counted:])), len(got)
            room = WINDOW - (at - came)
            if room > 0 and at < len(stream):
                with contextlib.suppress(BlockingIOError):
                    at += line.send(stream[at : at + room])

        flight.step_more = send
        with line:
            flight.until(lambda: len(got) >= len(frames), LIMIT_S)
            flight.run(0.1)
    return got


def check(fly, figure, what: str, frames: list[bytes]) -> None:
    got = through(fly, frames)
    assert counts(got) == counts(frames)
    assert got == frames
    kinds = Counter(name for _, name in counts(frames).elements())
    most = ", ".join(f"{name} {count:,}" for name, count in kinds.most_common(4))
    figure(f"{what}: {len(frames):,} frames of {len(kinds)} messages, byte for byte; {most}")


def test_the_recorded_flight(fly, figure):
    check(fly, figure, "ArduCopter 4.7 in simulation, the committed part", own())


@pytest.mark.peers
@pytest.mark.parametrize("name", logs.LOGS)
def test_a_log_of_another_project(fly, figure, name: str):
    check(fly, figure, logs.LOGS[name].what, fetched(name))
