"""Figures per call, and medians in turn. Never how long anything takes."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from bench.clock import cpu_of, cpu_per_call, medians, system_share, ticks_of


def test_a_call_is_repeated_until_it_took_long_enough():
    calls = []
    each = cpu_per_call(lambda: calls.append(sum(range(1000))), 0.01)
    assert len(calls) > 1
    assert each > 0


def test_ways_are_measured_in_turn_and_the_median_is_kept():
    said, heard = {"a": iter([5.0, 1.0, 3.0]), "b": iter([2.0, 9.0, 4.0])}, []

    def way(name):
        def run() -> float:
            heard.append(name)
            return next(said[name])

        return run

    assert medians({name: way(name) for name in said}, 3, lambda *_: None, "") == {"a": 3.0, "b": 4.0}
    assert heard == ["a", "b"] * 3


def test_the_time_of_a_process_rises_with_what_it_does():
    before = cpu_of(os.getpid())
    sum(range(1_000_000))
    assert cpu_of(os.getpid()) > before > 0


def test_the_systems_share_of_a_process_that_only_calls_it_and_of_one_that_never_does():
    shares = []
    for work in ("import os\nwhile True: os.urandom(1 << 20)", "while True: sum(range(10_000))"):
        with subprocess.Popen([sys.executable, "-c", work]) as process:
            before = ticks_of(process.pid)
            while sum(ticks_of(process.pid)) - sum(before) < 30:
                time.sleep(0.02)
            shares.append(system_share(before, ticks_of(process.pid)))
            process.kill()
    assert shares[0] > 0.6
    assert shares[1] < 0.4
