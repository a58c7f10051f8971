from __future__ import annotations

import ctypes
import errno
import random
import select
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator

import pytest

from gateway.batch import CAPACITY, ROOM, Batch
from gateway.demo.stage import free_port
from gateway.endpoints import Endpoint, mmsg, open_endpoint, open_link, udp
from gateway.endpoints.address import parse
from tests.unit.gateway.endpoints.wires import HOST, batch_of, opened, received, until


@pytest.fixture(params=[mmsg.Mmsg, mmsg.OneByOne], ids=["mmsg", "one by one"], autouse=True)
def _mover(request, monkeypatch):
    if request.param is mmsg.Mmsg and mmsg.new_mover is not mmsg.Mmsg:
        pytest.skip("this system has no recvmmsg")
    monkeypatch.setattr(udp, "new_mover", request.param)


@pytest.fixture
def make() -> Iterator[Callable[[str], Endpoint]]:
    made: list[Endpoint] = []

    def one(text: str) -> Endpoint:
        made.append(opened(open_endpoint(parse(text))))
        return made[-1]

    yield one
    for endpoint in made:
        endpoint.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
def test_batches_both_ways_in_order(make, host):
    port = free_port()
    server, client = make(f"udpin:{host}:{port}"), make(f"udpout:{host}:{port}")
    rng, total = random.Random(port), {server: 0, client: 0}
    for _ in range(4):
        sizes = [0, 1, ROOM - 1, ROOM, *(rng.randrange(ROOM + 1) for _ in range(CAPACITY - 4))]
        there = [rng.randbytes(size) for size in rng.sample(sizes, CAPACITY)]
        back = [rng.randbytes(size) for size in rng.sample(sizes, CAPACITY)]
        for sender, receiver, datagrams in ((client, server, there), (server, client, back)):
            sender.send(batch_of(datagrams), 0.0)
            assert received(receiver, CAPACITY) == datagrams
            total[sender] += sum(map(len, datagrams))
    for endpoint, other in ((server, client), (client, server)):
        counters = endpoint.counters
        assert (endpoint.stream, endpoint.state, endpoint.connection, endpoint.last_error) == (False, "connected", 1, "")
        assert counters.rx_datagrams == counters.tx_datagrams == 4 * CAPACITY
        assert (counters.tx_bytes, counters.rx_bytes) == (total[endpoint], total[other])
        assert (counters.dropped_tx, counters.oversize, counters.reopened) == (0, 0, 0)


def test_every_interface_of_ipv6_takes_ipv4_in_too(make):
    port = free_port()
    server, client = make(f"udpin:[::]:{port}"), make(f"udpout:{HOST}:{port}")
    client.send(batch_of([b"hello"]), 0.0)
    assert received(server, 1) == [b"hello"]
    server.send(batch_of([b"answer"]), 0.0)
    assert received(client, 1) == [b"answer"]


def test_what_does_not_fit_a_slot_is_left_out_and_counted(make):
    port = free_port()
    server = make(f"udpin:{HOST}:{port}")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as camera:
        for size in (10, ROOM + 1, ROOM, 9000, 20):
            camera.sendto(bytes(size), (HOST, port))
    assert [len(d) for d in received(server, 3)] == [10, ROOM, 20]
    assert (server.counters.oversize, server.counters.largest_oversize) == (2, 9000)
    assert (server.counters.rx_datagrams, server.counters.rx_bytes) == (3, ROOM + 30)


def test_a_port_where_no_program_listens_yet(make):
    port = free_port()
    client = make(f"udpout:{HOST}:{port}")
    for _ in range(3):
        client.send(batch_of([b"lost"] * CAPACITY), 0.0)
    assert client.receive_into(Batch(), 0.0) == 0
    assert client.state == "connected"
    server = make(f"udpin:{HOST}:{port}")
    client.send(batch_of([b"found"]), 0.0)
    assert received(server, 1) == [b"found"]


