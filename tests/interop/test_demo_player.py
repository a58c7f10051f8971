"""The player's line that `zegel demo --stay` prints, typed as it stands: ffplay shows pictures of the demo's camera."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.demo import run
from tests.system.namespaces import Host

ROOT = Path(__file__).parents[2]
PICTURES = 25
WITHIN_S = 30
pytestmark = pytest.mark.peers
CAMERA = """
import time
from gateway.demo.clip import Camera
camera = Camera(("127.0.0.1", 5600))
while True:
    camera.play(time.monotonic())
    time.sleep(0.01)
"""


@pytest.fixture
def host():
    """The port is the demo's own, so it has a computer of its own."""
    if shutil.which("ffplay") is None:
        pytest.skip("needs ffplay: apt-get install ffmpeg")
    made = Host()
    yield made
    made.end()


def shown(host: Host, line: str) -> int:
    """How many pictures a player showed by this line, on a screen that nobody sees, until there are enough."""
    words = [*host.within, *shlex.split(line), *shlex.split(f"-vf showinfo -nostats -autoexit -t {WITHIN_S}")]
    environment = {**os.environ, "SDL_VIDEODRIVER": "dummy"}
    with (
        subprocess.Popen([*host.within, sys.executable, "-c", CAMERA], cwd=ROOT) as camera,
        subprocess.Popen(
            ["timeout", str(WITHIN_S), *words], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
        ) as player,
    ):
        seen = 0
        for text in player.stderr:
            seen += bool(re.search(r"showinfo.* pts_time:", text))
            if seen == PICTURES:
                break
        player.terminate()
        camera.terminate()
    return seen


def test_ffplay_plays_by_the_line_of_the_demo(host, monkeypatch):
    monkeypatch.chdir(ROOT)
    line = run.player()
    assert line.endswith(" gateway/demo/data/clip.sdp"), "as short as it can be for whoever reads it in a clone"
    assert shown(host, line) == PICTURES


def test_a_line_that_does_not_let_ffplay_open_the_stream_shows_nothing(host):
    assert shown(host, run.player().replace("-protocol_whitelist file,udp,rtp ", "")) == 0
