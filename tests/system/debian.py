"""Empty Debians in the cache, each made by debootstrap once: a minute, 250 MB.

debootstrap mounts /proc and /sys in what it makes. It does so in a mount namespace of its own, which ends with it: a run
that is killed leaves nothing mounted in the cache, so that removing a folder there never reaches a real /proc.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.system.foreign import configure

SUITE, MIRROR = "bookworm", "http://deb.debian.org/debian"
SCRATCH = ".debian-"


def empty_debian(packages: str, arch: str = "") -> Path:
    """The root of one with these packages, to be copied; skips where none can be made. `arch`: another one than ours."""
    if os.geteuid() or not shutil.which("debootstrap"):
        pytest.skip("needs root and debootstrap: apt-get install debootstrap debian-archive-keyring")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zegel-bench"
    made = cache / f"debian-{SUITE}-{hashlib.sha256(f'{packages}{arch}'.encode()).hexdigest()[:12]}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "debian.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.is_dir():
            _remove_left_over(cache)
            _make(made, packages, arch, lock.fileno())
    return made


def _make(made: Path, packages: str, arch: str, lock: int) -> None:
    """debootstrap has the lock too, so that its folder is not removed while it goes on after a test that was killed."""
    scratch = Path(tempfile.mkdtemp(prefix=SCRATCH, dir=made.parent))
    scratch.chmod(0o755)  # it becomes the root folder
    foreign = ("--foreign", f"--arch={arch}") if arch else ()
    kind = ("--variant=minbase", f"--include={packages}", *foreign)
    command = ["unshare", "--mount", "debootstrap", *kind, SUITE, scratch, MIRROR]
    subprocess.run(command, check=True, capture_output=True, pass_fds=(lock,))
    if arch:
        configure(scratch, made.parent)
    scratch.rename(made)


def _remove_left_over(cache: Path) -> None:
    """What killed runs left, but never what is mounted there."""
    left_over = [*cache.glob(f"{SCRATCH}*")]
    subprocess.run(["rm", "-rf", "--one-file-system", "--", *left_over], check=False, capture_output=True)
