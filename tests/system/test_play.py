"""`zegel recording play` of what a real aircraft and its recorder wrote, to the ports and programs that people use."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.demo.clip import CLIP, FPS, Camera
from gateway.demo.stage import HOST, drain, run_until
from tests.interop.test_ffmpeg import decoded, picture_sums
from tests.system import late_picture
from tests.system.field import attitude
from tests.system.namespaces import Host
from tests.system.recorded import EVERY_S, RecordedFlight
from tests.system.test_air import heartbeat
from tests.system.test_recorder_kill import records

SDP = Path(__file__).parents[2] / "examples/zegel.sdp"
WITHIN_S = 60
LARGE = 2_000_000_000  # bytes of a card
MEMORY_MB = 150
BUFFER = 8 << 20
PYMAVLINK = f"""
import socket
from pymavlink import mavutil
link = mavutil.mavlink_connection("udpin:{HOST}:14550", dialect="ardupilotmega")
link.port.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, {BUFFER})
print("ready", flush=True)
while True:
    message = link.recv_match(blocking=True)
    print(message.get_type(), message.get_msgbuf().hex(), flush=True)
"""


class FilmedFlight(RecordedFlight):
    """Its camera sends real pictures. `frames`: what the flight controller sent."""

    def __init__(self, folder: Path) -> None:
        self.frames: list[bytes] = []
        super().__init__(folder)
        self.camera = Camera((HOST, self.camera_port))

    def fly(self) -> None:
        now = time.monotonic()
        self.camera.play(now)
        if now < self._next_frame:
            return
        self._next_frame = now + EVERY_S
        number = next(self._frames)
        for frame in [attitude(number), *([heartbeat(armed=self.armed)] if number % 50 == 0 else [])]:
            self.sender.sendto(frame, (HOST, self.fc_port))
            self.frames.append(frame)

    def land(self) -> None:
        """Nothing is sent any more, and what was sent has arrived."""
        self.step_more = lambda: None
        self.run(0.5)
        self.air.end()
        self.ended()
        self.camera.close()


class Flown:
    """What is left of a flight: the folders, and what entered the aircraft from a time on when all was recorded."""

    def __init__(self, flight: FilmedFlight, folder: Path, frames: int, packets: int) -> None:
        self.card, self.archive = flight.card, folder / "archive"
        self.frames, self.packets = flight.frames, flight.camera.packets_sent()
        self.frames_at_least, self.packets_at_least = len(self.frames) - frames, len(self.packets) - packets


@pytest.fixture(scope="module")
def flown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flown]:
    """A flight of some seconds, which is armed and disarmed: three cuts more."""
    folder = tmp_path_factory.mktemp("flown")
    with pytest.MonkeyPatch.context() as patched:
        folder.chmod(0o700)
        patched.setenv("XDG_RUNTIME_DIR", str(folder))
        flight = FilmedFlight(folder)
        try:
            assert flight.until(lambda: records(flight)), flight.logs()
            frames, packets = len(flight.frames), len(flight.camera.sent)
            for armed in (True, False):
                flight.armed = armed
                flight.run(4.0)
            flight.land()
            yield Flown(flight, folder, frames, packets)
        finally:
            flight.end()


@pytest.fixture
def host() -> Iterator[Host]:
    """The ports are those that QGroundControl and players have, so they are on a computer of their own."""
    made = Host()
    yield made
    made.end()


def play(host: Host, flown: Flown, *words: str) -> str:
    """Its output."""
    command = [sys.executable, "-m", "gateway.cli", "recording", "play", flown.card, "--key", flown.archive, *words]
    done = subprocess.run([*host.within, *command], capture_output=True, text=True, timeout=WITHIN_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class Pymavlink:
    """A program that listens as QGroundControl does. `heard`: (name, frame) of each message."""

    def __init__(self, host: Host) -> None:
        self._process = subprocess.Popen([*host.within, sys.executable, "-c", PYMAVLINK], stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"
        self.heard: list[tuple[str, bytes]] = []
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            name, frame = line.split()
            self.heard.append((name, bytes.fromhex(frame)))

    def end(self) -> list[tuple[str, bytes]]:
        count = -1
        while count < len(self.heard):
            count = len(self.heard)
            time.sleep(0.5)
        self._process.terminate()
        self._thread.join()
        self._process.communicate()
        return self.heard


def test_a_gcs_and_a_player_get_exactly_what_entered(flown: Flown, host: Host):
    gcs, player, second = Pymavlink(host), host.udp(5600), host.udp(5604)
    got: list[bytes] = []
    said = ""

    def run() -> None:
        nonlocal said
        said = play(host, flown, "--speed", "4")

    playing = threading.Thread(target=run)
    playing.start()
    assert run_until(lambda: not playing.is_alive(), lambda: got.extend(drain(player)), [player], WITHIN_S)
    playing.join()
    got += drain(player)
    heard = gcs.end()
    assert drain(second) == []
    frames = [frame for _, frame in heard]
    assert {name for name, _ in heard} == {"ATTITUDE", "HEARTBEAT"}
    assert frames == flown.frames[-len(frames) :]
    assert len(frames) >= flown.frames_at_least
    assert got == flown.packets[-len(got) :]
    assert len(got) >= flown.packets_at_least
    assert f"telemetry: {len(frames)} datagrams to udpout:127.0.0.1:14550\n" in said
    assert f"video-a: {len(got)} datagrams to udpout:127.0.0.1:5600\n" in said
    assert re.findall(r" (dis)?armed\n", said)[-2:] == ["", "dis"], said
    assert "DAMAGED" not in said
    for each in (player, second):
        each.close()


def test_a_player_decodes_it_from_any_time_on(flown: Flown, host: Host, tmp_path: Path):
    """By the description of the stream that the examples have, from its first picture on."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("needs ffmpeg: apt-get install ffmpeg")
    sums = tmp_path / "played.md5"
    source = ("-protocol_whitelist", "file,udp,rtp", "-fpsprobesize", "0", "-i", SDP)
    words = [*host.within, "ffmpeg", "-nostdin", "-loglevel", "error", *source, "-f", "framemd5", sums]
    with subprocess.Popen(words) as player:
        listens = [*host.within, "grep", "-q", f":{5600:04X} ", "/proc/net/udp"]
        assert run_until(lambda: subprocess.run(listens, check=False).returncode == 0, lambda: None, [], WITHIN_S)
        said = play(host, flown, "--lanes", "video-a", "--from", "+3")
        time.sleep(0.5)
        player.terminate()
    shown, film = picture_sums(sums.read_text()), decoded(CLIP)
    assert (found := re.search(r"video-a begins (\d\.\d) s earlier, with a key picture\n", said)), said
    films = film * (2 + len(shown) // len(film))
    places = [place for place in range(len(film)) if films[place : place + len(shown)] == shown]
    assert places, f"{len(shown)} pictures in another sequence than the film's, or damaged"
    assert len(shown) / FPS > 3 + float(found[1])


@pytest.mark.soak
def test_a_flight_whose_recorder_was_killed_plays_as_one(tmp_path: Path, host: Host, monkeypatch: pytest.MonkeyPatch):
    tmp_path.chmod(0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    flight = FilmedFlight(tmp_path)
    try:
        assert flight.until(lambda: records(flight)), flight.logs()
        began = len(flight.frames)
        flight.run(5.0)
        killed = len(flight.frames)
        flight.kill_recorder()
        flight.run(1.0)
        assert flight.until(lambda: records(flight)), flight.logs()
        again = len(flight.frames)
        flight.run(4.0)
        flight.land()
        flown = Flown(flight, tmp_path, began, 0)
    finally:
        flight.end()
    gcs = Pymavlink(host)
    said = play(host, flown, "--speed", "4", "--lanes", "flight")
    frames = [frame for _, frame in gcs.end()]
    sent = iter(flown.frames)
    assert all(frame in sent for frame in frames), "each once, in their sequence"
    missing = {*flown.frames[began:]} - {*frames}
    lost = sorted(flown.frames.index(frame) for frame in missing)
    assert lost, "what the recorder held was lost with it"
    assert began < lost[0] <= killed + 1, "what was cut before it died is there"
    assert lost[-1] < again
    assert re.search(r"NOT RECORDED: flight, .* the recorder started again", said), said
    assert "DAMAGED: segments of the log" not in said


@pytest.mark.soak
@pytest.mark.alone
def test_the_last_minute_of_a_large_card_begins_with_a_key_picture_at_once(tmp_path: Path, figure: Callable[[str], None]):
    """The leaves say where it is: nothing before it is read."""
    try:
        found = late_picture.measure(tmp_path, LARGE)
    finally:
        shutil.rmtree(tmp_path / "card", ignore_errors=True)
    figure(found.line)
    assert found.memory_mb < MEMORY_MB
