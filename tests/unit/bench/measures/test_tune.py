"""`zegel bench tune`: what is tried, what is chosen of given figures, and the file that air and ground read."""

from __future__ import annotations

import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import msgspec
import pytest

from bench import loopback_flight
from bench.loopback_flight import Flown
from bench.measures import tune
from bench.measures.tune import FULL, GAIN_MIN, INSTALLED
from bench.result import Options
from firmware_shims import mavlink
from gateway import cli, config
from gateway.config import Tuning
from tests.system.users import as_user
from tests.unit.keys.disk import only_root

ROOT = Path(__file__).parents[4]
PLAIN = Flown(5.0, 5.0, 2.0, 4.0, 1.0, 2.0, 0.0, 1.75)
GRANTED = 4096


def changed(**keys) -> Tuning:
    return msgspec.structs.replace(INSTALLED, **keys)


def flown(**better: Flown) -> dict[Tuning, list[Flown]]:
    """All candidates alike, but for those named by key and value: batch_16=..."""
    runs = {tuning: [PLAIN] * 3 for tuning in tune.candidates(FULL, GRANTED)}
    for name, figures in better.items():
        key, _, value = name.rpartition("_")
        runs[changed(**{key: type(getattr(INSTALLED, key))(value)})] = [figures] * 3
    return runs


def test_one_key_is_changed_at_a_time_and_no_buffer_beyond_the_system_is_tried():
    found = tune.candidates(FULL, 1024)
    assert found[0] == INSTALLED
    for tuning in found[1:]:
        assert sum(getattr(tuning, key) != getattr(INSTALLED, key) for key in Tuning.__struct_fields__) == 1
    assert {tuning.buffer_kib for tuning in found[1:]} == {INSTALLED.buffer_kib, 256, 1024}
    assert len(set(found)) == len(found)


def test_a_crossing_is_taken_over_only_if_it_differs_much():
    for measured, few in ((12, INSTALLED.few), (24, INSTALLED.few), (6, 6), (48, 48), (0, 0)):
        assert tune.choose_few(measured)[0] == few
        assert str(measured) in tune.choose_few(measured)[1]


def test_what_is_installed_stays_unless_something_is_better_by_more_than_noise():
    slightly = PLAIN._replace(air=PLAIN.air - GAIN_MIN / 2)
    tuned, reasons = tune.choose(flown(batch_16=slightly), GRANTED, "balance")
    assert tuned.batch == INSTALLED.batch
    assert "no other" in reasons["batch"]
    clearly = PLAIN._replace(air=PLAIN.air - 2 * GAIN_MIN)
    tuned, reasons = tune.choose(flown(batch_16=clearly), GRANTED, "balance")
    assert tuned.batch == 16
    assert "better than 64" in reasons["batch"]


def test_battery_and_latency_choose_differently_of_the_same_figures():
    long, short = PLAIN._replace(air=4.0, telemetry_p50=4.5), PLAIN._replace(air=6.0, telemetry_p50=0.5)
    runs = flown(flush_ms_5=long, flush_ms_1=short)
    assert tune.choose(runs, GRANTED, "battery")[0].flush_ms == 5.0
    assert tune.choose(runs, GRANTED, "latency")[0].flush_ms == 1.0


def test_waiting_spares_the_link():
    assert tune.link_kbit(0.0) > tune.link_kbit(2.0) > tune.link_kbit(5.0) > 0


def test_the_buffer_is_the_smallest_that_loses_nothing():
    runs = flown(buffer_kib_256=PLAIN._replace(lost=2.0, kept=0.1), buffer_kib_1024=PLAIN._replace(kept=0.44))
    tuned, reasons = tune.choose(runs, GRANTED, "balance")
    assert tuned.buffer_kib == 2048
    assert "smallest" in reasons["buffer_kib"]


def test_a_system_that_gives_too_little_is_told_what_to_do():
    runs = {tuning: [PLAIN._replace(kept=0.1)] for tuning in tune.candidates(FULL, 208)}
    tuned, reasons = tune.choose(runs, 208, "balance")
    assert tuned.buffer_kib == INSTALLED.buffer_kib
    assert f"sysctl -w net.core.rmem_max={INSTALLED.buffer_kib << 10}" in reasons["buffer_kib"]


def test_what_is_written_is_what_air_and_ground_read(tmp_path):
    tuning = changed(batch=16, flush_ms=3.5, buffer_kib=1024)
    file = tmp_path / "tuning.toml"
    file.write_text(tune.text(tuning))
    assert config.tuning(file) == tuning


def test_a_file_that_cannot_be_made_is_said_before_anything_is_flown(tmp_path, capsys):
    assert cli.main(["bench", "tune", "-o", str(tmp_path / "nowhere/tuning.toml")]) == 2
    told = capsys.readouterr()
    assert "no such folder" in told.err
    assert told.out == ""


@only_root
def test_a_folder_of_another_user_is_said_before_anything_is_flown(tmp_path):
    """By a process of its own, as access(2) asks by the real user."""
    tmp_path.chmod(0o755)
    words = [*as_user(4712), sys.executable, "-m", "gateway.cli", "bench", "tune", "-o", f"{tmp_path}/tuning.toml"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stdout) == (2, "")
    assert "tuning.toml: this user may not write there" in done.stderr


def test_a_rehearsal_sends_what_its_plan_says():
    plan = loopback_flight.schedule(2.0, 20.0)
    assert plan == sorted(plan)
    pictures = [due.size for due in plan if due.picture]
    assert len(pictures) == 2 * loopback_flight.PICTURES
    assert max(pictures) == pytest.approx(loopback_flight.KEY_PICTURE * min(pictures), rel=0.05)
    assert sum(pictures) * loopback_flight.VIDEO_SIZE * 8 / 2 == pytest.approx(20e6, rel=0.05)
    assert len(plan) - len(pictures) == len(loopback_flight.telemetry(2.0)) > 100


@pytest.mark.parametrize("size", [12, 40, 280])
def test_a_frame_that_tells_the_time_is_one_frame(size):
    made = loopback_flight.frame(size)
    assert mavlink.Framer().datagrams([made]) == [made]
    assert len(made) >= min(size, 267)


def test_tune_flies_chooses_compares_and_writes(tmp_path, monkeypatch):
    monkeypatch.setattr(tune, "QUICK", tune.Plan((16,), (), (), 1, 1, 0.5, 1))
    file = tmp_path / "tuning.toml"
    args = Namespace(output=file, mbit=5.0, favour="balance")
    tried, chosen, compared = tune.measure(Options(quick=True, args=args), lambda *_: None).tables
    assert tried.column("batch") == [INSTALLED.batch, 16]
    assert all(share < 5 for share in tried.column("lost (%)"))
    assert [row[2] for row in chosen.rows] == list(msgspec.structs.astuple(config.tuning(file)))
    assert compared.column("figure")[0] == "air, % of a core"