def test_a_busy_port_is_tried_again_until_it_is_free():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((HOST, 0))
        server = open_endpoint(parse(f"udpin:{HOST}:{other.getsockname()[1]}"))
        for now in (0.0, 1.0, 5.0):
            server.tick(now)
            assert (server.state, server.interests(), server.receive_into(Batch(), now)) == ("reconnecting", [], 0)
        assert "in use by another program" in server.last_error
    server.send(batch_of([b"x", b"y"]), 5.0)
    assert server.counters.dropped_tx == 2
    server.tick(5.1)  # too early
    assert server.state == "reconnecting"
    server.tick(8.0)
    assert (server.state, server.connection, server.counters.reopened) == ("idle", 1, 0)
    server.close()
    assert (server.state, server.interests()) == ("down", [])


def test_an_address_that_is_not_ours_is_waited_for():
    server = open_endpoint(parse("udpin:192.0.2.1:14550"))
    server.tick(0.0)
    assert "does not have the address 192.0.2.1" in server.last_error


def test_all_clients_of_the_last_minute_are_answered(make):
    port = free_port()
    server = make(f"udpin:{HOST}:{port}")
    clients = [make(f"udpout:{HOST}:{port}") for _ in range(3)]
    for now, client in zip((100.0, 130.0, 130.0), clients, strict=True):
        client.send(batch_of([b"hello"]), now)
        received(server, 1, now)
    server.send(batch_of([b"one", b"two"]), 160.0)
    assert [received(client, 2) for client in clients] == [[b"one", b"two"]] * 3
    assert server.counters.tx_datagrams == 6
    server.send(batch_of([b"three"]), 160.5)  # the first was last heard more than 60 s ago
    assert [received(client, 1) for client in clients[1:]] == [[b"three"]] * 2
    assert clients[0].receive_into(Batch(), 160.5) == 0
    assert server.state == "connected"
    server.tick(190.5)
    assert server.state == "idle"
    server.send(batch_of([b"four"]), 190.5)
    assert [client.receive_into(Batch(), 190.5) for client in clients] == [0, 0, 0]
    assert server.counters.dropped_tx == 0


def shares(server: Endpoint, clients: list[Endpoint], now: float) -> list[int]:
    """How many datagrams each gets of one that the server sends."""
    server.send(batch_of([b"answer"]), now)
    return [client.receive_into(Batch(), now) for client in clients]


def test_the_newest_of_many_restarts_of_a_program_is_answered(make):
    port = free_port()
    server = make(f"udpin:{HOST}:{port}")
    clients = [make(f"udpout:{HOST}:{port}") for _ in range(20)]
    for number, client in enumerate(clients):
        for _ in range(2):
            client.send(batch_of([b"hello"]), float(number))
            received(server, 1, float(number))
    assert shares(server, clients, 19.0) == [0] * 4 + [1] * 16
    assert server.last_error == ""


def test_a_flood_of_newcomers_does_not_displace_a_client_that_is_heard(make):
    port = free_port()
    server = make(f"udpin:{HOST}:{port}")
    clients = [make(f"udpout:{HOST}:{port}") for _ in range(60)]
    for client in (clients[0], *clients):
        client.send(batch_of([b"hello"]), 0.0)
        received(server, 1)
    assert shares(server, clients, 0.0) == [1] + [0] * 44 + [1] * 15


def test_newcomers_that_are_heard_again_and_again_do_not_either(make):
    """The pilot's program says something once a second, the others ten times and twice at once."""
    port = free_port()
    server, pilot = make(f"udpin:{HOST}:{port}"), make(f"udpout:{HOST}:{port}")
    others = [make(f"udpout:{HOST}:{port}") for _ in range(udp.CLIENTS_MAX)]
    for tenth in range(30):
        now = tenth / 10
        for client in (*[pilot] * (2 * (tenth % 10 == 0)), *[client for client in others for _ in range(2)]):
            client.send(batch_of([b"hello"]), now)
            received(server, 1, now)
        assert shares(server, [pilot], now) == [1]
    assert len(server.clients()) == udp.CLIENTS_MAX


