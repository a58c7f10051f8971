"""Runtime folder: where the sockets of running processes are, which names they have, and whose programs may connect.

A process that was started by hand has a folder of its user (0700). The service of a ground has its sockets in `view`
(0750), a folder within that of the services: the group of the viewers, which hold no key, can enter that one and no other.

    ROLE-NAME.PID        publishes the status (status_socket.py)
    ROLE-NAME.feed.PID   publishes what a ground opens (gateway/endpoints/feed.py)
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import sys
import tempfile
from pathlib import Path

from gateway.report.log import say

if sys.platform != "win32":
    import grp

# RuntimeDirectory= of packaging/*.service
SERVICES = (Path("/run/zegel"), Path("/run/zegel-source"), Path("/run/zegel-view"))
VIEW, VIEWERS = "view", "zegel-view"
VIEW_MODE = 0o750
NAME_MAX = 32
FEED = ".feed"


def of_user() -> Path:
    """The folder that systemd gave this service, $XDG_RUNTIME_DIR/zegel, or one of this user in the temporary folder; 0700.

    OSError if it cannot be made, or if others may enter it.
    """
    if given := os.environ.get("RUNTIME_DIRECTORY"):
        return Path(given)
    base = os.environ.get("XDG_RUNTIME_DIR")
    user = os.getuid() if hasattr(os, "getuid") else "user"
    folder = Path(base) / "zegel" if base else Path(tempfile.gettempdir()) / f"zegel-{user}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    info = folder.lstat()  # any user can make a folder, or a link, of that name in /tmp
    if hasattr(os, "getuid") and (not stat.S_ISDIR(info.st_mode) or info.st_uid != os.getuid() or info.st_mode & 0o077):
        raise OSError(f"{folder} is not ours alone")
    return folder


def of_ground() -> Path:
    """The folder of a ground's sockets. OSError as above. A service without that group has none that others may enter."""
    folder = of_user()
    if "RUNTIME_DIRECTORY" not in os.environ:
        return folder
    try:
        view, group = folder / VIEW, grp.getgrnam(VIEWERS).gr_gid
        view.mkdir(mode=0o700, exist_ok=True)
        os.chown(view, -1, group)
        view.chmod(VIEW_MODE)
    except KeyError:
        return folder
    except OSError as error:
        say("status", f"the group {VIEWERS} cannot see it: {error}")
        return folder
    return view


def socket_name(role: str, name: str, what: str = "") -> str:
    """Of a socket of this process; `what`: FEED, or nothing for its status."""
    return f"{role}-{re.sub(r'[^A-Za-z0-9_-]', '-', name)[:NAME_MAX]}{what}.{os.getpid()}"


def status_sockets() -> set[Path]:
    """Those of all processes that run. OSError if the folder is not ours."""
    bases = (of_user(), *SERVICES)
    folders = {folder for base in bases for folder in (base, base / VIEW) if os.access(folder, os.R_OK | os.X_OK)}
    return {path for folder in folders for path in status_sockets_in(folder)}


def status_sockets_in(folder: Path) -> set[Path]:
    """Those of this folder. OSError."""
    return {path for path in sockets(folder) if not path.stem.endswith(FEED)}


def sockets(folder: Path) -> set[Path]:
    """Those of processes that run, in this folder. The others are removed, where we may. OSError."""
    found = {path for path in folder.iterdir() if path.is_socket()}
    left = {path for path in found if _gone(path)}
    for path in left:
        with contextlib.suppress(OSError):
            path.unlink()
    return found - left


def _gone(path: Path) -> bool:
    try:
        os.kill(int(path.suffix[1:]), 0)
    except (ProcessLookupError, ValueError, OverflowError):
        return True
    except PermissionError:
        return False
    return False
