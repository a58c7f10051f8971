"""Tables on a terminal of 80 columns: no line is longer, and no figure or word is broken. The real tables of RESULTS.md."""

from __future__ import annotations

import io
import math
import random
import re
from pathlib import Path

import pytest
from rich.console import Console

from bench import show
from bench.measures import latency, peers
from bench.result import Cell, Result, Table
from tests.unit.bench.results import RESULT

WIDTH = 80
RESULTS = Path(show.__file__).parent / "RESULTS.md"


def recorded() -> list[Table]:
    """The tables of the committed report, their figures as text."""
    found = re.findall(r"^### (.+)\n\n((?:\|.*\n)+)", RESULTS.read_text(), re.MULTILINE)
    tables = []
    for title, lines in found:
        head, _, *rows = [tuple(cell.strip() for cell in line.strip("|").split(" | ")) for line in lines.splitlines()]
        tables.append(Table(title, head, tuple(rows)))
    return tables


def drawn(result: Result) -> str:
    out = io.StringIO()
    show.terminal(result, Console(file=out, width=WIDTH))
    return out.getvalue()


def fits(table: Table) -> None:
    text = drawn(Result("x", (table,)))
    assert max(map(len, text.splitlines())) <= WIDTH
    shown = set(re.split(r"\s{2,}|\n", text)) | set(text.split())
    for row in table.rows:
        for cell in row:
            said = show.text(cell)
            assert said in shown or set(said.split()) <= shown, said
    for column in table.columns:
        assert set(column.split()) <= shown, column


@pytest.mark.parametrize("table", recorded(), ids=lambda table: table.title)
def test_a_table_of_the_report_fits(table: Table):
    fits(table)


@pytest.mark.parametrize(
    "columns", [peers.COLUMNS, latency.COLUMNS, *(("load", *peers.COLUMNS, f"c{n}") for n in range(3))]
)
def test_a_table_with_the_largest_figures_fits(columns: tuple[str, ...]):
    fits(Table("Large", columns, (("srt-live-transmit", *(1_234_567.0 for _ in columns[1:])),) * 3))


@pytest.mark.parametrize("seed", range(50))
def test_any_table_fits(seed: int):
    rng = random.Random(seed)
    count = rng.randrange(1, 14)
    cells: list[Cell] = [
        None,
        0.0,
        math.pi,
        10**9,
        "word",
        "Zegel (Python)",
        "a sentence of many words, as a reason is one",
    ]
    rows = tuple(tuple(rng.choice(cells) for _ in range(count)) for _ in range(rng.randrange(4)))
    names = tuple(f"{rng.choice(('column', 'a name of words'))} {number} (Mbit/s)" for number in range(count))
    fits(Table("Any", names, rows, keys=rng.randrange(1, min(3, count) + 1)))


def test_the_columns_that_name_a_row_are_in_each_part():
    table = Table("Wide", ("a", "b", *(f"column-{n}" for n in range(20))), ((1, 2, *range(20)),), keys=2)
    parts = list(show.parts(table, WIDTH))
    assert len(parts) > 1
    assert all(part[:2] == [0, 1] for part in parts)
    assert sorted({number for part in parts for number in part}) == list(range(22))


def test_the_verdict_is_first():
    assert drawn(RESULT).startswith("ours takes 301 ns\n")
    assert show.markdown(RESULT).startswith("**Ours takes 301 ns.**\n")
