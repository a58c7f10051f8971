"""`zegel`: parse and dispatch, nothing else.

Sub-commands are found by entry point (group "zegel.commands"), so this file imports none of them, and only the one
that is asked for is loaded. Each is a function that fills its argparse parser and sets `run`. Its first line of help is
also here, so that `zegel --help` loads none.
"""

from __future__ import annotations

import argparse
import sys
from importlib.metadata import EntryPoint, entry_points, version

from gateway.errors import GatewayError
from gateway.loop import hardening
from gateway.report import log
from keys import typo
from keys.commands.terminal import show
from keys.errors import KeysError
from keys.printable import printable

GROUP = "zegel.commands"
INTERRUPTED = 130  # as shells report a program that SIGINT has ended
SUMMARIES = {
    "agency": "make an agency's keys, and certify its devices",
    "air": "run aboard: seal telemetry and video to the stations of the order in force",
    "bench": "measure the sealing on this machine, compared with alternative programs",
    "console": "show in a browser of this computer what its grounds receive, and who can read it",
    "demo": "show the main job on this computer, with temporary keys, in about a minute",
    "device": "make an aircraft's key, enrol it with its agency, and load orders",
    "doctor": "check whether this board is ready to fly, and say what to do if it is not",
    "egress": "let only Zegel's user send on the ground links, by nftables; and test it",
    "ground": "run at a station: open what the order grants it, and hand it to QGroundControl and the video player",
    "guard": "say what a guard policy would let through of a telemetry log",
    "metrics": "give the status of the running roles to Prometheus, on a loopback port or in a file, or as JSON lines",
    "order": "issue, read and verify operation orders",
    "record": "ask the aircraft to record video, or to pause that, and say what came of it",
    "recorder": "run aboard with zegel air: keep what flies on the card, sealed to the recording keys of the order",
    "recording": "make a recording key; list, play, export and disclose what an aircraft or a ground recorded",
    "setup": "ask five questions, write the configuration, and say what to wire and to set",
    "share": "hand the opened feed of this station, in clear, to systems of a control room: video by RTSP",
    "source": "bring pictures of cameras, controllers and vendors' programs to zegel air, in a process without keys",
    "station": "make a ground station's key for one operation, and destroy it afterwards",
    "status": "show what every running air and ground on this computer is doing",
}


def main(argv: list[str] | None = None) -> int:
    """Run one command; the exit code is 0 only if all went well."""
    words = sys.argv[1:] if argv is None else argv
    commands = {command.name: command for command in entry_points(group=GROUP)}
    args, unknown = _parser(commands, words).parse_known_args(words)
    if unknown:  # argparse would print the usage of the whole program
        near = typo.meant(unknown[0], args.parser._option_string_actions)
        args.parser.error(f"there is no {printable(' '.join(unknown))} here; {near}".rstrip("; "))
    if getattr(args, "holds_key", False) and not hardening.harden():
        show(f"zegel: {hardening.NOT_LOCKED}", errors=True)
    try:
        return int(args.run(args) or 0)
    except (GatewayError, KeysError) as error:
        log.flush()  # so that earlier output appears before it
        show(f"zegel: {printable(error)}", errors=True)
        if error.hint:
            show(f"  hint: {printable(error.hint)}", errors=True)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # `zegel ... | head`
        sys.stderr.close()
        return 0
    except OSError as error:  # a full disk, a path that does not exist: the system's message is sufficient
        where = f": {error.filename}" if error.filename else ""
        show(f"zegel: {printable(f'{error.strerror or error}{where}')}", errors=True)
        return GatewayError.exit_code


def _parser(commands: dict[str, EntryPoint], words: list[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="zegel",
        description="seal an aircraft's telemetry and video with keys that only the agency holds",
        epilog="zegel COMMAND --help shows an example of each",
    )
    parser.add_argument("--version", action="version", version=f"zegel {version('zegel')}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    asked = next((word for word in words if word in commands), None)
    for name in sorted(commands) if asked is None else [asked]:
        summary = SUMMARIES.get(name, "")
        made = subparsers.add_parser(name, help=summary, description=summary)
        made.set_defaults(parser=made)
        if asked is not None:
            commands[name].load()(made)
    return parser


if __name__ == "__main__":
    sys.exit(main())
