"""`zegel console`: its arguments, its link, and the preparation of the process."""

from __future__ import annotations

import argparse
import ipaddress
import os
import webbrowser
from pathlib import Path

from gateway.console import token_file
from gateway.console.role import Role
from gateway.errors import ConfigError
from gateway.loop import watchdog
from gateway.report import log
from keys.commands.terminal import show

PORT = 8088
DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")
WHY_LOOPBACK = (
    "a browser decodes video only of its own computer (WebCodecs needs a secure context), and a viewer on another computer "
    "should be a station of its own, with a key that can be revoked: docs/console.md has its two lines"
)


def command(parser: argparse.ArgumentParser) -> None:
    """show in a browser of this computer what its grounds receive, and who can read it"""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "example:\n  zegel console --open\n  zegel console --map harbour.mbtiles\n  sudo zegel console --link"
    parser.add_argument("--port", metavar="PORT", default=str(PORT), help=f"on this computer alone; default {PORT}")
    parser.add_argument("--map", metavar="FILE.mbtiles", type=Path, help="tiles of a map, for use without internet")
    parser.add_argument(
        "--transcode", action="store_true", help="make H.264 of H.265 by ffmpeg, for a browser without H.265"
    )
    parser.add_argument("--open", action="store_true", help="open the page in the browser, if there is a display")
    parser.add_argument(
        "--new-token", action="store_true", help="make a new link; browsers that have the earlier one are logged out"
    )
    parser.add_argument("--link", action="store_true", help="print the link of the console that runs, and end")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    port = _port(args.port)
    if args.link:
        show(token_file.link(renew=args.new_token))
        return 0
    with log.by_queue(), watchdog.Manager() as manager, token_file.TokenFile() as tokens:
        role = Role(port, tokens, manager, map_file=args.map, transcode=args.transcode)
        role.run(tokens.renew() if args.new_token else tokens.read(), _open if args.open else None)
    return 0


def _port(text: str) -> int:
    """ConfigError for what is no port, and for an address of another computer."""
    host, _, number = text.rpartition(":")
    if host and not _is_loopback(host.strip("[]")):
        raise ConfigError(f"the console is not offered at {host}, only on this computer", hint=WHY_LOOPBACK)
    if not (number.isascii() and number.isdecimal() and 0 < int(number) < 1 << 16):
        raise ConfigError(f"{text} is no port", hint=f"--port {PORT}")
    return int(number)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _open(link: str) -> None:
    if any(map(os.environ.get, DISPLAYS)):
        webbrowser.open(link)
