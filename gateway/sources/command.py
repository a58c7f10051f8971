"""`zegel source`: its arguments, and the preparation of the process."""

from __future__ import annotations

import argparse
from pathlib import Path

from gateway import config
from gateway.config import AirConfig
from gateway.errors import ConfigError
from gateway.loop import hardening, watchdog
from gateway.report import log
from gateway.sources.role import Sources
from keys.commands.terminal import show


def command(parser: argparse.ArgumentParser) -> None:
    """bring pictures of cameras, controllers and vendors' programs to zegel air, in a process without keys"""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        "example:\n  zegel source --config air.toml\n\nThe tables [[source]] of that file name them: docs/sources.md"
    )
    parser.add_argument("--config", metavar="air.toml", required=True, help="the file that zegel air reads too")
    parser.add_argument(
        "--jails", action="store_true", help="write what systemd allows the program of each [vendor.NAME], as root, and end"
    )
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    path = Path(args.config)
    settings = config.load_file(AirConfig, path)
    if args.jails:
        return _write_jails(settings)
    if not settings.source:
        raise ConfigError(
            f"{path} has no [[source]]", hint="sudo zegel setup air asks for one; docs/sources.md shows each kind"
        )
    hardening.ignore("SIGHUP", "SIGTTOU")
    with log.by_queue(), watchdog.Manager() as manager:
        Sources(settings, path.stem, manager).run()
    return 0


def _write_jails(settings: AirConfig) -> int:
    from gateway.board import jail  # noqa: PLC0415 - what runs needs none of it

    for path in jail.write(settings):
        show(f"written: {path}")
    names = " ".join(f"zegel-vendor@{name}" for name in settings.vendor)
    show(f"next: sudo systemctl daemon-reload && sudo systemctl restart {names}" if names else "there is no [vendor.NAME]")
    return 0
