"""Computer: board, processor and memory, as the system reports them. Unknown values are left out."""

from __future__ import annotations

import os
import platform
import re
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

from gateway.board.finding import Finding, do, ok
from gateway.board.subject import Subject

ROOT = Path("/")
MODEL = "proc/device-tree/model"
AES_FLAGS = {"aes"}  # /proc/cpuinfo has the same name on x86-64 (flags) and aarch64 (Features)
ANSWER_WITHIN_S = 3.0  # seconds for the answer of a program
MEMORY_MIN_MIB = 100  # of free memory: `zegel air` needs 65, and the kernel its buffers


def look(subject: Subject) -> Iterator[Finding]:
    """Board, processor, memory."""
    name = ", ".join(dict.fromkeys(filter(None, (model(subject.root), processor(subject.root)))))
    aes = (
        "AES instructions"
        if has_aes(subject.root)
        else "no AES instructions: sealing 8 Mbit/s takes 2 to 4 % of a core; a Pi 5 takes a tenth of that"
    )
    yield ok("board", f"{name}, {os.cpu_count()} cores, {aes}")
    if struct.calcsize("P") == 4:  # noqa: PLR2004 - bytes of a pointer
        cure = "install the 64-bit Raspberry Pi OS: there is no fast path on 32 bits"
        yield do("system", f"32-bit {platform.machine()}", cure, interrupts=True)
    free = memory_mib("MemAvailable", subject.root)
    if free < MEMORY_MIN_MIB:
        yield do("memory", f"{free} MiB free", f"{MEMORY_MIN_MIB} MiB must be free: close what the flight does not need")
    else:
        yield ok("memory", f"{memory_mib('MemTotal', subject.root)} MiB, {free} free")


def model(root: Path = ROOT) -> str:
    """The board's name, such as "Raspberry Pi 5 Model B Rev 1.0"; empty without a device tree."""
    return text(root / MODEL)


def is_pi(name: str) -> bool:
    return name.startswith("Raspberry Pi")


def processor(root: Path = ROOT) -> str:
    """The name of the processor, or its architecture."""
    found = re.search(r"^(?:model name|Model)\s*:\s*(.+)$", text(root / "proc/cpuinfo"), re.MULTILINE)
    return found[1] if found else platform.processor() or platform.machine()


def has_aes(root: Path = ROOT) -> bool:
    """Whether the processor has AES instructions."""
    found = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", text(root / "proc/cpuinfo"), re.MULTILINE)
    return bool(found and AES_FLAGS & set(found[1].split()))


def memory_mib(field: str = "MemTotal", root: Path = ROOT) -> int:
    """A line of /proc/meminfo; 0 if it is missing."""
    found = re.search(rf"^{field}:\s+(\d+) kB", text(root / "proc/meminfo"), re.MULTILINE)
    return int(found[1]) >> 10 if found else 0


def text(path: Path) -> str:
    """The text of a system file, without the ends of C strings and lines; empty if it is missing."""
    try:
        return path.read_text(errors="replace").strip("\0\n ")
    except OSError:
        return ""


def told(*words: str) -> str:
    """The output of a system program; empty if it is missing, fails, or takes too long."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=ANSWER_WITHIN_S, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
