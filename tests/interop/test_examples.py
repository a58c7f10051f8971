"""The blocks of examples/README.md, taken from there: camera, air, ground and player as they stand, pictures counted.

Two hosts of their own, so that the ports are those of the page. A test picture stands in for the camera, an encoder in
software for one that only a Pi has, and files for the window.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from gateway import cli
from gateway.demo.stage import Program
from tests.system.namespaces import Cable, two_hosts

EXAMPLES = Path(__file__).parents[2] / "examples"
TEXT = (EXAMPLES / "README.md").read_text()
BLOCKS = dict(re.findall(r"```sh\n# ([a-z0-9-]+): .*\n((?:.|\n)*?)```", TEXT))
ENOUGH, WITHIN_S = 20, 20.0  # pictures
NEEDED = (*("gst-launch-1.0", "ffmpeg"), "x264enc", "avdec_h264", "rtph264pay", "mpegtsmux")
STAND_INS = (
    (r"libcamerasrc|v4l2src device=\S+", "videotestsrc is-live=true"),
    (r"rpicam-vid [^|]*\|", "ffmpeg -nostdin -loglevel error -re -f lavfi -i testsrc=size=320x240:rate=30"
     " -c:v libx264 -preset superfast -tune zerolatency -g 30 -f h264 - |"),
    (r"-f v4l2 -video_size \S+ -framerate 30 -i /dev/video0",
     "-nostdin -loglevel error -re -f lavfi -i testsrc=size=320x240:rate=30"),
    (r"width=1280,height=720", "width=320,height=240"),
    (r"rtsp://192\.168\.1\.10:8554", "rtsp://127.0.0.1:8554"),
    (r"autovideosink sync=false", "jpegenc ! multifilesink location=seen-%05d.jpg"),
    (r"ffplay (.*)", r"ffmpeg -nostdin -loglevel error \1 -vsync passthrough seen-%05d.jpg"),
)  # fmt: skip
RTSP = """
import gi
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer
Gst.init(None)
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch("videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=30/1 ! x264enc tune=zerolatency"
                   " speed-preset=superfast key-int-max=30 ! rtph264pay name=pay0 pt=96")
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.get_mount_points().add_factory("/cam", factory)
server.attach(None)
GLib.MainLoop().run()
"""
FLOWS = {
    "usb-gst": "see-gst",
    "ts-ffmpeg": "see-ts-gst",
    "pi4-rpicam": "see-ffplay",
    "pi5-gst": "see-ffplay",
    "usb-ffmpeg": "see-gst",
    "rtsp-gst": "see-gst",
    "rtsp-ffmpeg": "see-ffplay",
    "ts-gst": "see-ts-ffplay",
}
BRIEF = ("usb-gst", "ts-ffmpeg")
NOT_RUN = {"pi4-gst", "see-vlc", "see-ts-vlc"}


def test_every_block_is_run_or_says_that_it_is_not():
    programs = {name for name, text in BLOCKS.items() if not text.startswith(("zegel ", "mavproxy.py "))}
    assert programs == {*FLOWS, *FLOWS.values(), *NOT_RUN}
    headings = dict(re.findall(r"```sh\n# ([a-z0-9-]+): (.*)\n", TEXT))
    assert all("ested" in headings[name] for name in programs - NOT_RUN)
    assert all("Not run" in headings[name] for name in NOT_RUN)


def test_the_commands_of_the_page_are_commands_that_parse():
    known = {command.name: command for command in entry_points(group=cli.GROUP)}
    lines = [text.strip() for text in BLOCKS.values() if text.startswith("zegel ")]
    assert len(lines) == 2
    for line in lines:
        words = line.split()[1:]
        assert callable(cli._parser(known, words).parse_args(words).run), line


def words_of(name: str) -> str:
    """A block with its stand-ins."""
    line = BLOCKS[name].replace("\\\n", "")
    for what, stand_in in STAND_INS:
        line = re.sub(what, stand_in, line)
    return line


class Scene:
    """Programs that are run in the two hosts; all end with it."""

    def __init__(self, folder: Path, hosts) -> None:
        self.folder, (self.aboard, self.station) = folder, hosts
        self._running: list[subprocess.Popen] = []
        self.folder.joinpath("zegel.sdp").write_bytes((EXAMPLES / "zegel.sdp").read_bytes())

    def run(self, host, *words: str) -> None:
        with (self.folder / "log").open("ab") as log:
            command = ["setpriv", "--pdeathsig", "KILL", *host.within, *words]
            self._running.append(subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log, start_new_session=True))

    def seen(self) -> int:
        return sum(1 for path in self.folder.glob("seen-*.jpg") if path.stat().st_size)

    def end(self) -> None:
        for process in reversed(self._running):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def has_element(name: str) -> bool:
    """Whether GStreamer is installed, and with the plugin that has this element."""
    inspect = shutil.which("gst-inspect-1.0")
    return inspect is not None and not subprocess.run([inspect, name], capture_output=True, check=False).returncode


@pytest.fixture
def flight(house, tmp_path):
    """Air and ground with the words of the page, but for the folders and the flight controller."""
    for name in NEEDED:
        if not shutil.which(name) and not has_element(name):
            pytest.skip(f"needs {name}: apt-get install ffmpeg gstreamer1.0-tools and its plugins, see examples/README.md")
    with two_hosts() as hosts, contextlib.ExitStack() as stack:
        cable = Cable("radio", 1, hosts)
        scene = Scene(tmp_path, hosts)
        stack.callback(scene.end)
        air = BLOCKS["air"].replace("drone-7", str(house.folder / "drone-7")).replace("192.168.10.2", cable.addresses[1])
        ground = BLOCKS["ground"].replace("pilot", str(house.folder / "pilot")).replace("op.order", str(house.order))
        programs = [
            Program(words.split()[1:], tmp_path, name, host.within)
            for name, words, host in (("ground", ground, hosts[1]), ("air", air, hosts[0]))
        ]
        for program in programs:
            stack.callback(program.end)
        until(lambda: ": open" in programs[0].output(), programs[0].output)
        yield scene


def until(done, what) -> None:
    limit = time.monotonic() + WITHIN_S
    while not done():
        assert time.monotonic() < limit, what()
        time.sleep(0.1)


@pytest.mark.peers
@pytest.mark.parametrize(
    "camera", [name if name in BRIEF else pytest.param(name, marks=pytest.mark.soak) for name in FLOWS]
)
def test_what_a_camera_sends_is_seen_at_the_station(flight, camera, figure):
    if camera.startswith("rtsp"):
        python = "/usr/bin/python3"  # the distribution's, whose gi is not on the package index as a wheel
        ask = [python, "-c", RTSP.partition("Gst.init")[0]]
        if subprocess.run(ask, capture_output=True, check=False).returncode:
            pytest.skip("needs an RTSP server: apt-get install python3-gi gir1.2-gst-rtsp-server-1.0")
        flight.run(flight.aboard, python, "-c", RTSP)
        time.sleep(1.0)
    player = FLOWS[camera]
    flight.run(flight.station, "sh", "-c", words_of(player))
    time.sleep(1.0)
    flight.run(flight.aboard, "sh", "-c", words_of(camera))
    began = time.monotonic()
    until(lambda: flight.seen() >= ENOUGH, (flight.folder / "log").read_text)
    figure(f"examples: {camera} to {player}: {ENOUGH} pictures seen after {time.monotonic() - began:.1f} s")
