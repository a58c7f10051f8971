"""`zegel bench report`: one page that needs nothing beside it, Markdown, JSON and back, and errors before measuring."""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ET
from argparse import Namespace
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from bench import html, plot, record, suite
from bench.measures import cipher, pi, report
from bench.result import Options
from gateway.cli import main
from gateway.errors import ConfigError
from tests.unit.bench.results import BARS, EMPTY, LINE, RECORD, RESULT, STEPS

COMMAND = "zegel bench report"


def options(*outputs, source=None) -> Options:
    return Options(quick=True, args=Namespace(output=list(outputs), source=source))


def nothing(*_: object) -> None:
    """Progress that nobody watches."""


class Nested(HTMLParser):
    """Fails if an element is closed that is not the one opened last."""

    VOID = ("meta", "br")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag, _attrs):
        self.seen.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, _attrs):
        self.seen.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_a_page_is_whole_and_reaches_for_nothing():
    pytest.importorskip("matplotlib", reason="needs matplotlib (pip install '.[bench]')")
    text = html.html(RECORD, COMMAND, report.SENTENCES)
    nested = Nested()
    nested.feed(text)
    assert not nested.open
    assert nested.seen.count("svg") == 4  # three plots and a histogram
    assert nested.seen.count("table") == 4
    assert not {"script", "img", "link", "iframe"} & set(nested.seen)
    assert not re.findall(r"(?:src|href)=\"(?!#)|@import|url\((?!#)", text)
    assert "Paper &lt;1&gt;" in text
    assert "<angle>" not in text


@pytest.mark.parametrize("table", [LINE, BARS, STEPS], ids=lambda table: table.plot.kind)
def test_a_figure_takes_its_colours_from_the_page(table):
    pytest.importorskip("matplotlib", reason="needs matplotlib (pip install '.[bench]')")
    svg = plot.of_table(table, table.plot)
    ET.fromstring(svg)  # noqa: S314 - our own
    assert not re.findall(r"#[0-9a-f]{6}\b(?!\")", re.sub(r"(?:url\(|href=\")#\w+", "", svg))
    assert "var(--s0)" in svg
    assert "currentColor" in svg
    for name in table.plot.ys:
        assert name in svg
    assert svg == plot.of_table(table, table.plot)


def test_markdown_has_every_table_under_the_command_that_measures_it():
    text = report.markdown(RECORD, COMMAND)
    assert "| board | Paper <1> |" in text
    assert "\n## `zegel bench cipher`\n" in text
    for table in (LINE, BARS, STEPS, EMPTY):
        assert f"\n### {table.title}\n" in text
    assert "| a \\| b | 3 |" in text
    assert "| 1,200 | 301 | - |" in text
    assert "\n**Ours takes 301 ns.**\n" in text


def test_a_page_begins_with_the_verdict_and_says_of_a_quick_run_that_it_is_one():
    pytest.importorskip("matplotlib", reason="needs matplotlib (pip install '.[bench]')")
    told, quick = "This board carries 20 Mbit/s", "A quick run: "
    markdown, page = report.markdown(RECORD, COMMAND), html.html(RECORD, COMMAND, report.SENTENCES)
    for text in (markdown, page):
        assert text.index(quick) < text.index(told) < text.index("Measured on")
        assert text.rindex(quick) > text.rindex("Nothing")
    thorough = replace(RECORD, quick=False)
    assert quick not in report.markdown(thorough, COMMAND) + html.html(thorough, COMMAND, report.SENTENCES)


def test_results_are_read_back_as_they_were(tmp_path):
    path = tmp_path / "results.json"
    path.write_bytes(record.to_json(RECORD))
    assert record.read(path) == RECORD
    assert path.read_text().startswith('{\n  "verdict": "this board carries 20 Mbit/s')


def test_a_report_of_kept_results_measures_nothing(tmp_path):
    kept, out, again = (tmp_path / name for name in ("kept.json", "RESULTS.md", "again.json"))
    kept.write_bytes(record.to_json(RECORD))
    result = report.measure(options(out, again, source=kept), nothing)
    assert result.notes == (f"written: {out}", f"written: {again}")
    assert result.verdict.startswith("this board carries 20 Mbit/s")
    assert out.read_text() == report.markdown(RECORD, f"zegel bench report --quick -o {out}")
    assert record.read(again) == RECORD


def test_a_report_runs_all_and_passes_a_failure_on(tmp_path, monkeypatch):
    failed = type(RESULT)("cipher", (BARS,), exit_code=1)
    monkeypatch.setattr(suite, "ALL", {"cipher": cipher})
    monkeypatch.setattr(cipher, "measure", lambda *_: failed)
    monkeypatch.setattr(pi, "measure", lambda *_: RESULT)
    assert report.measure(options(tmp_path / "out.json"), nothing).exit_code == 1
    assert record.read(tmp_path / "out.json").results == (failed, RESULT)


@pytest.mark.parametrize(
    ("content", "says"), [(None, "No such file"), (b"[]", "holds no results"), (b"\xff", "holds no results")]
)
def test_what_is_no_result_is_an_error_with_a_hint(tmp_path, content, says):
    path = tmp_path / "results.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=says) as caught:
        record.read(path)
    assert caught.value.hint


@pytest.mark.parametrize(("name", "says"), [("page.pdf", "this kind of file"), ("nowhere/page.md", "no such folder")])
def test_a_file_that_cannot_be_made_is_said_before_anything_is_measured(tmp_path, name, says):
    with pytest.raises(ConfigError, match=says) as caught:
        report.require(options(tmp_path / name).args)
    assert caught.value.hint


def test_without_matplotlib_the_first_line_is_how_it_is_installed_here(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(plot, "find_spec", lambda _: None)
    assert main(["bench", "report", "-o", str(tmp_path / "page.html")]) == 2
    told = capsys.readouterr()
    assert told.out == "", "nothing was measured, the machine included"
    assert told.err.splitlines() == [
        "zegel: a page is drawn with matplotlib, which is not installed",
        f"  hint: {sys.prefix}/bin/python -m pip install 'matplotlib>=3.8'",
    ]
