"""Attacks at the sockets of a gateway that any program of the computer, or of the network, can reach; and with what a
library throws at that nobody expected."""

from __future__ import annotations

import contextlib
import itertools
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import zmq
from cryptography.x509 import UnsupportedGeneralNameType

from gateway.core.fragment import split
from gateway.core.wire import Kind
from gateway.demo.stage import HOST, Program, free_port
from gateway.endpoints.feed import Feed, Origin
from keys import beat
from tests.hostile.row import Row, only
from tests.hostile.scene import Scene, moved
from tests.hostile.zmtp import Stranger
from tests.memory_link import command, mavlink_frame
from tests.system.house import House
from tests.unit.gateway.endpoints.wires import until

FLOOD = 5_000
CONNECTIONS = 300
LETTER_EVERY_S = 0.2
ORIGIN = Origin(device="drone", systems=[], session="", lane="telemetry", time_us=0)


class Subscribed:
    """A feed and its one honest subscriber; a stranger has connected, too."""

    def __init__(self) -> None:
        port = free_port(socket.SOCK_STREAM)
        self.feed, self.clock = Feed(f"tcp://{HOST}:{port}"), itertools.count()
        self.feed.tick(next(self.clock))
        self._context = zmq.Context()
        self.honest = self._context.socket(zmq.SUB)
        self.honest.connect(self.feed.address)
        self.honest.subscribe("telemetry")
        until(lambda: self.tick() or self.feed.subscriptions["telemetry"] == 1)
        self.stranger = Stranger((HOST, port))

    def tick(self) -> None:
        self.feed.tick(next(self.clock))
        self.honest.poll(1)

    def hears(self) -> bool:
        """Whether the honest subscriber gets a frame that is published now."""
        self.feed.publish("telemetry", [(ORIGIN, [b"frame"])])
        return bool(self.honest.poll(500)) and self.honest.recv_multipart()[1] == b"frame"

    def row(self, attack: str, sent: str, happened: str, *names: str) -> Row:
        counters = {"refused": self.feed.refused} if names else {}
        self.stranger.close()
        self._context.destroy(linger=0)
        self.feed.close()
        return Row(attack, sent, happened, only(counters, *names))


def rubbish_to_the_feed() -> Row:
    scene = Subscribed()
    messages = (b"", b"\2", b"\7x", b"\xff" * 100)
    scene.stranger.says(*messages)
    until(lambda: scene.tick() or scene.feed.refused == len(messages))
    assert scene.hears()
    what = "a program sends what is no subscription to the feed"
    return scene.row(what, f"{len(messages)} messages, an empty one among them", "counted; the feed goes on", "refused")


def false_unsubscriptions() -> Row:
    scene = Subscribed()
    scene.stranger.says(*[b"\0telemetry"] * 5)
    until(lambda: scene.tick() or scene.feed.subscriptions["telemetry"] == 0)
    assert scene.hears()
    happened = "the honest subscriber gets every frame: only the number that status shows is wrong"
    return scene.row("a program takes back subscriptions to the feed that it never made", "5 messages", happened)


def strange_topics() -> Row:
    scene = Subscribed()
    scene.stranger.says(*(b"\1topic %d" % number for number in range(FLOOD)))
    until(lambda: scene.tick() or scene.feed.state == "reconnecting")
    assert scene.stranger.disconnected()
    until(lambda: scene.tick() or scene.feed.subscriptions["telemetry"] == 1)
    assert scene.hears()
    happened = "all are disconnected after 1,000 of them; the honest subscriber is back by itself after a second"
    return scene.row("a program subscribes to topics without end", f"{FLOOD:,} topics", happened, "refused")


def connections_without_end() -> Row:
    scene = Subscribed()
    where = (HOST, int(scene.feed.address.rpartition(":")[2]))
    held = [socket.create_connection(where, 5) for _ in range(CONNECTIONS)]
    until(lambda: scene.tick() or scene.feed.state == "reconnecting")
    for each in held:
        each.close()
    until(lambda: scene.tick() or scene.feed.subscriptions["telemetry"] == 1)
    assert scene.hears()
    happened = "all are disconnected before the ground runs out of descriptors; the honest subscriber is back by itself"
    return scene.row("a program connects to the feed without end", f"{CONNECTIONS} connections", happened)


# --- metrics ---


@contextlib.contextmanager
def metrics(folder: Path) -> Iterator[int]:
    """`zegel metrics` as a process; its port."""
    program = Program(("metrics", "--listen", f"{HOST}:0"), folder, "metrics")
    try:
        until(lambda: "http://" in program.output())
        yield int(re.findall(r":(\d+)/", program.output())[0])
    finally:
        program.end()


