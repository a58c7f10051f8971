"""Whose programs are heard and sent to, by real sockets of one user: who is let in is what differs."""

from __future__ import annotations

import itertools
import os
import socket
import struct
import time
from collections.abc import Callable, Iterator

import pytest

from gateway.batch import Batch
from gateway.demo.stage import free_port
from gateway.endpoints import Endpoint, mmsg, open_endpoint, plain_users, socket_users, udp
from gateway.endpoints import departures as departures_of
from gateway.endpoints.address import parse
from gateway.endpoints.plain_users import (
    LEFT_FOR_S,
    LOOK_ABSENT_EVERY_S,
    LOOKS_MAX,
    OVERFLOW_UID,
    PEERS_MAX,
    STRANGERS_MAX,
    Peers,
    PlainUsers,
)
from tests.hostile.account_attacks import is_told
from tests.unit.gateway.endpoints.wires import HOST, batch_of, opened, received, received_bytes, until

pytestmark = pytest.mark.skipif(not socket_users.AVAILABLE, reason="this system shows no tables of sockets")
departures = pytest.mark.skipif(not is_told(), reason="this system does not tell that a socket left a port")
ME, SOMEBODY = os.geteuid(), 4_000_000
FRAME = b"a frame"
IPV6_FREEBIND = 78
ELSEWHERE = "2001:db8::99"
KINDS = [f"udpin:{HOST}", f"udpout:{HOST}", "udpout:127.255.255.255"]  # the last is the broadcast address of this computer


@pytest.fixture(autouse=True, params=[mmsg.Mmsg, mmsg.OneByOne], ids=["mmsg", "one by one"])
def _mover(request, monkeypatch):
    monkeypatch.setattr(udp, "new_mover", request.param)
    monkeypatch.setattr(plain_users, "REST", 0)  # a test is no flood


@pytest.fixture
def make() -> Iterator[Callable[..., Endpoint]]:
    made: list[Endpoint] = []

    def one(text: str, *uids: int) -> Endpoint:
        made.append(open_endpoint(parse(text), users=PlainUsers(uids)))
        return made[-1]

    yield one
    for endpoint in made:
        endpoint.close()


