"""Openssl: the `openssl` program of this machine, as the limit of a cipher here."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Mapping

CIPHER, HASH = "aes-256-gcm", "sha256"
INSTALL = "apt install openssl"
SPARE_S = 30  # seconds beyond the requested duration

# The features of the processor that OpenSSL must ignore, to work as on a Pi 4 (Cortex-A72): no AES and no carry-less
# multiplication, but vectors. x86-64: AES-NI is bit 57 and PCLMULQDQ bit 33 of the first word (OPENSSL_ia32cap(3)).
# aarch64: NEON alone (crypto/arm_arch.h: ARMV7_NEON is bit 0).
WITHOUT_AES: Mapping[str, Mapping[str, str]] = {
    "x86_64": {"OPENSSL_ia32cap": "~0x200000200000000"},
    "aarch64": {"OPENSSL_armcap": "0x1"},
}


def mask() -> Mapping[str, str]:
    """The environment that hides the AES instructions of this kind of processor; empty if there is none for it."""
    return WITHOUT_AES.get(platform.machine(), {})


def version() -> str:
    """The name and version of the program; empty if it is not installed."""
    told = _run(["version"], {}, SPARE_S)
    return " ".join(told.split()[:2])


def bytes_per_second(size: int, seconds: int, environment: Mapping[str, str], what: str = CIPHER) -> float | None:
    """The rate of `openssl speed` for messages of `size` bytes, in bytes per CPU second; None if it prints none."""
    words = ["speed", "-mr", "-evp", what, "-bytes", str(size), "-seconds", str(seconds)]
    return read_speed(_run(words, environment, seconds + SPARE_S))


def read_speed(told: str) -> float | None:
    """Bytes per second from the machine-readable answer: +F:NUMBER:NAME:BYTES."""
    found = re.search(r"^\+F:\d+:[^:]*:([\d.]+)", told, re.MULTILINE)
    return float(found[1]) if found else None


def _run(words: list[str], environment: Mapping[str, str], limit_s: float) -> str:
    try:
        told = subprocess.run(  # noqa: S603 - whichever openssl is there
            ["openssl", *words],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=limit_s,
            env={**os.environ, **environment},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return told.stdout