@pytest.mark.parametrize("every_s", [1.0, 0.6])
def test_a_link_follows_a_peer_whose_nat_gives_it_another_address_again_and_again(make, every_s):
    link = opened(open_link(parse(f"udpin:{HOST}:{free_port()}")))
    clients = [make(f"udpout:{HOST}:{link.address.port}") for _ in range(20)]
    for number, client in enumerate(clients):
        client.send(batch_of([b"authentic"]), 0.0)
        received(link, 1, number * every_s)
        link.authenticated(link.senders([0]), number * every_s)
        link.send(batch_of([b"answer"]), number * every_s)
        assert client.receive_into(Batch(), 0.0) == 1
    assert link.last_error == ""
    link.close()


def test_a_relay_that_is_faster_from_ever_new_addresses_displaces_no_one_from_a_link(make):
    link = opened(open_link(parse(f"udpin:{HOST}:{free_port()}")))
    mine, *relays = [make(f"udpout:{HOST}:{link.address.port}") for _ in range(30)]
    for number, client in enumerate([mine, *relays]):
        now = number * 0.3
        client.send(batch_of([b"authentic"]), now)
        received(link, 1, now)
        link.authenticated(link.senders([0]), now)
        if number % 5 == 0:  # its own copy comes second: every 1.5 s
            mine.send(batch_of([b"authentic"]), now)
            received(link, 1, now)
            link.renew(link.senders([0]), now)
        link.send(batch_of([b"answer"]), now)
        assert mine.receive_into(Batch(), now) == 1
    link.close()


def test_only_the_address_it_sends_to_is_heard(make):
    port = free_port()
    server, client = make(f"udpin:{HOST}:{port}"), make(f"udpout:{HOST}:{port}")
    client.send(batch_of([b"hello"]), 0.0)
    received(server, 1)
    _, ours = client._socket.getsockname()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.sendto(b"forged", (HOST, ours))
        server.send(batch_of([b"true"]), 0.0)
        stranger.sendto(bytes(ROOM + 1), (HOST, ours))
    assert received(client, 1) == [b"true"]
    assert client.receive_into(Batch(), 0.0) == 0
    assert (client.counters.rx_datagrams, client.counters.oversize) == (1, 0)


def test_a_broadcast_address_is_allowed_and_its_answers_are_heard(make):
    port = free_port()
    server, client = make(f"udpin:0.0.0.0:{port}"), make(f"udpout:127.255.255.255:{port}")
    client.send(batch_of([b"anybody"]), 0.0)
    assert received(server, 1) == [b"anybody"]
    server.send(batch_of([b"me"]), 0.0)
    assert received(client, 1) == [b"me"]


def test_answers_to_a_multicast_group_are_heard():
    in_a_network_of_its_own("""
        import struct
        ip("link", "set", "up", "multicast", "on")
        subprocess.run("ip route add default dev lo".split(), check=True)
        group = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        group.bind(("", 14550))
        joined = socket.inet_aton("239.255.145.50") + socket.inet_aton("127.0.0.1")
        group.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, joined)
        client = opened(open_endpoint(parse("udpout:239.255.145.50:14550")))
        client.send(batch_of([b"anybody"]), 0)
        told, where = group.recvfrom(100)
        assert told == b"anybody"
        for answer in (b"one", b"two"):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as station:
                station.sendto(answer, where)
            assert received(client, 1) == [answer]
    """)


