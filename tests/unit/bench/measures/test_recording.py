"""The parts of `zegel bench recording`: what cannot be measured is left out, and said."""

from __future__ import annotations

import argparse

from bench.compiler import Absent
from bench.measures import recording
from bench.result import Options, Table
from bench.wanted import Wanted


def part(*bounds: Wanted):
    return lambda _here, _quick, _progress: ([Table("a table", ("what",), ())], list(bounds), ["a note"])


def absent(*_: object):
    raise Absent("no loop device", hint="it needs root")


def measured(monkeypatch, parts, only=None):
    monkeypatch.setattr(recording, "PARTS", parts)
    return recording.measure(Options(args=argparse.Namespace(only=only)), lambda *_: None)


def test_what_cannot_be_measured_is_left_out_with_the_reason(monkeypatch):
    found = measured(monkeypatch, {"rates": part(Wanted("a rate", 1.0, 2.0)), "card": absent})
    assert "card is left out: no loop device (it needs root)" in found.notes
    assert "a note" in found.notes
    assert [table.title for table in found.tables] == ["What is wanted of a recording", "a table"]
    assert found.verdict == "1 of 1 bounds are kept"


def test_only_what_was_asked_for_is_measured(monkeypatch):
    parts = {"rates": part(Wanted("a rate", 3.0, 2.0)), "card": absent}
    assert measured(monkeypatch, parts, ["rates"]).verdict == "0 of 1 bounds are kept, and not: a rate"
    assert measured(monkeypatch, parts, ["card"]).verdict == "nothing of a recording could be measured here"