@pytest.fixture
def program() -> Iterator[Callable[..., socket.socket]]:
    """A UDP socket of this user's."""
    made: list[socket.socket] = []

    def one(port: int = 0, host: str = HOST) -> socket.socket:
        made.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        made[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made[-1].bind((host, port))
        made[-1].setblocking(False)
        return made[-1]

    yield one
    for sock in made:
        sock.close()


def commanding(program: Callable[..., socket.socket], kind: str) -> tuple[socket.socket, Endpoint]:
    """A ground control station, and the endpoint that takes its commands, open since 1.0."""
    gcs = program()
    text = f"{kind}:{free_port()}" if kind.startswith("udpin") else f"{kind}:{port_of(gcs)}"
    endpoint = opened(open_endpoint(parse(text), users=PlainUsers((ME,)), commands=True), 1.0)
    endpoint.send(batch_of([FRAME]), 1.0)
    return gcs, endpoint


def program_that_ends(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind((HOST, port))


def hears(endpoint: Endpoint, now: float) -> list[bytes]:
    batch = Batch()
    endpoint.receive_into(batch, now)
    return batch.datagrams()


def port_of(made: socket.socket) -> int:
    return made.getsockname()[1]


def nothing_came(made: socket.socket) -> bool:
    try:
        made.recv(2048)
    except BlockingIOError:
        return True
    return False


@pytest.fixture
def poses() -> Iterator[Callable[[str, int], socket.socket]]:
    """A socket of this user's that sends from an address of another computer."""
    made: list[socket.socket] = []

    def one(host: str, port: int = 0) -> socket.socket:
        try:
            made.append(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM))
            made[-1].setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
            made[-1].bind((host, port))
        except OSError as error:
            pytest.skip(f"no IPv6 here: {error}")
        return made[-1]

    yield one
    for sock in made:
        sock.close()


# --- udpin ---


def test_an_allowed_user_is_heard_and_answered(make, program):
    server, client = opened(make(f"udpin:{HOST}:{free_port()}", ME)), program()
    client.sendto(FRAME, (HOST, server.address.port))
    assert received(server, 1, 1.0) == [FRAME]
    server.send(batch_of([b"answer"]), 1.0)
    until(lambda: not nothing_came(client))
    assert server.counters.kept_out == 0
    assert server.users.strangers == {}


def test_a_user_that_is_not_allowed_is_neither_heard_nor_answered_but_named(make, program):
    server, client = opened(make(f"udpin:{HOST}:{free_port()}", SOMEBODY)), program()
    for _ in range(3):
        client.sendto(FRAME, (HOST, server.address.port))
        assert hears(server, 1.0) == []
    server.send(batch_of([b"answer"]), 1.0)
    assert nothing_came(client)
    assert (server.counters.kept_out, server.counters.rx_datagrams, server.clients()) == (3, 0, [])
    (stranger,) = server.users.strangers.values()
    assert stranger == (ME, f"{HOST}:{port_of(client)}", f"udpin:{HOST}:{server.address.port}", 1.0)


def test_a_program_that_sent_and_is_gone_is_not_heard(make, program):
    server, client = opened(make(f"udpin:{HOST}:{free_port()}", ME)), program()
    client.sendto(FRAME, (HOST, server.address.port))
    client.close()
    assert hears(server, 1.0) == []
    assert [user for user, *_ in server.users.strangers.values()] == [None]


def test_of_several_only_the_allowed_are_heard_in_order(make, program, monkeypatch):
    server = opened(make(f"udpin:{HOST}:{free_port()}", ME))
    good, bad = program(), program()
    real = socket_users.udp_ports
    monkeypatch.setattr(socket_users, "udp_ports", lambda: {**real(), port_of(bad): frozenset({SOMEBODY})})
    for number in range(20):
        (bad if number % 3 else good).sendto(b"%d" % number, (HOST, server.address.port))
    assert hears(server, 1.0) == [b"%d" % number for number in range(0, 20, 3)]
    assert server.counters.kept_out == 13
    assert server.clients() == [f"{HOST}:{port_of(good)}"]


def test_a_client_that_ended_is_not_sent_to_any_more(make, program):
    server, client = opened(make(f"udpin:{HOST}:{free_port()}", ME)), program()
    client.sendto(FRAME, (HOST, server.address.port))
    assert received(server, 1, 1.0) == [FRAME]
    client.close()
    server.tick(2.0)
    assert server.clients() == []
    assert server.users.strangers == {}, "to end is nothing to be told of"


def test_a_port_that_another_takes_over_is_looked_at_again(make, program, monkeypatch):
    server, client = opened(make(f"udpin:{HOST}:{free_port()}", ME)), program()
    client.sendto(FRAME, (HOST, server.address.port))
    assert received(server, 1, 1.0) == [FRAME]
    monkeypatch.setattr(socket_users, "udp_ports", lambda: {port_of(client): frozenset({ME, SOMEBODY})})
    server.tick(2.0)
    client.sendto(FRAME, (HOST, server.address.port))
    assert hears(server, 2.0) == []
    server.send(batch_of([b"answer"]), 2.0)
    assert nothing_came(client)
    assert [*server.users.strangers] == [SOMEBODY]


def test_a_program_here_does_not_pass_for_one_elsewhere(make, poses):
    """Linux lets any program send IPv6 from an address that this computer does not have."""
    server = opened(make(f"udpin:[::]:{free_port()}", ME))
    poses(ELSEWHERE).sendto(b"posing", ("::1", server.address.port))
    poses("::1").sendto(FRAME, ("::1", server.address.port))
    assert received(server, 1, 1.0) == [FRAME]
    assert server.clients() == [client for client in server.clients() if client.startswith("[::1]")]


def test_nor_for_the_one_that_is_sent_to(make, poses):
    there = poses(ELSEWHERE)
    client = opened(make(f"udpout:[{ELSEWHERE}]:{there.getsockname()[1]}", ME))
    ours = client.interests()[0][0]
    with socket.fromfd(ours, socket.AF_INET6, socket.SOCK_DGRAM) as made:
        made.bind(("::1", free_port()))
        there.sendto(b"posing", made.getsockname())
        poses("::1").sendto(FRAME, made.getsockname())
        until(lambda: bool(made.recv(2048, socket.MSG_PEEK)))
        assert made.recv(2048) == FRAME


def test_the_same_port_at_another_address_spoils_it(make, program):
    """Whoever has it can write the first one's address into what it sends, so both must be allowed to."""
    server, client = opened(make(f"udpin:{HOST}:{free_port()}", ME)), program()
    other = program(port_of(client), "127.0.0.9")
    source = (socket.IPPROTO_IP, 8, struct.pack("=i4s4s", 0, socket.inet_aton(HOST), bytes(4)))  # IP_PKTINFO
    other.sendmsg([b"forged"], [source], 0, (HOST, server.address.port))
    batch = Batch()
    until(lambda: server.receive_into(batch, 1.0))
    assert server.clients() == [f"{HOST}:{port_of(client)}"], "so it looks"
    assert socket_users.udp_ports()[port_of(client)] == {ME}, "and both are looked at"


def test_a_neighbour_of_the_network_is_no_user_of_this_computer(make):
    peers = Peers(PlainUsers((ME,)), "udpin:0.0.0.0:14550", lambda peer: peer, all_here=False)
    assert peers.admitted([("192.0.2.7", 14550)], 0.0) == [("192.0.2.7", 14550)]
    bound_to_loopback = Peers(PlainUsers((ME,)), "udpin:127.0.0.1:14550", lambda peer: peer, all_here=True)
    assert bound_to_loopback.admitted([("192.0.2.7", 14550)], 0.0) == []


def test_newcomers_without_end_cost_a_bounded_number_of_looks(monkeypatch):
    looks = []
    monkeypatch.setattr(plain_users, "REST", 1e9)
    monkeypatch.setattr(socket_users, "udp_ports", lambda: looks.append(1) or {})
    peers = Peers(PlainUsers((ME,)), "udpin:127.0.0.1:14550", lambda peer: peer, all_here=True)
    for port in range(1000):
        assert peers.admitted([(HOST, port)], 0.0) == []
    assert len(looks) == LOOKS_MAX


def test_a_row_that_the_system_skipped_keeps_no_one_out(monkeypatch):
    """It shows its table in pieces, and skips a row now and then where other programs close sockets meanwhile."""
    looks = itertools.count()
    port = 14550
    monkeypatch.setattr(socket_users, "udp_ports", lambda: {port: frozenset((ME,))} if next(looks) % 3 == 2 else {})
    users = PlainUsers((ME,))
    peers = Peers(users, "udpin:127.0.0.1:14551", lambda peer: peer, all_here=True)
    assert peers.admitted([(HOST, port)], 0.0) == [(HOST, port)]
    assert peers.admitted([(HOST, port)], 10.0) == [(HOST, port)]
    assert peers.review([(HOST, port)], 20.0) == []
    assert users.strangers == {}


def test_newcomers_without_end_put_off_no_look_at_the_commander(monkeypatch):
    monkeypatch.setattr(plain_users, "REST", 1e9)
    gcs, ports = (HOST, 14550), {14550: frozenset({ME})}
    monkeypatch.setattr(socket_users, "udp_ports", lambda: ports)
    peers = Peers(PlainUsers((ME,)), "udpin:127.0.0.1:1", lambda peer: peer, all_here=True, look_s=0.02)
    assert peers.admitted([gcs], 0.0) == [gcs]
    for port in range(1, 2 * PEERS_MAX):
        peers.admitted([(HOST, port)], 0.0)
    ports[14550] = frozenset({SOMEBODY})
    assert peers.admitted([gcs], 0.01) == [gcs]
    assert peers.admitted([gcs], 0.02) == []


def test_a_flood_from_ever_new_ports_keeps_no_newcomer_out(monkeypatch):
    gcs, tablet = (HOST, 14550), ("192.0.2.1", 14550)
    monkeypatch.setattr(socket_users, "udp_ports", lambda: {gcs[1]: frozenset({ME})})
    monkeypatch.setattr(socket_users, "is_here", lambda address: address[0] == HOST)
    peers = Peers(PlainUsers((ME,)), "udpin:0.0.0.0:1", lambda peer: peer, all_here=False)
    assert peers.admitted([tablet], 0.0) == [tablet]
    assert peers.review([tablet], 0.0) == []
    for port in range(1, 3 * PEERS_MAX):
        peers.admitted([(HOST, port)], 0.1)
    assert peers.admitted([gcs, tablet], 0.1) == [gcs, tablet]
    for port in range(1, 3 * PEERS_MAX):
        peers.admitted([(HOST, port)], 0.1)
    monkeypatch.setattr(plain_users, "OWED_MAX_S", -1e9)  # newcomers have to wait
    assert peers.admitted([gcs], 0.1) == [gcs], "who may be heard was not forgotten"


def test_sockets_closed_without_end_take_no_command_away(make, program, monkeypatch):
    monkeypatch.setattr(departures_of, "MESSAGES_A_CALL", 100)
    server, client = opened(make(f"udpin:{HOST}:{free_port()}", ME)), program()
    if not server.users.departures.available:
        pytest.skip("this system does not tell who left a port")
    server._peers._look_s = plain_users.LOOK_FOR_COMMANDS_S
    client.sendto(FRAME, (HOST, server.address.port))
    assert received(server, 1, 1.0) == [FRAME]
    clock, another = itertools.count(2), free_port()  # always the same: else a later test could be given one of them

    def heard() -> list[bytes]:
        for _ in range(500):
            program_that_ends(another)
        client.sendto(FRAME, (HOST, server.address.port))
        return hears(server, next(clock))

    until(lambda: heard() is None or server.users.flooded)
    until(lambda: all(not server.users.departures.pop() and time.sleep(0.01) is None for _ in range(20)))
    assert [heard() for _ in range(3)] == [[FRAME]] * 3
    program(port_of(client), "127.0.0.9").close()
    until(lambda: server.users.was_left(port_of(client), next(clock)))  # as before, of its own port


def test_newcomers_without_end_cost_a_bounded_memory(monkeypatch):
    monkeypatch.setattr(socket_users, "udp_ports", dict)
    peers = Peers(PlainUsers((ME,)), "udpin:127.0.0.1:14550", lambda peer: peer, all_here=True)
    for port in range(10 * PEERS_MAX):
        peers.admitted([(HOST, port)], 0.0)
    assert len(peers._may) <= PEERS_MAX
    rule = PlainUsers(())
    for uid in range(10 * STRANGERS_MAX):
        rule.may_have({uid}, "", "", 0.0)
    assert [*rule.strangers] == [*range(9 * STRANGERS_MAX, 10 * STRANGERS_MAX)]


def test_what_is_known_costs_no_look(make, program, monkeypatch):
    server, client = opened(make(f"udpin:{HOST}:{free_port()}", ME)), program()
    client.sendto(FRAME, (HOST, server.address.port))
    assert received(server, 1, 1.0) == [FRAME]
    server.tick(1.0)
    monkeypatch.setattr(socket_users, "udp_ports", lambda: pytest.fail("it looked"))
    for _ in range(100):
        client.sendto(FRAME, (HOST, server.address.port))
        assert received(server, 1, 1.1) == [FRAME]
        server.tick(1.2)


def test_tables_that_cannot_be_read_let_no_one_in(make, program, tmp_path, monkeypatch):
    monkeypatch.setattr(socket_users, "NET", tmp_path)
    server, client = opened(make(f"udpin:{HOST}:{free_port()}", ME)), program()
    client.sendto(FRAME, (HOST, server.address.port))
    assert hears(server, 1.0) == []
    assert "udp" in server.users.trouble


def test_user_65534_is_any_that_linux_cannot_show():
    assert not PlainUsers((OVERFLOW_UID,)).may_have({OVERFLOW_UID}, "", "", 0.0)


# --- udpout ---


def test_what_is_sent_goes_to_the_allowed_and_to_no_one_else(make, program):
    port = free_port()
    allowed, refused = opened(make(f"udpout:{HOST}:{port}", ME)), opened(make(f"udpout:{HOST}:{port}", SOMEBODY))
    for endpoint in (allowed, refused):
        endpoint.send(batch_of([FRAME]), 0.0)
        assert endpoint.state == "idle", "nobody is there"
        assert (endpoint.counters.kept_out, endpoint.users.strangers) == (1, {})
    listener = program(port)
    for endpoint in (allowed, refused):
        endpoint.tick(1.0)
        endpoint.send(batch_of([FRAME]), 1.0)
    assert (allowed.state, refused.state) == ("connected", "idle")
    until(lambda: not nothing_came(listener))
    assert nothing_came(listener), "from one of them alone"
    assert [*refused.users.strangers] == [ME]


def test_a_program_that_begins_to_listen_receives_what_is_sent_then_without_a_tick(make, program):
    port = free_port()
    client = opened(make(f"udpout:{HOST}:{port}", ME))
    before = client.tick_within_s()
    client.send(batch_of([FRAME]), 1.0)
    listener = program(port)
    client.send(batch_of([FRAME]), 1.0 + LOOK_ABSENT_EVERY_S / 2)
    assert (client.counters.kept_out, client.state) == (2, "idle")
    client.send(batch_of([FRAME]), 1.0 + 2 * LOOK_ABSENT_EVERY_S)
    until(lambda: not nothing_came(listener))
    assert (client.counters.kept_out, client.state) == (2, "connected")
    assert client.tick_within_s() == before, "the loop may sleep as long while no program is there"


def test_a_user_that_may_not_listen_is_not_heard_there(make, program):
    port = free_port()
    listener = program(port)
    client = opened(make(f"udpout:{HOST}:{port}", ME))
    client.send(batch_of([FRAME]), 0.0)
    for now, uid, heard in ((1.0, ME, [FRAME]), (2.0, SOMEBODY, [])):
        client.users = PlainUsers((uid,))
        client.tick(now)
        listener.sendto(FRAME, (HOST, port_of(client._socket)))
        assert hears(client, now) == heard
        assert client.counters.kept_out == (not heard)


def test_what_leaves_the_computer_is_sent(make):
    client = opened(make("udpout:192.0.2.1:14550", SOMEBODY))
    assert client.state == "connected"


@pytest.mark.parametrize("kind", KINDS)
def test_before_a_command_is_taken_the_answer_is_fresh(program, monkeypatch, kind):
    """Another takes the port over; the two reviews a second would be too late."""
    gcs, endpoint = commanding(program, kind)
    to = (HOST, port_of(endpoint._socket))
    gcs.sendto(FRAME, to)
    assert received(endpoint, 1, 1.0) == [FRAME]
    endpoint.tick(1.0)
    monkeypatch.setattr(socket_users, "udp_ports", lambda: {port_of(gcs): frozenset({ME, SOMEBODY})})
    for now, heard in ((1.001, [FRAME]), (1.003, [])):
        gcs.sendto(FRAME, to)
        assert hears(endpoint, now) == heard
    endpoint.close()


@departures
@pytest.mark.parametrize("kind", KINDS)
def test_a_command_of_a_program_that_shared_the_port_and_has_left_it_is_not_accepted(program, kind):
    gcs, endpoint = commanding(program, kind)
    to = (HOST, port_of(endpoint._socket))
    gcs.sendto(FRAME, to)
    assert received(endpoint, 1, 1.0) == [FRAME]
    other = program(port_of(gcs))
    other.sendto(b"a command of another", to)
    other.close()
    until(lambda: endpoint.users.was_left(port_of(gcs), 2.0))
    assert hears(endpoint, 2.0) == []
    assert [*endpoint.users.strangers] == [None]
    gcs.sendto(FRAME, to)
    assert hears(endpoint, 2.0 + LEFT_FOR_S) == [FRAME], "it is over"
    endpoint.close()


@pytest.mark.parametrize("kind", KINDS)
def test_newcomers_without_end_do_not_keep_the_commander_out(program, kind):
    gcs, endpoint = commanding(program, kind)
    to = (HOST, port_of(endpoint._socket))
    gcs.sendto(FRAME, to)
    assert received(endpoint, 1, 1.0) == [FRAME]
    endpoint.users._rest_until = float("inf")  # as a flood of newcomers does
    for now in (2.0, 3.0):
        endpoint.tick(now)
        gcs.sendto(FRAME, to)
        assert hears(endpoint, now) == [FRAME]
    endpoint.close()


@departures
def test_departures_without_end_take_no_command_away(monkeypatch):
    """From then on the system is asked for the ports that were heard alone, and what is told of these counts as before."""
    rule, asked = PlainUsers((ME,)), []
    monkeypatch.setattr(rule.departures, "only", lambda ports: asked.append(list(ports)))
    monkeypatch.setattr(rule.departures, "pop", lambda: None)
    assert not rule.was_left(14550, 1.0)
    assert asked == [[14550]]
    monkeypatch.setattr(rule.departures, "pop", lambda: {14550})
    assert rule.was_left(14550, 1.1)
    assert not rule.was_left(14551, 1.1)
    assert asked[-1] == [14550, 14551]
    for port in range(1, 101):
        rule.was_left(port, 2.0)
    assert asked[-1] == [*range(37, 101)], "the 64 latest"


# --- tcp ---


def test_a_connection_of_an_allowed_user(make):
    port = free_port(socket.SOCK_STREAM)
    server, client = opened(make(f"tcpin:{HOST}:{port}", ME)), make(f"tcp:{HOST}:{port}", ME)

    def met() -> bool:
        server.receive_into(Batch(), 0.0)
        client.tick(0.0)
        return client.state == server.state == "connected"

    until(met)
    client.send(batch_of([FRAME]), 0.0)
    assert received_bytes(server, len(FRAME)) == FRAME


def test_a_user_that_may_not_connect_is_disconnected_unheard(make):
    server = opened(make(f"tcpin:{HOST}:{free_port(socket.SOCK_STREAM)}", SOMEBODY))
    with socket.create_connection((HOST, server.address.port)) as client:
        client.sendall(FRAME)
        batch = Batch()
        until(lambda: server.receive_into(batch, 0.0) or server.counters.kept_out)
        assert (batch.count, server.clients(), server.state) == (0, [], "idle")
        client.settimeout(10)
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    assert [*server.users.strangers] == [ME]


def test_a_program_that_connected_and_is_gone_is_not_heard(make):
    server = opened(make(f"tcpin:{HOST}:{free_port(socket.SOCK_STREAM)}", ME, 0))
    with socket.create_connection((HOST, server.address.port)) as client:
        client.sendall(FRAME)
    batch = Batch()
    until(lambda: server.receive_into(batch, 0.0) or server.counters.kept_out)
    assert (batch.count, [*server.users.strangers]) == (0, [None])


def test_newcomers_wait_for_the_next_look_and_are_not_turned_away(make, monkeypatch):
    server = opened(make(f"tcpin:{HOST}:{free_port(socket.SOCK_STREAM)}", ME))
    server.users._rest_until = float("inf")
    with socket.create_connection((HOST, server.address.port)):
        for _ in range(3):
            server.receive_into(Batch(), 0.0)
            server.tick(0.0)
        assert (server.clients(), server.counters.kept_out) == ([], 0)
        server.users._rest_until = 0.0
        server.tick(0.0)
        assert len(server.clients()) == 1


def test_a_server_of_a_user_that_is_not_allowed_gets_nothing(make):
    with socket.create_server((HOST, 0)) as listener:
        client = make(f"tcp:{HOST}:{listener.getsockname()[1]}", SOMEBODY)
        until(lambda: client.tick(0.0) or client._meeting)
        client.tick(0.0)
        assert (client.state, client.interests()) == ("reconnecting", []), "until it is accepted nobody knows by whom"
        taken, _ = listener.accept()
        with taken:
            until(lambda: client.tick(0.0) or client.counters.kept_out)
            client.send(batch_of([FRAME]), 0.0)
            assert taken.recv(100) == b""
    assert "a user that is not allowed" in client.last_error
