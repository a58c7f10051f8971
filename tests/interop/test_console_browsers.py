"""The console in both browsers: how late a picture is, which are shown, and what it costs, with and without loss.

A film of known length goes through aircraft, relay, ground and console. The page is open before the film begins, so what it
shows can be counted against what was sent.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from gateway.demo.flight import recorded_flight
from gateway.demo.stage import HOST, udp_socket
from tests.browser import chromium
from tests.console_client import RunningConsole
from tests.firefox import firefox
from tests.system.house import Flight

pytestmark = [
    pytest.mark.peers,
    pytest.mark.alone,  # a machine that is too slow leaves pictures out
    pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg"),
]
STREAM = "pilot/drone-7/video_a"
WATCH = '{"type":"watch","streams":[{"ground":"pilot","device":"drone-7","lane":"video_a"}]}'
RATE = 30  # pictures a second
LONG_S, SHORT_S = 15, 5
VIEWERS = 4
WITHIN_S = 60.0
SAMPLES_EACH, EVERY_S = 5, 0.1  # telemetry
SEED = 18
NONE_YET = {"received": 0, "shown": 0, "caughtUp": 0, "damaged": 0, "restarts": 0, "errors": 0}
FIRST_PICTURE = """
  const looks = setInterval(() => {
    if (!Object.values(window.zegel?.streams() ?? {}).some((one) => one.shown)) return;
    window.firstPicture = performance.now();
    clearInterval(looks);
  }, 2);
"""
OF_PAGE = "performance.getEntries().reduce((sum, one) => sum + (one.encodedBodySize ?? 0), 0)"


class Form(NamedTuple):
    """What is sent, and what of it is lost on the way."""

    slices: int
    loss: float

    def __str__(self) -> str:
        return f"{self.slices} slice{'s' if self.slices > 1 else ''}, {100 * self.loss:g} % lost"


class Tab:
    """A page of either browser: Playwright's, or tests.firefox."""

    def __init__(self, evaluate: Callable[[str], Any], go_to: Callable[[str], Any]) -> None:
        self.evaluate, self.open = evaluate, go_to

    def counts(self) -> dict[str, Any]:
        return {**NONE_YET, **(self.evaluate(f"window.zegel?.streams()['{STREAM}'] ?? null") or {})}

    def latencies(self) -> list[float]:
        """Milliseconds, in order of their length."""
        return sorted(self.evaluate(f"zegel.latencies('{STREAM}')"))


@contextmanager
def tab(name: str, folder: Path) -> Iterator[Tab]:
    if name == "Firefox":
        profile = folder / "profile"
        profile.mkdir(exist_ok=True)
        with firefox(profile) as fox:
            fox.before_each_page(FIRST_PICTURE)
            yield Tab(fox.evaluate, fox.open)
        return
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.add_init_script(FIRST_PICTURE)
        yield Tab(page.evaluate, page.goto)


class Cost(NamedTuple):
    """Of the console, since `before`."""

    percent: float  # of a core
    mb: float

    def __str__(self) -> str:
        return f"{self.percent:.1f} % of a core, {self.mb:.0f} MB"


class Show:
    """A flight whose radio is the seeded relay, a console, and a film."""

    def __init__(self, flight: Flight, form: Form, folder: Path) -> None:
        self.flight, self._folder, self._form = flight, folder, form
        self._frames = itertools.cycle(frame for _, frame in recorded_flight())
        self._sender = udp_socket()
        flight.radio.close()  # the relay takes its place
        words = ("--listen", flight.radio.port, "--to", flight.stations["pilot"].port, "--seed", SEED, "--loss", form.loss)
        self._relay = subprocess.Popen([sys.executable, "-m", "tests.relay", *map(str, words)], stdout=subprocess.DEVNULL)
        try:
            self.console = RunningConsole(folder)
        except BaseException:
            self._relay.kill()
            raise
        self.until(lambda: flight.stations["pilot"].says(": open"))

    @property
    def link(self) -> str:
        return f"{self.console.origin}/?token={self.console.token}"

    def film(self, seconds: int) -> Path:
        """`testsrc2`, 4 Mbit/s, a key picture each second, in so many slices a picture."""
        path = self._folder / f"film-{seconds}.h264"
        encoder = ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-threads", "1", "-g", str(RATE)]
        rate = ["-b:v", "4M", "-maxrate", "4M", "-bufsize", "1M"]
        slices = ["-x264-params", f"slices={self._form.slices}:repeat-headers=1", "-pix_fmt", "yuv420p"]
        source = ["-f", "lavfi", "-i", f"testsrc2=size=1280x720:rate={RATE}", "-t", str(seconds)]
        subprocess.run(["ffmpeg", "-v", "error", "-y", *source, *encoder, *rate, *slices, "-f", "h264", path], check=True)
        return path

    @contextmanager
    def playing(self, film: Path) -> Iterator[subprocess.Popen[bytes]]:
        to = f"rtp://{HOST}:{self.flight.camera_port}?pkt_size=1200"
        words = ["ffmpeg", "-v", "error", "-re", "-framerate", str(RATE), "-i", film, "-c", "copy", "-f", "rtp", to]
        camera = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield camera
        finally:
            camera.kill()
            camera.wait()

    def until(self, done: Callable[[], object]) -> None:
        """The flight goes on: its telemetry is sent."""
        began = time.monotonic()
        while not done():
            assert time.monotonic() < began + WITHIN_S, self.flight.logs() + self.console.program.output()
            for frame in itertools.islice(self._frames, SAMPLES_EACH):
                self._sender.sendto(frame, (HOST, self.flight.fc_port))
            time.sleep(EVERY_S)

    def wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        self.until(lambda: time.monotonic() >= end)

    def cost_of(self, doing: Callable[[], None]) -> Cost:
        def cpu_s() -> float:
            fields = Path(f"/proc/{self.console.program.process.pid}/stat").read_text().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

        began, before = time.monotonic(), cpu_s()
        doing()
        percent = 100 * (cpu_s() - before) / (time.monotonic() - began)
        return Cost(percent, self.console.program.resident_mb())

    def end(self) -> None:
        self.console.program.end()
        self._relay.send_signal(signal.SIGTERM)
        self._relay.wait()
        self._sender.close()


