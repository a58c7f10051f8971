"""`zegel metrics` beside a real flight, scraped as Prometheus does and checked by its own tool where that is installed."""

from __future__ import annotations

import json
import random
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from gateway.demo.stage import HOST, Program, run_until
from gateway.report import metrics
from gateway.report.scrape import CONTENT_TYPE
from tests.memory_link import mavlink_frame
from tests.system.house import NAMES, zegel

SAMPLE = re.compile(r'(zegel_\w+)\{((?:\w+="(?:[^"\\]|\\.)*",?)*)\} (-?[0-9.e+-]+)')


@pytest.fixture
def start(house):
    """Start `zegel metrics`; it ends with the test."""
    started = []

    def begin(*words: object) -> Program:
        started.append(Program(("metrics", *map(str, words)), house.folder, f"metrics-{len(started)}"))
        return started[-1]

    yield begin
    for program in started:
        program.end()


def flown(fly):
    flight, rng = fly(("pilot", "observer")), random.Random(3)
    flight.wait_open()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        for seq in range(200):
            out.sendto(mavlink_frame(rng, seq), (HOST, flight.fc_port))
            out.sendto(rng.randbytes(1000), (HOST, flight.camera_port))
            flight.run(0.003)
    flight.run(1.0)
    return flight


def scrape(program: Program) -> str:
    assert run_until(lambda: "http://" in program.output(), lambda: time.sleep(0.05), (), 60), program.output()
    url = re.search(r"http://\S+", program.output())[0]
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own
        assert answer.headers["Content-Type"] == CONTENT_TYPE
        return answer.read().decode()


def samples(text: str) -> dict[tuple[str, str], float]:
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, labels, value = SAMPLE.fullmatch(line).groups()
            assert (name, labels) not in found
            found[name, labels] = float(value)
    return found


def check_by_promtool(text: str) -> None:
    if shutil.which("promtool"):
        done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_scrape_says_what_status_says(fly, start):
    flight, server = flown(fly), start("--listen", f"{HOST}:0")
    assert flight.until(lambda: "http://" in server.output()), server.output()  # and the radio goes on meanwhile
    text = scrape(server)
    check_by_promtool(text)
    found = samples(text)
    assert found["zegel_up", 'role="air"'] == found["zegel_up", 'role="ground"'] == 1
    assert found["zegel_frames_total", 'role="ground",name="pilot",vehicle="1/1"'] == 200
    assert found["zegel_opened_total", 'role="ground",name="observer",lane="video_a"'] == 200
    assert found["zegel_sealed", 'role="air",name="drone-7"'] == 1
    assert {value for (name, _), value in found.items() if name == "zegel_session_open"} == {1}
    for line in [line for line in text.splitlines() if line.startswith("# HELP")]:
        assert line.split(" ", 3)[2] in {metric.name for metric in (metrics.UP, *metrics.TABLE)}
    for name in NAMES:  # of the operation, the agencies and a stranger: nothing but whose status it is
        assert name.decode() not in text or name in {b"drone-7", b"pilot", b"observer"}
    for boss in flight.stations.values():
        boss.close()
    flight.air.end()
    found = samples(scrape(start("--listen", f"{HOST}:0")))
    assert found == {("zegel_up", 'role="air"'): 0, ("zegel_up", 'role="ground"'): 0}


def numbers(value: object, path: str = "") -> set[str]:
    """The last keys that lead to numbers and truths in a status."""
    if isinstance(value, dict):
        return {found for key, item in value.items() for found in numbers(item, key)}
    if isinstance(value, list):
        return {found for item in value for found in numbers(item, path)}
    return {path} if isinstance(value, bool | int | float) else set()


def test_the_table_knows_every_number_of_a_status(fly):
    flown(fly)
    for status in json.loads(zegel("status", "--json")):
        steps = {word for metric in metrics.TABLE for word in metric.where.split()}
        mapped = {key for step in ("lanes", "opened", "drops") for key in status.get(step, {})}
        if status["role"] == "ground":
            mapped |= status["commands"].keys()
        assert numbers(status) - steps - mapped <= metrics.LEFT_OUT


@pytest.mark.soak
def test_files_are_whole_and_bounded(fly, start, tmp_path, monkeypatch):
    flown(fly)
    textfile, lines = tmp_path / "zegel.prom", tmp_path / "zegel.jsonl"
    start("--textfile", textfile, "--every", "0.2")
    start("--json", lines, "--every", "0.2")
    assert run_until(lambda: textfile.exists() and lines.exists(), lambda: time.sleep(0.05), (), 10)
    for _ in range(200):  # never half of it
        check = textfile.read_text()
        assert check.startswith("# HELP zegel_up")
        assert check.endswith("\n")
        assert 'zegel_up{role="air"} 1' in check
    assert {json.loads(line)["role"] for line in lines.read_text().splitlines()[:3]} == {"air", "ground"}
    monkeypatch.setattr(metrics, "LINES_SIZE_MAX", 20_000)
    bounded = tmp_path / "bounded.jsonl"
    for _ in range(8):
        metrics.write_lines(bounded)
    assert bounded.stat().st_size <= 20_000
    assert Path(f"{bounded}.1").stat().st_size <= 20_000
    assert sorted(path.name for path in tmp_path.glob("bounded*")) == ["bounded.jsonl", "bounded.jsonl.1"]


@pytest.mark.soak
def test_only_this_computer_may_ask_and_a_client_that_says_nothing_is_disconnected(house, start):
    for where in ("0.0.0.0:9477", "192.168.1.5:9477", "example.com:1", "127.0.0.1:99999", "9477x"):
        words = [sys.executable, "-m", "gateway.cli", "metrics", "--listen", where]
        assert subprocess.run(words, capture_output=True, check=False, timeout=20).returncode == 2
    program = start("--listen", f"{HOST}:0")
    scrape(program)
    port = int(re.search(r":(\d+)/", program.output())[1])
    with socket.create_connection((HOST, port)):  # and says nothing
        assert "zegel_up" in scrape(program)
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"http://{HOST}:{port}/status", timeout=10)
    assert len(program.output().splitlines()) == 1
