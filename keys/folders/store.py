"""Files and folders that hold keys: private modes, atomic writes, one process at a time.

What lives here: writing and reading of bytes on the disk. What must not: the meaning of the bytes.

A secret is a 0600 file in a 0700 folder of the user who runs the program. A file that others could read or write is
refused, never repaired. A write is a temporary file, fsync, rename, fsync of the folder: whatever happens in between,
either the old or the new file is there, complete. Windows has neither such modes nor flock: there the user's profile
protects a station's folder, and the role air does not run.
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

from keys.errors import AlreadyExists, Denied, FolderError, FolderInUse, MissingFile, WrongFile, WrongMode

if sys.platform != "win32":
    import fcntl
    import pwd

FOLDER_MODE = 0o700
SECRET_MODE = 0o600
PUBLIC_MODE = 0o644
OTHERS = 0o077  # the permissions of group and others that a secret must not have
SIZE_MAX = 1 << 20  # the largest file that Zegel reads is an order, see cose.MESSAGE_MAX
BY_SUDO = "act as its owner: sudo -u OWNER zegel air or ground, and plain sudo zegel for all other commands"
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)  # and do not wait for the writer of a pipe
_LOCKS = Path("/proc/locks")
_MADE_BY = {"device": "device init", "station": "station init", "recording key": "recording keygen"}

# --- reading ---


def check_folder(path: Path, holding: str = "", kind: str = "") -> None:
    """MissingFile, WrongFile or WrongMode unless `path` is a folder that only this user can enter, `holding` a file.

    `kind` is the kind of the folder: "device".
    """
    try:
        info = path.stat()
    except OSError as error:
        missing = _unreadable(path, error)
        if kind and isinstance(missing, MissingFile):
            root = " --root root.crt" if kind == "station" else ""
            missing.hint = f"make it: zegel {_MADE_BY[kind]} {shlex.quote(str(path))} --name NAME{root}"
            if kind == "recording key":  # a new one opens nothing that is recorded already
                missing.hint = _named(kind)
        raise missing from None
    if not stat.S_ISDIR(info.st_mode):
        beside = holding and (path.parent / holding).exists()
        hint = f"name the folder that it is in: {path.parent}" if beside else _named(kind)
        raise WrongFile(f"{path} is not a folder", hint=hint)
    _check_owner(path, info)
    if (
        holding and not (path / holding).exists()
    ):  # checked before the mode: the advice to change a mode is only for a folder of ours
        raise WrongFile(f"{path} is not a {kind}'s folder: it holds no {holding}", hint=_named(kind))
    _check_mode(path, info, FOLDER_MODE)


def _named(kind: str) -> str:
    return f"name the folder that zegel {_MADE_BY[kind]} made" if kind else "name a folder"


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
    """The bytes of a file that people exchange and others may read: an order, a certificate, a station's public file."""
    try:
        with path.open("rb") as file:
            return _bounded(path, file.read(SIZE_MAX + 1))
    except OSError as error:
        copy = f"make a copy that {_me()} may read: sudo install -o {_me()} -m 600 {shlex.quote(str(path))} COPY"
        raise _unreadable(path, error, copy) from None


def _bounded(path: Path, data: bytes) -> bytes:
    if len(data) > SIZE_MAX:
        raise WrongFile(f"{path} is larger than {SIZE_MAX} bytes", hint="no file of zegel is that large; check the name")
    return data


def _unreadable(path: Path, error: OSError, cure: str = "") -> FolderError:
    """`cure` is what lets this user read a file that it may not, where its folder is not its own."""
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return MissingFile(f"{path} does not exist", hint="check the path")
    if error.errno == errno.ELOOP:
        return WrongMode(f"{path} is a symbolic link, and no secret is read through one", hint="put the file itself there")
    denied = isinstance(error, PermissionError)
    hint = (_give(path) or cure or BY_SUDO) if denied else "check the path and who may read it"
    return (Denied if denied else FolderError)(f"{path} cannot be read: {_reason(error)}", hint=hint)


def _give(path: Path) -> str:
    """How the owner of a folder gets a file in it. A folder is never to be given away: its service would be locked out."""
    with contextlib.suppress(OSError):
        if path.absolute().parent.stat().st_uid == os.geteuid():
            return f"sudo chown {_me()} {shlex.quote(str(path))}"
    return ""


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _check_owner(path: Path, info: os.stat_result) -> None:
    if sys.platform == "win32" or info.st_uid == os.geteuid():
        return
    give = "" if stat.S_ISDIR(info.st_mode) else _give(path)
    raise WrongMode(f"{path} belongs to {_user(info.st_uid)}, not to {_me()}", hint=give or BY_SUDO)


def _check_mode(path: Path, info: os.stat_result, mode: int) -> None:
    found = stat.S_IMODE(info.st_mode)
    if sys.platform != "win32" and found & OTHERS:
        raise WrongMode(
            f"{path} is open to others (mode {found:04o})",
            hint=f"chmod {mode:o} {shlex.quote(str(path))}; if others use this computer, assume that they know its keys",
        )


