from __future__ import annotations

import itertools
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator

import msgspec
import pytest
import zmq

from gateway.demo.stage import free_port
from gateway.endpoints.feed import (
    DESCRIPTORS_MAX,
    EVENT_MAX,
    EVENTS_A_TICK,
    REFUSED_MAX,
    SCHEMA,
    SUBSCRIPTIONS_MAX,
    TOPICS,
    Feed,
    Origin,
    leaves_computer,
    parse_feed,
)
from gateway.endpoints.feed_reader import Published, subscribe
from gateway.endpoints.plain_users import PlainUsers
from gateway.endpoints.socket_users import AVAILABLE
from tests.hostile.zmtp import GREETING, Stranger, ready
from tests.unit.gateway.endpoints.wires import HOST, WITHIN_S, no_descriptors, until

HERE = Origin(device="drone-7", systems=[1], session="00" * 16, lane="telemetry", time_us=1_795_000_000_000_001)
ELSEWHERE = Origin(device="drone-8", systems=[], session="11" * 16, lane="video_a", time_us=1_795_000_000_000_002)


def numbered(origin: Origin, number: int) -> Origin:
    return msgspec.structs.replace(origin, number=number)


@pytest.fixture
def make() -> Iterator[Callable[..., Feed]]:
    made: list[Feed] = []

    def one(address: str, *uids: int) -> Feed:
        """Whose programs may subscribe: these users', or anybody's."""
        made.append(Feed(address, PlainUsers(uids) if uids else None))
        return made[-1]

    yield one
    for feed in made:
        feed.close()


class Program:
    """Somebody who listens until `count` messages have come."""

    def __init__(self, address: str, *topics: str, count: int) -> None:
        self.got: list[Published] = []
        self._thread = threading.Thread(target=self._listen, args=(address, topics, count), daemon=True)
        self._thread.start()

    def _listen(self, address: str, topics: tuple[str, ...], count: int) -> None:
        listening = subscribe(address, *topics)
        self.got += [next(listening) for _ in range(count)]
        listening.close()

    def wait(self) -> list[Published]:
        self._thread.join(10)
        return self.got


@pytest.mark.parametrize(
    ("text", "address"),
    [("5700", "tcp://127.0.0.1:5700"), ("tcp://127.0.0.1:1", "tcp://127.0.0.1:1"), ("tcp://[::1]:5", "tcp://[::1]:5")],
)
def test_a_port_alone_is_loopbacks(text, address):
    assert parse_feed(text) == address
    assert not leaves_computer(address)


@pytest.mark.parametrize("text", ["", "0", "70000", "tcp://5700", "tcp://*:5700", "udp://127.0.0.1:5", "tcp://1.2.3:5"])
def test_what_is_no_place_for_a_feed(text):
    with pytest.raises(ValueError, match=r"."):
        parse_feed(text)


def test_an_address_of_the_network_is_known_as_one():
    assert leaves_computer("tcp://0.0.0.0:5700")
    assert leaves_computer("tcp://[fe80::1]:5700")


def test_each_program_gets_the_topics_that_it_asked_for_in_order(make):
    feed = make(f"tcp://{HOST}:{free_port(socket.SOCK_STREAM)}")
    feed.tick(0.0)
    assert feed.state == "idle"
    one = Program(feed.address, "telemetry", count=2)
    every = Program(feed.address, count=4)
    until(lambda: feed.tick(0.0) or feed.subscriptions.total() == 4)
    assert feed.state == "connected"
    feed.publish("telemetry", [(HERE, [b"t1", memoryview(b"t2")])])
    feed.publish("video.a", [(ELSEWHERE, [b"a1"])])
    feed.publish("video.b", [(HERE, [b"\0" * 1400])])
    feed.publish("telemetry", [(ELSEWHERE, [b"t3"])])
    assert one.wait() == [("telemetry", [b"t1", b"t2"], HERE), ("telemetry", [b"t3"], numbered(ELSEWHERE, 2))]
    assert [published.topic for published in every.wait()] == ["telemetry", "video.a", "video.b", "telemetry"]
    until(lambda: feed.tick(0.0) or feed.state == "idle")  # both have gone


def test_a_message_has_datagrams_of_one_origin_and_the_last_part_is_json(scene):
    feed, honest, _ = scene
    feed.publish("telemetry", [(HERE, [b"frame", b"another"])])
    topic, *frames, origin = honest.recv_multipart()
    assert (topic, frames) == (b"telemetry", [b"frame", b"another"])
    assert json.loads(origin) == {
        "number": 0,
        "schema": SCHEMA,
        "device": "drone-7",
        "systems": [1],
        "session": "00" * 16,
        "lane": "telemetry",
        "time_us": 1_795_000_000_000_001,
    }


def test_nothing_is_read_or_copied_while_no_program_has_subscribed(make):
    feed = make(f"tcp://{HOST}:{free_port(socket.SOCK_STREAM)}")
    feed.tick(0.0)
    feed.publish("telemetry", (pytest.fail("looked at") for _ in range(1)))
    assert not feed.published


