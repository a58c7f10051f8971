"""Attacks of another user's programs on the computers of a flight, at plain endpoints as the roles open them.

The sockets are real. That they are another user's is played by a rule that lets nobody in but somebody else, so that the
table needs no root; tests/system/test_accounts.py does the same to real processes with real users.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import select
import socket
import time
from collections.abc import Callable, Iterator
from unittest.mock import patch

import pytest

from gateway.batch import Batch
from gateway.demo.stage import HOST, free_port
from gateway.endpoints import Endpoint, departures, open_endpoint
from gateway.endpoints.address import parse
from gateway.endpoints.departures import Departures
from gateway.endpoints.plain_users import LEFT_FOR_S, LOOK_EVERY_S, LOOK_FOR_COMMANDS_S, PlainUsers
from gateway.ground.uplink import GroundUplink
from gateway.report.alarms import Alarms
from tests.guarded import command
from tests.hostile.row import Row, only
from tests.memory_link import PILOT, World
from tests.memory_link import command as join
from tests.unit.gateway.endpoints.wires import batch_of, opened, until
from tests.unit.gateway.plain_end import PlainEnd

ROOT, SOMEBODY_ELSE = 0, 4_000_000
COUNT = 50
COMMANDS = 10
TOLD_WITHIN_S = 5.0  # it takes 10 us as a rule
IPV6_FREEBIND, ANOTHER_COMPUTER = 78, "2001:db8::99"
SOCKETS = 1_000
FRAME = b"what another user sends"


@contextlib.contextmanager
def plain(text: str, *uids: int, look_s: float = LOOK_FOR_COMMANDS_S) -> Iterator[Endpoint]:
    """An open endpoint at which programs of these users may be."""
    made = open_endpoint(parse(text))
    made.users, made.look_s = PlainUsers(uids), look_s
    try:
        yield opened(made, time.monotonic())
    finally:
        made.close()


def program(port: int = 0) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as QGroundControl asks for its own
    made.bind((HOST, port))
    made.setblocking(False)
    return made


def socket_that_is_closed(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind((HOST, port))


def counted(endpoint: Endpoint) -> dict[str, int]:
    return only({"kept_out": getattr(endpoint.counters, "kept_out", 0)}, "kept_out")


def heard(endpoint: Endpoint, send: Callable[[], object], times: int = COUNT) -> list[bytes]:
    """What the endpoint takes in of what is sent so often."""
    batch, out = Batch(), []
    for _ in range(times):
        send()
        now = time.monotonic()
        endpoint.tick(now)
        endpoint.receive_into(batch, now)
        out += batch.datagrams()
    return out


def commands_to_a_listening_port() -> Row:
    port = free_port()
    with plain(f"udpin:{HOST}:{port}", SOMEBODY_ELSE) as ground, program() as other:
        assert heard(ground, lambda: other.sendto(FRAME, (HOST, port))) == []
        ground.send(batch_of([b"telemetry"] * COUNT), time.monotonic())
        assert not readable(other)
        return Row(
            "another user of the pilot's computer commands at a listening port of the ground",
            f"{COUNT} datagrams from a program of that user",
            "none was accepted, none answered; an alarm names the user and the line that admits this user",
            counted(ground),
        )


def poses_as_another_computer() -> Row:
    port, batch, got = free_port(), Batch(), []
    with plain(f"udpin:[::]:{port}", os.geteuid()) as ground, socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as other:
        other.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
        other.bind((ANOTHER_COMPUTER, 0))
        for _ in range(COUNT):
            other.sendto(FRAME, ("::1", port))
        with program() as gcs:
            gcs.sendto(b"the pilot's", (HOST, port))
            until(
                lambda: (
                    ground.receive_into(batch, time.monotonic())
                    and (got.extend(batch.datagrams()) or b"the pilot's" in got)
                )
            )
        assert got == [b"the pilot's"]
        return Row(
            "the same where the ground listens on the network, from an IPv6 address that this computer does not have: Linux"
            " lets any program send from it",
            f"{COUNT} datagrams from {ANOTHER_COMPUTER}",
            "none was accepted, but the later ones of the pilot's program were: the kernel drops loopback datagrams from"
            " another address than their destination",
            {},
        )


def closes_sockets_without_end() -> Row:
    slow = patch.object(departures, "MESSAGES_A_CALL", SOCKETS // 5)  # as if the attacker were so much faster
    with slow, program() as gcs, plain(f"udpout:{HOST}:{gcs.getsockname()[1]}", os.geteuid()) as ground:
        now, batch = time.monotonic(), Batch()
        ground.send(batch_of([b"telemetry"]), now)
        until(lambda: readable(gcs))
        _, to = gcs.recvfrom(2048)
        clock, another = itertools.count(now + 1), free_port()

        def heard() -> list[bytes]:
            for _ in range(SOCKETS):
                socket_that_is_closed(another)
            gcs.sendto(FRAME, (HOST, to[1]))
            until(lambda: readable_now(ground))
            ground.receive_into(batch, next(clock))
            return batch.datagrams()

        until(lambda: heard() is None or ground.users.flooded)
        until(lambda: all(not ground.users.departures.pop() and time.sleep(0.01) is None for _ in range(20)))
        assert [heard() for _ in range(3)] == [[FRAME]] * 3
        return Row(
            "another user opens and closes sockets without end, so that Linux can no longer report which port was left",
            f"{SOCKETS:,} sockets before each command",
            "the first commands are not accepted; then Linux is asked only about the pilot's port, and the next ones are",
            {},
        )


def takes_14550_first() -> Row:
    port = free_port()
    with plain(f"udpout:{HOST}:{port}", SOMEBODY_ELSE) as ground, program(port):
        ground.tick(time.monotonic() + LOOK_EVERY_S)
        ground.send(batch_of([b"telemetry"] * COUNT), time.monotonic())
        assert ground.counters.tx_datagrams == 0
        return Row(
            "another user takes the port of the ground control station before it, to read telemetry and to command",
            f"{COUNT} frames of telemetry were to go there",
            "none was sent, and so the attacker has no address to which to send a command",
            counted(ground),
        )


def sends_and_is_gone() -> Row:
    port = free_port()

    def send() -> None:
        with program() as other:
            other.sendto(FRAME, (HOST, port))

    with plain(f"udpin:{HOST}:{port}", os.geteuid()) as ground:
        assert heard(ground, send) == []
        return Row(
            "the same at a listening port, from a socket that is closed before its user can be looked up",
            f"{COUNT} datagrams, each from a port of its own",
            "none was accepted: a port that no program has belongs to no user",
            counted(ground),
        )


def connects_and_is_gone() -> Row:
    port = free_port(socket.SOCK_STREAM)
    with plain(f"tcpin:{HOST}:{port}", ROOT, os.geteuid()) as ground:
        with socket.create_connection((HOST, port)) as other:
            other.sendall(FRAME)
        batch = Batch()
        until(lambda: ground.receive_into(batch, time.monotonic()) or getattr(ground.counters, "kept_out", 0))
        assert batch.count == 0
        return Row(
            "the same by TCP: connected, sent, closed",
            "one connection",
            "not accepted: Linux shows uid 0 for a closed socket, which does not count as root",
            counted(ground),
        )


def page_in_a_browser() -> Row:
    world = World(1, roles=(PILOT,))
    aircraft, station = world.aircraft(), world.station(1)
    join(world, station, aircraft, 0.0)
    arm, port, link = command("COMPONENT_ARM_DISARM", 1), free_port(socket.SOCK_STREAM), PlainEnd()
    with plain(f"tcpin:{HOST}:{port}", os.geteuid()) as gcs:
        said: list[str] = []
        uplink = GroundUplink(station.sessions, [gcs], [link], Alarms(said.append))
        with socket.create_connection((HOST, port)) as page:
            page.sendall(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 450\r\n\r\n" + arm * COMMANDS)
            until(lambda: uplink.relay({gcs}, 1.0) or bool(said or uplink.sent or uplink.refused))
            uplink.relay({gcs}, 2.0)
        assert (uplink.sent, dict(uplink.refused), link.drained) == (0, {}, [])
        return Row(
            "a page in the pilot's own browser posts commands to the TCP port that the ground serves",
            f"{COMMANDS} commands after the head of a request",
            "none was accepted: a connection that does not begin with MAVLink is closed, with an alarm",
            {},
        )


def injects_video() -> Row:
    port = free_port()
    with plain(f"udpin:{HOST}:{port}", SOMEBODY_ELSE, look_s=LOOK_EVERY_S) as camera, program() as other:
        assert heard(camera, lambda: other.sendto(FRAME, (HOST, port))) == []
        return Row(
            "another user of the aircraft's computer sends video to the camera's port",
            f"{COUNT} datagrams",
            "none was sealed",
            counted(camera),
        )


def shares_the_port_for_a_moment() -> Row:
    """No table tells who had a port; but that a socket has left it is told, where the kernel has udp_diag."""
    if not is_told():
        pytest.skip("this kernel does not tell that a socket left a port")
    with program() as gcs, plain(f"udpout:{HOST}:{gcs.getsockname()[1]}", os.geteuid()) as ground:
        ground.send(batch_of([b"telemetry"]), time.monotonic())
        until(lambda: readable(gcs))
        _, to = gcs.recvfrom(2048)
        with program(gcs.getsockname()[1]) as other:
            other.sendto(FRAME, (HOST, to[1]))
        until(lambda: ground.users.was_left(gcs.getsockname()[1], time.monotonic()))
        assert heard(ground, lambda: None, 1) == []
        gcs.sendto(b"the pilot's", to)
        later = time.monotonic() + LEFT_FOR_S
        batch = Batch()
        until(lambda: ground.receive_into(batch, later))
        assert batch.datagrams() == [b"the pilot's"]
        return Row(
            "another user shares the UDP port of a ground control station that lets others share it (SO_REUSEADDR), for one"
            " datagram, and closes before the table is read",
            "1 command",
            "not accepted after Linux has reported that a socket left the port, some 10 us later; **accepted** if it is"
            " read before",
            counted(ground),
        )


def is_told() -> bool:
    """Whether this system tells that a socket has left a port."""
    told, until_s = Departures(), time.monotonic() + TOLD_WITHIN_S
    with program() as made:
        port = made.getsockname()[1]
    while time.monotonic() < until_s:
        if port in (told.pop() or ()):
            return True
        time.sleep(0.001)
    return False


def readable(made: socket.socket) -> bool:
    try:
        made.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    return True


def readable_now(endpoint: Endpoint) -> bool:
    """Whether something waits in its socket."""
    return bool(select.select([descriptor for descriptor, _ in endpoint.interests()], [], [], 0)[0])


ATTACKS = (
    commands_to_a_listening_port,
    poses_as_another_computer,
    closes_sockets_without_end,
    takes_14550_first,
    sends_and_is_gone,
    connects_and_is_gone,
    page_in_a_browser,
    injects_video,
    shares_the_port_for_a_moment,
)
