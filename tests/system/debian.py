"""Empty Debians in the cache, each made by debootstrap once: a minute, 250 MB."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

SUITE, MIRROR = "bookworm", "http://deb.debian.org/debian"


def empty_debian(packages: str) -> Path:
    """The root of one with these packages, to be copied; skips where none can be made."""
    if os.geteuid() or not shutil.which("debootstrap"):
        pytest.skip("needs root and debootstrap: apt-get install debootstrap debian-archive-keyring")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zegel-bench"
    made = cache / f"debian-{SUITE}-{hashlib.sha256(packages.encode()).hexdigest()[:12]}"
    if not made.is_dir():
        scratch = cache / f".debian-{os.getpid()}"
        cache.mkdir(parents=True, exist_ok=True)
        command = ["debootstrap", "--variant=minbase", f"--include={packages}", SUITE, str(scratch), MIRROR]
        subprocess.run(command, check=True, capture_output=True)
        scratch.rename(made)
    return made
