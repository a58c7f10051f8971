from __future__ import annotations

import contextlib
import itertools
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
import zmq

from gateway import descriptors
from gateway.demo.stage import free_port
from gateway.descriptors import DESCRIPTORS_MAX
from gateway.endpoints.feed import (
    DATAGRAMS_MAX,
    EVENT_MAX,
    EVENTS_A_TICK,
    QUEUED_MAX,
    REFUSED_MAX,
    SCHEMA,
    SUBSCRIPTIONS_MAX,
    TOPICS,
    Feed,
    Origin,
    leaves_computer,
    parse_feed,
)
from gateway.endpoints.feed_reader import Published, Reader, subscribe
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


class Counted:
    """Datagrams that count how often they are read."""

    def __init__(self, *datagrams: bytes) -> None:
        self._datagrams, self.read = datagrams, 0

    def __iter__(self) -> Iterator[bytes]:
        self.read += 1
        return iter(self._datagrams)


@pytest.fixture
def here() -> Iterator[str]:
    """The address of a feed in a folder, whose path is short."""
    with tempfile.TemporaryDirectory() as folder:
        yield f"ipc://{folder}/feed"


def place_of(feed: Feed) -> Path:
    return Path(feed.address.removeprefix("ipc://"))


@pytest.mark.parametrize("leave", ["unsubscribes", "ends"])
def test_nothing_is_read_or_copied_any_more_once_the_last_subscriber_is_gone(make, here, leave):
    feed = make(here)
    with zmq.Context() as context, context.socket(zmq.SUB) as one, context.socket(zmq.SUB) as other:
        for program, topic in ((one, "telemetry"), (other, "video.a")):
            program.linger = 0
            program.connect(feed.address)
            program.subscribe(topic)
        until(lambda: feed.tick(0.0) or (feed.wants("telemetry") and feed.wants("video.a")))
        if leave == "ends":
            one.close()
        else:
            one.unsubscribe("telemetry")
        until(lambda: feed.tick(0.0) or not feed.wants("telemetry"))
        copied = {topic: Counted(b"x") for topic in TOPICS}
        for topic in TOPICS:
            feed.publish(topic, [(HERE, copied[topic])])
        assert {topic: each.read for topic, each in copied.items()} == {"telemetry": 0, "video.a": 1, "video.b": 0}
        assert feed.published == {"video.a": 1}


def test_what_a_program_says_for_others_or_twice_keeps_and_ends_no_subscription(make, here):
    feed = make(here)
    feed.tick(0.0)
    stranger = Stranger(place_of(feed))
    with zmq.Context() as context, context.socket(zmq.SUB) as honest:
        honest.linger = 0
        honest.connect(feed.address)
        honest.subscribe("telemetry")
        until(lambda: feed.tick(0.0) or feed.wants("telemetry"))
        stranger.says(*[b"\1video.a"] * 3, *[b"\0telemetry"] * 3)
        until(lambda: feed.tick(0.0) or feed.wants("video.a"))
        assert feed.subscriptions["telemetry"] == 0
        assert hears(feed, honest)
        stranger.close()
        until(lambda: feed.tick(0.0) or not feed.wants("video.a"))
        assert feed.subscriptions["video.a"] > 0, "libzmq tells of one end"
        assert hears(feed, honest)


def test_a_feed_in_a_folder_is_gone_with_the_ground(make, here):
    feed = make(here)
    feed.tick(0.0)
    assert place_of(feed).is_socket()
    feed.close()
    assert not place_of(feed).exists()


def test_many_datagrams_of_one_origin_are_several_messages(make, here):
    feed = make(here)
    program = Program(feed.address, count=3)
    until(lambda: feed.tick(0.0) or feed.wants("video.b"))
    datagrams = [bytes([number]) for number in range(2 * DATAGRAMS_MAX + 1)]
    feed.publish("video.b", [(HERE, datagrams)])
    got = program.wait()
    assert [len(each.datagrams) for each in got] == [DATAGRAMS_MAX, DATAGRAMS_MAX, 1]
    assert [each.origin.number for each in got] == [0, DATAGRAMS_MAX, 2 * DATAGRAMS_MAX]
    assert [datagram for each in got for datagram in each.datagrams] == datagrams


def test_a_busy_port_is_tried_again(make):
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        feed = make(f"tcp://{HOST}:{other.getsockname()[1]}")
        feed.tick(0.0)
        assert feed.state == "reconnecting"
        assert "in use" in feed.last_error
    until(lambda: feed.tick(2.0) or feed.state == "idle")


