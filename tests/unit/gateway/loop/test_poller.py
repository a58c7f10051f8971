from __future__ import annotations

import os
import resource
import signal
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from gateway import clock
from gateway.batch import CAPACITY, ROOM, Batch
from gateway.demo.stage import free_port
from gateway.endpoints import Endpoint, open_endpoint
from gateway.endpoints.address import parse
from gateway.loop import poller as poller_module
from gateway.loop.poller import Poller
from tests.unit.gateway.endpoints.wires import HOST, batch_of, opened, until


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """Give back what a Poller takes for the whole process."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    signal.set_wakeup_fd(-1)
    for number, handler in before.items():
        signal.signal(number, handler)


def wake_ups(poller: Poller, seconds: float = 0.3) -> int:
    """How often a loop turns that waits up to 50 ms and then serves its endpoints, as air and ground do."""
    count, batch, until_s = 0, Batch(), time.monotonic() + seconds
    while (now := time.monotonic()) < until_s:
        poller.wait(clock.now() + 0.05)
        count += 1
        for endpoint in poller.endpoints:
            endpoint.receive_into(batch, now)
            endpoint.tick(now)
    return count


@pytest.mark.parametrize("way", [poller_module._ByPoll, poller_module._BySelect])
def test_a_datagram_wakes_and_silence_does_not(monkeypatch, way):
    monkeypatch.setattr(poller_module, "_Ready", way)
    port = free_port()
    server = opened(open_endpoint(parse(f"udpin:{HOST}:{port}")))
    poller = Poller([server])
    assert not poller.wait(clock.now() + 0.01)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.sendto(b"x", (HOST, port))
        assert poller.wait(clock.now() + 10.0) == {server}
    assert server.receive_into(Batch(), 0.0) == 1
    assert not poller.wait(clock.now() - 1.0)
    server.close()


def test_an_endpoint_at_rest_wakes_no_loop_before_its_time_and_is_ready_then():
    ports = free_port(), free_port()
    one, other = (opened(open_endpoint(parse(f"udpin:{HOST}:{port}"))) for port in ports)
    poller, until_s = Poller([one, other]), clock.now() + 0.2
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.sendto(b"x", (HOST, ports[0]))
        poller.defer(one, until_s)
        assert poller.wait(clock.now() + 0.01) == set()
        out.sendto(b"x", (HOST, ports[1]))
        assert poller.wait(clock.now() + 0.01) == {other}
        other.receive_into(Batch(), 0.0)
    assert poller.wait(clock.now() + 10.0) == {one}
    assert clock.now() >= until_s
    assert poller.wait(clock.now() + 10.0) == {one}, "it has not been read"
    for endpoint in (one, other):
        endpoint.close()


def test_what_waits_in_an_endpoint_ends_its_rest_no_sooner():
    """Otherwise a loop that does not read now, because the link is full, would turn without a pause."""
    port = free_port()
    server = opened(open_endpoint(parse(f"udpin:{HOST}:{port}"), large=True))
    poller, batch = Poller([server]), Batch()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        for _ in range(3):
            out.sendto(bytes(60_000), (HOST, port))
    assert poller.wait(clock.now() + 10.0) == {server}
    server.receive_into(batch, 0.0)
    assert server.waiting, "the third one does not fit the batch whole"
    assert poller.wait(clock.now() + 0.0) == {server}
    until_s = clock.now() + 0.2
    poller.defer(server, until_s)
    assert poller.wait(clock.now() + 0.01) == set()
    assert poller.wait(clock.now() + 10.0) == {server}
    assert clock.now() >= until_s
    server.close()


def endpoint_busy() -> tuple[Endpoint, socket.socket]:
    other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    other.bind((HOST, 0))
    return open_endpoint(parse(f"udpin:{HOST}:{other.getsockname()[1]}")), other


def test_nothing_spins_while_it_is_idle_or_not_there():
    busy, holder = endpoint_busy()
    texts = [
        f"udpin:{HOST}:{free_port()}",
        f"udpout:{HOST}:{free_port()}",
        f"tcp:{HOST}:{free_port(socket.SOCK_STREAM)}",
        f"tcpin:{HOST}:{free_port(socket.SOCK_STREAM)}",
        "serial:/dev/not-there:57600",
    ]
    endpoints = [busy, *(open_endpoint(parse(text)) for text in texts)]
    poller = Poller(endpoints)
    wake_ups(poller, 0.1)
    endpoints[2].send(batch_of([b"nobody listens"] * CAPACITY), 0.0)
    assert wake_ups(poller) <= 20
    holder.close()
    for endpoint in endpoints:
        endpoint.close()
    assert wake_ups(poller) <= 20


def test_nothing_spins_after_a_cable_was_pulled_or_a_client_has_gone(tmp_path):
    far, near = os.openpty()
    name = tmp_path / "ttyFC"
    name.symlink_to(os.ttyname(near))
    os.close(near)
    port = free_port(socket.SOCK_STREAM)
    endpoints = [opened(open_endpoint(parse(text))) for text in (f"serial:{name}:57600", f"tcpin:{HOST}:{port}")]
    client = socket.create_connection((HOST, port))
    poller = Poller(endpoints)
    wake_ups(poller, 0.1)
    assert [endpoint.state for endpoint in endpoints] == ["connected", "connected"]
    os.close(far)
    client.close()
    assert wake_ups(poller) <= 20
    assert [endpoint.state for endpoint in endpoints] == ["reconnecting", "idle"]
    for endpoint in endpoints:
        endpoint.close()


def test_nothing_spins_while_a_client_does_not_read_and_what_waits_goes_when_it_does():
    port = free_port(socket.SOCK_STREAM)
    server = opened(open_endpoint(parse(f"tcpin:{HOST}:{port}")))
    client = socket.create_connection((HOST, port))
    poller = Poller([server])
    until(lambda: server.receive_into(Batch(), time.monotonic()) == 0 and server.state == "connected")
    batch = batch_of([bytes(ROOM)] * CAPACITY)
    until(lambda: server.send(batch, time.monotonic()) or server.interests()[-1][1] == 5)
    assert wake_ups(poller, 0.2) <= 20
    client.setblocking(False)

    def all_gone() -> bool:
        while True:
            try:
                client.recv(1 << 20)
            except BlockingIOError:
                break
        poller.wait(clock.now() + 0.05)
        server.receive_into(Batch(), time.monotonic())
        return server.interests()[-1][1] == 1

    until(all_gone)
    client.close()
    server.close()


def test_a_descriptor_that_another_endpoint_takes_over_is_waited_for_as_that_one():
    """An endpoint closes and another opens between two waits, and the system gives it the same number."""
    one, other = (open_endpoint(parse(f"udpin:{HOST}:{free_port()}")) for _ in range(2))
    opened(one)
    for endpoints in ([one, other], [other, one]):
        poller = Poller(endpoints)
        poller.wait(0.0)
        (closing,) = [endpoint for endpoint in endpoints if endpoint.interests()]
        (opening,) = [endpoint for endpoint in endpoints if not endpoint.interests()]
        fd = closing.interests()[0][0]
        closing._lost(OSError(5, "gone"), 0.0)
        opened(opening)
        assert opening.interests()[0][0] == fd
        assert not poller.wait(clock.now() + 0.01)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            out.sendto(b"x", (HOST, opening.address.port))
            assert poller.wait(clock.now() + 10.0) == {opening}
        opening.receive_into(Batch(), 0.0)
    for endpoint in (one, other):
        endpoint.close()


def test_several_endpoints_are_ready_at_once_and_a_deadline_stays_one_until_it_is_another():
    ports = free_port(), free_port()
    ends = [opened(open_endpoint(parse(f"udpin:{HOST}:{port}"))) for port in ports]
    poller, until = Poller(ends), clock.now() + 0.05
    assert poller.wait(until) == poller.wait(until) == set()
    assert clock.now() >= until
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        for port in ports:
            out.sendto(b"x", (HOST, port))
    assert poller.wait(until) == poller.wait(float("inf")) == {*ends}
    for endpoint in ends:
        endpoint.receive_into(Batch(), 0.0)
        endpoint.close()
    for past in (clock.now() - 1.0, 0.0, float("-inf")):
        assert not poller.wait(past)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_wait_and_is_the_wish_to_stop(number):
    poller = Poller([])
    sender = threading.Timer(0.05, os.kill, (os.getpid(), number))
    sender.start()
    turns = 0
    while not poller.stopping:
        assert not poller.wait(clock.now() + 10.0)
        turns += 1
    sender.join()
    assert turns <= 2


def test_after_a_signal_that_is_not_for_us_the_waiting_goes_on():
    poller = Poller([])
    heard: list[int] = []
    signal.signal(signal.SIGUSR1, lambda number, _: heard.append(number))
    for _ in range(3):
        os.kill(os.getpid(), signal.SIGUSR1)
    assert wake_ups(poller) <= 20
    assert heard == [signal.SIGUSR1] * 3
    assert not poller.stopping


def test_file_descriptors_beyond_the_reach_of_select():
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limits[1] < 2048:
        pytest.skip("the system gives this process too few file descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (2048, limits[1]))
    fillers = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        port = free_port()
        server = opened(open_endpoint(parse(f"udpin:{HOST}:{port}")))
        assert server.interests()[0][0] > 1023
        poller = Poller([server])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            out.sendto(b"x", (HOST, port))
            assert poller.wait(clock.now() + 10.0)
        server.close()
    finally:
        for filler in fillers:
            os.close(filler)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
