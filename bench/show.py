"""Show: a Result for a terminal and as Markdown, its verdict first. What must not live here: measuring, pages (bench.html).

On a terminal a table is as wide as the window at most: if it is wider it is shown in parts, each with the columns that
name a row.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table as Grid
from rich.text import Text

from bench.result import Cell, Result, Table

SENTENCE_FROM = 28  # characters: a longer cell is wrapped between its words
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
    return spoken(summary(module))


def spoken(told: str) -> str:
    """A line of the program as a sentence of a page."""
    return f"{told[:1].upper()}{told[1:]}."


def terminal(result: Result, console: Console) -> None:
    """The verdict; tables with the numbers right-aligned, notes below each."""
    plain(result.verdict, console)
    for table in result.tables:
        for number, columns in enumerate(parts(table, console.width)):
            console.print(Text(f"{table.title}{', continued' * bool(number)}", style="bold"))
            console.print(_grid(table, columns, console.width))
        _notes(table.notes, console)
    _notes(result.notes, console)


def plain(line: str, console: Console) -> None:
    """A line as it is; nothing if it is empty."""
    if line:
        console.print(line, markup=False, highlight=False)


def parts(table: Table, width: int) -> Iterator[list[int]]:
    """The columns, by number, of each part that fits into `width` without breaking a word or a figure."""
    least = [narrowest(table, number) for number in range(len(table.columns))]
    keys, part = [*range(table.keys)], [*range(table.keys)]
    for number in range(table.keys, len(table.columns)):
        if len(part) > len(keys) and _around(len(part) + 1) + sum(least[at] for at in (*part, number)) > width:
            yield part
            part = [*keys]
        part.append(number)
    yield part


def narrowest(table: Table, number: int) -> int:
    """The least width of a column: its longest cell, or of sentences the longest word; and the longest word of its name."""
    cells = [text(row[number]) for row in table.rows]
    sentences = max(map(len, cells), default=0) > SENTENCE_FROM
    words = [word for cell in cells for word in cell.split()] if sentences else cells
    return max(map(len, (*table.columns[number].split(), *words)), default=1)


def _around(columns: int) -> int:
    """What rich draws between the cells of so many columns."""
    return 2 * columns + 1


def _grid(table: Table, columns: Sequence[int], width: int) -> Grid:
    grid = Grid(header_style="", box=SIMPLE_HEAD, padding=(0, 0, 0, 1))
    cells = {number: [text(row[number]) for row in table.rows] for number in columns}
    wanted = {number: max(len(table.columns[number]), *map(len, [*cells[number], ""])) for number in columns}
    widths = {number: narrowest(table, number) for number in columns}
    for _ in range(width - _around(len(columns)) - sum(widths.values())):
        tightest = max(columns, key=lambda number: wanted[number] - widths[number])
        widths[tightest] += wanted[tightest] > widths[tightest]
    for number in columns:
        words = any(isinstance(row[number], str) for row in table.rows)
        name = escape(table.columns[number])
        grid.add_column(name, justify="left" if words else "right", width=widths[number], overflow="fold")
    for row in zip(*cells.values(), strict=True):
        grid.add_row(*map(escape, row))
    return grid


def _notes(notes: Iterable[str], console: Console) -> None:
    for note in notes:
        plain(textwrap.fill(note, console.width, initial_indent="  ", subsequent_indent="    "), console)


def markdown(result: Result, subject: str = "") -> str:
    """The verdict, then `subject`, and the tables, in GitHub's Markdown."""
    made = [*([f"**{spoken(result.verdict)}**"] if result.verdict else []), *([subject] if subject else [])]
    made += [_markdown_table(table) for table in result.tables]
    if result.notes:
        made.append("\n".join(f"- {note}" for note in result.notes))
    return "\n\n".join(made) + "\n"


def _markdown_table(table: Table) -> str:
    lines = [f"### {table.title}", "", _line(table.columns), _line("---" for _ in table.columns)]
    lines += [_line(text(cell) for cell in row) for row in table.rows]
    if table.notes:
        lines += ["", *(f"- {note}" for note in table.notes)]
    return "\n".join(lines)


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
