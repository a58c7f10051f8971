"""Live roles: every `zegel air` and `zegel ground` that runs on this computer, of any user, with its status.

A pilot starts a role by hand and asks `sudo zegel doctor`, so the roles of all users count. They are found by their command
lines, which every user may read, so that a role without a readable status is known as well.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import dropwhile, islice
from pathlib import Path
from typing import NamedTuple

from gateway import config
from gateway.endpoints.address import Address
from gateway.errors import ConfigError, NotRunning
from gateway.local_users import name_of
from gateway.report.role_status import EndpointStatus, Status
from gateway.report.status_socket import read_all, read_each
from keys.printable import printable

PROC = Path("/proc")
PROGRAM, MODULE = "zegel", "gateway.cli"
ROLES = ("air", "ground")
SOCKETS_MAX = 8  # of one user; any user can make any number of them, and each uses descriptors of ours
NAME_MAX = 64  # characters of a role's name, which its user chooses
FOLDER_OF = {"RUNTIME_DIRECTORY": "", "XDG_RUNTIME_DIR": "zegel"}  # variables that name the folder of its status socket


class Live(NamedTuple):
    """`status` is None if it cannot be read here."""

    pid: int
    role: str
    user: str
    status: Status | None

    def __str__(self) -> str:
        name = f" {printable(self.status.name, NAME_MAX)}" if self.status else ""
        return printable(f"zegel {self.role}{name} of user {self.user} (process {self.pid})")

    def traffic(self, address: Address) -> str:
        """What comes to its endpoint of that port or device; empty if that is not known."""
        ends = self.status.endpoints if self.status else []
        found = next((end for end in ends if _is_same(end, address)), None)
        return traffic(found) if found else ""


def traffic(end: EndpointStatus) -> str:
    return f"{end.state}, {end.rx_per_s:g} datagrams/s, {end.rx_kbit:g} kbit/s"


def _is_same(end: EndpointStatus, address: Address) -> bool:
    try:
        other = config.endpoint(end.endpoint)
        devices = {os.path.realpath(each.device) for each in (other, address)}
    except (ConfigError, ValueError):  # the latter if no file can have that name
        return False
    hosts = {each.host for each in (other, address) if each.kind in {"tcp", "udpout"}}  # a listener is known by its port
    return (other.kind, other.port) == (address.kind, address.port) and len(devices) == 1 and len(hosts) <= 1


def roles() -> list[Live]:
    """Those of all users where the system has a table of processes; elsewhere those that publish to this user."""
    told = {status.pid: status for status in _published()}
    if not PROC.is_dir():
        return [Live(pid, status.role, name_of(os.getuid()), status) for pid, status in told.items()]
    found = {pid: (role, uid) for pid, role, uid in _running()}
    others = _others({pid: process for pid, process in found.items() if pid not in told})
    told |= {others[path]: status for path, status in read_each(others.keys()).items()}
    return [Live(pid, role, name_of(uid) or str(uid), told.get(pid)) for pid, (role, uid) in sorted(found.items())]


def _published() -> list[Status]:
    try:
        return read_all()
    except NotRunning:
        return []


def _running() -> Iterator[tuple[int, str, int]]:
    for process in PROC.glob("[0-9]*"):
        try:
            role = role_of((process / "cmdline").read_bytes())
        except OSError:
            continue  # it has ended
        if role and (uid := user_of(process)) is not None:
            yield int(process.name), role, uid


def user_of(process: Path) -> int | None:
    """The uid of a process, by its folder below /proc. That folder's owner is root if the process allows no core file."""
    try:
        found = re.search(r"^Uid:\s+(\d+)", (process / "status").read_text(errors="replace"), re.MULTILINE)
    except OSError:
        return None  # it has ended
    return int(found[1]) if found else None


def role_of(command_line: bytes) -> str:
    """The role that a process with this command line plays; empty for another program, such as `sudo zegel air`."""
    words = [word.decode(errors="replace") for word in command_line.split(b"\0")]
    if Path(words[0]).name.startswith("python"):
        words = [*dropwhile(lambda word: word.startswith("-") and word != "-m", words[1:])]
        words = words[1:] if words[:2] == ["-m", MODULE] else words
    if len(words) < 2 or Path(words[0]).name not in {PROGRAM, MODULE}:  # noqa: PLR2004 - the program and its command
        return ""
    return words[1] if words[1] in ROLES else ""


def _others(found: Mapping[int, tuple[str, int]]) -> dict[Path, int]:
    """The sockets of these processes, with whose each is."""
    sockets, of_user = dict[Path, int](), Counter[int]()
    for pid, (role, uid) in found.items():
        for path in islice(_sockets(pid, role, uid), SOCKETS_MAX - of_user[uid]):
            sockets[path] = pid
            of_user[uid] += 1
    return sockets


def _sockets(pid: int, role: str, uid: int) -> Iterator[Path]:
    """The sockets of its status. A process chooses its environment, so only a socket of its own user is believed."""
    try:
        pairs = (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return  # another user's
    given = dict(pair.split(b"=", 1) for pair in pairs if b"=" in pair)
    folders = [Path(os.fsdecode(value)) / below for key, below in FOLDER_OF.items() if (value := given.get(key.encode()))]
    for folder in [*folders, Path("/tmp") / f"zegel-{uid}"]:  # noqa: S108 - read, and only what belongs to that user
        try:
            yield from (path for path in folder.glob(f"{role}-*.{pid}") if not path.is_symlink() and _is_users(path, uid))
        except OSError:
            continue


def _is_users(path: Path, uid: int) -> bool:
    return path.is_socket() and path.lstat().st_uid == uid
