"""Folder: the one that a person names for recordings on a command line. What is wrong with it is said before the flight.

What lives here: making it, and whether it is safe. A folder of a configuration is the recorder's: there a card that is
gone is no reason not to fly.
"""

from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path

from gateway.errors import ConfigError
from gateway.local_users import name_of
from gateway.recording.disk import FOLDER_MODE

WRITABLE_BY_OTHERS = 0o022
ROOT = 0


def made(named: Path) -> Path:
    """The whole path of this folder, which is made if it is not there. ConfigError if it cannot be, or is not safe."""
    path = Path(os.path.realpath(named))  # a link that is turned later leads recordings nowhere else
    try:
        path.mkdir(FOLDER_MODE, exist_ok=True)
        found = path.stat()
    except FileNotFoundError:
        raise ConfigError(f"{path.parent} does not exist", hint="make it, or mount the card that it is on") from None
    except FileExistsError:
        raise ConfigError(f"{path} is not a folder", hint="name a folder for recordings, or one that can be made") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be made: {_reason(error)}", hint="name a folder that you may write") from None
    _require_safe(path, found)
    return path


def _require_safe(path: Path, found: os.stat_result) -> None:
    """No other user may replace, delete or exchange what is recorded."""
    if found.st_uid not in {ROOT, os.geteuid()}:
        owner = name_of(found.st_uid) or str(found.st_uid)
        raise ConfigError(f"{path} belongs to the user {owner}", hint="name a folder of your own, or none that exists")
    if stat.S_IMODE(found.st_mode) & WRITABLE_BY_OTHERS:
        raise ConfigError(f"other users can write to {path}", hint=f"chmod go-w {shlex.quote(str(path))}")
    if not os.access(path, os.W_OK | os.X_OK, effective_ids=True):
        raise ConfigError(f"{path} cannot be written by this user", hint="name a folder that you may write")


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
