"""Watts of a Raspberry Pi 5, from the lines that its firmware prints; no board here has that circuit."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import power
from bench.result import Options

# As on a Raspberry Pi 5; four of its rails.
SAID = """\
 3V7_WL_SW_A current(0)=0.10000000A
   3V3_SYS_A current(1)=0.20000000A
  VDD_CORE_A current(7)=1.50000000A
 3V7_WL_SW_V volt(8)=3.70000000V
   3V3_SYS_V volt(9)=3.30000000V
  VDD_CORE_V volt(15)=0.80000000V
    EXT5V_V volt(24)=5.10000000V
"""


def test_watts_are_volts_times_amperes_of_each_rail():
    assert power.of_rails(SAID) == pytest.approx(0.1 * 3.7 + 0.2 * 3.3 + 1.5 * 0.8)


@pytest.mark.parametrize("said", ["", 'error=1 error_msg="Command not registered"', "EXT5V_V volt(24)=5.1V"])
def test_what_has_no_rails_has_no_watts(said: str):
    assert power.of_rails(said) is None


def test_a_program_of_that_name_is_asked_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    program = tmp_path / "vcgencmd"
    program.write_text(f"#!/bin/sh\n[ $1 = pmic_read_adc ] && echo '{SAID}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert power.now() == pytest.approx(2.23)
    assert power.mean_while(lambda: power.time.sleep(3 * power.EVERY_S)) == pytest.approx(2.23)


def test_elsewhere_it_is_said_that_nothing_was_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PATH", str(tmp_path))
    result = power.measure(Options(), lambda *_: None)
    assert (result.tables, result.notes) == ((), (power.ELSEWHERE,))


def test_energy_is_what_the_video_adds_by_its_megabytes():
    drawn = {"the board alone": (2.0, 0.0), "zegel, no video": (2.1, 0.0), "pictures 20 Mbit/s": (2.5, 20.0)}
    *_, idle, last = power.table(drawn).rows
    assert idle[3] is None
    assert last == ("pictures 20 Mbit/s", 2.5, 0.5, pytest.approx(200.0))
    assert power._verdict(drawn) == ("pictures 20 Mbit/s take 0.5 W more than the idle board with 2.0 W, 200 mJ a megabyte")
