"""Ground's command: its arguments, and how a process prepares before it listens."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from gateway import config
from gateway.config import GroundConfig
from gateway.ground import order_file
from gateway.ground.role import Ground
from gateway.guards import Guards
from gateway.local_users import LocalUsers
from gateway.loop import hardening, watchdog
from gateway.report import log
from keys.folders.station import StationFolder


def command(parser: argparse.ArgumentParser) -> None:
    """run at a station: open what the order grants it, and hand it to QGroundControl and the video player"""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        "example:\n  zegel ground --station pilot --order op.order --link udpin:0.0.0.0:14600"
        " --gcs udpout:127.0.0.1:14550 --video udpout:127.0.0.1:5600"
    )
    parser.add_argument("--config", metavar="ground.toml", help="read the same options from a file")
    parser.add_argument("--station", metavar="DIR", help="the station folder (zegel station init)")
    parser.add_argument("--order", metavar="op.order", help="the operation order that lists this station")
    parser.add_argument("--link", metavar="ENDPOINT", action="append", help="default udpin:0.0.0.0:14600; repeatable")
    parser.add_argument("--gcs", metavar="ENDPOINT", action="append", help="default udpout:127.0.0.1:14550; repeatable")
    parser.add_argument("--video", metavar="ENDPOINT", action="append", help="players of video A and B; 5600, 5604")
    parser.add_argument("--feed", metavar="tcp://127.0.0.1:PORT", help="publish what is opened by TCP too (ZeroMQ)")
    parser.add_argument(
        "--notices",
        action="store_true",
        default=None,
        help="tell the ground control stations in words if a camera or the flight controller is silent (STATUSTEXT)",
    )
    parser.add_argument(
        "--record", metavar="DIR", help="keep what comes by the links, sealed, in this folder (zegel recording play)"
    )
    parser.add_argument("--mtu", type=int, metavar="BYTES", help="largest datagram of the link; default 1472")
    parser.add_argument(
        "--accept-older-session",
        metavar="NAME:COUNTER",
        help="open this start of this aircraft although a later one was heard; only if you know why it is",
    )
    parser.add_argument("--guard", metavar="guard.toml", help="guard policies of the agency's own, if the order names them")
    config.add_plain_users(parser)
    parser.add_argument("--tuning", metavar="tuning.toml", help="what suits this board (zegel bench tune)")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    settings = config.load(GroundConfig, args)
    guards = Guards.of(settings.guard)
    hardening.harden()
    hardening.ignore("SIGTTOU")  # some terminals stop a background process that writes
    station = StationFolder.open(Path(settings.station))
    order = station.newest_order(order_file.read(settings.order), int(time.time()))
    guards.require_for(order.content)
    with log.by_queue(), watchdog.Manager() as manager, station.hold():
        Ground(settings, station, order, manager, LocalUsers(settings.plain_users, config.given(args)), guards).run()
    return 0
