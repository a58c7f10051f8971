"""How old is what an endpoint hands over: by clocks that a test sets, and through the system."""

from __future__ import annotations

import contextlib
import os
import pty
import socket
import time
import tty
from collections.abc import Callable

import numpy as np
import pytest

from gateway import clock
from gateway.batch import AGED_S, Batch
from gateway.demo.stage import free_port
from gateway.endpoints import Endpoint, mmsg, open_endpoint, open_link, slip, udp
from gateway.endpoints.address import parse
from gateway.endpoints.age import COMPARE_EVERY_S, SETTLE_S, STAMPS_AFTER_S, STOOD_STILL_S, Age
from gateway.endpoints.mmsg import Mmsg, OneByOne
from tests.unit.gateway.endpoints.wires import HOST, batch_of, opened, until

YEAR_1970, YEAR_2026 = 10.0, 1_780_000_000.0
WAITS_S = AGED_S + 0.1


class Clocks:
    """The clock that counts on, and the one that people set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.unix = 100.0, YEAR_2026
        monkeypatch.setattr("gateway.clock.now", lambda: self.now)
        monkeypatch.setattr("time.time", lambda: self.unix)

    def go_on(self, seconds: float) -> None:
        self.now += seconds
        self.unix += seconds


@pytest.fixture
def clocks(monkeypatch) -> Clocks:
    return Clocks(monkeypatch)


def turn(age: Age, clocks: Clocks) -> None:
    """As a loop does when nothing comes, until the system stamps for certain."""
    for _ in range(1 + int(STAMPS_AFTER_S / 0.05)):
        clocks.go_on(0.05)
        age.begin()
        age.empty()


def read(age: Age, *stamps: float, emptied: bool = True) -> list[float]:
    """The ages of datagrams with these stamps; the oldest alone if the stamps told nothing."""
    asked = age.begin()
    oldest, ages, sure = age.waited(np.array(stamps) if asked and stamps else None, emptied=emptied)
    assert ages is None or oldest == ages[0]
    assert (ages is None) is (sure is None)
    assert sure is None or (sure <= ages).all()
    return [round(each, 6) for each in ([oldest] if ages is None else ages.tolist())]


def test_while_the_loop_turns_no_stamp_is_asked_for(clocks):
    age = Age()
    for _ in range(30):
        turn(age, clocks)
        clocks.go_on(0.01)
        assert not age.begin()
        assert age.waited(None, emptied=True) == (pytest.approx(0.01), None, None)


def test_after_a_standstill_each_is_as_old_as_its_stamp_says(clocks):
    age = Age()
    turn(age, clocks)
    clocks.go_on(8.0)
    assert read(age, clocks.unix - 7.5, clocks.unix - 3.0, clocks.unix - 0.001) == [7.5, 3.0, 0.001]


@pytest.mark.parametrize("step", [YEAR_1970 - YEAR_2026, -3600.0, -0.06, 0.06, 3600.0, YEAR_2026])
def test_where_the_clock_was_set_meanwhile_nothing_is_younger_than_it_can_be(clocks, step):
    age = Age()
    turn(age, clocks)
    clocks.go_on(2.0)
    stamp = clocks.unix
    clocks.unix += step
    clocks.go_on(2.0)
    assert read(age, stamp, clocks.unix) == [4.0]


@pytest.mark.parametrize("step", [YEAR_1970 - YEAR_2026, 3600.0])
def test_a_clock_that_is_set_while_the_loop_turns_makes_nothing_old(clocks, step):
    age = Age()
    for _ in range(40):
        turn(age, clocks)
        clocks.unix += step
        step = -step
        assert read(age, clocks.unix) == [0.0]
    assert clocks.now - 100.0 > COMPARE_EVERY_S


@pytest.mark.parametrize("agrees", [True, False])
def test_after_the_clock_was_set_timestamps_are_asked_for_until_they_agree(clocks, agrees):
    """Where they never do, a datagram after a short silence would count as old: the endpoint is read more often then."""
    age = Age()
    turn(age, clocks)
    assert age.stamps_agree
    clocks.unix += 3600.0
    turn(age, clocks)
    assert not age.stamps_agree
    for again in range(3):
        clocks.go_on(0.05)
        assert read(age, clocks.unix - 0.01 - (0 if agrees else 3600.0)) == [0.01 if agrees and not again else 0.05]
        assert age.stamps_agree is agrees
        clocks.go_on(0.05)
        assert age.begin() is not agrees
        age.empty()


def test_what_may_have_come_before_the_system_began_to_stamp_is_as_old_as_it_can_be(clocks):
    """It then has the stamp of its reading."""
    age = Age()
    clocks.go_on(0.05)
    age.begin()
    age.empty()
    clocks.go_on(5.0)
    assert read(age, clocks.unix) == [5.0]


def test_what_the_system_did_not_stamp_may_just_have_come(clocks):
    """Beside what it stamped: the first of these came before the system began to."""
    age = Age()
    clocks.go_on(0.05)
    age.begin()
    age.empty()
    clocks.go_on(5.0)
    age.begin()
    oldest, ages, sure = age.waited(np.array([clocks.unix, clocks.unix - 3.0, clocks.unix]), emptied=True)
    assert (oldest, ages.tolist(), sure.tolist()) == (5.0, [5.0, 3.0, 0.0], [0.0, 3.0, 0.0])


def test_a_flood_from_the_opening_on_is_not_called_old(clocks):
    """It is never read to its end, and by and by the system stamps."""
    age = Age()
    for _ in range(2000):
        clocks.go_on(0.001)
        stamps = np.array([clocks.unix - 0.05, clocks.unix - 0.001, clocks.unix])
        oldest, _, _ = age.waited(stamps if age.begin() else None, emptied=False)
        assert oldest < AGED_S + 0.002


def test_without_stamps_all_is_as_old_as_the_last_read_that_found_the_end(clocks):
    age = Age()
    turn(age, clocks)
    clocks.go_on(8.0)
    assert read(age, emptied=False) == [8.0]
    clocks.go_on(0.01)
    assert read(age) == [8.01]


def test_a_flood_that_is_never_read_to_its_end_is_looked_into_now_and_then(clocks):
    """What is left came later than what was read; so the next reads need no stamps."""
    age = Age()
    turn(age, clocks)
    asked = 0
    for _ in range(1000):
        clocks.go_on(0.001)
        wanted = age.begin()
        asked += wanted
        stamps = np.array([clocks.unix - 0.05, clocks.unix - 0.04])
        oldest, _, _ = age.waited(stamps if wanted else None, emptied=False)
        assert oldest < AGED_S + 0.002
    assert 5 < asked < 20


def test_after_a_standstill_a_line_is_not_empty_before_it_has_settled(clocks):
    """Of a terminal's buffers the second is handed over when the first was read."""
    age = Age()
    turn(age, clocks)
    clocks.go_on(STOOD_STILL_S + 5.0)
    assert read(age) == [STOOD_STILL_S + 5.0]
    clocks.go_on(SETTLE_S / 2)
    assert read(age) == [STOOD_STILL_S + 5.0 + SETTLE_S / 2]
    clocks.go_on(SETTLE_S)
    read(age)
    clocks.go_on(0.01)
    assert read(age) == [0.01]


