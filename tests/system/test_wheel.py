"""The wheel: what is in it, the marks of its types among that, is all that the packages hold in the source."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.architecture.test_arrows import PACKAGES, ROOT


def sources() -> set[str]:
    found = (path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file())
    made_here = ("__pycache__", ".so")  # of this computer's kind alone
    return {str(path.relative_to(ROOT)) for path in found if not {*path.parts, path.suffix} & {*made_here}}


def test_the_wheel_holds_every_file_of_the_packages(tmp_path: Path):
    source, made = tmp_path / "source", tmp_path / "made"
    source.mkdir()
    subprocess.run([ROOT / "packaging/copy", source], check=True)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
    built = subprocess.run(
        [*pip, "wheel", "--no-deps", "--wheel-dir", made, source], capture_output=True, text=True, check=False
    )
    if "No matching distribution found for setuptools" in built.stderr:
        pytest.skip("pip has no index with setuptools")
    assert built.returncode == 0, built.stderr
    (wheel,) = made.glob("zegel-*.whl")
    held = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == sources()
    assert {f"{package}/py.typed" for package in PACKAGES} <= held
