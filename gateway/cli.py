"""`zegel`: parse and dispatch, nothing else.

Sub-commands are found by entry point (group "zegel.commands"), so this file imports none of them, and only the one
that is asked for is loaded. Each is a function that fills its argparse parser and sets `run`.
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
        fill = commands[name].load()
        summary = (fill.__doc__ or "").strip().splitlines()[0]
        made = subparsers.add_parser(name, help=summary, description=summary)
        made.set_defaults(parser=made)
        fill(made)
    return parser


if __name__ == "__main__":
    sys.exit(main())