# --- through the system ---


def waits(seconds: float = WAITS_S) -> None:
    """Until so much time has passed; never less."""
    end = clock.now() + seconds
    while clock.now() < end:
        time.sleep(0.01)


def stamped(endpoint: Endpoint) -> Endpoint:
    """Once the system stamps for certain, and nothing waits."""
    age = endpoint._age
    until(lambda: endpoint.receive_into(Batch(), 0.0) == 0 and age._since >= age._stamped_from)
    return endpoint


def between(endpoint: Endpoint, send: Callable[[], object]) -> tuple[Batch, float, float]:
    """Read what is sent and then waits; the batch, and between which two ages it must be."""
    batch, began = Batch(), clock.now()
    send()
    sent = clock.now()
    waits()
    filling = clock.now()
    until(lambda: endpoint.receive_into(batch, 0.0) > 0)
    return batch, filling - sent, clock.now() - began


@pytest.mark.parametrize("mover", [Mmsg, OneByOne])
@pytest.mark.parametrize("kind", [open_endpoint, open_link])
def test_a_datagram_is_as_old_as_the_time_for_which_it_waited(monkeypatch, kind, mover):
    if mover is Mmsg and mmsg.new_mover is not Mmsg:
        pytest.skip("this system has no recvmmsg")
    monkeypatch.setattr(udp, "new_mover", mover)
    monkeypatch.setattr("gateway.endpoints.gro.new_mover", mover)
    port = free_port()
    server = stamped(opened(kind(parse(f"udpin:{HOST}:{port}"))))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        batch, least, most = between(server, lambda: made.sendto(b"one", (HOST, port)))
        assert least <= batch.oldest <= most + (0 if mover is Mmsg else 1), "without stamps, since the read before"
        assert batch.age(0) == batch.oldest
        assert batch.sure_age(0) == (batch.oldest if mover is Mmsg else 0.0)
        made.sendto(b"two", (HOST, port))
        until(lambda: server.receive_into(batch, 0.0) > 0)
        assert batch.datagrams() == [b"two"]
    server.close()


