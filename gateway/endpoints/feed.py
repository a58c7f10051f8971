"""The opened feed: telemetry and video for other programs on the ground, by ZeroMQ publish and subscribe.

What lives here: `Feed`, which publishes, and `subscribe`, with which a Python program listens. A message has two parts:
the topic (TOPICS), and one MAVLink frame or one video datagram. What is published has been opened: it is in clear.

Publishing never waits. A subscriber that is too slow loses messages, and holds up nobody.
"""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from ipaddress import ip_address

import zmq

from gateway.endpoints.endpoint import State

TELEMETRY, VIDEO = "telemetry", ("video.a", "video.b")
TOPICS = (TELEMETRY, *VIDEO)
QUEUED_MAX = 2000  # messages for one subscriber; a second or two of video
EVENTS_A_TICK = 100  # subscriptions read at once
RETRY_EVERY_S = 1.0
_PLACE = re.compile(r"(?:tcp://(?P<host>\[[0-9A-Fa-f:]+\]|[0-9.]+):)?(?P<port>\d{1,5})")


def parse_feed(text: str) -> str:
    """`tcp://HOST:PORT` of that or of a port alone, which is loopback's. ValueError if it is neither; HOST is a number."""
    place = _PLACE.fullmatch(text)
    if place is None or not 0 < int(place["port"]) < 1 << 16:
        raise ValueError(f"{text!r} is no place for a feed")
    host = place["host"] or "127.0.0.1"
    ip_address(host.strip("[]"))
    return f"tcp://{host}:{place['port']}"


def leaves_computer(address: str) -> bool:
    """Whether others than the programs of this computer can subscribe at `address`."""
    host = address.removeprefix("tcp://").rpartition(":")[0].strip("[]")
    return not ip_address(host).is_loopback


class Feed:
    """Publishes at `address`. Never fails: `tick` binds it, and tries again for ever.

    `subscriptions` counts those that are there now, by topic.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.state = State.RECONNECTING
        self.last_error = ""
        self.published: Counter[str] = Counter()
        self.subscriptions: Counter[str] = Counter()
        self._retry_at = float("-inf")
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.XPUB)  # to a subscriber the same as PUB, but it tells who is there
        self._socket.setsockopt(zmq.XPUB_VERBOSER, 1)
        self._socket.setsockopt(zmq.IPV6, int("[" in address))
        self._socket.linger = 0
        self._socket.sndhwm = QUEUED_MAX

    def tick(self, now: float) -> None:
        """Bind if it is not bound, see who has come and gone; call it about ten times a second."""
        if self.state is State.RECONNECTING and now >= self._retry_at:
            self._bind(now)
        for _ in range(EVENTS_A_TICK):
            try:
                self._count(self._socket.recv(zmq.NOBLOCK))
            except zmq.Again:
                break
        if self.state is not State.RECONNECTING:
            self.state = State.CONNECTED if self.subscriptions.total() else State.IDLE

    def publish(self, topic: str, datagrams: Iterable[bytes | memoryview]) -> None:
        """Hand these to every subscriber of `topic`."""
        if not self.subscriptions[topic]:
            return
        name = topic.encode()
        for datagram in datagrams:
            with contextlib.suppress(zmq.Again):
                self._socket.send_multipart((name, bytes(datagram)), zmq.NOBLOCK)
                self.published[topic] += 1

    def status(self) -> dict[str, object]:
        """What `zegel status` shows of it."""
        names = ("address", "state", "last_error", "published", "subscriptions")
        return {name: getattr(self, name) for name in names}

    def close(self) -> None:
        self._context.destroy(linger=0)
        self.state = State.DOWN

    def _bind(self, now: float) -> None:
        try:
            self._socket.bind(self.address)
            self.state = State.IDLE
        except zmq.ZMQError as error:
            self._retry_at = now + RETRY_EVERY_S
            self.last_error = f"{self.address}: {error.strerror}"

    def _count(self, event: bytes) -> None:
        """An event of XPUB: 1 or 0 for a subscription come or gone, then the prefix of topics that it is for."""
        prefix = event[1:].decode(errors="replace")
        for topic in TOPICS:
            if topic.startswith(prefix):
                self.subscriptions[topic] = max(0, self.subscriptions[topic] + (1 if event[0] else -1))


def subscribe(address: str, *topics: str) -> Iterator[tuple[str, bytes]]:
    """(topic, frame or datagram) as they come, for ever; all topics if none is named."""
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.setsockopt(zmq.IPV6, int("[" in address))
        socket.connect(address)
        for topic in topics or ("",):
            socket.subscribe(topic)
        while True:
            name, datagram = socket.recv_multipart()
            yield name.decode(), datagram
