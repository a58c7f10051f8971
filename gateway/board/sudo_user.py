"""The user who called sudo to install or to set up: this user's programs may use the plain endpoints of a role.

    python -m gateway.board.sudo_user air ground

What lives here: writing that user's name into a separate file of a role's configuration, once. No existing file is
changed, and root without sudo is not written, because root is always allowed.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from gateway import config
from gateway.board import settings_file
from gateway.board.subject import Role, default_path
from gateway.errors import ConfigError
from gateway.local_users import name_of, uid_of
from keys.commands.terminal import show
from keys.errors import KeysError

FILE = "10-plain-users.toml"  # files of the administrator override it
ROOT = 0
TEXT = """\
# The user who called sudo to set zegel up: programs of this user may use the plain endpoints, like those of root and of
# zegel's own user. Written once; change it as you like, then start zegel again.
plain_users = [{}]
"""


def name() -> str:
    """The name of the user who called sudo or pkexec; empty if no one did, or if it was root."""
    if sys.platform == "win32" or os.geteuid() != ROOT:
        return ""
    found = os.environ.get("SUDO_USER", "")
    if not found and (number := os.environ.get("PKEXEC_UID", "")).isdecimal():
        found = name_of(int(number))
    return found if uid_of(found) not in {None, ROOT} and found not in config.NOBODY else ""


def let_in(path: Path) -> Path | None:
    """Write that user into a file of the configuration `path`; its path, or None if there was nothing to write.

    ConfigError if the configuration cannot be read, KeysError or OSError if nothing can be written.
    """
    person, beside = name(), path.with_suffix(".d")
    if not person or any("plain_users" in config.read(file) for file in config.files(path) if file.exists()):
        return None
    settings_file.make_folder(beside)
    settings_file.write(beside / FILE, TEXT.format(json.dumps(person)).encode())
    return beside / FILE


def told(path: Path) -> str:
    """`let_in`, and the line to print about it; empty if nothing was done."""
    try:
        file = let_in(path)
    except (ConfigError, KeysError, OSError) as error:
        return f"no user was added to plain_users: {error}"
    return f"wrote {file}: programs of {name()} may use the plain endpoints" if file else ""


def main(roles: list[Role]) -> None:
    for role in roles:
        if line := told(default_path(role)):
            show(line)


if __name__ == "__main__":
    main([role for role in ("air", "ground") if role in sys.argv[1:]])