@pytest.mark.skipif(mmsg.new_mover is not Mmsg, reason="this system has no recvmmsg")
@pytest.mark.parametrize("kind", [open_endpoint, open_link])
def test_each_of_a_batch_has_its_own_age_and_a_piece_that_of_its_first(kind):
    port = free_port()
    server, batch = opened(kind(parse(f"udpin:{HOST}:{port}"))), Batch()
    stamped(server)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        for _ in range(2):
            waits(0.2)
            made.setsockopt(mmsg.SOL_UDP, mmsg.UDP_SEGMENT, 100)
            made.sendto(bytes(250), (HOST, port))
            made.setsockopt(mmsg.SOL_UDP, mmsg.UDP_SEGMENT, 0)
            made.sendto(b"alone", (HOST, port))
        waits(0.2)
        until(lambda: server.receive_into(batch, 0.0) > 0)
    server.close()
    ages = [batch.age(slot) for slot in range(batch.count)]
    assert batch.lengths[: batch.count].tolist() == [100, 100, 50, 5] * 2
    assert ages == sorted(ages, reverse=True)
    assert ages[0] == ages[1] == ages[2] >= ages[4] + 0.2
    assert ages[4] == ages[6] >= 0.2


@pytest.mark.parametrize("kind", ["tcpin", "serial", "slip"])
def test_a_stream_tells_the_age_of_what_it_reads(kind, tmp_path):
    if kind == "tcpin":
        port = free_port(socket.SOCK_STREAM)
        end = opened(open_endpoint(parse(f"tcpin:{HOST}:{port}")))
        made = socket.create_connection((HOST, port))
        until(lambda: end.receive_into(Batch(), 0.0) or bool(end.clients()))
        send, close = made.sendall, made.close
    else:
        master, slave = pty.openpty()
        tty.setraw(slave)
        how = open_link if kind == "slip" else open_endpoint
        end = opened(how(parse(f"serial:{os.ttyname(slave)}:921600")))
        send, close = (lambda data: os.write(master, data)), (lambda: (os.close(master), os.close(slave)))
    end.receive_into(Batch(), 0.0)
    batch, least, _ = between(end, lambda: send(slip.encode(b"bytes")))
    assert least <= batch.oldest
    assert batch.age(0) == batch.oldest
    assert batch.sure_age(0) == 0.0, "a line has no stamps"
    end.close()
    close()


def test_a_client_that_connects_between_two_reads_brings_nothing_young():
    port = free_port(socket.SOCK_STREAM)
    server = opened(open_endpoint(parse(f"tcpin:{HOST}:{port}")))
    made: list[socket.socket] = []

    def connect() -> None:
        made.append(socket.create_connection((HOST, port)))
        made[0].sendall(b"bytes")

    batch, least, _ = between(server, connect)
    assert batch.oldest >= least
    server.close()
    made[0].close()


