"""The package for a Raspberry Pi, built here, in an emulated aarch64 Debian: installed, it flies the demo in C."""

from __future__ import annotations

import platform
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.aarch64 import START
from tests.system.debian import empty_debian
from tests.system.foreign import ARCH, Foreign, foreign

pytestmark = [pytest.mark.soak, pytest.mark.alone]

SOURCE = Path(__file__).parents[2]
PACKAGE, SCRIPT = "srv/zegel.deb", "srv/start.py"
WITHIN_S = 900.0


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Foreign]:
    """With the package installed."""
    if platform.machine() != "x86_64" or not shutil.which("aarch64-linux-gnu-gcc"):
        pytest.skip("needs an x86-64 computer with gcc-aarch64-linux-gnu")
    subprocess.run(["make", "deb", f"ARCH={ARCH}"], cwd=SOURCE, check=True, capture_output=True)
    made = max((SOURCE / "dist").glob(f"zegel_*_{ARCH}.deb"), key=lambda path: path.stat().st_mtime)
    with foreign(empty_debian("python3", ARCH), tmp_path_factory.mktemp("board")) as there:
        shutil.copy(made, there.root / PACKAGE)
        (there.root / SCRIPT).write_text(START.format(python="/opt/zegel/bin/python"))
        there.run("dpkg", "--install", f"/{PACKAGE}", within_s=WITHIN_S)
        yield there


def test_the_demo_flies_in_c(board: Foreign, figure):
    said = board.run("/opt/zegel/bin/python", f"/{SCRIPT}", "demo", within_s=WITHIN_S)
    for line in said.splitlines():
        figure(f"aarch64 package: {line}")
    assert "   data path: C\n" in said
    assert "NO " not in said


@pytest.mark.parametrize("role", ["air", "ground"])
def test_the_doctor_says_that_it_is_c(board: Foreign, figure, role: str):
    said = board.run("zegel", "doctor", role, within_s=WITHIN_S, code=None)
    figure(f"aarch64 package: {[line for line in said.splitlines() if 'data path' in line]}")
    assert "data path: C\n" in said
