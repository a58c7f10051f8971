"""Wanted: a figure that was measured, the bound that it is to keep, and whether it does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.result import Cell, Table
from bench.show import text

COLUMNS = ("what", "measured", "wanted", "met")


@dataclass(frozen=True, slots=True)
class Wanted:
    """`most`: the bound is the largest value that is allowed; otherwise the least."""

    what: str
    measured: float
    bound: float
    most: bool = True

    @property
    def met(self) -> bool:
        return self.measured <= self.bound if self.most else self.measured >= self.bound

    def row(self) -> tuple[Cell, ...]:
        return self.what, self.measured, f"{'at most' if self.most else 'at least'} {text(self.bound)}", _words(self.met)


def _words(met: bool) -> str:
    return "yes" if met else "NO"


def table(wanted: Sequence[Wanted], title: str) -> Table:
    return Table(title, COLUMNS, tuple(each.row() for each in wanted))


def summary(wanted: Sequence[Wanted]) -> str:
    """How many bounds are kept, and which are not."""
    missed = [each.what for each in wanted if not each.met]
    kept = f"{len(wanted) - len(missed)} of {len(wanted)} bounds are kept"
    return f"{kept}, and not: {', '.join(missed)}" if missed else kept