def read_part(age: Age, clocks: Clocks, octets: int, left: int, after: float) -> float:
    """The age of a part that is read of a stream so many seconds after the last."""
    clocks.go_on(after)
    age.begin()
    return round(age.took(octets, left), 6)


def test_of_a_stream_that_is_read_in_parts_each_is_as_old_as_the_look_before_it_was_there(clocks):
    age = Age()
    turn(age, clocks)
    assert read_part(age, clocks, 300, 700, 0.1) == 0.1
    assert read_part(age, clocks, 300, 900, 0.3) == 0.4, "700 were there before; 500 more came since"
    assert read_part(age, clocks, 300, 600, 0.3) == 0.7
    assert read_part(age, clocks, 300, 300, 0.3) == 1.0, "the last of the 700"
    assert read_part(age, clocks, 300, 0, 0.3) == 1.2
    assert read_part(age, clocks, 50, 0, 0.2) == 0.2
    assert not age.in_parts


def test_after_a_standstill_what_waited_is_old_and_what_comes_since_is_not(clocks):
    age = Age()
    turn(age, clocks)
    assert read_part(age, clocks, 300, 700, 0.1) == 0.1
    assert read_part(age, clocks, 300, 1700, 5.0) == 5.1
    assert [read_part(age, clocks, 300, left, 0.05) for left in (1400, 1100)] == [5.15, 5.2]
    assert read_part(age, clocks, 300, 1100, 0.2) == 5.3, "the last of what came while it stood still"
    assert [read_part(age, clocks, 275, left, 0.2) for left in (825, 550, 275, 0)] == [5.5, 5.7, 5.9, 1.0]


def test_a_stream_that_is_read_in_parts_loses_nothing_and_its_sender_waits():
    """By the system: what it has kept and was not read is known, in bytes."""
    port, data = free_port(), bytes(range(256)) * 4000
    server = open_endpoint(parse(f"tcpin:{HOST}:{port}"))
    server.buffer, server.portion = 1440, 288
    opened(server)
    with socket.create_connection((HOST, port)) as other:
        other.setblocking(False)
        other.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)  # the least there is
        until(lambda: server.receive_into(Batch(1), 0.0) == 0 and bool(server.clients()))
        sent, got, batch = 0, b"", Batch(1)
        for _ in range(1000):
            with contextlib.suppress(BlockingIOError):
                sent += other.send(data[sent:])
        assert sent < len(data) // 2
        until(lambda: server.receive_into(batch, 0.0) == 1)
        got += batch.datagrams()[0]
        assert len(got) == server.portion
        assert 0 < server._clients[0]._unread() < 8 * server.buffer

        def all_of_it() -> bool:
            nonlocal got, sent
            with contextlib.suppress(BlockingIOError):
                sent += other.send(data[sent:])
            if server.receive_into(batch, 0.0):
                got += batch.datagrams()[0]
            return len(got) == len(data)

        until(all_of_it)
        assert got == data
    server.close()


# --- in a batch ---


def test_ages_go_where_their_datagrams_go():
    batch, other = batch_of([b"a", b"b", b"c", b"d"]), Batch()
    assert batch.age(2) == 0.0
    assert batch.sure_age(2) == 0.0
    batch.waited(3.0, np.array([3.0, 2.0, 1.0, 0.1]), np.array([3.0, 0.0, 1.0, 0.1]))
    other.copy_from(batch, [3, 1])
    assert [other.age(0), other.age(1)] == [0.1, 2.0]
    assert [other.sure_age(0), other.sure_age(1)] == [0.1, 0.0]
    assert batch.leave_out_late(1.0) == 2
    assert batch.datagrams() == [b"c", b"d"]
    assert [batch.age(0), batch.age(1)] == [1.0, 0.1]
    assert batch.leave_out_late(1.0) == 0
    batch.waited(3.0, np.array([3.0, 2.0]))
    assert batch.sure_age(1) == batch.age(1) == 2.0
    batch.waited(3.0)
    assert (batch.age(1), batch.sure_age(1)) == (3.0, 0.0)
    batch.clear()
    assert batch.oldest == 0.0
