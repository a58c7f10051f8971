"""Counted tree: a copy of the program for the emulated aarch64, with its part in C built for that.

What lives here: copying and cross-compiling. What must not: running it (emulation.py).
"""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Sequence
from pathlib import Path

from bench.machine import ROOT
from bench.sysroot import CannotCount, run

PACKAGES = ("bench", "firmware_shims", "gateway", "keys")
BUILD = ROOT / "packaging" / "native"
CROSS = "aarch64-linux-gnu-gcc"
INSTALL = "apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross libssl-dev"


def copy(folder: Path) -> Path:
    """The packages in `folder`, without anything that was compiled."""
    for name in PACKAGES:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    return folder


def build(tree: Path, flags: Sequence[str] = ()) -> None:
    """Compile the part in C of `tree`, with more `flags`. CannotCount without a compiler for aarch64."""
    native, script = tree / "gateway" / "native", tree / "packaging" / "native"
    if not BUILD.exists():
        raise CannotCount("the part in C is counted only in a clone", hint="git clone it")
    script.parent.mkdir(exist_ok=True)
    shutil.copy(BUILD, script)
    compiler = "gcc" if platform.machine() == "aarch64" else CROSS
    run([str(script), str(native), *flags], "compiling for aarch64", INSTALL, env={**os.environ, "CC": compiler})
    if not (native / "zegel-open.so").exists():
        raise CannotCount("there is no C compiler for aarch64, or no headers of OpenSSL", hint=INSTALL)
