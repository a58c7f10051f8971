"""Arguments: how the commands about keys parse what people type, and the phrases that their answers share.

What lives here: argparse, and words and numbers in the form in which people write them. What must not: a rule about keys,
orders or files.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import functools
import operator
import re
import shlex
import time
from collections.abc import Callable
from pathlib import Path

from cryptography import x509

from keys.certificate import load_certificate, utc
from keys.commands import account
from keys.errors import ClockWrong, Denied
from keys.folders import files
from keys.folders.files import Kind
from keys.lanes import Role, role_names
from keys.order import EARLIEST, GUARDS, LATEST, Order
from keys.order_device import SYSTEM_MAX, SYSTEMS_MAX

ALL_ROLES = Role(sum(Role))
HOUR_S = 3600
HOURS_MAX = 366 * 24
_NUMBERS = re.compile(r"(\d{1,9}(,\d{1,9})*)?", re.ASCII)  # between commas, or none
COMPARE = "compare fingerprints by phone or in person"

Run = Callable[[argparse.Namespace], int]
Add = Callable[[str, Run, str, str], argparse.ArgumentParser]  # see `commands`


def commands(parser: argparse.ArgumentParser) -> Add:
    """Adds a sub-command: (name, run, what it does, an example of its arguments).

    A command is assumed to read or make a private key (`holds_key`), and its process is hardened, unless it says otherwise.
    """
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "examples:"

    def add(name: str, run: Run, summary: str, example: str) -> argparse.ArgumentParser:
        made = subparsers.add_parser(name, help=summary, description=summary, formatter_class=parser.formatter_class)
        made.epilog = f"example:\n  {parser.prog} {name} {example}"
        made.set_defaults(run=functools.partial(_as_invoker, run), parser=made, holds_key=True)
        parser.epilog = f"{parser.epilog}\n  {parser.prog} {name} {example}"
        return made

    return add


def _as_invoker(run: Run, args: argparse.Namespace) -> int:
    """Files are read and written as the person who called sudo; a command acts in a folder of keys as its owner."""
    with account.invoker().acting():
        try:
            return run(args)
        except Denied as error:
            error.hint = _by_sudo(error.hint)
            raise


def _by_sudo(hint: str) -> str:
    """The hint for one who may not read or write something, with whoever it was that might not."""
    if account.by_sudo():
        person = account.invoker().name
        return f"{hint}; files are read and written as {person}, who called sudo; as root: env -u SUDO_UID zegel ..."
    return "call sudo without -u: it reads files as you, and acts as a folder's owner" if account.through_sudo() else hint


def add_root(parser: argparse.ArgumentParser, action: str = "store") -> None:
    more = "; repeatable" if action == "append" else ""
    parser.add_argument(
        "--root", required=True, type=Path, action=action, metavar="root.crt", help=f"the agency's root certificate{more}"
    )


def add_output(parser: argparse.ArgumentParser, name: str) -> None:
    parser.add_argument("-o", "--output", required=True, type=Path, metavar=name, help="a file that does not exist yet")


def read_certificate(path: Path) -> x509.Certificate:
    return load_certificate(files.read(Kind.CERTIFICATE, path))


def now() -> int:
    """The clock of a computer that has one; ClockWrong if it cannot be right."""
    claimed = int(time.time())
    if not EARLIEST <= claimed < LATEST:
        raise ClockWrong(f"this computer's clock says {utc(claimed)}")
    return claimed


def add_stations(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--station",
        required=True,
        action="append",
        type=listing,
        metavar="FILE:ROLES[:POLICY]",
        help=f"a station's public file; what it may do: {', '.join(role_names(ALL_ROLES))}; and which commands of it reach"
        f" the flight controller: {', '.join(GUARDS)}, by default pilot if it has the role command; repeatable",
    )


def add_devices(parser: argparse.ArgumentParser, metavar: str, what: str) -> None:
    parser.add_argument(
        "--device",
        required=True,
        action="append",
        type=devices,
        metavar=metavar,
        help=f"{what}, and the MAVLink system ids that are its, such as :1 or :1,51; repeatable",
    )


def title(content: Order) -> str:
    return f"operation {content.operation!r} of {content.agency!r}"


def word(path: Path) -> str:
    return shlex.quote(str(path))


# --- words and numbers ---


@dataclasses.dataclass(frozen=True, slots=True)
class Listing:
    """FILE:ROLES or FILE:ROLES:POLICY: a station's public file, what it may do, and which commands of it pass."""

    path: Path
    roles: Role
    guard: str


def listing(text: str) -> Listing:
    """The default policy is pilot for a station that may command, and observer for every other one."""
    path, _, last = text.rpartition(":")
    policy = None
    if not _roles(last) and _roles(path.rpartition(":")[2]):
        policy, (path, _, last) = last, path.rpartition(":")
    roles = _roles(last)
    if not path or not roles:
        known = ", ".join(role_names(ALL_ROLES))
        form = "FILE:ROLES such as pilot.pub:telemetry,video, or FILE:ROLES:POLICY"
        raise argparse.ArgumentTypeError(f"{text!r} is not {form}; roles are {known}")
    default = "pilot" if roles & Role.COMMAND else "observer"
    guard = default if policy is None else policy
    if guard not in GUARDS:
        raise argparse.ArgumentTypeError(f"{guard!r} is not a guard policy; they are {', '.join(GUARDS)}")
    if guard != default and not roles & Role.COMMAND:
        raise argparse.ArgumentTypeError(f"{text!r} has the guard policy {guard!r}, but not the role command")
    return Listing(Path(path), roles | (Role.TELEMETRY if roles & Role.COMMAND else Role(0)), guard)


@dataclasses.dataclass(frozen=True, slots=True)
class Devices:
    """FILE:IDS, or NAME:IDS of an aircraft that is listed already."""

    name: str
    systems: tuple[int, ...]


def devices(text: str) -> Devices:
    """Without :IDS there is no list. A name that itself ends in a colon and numbers needs another colon after it."""
    name, colon, last = text.rpartition(":")
    if not colon or not _NUMBERS.fullmatch(last):
        name, last = text, ""
    systems = sorted(map(int, last.split(","))) if last else []
    if not name:
        raise argparse.ArgumentTypeError(f"{text!r} names no aircraft; the form is drone.crt:1 or drone.crt:1,51")
    if not all(1 <= system <= SYSTEM_MAX for system in systems) or len({*systems}) < len(systems):
        raise argparse.ArgumentTypeError(f"{last!r} are not different system ids from 1 to {SYSTEM_MAX}")
    if len(systems) > SYSTEMS_MAX:
        raise argparse.ArgumentTypeError(f"{len(systems)} system ids are more than the {SYSTEMS_MAX} of one aircraft")
    return Devices(name, tuple(systems))


def _roles(names: str) -> Role:
    """The roles of these names, between commas; none if one of them is not known."""
    listed = names.split(",")
    known = all(name in role_names(ALL_ROLES) for name in listed)
    return functools.reduce(operator.or_, (Role[name.upper()] for name in listed), Role(0)) if known else Role(0)


def hours(text: str) -> int:
    """Seconds."""
    try:
        number = float(text)
    except ValueError:
        number = 0
    if not 0 < number <= HOURS_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of hours up to {HOURS_MAX}")
    return max(1, round(number * HOUR_S))


def start(text: str) -> int:
    """Unix seconds; a time without a zone is UTC."""
    try:
        time_ = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 2031-05-09T18:00") from None
    return int((time_ if time_.tzinfo else time_.replace(tzinfo=datetime.UTC)).timestamp())
