"""Machine: what was measured on. Each line is read from the system, and left out where it does not say."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

from cryptography.hazmat.backends.openssl import backend

ROOT = Path(__file__).parent.parent
AES_FLAGS = {"aes"}  # /proc/cpuinfo names them alike on x86-64 (flags) and aarch64 (Features)


def describe() -> dict[str, str]:
    """What a reader must know to compare the figures: board, processor, kernel, versions, commit."""
    facts = {
        "board": text(Path("/proc/device-tree/model")),
        "processor": processor(),
        "cores": str(os.cpu_count()),
        "AES instructions": "yes" if has_aes() else "no",
        "memory": _memory(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "cryptography": f"{version('cryptography')} with {backend.openssl_version_text()}",
        "numpy": version("numpy"),
        "zegel": f"{version('zegel')} {commit()}".strip(),
    }
    return {name: fact for name, fact in facts.items() if fact}


def processor() -> str:
    """The name that the processor gives itself, or its architecture."""
    found = re.search(r"^(?:model name|Model)\s*:\s*(.+)$", text(Path("/proc/cpuinfo")), re.MULTILINE)
    return found[1] if found else platform.processor() or platform.machine()


def has_aes() -> bool:
    """Whether the processor has AES instructions."""
    found = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", text(Path("/proc/cpuinfo")), re.MULTILINE)
    return bool(found and AES_FLAGS & set(found[1].split()))


def commit() -> str:
    """Short hash of the checkout that this runs from, with a plus if it was changed; empty outside of one."""
    try:
        told = subprocess.run(
            ["git", "describe", "--always", "--dirty=+"],  # noqa: S607 - whichever git is there
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return told.stdout.strip()


def _memory() -> str:
    found = re.search(r"^MemTotal:\s+(\d+) kB", text(Path("/proc/meminfo")), re.MULTILINE)
    return f"{int(found[1]) / (1 << 20):.1f} GiB" if found else ""


def text(path: Path) -> str:
    """What a file of the system says, without the ends of C strings and lines; empty if it is not there."""
    try:
        return path.read_text(errors="replace").strip("\0\n ")
    except OSError:
        return ""
