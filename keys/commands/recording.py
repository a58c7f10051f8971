"""`zegel recording keygen`: a recording key, made where recordings are opened.

What lives here: arguments and sentences. What must not: a rule about keys or files.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from keys.commands import account, arguments
from keys.commands.arguments import COMPARE
from keys.commands.terminal import show
from keys.folders.recording import PROFILES, PUBLIC, RecordingFolder
from keys.grant import Profile


def keygen(add: arguments.Add) -> None:
    make = add("keygen", _keygen, "make a recording key, to which aircraft seal recordings", "archive --name archive")
    make.add_argument("dir", type=Path, metavar="DIR", help="a folder that does not exist yet")
    make.add_argument("--name", required=True, help="the name of the key in orders")
    labels = [profile.label for profile in PROFILES]
    make.add_argument(
        "--profile", choices=labels, default=labels[0], help="how recordings are sealed to it; default x-wing"
    )


def _keygen(args: argparse.Namespace) -> int:
    with account.owner(args.dir).acting():
        public = RecordingFolder.init(args.dir, args.name, Profile.from_name(args.profile))
    show(f"recording key {public.name!r} made in {args.dir}: it opens the recordings of every order that lists it")
    show(f"  key fingerprint {public.fingerprint} ({public.profile.label})")
    show("  keep the folder offline, with a copy in another place: without it no recording opens")
    show(f"next: give {arguments.word(args.dir / PUBLIC)} to the agency that issues the order, and {COMPARE};")
    show(f"  zegel order issue ... --recording {PUBLIC}")
    return 0
