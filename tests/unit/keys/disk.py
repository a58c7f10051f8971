"""A real full disk and real other processes, for the tests of folders."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")


@contextlib.contextmanager
def full_disk():
    """Every write of a byte to a file fails, for root too (setrlimit(2), RLIMIT_FSIZE)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextlib.contextmanager
def process(code: str, *words: object):
    """Another Python process that has said one line; SIGKILL ends it."""
    command = [sys.executable, "-c", code, *map(str, words)]
    made = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert made.stdout.readline().strip() == "ready"
        yield made
    finally:
        made.kill()
        made.wait()
        made.stdout.close()


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
