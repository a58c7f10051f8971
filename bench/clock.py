"""Clock: the CPU seconds of a call, and medians of several ways measured in turn.

CPU time, not the time of day: other programs then disturb a figure only through the caches.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import TypeVar

from bench.result import Progress

CPUCLOCK_SCHED = 2  # of all threads of a process, to the nanosecond (Linux, include/linux/posix-timers_types.h)
GROWTH_MAX = 10  # factor of calls from one try to the next: a first call is slow and not representative

Way = TypeVar("Way", bound=Hashable)


def cpu_per_call(call: Callable[[], object], seconds: float) -> float:
    """CPU seconds of this process per `call`, over so many calls that they take at least `seconds`."""
    calls = 1
    while True:
        began = time.process_time()
        for _ in itertools.repeat(None, calls):
            call()
        spent = time.process_time() - began
        if spent >= seconds:
            return spent / calls
        calls *= min(GROWTH_MAX, int(1.2 * seconds / spent) + 1) if spent else GROWTH_MAX


def medians(ways: Mapping[Way, Callable[[], float]], rounds: int, progress: Progress, what: str) -> dict[Way, float]:
    """The median figure of each way, over `rounds` in which each is measured once: a bad moment hits all alike."""
    figures: dict[Way, list[float]] = {way: [] for way in ways}
    for number in range(rounds):
        for place, (way, measured) in enumerate(ways.items()):
            progress(number * len(ways) + place, rounds * len(ways), what)
            figures[way].append(measured())
    return {way: statistics.median(values) for way, values in figures.items()}


def system_share(before: tuple[int, int], after: tuple[int, int]) -> float:
    """The share of the system in the CPU time between two `ticks_of`, 0 to 1."""
    user, system = (late - early for early, late in zip(before, after, strict=True))
    return system / max(1, user + system)


def ticks_of(pid: int) -> tuple[int, int]:
    """(user, system) CPU time of another process, in hundredths of a second (proc_pid_stat(5)). OSError if it ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]), int(fields[12])


def sleeps_of(pid: int) -> int:
    """How often another process, with all its threads, has gone to sleep, and so been woken (Linux)."""
    return sum(_sleeps(task) for task in Path(f"/proc/{pid}/task").iterdir())


def _sleeps(task: Path) -> int:
    lines = (task / "status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))


def memory_of(pid: int) -> tuple[float, float]:
    """The resident memory of another process now, and the most that it ever was, in MB (Linux)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    sizes = {line.split()[0]: int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith(("VmRSS:", "VmHWM:"))}
    return sizes["VmRSS:"], sizes["VmHWM:"]


def cpu_of(pid: int) -> float:
    """CPU seconds, user and system, of another process and all its threads. OSError if it has ended (Linux)."""
    return time.clock_gettime(~pid << 3 | CPUCLOCK_SCHED)
