"""Budget: the committed figures of `zegel bench pi`, the figures that exceed them, and those that are wanted.

Each region has two figures: all instructions, and those outside the AEAD. OpenSSL's cipher is most of a sealed datagram, so
a needless copy of a datagram shows only in the second.

What lives here: budget.json and the comparison. What must not: counting (emulation.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

COMMITTED = Path(__file__).parent / "budget.json"
GROWTH = 0.05  # percent by which a figure may grow without a new budget
# Differences of two counts (Region.less) vary as the larger one does: by a hundredth of what was subtracted.
SUBTRACTED = dict.fromkeys(("wake-up 1 C", "wake-up 8 C", "wake-up 28 C", "recorded wake-up 1 C"), "wake-up 0 C")
NOISE = 0.01
SEALED_AT_MOST = 20_000  # promised: instructions per sealed datagram of 1,200 bytes, with AES instructions
WRITE = "zegel bench pi --write-budget"


class Figure(msgspec.Struct, frozen=True):
    """Instructions a unit: all, and those that are not the AEAD's."""

    total: int
    outside_aead: int


Figures = Mapping[str, Mapping[str, Figure]]  # model -> region -> figure


def load(path: Path | None = None) -> Figures:
    """The committed figures; none if there is no such file."""
    path = path or COMMITTED
    return msgspec.json.decode(path.read_bytes(), type=dict[str, dict[str, Figure]]) if path.exists() else {}


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
                continue
            pairs = {"": (figure.total, allowed.total), " outside the AEAD": (figure.outside_aead, allowed.outside_aead)}
            subtracted = budget[model].get(SUBTRACTED.get(region, ""))
            noise = NOISE * subtracted.total if subtracted else 0
            for which, (now, then) in pairs.items():
                if now > then * (1 + GROWTH) + noise:
                    more = f"{now:,} instructions{which} are {growth(now, then)} % more than the budget of {then:,}"
                    yield f"{region}, {model}: {more}"
    model, region = promise
    if (sealed := figures[model][region].total) > SEALED_AT_MOST:
        yield f"{region}, {model}: {sealed:,} instructions; the product promises at most {SEALED_AT_MOST:,}"
