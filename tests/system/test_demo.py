"""`zegel demo --stay`: Ctrl-C ends the flight, and what flew is kept: the commands that it prints work as they stand."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.system.namespaces import Host

pytestmark = pytest.mark.soak
ZEGEL = Path(sys.executable).with_name("zegel")
STARTS = 4  # before and after the power cut, under the changed order, and after the landing
FLIES_S = 5.0


@pytest.fixture
def host():
    """The ports are the demo's own, so it has a computer of its own."""
    made = Host()
    yield made
    made.end()


def test_what_flew_is_kept_and_the_printed_commands_read_it(host: Host, figure):
    began = time.monotonic()
    said = stayed(host)
    figure(f"zegel demo --stay, Ctrl-C after {FLIES_S:g} s: {time.monotonic() - began:.0f} s")
    listing, playing, exporting = re.findall(r"^ +(\S+zegel recording .*)$", said, re.MULTILINE)
    kept = Path(shlex.split(listing)[-1]).parent
    try:
        assert f"card: {STARTS} sessions" in typed(host, listing)
        typed(host, exporting)
        assert len([*kept.glob("flight/*/flight.tlog")]) == STARTS
        played = typed(host, f"{playing} --speed 100")
        for lane in ("telemetry", "video-a"):
            assert int(re.findall(rf"{lane}: (\d+) datagrams", played)[0]) > 0, played
    finally:
        shutil.rmtree(kept)


def stayed(host: Host) -> str:
    """All that it says; Ctrl-C comes when it has flown a while for its guest."""
    said = ""
    words = [*host.within, str(ZEGEL), "demo", "--stay"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=True) as demo:
        for line in demo.stdout:
            said += line
            if "ffplay" in line:
                time.sleep(FLIES_S)
                os.killpg(demo.pid, signal.SIGINT)  # a terminal sends it to all programs of the demo
    assert demo.returncode == 0, said
    assert "Everything is as it should be." in said
    return said


def typed(host: Host, line: str) -> str:
    return subprocess.run([*host.within, *shlex.split(line)], check=True, capture_output=True, text=True).stdout
