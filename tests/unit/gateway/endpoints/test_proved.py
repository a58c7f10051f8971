"""Who gets what a ground sends up, where anybody may send to its link: SPEC.md section 7, addresses."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable, Hashable, Iterator

import pytest

from gateway.demo.stage import free_port
from gateway.endpoints import Endpoint, mmsg, open_link, udp
from gateway.endpoints.address import parse
from gateway.endpoints.proved import TRIED_MAX, ProvedLink
from tests.unit.gateway.endpoints.wires import HOST, batch_of, opened, received

Sockets = Callable[[int], list[socket.socket]]


@pytest.fixture(params=[mmsg.Mmsg, mmsg.OneByOne], ids=["mmsg", "one by one"], autouse=True)
def _mover(request, monkeypatch):
    if request.param is mmsg.Mmsg and mmsg.new_mover is not mmsg.Mmsg:
        pytest.skip("this system has no recvmmsg")
    monkeypatch.setattr(udp, "new_mover", request.param)


@pytest.fixture
def link() -> Iterator[Endpoint]:
    made = opened(open_link(parse(f"udpin:{HOST}:{free_port()}"), proved=True))
    yield made
    made.close()


@pytest.fixture
def sockets() -> Iterator[Sockets]:
    made: list[socket.socket] = []

    def some(count: int) -> list[socket.socket]:
        for _ in range(count):
            made.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            made[-1].bind((HOST, 0))
        return made[-count:]

    yield some
    for one in made:
        one.close()


def heard(link: Endpoint, client: socket.socket) -> Hashable:
    """Let `client` send one datagram; its address, as the link names it."""
    client.sendto(b"hello", (HOST, link.address.port))
    assert received(link, 1) == [b"hello"]
    (address,) = link.senders([0])
    return address


def authentic(link: Endpoint, client: socket.socket, now: float) -> Hashable:
    address = heard(link, client)
    link.authenticated(link.senders([0]), now)
    return address


def proposed(link: Endpoint, client: socket.socket, now: float) -> Hashable:
    address = heard(link, client)
    link.propose(link.senders([0]), now)
    return address


def answered(link: Endpoint, clients: list[socket.socket], now: float) -> list[bool]:
    link.send(batch_of([b"command"]), now)
    return [bool(select.select([client], (), (), 0.05)[0]) and client.recv(100) == b"command" for client in clients]


def test_only_a_link_that_listens_is_of_this_kind():
    assert type(open_link(parse("udpin:127.0.0.1:1"), proved=True)) is ProvedLink
    for text in ("udpout:127.0.0.1:1", "serial:/dev/ttyUSB0:57600"):
        assert not isinstance(open_link(parse(text), proved=True), ProvedLink)


def test_the_sender_of_copies_can_be_tried_alone_and_gets_nothing_else(link, sockets: Sockets):
    relay, aircraft = sockets(2)
    fast = authentic(link, relay, 1.0)
    slow = proposed(link, aircraft, 1.0)
    assert link.addresses() == [fast, slow]
    assert answered(link, [relay, aircraft], 1.0) == [True, False]
    link.send_to(batch_of([b"challenge"]), slow, 1.0)
    assert aircraft.recv(100) == b"challenge"
    assert not select.select([relay], (), (), 0.05)[0]
    assert (link.counters.tx_datagrams, link.counters.dropped_tx) == (2, 0)


def test_what_came_back_makes_an_address_one_that_gets_everything_for_ten_seconds(link, sockets: Sockets):
    (aircraft,) = sockets(1)
    link.prove(proposed(link, aircraft, 1.0), 1.0)
    assert link.state == "connected"
    assert answered(link, [aircraft], 11.0) == [True]
    assert answered(link, [aircraft], 11.1) == [False]


def test_an_unproved_address_gives_way_to_a_new_one_and_a_proved_one_does_not(link, sockets: Sockets):
    clients = sockets(7)
    addresses = [authentic(link, client, 1.0) for client in clients[:4]]
    link.prove(addresses[1], 1.5)
    link.prove(addresses[3], 1.5)
    authentic(link, clients[4], 2.0)
    assert answered(link, clients[:5], 2.0) == [False, True, True, True, True]
    authentic(link, clients[5], 2.0)
    link.prove(proposed(link, clients[6], 2.0), 2.0)
    assert answered(link, clients, 2.0) == [False, True, False, True, False, True, True]
    authentic(link, clients[0], 11.6)
    assert answered(link, clients, 11.6) == [True, False, False, False, False, False, True], "what was proved ends too"


def test_where_all_are_proved_a_new_one_waits_and_it_is_said(link, sockets: Sockets):
    clients = sockets(6)
    for client in clients[:4]:
        link.prove(authentic(link, client, 1.0), 1.0)
    authentic(link, clients[4], 2.0)
    link.prove(proposed(link, clients[5], 2.0), 2.0)
    assert answered(link, clients, 2.0) == [True] * 4 + [False] * 2
    assert link.last_error


def test_one_that_is_proved_and_has_fallen_silent_gives_way(link, sockets: Sockets):
    """A NAT gives the aircraft another address every second."""
    for number, client in enumerate(sockets(12)):
        link.prove(authentic(link, client, float(number)), float(number))
        assert answered(link, [client], float(number)) == [True]


def test_those_that_are_tried_are_few_the_newest_and_only_while_they_send(link, sockets: Sockets):
    clients = sockets(TRIED_MAX + 2)
    addresses = [proposed(link, client, 1.0) for client in clients]
    assert link.addresses() == addresses[2:]
    proposed(link, clients[2], 5.0)
    link.tick(6.1)
    assert link.addresses() == [addresses[2]]


def test_copies_keep_an_address_that_gets_everything(link, sockets: Sockets):
    (aircraft,) = sockets(1)
    address = authentic(link, aircraft, 1.0)
    for now in (5.0, 9.0):
        assert proposed(link, aircraft, now) == address
    assert link.addresses() == [address]
    assert answered(link, [aircraft], 14.0) == [True]
    assert answered(link, [aircraft], 14.1) == [False]


def test_a_link_that_is_gone_proves_and_sends_nothing(link, sockets: Sockets):
    (aircraft,) = sockets(1)
    address = authentic(link, aircraft, 1.0)
    link.close()
    link.prove(address, 1.0)
    link.send_to(batch_of([b"challenge"]), address, 1.0)
    assert (link.addresses(), link.state, link.counters.dropped_tx) == ([], "down", 1)
