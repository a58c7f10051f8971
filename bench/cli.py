"""`zegel bench`: the list of measurements, and how they are run and shown. It measures nothing itself."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from functools import partial

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

from bench import machine, record, show, suite
from bench.measures import pi, report, tune
from bench.result import Options, Result
from bench.suite import Measurement
from keys.commands import account

BAR = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
COMMANDS: dict[str, Measurement] = {**suite.ALL, "pi": pi, "report": report, "tune": tune}


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
    if not args.json:
        for name, fact in machine.describe().items():
            console.print(f"{name}: {fact}", highlight=False, markup=False)
    results = []
    for result in measure(args.names, Options(quick=args.quick, args=args)):
        results.append(result)
        if not args.json:
            show.terminal(result, console)
    if args.json:
        sys.stdout.buffer.write(record.to_json(record.of_this_machine(results, args.quick)))
    return max((result.exit_code for result in results), default=0)


def measure(names: Iterable[str], options: Options) -> Iterator[Result]:
    """Run these measurements in turn, with a progress bar on standard error."""
    for name in names:
        with Progress(*BAR, console=Console(stderr=True), transient=True) as bar:
            result = COMMANDS[name].measure(options, partial(_show, bar, bar.add_task(name)))
        yield result


def _show(bar: Progress, task: TaskID, done: float, total: float, what: str) -> None:
    bar.update(task, completed=done, total=total, description=what)
