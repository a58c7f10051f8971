"""An aarch64 Debian with Python 3.11 and zegel from wheels, under an emulator: no root is needed, nothing is installed.

The root is that of bench/sysroot.py. Libraries are what a Raspberry Pi would get from the package index; a wrapper of the
emulator stands in for `python`, so that programs that start others find one.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from bench.emulation import CPU
from bench.machine import ROOT
from bench.sysroot import PLATFORMS, CannotCount, sysroot

PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
# The emulator is some fifteen times slower than the processor it runs on, and the demo has four processes at a time: it may
# wait longer for what people on a board do not wait for, and more was on its way when the power went. It counts the same.
START = """
import sys
sys.executable = {python!r}
from gateway import cli
from gateway.demo import ledger, run, uplink
run.JOIN_WITHIN_S = uplink.READY_WITHIN_S = 120.0
run.STATUS_WITHIN_S = uplink.STATUS_WITHIN_S = uplink.ARRIVES_WITHIN_S = run.SETTLE_S = 5.0
ledger.FLUSH_GUARD_S = 1.0
sys.exit(cli.main(sys.argv[1:]))
"""


LOCKED = ("--require-hashes", "--requirement", str(ROOT / "packaging/requirements.txt"))


def resolve(python: str, *more: str) -> None:
    """Find the locked wheels for an aarch64 board with this Python; AssertionError, with pip's words, without."""
    kind = ("--only-binary", ":all:", "--implementation", "cp", "--python-version", python)
    platforms = [word for name in PLATFORMS for word in ("--platform", name)]
    done = subprocess.run([*PIP, "install", *kind, *platforms, *more, *LOCKED], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


class Board:
    """`python` runs on it, and `zegel` too."""

    def __init__(self, folder: Path) -> None:
        try:
            self.root = sysroot()
        except CannotCount as error:
            pytest.skip(f"no aarch64 root: {error}; {error.hint}")
        self.site, cache = folder / "site", folder / "cache"
        resolve("3.11", "--no-compile", "--target", str(self.site))
        subprocess.run([*PIP, "install", "--no-deps", "--no-compile", "--target", self.site, ROOT], check=True)
        host = f"{platform.machine()}-linux-gnu"
        libraries = self.root / "usr/lib" / host, self.root / "lib" / host
        guest = {
            "LC_ALL": "C.UTF-8",
            "OPENBLAS_NUM_THREADS": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHOME": self.root / "usr",
            "PYTHONPATH": self.site,
            "PYTHONPYCACHEPREFIX": cache,
        }
        emulator = [
            *(next(libraries[1].glob("ld-linux*")), "--library-path", ":".join(map(str, libraries))),
            *(self.root / "usr/bin/qemu-aarch64", "-cpu", CPU, "-L", self.root),
            *(word for name, value in guest.items() for word in ("-E", f"{name}={value}")),
            *(self.root / "usr/bin/python3.11", "-s"),
        ]
        self.python, self._start = folder / "python", folder / "start.py"
        self.python.write_text(f'#!/bin/sh\nexec {" ".join(map(str, emulator))} "$@"\n')
        self.python.chmod(0o755)
        self._start.write_text(START.format(python=str(self.python)))
        self._compile(cache)

    def _compile(self, cache: Path) -> None:
        """By this Python, if it is the same: the emulated one would take minutes."""
        if sys.version_info[:2] == (3, 11):
            words = [sys.executable, "-m", "compileall", "-q", self.site, self.root / "usr/lib/python3.11"]
            environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(cache)}
            subprocess.run(words, env=environment, capture_output=True, check=False)

    def zegel(self, *words: str, within_s: float) -> subprocess.CompletedProcess[str]:
        command = [self.python, self._start, *words]
        folder = self.site.parent  # not where this repository is: it would be imported in place of what was installed
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=within_s)
