"""A flight through aircraft, ground and console into Chromium: every picture, and what happens when a part is killed."""

from __future__ import annotations

import itertools
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gateway.demo.clip import Camera
from gateway.demo.flight import recorded_flight
from gateway.demo.stage import HOST, Program, udp_socket
from tests.browser import chromium
from tests.console_client import RunningConsole
from tests.interop.scripted_console import READ_NUMBER, film
from tests.system.house import Flight

pytestmark = [
    pytest.mark.peers,
    pytest.mark.alone,  # a machine that is too slow leaves pictures out
    pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg"),
]
PICTURES = 250
STREAM = "pilot/drone-7/video_a"
WITHIN_S = 60.0
SAMPLES_EACH = 5
EVERY_S = 0.1


class Filmed:
    """A flight in a thread of its own: the recorded frames, and a camera whose pictures have their number in them."""

    def __init__(self, flight: Flight) -> None:
        self.flight = flight
        self.films = True
        self._camera = Camera((HOST, flight.camera_port), b"".join(film(PICTURES)))
        self._frames = itertools.cycle(frame for _, frame in recorded_flight())
        self._sender, self._next = udp_socket(), 0.0
        self._end = threading.Event()
        flight.step_more = self._step
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._end.is_set():
            self.flight.run(0.05)

    def _step(self) -> None:
        now = time.monotonic()
        if self.films:
            self._camera.play(now)
        if now >= self._next:
            self._next = now + EVERY_S
            for frame in itertools.islice(self._frames, SAMPLES_EACH):
                self._sender.sendto(frame, (HOST, self.flight.fc_port))

    def end(self) -> None:
        self._end.set()
        self._thread.join(10)
        self._camera.close()
        self._sender.close()


@pytest.fixture
def filmed(fly) -> Iterator[Filmed]:
    flight = fly()
    flight.wait_open()
    running = Filmed(flight)
    yield running
    running.end()


@pytest.fixture
def console(filmed, tmp_path) -> Iterator[RunningConsole]:
    running = RunningConsole(tmp_path)
    yield running
    running.program.end()


@pytest.fixture
def page(console) -> Iterator[Any]:
    with chromium() as browser:
        opened = browser.new_page(viewport={"width": 1280, "height": 800})
        opened.goto(f"{console.origin}/?token={console.token}")
        yield opened


def until(true: Callable[[], object], why: Callable[[], str] = str) -> float:
    """The seconds that it took."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() < began + WITHIN_S, why()
        time.sleep(0.02)
    return time.monotonic() - began


def text(page: Any, selector: str) -> str:
    return str(page.locator(selector).first.text_content())


def shown(page: Any) -> int:
    return int(page.evaluate("key => zegel.streams()[key]?.shown ?? 0", STREAM))


def number(page: Any) -> int:
    return int(page.locator("#picture canvas").evaluate(READ_NUMBER))


def sealed_and_live(page: Any) -> bool:
    live = page.locator("#picture").get_attribute("data-state") == "live"
    return live and text(page, "#seal-word") == "SEALED"


def test_the_flight_is_shown_sealed_with_its_readers_and_every_picture(filmed, page, figure):
    until(lambda: shown(page) > 50, filmed.flight.logs)
    assert text(page, "#seal-word") == "SEALED"
    assert text(page, "#begins-word") == "in the aircraft"
    assert text(page, "#operation-name") == "Night Watch"
    assert text(page, "#operation-detail").startswith("Harbour Police")
    readers = page.locator("#readers b").all_text_contents()
    assert readers == ["pilot", "observer"]
    assert text(page, "#commander").startswith("pilot")
    assert page.locator('.instrument[data-state="live"]').count() >= 5
    filmed.films = False
    until(lambda: page.locator("#picture").get_attribute("data-state") == "old")
    counts = page.evaluate("key => zegel.streams()[key]", STREAM)
    assert counts["shown"] + counts["caughtUp"] - 1 <= counts["received"] <= counts["shown"] + counts["caughtUp"]
    assert counts["damaged"] == counts["errors"] == 0
    sent = len({packet[4:8] for packet in filmed._camera.packets_sent()})  # by their timestamps (RFC 3550)
    assert number(page) == (sent - 1) % PICTURES
    latencies = sorted(page.evaluate("key => zegel.latencies(key)", STREAM))
    half, most = latencies[len(latencies) // 2], latencies[int(len(latencies) * 0.99)]
    figure(f"console, from the feed to the canvas, ms | p50 {half:.1f} | p99 {most:.1f} | {len(latencies)} pictures")


def test_a_console_that_is_killed_and_started_again(page, filmed, console, figure):
    until(lambda: sealed_and_live(page), filmed.flight.logs)
    console.program.kill()
    until(lambda: text(page, "#seal-word") == "CONSOLE GONE")
    console.program = Program(("console", "--port", str(console.port)), filmed.flight.house.folder, "console-again")
    took = until(lambda: sealed_and_live(page), console.program.output)
    figure(f"console started again: live after {took:.1f} s")


def test_a_ground_that_is_killed_and_started_again(page, filmed, figure):
    until(lambda: sealed_and_live(page), filmed.flight.logs)
    station = filmed.flight.stations["pilot"]
    station.program.kill()
    until(lambda: text(page, "#seal-word") in {"GROUND GONE", "LINK LOST"})
    assert page.locator("#picture").get_attribute("data-state") != "live"
    station.start()
    took = until(lambda: sealed_and_live(page), filmed.flight.logs)
    figure(f"ground started again: live after {took:.1f} s")


def test_an_aircraft_that_is_killed_and_started_again(page, filmed, figure):
    until(lambda: sealed_and_live(page), filmed.flight.logs)
    filmed.flight.air.kill()
    until(lambda: text(page, "#seal-word") == "LINK LOST")
    assert text(page, "#picture .veil-age").endswith(" old")
    filmed.flight.start_air()
    took = until(lambda: sealed_and_live(page), filmed.flight.logs)
    figure(f"aircraft started again: live after {took:.1f} s")
