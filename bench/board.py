"""Board: whether this is a Raspberry Pi, how fast it runs at the moment, and whether it is held back.

What lives here: reading the system's own words. Anything that the system does not say is left out.
"""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

from bench.machine import text

MODEL = "proc/device-tree/model"
CLOCK = "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq"  # kHz
TEMPERATURE = "sys/class/thermal/thermal_zone0/temp"  # thousandths of a degree
THROTTLED = "sys/devices/platform/soc/soc:firmware/get_throttled"  # hexadecimal, without 0x

# Bits of `vcgencmd get_throttled`, of raspberrypi.com/documentation/computers/os.html; 16 higher: since it was started.
NOW = {0: "under-voltage", 1: "clock capped", 2: "throttled", 3: "soft temperature limit"}
SINCE_START = 16


def model(root: Path = Path("/")) -> str:
    """The board's name, such as "Raspberry Pi 5 Model B Rev 1.0"; empty where no device tree says."""
    return text(root / MODEL)


def is_pi(name: str) -> bool:
    return name.startswith("Raspberry Pi")


def state(root: Path = Path("/")) -> dict[str, str]:
    """Clock, temperature, throttling, now."""
    facts = {
        "clock (MHz)": _scaled(root / CLOCK),
        "temperature (degrees C)": _scaled(root / TEMPERATURE),
        "held back": held_back(text(root / THROTTLED) or _vcgencmd()),
    }
    return {name: fact for name, fact in facts.items() if fact}


def held_back(flags: str) -> str:
    """Hexadecimal flags in words, empty for no flags at all: "throttled; earlier: under-voltage"."""
    if not flags:
        return ""
    bits = int(flags, 16)
    now = [word for bit, word in NOW.items() if bits >> bit & 1]
    earlier = [word for bit, word in NOW.items() if bits >> bit + SINCE_START & 1 and word not in now]
    return "; ".join(filter(None, (", ".join(now) or "no", "earlier: " + ", ".join(earlier) if earlier else "")))


def _vcgencmd() -> str:
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        words = ["vcgencmd", "get_throttled"]  # answers throttled=0x50005
        told = subprocess.run(words, capture_output=True, text=True, timeout=5, check=True)  # noqa: S603
        return told.stdout.partition("=")[2].strip()
    return ""


def _scaled(path: Path) -> str:
    told = text(path)
    return f"{int(told) / 1000:.1f}" if told else ""
