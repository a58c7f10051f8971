"""The person who called sudo to install or to set up: whose programs are at the plain endpoints of a role.

    python -m gateway.board.sudo_user air ground

What lives here: writing that person's name into a file of its own beside a role's configuration, once. Nothing that stands
there already is changed, and whoever is root without sudo is not written: root may anyway.
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

FILE = "10-plain-users.toml"  # what a person writes beside it counts more
ROOT = 0
TEXT = """\
# Whoever called sudo to set zegel up: whose programs on this computer may be at the plain endpoints, beside root's and
# zegel's own. Written once; change it as you like, then start zegel again.
plain_users = [{}]
"""


def name() -> str:
    """Of the person who called sudo or pkexec; empty if nobody did, or it was root."""
    if sys.platform == "win32" or os.geteuid() != ROOT:
        return ""
    found = os.environ.get("SUDO_USER", "")
    if not found and (number := os.environ.get("PKEXEC_UID", "")).isdecimal():
        found = name_of(int(number))
    return found if uid_of(found) not in {None, ROOT} and found not in config.NOBODY else ""


def let_in(path: Path) -> Path | None:
    """Write that person into a file beside the configuration `path`; which, or None if there was nothing to write.

    ConfigError if what stands there cannot be read, KeysError or OSError if nothing can be written.
    """
    person, beside = name(), path.with_suffix(".d")
    if not person or any("plain_users" in config.read(file) for file in config.files(path) if file.exists()):
        return None
    settings_file.make_folder(beside)
    settings_file.write(beside / FILE, TEXT.format(json.dumps(person)).encode())
    return beside / FILE


def told(path: Path) -> str:
    """`let_in`, and what to tell about it; empty if nothing."""
    try:
        file = let_in(path)
    except (ConfigError, KeysError, OSError) as error:
        return f"nobody was added to plain_users: {error}"
    return f"wrote {file}: programs of {name()} may be at the plain endpoints" if file else ""


def main(roles: list[Role]) -> None:
    for role in roles:
        if line := told(default_path(role)):
            show(line)


if __name__ == "__main__":
    main([role for role in ("air", "ground") if role in sys.argv[1:]])
