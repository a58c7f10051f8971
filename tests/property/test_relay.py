"""The relay that system and interop tests rely on: it does what it is told, from its seed, and nothing else."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.demo.stage import HOST, free_port
from tests.relay import HELD_BACK_S, Weather
from tests.relay import Path as Direction

MANY = 5_000


def through(weather: Weather, seed: int = 1) -> tuple[Direction, list[bytes]]:
    """Datagram number i enters at millisecond i and is i in six bytes; all that came out."""
    direction, out = Direction(weather, seed), []
    for i in range(MANY):
        direction.put(i.to_bytes(6, "big"), i / 1000)
        out += direction.due(i / 1000)
    return direction, out + direction.due(float("inf"))


def test_clear_weather_changes_nothing():
    _, out = through(Weather())
    assert out == [i.to_bytes(6, "big") for i in range(MANY)]


def test_the_seed_decides_everything():
    storm = Weather(0.3, 0.1, 0.1, 0.05, 0.05, 20)
    assert through(storm, 7)[1] == through(storm, 7)[1]
    assert through(storm, 7)[1] != through(storm, 8)[1]


@pytest.mark.parametrize("what", ["loss", "reorder", "duplicate", "truncate", "flip"])
def test_each_misfortune_alone_happens_as_often_as_it_is_told(what):
    direction, out = through(Weather(**{what: 0.3}))
    assert 0.27 * MANY < direction.counts[what] < 0.33 * MANY
    sent = [i.to_bytes(6, "big") for i in range(MANY)]
    changed = sum(datagram not in set(sent) for datagram in out)
    assert len(out) - MANY == {"loss": -1, "duplicate": 1}.get(what, 0) * direction.counts[what]
    assert (changed > 0.2 * MANY) == (what in ("truncate", "flip"))
    assert (out == sorted(out)) == (what in ("loss", "duplicate"))


def test_delay_holds_all_back_by_the_same():
    direction = Direction(Weather(delay_ms=50), 1)
    direction.put(b"one", 1.0)
    assert (direction.due(1.04), direction.next_due(), direction.due(1.05)) == ([], 1.05, [b"one"])
    assert HELD_BACK_S > 0.001  # more than the step of `through`


def test_a_rate_lets_one_after_the_other_pass():
    direction = Direction(Weather(kbit=8), 1)
    for size in (1000, 500):
        direction.put(bytes(size), 2.0)
    assert [len(datagram) for datagram in direction.due(3.0)] == [1000]
    assert [len(datagram) for datagram in direction.due(3.5)] == [500]


def test_as_a_process_it_goes_both_ways_and_tells_its_counts():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as near:
        for end in (far, near):
            end.bind((HOST, 0))
            end.settimeout(0.2)
        port = free_port()
        words = [sys.executable, "-m", "tests.relay", f"--listen={port}", f"--to={far.getsockname()[1]}", "--duplicate=1"]
        relay = subprocess.Popen(words, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE)
        for _ in range(50):
            near.sendto(b"there", (HOST, port))
            try:
                got, source = far.recvfrom(100)
                break
            except TimeoutError:
                continue
        assert got == b"there"
        far.sendto(b"back", source)
        assert [near.recv(100), near.recv(100)] == [b"back", b"back"]
        relay.send_signal(signal.SIGTERM)
        counts = json.loads(relay.communicate()[0])
    assert (counts["back"]["entered"], counts["back"]["left"]) == (1, 2)
