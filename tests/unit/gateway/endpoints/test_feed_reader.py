from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence

import msgspec
import pytest
import zmq

from gateway.endpoints.feed import DATAGRAMS_MAX, Origin
from gateway.endpoints.feed_reader import PART_SIZE_MAX, Reader
from tests.unit.gateway.endpoints.wires import until

ORIGIN = Origin(device="drone-7", systems=[1], session="00" * 16, lane="video_a", time_us=1)


class Scene:
    """A publisher of whatever the test says, and one reader."""

    def __init__(self, context: zmq.Context, address: str) -> None:
        self.out = context.socket(zmq.XPUB)
        self.out.bind(address)
        self.reader = Reader(context, address)
        for _ in range(3):
            assert self.out.poll(10_000)
            self.out.recv()

    def publish(self, *parts: bytes) -> None:
        self.out.send_multipart(parts)

    def hears(self) -> Sequence[bytes]:
        """The datagrams of an honest message that is published now."""
        self.publish(b"video.a", b"honest", encoded())
        heard: list[bytes] = []
        until(lambda: heard.extend(message.datagrams if (message := self.reader.read()) else ()) or bool(heard))
        return heard


def encoded(number: int = 0, **changed: object) -> bytes:
    return msgspec.json.encode({**msgspec.to_builtins(ORIGIN), "number": number, **changed})


@pytest.fixture
def scene() -> Iterator[Scene]:
    context: zmq.Context = zmq.Context()
    with tempfile.TemporaryDirectory() as folder:
        yield Scene(context, f"ipc://{folder}/feed")
        context.destroy(linger=0)


def test_what_is_published_is_read_and_then_nothing_waits(scene):
    assert scene.reader.read() is None
    assert scene.hears() == [b"honest"]
    assert scene.reader.read() is None


@pytest.mark.parametrize(
    "parts",
    [
        (b"video.a",),
        (b"video.a", encoded()),
        (b"video.c", b"x", encoded()),
        (b"video.abc", b"x", encoded()),
        (b"video.a\xff", b"x", encoded()),
        (b"video.a", b"x", b"no JSON"),
        (b"video.a", b"x", b"\xff"),
        (b"video.a", b"x", b"[]"),
        (b"video.a", b"x", b"[" * 10_000),
        (b"video.a", b"x", encoded(schema=1)),
        (b"video.a", b"x", encoded(number=-1)),
        (b"video.a", b"x", encoded(time_us="now")),
        (b"video.a", b"x", encoded(systems="all")),
        (b"video.a", *[b"x"] * (DATAGRAMS_MAX + 1), encoded()),
    ],
    ids=range(14),
)
def test_a_message_of_another_form_is_counted_and_the_next_is_read(scene, parts):
    scene.publish(*parts)
    assert scene.hears() == [b"honest"]
    assert scene.reader.refused == int(parts[0] != b"video.c"), "that was not subscribed to"


def test_a_program_that_sends_too_large_a_part_is_not_heard_any_more(scene):
    with scene.reader.socket.get_monitor_socket(zmq.EVENT_DISCONNECTED | zmq.EVENT_CLOSED) as monitor:
        scene.publish(b"video.a", bytes(PART_SIZE_MAX + 1), encoded())
        monitor.poll(1000)
        scene.reader.socket.disable_monitor()
    scene.publish(b"video.a", b"x", encoded())
    assert not scene.reader.socket.poll(200)
    assert scene.reader.read() is None


@pytest.mark.parametrize(
    ("numbers", "lost"),
    [((0, 2, 4), 0), ((7, 9), 0), ((0, 3), 1), ((0, 1002), 1000), ((100, 0, 2), 0), ((0, 0), 0)],
    ids=["none", "joined later", "one", "many", "a new ground", "the same again"],
)
def test_it_counts_what_was_lost_on_the_way(scene, numbers, lost):
    for number in numbers:
        scene.publish(b"video.a", b"x", b"y", encoded(number))
    read: Callable[[], bool] = lambda: scene.reader.read() is not None  # noqa: E731
    for _ in numbers:
        until(read)
    assert scene.reader.lost["video.a"] == lost


def test_what_other_topics_lose_is_counted_for_itself(scene):
    scene.publish(b"telemetry", b"x", encoded(5))
    scene.publish(b"video.b", b"x", encoded(1))
    scene.publish(b"telemetry", b"x", encoded(8))
    for _ in range(3):
        until(lambda: scene.reader.read() is not None)
    assert +scene.reader.lost == {"telemetry": 2}
