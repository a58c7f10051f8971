from __future__ import annotations

import random
import resource
import socket
import struct
from collections.abc import Callable, Iterator

import pytest

from gateway.batch import CAPACITY, ROOM, Batch
from gateway.demo.stage import free_port
from gateway.endpoints import Endpoint, open_endpoint, tcp
from gateway.endpoints.address import parse
from tests.unit.gateway.endpoints.wires import (
    HOST,
    batch_of,
    framed,
    indexes,
    opened,
    read_all,
    received_bytes,
    until,
)


@pytest.fixture
def make() -> Iterator[Callable[[str], Endpoint]]:
    made: list[Endpoint] = []

    def one(text: str) -> Endpoint:
        made.append(open_endpoint(parse(text)))
        return made[-1]

    yield one
    for endpoint in made:
        endpoint.close()


@pytest.fixture
def plain() -> Iterator[Callable[[socket.socket], socket.socket]]:
    """Sockets of programs that are not ours, closed at the end."""
    made: list[socket.socket] = []

    def keep(sock: socket.socket) -> socket.socket:
        made.append(sock)
        return sock

    yield keep
    for sock in made:
        sock.close()


def listening(port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, True)
    made.bind((HOST, port))
    made.listen()
    return made


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
def test_bytes_both_ways(make, host):
    port = free_port(socket.SOCK_STREAM)
    server = opened(make(f"tcpin:{host}:{port}"))
    assert (server.stream, server.state, server.connection) == (True, "idle", 0)
    client = opened(make(f"tcp:{host}:{port}"))
    rng = random.Random(port)
    for sender, receiver in ((client, server), (server, client)):
        frames = [rng.randbytes(size) for size in (1, 280, 0, ROOM, *(rng.randrange(281) for _ in range(CAPACITY - 4)))]
        sent = b"".join(frames)
        until(lambda receiver=receiver: receiver.receive_into(Batch(), 0.0) == 0 and receiver.state == "connected")
        sender.send(batch_of(frames), 0.0)
        assert received_bytes(receiver, len(sent)) == sent
        assert (sender.counters.tx_datagrams, sender.counters.tx_bytes) == (CAPACITY, len(sent))
        assert receiver.counters.rx_bytes == len(sent)
    assert server.connection == client.connection == 1


def test_the_client_outlives_its_server(make, plain):
    port = free_port(socket.SOCK_STREAM)
    client = make(f"tcp:{HOST}:{port}")
    for now in (0.0, 10.0, 20.0):
        until(lambda now=now: client.tick(now) or not client.interests())
        assert client.state == "reconnecting"
        assert "no program listens at 127.0.0.1 port" in client.last_error
    client.send(batch_of([b"x"]), 20.0)
    assert client.counters.dropped_tx == 1
    for number, now in ((1, 30.0), (2, 40.0)):
        server = plain(listening(port))
        opened(client, now)
        other = plain(server.accept()[0])
        assert (client.state, client.connection, client.counters.reopened) == ("connected", number, number - 1)
        client.send(batch_of([b"hello"]), now)
        other.sendall(b"half a fra")
        assert received_bytes(client, 10, now) == b"half a fra"
        assert other.recv(100) == b"hello"
        other.close()
        server.close()
        until(lambda now=now: client.receive_into(Batch(), now) == 0 and client.state == "reconnecting")
        assert (client.interests(), client.last_error) == ([], "127.0.0.1 closed the connection")


