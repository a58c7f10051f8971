"""The opened feed: telemetry and video for other programs on the ground, by ZeroMQ publish and subscribe.

What lives here: `Feed`, which publishes. What must not: reading it (feed_reader.py). The parts of a message are the topic
(TOPICS), MAVLink frames or video datagrams that came together, and their `Origin` as JSON. Published data has been opened:
it is in clear.

Publishing never waits. A subscriber that is too slow loses messages, and delays no other one. Nothing is read or copied for
a topic without subscribers.

Any program that can connect can send messages of any form: they are checked, bounded and counted. No message of one
program stops the messages of another: libzmq decides for each connection which messages it gets, and the counts here are
for people to read.

A feed by TCP disconnects a subscriber on this computer whose user may not use the plain endpoints before it gets a message.
A feed in a folder (`ipc:`) is for the programs that can enter the folder, by its mode.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
from collections import Counter
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from itertools import islice
from pathlib import Path

import msgspec
import zmq

from gateway import descriptors, ipc
from gateway.endpoint_state import State
from gateway.endpoints.address import on_this_computer
from gateway.endpoints.lookup import SockAddr, in_words
from gateway.endpoints.plain_users import PlainUsers
from gateway.endpoints.subscribers import Subscribers

TELEMETRY, VIDEO = "telemetry", ("video.a", "video.b")
TOPICS = (TELEMETRY, *VIDEO)
QUEUED_MAX = 1000  # messages for one subscriber: seconds of video, and at most 20 MB
DATAGRAMS_MAX = 16  # in one message
EVENT_MAX = 512  # bytes of an incoming message; the sender of a longer one is disconnected
EVENTS_A_TICK = 1000  # for a hundred subscribers that connect at once
REFUSED_MAX = 1000  # events that no normal subscriber sends, before the socket is replaced: libzmq keeps each unknown topic
SUBSCRIPTIONS_MAX = 1000  # per topic
HANDSHAKE_WITHIN_MS = 5000
CROWDED_TICKS = 2  # a feed by TCP is the first to disconnect: many more programs can reach it
RETRY_EVERY_S = 1.0
COME, GONE = b"\1", b"\0"
SCHEMA = 2  # of an Origin; becomes higher if a key disappears or changes its meaning
_PLACE = re.compile(r"(?:tcp://(?P<host>\[[0-9A-Fa-f:]+\]|[0-9.]+):)?(?P<port>\d{1,5})")


def parse_feed(text: str) -> str:
    """`tcp://HOST:PORT` from that or from a port alone (loopback). ValueError if it is neither; HOST is a number."""
    place = _PLACE.fullmatch(text)
    if place is None or not 0 < int(place["port"]) < 1 << 16:
        raise ValueError(f"{text!r} is not an address for a feed")
    host = place["host"] or "127.0.0.1"
    ip_address(host.strip("[]"))
    return f"tcp://{host}:{place['port']}"


def leaves_computer(address: str) -> bool:
    """Whether programs of other computers can subscribe at `address`."""
    host = address.removeprefix("tcp://").rpartition(":")[0].strip("[]")
    return not on_this_computer(host)


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where frames or datagrams of video came from, and when: the last part of each message."""

    schema: int = SCHEMA
    device: str  # the aircraft's name in the order
    systems: list[int]  # the MAVLink system ids of that aircraft
    session: str  # its session_id, in hexadecimal
    lane: str
    time_us: int  # when this ground received them, in microseconds of Unix time by the clock of its computer
    number: int = 0  # of the first of them, counted by topic; what is missing before it was lost on the way to the reader


