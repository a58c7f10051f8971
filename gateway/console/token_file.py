"""Token file: keeps the token of a console between its starts, and tells where a console of this user runs.

    console.token   the token. It is replaced as a whole, so a reader sees the old or the new one
    console.runs    the process and the port of the console that runs
    console.lock    locked by it; its user's alone, because who may read a file may lock it

They are in the runtime folder of the console's user, which lasts until the computer is switched off. That of a service has
a group whose members may read the first two.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from pathlib import Path
from typing import NamedTuple

from gateway.console import door
from gateway.endpoints import socket_users
from gateway.endpoints.plain_users import LOOKS_MAX
from gateway.errors import ConfigError, NotRunning
from gateway.report import runtime_folder

if sys.platform != "win32":
    import fcntl

TOKEN, RUNS, LOCK = "console.token", "console.runs", "console.lock"
SERVICE = Path("/run/zegel-view")  # RuntimeDirectory= of packaging/zegel-console.service
GROUP_READS = 0o040
_FROM_ANYWHERE = ("0.0.0.0", 0)  # noqa: S104 - as the system's table has the other end of a listening socket
SIZE_MAX = 256  # of what is read of either


class Running(NamedTuple):
    """A console that runs."""

    pid: int
    port: int


class TokenFile:
    """The token in a folder. A context manager: within, no other console of this user starts. ConfigError if one runs."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or runtime_folder.of_user()
        self._path = self._folder / TOKEN
        self._lock: int | None = None
        self._seen: tuple[int, int] | None = None

    def __enter__(self) -> TokenFile:
        path = self._folder / LOCK
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            if sys.platform != "win32":
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            there = _running(self._folder)
            where = f" as process {there.pid} on port {there.port}" if there else ""
            raise ConfigError(
                f"a console of this user runs already{where}",
                hint="zegel console --link prints its link; end that one first to start another",
            ) from None
        self._lock = descriptor
        return self

    def __exit__(self, *exc: object) -> None:
        if self._lock is not None:
            (self._folder / RUNS).unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None

    def tell(self, port: int) -> None:
        """From now on `running` finds this process."""
        _write(self._folder / RUNS, f"{os.getpid()} {port}")

    def read(self) -> str:
        """The token; a new one if there is none, or if the file holds something else."""
        with contextlib.suppress(FileNotFoundError):
            text = _read(self._path)
            if re.fullmatch(r"[A-Za-z0-9_-]{43}", text):
                self._seen = self._state()
                return text
        return self.renew()

    def renew(self) -> str:
        """A new token. Browsers that have the earlier one are out."""
        token = door.new_token()
        _write(self._path, token)
        self._seen = self._state()
        return token

    def changed(self) -> bool:
        """Whether the file is another than the one that was read: someone renewed or removed it."""
        return self._state() != self._seen

    def _state(self) -> tuple[int, int] | None:
        try:
            found = self._path.lstat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns


def link(*, renew: bool = False) -> str:
    """The link of the console of this user that runs, or else of the service. NotRunning; OSError if it may not be read."""
    for folder in (runtime_folder.of_user(), SERVICE):
        if there := _running(folder):
            path = folder / TOKEN
            _require_own(folder, there)
            if renew:
                _write(path, door.new_token())
            return door.link(_read(path), there.port)
    raise NotRunning(
        "no console runs here that you may enter",
        hint="zegel console starts one; the service's link is for root and for the group zegel-view",
    )


def _require_own(folder: Path, there: Running) -> None:
    """NotRunning if the port of a console that was killed has another user's program by now."""
    if socket_users.AVAILABLE and not _has_port(folder.stat().st_uid, there.port):
        raise NotRunning(
            f"port {there.port} is not the console's, so the link would give its token to another program",
            hint=f"ss -ltnp 'sport = :{there.port}' names that; then start the console again",
        )


def _has_port(user: int, port: int) -> bool:
    """Whether a program of this user listens at it. Of a table that changes while it is read, Linux leaves rows out."""
    place = (door.HOSTS[0], port)
    looks = (socket_users.tcp_user(socket_users.tcp_connections(), place, _FROM_ANYWHERE) for _ in range(LOOKS_MAX))
    return user in looks


def _running(folder: Path) -> Running | None:
    """The console of this folder; None if there is none, or if it is not ours to see."""
    try:
        pid, port = map(int, _read(folder / RUNS).split())
    except (OSError, ValueError):
        return None
    return Running(pid, port) if _runs(pid) else None


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:  # it is another user's
        return True
    except (OSError, OverflowError):
        return False
    return True


def _mode(folder: Path) -> int:
    return 0o600 | folder.stat().st_mode & GROUP_READS


def _read(path: Path) -> str:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        return os.read(descriptor, SIZE_MAX).decode("ascii", "replace").strip()
    finally:
        os.close(descriptor)


def _write(path: Path, text: str) -> None:
    """As the folder's owner and group, who may read it as they may enter the folder."""
    new = path.with_name(f"{path.name}.{os.getpid()}")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        folder = path.parent.stat()
        if os.geteuid() == 0:
            os.fchown(descriptor, folder.st_uid, folder.st_gid)
        os.fchmod(descriptor, _mode(path.parent))
        os.write(descriptor, f"{text}\n".encode())
    finally:
        os.close(descriptor)
    new.replace(path)
