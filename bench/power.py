"""Power: the watts that a Raspberry Pi 5 draws, by its power management circuit, while it carries video and while it idles.

What lives here: reading `vcgencmd pmic_read_adc`, and the energy of a megabyte. Other boards do not measure themselves; a
meter in their supply does. The circuit does not see what a camera or a radio at a USB port draws.
"""

from __future__ import annotations

import functools
import re
import statistics
import threading
import time
from collections.abc import Callable

from bench.load import Load
from bench.result import Options, Progress, Result, Table
from bench.verdict import figure
from bench.workspace import scene
from bench.zegel_pair import ZegelPair
from gateway.board.computer import told

RAIL = re.compile(r"^\s*(\w+)_([AV]) (?:current|volt)\(\d+\)=([\d.]+)[AV]", re.MULTILINE)
EVERY_S = 0.2
FULL_S, QUICK_S = 10.0, 2.0
LOADS = (Load(8, pictures=True), Load(20, pictures=True))
ELSEWHERE = (
    "Watts are not measured: only a Raspberry Pi 5 measures its own power (vcgencmd pmic_read_adc). For another board put"
    " a meter into its supply."
)
COLUMNS = ("what", "watts", "more than idle (W)", "energy (mJ/MB)")


def of_rails(said: str) -> float | None:
    """The sum over all rails of volts times amperes, in watts, from what vcgencmd prints; None if it has no such pair."""
    found: dict[str, dict[str, float]] = {}
    for rail, unit, value in RAIL.findall(said):
        found.setdefault(rail, {})[unit] = float(value)
    drawn = [rail["A"] * rail["V"] for rail in found.values() if len(rail) == 2]  # noqa: PLR2004 - volts and amperes
    return sum(drawn) if drawn else None


def now() -> float | None:
    """Watts; None on a board that does not measure them."""
    return of_rails(told("vcgencmd", "pmic_read_adc"))


def measure(options: Options, progress: Progress) -> Result:
    """Nothing runs; Zegel runs without video; both ends of it carry video, generator and sink too, all on this board."""
    if now() is None:
        return Result("power", (), (ELSEWHERE,))
    seconds = QUICK_S if options.quick else FULL_S
    drawn: dict[str, tuple[float, float]] = {}  # watts, Mbit/s
    progress(0, len(LOADS) + 2, "power: idle")
    drawn["the board alone"] = mean_while(lambda: time.sleep(seconds)), 0.0
    with scene() as here:
        relay = ZegelPair().start(here)
        relay.wait_ready()
        drawn["zegel, no video"] = mean_while(lambda: time.sleep(seconds)), 0.0
        for number, load in enumerate(LOADS):
            progress(number + 2, len(LOADS) + 2, f"power: {load.name} Mbit/s")
            fly = functools.partial(relay.fly, load, seconds, here.folder / "latencies")
            drawn[f"{load.name} Mbit/s"] = mean_while(fly), load.mbit
    return Result("power", (table(drawn),), verdict=_verdict(drawn))


def mean_while(run: Callable[[], object]) -> float:
    """The mean of the watts while `run` does."""
    read: list[float] = []
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(EVERY_S):
            if (watts := now()) is not None:
                read.append(watts)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        run()
    finally:
        ended.set()
        watcher.join()
    return statistics.fmean(read) if read else 0.0


def table(drawn: dict[str, tuple[float, float]]) -> Table:
    """`drawn`: watts, and Mbit/s of video, the idle board first. Milliwatts by megabytes a second are millijoules each."""
    idle, _ = next(iter(drawn.values()))
    rows = tuple(
        (what, watts, watts - idle, 1000 * (watts - idle) / (mbit / 8) if mbit else None)
        for what, (watts, mbit) in drawn.items()
    )
    notes = (
        "the sum of all rails of the Pi 5's power management circuit; not what USB devices draw",
        "both ends of Zegel, generator and sink run on this board",
    )
    return Table("Power", COLUMNS, rows, notes)


def _verdict(drawn: dict[str, tuple[float, float]]) -> str:
    *_, (what, (watts, mbit)) = drawn.items()
    idle, _ = next(iter(drawn.values()))
    energy = 1000 * (watts - idle) / (mbit / 8)
    more = f"{figure(watts - idle)} W more than the idle board with {figure(idle)} W"
    return f"{what} take {more}, {figure(energy)} mJ a megabyte"
