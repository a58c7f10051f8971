"""Health: the present clock rate of a board, and whether heat or a weak supply throttles it.

What lives here: reading the system's reports. Unknown values are left out.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from gateway.board.computer import text, told
from gateway.board.finding import Finding, do, ok
from gateway.board.subject import Subject

CLOCK = "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq"  # kHz
TEMPERATURE = "sys/class/thermal/thermal_zone0/temp"  # thousandths of a degree
THROTTLED = "sys/devices/platform/soc/soc:firmware/get_throttled"  # hexadecimal, without 0x

SINCE_START = 16  # by so many bits higher stand those that were so at any time since the start


class Limit(enum.IntFlag):
    """What holds the board back: the bits of `vcgencmd get_throttled`, raspberrypi.com/documentation/computers/os.html."""

    UNDER_VOLTAGE = 1
    CLOCK_CAPPED = 2
    THROTTLED = 4
    SOFT_TEMPERATURE_LIMIT = 8


WORDS = {
    Limit.UNDER_VOLTAGE: "under-voltage",
    Limit.CLOCK_CAPPED: "clock capped",
    Limit.THROTTLED: "throttled",
    Limit.SOFT_TEMPERATURE_LIMIT: "soft temperature limit",
}


class HeldBack(NamedTuple):
    """By what a board is held back, and by what it only was earlier."""

    now: Limit
    earlier: Limit

    def __str__(self) -> str:
        """For a person: "throttled; earlier: under-voltage"."""
        now = _words(self.now) or "no"
        return f"{now}; earlier: {_words(self.earlier)}" if self.earlier else now


def look(subject: Subject) -> Iterator[Finding]:
    """Nothing if the board does not report it."""
    if (held := held_back(subject.root)) is None:
        return
    limits = held.now | held.earlier
    if not limits:
        warmth = _scaled(subject.root / TEMPERATURE)
        yield ok("power", "never throttled since it was started" + f", {warmth} degrees C" * bool(warmth))
    elif Limit.UNDER_VOLTAGE in limits:
        cure = "give the board 5.1 V at 3 A (Pi 4) or 5 A (Pi 5) by a short, thick cable"
        yield do("power", f"held back: {held}", cure, interrupts=True)
    else:
        yield do("power", f"held back: {held}", "cool it: a heat sink in the airflow")


def state(root: Path = Path("/")) -> dict[str, str]:
    """Clock, temperature, throttling, now."""
    facts = {
        "clock (MHz)": _scaled(root / CLOCK),
        "temperature (degrees C)": _scaled(root / TEMPERATURE),
        "held back": str(held_back(root) or ""),
    }
    return {name: fact for name, fact in facts.items() if fact}


def held_back(root: Path = Path("/")) -> HeldBack | None:
    """None where the board does not say."""
    flags = text(root / THROTTLED) or told("vcgencmd", "get_throttled").partition("=")[2]  # throttled=0x50005
    return limits(int(flags, 16)) if flags else None


def limits(bits: int) -> HeldBack:
    known = sum(Limit)
    now, ever = Limit(bits & known), Limit(bits >> SINCE_START & known)
    return HeldBack(now, ever & ~now)


def _words(limits: Limit) -> str:
    return ", ".join(WORDS[limit] for limit in limits)


def _scaled(path: Path) -> str:
    figure = text(path)
    return f"{int(figure) / 1000:.1f}" if figure else ""
