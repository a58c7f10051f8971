"""Report: all measurements as one page to send to a colleague, as Markdown, or as JSON."""

from __future__ import annotations

import argparse
from pathlib import Path

from bench import html, output, plot, record, show, suite, verdict
from bench.measures import pi, tune
from bench.record import Record
from bench.result import Options, Progress, Result
from gateway.board import computer
from gateway.errors import ConfigError

DEFAULT = Path("zegel-bench.html")
HTML, MARKDOWN, JSON = ".html", ".md", ".json"
# The subject of a result, by its command.
SENTENCES = {name: show.sentence(module) for name, module in {**suite.ALL, "pi": pi, "tune": tune}.items()}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        type=Path,
        action="append",
        help=f"a page ({HTML}), Markdown ({MARKDOWN}) or results ({JSON}); repeatable; default {DEFAULT}",
    )
    parser.add_argument(
        "--from",
        dest="source",
        metavar="results.json",
        type=Path,
        help="show these, of `zegel bench --json`; measure nothing",
    )


def measure(options: Options, progress: Progress) -> Result:
    paths = _paths(options.args)
    source: Path | None = options.args.source
    kept = record.read(source) if source else _run(options, progress)
    for path in paths:
        path.write_text(written(kept, path))
    failed = max((result.exit_code for result in kept.results), default=0)
    notes = tuple(f"written: {path}" for path in paths)
    return Result("report", (), notes, failed, verdict=record.verdict_of(kept))


def _paths(args: argparse.Namespace) -> list[Path]:
    return args.output or [DEFAULT]


def require(args: argparse.Namespace) -> None:
    """ConfigError, before anything is measured, if one of the files cannot be made."""
    for path in _paths(args):
        if path.suffix not in (HTML, MARKDOWN, JSON):
            raise ConfigError(
                f"{path}: this kind of file cannot be written", hint=f"end it in {HTML}, {MARKDOWN} or {JSON}"
            )
        output.require(path)
        if path.suffix == HTML:
            plot.require()


def _run(options: Options, progress: Progress) -> Record:
    on_pi = computer.is_pi(computer.model())  # on a Pi, `pi` runs the suite itself, between two checks of the board
    results = [*([] if on_pi else suite.measure(options, progress)), pi.measure(options, progress)]
    return record.of_this_machine(results, options.quick)


def written(kept: Record, path: Path) -> str:
    """The text of the file `path`, of the kind that its name requires."""
    command = f"zegel bench report{' --quick' if kept.quick else ''} -o {path}"
    if path.suffix == HTML:
        return html.html(kept, command, SENTENCES)
    return markdown(kept, command) if path.suffix == MARKDOWN else record.to_json(kept).decode()


def markdown(kept: Record, command: str) -> str:
    """The machine and all tables; each section is named after the command that measures it alone."""
    facts = "".join(f"| {name} | {fact} |\n" for name, fact in kept.machine.items())
    quick = [show.spoken(verdict.QUICK)] if kept.quick else []
    told = record.verdict_of(kept)
    first = ["# Figures", *quick, *([f"**{show.spoken(told)}**"] if told else [])]
    parts = ["\n\n".join((*first, f"Measured on {kept.day} by `{command}`.", f"| machine | |\n| --- | --- |\n{facts}"))]
    parts += [
        f"## `zegel bench {result.command}`\n\n{show.markdown(result, SENTENCES.get(result.command, ''))}"
        for result in kept.results
    ]
    return "\n".join((*parts, *(f"{line}\n" for line in quick)))
