"""socat as the other end of every kind of endpoint: byte for byte, and again after it was killed and came back."""

from __future__ import annotations

import random
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from gateway.batch import CAPACITY, ROOM, Batch
from gateway.demo.stage import free_port
from gateway.endpoints import Endpoint, open_endpoint
from gateway.endpoints.address import parse
from tests.unit.gateway.endpoints.wires import HOST, batch_of, received, until

pytestmark = pytest.mark.skipif(shutil.which("socat") is None, reason="needs socat (apt-get install socat)")
SIZE = 100_000


@pytest.fixture
def socat() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []

    def start(*words: str) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen(["socat", *words], stderr=subprocess.DEVNULL))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def make() -> Iterator[Callable[[str], Endpoint]]:
    made: list[Endpoint] = []

    def one(text: str) -> Endpoint:
        made.append(open_endpoint(parse(text)))
        return made[-1]

    yield one
    for endpoint in made:
        endpoint.close()


def wait_for(state: str, *endpoints: Endpoint) -> None:
    """Turn the endpoints as a loop would, until all are in this state."""

    def there() -> bool:
        for endpoint in endpoints:
            endpoint.tick(time.monotonic())
            endpoint.receive_into(Batch(), time.monotonic())
        return all(endpoint.state == state for endpoint in endpoints)

    until(there)


def through(sender: Endpoint, receiver: Endpoint, seed: int) -> None:
    """Send seeded bytes as frames, and see them come out at the other end; the line is never given more than it holds."""
    rng = random.Random(seed)
    sent, got, batch = bytearray(), bytearray(), Batch()

    def step() -> bool:
        now = time.monotonic()
        if len(sent) < SIZE and len(sent) - len(got) < 2000:
            frame = rng.randbytes(rng.randrange(8, 281))
            sender.send(batch_of([frame]), now)
            sent.extend(frame)
        if sender is not receiver:
            sender.receive_into(batch, now)
        receiver.receive_into(batch, now)
        got.extend(b"".join(batch.datagrams()))
        return len(sent) >= SIZE and len(got) >= len(sent)

    limit = time.monotonic() + 20
    while not step():
        assert time.monotonic() < limit, f"{len(got)} of {len(sent)} bytes came"
    assert got == sent


def test_a_serial_line_with_two_ends_pulled_and_plugged_in_again(socat, make, tmp_path):
    names = [tmp_path / "ttyFC", tmp_path / "ttyGCS"]
    ends = [make(f"serial:{name}:921600") for name in names]
    for seed in range(2):
        process = socat(*(f"pty,raw,echo=0,link={name}" for name in names))
        wait_for("connected", *ends)
        through(ends[0], ends[1], seed)
        through(ends[1], ends[0], seed + 10)
        process.terminate()
        process.wait()
        wait_for("reconnecting", *ends)
    assert [end.connection for end in ends] == [2, 2]


def test_a_serial_line_that_ends_in_a_tcp_server_of_ours(socat, make, tmp_path):
    port = free_port(socket.SOCK_STREAM)
    line, server = make(f"{tmp_path}/ttyFC,57600"), make(f"tcpin:{HOST}:{port}")
    wait_for("idle", server)
    socat(f"pty,raw,echo=0,link={tmp_path}/ttyFC", f"tcp:{HOST}:{port}")
    wait_for("connected", line, server)
    through(line, server, 20)
    through(server, line, 21)


def test_a_tcp_server_that_returns_everything_and_is_restarted(socat, make):
    port = free_port(socket.SOCK_STREAM)
    client = make(f"tcp:{HOST}:{port}")
    for seed in range(2):
        process = socat(f"tcp-listen:{port},bind={HOST},reuseaddr", "pipe")
        wait_for("connected", client)
        through(client, client, seed)
        process.terminate()
        process.wait()
        wait_for("reconnecting", client)


def test_datagrams_of_every_size_through_a_relay(socat, make):
    there, back = free_port(), free_port()
    socat("-u", f"udp-recv:{there},bind={HOST}", f"udp-sendto:{HOST}:{back}")
    client, server = make(f"udpout:{HOST}:{there}"), make(f"udpin:{HOST}:{back}")
    wait_for("connected", client)
    wait_for("idle", server)

    def relayed() -> bool:
        client.send(batch_of([b"are you there?"]), 0.0)
        return server.receive_into(Batch(), 0.0) > 0

    until(relayed)
    rng = random.Random(30)
    client.send(batch_of([b"from here on"]), 0.0)
    until(lambda: received(server, 1)[-1] == b"from here on")
    for _ in range(10):
        sent = [rng.randbytes(rng.choice((1, 12, 280, 1400, ROOM))) for _ in range(CAPACITY)]
        client.send(batch_of(sent), 0.0)
        assert received(server, CAPACITY) == sent


def test_a_client_that_came_by_itself_is_answered(socat, make):
    port = free_port()
    server = make(f"udpin:{HOST}:{port}")
    wait_for("idle", server)
    process = subprocess.Popen(
        ["socat", "-", f"udp:{HOST}:{port}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    )
    try:
        process.stdin.write(b"hello")
        assert received(server, 1) == [b"hello"]
        server.send(batch_of([b"wel", b"come"]), 0.0)
        assert process.stdout.read(3) + process.stdout.read(4) == b"welcome"
    finally:
        process.kill()
        process.wait()