@pytest.fixture
def show(fly, tmp_path) -> Iterator[Callable[[Form], Show]]:
    with ExitStack() as ending:

        def start(form: Form) -> Show:
            made = Show(fly(), form, tmp_path)
            ending.callback(made.end)
            return made

        yield start


def watch_all(show: Show, page: Tab, seconds: int) -> Cost:
    """A film from its first picture to its last, in a page that is open; what it cost."""
    film = show.film(seconds)
    page.open(show.link)
    with show.playing(film) as camera:
        cost = show.cost_of(lambda: show.until(lambda: camera.poll() is not None))
    assert camera.returncode == 0
    show.wait(1.0)
    return cost


@contextmanager
def more_viewers(show: Show, count: int) -> Iterator[None]:
    """Sockets that watch as a page does, and do nothing with what they get: only the console's side is measured."""

    def read(socket: ClientConnection) -> None:
        try:
            for _ in socket:
                pass
        except ConnectionClosed:
            pass

    with ExitStack() as sockets:
        for _ in range(count):
            socket = sockets.enter_context(show.console.page())
            socket.send(WATCH)
            threading.Thread(target=read, args=(socket,), daemon=True).start()
        yield


def load() -> str:
    return f"load average {os.getloadavg()[0]:.1f}"


def test_firefox_shows_every_picture_of_a_flight(show, tmp_path):
    running = show(Form(slices=1, loss=0.0))
    with tab("Firefox", tmp_path) as page:
        watch_all(running, page, SHORT_S)
        counts = page.counts()
    assert counts["received"] == SHORT_S * RATE
    assert counts["shown"] + counts["caughtUp"] - 1 <= counts["received"] <= counts["shown"] + counts["caughtUp"], counts
    assert counts["damaged"] == counts["errors"] == counts["restarts"] == 0


@pytest.mark.soak
@pytest.mark.parametrize("form", [Form(1, 0.0), Form(1, 0.01), Form(1, 0.05), Form(4, 0.01), Form(4, 0.05)], ids=str)
@pytest.mark.parametrize("browser", ["Chromium", "Firefox"])
def test_latency_and_pictures(browser, form, show, tmp_path, figure):
    running = show(form)
    with tab(browser, tmp_path) as page:
        cost = watch_all(running, page, LONG_S)
        counts, latencies = page.counts(), page.latencies()
    sent = LONG_S * RATE
    assert 0 < counts["shown"] <= counts["received"] <= sent
    half, most = latencies[len(latencies) // 2], latencies[int(len(latencies) * 0.99)]
    shown = f"{sent} sent, {counts['received']} received, {counts['shown'] + counts['caughtUp']} shown"
    said = f"{shown}, {counts['damaged']} damaged, {counts['errors']} errors, {counts['restarts']} restarts"
    figure(f"{browser} | {form} | p50 {half:.1f} ms, p99 {most:.1f} ms | {said} | console: {cost}; {load()}")


@pytest.mark.soak
@pytest.mark.parametrize("browser", ["Chromium", "Firefox"])
def test_first_picture_and_four_viewers(browser, show, tmp_path, figure):
    running = show(Form(slices=1, loss=0.0))
    film = running.film(LONG_S * 2)
    with tab(browser, tmp_path) as page, running.playing(film):
        page.open(running.link)  # the browser's own start is none of ours
        firsts = []
        for _ in range(5):
            running.wait(0.7)
            page.open(running.link)
            running.until(lambda: page.counts()["shown"])
            firsts.append(float(page.evaluate("window.firstPicture ?? NaN")))
        size = page.evaluate(OF_PAGE)
        with more_viewers(running, VIEWERS - 1):
            four = running.cost_of(lambda: running.wait(LONG_S / 2))
    assert size < 400_000
    firsts.sort()
    said = f"first picture after {firsts[2]:.0f} ms ({firsts[0]:.0f} to {firsts[-1]:.0f})"
    figure(f"{browser} | {said} | page {size / 1000:.0f} kB | console for {VIEWERS} viewers: {four}; {load()}")
