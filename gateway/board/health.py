"""Health: how fast a board runs at the moment, and whether heat or a weak supply hold it back.

What lives here: reading the system's own words. Anything that the system does not say is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gateway.board.computer import text, told
from gateway.board.finding import Finding, do, ok
from gateway.board.subject import Subject

CLOCK = "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq"  # kHz
TEMPERATURE = "sys/class/thermal/thermal_zone0/temp"  # thousandths of a degree
THROTTLED = "sys/devices/platform/soc/soc:firmware/get_throttled"  # hexadecimal, without 0x

# Bits of `vcgencmd get_throttled`, of raspberrypi.com/documentation/computers/os.html; 16 higher: since it was started.
NOW = {0: "under-voltage", 1: "clock capped", 2: "throttled", 3: "soft temperature limit"}
SINCE_START = 16


def look(subject: Subject) -> Iterator[Finding]:
    """Nothing where the board does not say."""
    facts = state(subject.root)
    if not (held := facts.get("held back")):
        return
    if held == "no":
        warmth = facts.get("temperature (degrees C)")
        yield ok("power", "never held back since it was started" + f", {warmth} degrees C" * bool(warmth))
    elif "under-voltage" in held:
        yield do("power", f"held back: {held}", "feed the board 5.1 V at 3 A (Pi 4) or 5 A (Pi 5) by a short, thick cable")
    else:
        yield do("power", f"held back: {held}", "cool it: a heat sink in the airflow")


def state(root: Path = Path("/")) -> dict[str, str]:
    """Clock, temperature, throttling, now."""
    facts = {
        "clock (MHz)": _scaled(root / CLOCK),
        "temperature (degrees C)": _scaled(root / TEMPERATURE),
        # vcgencmd answers throttled=0x50005
        "held back": held_back(text(root / THROTTLED) or told("vcgencmd", "get_throttled").partition("=")[2]),
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


def _scaled(path: Path) -> str:
    figure = text(path)
    return f"{int(figure) / 1000:.1f}" if figure else ""
