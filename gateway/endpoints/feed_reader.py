"""Reading a feed: messages of a ground's feed for another program on this computer, checked and bounded.

What must not live here: publishing (feed.py). The sender is a program of this computer that may have been replaced or
changed, so a message of any other form is counted and left out, and none takes more than a bounded amount of memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
import zmq

from gateway.endpoints.feed import DATAGRAMS_MAX, QUEUED_MAX, SCHEMA, TOPICS, Origin

PART_SIZE_MAX = 1 << 16  # bytes; the largest UDP datagram is smaller
PARTS = range(3, DATAGRAMS_MAX + 3)


class Published(NamedTuple):
    """One message. `datagrams`: MAVLink frames, or datagrams of one lane of video, in their order."""

    topic: str
    datagrams: Sequence[bytes]
    origin: Origin


class Reader:
    """One subscriber of the feed at `address`, which need not be there yet: ZeroMQ connects again without end.

    It leaves a sender of larger parts than a ground can send, for good.

    `socket`   for a poller; its ZMQ_FD for an event loop, which reads until `read` gives None
    `lost`     datagrams by topic that the feed published while we were connected and that did not come
    `refused`  messages of another form
    """

    def __init__(self, context: zmq.Context[Any], address: str, topics: Sequence[str] = TOPICS) -> None:
        self.lost: Counter[str] = Counter()
        self.refused = 0
        self._next: dict[str, int] = {}  # the number that the next message of each topic has
        self.socket: zmq.Socket[bytes] = context.socket(zmq.SUB)
        self.socket.linger = 0
        self.socket.setsockopt(zmq.IPV6, int("[" in address))
        self.socket.setsockopt(zmq.MAXMSGSIZE, PART_SIZE_MAX)
        self.socket.setsockopt(zmq.RECONNECT_IVL_MAX, 1000)  # milliseconds
        self.socket.rcvhwm = QUEUED_MAX
        self.socket.connect(address)
        for topic in topics:
            self.socket.subscribe(topic)

    def read(self) -> Published | None:
        """The next message; None if no more waits."""
        while True:
            try:
                parts = self.socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return None
            if message := _message(parts):
                self._count(message)
                return message
            self.refused += 1

    def _count(self, message: Published) -> None:
        """A smaller number than the expected one is that of a ground that has started again."""
        topic, number = message.topic, message.origin.number
        self.lost[topic] += max(0, number - self._next.get(topic, number))
        self._next[topic] = number + len(message.datagrams)

    def close(self) -> None:
        self.socket.close(linger=0)


def subscribe(address: str, *topics: str) -> Iterator[Published]:
    """Messages as they come, without end; of all topics if none is named."""
    with zmq.Context() as context:
        reader = Reader(context, address, topics or TOPICS)
        try:
            while True:
                reader.socket.poll()
                while message := reader.read():
                    yield message
        finally:
            reader.close()


def _message(parts: Sequence[bytes]) -> Published | None:
    if len(parts) not in PARTS:
        return None
    topic, *datagrams, told = parts
    try:
        origin, name = msgspec.json.decode(told, type=Origin), topic.decode()
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return Published(name, datagrams, origin) if name in TOPICS and origin.schema == SCHEMA and origin.number >= 0 else None
