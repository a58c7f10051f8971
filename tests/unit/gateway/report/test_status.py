from __future__ import annotations

import json

from gateway import cli
from gateway.report import status
from gateway.report.role_status import encoded
from tests.unit.gateway.report.published import published
from tests.unit.gateway.report.statuses import air, ground


def test_a_status_of_another_version_costs_itself(tmp_path, monkeypatch, capsys):
    """It lacks what this version shows; the others are shown all the same, and --json has everything."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    older = {"role": "ground", "name": "pilot", "sealed": True, "operation": "Night Watch"}
    bad = {"role": "air", "name": "drone-7\x1b[2J"}
    newer = encoded(ground(name="observer")) | {"sessions": [{"state": "resumed"}]}
    with published(tmp_path / "zegel", older, newer, bad, encoded(air(name="drone-8"))):
        assert cli.main(["status"]) == 0
        shown = capsys.readouterr().out
        assert cli.main(["status", "--json"]) == 0
        as_json = json.loads(capsys.readouterr().out)
    assert shown.count("it is another version's") == 3
    assert "air drone-8: sealed" in shown
    assert "\x1b" not in shown
    assert [said["name"] for said in as_json] == ["drone-7\x1b[2J", "drone-8", "observer", "pilot"]
    assert {"schema": 1, **older, "wrong": None} in as_json


def test_verbose_shows_the_counters_too(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with published(tmp_path / "zegel", encoded(air(drops={"late": 2}))):
        assert cli.main(["status"]) == 0
        short = capsys.readouterr().out
        assert cli.main(["status", "-v"]) == 0
        whole = capsys.readouterr().out
    assert whole.startswith(short)
    assert "\n  dropped    late 2\n" in whole
    assert "late" not in short


def test_the_width_is_that_of_the_terminal_and_more_rows_are_used(monkeypatch):
    said = encoded(ground(alarms=[f"alarm {number}" for number in range(30)]))
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("LINES", "24")
    shown = status.text(said).splitlines()
    assert max(map(len, shown)) <= 60
    assert len(shown) == 23
    monkeypatch.setenv("LINES", "50")
    assert len(status.text(said).splitlines()) > 40
    monkeypatch.setenv("LINES", "10")
    assert len(status.text(said).splitlines()) == 23, "it scrolls: a line of each fact would not be all"


def test_the_json_has_its_form_and_what_is_wrong():
    said = status._for_programs(encoded(ground(order_left_s=540.0)))
    assert (next(iter(said)), said["schema"]) == ("schema", 1)
    assert said["wrong"].startswith("the order ends in 9 minutes")
    assert said["order_ends"] == 1_800_000_000
    assert status._for_programs({"role": "ground", "name": "x"})["wrong"] is None


def test_one_of_several_is_shown_by_its_name(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with published(tmp_path / "zegel", encoded(ground(name="observer")), encoded(ground()), encoded(air())):
        assert cli.main(["status", "observer"]) == 0
        shown = capsys.readouterr().out
        assert "ground observer: open" in shown
        assert "pilot: " not in shown
        assert cli.main(["status", "pilot", "drone-7", "--json"]) == 0
        assert {said["name"] for said in json.loads(capsys.readouterr().out)} == {"pilot", "drone-7"}
        assert cli.main(["status", "pilots"]) != 0
        assert "here run drone-7, observer, pilot" in capsys.readouterr().err