class Feed:
    """Publishes at `address`, `tcp:` or `ipc:`. Never fails: `tick` binds it, and tries again without end.

    `published`      datagrams by topic
    `behind`         how often a subscriber's queue was full: then it lost messages, until it had read most of the queue
    `subscriptions`  the present ones by topic, if the subscribers tell the truth
    `refused`        incoming messages that are not subscriptions to our topics
    `kept_out`       subscriptions of programs of users that are not allowed
    """

    def __init__(self, address: str, users: PlainUsers | None = None) -> None:
        self.address = address
        self._place = Path(address.removeprefix(ipc.SCHEME)) if address.startswith(ipc.SCHEME) else None
        self._users = users
        self._may: dict[SockAddr, bool] = {}  # of the connections in this tick
        self._known = True  # the connection of each message that is being read
        self.kept_out = 0
        self.state = State.RECONNECTING
        self.last_error = ""
        self.published: Counter[str] = Counter()
        self.subscriptions: Counter[str] = Counter()
        self.refused = self.behind = 0
        self._subscribers = Subscribers()
        self._crowded = 0  # ticks in turn
        self._strange = 0  # refused since then
        self._retry_at = float("-inf")
        self._context = zmq.Context()
        self._socket = self._made()

    def _made(self) -> zmq.Socket[bytes]:
        made = self._context.socket(zmq.XPUB)  # like PUB for a subscriber, but it reports the subscriptions
        made.setsockopt(zmq.XPUB_VERBOSER, 1)
        made.setsockopt(zmq.XPUB_NODROP, 1)  # say when a queue is full; `_send` drops what that subscriber cannot get
        made.setsockopt(zmq.XPUB_MANUAL, int(self._users is not None))  # a subscription counts only after our decision
        made.setsockopt(zmq.IPV6, int("[" in self.address))
        made.setsockopt(zmq.MAXMSGSIZE, EVENT_MAX)
        made.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_WITHIN_MS)
        made.linger = 0
        made.sndhwm = QUEUED_MAX
        return made

    def tick(self, now: float) -> None:
        """Bind if it is not bound, and process subscriptions; call it about ten times a second."""
        if self.state is State.RECONNECTING and now >= self._retry_at:
            self._bind(now)
        self._may.clear()
        if not self._take_events(now) or self._strange > REFUSED_MAX:
            self._renew("flooded with messages that are not subscriptions", now)
        elif self.state is not State.RECONNECTING and self._is_crowded():
            self._renew("flooded with connections", now)
        self._subscribers.look()
        if self.state is not State.RECONNECTING:
            self.state = State.CONNECTED if self.subscriptions.total() else State.IDLE

    def _is_crowded(self) -> bool:
        self._crowded = self._crowded + 1 if descriptors.crowded() else 0
        return self._crowded >= (CROWDED_TICKS if self._place else 1)

    def _take_events(self, now: float) -> bool:
        """False if there are more than honest subscribers send.

        For a message that is not a subscription, libzmq records no connection, and until all has been read it assigns the
        next message to the next connection: a subscription would count for another program. So until then all are
        disconnected, and connect again.
        """
        for _ in range(EVENTS_A_TICK):
            if self._users is not None and self._users.tired:
                return True  # the rest waits for the next tick
            try:
                frame = self._socket.recv(zmq.NOBLOCK, copy=False)
                event = frame.bytes
                self._known = self._known and event[:1] in {COME, GONE}
                if self._users is not None:
                    self._settle(self._users if self._known else None, frame, event, now)
                self._count(frame, event)
            except zmq.ZMQError as error:
                self._known = True
                return error.errno == zmq.EAGAIN
        return False

    def _settle(self, users: PlainUsers | None, frame: zmq.Frame, event: bytes, now: float) -> None:
        """Accept a subscription if its program is allowed; an unknown one is disconnected, and connects again.

        Without `users` every program is allowed.
        """
        if users is not None and event[:1] == GONE:
            self._socket.setsockopt(zmq.UNSUBSCRIBE, event[1:])
            return
        try:
            with socket.socket(fileno=os.dup(int(frame.get(zmq.SRCFD)))) as connection:
                theirs, ours = connection.getpeername(), connection.getsockname()
                if users is not None and self._may_read(users, theirs, ours, now):
                    self._socket.setsockopt(zmq.SUBSCRIBE, event[1:])
                elif self.address.endswith(f":{ours[1]}"):  # otherwise another file has its number meanwhile
                    self.kept_out += users is not None
                    connection.shutdown(socket.SHUT_RDWR)
        except (OSError, TypeError, ValueError, zmq.ZMQError):  # it is closed, and libzmq records no connection for it
            return

    def _may_read(self, users: PlainUsers, theirs: SockAddr, ours: SockAddr, now: float) -> bool:
        if theirs not in self._may:
            user = users.connected([(theirs, ours)])
            self._may[theirs] = user is not None and users.may_have(user, in_words(theirs), f"feed {self.address}", now)
        return self._may[theirs]

    def _renew(self, why: str, now: float) -> None:
        """Drop everything that has accumulated. Subscribers connect again by themselves."""
        self._socket.close(linger=0)
        with contextlib.suppress(zmq.ZMQError):  # without a descriptor it counts as closed, and is tried again
            self._socket = self._made()
        self.state, self._retry_at = State.RECONNECTING, now + RETRY_EVERY_S
        self.last_error = f"{self.address}: {why}, so all were disconnected"
        self.subscriptions.clear()
        self._subscribers.clear()
        self._strange = self._crowded = 0

    def wants(self, topic: str) -> bool:
        """Whether a program is connected that has subscribed to it."""
        return topic in self._subscribers.topics

    def publish(self, topic: str, groups: Iterable[tuple[Origin, Iterable[bytes | memoryview]]]) -> None:
        """Send datagrams, each with the origin of its group, to every subscriber of `topic`."""
        if not self.wants(topic):
            return
        name = topic.encode()
        for origin, datagrams in groups:
            left = iter(datagrams)
            while some := [bytes(datagram) for datagram in islice(left, DATAGRAMS_MAX)]:
                told = msgspec.structs.replace(origin, number=self.published[topic])
                self.published[topic] += len(some)
                self._send((name, *some, msgspec.json.encode(told)))

    def _send(self, message: Sequence[bytes]) -> None:
        with contextlib.suppress(zmq.ZMQError):
            try:
                self._socket.send_multipart(message, zmq.NOBLOCK)
            except zmq.Again:  # a queue is full, for the first time since it was read
                self.behind += 1
                self._socket.setsockopt(zmq.XPUB_NODROP, 0)
                self._socket.send_multipart(message, zmq.NOBLOCK)
                self._socket.setsockopt(zmq.XPUB_NODROP, 1)

    def close(self) -> None:
        self._context.destroy(linger=0)
        if self._place and self.state is not State.RECONNECTING:
            self._place.unlink(missing_ok=True)  # libzmq does not
        self.state = State.DOWN

    def _bind(self, now: float) -> None:
        try:
            if self._place:
                ipc.bind(self._socket, self._place)
            else:
                self._socket.bind(self.address)
            self.state = State.IDLE
        except OSError as error:
            self._bind_later(str(error), now)
        except zmq.ZMQError as error:
            self._bind_later(f"{self.address}: {error.strerror}", now)

    def _bind_later(self, why: str, now: float) -> None:
        self._retry_at, self.last_error = now + RETRY_EVERY_S, why

    def _count(self, frame: zmq.Frame, event: bytes) -> None:
        """An event of XPUB: 1 or 0 for a subscription that begins or ends, then its prefix of topics.

        It can also be anything else: a peer may send messages of its own.
        """
        topics = [topic for topic in TOPICS if topic.encode().startswith(event[1:])]
        if event[:1] not in {COME, GONE} or not topics:
            self.refused += 1
            self._strange += 1
            return
        comes = event[:1] == COME
        for topic in topics:
            self.subscriptions[topic] = min(max(0, self.subscriptions[topic] + (1 if comes else -1)), SUBSCRIPTIONS_MAX)
        change = self._subscribers.come if comes else self._subscribers.go
        change(frame, topics, known=self._known)
