"""Install: the command that installs a package of an extra into the environment of zegel.

The package index has no zegel, so an extra has no name there that could be typed.
"""

from __future__ import annotations

import shlex
import sys
from importlib.metadata import requires
from pathlib import Path

BOARD = "/opt/zegel"  # of `make install` and of the Debian package, which replace it at each upgrade
PIPX = "pipx_metadata.json"  # a file in each environment of pipx


def command(package: str, prefix: str = sys.prefix) -> str:
    """The command, by the kind of installation of zegel."""
    wanted = shlex.quote(requirement(package))
    if prefix == BOARD or prefix.startswith(f"{BOARD}."):
        return f"in a clone, since each upgrade replaces {BOARD}: make && .venv/bin/python -m pip install {wanted}"
    if (Path(prefix) / PIPX).exists():
        return f"pipx inject zegel {wanted}"
    return f"{shlex.quote(str(Path(prefix) / 'bin/python'))} -m pip install {wanted}"


def requirement(package: str) -> str:
    """The package with its version, as setup.cfg has it."""
    stated = (line.partition(";")[0].strip() for line in requires("zegel") or ())
    return next(line for line in stated if line.startswith(package))
