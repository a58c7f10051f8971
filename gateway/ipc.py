"""Sockets of ZeroMQ that have a place in a folder. The mode of the folder says whose programs may connect.

What must not live here: which folder that is (gateway/report/runtime_folder.py).
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import zmq

PATH_SIZE_MAX = 107  # bytes; sun_path of Linux has one more, for the end
SCHEME = "ipc://"
FOR_THE_GROUP = 0o660


def bind(socket: zmq.Socket[Any], path: Path) -> None:
    """Listen there, instead of what is there. The group of the folder may connect if it may list the folder.

    OSError says why that is not possible.
    """
    if len(os.fsencode(path)) > PATH_SIZE_MAX:
        raise OSError(
            f"{path} has more than the {PATH_SIZE_MAX} bytes of a socket's path: set XDG_RUNTIME_DIR to a shorter one"
        )
    address = f"{SCHEME}{path}"
    try:
        socket.bind(address)
    except zmq.ZMQError as error:
        raise OSError(f"{path}: {error.strerror}") from None
    except UnicodeEncodeError:
        raise OSError(f"{path!r} is no text") from None
    try:
        _admit_group(path)
    except OSError:
        socket.unbind(address)
        raise


def _admit_group(path: Path) -> None:
    folder = path.parent.stat()
    if hasattr(os, "chown") and folder.st_mode & stat.S_IRGRP:
        os.chown(path, -1, folder.st_gid)
        path.chmod(FOR_THE_GROUP)
