"""Pi: all measurements on this Raspberry Pi; elsewhere the instructions of the data path on an emulated one.

What lives here: the choice of the two, and their tables. emulation.py counts, budget.py has the committed figures.
"""

from __future__ import annotations

import argparse

from bench import budget, emulation, suite
from bench.budget import growth
from bench.emulation import MODELS, PI_5, Counts
from bench.result import Options, Progress, Result, Table
from bench.sysroot import CannotCount, sysroot
from gateway.board import computer, health

PER = {
    "aead": "AES-256-GCM alone",
    "seal": "sealed",
    "mixed": "sealed, mixed sizes",
    "open": "opened",
    "air": "read, sealed, sent",
    "ground": "read, opened, sent",
    "wake-up 1": "wake-up for 1 datagram, both ends",
    "wake-up 8": "for 8",
    "wake-up 28": "for 28",
    "frame": "MAVLink frame sealed",
}
NOTES = (
    "A datagram has 1,200 bytes, in batches of 64; of mixed sizes every eighth is shorter. A frame is cut from its"
    " stream, bundled and sealed.",
    "Over: the growth of a figure since bench/budget.json was written. The other columns: the library of the instructions.",
    "Counted, not timed: user space alone, the garbage collector off. An instruction is not a cycle: these figures"
    " compare versions of this program, not boards. No physical board was measured for this table.",
)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `zegel bench pi` when it counts."""
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="fail if a figure is more than 5 %% over the committed one")
    what.add_argument("--write-budget", action="store_true", help="make the figures of this run the budget")


def measure(options: Options, progress: Progress) -> Result:
    name = computer.model()
    return _on_board(name, options, progress) if computer.is_pi(name) else _emulated(options, progress)


# --- on a Pi ---


def _on_board(name: str, options: Options, progress: Progress) -> Result:
    before = health.state()
    results = suite.measure(options, progress)
    after = health.state()
    rows = tuple((fact, value, after.get(fact)) for fact, value in before.items())
    held = Table(name, ("", "before", "after"), rows, () if rows else ("the system does not report clock and heat",))
    return Result(
        "pi",
        (held, *(table for result in results for table in result.tables)),
        tuple(note for result in results for note in result.notes),
        max((result.exit_code for result in results), default=0),
        {name: values for result in results for name, values in result.samples.items()},
    )


# --- elsewhere ---


def _emulated(options: Options, progress: Progress) -> Result:
    check = getattr(options.args, "check", False)
    try:
        counted = _count(progress)
    except CannotCount as error:
        skipped = f"instructions are not counted: {error}" + f" ({error.hint})" * bool(error.hint)
        return Result("pi", (), (skipped,), exit_code=int(check))
    figures = {model: counts.total for model, counts in counted.items()}
    if getattr(options.args, "write_budget", False):
        budget.write(figures)
    committed = budget.load()
    problems = tuple(budget.broken(figures, committed, (PI_5.name, "seal"))) if check else ()
    verdict = problems or ("every figure is within its budget",) * check
    tables = tuple(_table(model, counts, committed.get(model, {})) for model, counts in counted.items())
    return Result("pi", tables, (*NOTES, *verdict), exit_code=int(bool(problems)))


def _count(progress: Progress) -> dict[str, Counts]:
    progress(0, len(MODELS) + 1, "pi: an emulated aarch64")
    root = sysroot()
    counted = {}
    for done, model in enumerate(MODELS, 1):
        progress(done, len(MODELS) + 1, f"pi: {model.name}")
        counted[model.name] = emulation.count(root, model)
    progress(1, 1, "pi")
    return counted


def _table(model: str, counts: Counts, committed: dict[str, int]) -> Table:
    """Instructions in total, and by their library."""
    labels = tuple(next(iter(counts.where.values())))
    rows = tuple(
        (what, (total := counts.total[region]), growth(total, committed.get(region)), *counts.where[region].values())
        for region, what in PER.items()
    )
    return Table(f"Instructions on an emulated {model}", ("per datagram", "all", "over (%)", *labels), rows)
