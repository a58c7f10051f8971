"""Show: a Result for a terminal and as Markdown. What must not live here: measuring, or pages (bench.html)."""

from __future__ import annotations

import math
from collections.abc import Iterable

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table as Grid

from bench.result import Cell, Result, Table

EXACT_FROM = 100  # from this value on a figure is shown without decimals, because the noise is larger


def text(cell: Cell) -> str:
    """Three significant digits, with separators for thousands."""
    if cell is None or isinstance(cell, str):
        return cell or "-"
    if isinstance(cell, int) or abs(cell) >= EXACT_FROM:
        return f"{round(cell):,}"
    decimals = 2 if cell == 0 else max(0, 2 - math.floor(math.log10(abs(cell))))
    return f"{cell:.{min(decimals, 4)}f}"


def summary(module: object) -> str:
    """The summary of a sub-command's module, in one line without a full stop."""
    return (module.__doc__ or "").partition(": ")[2].partition("\n")[0].rstrip(".")


def sentence(module: object) -> str:
    """The same, as a sentence below a title."""
    told = summary(module)
    return f"{told[:1].upper()}{told[1:]}."


def terminal(result: Result, console: Console) -> None:
    """Tables with the numbers right-aligned, notes below each."""
    for table in result.tables:
        grid = Grid(
            title=escape(table.title),
            title_justify="left",
            title_style="bold",
            header_style="",
            box=SIMPLE_HEAD,
            padding=(0, 1),
        )
        for name, cells in zip(table.columns, zip(*table.rows, strict=True) if table.rows else (), strict=False):
            words = any(isinstance(cell, str) for cell in cells)
            grid.add_column(escape(name), justify="left" if words else "right", overflow="fold")
        for row in table.rows:
            grid.add_row(*(escape(text(cell)) for cell in row))
        console.print(grid)
        _notes(table.notes, console)
    _notes(result.notes, console)


def _notes(notes: Iterable[str], console: Console) -> None:
    for note in notes:
        console.print(f"  {note}", markup=False, highlight=False)


def markdown(result: Result) -> str:
    """The tables in GitHub's Markdown."""
    parts = [_markdown_table(table) for table in result.tables]
    if result.notes:
        parts.append("\n".join(f"- {note}" for note in result.notes))
    return "\n\n".join(parts) + "\n"


def _markdown_table(table: Table) -> str:
    lines = [f"### {table.title}", "", _line(table.columns), _line("---" for _ in table.columns)]
    lines += [_line(text(cell) for cell in row) for row in table.rows]
    if table.notes:
        lines += ["", *(f"- {note}" for note in table.notes)]
    return "\n".join(lines)


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
