"""Air's command: its arguments, and the preparation of the process."""

from __future__ import annotations

import argparse
from pathlib import Path

from gateway import config
from gateway.air import recorder_link
from gateway.air.role import Air
from gateway.air.session_manager import await_order
from gateway.config import AirConfig
from gateway.guards import Guards
from gateway.local_users import LocalUsers
from gateway.loop import hardening, watchdog
from gateway.report import log
from keys.folders.device import DeviceFolder


def command(parser: argparse.ArgumentParser) -> None:
    """run aboard: seal telemetry and video to the stations of the order in force"""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        "example:\n  zegel air --device drone7 --fc serial:/dev/ttyAMA0:921600"
        " --video udpin:127.0.0.1:5602 --link udpout:192.168.10.2:14600"
    )
    parser.add_argument("--config", metavar="air.toml", help="read the same options from a file")
    parser.add_argument("--device", metavar="DIR", help="the device folder (zegel device init)")
    parser.add_argument("--fc", metavar="ENDPOINT", help="the flight controller; default udpin:127.0.0.1:14560")
    parser.add_argument(
        "--video",
        metavar="ENDPOINT",
        action="append",
        help="a camera's datagrams; at most two; default udpin:127.0.0.1:5602 and :5606",
    )
    parser.add_argument(
        "--link", metavar="ENDPOINT", action="append", help="where to send, such as udpout:192.168.10.2:14600; repeatable"
    )
    parser.add_argument("--mtu", type=int, metavar="BYTES", help="largest datagram of the link; default 1472")
    parser.add_argument(
        "--link-kbit", type=int, metavar="N", help="rate of the narrowest link; default 8000, serial: its own"
    )
    parser.add_argument("--flush-ms", type=float, metavar="MS", help="how long a frame waits for others; default 2")
    parser.add_argument(
        "--system-id",
        type=int,
        metavar="N",
        help="the MAVLink system id of this aircraft, SYSID_THISMAV or MAV_SYS_ID; default 1",
    )
    parser.add_argument(
        "--rewrite",
        action="store_true",
        default=None,
        help="give stations their own video port in place of a camera's address (VIDEO_STREAM_INFORMATION)",
    )
    parser.add_argument(
        "--seen-by",
        metavar="VENDOR",
        action="append",
        help="a vendor that holds pictures before they come here without a [[source]], such as dji; repeatable",
    )
    parser.add_argument(
        "--record",
        dest="record_folder",
        metavar="DIR",
        type=Path,
        help="where a recorder of this zegel air's own writes, if the order has a recording key; made if it is not there",
    )
    parser.add_argument("--guard", metavar="guard.toml", help="guard policies of the agency's own, if the order names them")
    config.add_plain_users(parser)
    parser.add_argument("--tuning", metavar="tuning.toml", help="settings that suit this board (zegel bench tune)")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    settings = config.load(AirConfig, args)
    recorder = recorder_link.recorder(config.given(args), settings.record.folder, args.record_folder)
    hardening.harden()
    # A lost ssh sends SIGHUP, and some terminals stop a background process that writes.
    hardening.ignore("SIGHUP", "SIGTTOU")
    with log.by_queue(), watchdog.Manager() as manager, DeviceFolder.open(Path(settings.device)) as device:
        Guards.aboard(settings.guard, device)
        await_order(device, manager)
        users = LocalUsers(settings.plain_users, config.given(args), sources=bool(settings.source))
        Air(settings, device, manager, users, recorder).run()
    return 0
