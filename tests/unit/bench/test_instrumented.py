"""The regions do what their names say: a count of something else would be exact, and worth nothing."""

from __future__ import annotations

import gc
import io
import itertools
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions

import pytest

from bench import budget, instrumented
from bench.measures import pi
from bench.sysroot import PINS
from bench.zegel_pair import why_not_c
from gateway.recording.stage import HANDED_AT


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """Give back what a Poller takes for the whole process."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    signal.set_wakeup_fd(-1)
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def regions() -> dict[str, instrumented.Region]:
    return {region.name: region for region in instrumented.regions()}


def test_every_region_has_a_name_in_the_table(regions):
    in_c = {name for name in pi.PER if name.endswith(" C")}
    assert in_c
    assert set(regions) == {"nothing", *pi.PER} - (in_c if why_not_c() else set())


def test_every_region_does_the_same_again_and_again(regions):
    for region in regions.values():
        for _ in range(3):
            region.prepare()
            region.run()


@pytest.mark.skipif(bool(why_not_c()), reason="the part in C is not built")
def test_the_budget_knows_what_is_subtracted(regions):
    less = {region.name: region.less for region in regions.values()}
    assert {name: other for name, other in less.items() if other != instrumented.NOTHING} == budget.SUBTRACTED


def test_all_that_was_sealed_is_opened(regions):
    for _ in range(3):
        regions["open"].prepare()
        (slots,) = regions["open"].run().video.values()
        assert len(slots) == regions["open"].units


@pytest.mark.skipif(bool(why_not_c()), reason="the part in C is not built")
def test_all_that_was_sealed_in_c_is_opened_in_c(regions):
    turns = regions["air C"].run.__self__
    for count in instrumented.WAKE_UPS:
        region = regions[f"wake-up {count} C"]
        for _ in range(3):
            region.prepare()
            before = turns.opened()
            region.run()
            assert turns.opened() - before == count


@pytest.mark.skipif(bool(why_not_c()), reason="the part in C is not built")
def test_what_is_recorded_goes_to_the_recorder_in_the_same_wake_up(regions):
    region = regions[instrumented.RECORDED]
    stages = region.run.func.__self__.stages
    for _ in range(3):
        region.prepare()
        before = stages._times[HANDED_AT]
        region.run()
        assert stages._times[HANDED_AT] > before
        assert not stages.error


def test_it_needs_only_what_the_emulated_board_has():
    there = {"zegel", *(line.partition("==")[0].lower() for line in PINS.read_text().splitlines() if "==" in line)}
    provided = {name: {each.lower() for each in whose} for name, whose in packages_distributions().items()}
    absent = sorted(name for name, whose in provided.items() if not whose & there)
    assert "zmq" in absent
    code = f"import sys; sys.modules.update(dict.fromkeys({absent!r})); import bench.instrumented"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_between_marks(monkeypatch):
    marks = []
    monkeypatch.setattr(instrumented, "mark", marks.append)
    monkeypatch.setattr(instrumented, "WARM", 1)
    monkeypatch.setattr(sys, "stdout", out := io.StringIO())
    try:
        instrumented.main()
    finally:
        gc.enable()
    said = json.loads(out.getvalue())
    kept = [
        one for one, after in itertools.pairwise([*marks, None]) if one != after
    ]  # without those of a turn that was late
    assert kept == [number for at in range(len(said["units"])) for number in (2 * at, 2 * at + 1) * instrumented.REPEATS]
    assert "python" in said["maps"]


def test_a_mark_changes_nothing():
    assert instrumented.mark(0) is None