def ask(port: int, host: str) -> str:
    """The status line of an answer."""
    with socket.create_connection((HOST, port), 5) as made:
        made.sendall(f"GET /metrics HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        return made.makefile("rb").readline().decode()


def rebound_name(folder: Path) -> Row:
    with metrics(folder) as port:
        assert " 200 " in ask(port, f"{HOST}:{port}")
        refused = [ask(port, host) for host in ("evil.example", f"evil.example:{port}", f"localhost.evil.example:{port}")]
    assert all(" 421 " in line for line in refused), refused
    return Row(
        "a page in a browser reads the metrics by a name of its own that leads to 127.0.0.1 (DNS rebinding)",
        f"{len(refused)} requests whose Host is another's",
        "421: asked for by this computer's address or localhost, or not at all",
        {},
    )


def request_without_end(folder: Path) -> Row:
    letters = f"import time\nwhile 1: print(end='x', flush=1); time.sleep({LETTER_EVERY_S})"
    with metrics(folder) as port, socket.create_connection((HOST, port), 5) as slow:
        sender = subprocess.Popen([sys.executable, "-c", letters], stdout=slow.fileno(), stderr=subprocess.DEVNULL)
        try:
            time.sleep(2 * LETTER_EVERY_S)
            assert " 200 " in ask(port, HOST)
        finally:
            sender.kill()
            sender.wait()
    return Row(
        "a program sends its request to `zegel metrics` letter by letter, without end",
        "a letter every 0.2 s",
        "others are answered meanwhile; it is disconnected after five seconds in total",
        {},
    )


# --- plain endpoints ---


def network_of_a_tablet(folder: Path) -> Row:
    house = House(folder, profile="x25519")
    tablet, player = "udpout:192.0.2.7:14550", "udpout:239.255.1.1:5600"  # RFC 5737; a multicast group
    here = ("--link", f"udpin:{HOST}:{free_port()}", "--gcs", tablet, "--video", player)
    ground = Program(("ground", "--station", str(folder / "pilot"), "--order", str(house.order), *here), folder, "ground")
    wanted = [
        f"alarm: telemetry and commands are in clear between this computer and {tablet}",
        f"alarm: video is in clear between this computer and {player}",
    ]
    try:
        until(lambda: all(line in ground.output() for line in wanted))
    finally:
        ground.end()
    return Row(
        "an attacker on the network of a tablet or a player on another computer reads its data, and can command",
        f"{len(wanted)} plain endpoints off loopback: a tablet, a multicast group of players",
        "**achieved**: the data is in clear there. Each endpoint raises an alarm, from the start on",
        {},
    )


# --- what nobody expected ---


def control_that_a_library_throws_at() -> Row:
    scene = Scene(30)
    (forged,) = split(Kind.BEAT, b"a beat at which a library throws")
    sent, real = scene.flight(1.0), beat.claimed_session
    throws = UnsupportedGeneralNameType("x", 3)
    with patch.object(beat, "claimed_session", lambda each: thrown(throws) if each in forged else real(each)):
        (poisoned,) = scene.world.on_air([forged])
        counters = moved(scene.station, lambda: scene.station.receive(mixed(sent, poisoned), scene.now))
    assert scene.station.frames == scene.frames
    return Row(
        "with op_id: a control datagram for which a library raises an unexpected exception, in each batch",
        f"{len(mixed(sent, forged)) - len(sent)} among {len(sent)} of a flight",
        "each costs only itself: every frame that came with them is delivered, and an alarm names the place",
        only(counters, "unexpected"),
    )


def command_that_a_library_throws_at() -> Row:
    scene = Scene(31)
    scene.now = command(scene.world, scene.station, scene.aircraft, scene.now)
    frames = [mavlink_frame(scene.rng, number) for number in range(20)]
    sealed = [datagram for frame in frames for datagram in scene.station.seal([frame], scene.now)]
    real, throws = scene.aircraft.uplink_opener._frames, RecursionError()

    def frames_of(station, plain, accepted):
        return thrown(throws) if plain.startswith(frames[7]) else real(station, plain, accepted)

    with patch.object(scene.aircraft.uplink_opener, "_frames", frames_of):
        counters = moved(scene.aircraft, lambda: scene.aircraft.receive(sealed, scene.now))
    assert [frame for _, frame in scene.aircraft.commands] == frames[:7] + frames[8:]
    return Row(
        "a commander's bundle for which a parser raises an unexpected exception",
        f"1 among {len(frames)} in one batch",
        "it costs only itself: the others reach the flight controller, in order",
        only(counters, "unexpected"),
    )


def thrown(error: Exception) -> object:
    raise error


def mixed(sent: list[bytes], forged: bytes) -> list[bytes]:
    """`forged` in front of every tenth."""
    return [
        each for place, datagram in enumerate(sent) for each in ((forged, datagram) if place % 10 == 0 else (datagram,))
    ]


ATTACKS = (
    rubbish_to_the_feed,
    false_unsubscriptions,
    strange_topics,
    connections_without_end,
    rebound_name,
    request_without_end,
    network_of_a_tablet,
    control_that_a_library_throws_at,
    command_that_a_library_throws_at,
)
