from __future__ import annotations

import io
import json

from rich.console import Console

from gateway import cli
from gateway.board import doctor
from gateway.board.doctor import examine
from gateway.board.finding import State, ok


def broken(subject):
    yield ok("first", "was well")
    raise RuntimeError("a strange board")


def test_a_look_that_fails_is_a_line_and_spoils_no_other(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "QUICK", {"strange": broken, "clock": doctor.QUICK["clock"]})
    monkeypatch.setattr(doctor, "LISTENING", {"link": broken})
    found = list(examine("air", tmp_path / "none.toml", Console(file=io.StringIO())))
    assert [f.what for f in found] == ["configuration", "first", "strange", "clock", "entropy", "first", "link"]
    assert found[2].state is State.UNKNOWN
    assert found[2].text == "this check failed, RuntimeError: a strange board"


def test_every_look_works_where_nothing_of_zegel_is(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("gateway.board.subject.FOLDER", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    cli.main(["doctor", "air", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert not [f for f in found if "this check failed" in f["text"]]
    assert {"board", "memory", "clock", "entropy", "kernel", "buffers"} <= {f["what"] for f in found}
