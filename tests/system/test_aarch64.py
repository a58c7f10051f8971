"""What a Raspberry Pi would run: wheels for it exist, and with them the demo passes on an emulated aarch64."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import entry_points

import pytest

from gateway.cli import GROUP
from tests.system.aarch64 import Board, resolve

DEMO_WITHIN_S = 600


@pytest.mark.soak
@pytest.mark.parametrize("python", ["3.11", "3.13"])
def test_wheels_are_there_for_the_pythons_of_raspberry_pi_os(python, tmp_path):
    """Bookworm has 3.11, Trixie 3.13. Nothing is compiled on a board."""
    resolve(python, "--dry-run", "--target", str(tmp_path / "site"))


@pytest.fixture(scope="module")
def board(tmp_path_factory) -> Board:
    if platform.system() != "Linux":
        pytest.skip("needs Linux, for qemu-user")
    return Board(tmp_path_factory.mktemp("aarch64"))


@pytest.mark.soak
@pytest.mark.alone
def test_the_demo_passes_on_an_emulated_aarch64(board, figure):
    done = board.zegel("demo", within_s=DEMO_WITHIN_S)
    for line in done.stdout.splitlines():
        figure(line)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "NO " not in done.stdout


@pytest.mark.soak
def test_it_is_an_aarch64_that_runs(board, figure):
    line = "import platform, gateway; print(platform.machine(), platform.python_version(), gateway.__file__)"
    words = [board.python, "-c", line]
    said = subprocess.run(words, capture_output=True, text=True, check=True, cwd=board.site.parent)
    figure(said.stdout.strip())
    assert said.stdout.startswith("aarch64 3.11")
    assert str(board.site) in said.stdout


@pytest.mark.soak
@pytest.mark.skipif("doctor" not in entry_points(group=GROUP).names, reason="this version has no zegel doctor")
def test_doctor_examines_an_emulated_aarch64(board, figure):
    """Every probe ends in words. The processor that /proc tells of is the one that runs the emulator."""
    done = board.zegel("doctor", within_s=DEMO_WITHIN_S)
    for line in done.stdout.splitlines():
        figure(line)
    assert "Traceback" not in done.stderr
    assert "random bytes are available" in done.stdout
    assert "kernel: recvmmsg" in done.stdout
