"""An aarch64 Debian on any computer: the kernel starts its programs by an emulator, and those that they start.

This computer is left as it is: since Linux 6.7 a user namespace has its own table of formats (binfmt_misc), so only the
processes in it are emulated. The emulator is Debian's qemu-user-static, unpacked into the cache.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ARCH, EMULATOR = "arm64", "usr/bin/qemu-aarch64-static"
# ELF, 64 bits, little endian, executable or shared object, EM_AARCH64. F: the emulator is opened here, not in the root.
MAGIC = r"\x7f\x45\x4c\x46\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
MASK = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
READY = "ready\n"
HOLD = ("sh", "-c", "echo ready && exec cat")  # until its standard input ends, as with this process
ALL_USERS = f"0 0 {(1 << 32) - 1}"
PREPARE = """set -e
mount --make-rprivate /
mount -t proc proc /proc
mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
printf %s "$1" >/proc/sys/fs/binfmt_misc/register
ip link set lo up
"""
MOUNT = """set -e
mount -t proc proc "$1/proc"
mount -t tmpfs tmpfs "$1/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666 devpts "$1/dev/pts"
mount --bind "$1/dev/pts/ptmx" "$1/dev/ptmx"
"""
CLEAN = ("env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "OPENBLAS_NUM_THREADS=1")


def emulator(cache: Path) -> Path:
    """Fetched once: 60 MB."""
    made = cache / "qemu-user-static"
    if not made.is_dir():
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            command = ["apt-get", "-qq", "download", "qemu-user-static"]
            done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"no emulator: {done.stderr.strip()}")
            (package,) = Path(scratch).glob("*.deb")
            subprocess.run(["dpkg", "--extract", package, f"{scratch}/root"], check=True)
            Path(scratch, "root").rename(made)
    return made / EMULATOR


class Foreign:
    """The namespace, and in it the Debian at `root`. It has no network but its own loopback interface. Root's."""

    def __init__(self, root: Path, cache: Path) -> None:
        self.root = root
        apart = ("unshare", "--user", "--mount", "--net", "--pid", "--fork", "--kill-child")
        self._held = subprocess.Popen([*apart, *HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self._held.stdout is None or self._held.stdout.readline() != READY:
            pytest.skip("no user namespace can be made here")
        self._pid = Path(f"/proc/{self._held.pid}/task/{self._held.pid}/children").read_text().strip()
        for users in ("uid_map", "gid_map"):
            Path(f"/proc/{self._pid}/{users}").write_text(ALL_USERS)
        done = self._within("sh", "-c", PREPARE, "sh", f":aarch64:M::{MAGIC}:{MASK}:{emulator(cache)}:F")
        if done.returncode:
            self.end()
            pytest.skip(f"a user namespace of this kernel has no table of formats: {done.stderr.strip()}")

    def _within(self, *words: str | Path, within_s: float = 60.0) -> subprocess.CompletedProcess[str]:
        enter = ("nsenter", "--target", self._pid, "--user", "--mount", "--net", "--pid", "--setuid", "0", "--setgid", "0")
        return subprocess.run([*enter, *words], capture_output=True, text=True, check=False, timeout=within_s)

    def mount(self) -> None:
        """What programs find in a running system."""
        done = self._within("sh", "-c", MOUNT, "sh", self.root)
        assert done.returncode == 0, done.stderr

    def run(self, *words: str, within_s: float, code: int | None = 0) -> str:
        """The output of an emulated program."""
        done = self._within("chroot", self.root, *CLEAN, *words, within_s=within_s)
        assert code in (None, done.returncode), f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def end(self) -> None:
        self._held.communicate()


@contextlib.contextmanager
def foreign(made: Path, folder: Path) -> Iterator[Foreign]:
    """A running copy of this Debian."""
    if missing := [tool for tool in ("unshare", "nsenter", "ip") if not shutil.which(tool)]:
        pytest.skip(f"needs {' and '.join(missing)}")
    root = folder / "root"
    subprocess.run(["cp", "-a", made, root], check=True)
    there = Foreign(root, made.parent)
    try:
        there.mount()
        yield there
    finally:
        there.end()
        shutil.rmtree(root)


def configure(scratch: Path, cache: Path) -> None:
    """The second stage of debootstrap, which runs the packages' own scripts: two minutes."""
    there = Foreign(scratch, cache)
    try:
        # It may make no devices in a namespace, and does not try to where it takes this for a container; they are there.
        there.run("env", "container=lxc", "/debootstrap/debootstrap", "--second-stage", within_s=900.0)
    finally:
        there.end()
