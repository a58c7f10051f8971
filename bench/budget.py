"""Budget: the committed figures of `zegel bench pi`, and the figures that exceed them.

What lives here: budget.json and the comparison. What must not: counting (emulation.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

COMMITTED = Path(__file__).parent / "budget.json"
GROWTH = 0.05  # percent by which a figure may grow without a new budget
SEALED_AT_MOST = 20_000  # promised: instructions per sealed datagram of 1,200 bytes, with AES instructions
WRITE = "zegel bench pi --write-budget"

Figures = dict[str, dict[str, int]]  # model -> region -> instructions a unit


def load(path: Path | None = None) -> Figures:
    """The committed figures; none if there is no such file."""
    path = path or COMMITTED
    return msgspec.json.decode(path.read_bytes(), type=Figures) if path.exists() else {}


def write(figures: Figures, path: Path | None = None) -> None:
    (path or COMMITTED).write_bytes(msgspec.json.format(msgspec.json.encode(figures), indent=2) + b"\n")


def growth(figure: int, budget: int | None) -> float | None:
    """In percent of the budget, to a tenth: smaller differences depend on memory addresses. None without a budget."""
    return None if not budget else round(100 * (figure - budget) / budget, 1)


def broken(figures: Figures, budget: Figures, promise: tuple[str, str]) -> Iterator[str]:
    """A sentence for each figure that is too large. `promise`: the one that `SEALED_AT_MOST` limits."""
    for model, regions in figures.items():
        for region, figure in regions.items():
            allowed = budget.get(model, {}).get(region)
            if allowed is None:
                yield f"{region}, {model}: there is no budget: {WRITE}"
            elif figure > allowed * (1 + GROWTH):
                grown = growth(figure, allowed)
                yield f"{region}, {model}: {figure:,} instructions are {grown} % more than the budget of {allowed:,}"
    model, region = promise
    if figures[model][region] > SEALED_AT_MOST:
        yield f"{region}, {model}: {figures[model][region]:,} instructions; the product promises at most {SEALED_AT_MOST:,}"
