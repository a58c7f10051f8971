"""Files and folders that hold keys: private modes, whole writes, one process at a time.

What lives here: how bytes reach the disk and come back. What must not: what the bytes mean.

A secret is a 0600 file in a 0700 folder of the user who runs the program; what others could read or write is refused,
never repaired. A write is a temporary file, fsync, rename, fsync of the folder: whatever happens in between, the old
file or the new one is there, whole. Windows has neither such modes nor flock: there the user's profile guards a
station's folder, and no aircraft flies.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shlex
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from keys.errors import AlreadyExists, FolderError, FolderInUse, MissingFile, WrongFile, WrongMode

if sys.platform != "win32":
    import fcntl
    import pwd

FOLDER_MODE = 0o700
SECRET_MODE = 0o600
PUBLIC_MODE = 0o644
OTHERS = 0o077  # what group and world may do to a secret: nothing
SIZE_MAX = 1 << 20  # the largest file that Zegel reads is an order, see cose.MESSAGE_MAX
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)  # nor wait for the writer of a pipe
_LOCKS = Path("/proc/locks")

# --- reading ---


def check_folder(path: Path, holding: str = "", kind: str = "") -> None:
    """MissingFile, WrongFile or WrongMode unless `path` is a folder that only this user can enter, `holding` a file.

    `kind` is whose folder that is: "device".
    """
    try:
        info = path.stat()
    except OSError as error:
        missing = _unreadable(path, error)
        if kind and isinstance(missing, MissingFile):
            root = " --root root.crt" if kind == "station" else ""
            missing.hint = f"make it: zegel {kind} init {shlex.quote(str(path))} --name NAME{root}"
        raise missing from None
    if not stat.S_ISDIR(info.st_mode):
        beside = holding and (path.parent / holding).exists()
        hint = f"name the folder that it is in: {path.parent}" if beside else "name the folder that init made"
        raise WrongFile(f"{path} is not a folder", hint=hint)
    _check_owner(path, info)
    if (
        holding and not (path / holding).exists()
    ):  # asked before the mode: nobody is told to close a folder that is none of ours
        raise WrongFile(f"{path} is not a {kind}'s folder: it holds no {holding}", hint="name the folder that init made")
    _check_mode(path, info, FOLDER_MODE)


def read_secret(path: Path) -> bytes:
    """The bytes of a file that only this user can read; a symbolic link is not followed."""
    try:
        handle = os.open(path, os.O_RDONLY | _NO_FOLLOW)
    except OSError as error:
        raise _unreadable(path, error) from None
    try:
        info = os.fstat(handle)
        if not stat.S_ISREG(info.st_mode):
            raise WrongFile(f"{path} is not a file", hint="restore it from its copy")
        _check_owner(path, info)
        _check_mode(path, info, SECRET_MODE)
        return _bounded(path, os.read(handle, SIZE_MAX + 1))
    except OSError as error:
        raise _unreadable(path, error) from None
    finally:
        os.close(handle)


def read_public(path: Path) -> bytes:
    """The bytes of a file that is handed on, whoever else may read it: an order, a certificate, a station's public file."""
    try:
        with path.open("rb") as file:
            return _bounded(path, file.read(SIZE_MAX + 1))
    except PermissionError as error:
        me, name = _user(os.geteuid()), shlex.quote(str(path))
        cure = f"sudo chown {me} {name}, or make a copy: sudo install -o {me} -m 600 {name} COPY"
        raise FolderError(f"{path} cannot be read: {_reason(error)}", hint=cure) from None
    except OSError as error:
        raise _unreadable(path, error) from None


def _bounded(path: Path, data: bytes) -> bytes:
    if len(data) > SIZE_MAX:
        raise WrongFile(f"{path} is larger than {SIZE_MAX} bytes", hint="no file of zegel is; check the name")
    return data


def _unreadable(path: Path, error: OSError) -> FolderError:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return MissingFile(f"{path} is not there", hint="check the path")
    if error.errno == errno.ELOOP:
        return WrongMode(f"{path} is a symbolic link, and no secret is read through one", hint="put the file itself there")
    return FolderError(f"{path} cannot be read: {_reason(error)}", hint="check the path and who may read it")


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _check_owner(path: Path, info: os.stat_result) -> None:
    if sys.platform == "win32" or info.st_uid == os.geteuid():
        return
    owner, me = _user(info.st_uid), _user(os.geteuid())
    cure = f"run zegel as {owner}, or: chown -R {me} {shlex.quote(str(path))}"
    raise WrongMode(f"{path} belongs to {owner}, not to {me}", hint=cure)


def _check_mode(path: Path, info: os.stat_result, mode: int) -> None:
    found = stat.S_IMODE(info.st_mode)
    if sys.platform != "win32" and found & OTHERS:
        raise WrongMode(
            f"{path} is open to others (mode {found:04o})",
            hint=f"chmod {mode:o} {shlex.quote(str(path))}; if others use this computer, count its keys as known to them",
        )


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