@pytest.fixture
def names(monkeypatch) -> dict[str, list[str]]:
    """Name -> addresses, as a name server has them that these tests command."""
    known: dict[str, list[str]] = {}
    genuine = socket.getaddrinfo

    def look_up(host, *args, flags=0, **more):
        if flags & socket.AI_NUMERICHOST or host not in known:
            return genuine(host, *args, flags=flags, **more)
        return [entry for address in known[host] for entry in genuine(address, *args, **more)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return known


def ticked(endpoint: Endpoint, times: Iterable[float]) -> None:
    """At each of these times the endpoint is looked after until it has its answer."""
    for now in times:
        endpoint.tick(now)
        until(lambda: endpoint._lookup._thread is None or not endpoint._lookup._thread.is_alive())
        endpoint.tick(now)


@pytest.mark.parametrize("heard", [False, True], ids=["nothing comes from there", "something comes from there"])
def test_a_name_that_leads_somewhere_else_is_followed(make, names, heard: bool):
    """As dynamic DNS does: g4klx/DMRGateway#42, sm0svx/svxlink#330. Names of several addresses change their order."""
    port = free_port()
    names["station.example"] = ["127.0.0.1"]
    client = make(f"udpout:station.example:{port}")
    first, second = (make(f"udpin:127.0.0.{number}:{port}") for number in (1, 2))
    names["station.example"] = ["127.0.0.2", "127.0.0.1"]
    ticked(client, (6.0, 12.0))
    client.send(batch_of([b"one"]), 12.0)
    assert received(first, 1) == [b"one"]
    names["station.example"] = ["127.0.0.2"]
    if heard:
        first.send(batch_of([b"here"]), 0.0)
        received(client, 1, 13.0)
        ticked(client, (14.0, 17.0))
        client.send(batch_of([b"two"]), 17.0)
        assert received(first, 1) == [b"two"]
        for now in range(18, 73):
            first.send(batch_of([b"here"]), 0.0)
            received(client, 1, float(now))
            ticked(client, (float(now),))
    else:
        ticked(client, (18.0,))
    client.send(batch_of([b"three"]), 73.0)
    assert received(second, 1) == [b"three"]
    assert (client.state, client.counters.reopened) == ("connected", 1)


def test_a_name_server_that_has_no_answer_changes_nothing(make, names):
    port = free_port()
    names["station.example"] = ["127.0.0.1"]
    client, server = make(f"udpout:station.example:{port}"), make(f"udpin:127.0.0.1:{port}")
    del names["station.example"]
    ticked(client, (6.0, 12.0, 80.0))
    client.send(batch_of([b"still there"]), 80.0)
    assert received(server, 1) == [b"still there"]


def test_names_are_asked_for_again_while_they_are_not_known():
    client = open_endpoint(parse(f"udpout:{'.'.join(['a' * 60] * 5)}:14550"))
    until(lambda: client.tick(0.0) or "cannot be looked up" in client.last_error)
    assert client.state == "reconnecting"


# --- a network that goes away: in a network namespace, whose loopback interface starts down ---

NETWORK = """
    import socket, subprocess, sys
    from gateway.batch import Batch
    from gateway.endpoints import mmsg, open_endpoint, udp
    from gateway.endpoints.address import parse
    from tests.unit.gateway.endpoints.wires import batch_of, opened, received, until
    udp.new_mover = getattr(mmsg, sys.argv[1])
    ip = lambda *words: subprocess.run(["ip", *words, "dev", "lo"], check=True)
    server, client = (open_endpoint(parse(f"{kind}:127.0.0.1:14550")) for kind in ("udpin", "udpout"))
"""


def in_a_network_of_its_own(script: str) -> None:
    """Run `script` after NETWORK; AssertionError unless it ends well. Skips where that is not allowed."""
    alone = ["unshare", "--net", "--map-root-user"]
    try:
        allowed = subprocess.run([*alone, "ip", "link"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        allowed = False
    if not allowed:
        pytest.skip("needs unshare and ip, and the right to make a network namespace")
    kind = udp.new_mover.__name__
    words = [*alone, sys.executable, "-c", textwrap.dedent(NETWORK) + textwrap.dedent(script), kind]
    ran = subprocess.run(words, capture_output=True, check=False, text=True)
    assert ran.returncode == 0, ran.stderr


def test_a_way_too_narrow_to_send_many_as_one_takes_each_alone():
    in_a_network_of_its_own("""
        ip("link", "set", "up", "mtu", "1000")
        server.tick(0), client.tick(0)
        sent = [bytes([i]) * size for i, size in enumerate([1_177] * 20 + [900] * 20 + [1_177] * 20)]
        for now in range(2):
            client.send(batch_of(sent), now)
            assert received(server, 60) == sent
        assert (client.counters.tx_datagrams, client.counters.dropped_tx) == (120, 0)
    """)


def test_a_network_that_comes_goes_and_comes_back():
    in_a_network_of_its_own("""
        for now in range(0, 20, 5):
            client.tick(now)
            assert (client.state, client.interests()) == ("reconnecting", [])
        assert client.last_error == "no route to 127.0.0.1: is the network up?"
        ip("link", "set", "up")
        server.tick(20), client.tick(20)
        client.send(batch_of([b"one"]), 20)
        assert received(server, 1) == [b"one"]
        ip("addr", "del", "127.0.0.1/8")
        client.send(batch_of([b"lost", b"lost"]), 30)
        assert (client.state, client.counters.dropped_tx) == ("reconnecting", 2)
        ip("addr", "add", "127.0.0.1/8")
        client.tick(40)
        client.send(batch_of([b"two"]), 40)
        assert received(server, 1) == [b"two"]
        assert (client.state, client.connection, client.counters.reopened) == ("connected", 2, 1)
    """)


def test_an_interface_that_is_replaced_is_listened_on_again():
    """By an address that belongs to the interface, fe80::; a socket on it keeps to the one that is gone."""
    in_a_network_of_its_own("""
        def run(*words):
            subprocess.run(["ip", *words], check=True)

        def plug():
            run("link", "add", "wlan0", "type", "veth", "peer", "name", "far0")
            for name in ("wlan0", "far0"):
                run("link", "set", name, "addrgenmode", "none")
                run("link", "set", name, "up")
            run("addr", "add", "fe80::7/64", "dev", "wlan0", "nodad")

        ip("link", "set", "up")
        plug()
        server = opened(open_endpoint(parse("udpin:[fe80::7%wlan0]:14600")))
        number = socket.if_nametoindex("wlan0")
        run("link", "del", "wlan0")
        server.tick(1)
        assert server.state == "reconnecting"
        plug()
        assert socket.if_nametoindex("wlan0") != number
        opened(server, 20)
        client = opened(open_endpoint(parse("udpout:[fe80::7%wlan0]:14600")))
        batch = Batch()

        def arrives():  # not the first ones: the interface is not up at once
            client.send(batch_of([b"again"]), 20)
            return server.receive_into(batch, 20)

        until(arrives)
        assert set(batch.datagrams()) == {b"again"}
    """)


@pytest.mark.parametrize("error", [errno.ENOBUFS, errno.ENOMEM])
def test_a_system_without_memory_costs_the_datagrams_and_no_more(make, monkeypatch, error):
    """Its answer is made up: it cannot be asked to be short of memory."""
    ear = make(f"udpin:{HOST}:{free_port()}")
    mouth = make(f"udpout:{HOST}:{ear.address.port}")

    def refuse(*_: object) -> int:
        ctypes.set_errno(error)
        return -1

    if udp.new_mover is mmsg.OneByOne:
        pytest.skip("asks the socket itself")
    with monkeypatch.context() as patch:
        patch.setattr(mmsg, "_sendmmsg", refuse)
        mouth.send(batch_of([b"lost"] * 3), 0.0)
    assert (mouth.counters.dropped_tx, mouth.state) == (3, "connected")
    mouth.send(batch_of([b"sent"]), 0.0)
    assert received(ear, 1) == [b"sent"]


def test_a_datagram_that_cannot_go_does_not_hold_up_the_next():
    in_a_network_of_its_own("""
        ip("link", "set", "up", "mtu", "1280")
        server.tick(0), client.tick(0)
        client._socket.setsockopt(socket.IPPROTO_IP, 10, 2)  # IP_MTU_DISCOVER, IP_PMTUDISC_DO: no fragments
        client.send(batch_of([b"small", bytes(1500), b"also small"]), 0)
        assert received(server, 2) == [b"small", b"also small"]
        assert (client.state, client.counters.tx_datagrams, client.counters.dropped_tx) == ("connected", 2, 1)
        assert client.counters.tx_bytes == 15
    """)


# --- links ---


@pytest.fixture
def link() -> Iterator[Endpoint]:
    made = opened(open_link(parse(f"udpin:{HOST}:{free_port()}")))
    yield made
    made.close()


def heard(link: Endpoint, client: socket.socket, datagram: bytes = b"hello") -> None:
    client.sendto(datagram, (HOST, link.address.port))
    assert received(link, 1) == [datagram]


def answered(link: Endpoint, clients: list[socket.socket], now: float) -> list[bool]:
    link.send(batch_of([b"command"]), now)
    return [bool(select.select([client], (), (), 0.05)[0]) and client.recv(100) == b"command" for client in clients]


def test_a_link_answers_an_address_that_was_authenticated_for_five_seconds_and_no_other(link, sockets):
    stranger, aircraft = sockets(2)
    heard(link, aircraft)
    link.authenticated(link.senders([0]), 100.0)
    heard(link, stranger)
    assert answered(link, [stranger, aircraft], 105.0) == [False, True]
    assert answered(link, [stranger, aircraft], 105.1) == [False, False]
    link.tick(106.0)
    assert link.state == "idle"


def test_copies_keep_the_address_that_they_come_from_and_add_none(link, sockets):
    stranger, aircraft = sockets(2)
    heard(link, aircraft)
    link.authenticated(link.senders([0]), 100.0)
    for now in (104.0, 108.0):
        for client in (stranger, aircraft):
            heard(link, client)
            link.renew(link.senders([0]), now)
    assert answered(link, [stranger, aircraft], 112.0) == [False, True]
    link.tick(113.1)
    heard(link, aircraft)
    link.renew(link.senders([0]), 113.1)  # too late: it has to prove itself again
    assert answered(link, [stranger, aircraft], 113.1) == [False, False]


def test_a_flood_of_sources_does_not_displace_an_address_that_was_authenticated(link, sockets):
    clients = sockets(6)
    for client in clients:
        heard(link, client)
        link.authenticated(link.senders([0]), 1.0)
    assert answered(link, clients, 2.0) == [True] * 4 + [False] * 2


def test_only_the_senders_of_the_authentic_slots_are_answered(link, sockets):
    """Also when the batch has lost the slots of what was too large."""
    stranger, big, aircraft = sockets(3)
    for client, size in ((stranger, 10), (big, ROOM + 1), (aircraft, 20), (stranger, 30)):
        client.sendto(bytes(size), (HOST, link.address.port))
    batch = Batch()
    until(lambda: link.receive_into(batch, 0.0) == 3)
    link.authenticated(link.senders([1]), 0.0)
    assert answered(link, [stranger, big, aircraft], 0.0) == [False, False, True]


def test_to_authenticate_no_sender_changes_nothing(link, sockets):
    (client,) = sockets(1)
    heard(link, client)
    link.authenticated(link.senders([]), 0.0)
    assert answered(link, [client], 0.0) == [False]


def test_a_link_that_sends_needs_no_authentication():
    endpoint = open_link(parse(f"udpout:{HOST}:9"))
    assert type(endpoint) is type(open_endpoint(parse(f"udpout:{HOST}:9")))
    endpoint.authenticated(endpoint.senders([0]), 0.0)


@pytest.fixture
def sockets() -> Iterator[Callable[[int], list[socket.socket]]]:
    made: list[socket.socket] = []

    def some(count: int) -> list[socket.socket]:
        for _ in range(count):
            made.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            made[-1].bind((HOST, 0))
        return made[-count:]

    yield some
    for one in made:
        one.close()


def test_what_was_handed_over_is_told(make):
    port = free_port()
    server, client = make(f"udpin:{HOST}:{port}"), make(f"udpout:{HOST}:{port}")
    batch = batch_of([b"one", b"two"])
    assert (server.send(batch, 0.0), client.send(batch, 0.0)) == (0, 2)
    received(server, 2)
    make(f"udpout:{HOST}:{port}").send(batch, 0.0)
    received(server, 2)
    assert server.send(batch, 0.0) == 2, "to two, and still two of them"
    client.close()
    assert client.send(batch, 0.0) == 0
