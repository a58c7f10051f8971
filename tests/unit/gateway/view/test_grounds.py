"""Grounds: statuses and feeds of processes that come and go, on one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.endpoints.feed import Feed, Origin
from gateway.endpoints.feed_reader import Published
from gateway.report.role_status import FeedStatus, GroundStatus
from gateway.report.status_socket import Publisher
from gateway.view import grounds
from gateway.view.grounds import Grounds
from tests.unit.gateway.report.statuses import air, ground

ORIGIN = Origin(device="drone-7", systems=[1], session="a", lane="telemetry", time_us=1)
WITHIN_S = 20.0


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    return tmp_path


class Heard:
    """What a `Grounds` said, in its order."""

    def __init__(self) -> None:
        self.said: list[tuple[str, GroundStatus | bytes | None]] = []
        self.grounds = Grounds(self.message, lambda name, status: self.said.append((name, status)))

    def message(self, name: str, published: Published) -> None:
        for datagram in published.datagrams:
            if datagram == b"fails":
                raise ValueError(datagram)
            self.said.append((name, datagram))

    def names(self) -> list[str]:
        return [name for name, status in self.said if isinstance(status, GroundStatus)]

    def datagrams(self, name: str = "pilot") -> list[bytes]:
        return [said for of, said in self.said if of == name and isinstance(said, bytes)]


@contextlib.contextmanager
def running(name: str, place: Path) -> Iterator[tuple[Publisher, Feed]]:
    feed = Feed(f"ipc://{place / name}.feed.0")
    feed.tick(0.0)
    with Publisher("ground", name) as publisher:
        yield publisher, feed
    feed.close()


async def until(done: Callable[[], bool], step: Callable[[], object] = lambda: None) -> None:
    end = time.monotonic() + WITHIN_S
    while not done():
        assert time.monotonic() < end
        step()
        await asyncio.sleep(0.02)


def follow(heard: Heard, story: Callable[[], Any]) -> None:
    async def main() -> None:
        task = asyncio.create_task(heard.grounds.follow())
        try:
            await story()
            assert not task.done()
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    asyncio.run(main())


def tell(publisher: Publisher, feed: Feed, name: str = "pilot") -> Callable[[], None]:
    def step() -> None:
        publisher.send(ground(name=name, feed=FeedStatus(address=feed.address)))
        feed.tick(time.monotonic())
        feed.publish("telemetry", [(ORIGIN, [name.encode()])])

    return step


def test_a_ground_that_starts_later_ends_and_starts_again_is_followed(here: Path):
    heard = Heard()

    async def story() -> None:
        for _ in range(2):
            heard.said.clear()
            with running("pilot", here) as (publisher, feed):
                await until(lambda: len(heard.datagrams()) > 5, tell(publisher, feed))
            await until(lambda: ("pilot", None) in heard.said)

    follow(heard, story)


def test_two_grounds_of_one_name_have_two_and_an_air_is_none(here: Path):
    heard = Heard()

    async def story() -> None:
        with running("one", here) as one, running("other", here) as other, Publisher("air", "drone-7") as aircraft:

            def step() -> None:
                aircraft.send(air())
                tell(*one)()
                tell(*other)()

            await until(lambda: {*heard.names()} == {"pilot", "pilot 2"}, step)
            await until(lambda: bool(heard.datagrams() and heard.datagrams("pilot 2")), step)

    follow(heard, story)


def test_a_message_that_cannot_be_shown_costs_itself_alone(here: Path):
    heard = Heard()

    async def story() -> None:
        failed: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, told: failed.append(told["exception"]))
        with running("pilot", here) as (publisher, feed):
            step = tell(publisher, feed)
            await until(lambda: len(heard.datagrams()) > 1, step)
            before = len(heard.datagrams())
            feed.publish("telemetry", [(ORIGIN, [b"fails"]), (ORIGIN, [b"next"])])
            await until(lambda: b"next" in heard.datagrams()[before:])
        assert [type(error) for error in failed] == [ValueError]

    follow(heard, story)


def test_more_messages_than_are_read_at_once_all_come(here: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(grounds, "AT_ONCE", 7)
    monkeypatch.setattr(grounds, "LOOK_EVERY_S", 0.5)
    heard = Heard()

    async def story() -> None:
        with running("pilot", here) as (publisher, feed):
            await until(lambda: len(heard.datagrams()) > 1, tell(publisher, feed))
            for place in range(500):
                feed.publish("telemetry", [(ORIGIN, [b"%d" % place])])
            await until(lambda: b"499" in heard.datagrams())
            assert [data for data in heard.datagrams() if data != b"pilot"] == [b"%d" % place for place in range(500)]
        assert heard.grounds.lost == 0

    follow(heard, story)
