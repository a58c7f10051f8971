"""`zegel bench`: the list of measurements, and how they are run and shown. It measures nothing itself."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

from bench import machine, record, show, suite, verdict
from bench.lines import Lines
from bench.measures import pi, report, share, tune
from bench.result import Options, Result
from bench.suite import Measurement
from keys.commands import account

BAR = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
COMMANDS: dict[str, Measurement] = {**suite.ALL, "pi": pi, "report": report, "share": share, "tune": tune}


def command(parser: argparse.ArgumentParser) -> None:
    """measure the sealing on this machine, compared with alternative programs"""
    _common(parser)
    parser.set_defaults(run=_run, names=list(suite.ALL))
    subparsers = parser.add_subparsers(metavar="WHAT")
    for name, module in COMMANDS.items():
        summary = show.summary(module)
        made = subparsers.add_parser(name, help=summary, description=summary)
        _common(made)
        made.set_defaults(names=[name], parser=made)
        if hasattr(module, "arguments"):
            module.arguments(made)


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quick", action="store_true", help="the short form: seconds instead of minutes")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")


def _run(args: argparse.Namespace) -> int:
    account.forget_invoker()
    console = Console(stderr=args.json)
    for module in (COMMANDS[name] for name in args.names):
        if hasattr(module, "require"):
            module.require(args)
    results: list[Result] = []
    try:
        results.extend(measure(args.names, Options(quick=args.quick, args=args)))
    finally:  # what was measured before an error, or before Ctrl-C, is shown
        if results and args.json:
            sys.stdout.buffer.write(record.to_json(record.of_this_machine(results, args.quick)))
        elif results:
            _print(results, args.quick, console)
    return max((result.exit_code for result in results), default=0)


def _print(results: Sequence[Result], quick: bool, console: Console) -> None:
    """The verdict about all of them first; then the machine, and each."""
    rough = verdict.QUICK if quick else ""
    show.plain(rough, console)
    if len(results) > 1:
        show.plain(verdict.whole(results), console)
    for name, fact in machine.describe().items():
        show.plain(f"{name}: {fact}", console)
    for result in results:
        console.rule(result.command)
        show.terminal(result, console)
    show.plain(rough, console)


def measure(names: Iterable[str], options: Options) -> Iterator[Result]:
    """Run these measurements in turn; standard error has a progress bar, or without a terminal a line now and then."""
    for name in names:
        if not sys.stderr.isatty():
            yield COMMANDS[name].measure(options, Lines(name, sys.stderr).show)
            continue
        with Progress(*BAR, console=Console(stderr=True), transient=True) as bar:
            result = COMMANDS[name].measure(options, partial(_show, bar, bar.add_task(name)))
        yield result


def _show(bar: Progress, task: TaskID, done: float, total: float, what: str) -> None:
    bar.update(task, completed=done, total=total, description=what)
