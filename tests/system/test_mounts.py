"""What a test mounts is gone when the test is killed: a folder that somebody removes later never leads to a real /proc."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

WITHIN_S = 10.0
# In place of debootstrap: it mounts what that mounts, and waits until it is told to end.
BOOTSTRAP = """#!/bin/sh
for scratch; do case $scratch in */.debian-*) break;; esac; done
mkdir "$scratch/proc" && mount -t proc proc "$scratch/proc" && echo $$ > "$scratch/pid"
while [ ! -e "$BOOTSTRAP_ENDS" ]; do sleep 0.05; done
umount "$scratch/proc"
"""
MAKE = "from tests.system.debian import empty_debian; print(empty_debian('python3'))"
CARD = """
import sys, time
from pathlib import Path
from tests.system.card import Card
Card(Path(sys.argv[1]))
print("mounted", flush=True)
time.sleep(60)
"""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount")


def until(done: Callable[[], object]) -> None:
    limit = time.monotonic() + WITHIN_S
    while not done():
        assert time.monotonic() < limit
        time.sleep(0.02)


def mounted(below: Path) -> bool:
    return str(below) in Path("/proc/self/mounts").read_text()


@pytest.fixture
def making(tmp_path: Path, monkeypatch) -> Path:
    """The cache of a Debian that is being made, by a program of ours."""
    program = tmp_path / "bin/debootstrap"
    program.parent.mkdir()
    program.write_text(BOOTSTRAP)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("BOOTSTRAP_ENDS", str(tmp_path / "ends"))
    return tmp_path / "zegel-bench"


def test_a_debian_whose_making_is_killed_leaves_nothing_mounted_and_no_folder(making: Path):
    first = subprocess.Popen([sys.executable, "-c", MAKE], start_new_session=True)
    until(lambda: [*making.glob(".debian-*/pid")])
    (pid,) = making.glob(".debian-*/pid")
    seen = Path(f"/proc/{pid.read_text().strip()}/mounts").read_text()
    assert f" {pid.parent}/proc " in seen, "it mounts, as debootstrap does"
    assert not mounted(making), "but for itself alone"
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    left_over = pid.parent
    assert left_over.exists()
    (making.parent / "ends").touch()
    second = subprocess.run([sys.executable, "-c", MAKE], capture_output=True, text=True, check=True)
    (made,) = making.glob("debian-bookworm-*")
    assert (second.stdout.strip(), left_over.exists()) == (str(made), False)


def test_two_that_need_the_same_debian_make_it_once(making: Path):
    both = [subprocess.Popen([sys.executable, "-c", MAKE], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    until(lambda: [*making.glob(".debian-*/pid")])
    assert len([*making.glob(".debian-*")]) == 1
    (making.parent / "ends").touch()
    assert {one.communicate()[0].strip() for one in both} == {str(next(making.glob("debian-bookworm-*")))}
    assert [one.returncode for one in both] == [0, 0]


def test_a_card_of_a_test_that_is_killed_is_not_mounted_any_more(tmp_path: Path):
    folder = tmp_path / "drone-7"
    folder.mkdir()
    (folder / "device.toml").write_text("x")
    program = subprocess.Popen([sys.executable, "-c", CARD, folder], stdout=subprocess.PIPE, text=True)
    assert program.stdout
    assert program.stdout.readline() == "mounted\n"
    assert str(folder) in Path(f"/proc/{program.pid}/mounts").read_text()
    program.kill()
    program.communicate()
    assert not mounted(folder)
