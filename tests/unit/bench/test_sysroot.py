from __future__ import annotations

import subprocess
import sys

import pytest

from bench import sysroot
from bench.sysroot import CannotCount


def test_a_program_that_is_missing_is_named_with_what_installs_it(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CannotCount, match="gcc is not installed") as caught:
        sysroot.run(["gcc", "--version"], "compiling")
    assert "apt-get install gcc" in caught.value.hint


def test_a_mirror_that_does_not_answer(monkeypatch):
    monkeypatch.setattr(sysroot, "WITHIN_S", 0.1)
    with pytest.raises(CannotCount, match="fetching took longer") as caught:
        sysroot.run([sys.executable, "-c", "import time; time.sleep(60)"], "fetching", sysroot.NETWORK)
    assert caught.value.hint == sysroot.NETWORK


def test_a_command_that_fails_is_quoted():
    with pytest.raises(CannotCount, match="fetching failed: E: no route"):
        sysroot.run([sys.executable, "-c", "import sys; sys.exit('W: a warning\\nE: no route')"], "fetching")


def test_what_is_made_is_kept_and_what_failed_leaves_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(sysroot, "_fetch_packages", lambda _: [])
    with monkeypatch.context() as broken:
        broken.setattr(sysroot, "_install_libraries", lambda _: subprocess.run(["false"], check=True))
        with pytest.raises(subprocess.CalledProcessError):
            sysroot.sysroot()
    assert not list((tmp_path / "zegel-bench").iterdir())
    made = []
    monkeypatch.setattr(sysroot, "_install_libraries", lambda site: (site.mkdir(parents=True), made.append(site)))
    assert sysroot.sysroot() == sysroot.sysroot()
    assert len(made) == 1