def test_a_busy_port_is_tried_again(make):
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        feed = make(f"tcp://{HOST}:{other.getsockname()[1]}")
        feed.tick(0.0)
        assert feed.state == "reconnecting"
        assert "in use" in feed.last_error
    until(lambda: feed.tick(2.0) or feed.state == "idle")


def test_a_subscriber_that_does_not_read_delays_no_other(make):
    feed = make(f"tcp://{HOST}:{free_port(socket.SOCK_STREAM)}")
    feed.tick(0.0)
    listening = subscribe(feed.address, "video.a")
    thread = threading.Thread(target=next, args=(listening,), daemon=True)
    thread.start()
    until(lambda: feed.tick(0.0) or feed.subscriptions["video.a"] == 1)
    for _ in range(100):
        feed.publish("video.a", [(ELSEWHERE, [bytes(1400)] * 1000)])  # it reads one, and then no more
    assert feed.published["video.a"] == 100_000
    thread.join(10)
    listening.close()
    assert set(feed.subscriptions) <= set(TOPICS)


# --- strangers ---


def test_connections_without_end_leave_the_ground_its_descriptors(make):
    feed = make(f"tcp://{HOST}:{free_port(socket.SOCK_STREAM)}")
    feed.tick(0.0)
    where = (HOST, int(feed.address.rpartition(":")[2]))
    before = lowest_free_descriptor()
    strangers = [socket.create_connection(where) for _ in range(DESCRIPTORS_MAX)]
    until(lambda: feed.tick(0.0) or "flooded with connections" in feed.last_error)
    for stranger in strangers:
        stranger.close()
    until(lambda: lowest_free_descriptor() <= before)
    clock = itertools.count(2)
    until(lambda: feed.tick(next(clock)) or feed.state == "idle")


def test_so_do_those_that_took_the_last_one(make):
    feed = make(f"tcp://{HOST}:{free_port(socket.SOCK_STREAM)}")
    feed.tick(0.0)
    with no_descriptors():
        feed.tick(0.0)
        assert "flooded with connections" in feed.last_error


def lowest_free_descriptor() -> int:
    with socket.socket() as made:
        return made.fileno()


@pytest.fixture
def scene(make) -> Iterator[tuple[Feed, zmq.Socket, Stranger]]:
    """A feed, an honest subscriber of telemetry that is known to it, and a stranger."""
    feed = make(f"tcp://{HOST}:{free_port(socket.SOCK_STREAM)}")
    feed.tick(0.0)
    context = zmq.Context()
    honest = context.socket(zmq.SUB)
    honest.connect(feed.address)
    honest.subscribe("telemetry")
    until(lambda: feed.tick(0.0) or feed.subscriptions["telemetry"] == 1)
    stranger = Stranger((HOST, int(feed.address.rpartition(":")[2])))
    yield feed, honest, stranger
    stranger.close()
    context.destroy(linger=0)


def hears(feed: Feed, honest: zmq.Socket) -> bool:
    """Whether the honest subscriber gets what is published."""
    feed.publish("telemetry", [(HERE, [b"frame"])])
    return bool(honest.poll(300)) and honest.recv_multipart()[:2] == [b"telemetry", b"frame"]


@pytest.mark.parametrize("message", [b"", b"\2", b"\7x", b"\2telemetry", b"\1nothing of ours", b"\xff" * 100])
def test_what_is_no_subscription_is_counted_and_nothing_else(scene, message):
    feed, honest, stranger = scene
    stranger.says(message)
    until(lambda: feed.tick(0.0) or feed.refused == 1)
    assert feed.refused == 1
    assert feed.subscriptions == {"telemetry": 1}
    assert hears(feed, honest)


def test_a_false_unsubscription_takes_the_feed_from_no_one(scene):
    feed, honest, stranger = scene
    stranger.says(*[b"\0telemetry"] * 5, b"")
    until(lambda: feed.tick(0.0) or feed.refused == 1)
    assert feed.subscriptions["telemetry"] == 0
    assert hears(feed, honest)


def test_what_a_stranger_counts_has_an_end(scene):
    feed, honest, stranger = scene
    for begin in range(0, 2 * SUBSCRIPTIONS_MAX, 100):
        stranger.says(*[b"\1telemetry"] * 100)
        until(lambda begin=begin: feed.tick(0.0) or feed.subscriptions["telemetry"] >= min(begin, SUBSCRIPTIONS_MAX))
    assert feed.subscriptions["telemetry"] <= SUBSCRIPTIONS_MAX
    assert hears(feed, honest)


def test_a_flood_is_disconnected_and_honest_subscribers_come_again(scene):
    feed, honest, stranger = scene
    stranger.says(*(b"\1topic %d" % number for number in range(5 * REFUSED_MAX)))
    until(lambda: feed.tick(0.0) or feed.state == "reconnecting")
    assert stranger.disconnected()
    assert feed.refused <= REFUSED_MAX + EVENTS_A_TICK
    assert not feed.subscriptions
    assert "flooded" in feed.last_error
    clock = itertools.count(2)
    until(lambda: feed.tick(next(clock)) or honest.poll(1) or feed.subscriptions["telemetry"] == 1)
    assert hears(feed, honest)