def a_full_one(plain) -> socket.socket:
    """A server whose queue is full, so that the system answers no further client."""
    full = plain(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    full.bind((HOST, 0))
    full.listen(0)
    for _ in range(2):
        queued = plain(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        queued.setblocking(False)
        queued.connect_ex(full.getsockname())
    return full


def test_a_connection_that_takes_its_time_is_finished_by_fill(make, plain):
    full = a_full_one(plain)
    client = make(f"tcp:{HOST}:{full.getsockname()[1]}")
    client.tick(0.0)
    assert client.receive_into(Batch(), 0.0) == 0
    assert (client.state, client.interests()[0][1]) == ("reconnecting", 4)
    plain(full.accept()[0])  # now there is room; the system asks again after a second
    until(lambda: client.receive_into(Batch(), 1.0) == 0 and client.state == "connected")
    assert client.interests()[0][1] == 1


def test_a_host_that_does_not_answer_is_given_up_and_tried_again(make, plain):
    client = make(f"tcp:{HOST}:{a_full_one(plain).getsockname()[1]}")
    client.tick(0.0)
    assert len(client.interests()) == 1
    client.tick(4.9)
    assert client.last_error == ""
    client.tick(5.1)
    assert (client.state, client.last_error, client.interests()) == ("reconnecting", "127.0.0.1 does not answer", [])
    client.tick(5.3)
    assert len(client.interests()) == 1


@pytest.mark.parametrize("linger", [(0, 0), (1, 0)], ids=["closed", "reset"])
def test_the_end_of_a_stream_comes_behind_its_last_bytes(make, plain, linger):
    port = free_port(socket.SOCK_STREAM)
    server = plain(listening(port))
    client = opened(make(f"tcp:{HOST}:{port}"))
    other = plain(server.accept()[0])
    other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", *linger))
    last = bytes(3 * ROOM)
    other.sendall(last)
    other.close()
    assert received_bytes(client, len(last)) == last
    until(lambda: client.receive_into(Batch(), 0.0) == 0 and client.state == "reconnecting")


def test_each_client_of_a_server_has_its_own_number(make, plain):
    port = free_port(socket.SOCK_STREAM)
    server = opened(make(f"tcpin:{HOST}:{port}"))
    rng = random.Random(3)
    clients = [plain(socket.create_connection((HOST, port))) for _ in range(3)]
    sent = [rng.randbytes(20_000) for _ in clients]
    at, got, batch = [0] * len(clients), {}, Batch(4)

    def step() -> bool:
        index = rng.randrange(len(clients))
        piece = sent[index][at[index] : at[index] + rng.randrange(3000)]
        clients[index].sendall(piece)
        at[index] += len(piece)
        if server.receive_into(batch, 0.0):
            got[server.connection] = got.get(server.connection, b"") + b"".join(batch.datagrams())
        return sum(map(len, got.values())) == sum(map(len, sent))

    until(step)
    assert got == dict(enumerate(sent, 1))
    clients[1].close()
    until(lambda: server.receive_into(batch, 0.0) == 0 and len(server.interests()) == 3)
    again = plain(socket.create_connection((HOST, port)))
    again.sendall(b"new")
    assert received_bytes(server, 3) == b"new"
    assert server.connection == 4


def test_a_client_that_talks_without_end_does_not_silence_the_others(make, plain):
    port = free_port(socket.SOCK_STREAM)
    server = opened(make(f"tcpin:{HOST}:{port}"))
    clients = [plain(socket.create_connection((HOST, port))) for _ in range(3)]
    for client in clients:
        client.sendall(bytes(64 << 10))
    batch, heard = Batch(2), []
    until(lambda: server.receive_into(batch, 0.0) == 2 and len(server.interests()) == 4)
    for _ in range(6):
        server.receive_into(batch, 0.0)
        heard.append(server.connection)
    assert sorted(heard[:3]) == sorted(heard[3:]) == [1, 2, 3]


def test_all_clients_get_everything_and_no_more_than_sixteen_come_in(make, plain):
    port = free_port(socket.SOCK_STREAM)
    server = opened(make(f"tcpin:{HOST}:{port}"))
    clients = [plain(socket.create_connection((HOST, port))) for _ in range(17)]
    until(lambda: server.receive_into(Batch(), 0.0) == 0 and "16 clients already" in server.last_error)
    server.send(batch_of([b"to ", b"all"]), 0.0)
    assert [client.recv(6, socket.MSG_WAITALL) for client in clients] == [b"to all"] * 16 + [b""]
    assert server.counters.tx_datagrams == 32
    for client in clients:
        client.close()
    until(lambda: server.receive_into(Batch(), 0.0) == 0 and server.state == "idle")
    assert len(server.interests()) == 1


def test_a_server_listens_where_it_is_told_and_nowhere_else(make):
    port = free_port(socket.SOCK_STREAM)
    opened(make(f"tcpin:{HOST}:{port}"))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", port))


def test_a_busy_port_is_tried_again_until_it_is_free(make):
    port = free_port(socket.SOCK_STREAM)
    with listening(port):
        server = make(f"tcpin:{HOST}:{port}")
        server.tick(0.0)
        assert (server.state, server.interests()) == ("reconnecting", [])
        assert "in use by another program" in server.last_error
    server.tick(3.0)
    assert server.state == "idle"


@pytest.mark.parametrize("role", ["tcp", "tcpin"])
def test_a_slow_reader_loses_whole_frames(make, plain, monkeypatch, role):
    """`now` runs ahead of the reader: what waits for more than a second is dropped, but never half of it."""
    monkeypatch.setattr(tcp, "SEND_BUFFER", 2048)
    ours, theirs = connected(make, plain, role)
    rng, stream = random.Random(4), bytearray()
    now, sent = 0.0, 0
    for _ in range(300):
        frames = [framed(rng, sent + index) for index in range(rng.randrange(1, 20))]
        sent += len(frames)
        ours.send(batch_of(frames), now)
        now += rng.choice((0.0, 0.1, 0.7))
        ours.receive_into(Batch(), now)
        if rng.random() < 0.6:
            stream += theirs.recv(rng.randrange(1, 2000))

    def drained() -> bool:
        ours.receive_into(Batch(), now)
        stream.extend(read_all(theirs.fileno()))
        return ours.interests()[-1][1] == 1 and ours.counters.tx_bytes == len(stream)

    theirs.setblocking(False)
    until(drained)
    got = indexes(bytes(stream))
    assert got == sorted(set(got))
    assert 0 < ours.counters.late_drop < sent
    assert (ours.counters.tx_datagrams, ours.counters.dropped_tx) == (len(got), 0)
    assert len(got) + ours.counters.late_drop == sent


def connected(make, plain, role: str) -> tuple[Endpoint, socket.socket]:
    """One of our endpoints, and the plain socket at the other end of its connection, which holds little."""
    port = free_port(socket.SOCK_STREAM)
    if role == "tcp":
        server = plain(listening(port))
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        ours = opened(make(f"tcp:{HOST}:{port}"))
        return ours, plain(server.accept()[0])
    ours = opened(make(f"tcpin:{HOST}:{port}"))
    theirs = plain(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    theirs.connect((HOST, port))
    until(lambda: ours.receive_into(Batch(), 0.0) == 0 and ours.state == "connected")
    return ours, theirs


def test_a_client_that_never_reads_costs_the_others_nothing_and_little_memory(make, plain, monkeypatch):
    with monkeypatch.context() as tight:
        tight.setattr(tcp, "SEND_BUFFER", 2048)
        server, deaf = connected(make, plain, "tcpin")
    reader = plain(socket.create_connection(deaf.getpeername()))
    reader.setblocking(False)
    until(lambda: server.receive_into(Batch(), 0.0) == 0 and len(server.interests()) == 3)
    batch, got = batch_of([bytes(ROOM)] * CAPACITY), bytearray()

    def all_there() -> bool:
        server.receive_into(Batch(), 0.0)
        got.extend(read_all(reader.fileno()))
        return len(got) == CAPACITY * ROOM

    for _ in range(30):
        server.send(batch, 0.0)
        until(all_there)
        got.clear()
    assert server.counters.dropped_tx > 10 * CAPACITY
    assert max(client._size for client in server._clients) <= 1 << 20


def test_nothing_of_one_connection_is_sent_on_the_next(make, plain, monkeypatch):
    monkeypatch.setattr(tcp, "SEND_BUFFER", 2048)
    port = free_port(socket.SOCK_STREAM)
    server = plain(listening(port))
    server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    client = opened(make(f"tcp:{HOST}:{port}"))
    first = server.accept()[0]
    frame = b"\x7e" + bytes(1000)
    for _ in range(10):
        client.send(batch_of([frame] * CAPACITY), 0.0)
    assert client.interests()[0][1] == 5  # waits to write
    first.close()
    until(lambda: client.receive_into(Batch(), 0.0) == 0 and client.state == "reconnecting")
    assert client.counters.dropped_tx > 0
    assert client.counters.dropped_tx + client.counters.tx_datagrams == 10 * CAPACITY
    opened(client, 5.0)
    second = plain(server.accept()[0])
    client.send(batch_of([b"whole"]), 5.0)
    assert second.recv(1000) == b"whole"


def test_no_file_descriptor_left_is_survived_without_spinning(make, plain):
    port = free_port(socket.SOCK_STREAM)
    server = opened(make(f"tcpin:{HOST}:{port}"))
    plain(socket.create_connection((HOST, port)))
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        server.receive_into(Batch(), 0.0)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert (server.state, server.interests()) == ("reconnecting", [])
    assert "open files" in server.last_error
    opened(server, 1.0)
    plain(socket.create_connection((HOST, port)))
    until(lambda: server.receive_into(Batch(), 1.0) == 0 and server.state == "connected")
