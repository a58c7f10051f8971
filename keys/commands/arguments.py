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
from collections.abc import Callable, Sequence
from pathlib import Path

from cryptography import x509

from keys import typo
from keys.certificate import load_certificate
from keys.commands import account
from keys.errors import ClockWrong, Denied
from keys.folders import files, guard_file
from keys.folders.files import Kind
from keys.folders.guard_file import GuardFile
from keys.lanes import Role, role_names
from keys.order import Order
from keys.order_device import SYSTEM_MAX, SYSTEMS_MAX
from keys.order_station import GUARDS, default_guard
from keys.times import EARLIEST, HOUR_S, LATEST, utc

ALL_ROLES = Role(sum(Role))
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
    """The hint for a user who may not read or write something, with that user's name."""
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
    claimed = believable_now()
    if claimed is None:
        raise ClockWrong(f"this computer's clock says {utc(int(time.time()))}")
    return claimed


def believable_now() -> int | None:
    """The clock, or None if it cannot be right: for a command that says something else too."""
    claimed = int(time.time())
    return claimed if EARLIEST <= claimed < LATEST else None


def when(unix_time: int) -> str:
    """Date and time to the minute: UTC, and as the clock on the wall of this computer has it where that differs."""
    local = time.localtime(unix_time)
    if not local.tm_gmtoff:
        return utc(unix_time)
    same_day = time.strftime("%Y-%m-%d", local) == utc(unix_time)[:10]
    return f"{utc(unix_time)} ({time.strftime('%H:%M' if same_day else '%Y-%m-%d %H:%M', local)} {local.tm_zone})"


def add_stations(
    parser: argparse.ArgumentParser,
    metavar: str = "FILE:ROLES[:POLICY]",
    what: str = "a station's public file; what it may do",
    *,
    required: bool = True,
) -> None:
    parser.add_argument(
        "--station",
        required=required,
        action="append",
        type=listing,
        metavar=metavar,
        help=f"{what}: {', '.join(role_names(ALL_ROLES))}; and which commands of it reach"
        f" the flight controller: {', '.join(GUARDS)}, by default pilot if it has the role command; repeatable",
    )


def add_recording(parser: argparse.ArgumentParser) -> None:
    what = (
        "a recording key's public file, made by zegel recording keygen; without one nothing is recorded aboard; repeatable"
    )
    parser.add_argument("--recording", default=[], action="append", type=Path, metavar="rec.pub", help=what)


def add_guard(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--guard", type=Path, metavar="guard.toml", help=what)


def add_devices(parser: argparse.ArgumentParser, metavar: str, what: str, *, required: bool) -> None:
    parser.add_argument(
        "--device",
        required=required,
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
    """A station's public file, or the name of one that is listed already; what it may do, and which commands of it pass."""

    name: str
    roles: Role
    policy: str | None  # None: not said

    @property
    def guard(self) -> str:
        return self.policy or default_guard(self.roles)


def listing(text: str) -> Listing:
    """FILE:ROLES or FILE:ROLES:POLICY."""
    name, _, last = text.rpartition(":")
    policy = None
    if not _known(last) and _known(name.rpartition(":")[2]):
        policy, (name, _, last) = last, name.rpartition(":")
    if not name or not _known(last):
        known = role_names(ALL_ROLES)
        near = next(filter(None, (typo.meant(word, known) for word in last.split(",") if word not in known)), "")
        form = "FILE:ROLES such as pilot.pub:telemetry,video, or FILE:ROLES:POLICY"
        raise argparse.ArgumentTypeError(f"{text!r} is not {form}; {near}roles are {', '.join(known)}")
    return station_listing(name, last.split(","), policy)


def require_policy(policy: str | None, guards: GuardFile | None) -> None:
    """ArgumentTypeError for a policy that is neither listed nor in the file."""
    known = [*GUARDS, *(guards.policies if guards else ())]
    if policy is not None and policy not in known:
        near = typo.meant(policy, known)
        raise argparse.ArgumentTypeError(f"{policy!r} is not a guard policy; {near}they are {', '.join(known)}")


def guards_of(args: argparse.Namespace) -> GuardFile | None:
    """The file that --guard names; the policies of all stations must be listed or in it."""
    guards = guard_file.read(args.guard) if args.guard else None
    for given in args.station or ():
        try:
            require_policy(given.policy, guards)
        except argparse.ArgumentTypeError as error:
            args.parser.error(f"argument --station: {error}")
    return guards


def station_listing(name: str, roles: Sequence[str], policy: str | None) -> Listing:
    """ArgumentTypeError for a role that does not exist, and for a policy of who may not command."""
    known = role_names(ALL_ROLES)
    for role in roles:
        if role not in known:
            raise argparse.ArgumentTypeError(
                f"{role!r} is not a role; {typo.meant(role, known)}roles are {', '.join(known)}"
            )
    if not roles:
        raise argparse.ArgumentTypeError(f"{name!r} has no role; roles are {', '.join(known)}")
    may = functools.reduce(operator.or_, (Role[role.upper()] for role in roles))
    if policy not in (None, default_guard(may)) and not may & Role.COMMAND:
        raise argparse.ArgumentTypeError(f"{name!r} has the guard policy {policy!r}, but not the role command")
    return Listing(name, may | (Role.TELEMETRY if may & Role.COMMAND else Role(0)), policy)


def _known(names: str) -> bool:
    """Whether these are roles, between commas."""
    return all(name in role_names(ALL_ROLES) for name in names.split(","))


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
    if not name:
        raise argparse.ArgumentTypeError(f"{text!r} names no aircraft; the form is drone.crt:1 or drone.crt:1,51")
    return device_listing(name, list(map(int, last.split(","))) if last else [])


def device_listing(name: str, systems: Sequence[int]) -> Devices:
    """ArgumentTypeError for ids that cannot be."""
    if not all(1 <= system <= SYSTEM_MAX for system in systems) or len({*systems}) < len(systems):
        said = ",".join(map(str, systems))
        raise argparse.ArgumentTypeError(f"{said!r} are not different system ids from 1 to {SYSTEM_MAX}")
    if len(systems) > SYSTEMS_MAX:
        raise argparse.ArgumentTypeError(f"{len(systems)} system ids are more than the {SYSTEMS_MAX} of one aircraft")
    return Devices(name, tuple(sorted(systems)))


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
        return unix(datetime.datetime.fromisoformat(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 2031-05-09T18:00") from None


def unix(time_: datetime.datetime) -> int:
    """Unix seconds; a time without a zone is UTC. ArgumentTypeError for one that no order can have."""
    zoned = time_ if time_.tzinfo else time_.replace(tzinfo=datetime.UTC)
    if not 0 <= (found := int(zoned.timestamp())) <= LATEST:
        raise argparse.ArgumentTypeError(f"{zoned} is not between 1970 and 2100")
    return found
