"""Result: the output of a measurement. Tables for people, and the same as JSON.

What lives here: verdicts, titles, columns, rows, notes. What must not: measuring, or display (bench.show).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Cell = str | int | float | None
# Called with the number of finished steps, the number of all steps, and the name of the present step.
Progress = Callable[[float, float, str], None]


@dataclass(frozen=True, slots=True)
class Options:
    """`quick`: the short form, seconds instead of minutes. `args`: what the sub-command's own `arguments` added."""

    quick: bool = False
    args: argparse.Namespace = field(default_factory=argparse.Namespace)


@dataclass(frozen=True, slots=True)
class Plot:
    """How a table is drawn: `x` and each of `ys` are names of columns. `kind` is "line", "bar" or "steps"."""

    kind: str
    x: str
    ys: tuple[str, ...]
    log_x: bool = False
    log_y: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """`rows` have one cell per column; None is shown as a dash. Units are part of the column's name: "p50 (ms)".

    `keys`: how many of the first columns name a row; where a table is too wide, each of its parts has them.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    plot: Plot | None = None
    keys: int = 1

    def column(self, name: str) -> list[Cell]:
        """All cells of the column `name`; ValueError if there is none."""
        at = self.columns.index(name)
        return [row[at] for row in self.rows]


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one sub-command. `samples` are for histograms: name -> milliseconds.

    `verdict`: what was measured, in a sentence without a full stop; it is shown first. `facts`: the figures from which
    the sentence about all results is made, by their names in bench/verdict.py.
    """

    command: str
    tables: tuple[Table, ...]
    notes: tuple[str, ...] = ()
    exit_code: int = 0  # not 0: a requested check failed, and a note says which
    samples: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    verdict: str = ""
    facts: Mapping[str, float] = field(default_factory=dict)
