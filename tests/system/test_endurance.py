"""Memory, descriptors and threads of air and ground stay what they are, whatever happens in the hours between.

`make hours` runs the long form alone; `make hours HOURS=0.5` a shorter one.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable

import pytest

from tests.system.endurance import Endurance, Sample, cpu_s, medians
from tests.system.house import House
from tests.system.namespaces import two_hosts

HOURS = float(os.environ.get("ZEGEL_HOURS", "2"))
ROUND_S, SHORT_ROUND_S = 10.0, 0.5
WARM_UP_S, WINDOW_S = 60.0, 600.0  # what is made once: buffers, caches, code; and what a median is taken of
GROWTH_MB_MAX = 2.0  # from the first window to the last; of 64 MB, so that a day of flying is far from a board's memory
DESCRIPTORS_MORE_MAX = 2  # one way or the other: a link may be between two tries to open it
SILENT_S_MAX = 10.0  # of a station whose link is up again; the pause before a reopening is two
LASTING = ("air", "observer")  # the pilot's starts anew all the time


@pytest.mark.alone
@pytest.mark.soak
def test_nothing_grows_in_hours(house, figure):
    check(house, HOURS * 3600, ROUND_S, figure)


def test_nothing_grows_in_a_moment(house, figure):
    """All that goes wrong in hours, much faster: a descriptor that each of it leaves behind shows all the same."""
    check(house, 15.0, SHORT_ROUND_S, figure)


def check(house: House, seconds: float, round_s: float, figure: Callable[[str], None]) -> None:
    with two_hosts() as hosts:
        flight = Endurance(house, hosts)
        try:
            assert flight.until(lambda: all(": open" in flight.programs[name].output() for name in flight.ends)), (
                flight.logs()
            )
            began = {name: cpu_s(flight.programs[name]) for name in LASTING}
            fly(flight, seconds, round_s)
            assert not flight.failures()
            for name, before in began.items():
                figure(f"{name}: {(cpu_s(flight.programs[name]) - before) / seconds:.1%} of a core")
            judge(flight, seconds, figure)
        finally:
            flight.end()


def fly(flight: Endurance, seconds: float, round_s: float) -> None:
    """In each round the radio goes and comes back, and by turns something else happens."""
    end, number = time.monotonic() + seconds, 0
    heard = {name: time.monotonic() for name in flight.ends}
    while time.monotonic() < end:
        number += 1
        flight.command()
        if number % 12 == 3:
            flight.fc.unplug()
        if number % 18 == 5:
            flight.restart_pilot(kindly=number % 36 == 5)
        if number % 30 == 7:
            flight.change_order()
        cables = (flight.radio, flight.lte) if number % 30 == 20 else (flight.radio,)
        with flight.broken(*cables):
            flight.run(round_s / 3)
        if flight.fc.unplugged:
            flight.fc.plug()
        flight.run(round_s * 2 / 3)
        flight.sample()
        for name, (frames, packets) in flight.take_came().items():
            heard[name] = time.monotonic() if frames and packets else heard[name]
            assert time.monotonic() - heard[name] < SILENT_S_MAX + round_s, f"{name} is silent\n{flight.logs()}"


def judge(flight: Endurance, seconds: float, figure: Callable[[str], None]) -> None:
    window, warm = min(WINDOW_S, seconds / 6), min(WARM_UP_S, seconds / 6)
    last_at = flight.samples["air"][-1].at
    figure(f"{seconds / 3600:.2g} hours, {flight.fc.sent} frames and {flight.packets} video datagrams sent,"
          f" {flight.orders - 1} changes of order")  # fmt: skip
    for name in LASTING:
        samples = flight.samples[name]
        first = medians(samples, samples[0].at + warm, samples[0].at + warm + window)
        last = medians(samples, last_at - window, last_at)
        slope = slope_mb_an_hour([sample for sample in samples if sample.at > first.at])
        figure(f"{name}: resident {first.resident_mb:.1f} -> {last.resident_mb:.1f} MB ({slope:+.2f} MB an hour)")
        figure(f"{name}: descriptors {first.descriptors} -> {last.descriptors}, threads {first.threads} -> {last.threads}")
        assert last.resident_mb - first.resident_mb < GROWTH_MB_MAX
        assert last.descriptors - first.descriptors <= DESCRIPTORS_MORE_MAX
        assert last.threads == first.threads


def slope_mb_an_hour(samples: list[Sample]) -> float:
    return 3600 * statistics.linear_regression([s.at for s in samples], [s.resident_mb for s in samples]).slope
