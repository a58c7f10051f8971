"""Pi: all measurements on this Raspberry Pi; elsewhere the instructions of the data path on an emulated one.

What lives here: the choice of the two, and their tables. emulation.py counts, budget.py has the committed figures, and
power.py reads the watts of a board.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench import budget, counted_tree, emulation, power, suite, verdict
from bench.budget import Figure, growth
from bench.emulation import AEAD, MODELS, PI_5, Counts
from bench.result import Cell, Options, Progress, Result, Table
from bench.sysroot import CannotCount, sysroot
from gateway.board import computer, health

PER = {
    "aead": "AES-256-GCM alone",
    "seal": "sealed",
    "mixed": "sealed, mixed sizes",
    "open": "opened",
    "air": "read, sealed, sent",
    "ground": "read, opened, sent",
    "wake-up 1": "wake-up for 1, both ends",
    "wake-up 8": "for 8",
    "wake-up 28": "for 28",
    "air C": "read, sealed, sent, in C",
    "ground C": "read, opened, sent, in C",
    "wake-up 0 C": "a wait in C, both ends",
    "wake-up 1 C": "a wake-up of it for 1",
    "wake-up 8 C": "for 8",
    "wake-up 28 C": "for 28",
    "recorded wake-up 1 C": "for 1 that is recorded, too",
    "frame": "MAVLink frame sealed",
    "record": "KiB recorded",
    "cut": "segment ended, with its leaf",
}
SEALED, SEALED_IN_C, LONE, LONE_IN_C, RECORDED = "air", "air C", "wake-up 1", "wake-up 1 C", "record"
WANTED = {SEALED_IN_C: 9_800, LONE: 240_000, LONE_IN_C: 60_000, RECORDED: 8_000}  # at most, with AES instructions
NOTES = (
    "A datagram has 1,200 bytes, in batches of 64; of mixed sizes every eighth is shorter. A frame is cut from its"
    " stream, bundled and sealed.",
    "A recorded KiB is the recorder's: from a message of the aircraft to ciphertext in a file; there the AEAD has SHA-256"
    " with it. The end of a segment is its leaf, and all that is written then.",
    "Over: the growth since bench/budget.json was written, of all instructions, and of the rest outside the AEAD."
    " The other columns: the library of the instructions.",
    "Counted, not timed: user space alone, the garbage collector off. An instruction is not a cycle: these figures"
    " compare versions of this program, not boards. No physical board was measured for this table.",
    power.ELSEWHERE,
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
    drawn = power.measure(options, progress)
    return Result(
        "pi",
        (held, *drawn.tables, *(table for result in results for table in result.tables)),
        (*drawn.notes, *(note for result in results for note in result.notes)),
        exit_code=max((result.exit_code for result in results), default=0),
        samples={name: values for result in results for name, values in result.samples.items()},
        verdict="; ".join(filter(None, (verdict.whole(results), drawn.verdict))),
        facts={name: value for result in results for name, value in result.facts.items()},
    )


# --- elsewhere ---


def _emulated(options: Options, progress: Progress) -> Result:
    check = getattr(options.args, "check", False)
    try:
        counted, left_out = _count(progress, check)
    except CannotCount as error:
        return Result("pi", (), (_left_out("instructions", error),), int(check), verdict="no instructions were counted")
    figures = {model: budgeted(counts) for model, counts in counted.items()}
    if getattr(options.args, "write_budget", False):
        budget.write(figures)
    committed = budget.load()
    problems = tuple(budget.broken(figures, committed, (PI_5.name, "seal")))
    tables = tuple(_table(model, counts, committed.get(model, {})) for model, counts in counted.items())
    notes = (*NOTES, *left_out, *(problems if check else ()))
    facts = {verdict.OVER_BUDGET: float(len(problems))}
    return Result("pi", tables, notes, int(check and bool(problems)), verdict=_verdict(counted, problems), facts=facts)


def _left_out(what: str, error: CannotCount) -> str:
    return f"{what} are not counted: {error}" + f" ({error.hint})" * bool(error.hint)


def _count(progress: Progress, check: bool) -> tuple[dict[str, Counts], list[str]]:
    """By model; and a note if C is left out, which fails a check."""
    progress(0, len(MODELS) + 1, "pi: an emulated aarch64")
    root, left_out = sysroot(), []
    counted = {}
    with tempfile.TemporaryDirectory(prefix="zegel-bench-") as folder:
        tree = counted_tree.copy(Path(folder))
        try:
            counted_tree.build(tree)
        except CannotCount as error:
            if check:
                raise
            left_out.append(_left_out("the turns in C", error))
        for done, model in enumerate(MODELS, 1):
            progress(done, len(MODELS) + 1, f"pi: {model.name}")
            counted[model.name] = emulation.count(root, model, tree)
    progress(1, 1, "pi")
    return counted, left_out


def budgeted(counts: Counts) -> dict[str, Figure]:
    """What the budget has of these counts."""
    return {region: Figure(total, total - counts.where[region][AEAD]) for region, total in counts.total.items()}


def _table(model: str, counts: Counts, committed: Mapping[str, Figure]) -> Table:
    """Instructions in total, and by their library."""
    labels = tuple(next(iter(counts.where.values())))
    figures, rows = budgeted(counts), list[tuple[Cell, ...]]()
    for region, what in PER.items():
        if (now := figures.get(region)) is not None:
            then = committed.get(region)
            over = (growth(now.total, then.total), growth(now.outside_aead, then.outside_aead)) if then else (None, None)
            wanted = WANTED.get(region) if model == PI_5.name else None
            rows.append((what, now.total, *over, wanted, *counts.where[region].values()))
    columns = ("per datagram", "all", "over (%)", "rest over (%)", "wanted", *labels)
    return Table(f"Instructions on an emulated {model}", columns, tuple(rows))


def _verdict(counted: Mapping[str, Counts], problems: Sequence[str]) -> str:
    total = counted[PI_5.name].total
    told = [f"{total[SEALED]:,} instructions in Python", f"{total[LONE]:,} in Python"]
    if SEALED_IN_C in total:
        told = [f"{told[0]} and {total[SEALED_IN_C]:,} in C", f"{told[1]} and {total[LONE_IN_C]:,} in C"]
    said = f"on an emulated {PI_5.name} a datagram in a batch takes {told[0]} to read, seal and send"
    over = f"{len(problems)} figures are over their budget" if problems else "every figure is within its budget"
    return f"{said}, and a lone one that wakes both ends {told[1]}; {over}"