@pytest.mark.parametrize("where", ["TCP", "here"])
def test_a_subscriber_that_does_not_read_delays_no_other_and_is_counted(make, here, where):
    feed = make(here if where == "here" else f"tcp://{HOST}:{free_port(socket.SOCK_STREAM)}")
    feed.tick(0.0)
    with zmq.Context() as context, contextlib.ExitStack() as ends:
        readers = [Reader(context, feed.address, ["video.a"]) for _ in range(2)]
        for reader in readers:
            ends.callback(reader.close)
        until(lambda: feed.tick(0.0) or feed.subscriptions["video.a"] == 2)
        stalls, reads = readers
        sent, before = 4 * QUEUED_MAX, resident()
        for number in range(sent):
            feed.publish("video.a", [(ELSEWHERE, [bytes(1400)] * DATAGRAMS_MAX)])
            assert reads.socket.poll(1000 * WITHIN_S)
            assert reads.read()
            assert number < QUEUED_MAX or not feed.behind or resident() - before < 4 * QUEUED_MAX * DATAGRAMS_MAX * 1400
        assert reads.lost.total() == 0
        assert feed.published["video.a"] == sent * DATAGRAMS_MAX
        assert feed.behind == 1, "it was full once, and is not read"
        got = [message for _ in range(sent) if (message := stalls.read())]
        assert len(got) < sent
        until(lambda: feed.publish("video.a", [(ELSEWHERE, [b"last"])]) or next_of(stalls).datagrams == [b"last"])
        missing = feed.published["video.a"] - stalls.lost["video.a"]
        assert 0 < missing < feed.published["video.a"], "the gap is known to the one that it has"


def next_of(reader: Reader) -> Published:
    found: list[Published] = []

    def read() -> bool:
        found.extend(filter(None, [reader.read()]))
        return bool(found)

    until(read)
    return found[0]


def resident() -> int:
    """Bytes of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if AVAILABLE else 0


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


def test_a_thousand_programs_that_never_read_cost_a_ground_neither_descriptors_nor_memory(make, here):
    feed, clock = make(here), itertools.count(1)
    feed.tick(0.0)
    before, memory = lowest_free_descriptor(), resident()
    code = (
        "import socket, sys\nfrom pathlib import Path\nfrom tests.hostile.zmtp import Stranger\nmade = []\n"
        "for _ in range(1000):\n"
        "    try: made.append(Stranger(Path(sys.argv[1]))); made[-1].says(b'\\1')\n"
        "    except OSError: pass\n"
        "print(flush=True)\nsys.stdin.read()"
    )
    words = [sys.executable, "-c", code, str(place_of(feed))]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as crowd:
        assert crowd.stdout
        ready = threading.Thread(target=crowd.stdout.readline)
        ready.start()
        most = 0

        def published() -> bool:
            nonlocal most
            feed.tick(next(clock) / 10)
            for _ in range(20):
                feed.publish("video.a", [(HERE, [bytes(1400)] * DATAGRAMS_MAX)])
            most = max(most, lowest_free_descriptor())
            return not ready.is_alive()

        until(published)
        assert "flooded with connections" in feed.last_error
        assert most < 1100, "they are counted ten times a second"
        assert resident() - memory < 200 << 20
        crowd.kill()
    until(lambda: lowest_free_descriptor() <= before + 2)
    until(lambda: feed.tick(next(clock)) or feed.state == "idle")
    program = Program(feed.address, "telemetry", count=1)
    until(lambda: feed.tick(next(clock)) or feed.wants("telemetry"))
    feed.publish("telemetry", [(HERE, [b"t"])])
    assert [each.datagrams for each in program.wait()] == [[b"t"]]


def test_programs_at_a_port_crowd_out_those_in_the_folder_only_if_they_come_again_at_once(make, here, monkeypatch):
    in_folder, at_port = make(here), make(f"tcp://{HOST}:{free_port(socket.SOCK_STREAM)}")
    crowded = True
    monkeypatch.setattr(descriptors, "crowded", lambda: crowded)
    for feed in (at_port, in_folder):
        feed.tick(0.0)
    assert (at_port.state, in_folder.state) == ("reconnecting", "idle")
    crowded = False
    in_folder.tick(0.1)
    crowded = True
    in_folder.tick(0.2)
    assert in_folder.state == "idle"
    in_folder.tick(0.3)
    assert in_folder.state == "reconnecting"


def test_so_do_those_that_took_the_last_one(make):
    feed = make(f"tcp://{HOST}:{free_port(socket.SOCK_STREAM)}")
    feed.tick(0.0)
    with no_descriptors():
        feed.tick(0.0)
        assert "flooded with connections" in feed.last_error


def lowest_free_descriptor() -> int:
    with socket.socket() as made:
        return made.fileno()


@pytest.fixture(params=["TCP", "here"])
def scene(request, make, here) -> Iterator[tuple[Feed, zmq.Socket, Stranger]]:
    """A feed, an honest subscriber of telemetry that is known to it, and a stranger."""
    feed = make(here if request.param == "here" else f"tcp://{HOST}:{free_port(socket.SOCK_STREAM)}")
    feed.tick(0.0)
    context = zmq.Context()
    honest = context.socket(zmq.SUB)
    honest.connect(feed.address)
    honest.subscribe("telemetry")
    until(lambda: feed.tick(0.0) or feed.subscriptions["telemetry"] == 1)
    stranger = Stranger(where(feed))
    yield feed, honest, stranger
    stranger.close()
    context.destroy(linger=0)


def where(feed: Feed) -> Path | tuple[str, int]:
    return place_of(feed) if feed.address.startswith("ipc:") else (HOST, int(feed.address.rpartition(":")[2]))


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
    with socket.socket(socket.AF_UNIX if isinstance(where(feed), Path) else socket.AF_INET) as made:
        made.connect(str(place) if isinstance(place := where(feed), Path) else place)
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