def test_a_program_that_sends_too_much_at_once_is_disconnected(scene):
    feed, honest, stranger = scene
    stranger.says(b"\1" + bytes(EVENT_MAX))
    assert stranger.disconnected()
    assert hears(feed, honest)


@pytest.mark.parametrize(
    "rubbish", [b"GET / HTTP/1.1\r\n\r\n", bytes(1000), GREETING + bytes(60), GREETING + ready(b"DEALER")]
)
def test_a_program_that_speaks_no_zeromq_is_disconnected(scene, rubbish):
    feed, honest, _ = scene
    with socket.create_connection((HOST, int(feed.address.rpartition(":")[2]))) as made:
        made.sendall(rubbish)
        until(lambda: feed.tick(0.0) or hears(feed, honest))


linux = pytest.mark.skipif(not AVAILABLE, reason="this system does not tell whose a connection is")


@linux
def test_a_program_of_a_user_who_may_be_here_gets_what_it_asked_for(make):
    feed = make(f"tcp://{HOST}:{free_port(socket.SOCK_STREAM)}", os.geteuid())
    one, all_ = Program(feed.address, "telemetry", count=1), Program(feed.address, count=2)

    def subscribed() -> bool:
        feed.tick(0.0)
        return feed.subscriptions == {"telemetry": 2, "video.a": 1, "video.b": 1}

    until(subscribed)
    feed.publish("telemetry", [(HERE, [b"t"])])
    feed.publish("video.a", [(HERE, [b"v"])])
    assert one.wait() == [("telemetry", [b"t"], HERE)]
    assert all_.wait() == [("telemetry", [b"t"], HERE), ("video.a", [b"v"], HERE)]
    assert feed.kept_out == 0


@linux
def test_a_program_of_a_user_that_is_not_allowed_is_disconnected_and_gets_nothing(make):
    feed = make(f"tcp://{HOST}:{free_port(socket.SOCK_STREAM)}", 4_000_000)
    stranger = Program(feed.address, "telemetry", count=1)

    def kept_out() -> bool:
        feed.tick(0.0)
        feed.publish("telemetry", [(HERE, [b"t"])])
        return feed.kept_out >= 3

    until(kept_out)  # it comes again and again
    assert stranger.got == []
    assert [*feed._users.strangers] == [os.geteuid()]


@linux
def test_a_program_that_unsubscribes_gets_no_more_and_others_do(make):
    feed = make(f"tcp://{HOST}:{free_port(socket.SOCK_STREAM)}", os.geteuid())
    with zmq.Context() as context, context.socket(zmq.SUB) as leaves, context.socket(zmq.SUB) as stays:
        for program in (leaves, stays):
            program.linger = 0
            program.connect(feed.address)
            program.subscribe(b"telemetry")
        until(lambda: feed.tick(0.0) or feed.subscriptions["telemetry"] == 2)
        leaves.unsubscribe(b"telemetry")
        until(lambda: feed.tick(0.0) or feed.subscriptions["telemetry"] == 1)
        until(lambda: feed.tick(0.0) or feed.publish("telemetry", [(HERE, [b"t"])]) or bool(stays.poll(10)))
        assert not leaves.poll(100)


@linux
def test_a_message_of_a_strangers_own_gives_it_no_subscription_of_another(make, monkeypatch):
    """libzmq notes no connection for such a message, so what comes behind it would be taken for the next one's."""
    feed = make(f"tcp://{HOST}:{free_port(socket.SOCK_STREAM)}", os.geteuid())
    feed.tick(0.0)
    place = HOST, int(feed.address.rpartition(":")[2])
    real, strangers = feed._may_read, set()
    monkeypatch.setattr(
        feed, "_may_read", lambda users, theirs, *more: theirs not in strangers and real(users, theirs, *more)
    )
    with zmq.Context() as context, context.socket(zmq.SUB) as honest:
        honest.linger = 0
        first = Stranger(place)
        first.says(b"\2")
        time.sleep(0.2)  # each of the three is there before the next, and all before the feed looks
        with honest.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED) as monitor:
            honest.connect(feed.address)
            honest.subscribe(b"telemetry")
            assert monitor.poll(1000 * WITHIN_S)
            honest.disable_monitor()
        time.sleep(0.3)
        second = Stranger(place)
        second.says(b"\0x")
        time.sleep(0.2)
        strangers |= {first.socket.getsockname(), second.socket.getsockname()}

        def hears() -> bool:
            feed.tick(0.0)
            feed.publish("telemetry", [(HERE, [b"frame"])])
            return bool(honest.poll(10))

        until(hears)
        assert first.disconnected()
        assert second.disconnected()
        assert b"frame" not in second.heard