def _me() -> str:
    return _user(os.geteuid())


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


# --- writing ---


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A private folder to fill; it gets the name `path` when the block succeeds, and is removed when it fails."""
    if os.path.lexists(path):
        raise AlreadyExists(f"{path} exists already")
    staging = _staging(path)
    try:
        staging.mkdir(FOLDER_MODE)
        yield staging
        staging.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        raise _unwritable(path, error) from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def write(path: Path, data: bytes, mode: int = SECRET_MODE, *, new: bool = False) -> None:
    """Write a whole file. It replaces an existing one; with `new` an existing one is AlreadyExists."""
    staging = _staging(path)
    try:
        _write_through(staging, data, mode)
        if new:
            _name(staging, path)
        else:
            staging.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise _unwritable(path, error) from None
    finally:
        with contextlib.suppress(OSError):
            staging.unlink(missing_ok=True)


def require_free(path: Path) -> None:
    """What `write` of a new file would raise, except for a full disk: call this before an irreversible step."""
    if os.path.lexists(path):
        raise AlreadyExists(f"{path} exists already")
    require_writable(path)


def require_writable(path: Path) -> None:
    """Raise what `write` would raise. It tries: it makes a file in the folder of `path` and removes it."""
    staging = _staging(path)
    try:
        _write_through(staging, b"", SECRET_MODE)
        staging.unlink()
    except OSError as error:
        raise _unwritable(path, error) from None


def _staging(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")


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
    except OSError:  # FAT, the file system of most memory sticks, has no hard links
        if os.path.lexists(path):
            raise FileExistsError from None
        staging.rename(path)


def sync_folder(path: Path) -> None:
    """The names in it are on the disk. OSError."""
    if sys.platform == "win32":
        return
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _unwritable(path: Path, error: OSError) -> FolderError:
    if isinstance(error, FileExistsError) or error.errno == errno.ENOTEMPTY:
        return AlreadyExists(f"{path} exists already")
    if error.errno == errno.ENOENT:
        return MissingFile(f"the folder {path.parent} does not exist", hint=f"mkdir -p {shlex.quote(str(path.parent))}")
    if isinstance(error, PermissionError):
        hint = f"{_me()} may not write in {path.parent}: name another folder"
        return Denied(f"{path} cannot be written: {_reason(error)}", hint=hint)
    return FolderError(f"{path} cannot be written: {_reason(error)}", hint="check that the disk is writable and not full")


def remove(path: Path) -> None:
    """Remove a file; a missing one is no error."""
    try:
        path.unlink(missing_ok=True)
        sync_folder(path.parent)
    except OSError as error:
        raise _unwritable(path, error) from None


def wipe(path: Path) -> None:
    """Overwrite a file, then remove it. Flash memory and journals may still keep the old bytes."""
    try:
        with path.open("r+b") as file:
            size = os.fstat(file.fileno()).st_size
            file.write(bytes(size))
            file.flush()
            os.fsync(file.fileno())
        path.unlink()
        sync_folder(path.parent)
    except OSError as error:
        raise _unwritable(path, error) from None


# --- one process at a time ---


class Lock:
    """The lock of this process on a folder or a secret, until `release` or the end of the process: flock(2) on it.

    It works on a card that has become read-only too, and leaves no file.
    """

    def __init__(self, path: Path, *, wait: bool = False, shared: bool = False) -> None:
        """FolderInUse if another process holds it, unless `wait`; shared locks do not exclude each other."""
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
            raise FolderInUse(f"{path} is in use by {user}", hint="wait until it has ended; it may be in flight") from None

    @property
    def handles(self) -> tuple[int, ...]:
        """A child process that keeps these has the lock too, and as long as it runs."""
        return (self._handle,) if self._handle >= 0 else ()

    def release(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *exc: object) -> None:
        self.release()


class FolderLock(Lock):
    """A private folder, locked; the holder removes temporary files that a killed writer left."""

    def __init__(self, folder: Path, *, wait: bool = False) -> None:
        """FolderInUse, MissingFile, WrongFile, WrongMode."""
        check_folder(folder)
        super().__init__(folder, wait=wait)
        with contextlib.suppress(OSError):
            for leftover in folder.glob(".*.tmp"):
                leftover.unlink()


def holder(path: Path) -> str:
    """The process that holds the lock of `path`, by Linux's own table of locks: "process 4711", or nothing.

    The question locks nothing, so a process that wants the lock at this moment gets it.
    """
    with contextlib.suppress(OSError):
        info = path.stat()
        inode = f"{os.major(info.st_dev):02x}:{os.minor(info.st_dev):02x}:{info.st_ino}"
        for line in _LOCKS.read_text().splitlines():
            fields = line.split()
            if fields[1:2] == ["FLOCK"] and inode in fields:
                return f"process {fields[4]}"
    return ""