# --- writing ---


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A private folder to fill; it takes the name `path` when the block ends well, and goes away when it does not."""
    if os.path.lexists(path):
        raise AlreadyExists(f"{path} is there already")
    staging = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        staging.mkdir(FOLDER_MODE)
        yield staging
        staging.rename(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise _unwritable(path, error) from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def write(path: Path, data: bytes, mode: int = SECRET_MODE, *, new: bool = False) -> None:
    """Write a whole file, over the one that is there or, if `new`, only where none is (AlreadyExists)."""
    staging = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        _write_through(staging, data, mode)
        if new:
            _name(staging, path)
        else:
            staging.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise _unwritable(path, error) from None
    finally:
        with contextlib.suppress(OSError):
            staging.unlink(missing_ok=True)


def require_free(path: Path) -> None:
    """AlreadyExists or MissingFile, where `write` of a new file would raise it: asked before what cannot be taken back."""
    if os.path.lexists(path):
        raise AlreadyExists(f"{path} is there already")
    if not path.parent.exists():
        raise _unwritable(path, FileNotFoundError(errno.ENOENT, ""))


def _write_through(path: Path, data: bytes, mode: int) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(handle)


def _name(staging: Path, path: Path) -> None:
    """Rename, but never over another file."""
    try:
        path.hardlink_to(staging)
    except FileExistsError:
        raise
    except OSError:  # FAT, as on most memory sticks, knows no second name for a file
        if os.path.lexists(path):
            raise FileExistsError from None
        staging.rename(path)


def _sync_folder(path: Path) -> None:
    if sys.platform == "win32":
        return
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _unwritable(path: Path, error: OSError) -> FolderError:
    if isinstance(error, FileExistsError) or error.errno == errno.ENOTEMPTY:
        return AlreadyExists(f"{path} is there already")
    if error.errno == errno.ENOENT:
        return MissingFile(f"the folder {path.parent} is not there", hint=f"mkdir -p {shlex.quote(str(path.parent))}")
    return FolderError(f"{path} cannot be written: {_reason(error)}", hint="check that the disk is writable and not full")


def remove(path: Path) -> None:
    """Take a file away; one that is not there is no error."""
    try:
        path.unlink(missing_ok=True)
        _sync_folder(path.parent)
    except OSError as error:
        raise _unwritable(path, error) from None


def wipe(path: Path) -> None:
    """Overwrite a file, then remove it. Flash memory and journals may keep the old bytes all the same."""
    try:
        with path.open("r+b") as file:
            size = os.fstat(file.fileno()).st_size
            file.write(bytes(size))
            file.flush()
            os.fsync(file.fileno())
        path.unlink()
        _sync_folder(path.parent)
    except OSError as error:
        raise _unwritable(path, error) from None


# --- one process at a time ---


class Lock:
    """A folder or a secret is this process's until `release`, or until the process is gone: flock(2) on the thing itself.

    A card that has become read-only locks like any other, and no file is left behind.
    """

    def __init__(self, path: Path, *, wait: bool = False, shared: bool = False) -> None:
        """FolderInUse if another process holds it, unless `wait`; those who share it do not exclude each other."""
        self._handle = -1
        if sys.platform == "win32":
            return
        try:
            self._handle = os.open(path, os.O_RDONLY | _NO_FOLLOW)
        except OSError as error:
            raise _unreadable(path, error) from None
        try:
            fcntl.flock(self._handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            user = holder(path) or "another process"
            self.release()
            raise FolderInUse(f"{path} is in use by {user}", hint="end that program first, or wait for it") from None

    def release(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *exc: object) -> None:
        self.release()


class FolderLock(Lock):
    """A private folder, locked; who holds it clears away what a killed writer left."""

    def __init__(self, folder: Path, *, wait: bool = False) -> None:
        """FolderInUse, MissingFile, WrongFile, WrongMode."""
        check_folder(folder)
        super().__init__(folder, wait=wait)
        with contextlib.suppress(OSError):
            for leftover in folder.glob(".*.tmp"):
                leftover.unlink()


def holder(path: Path) -> str:
    """The process that holds the lock of `path`, by Linux's own table of locks: "process 4711", or nothing.

    Nothing is locked by asking, so whoever wants the lock at this moment gets it.
    """
    with contextlib.suppress(OSError):
        info = path.stat()
        inode = f"{os.major(info.st_dev):02x}:{os.minor(info.st_dev):02x}:{info.st_ino}"
        for line in _LOCKS.read_text().splitlines():
            fields = line.split()
            if fields[1:2] == ["FLOCK"] and inode in fields:
                return f"process {fields[4]}"
    return ""
