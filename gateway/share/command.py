"""`zegel share`: its arguments, and the preparation of the process."""

from __future__ import annotations

import argparse
from pathlib import Path

from gateway.loop import hardening, watchdog
from gateway.report import log
from gateway.share import config
from gateway.share.role import Share


def command(parser: argparse.ArgumentParser) -> None:
    """hand the opened feed of this station, in clear, to systems of a control room: video by RTSP"""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        "example:\n  zegel share --config share.toml\n\nEach table of that file is an output; without one nothing is"
        " shared: docs/share.md"
    )
    parser.add_argument("--config", metavar="share.toml", type=Path, required=True, help="what is shared, where, with whom")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    settings = config.load(args.config)
    hardening.ignore("SIGHUP", "SIGTTOU")
    with log.by_queue(), watchdog.Manager() as manager:
        Share(settings, args.config.stem, manager).run()
    return 0
