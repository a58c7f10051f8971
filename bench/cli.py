"""`zegel bench`: which measurements there are, and how they are run and shown. Measures nothing itself."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from importlib import import_module
from types import ModuleType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from bench import machine, record, show
from bench.result import Options, Result

BAR = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
# Modules of bench.measures, each with `measure(options, progress)`; its docstring's first line is its summary, and what
# `arguments(parser)` adds, if there is one, is in `options.args`. `require(args)`, if there is one, is asked first of all.
# Without a name `zegel bench` runs ALL in this order.
ALL: tuple[str, ...] = ("cipher", "batching", "link", "latency", "mavlink", "peers")
COMMANDS: tuple[str, ...] = (*ALL, "pi", "report", "tune")


def command(parser: argparse.ArgumentParser) -> None:
    """measure the sealing on this machine, beside the programs one would use instead"""
    _common(parser)
    parser.set_defaults(run=_run, names=list(ALL))
    subparsers = parser.add_subparsers(metavar="WHAT")
    for name in COMMANDS:
        module = _module(name)
        summary = show.summary(name)
        made = subparsers.add_parser(name, help=summary, description=summary)
        _common(made)
        made.set_defaults(names=[name], parser=made)
        if hasattr(module, "arguments"):
            module.arguments(made)


def _module(name: str) -> ModuleType:
    return import_module(f"bench.measures.{name}")


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quick", action="store_true", help="the short form: seconds instead of minutes")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")


def _run(args: argparse.Namespace) -> int:
    console = Console(stderr=args.json)
    for module in map(_module, args.names):
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
            task = bar.add_task(name)
            result: Result = _module(name).measure(
                options,
                lambda done, total, what, bar=bar, task=task: bar.update(
                    task, completed=done, total=total, description=what
                ),
            )
        yield result
