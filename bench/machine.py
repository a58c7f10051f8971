"""Machine: the computer of the measurement. Each line is read from the system, and omitted if unknown."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

from cryptography.hazmat.backends.openssl import backend

from gateway.board import computer, data_path

ROOT = Path(__file__).parent.parent


def describe() -> dict[str, str]:
    """The facts that a reader needs to compare the figures: board, processor, kernel, versions, commit."""
    facts = {
        "board": computer.model(),
        "processor": computer.processor(),
        "cores": str(os.cpu_count()),
        "AES instructions": "yes" if computer.has_aes() else "no",
        "memory": f"{computer.memory_mib() / 1024:.1f} GiB",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "cryptography": f"{version('cryptography')} with {backend.openssl_version_text()}",
        "numpy": version("numpy"),
        "data path": "; ".join(dict.fromkeys((data_path.of_role("air"), data_path.of_role("ground")))),
        "zegel": f"{version('zegel')} {commit()}".strip(),
    }
    return {name: fact for name, fact in facts.items() if fact}


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
