"""Recording folder: the answer of `zegel setup air` where recordings go, and what lets zegel-recorder.service write there.

What lives here: the table [record], the folder, and a drop-in for systemd. card.py checks them.
"""

from __future__ import annotations

import os
from pathlib import Path

from gateway.board import settings_file
from gateway.errors import ConfigError
from gateway.local_users import RECORDER_USER
from gateway.recording.settings import FOLDER
from keys.commands import account
from keys.printable import printable

DROP_IN = Path("/etc/systemd/system/zegel-recorder.service.d/folder.conf")
HEAD = "# Written by `zegel setup air`, from [record] of air.toml; it is overwritten.\n[Service]\n"
HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108 - the service has none of these, or one of its own
OWN = "recordings"
MODE = 0o700
RELOAD = "then: sudo systemctl daemon-reload && sudo systemctl restart zegel-recorder"


def taken(given: str | None, there: object, own: Path | None) -> dict[str, object]:
    """[record], where it changes what is `there`: a folder is `given`, or a person's own configuration names none.
    Then recordings are next to it, in the folder `own`: only the service may write to the default one. ConfigError.
    """
    table = dict(there) if isinstance(there, dict) else {}
    default = str(own / OWN) if own and "folder" not in table else ""
    if not (folder := given or default):
        return {}
    folder = str(Path(folder).absolute())
    if not own:
        text_for(folder)
    return {"record": {**table, "folder": folder}}


def allow(folder: str, drop_in: Path = DROP_IN) -> str:
    """Let the service record in `folder`; what was done, for people. ConfigError if it cannot; OSError."""
    text = text_for(folder)
    if text and (user := account.of_service(RECORDER_USER)):
        _make(Path(folder), user)
    if (drop_in.read_text() if drop_in.exists() else "") == text:
        return ""
    if not text:
        drop_in.unlink()
        return f"removed {drop_in}: recordings go to {FOLDER}\n{RELOAD}"
    settings_file.make_folder(drop_in.parent)
    settings_file.write(drop_in, text.encode())
    return f"wrote {drop_in}: recordings go to {folder}\n{RELOAD}"


def text_for(folder: str) -> str:
    """The drop-in; empty for the folder that the unit has."""
    if folder == FOLDER:
        return ""
    for hidden in HIDDEN:
        if Path(folder).is_relative_to(hidden):
            raise ConfigError(f"the recorder cannot reach {hidden}", hint="mount the card elsewhere, such as /media/card")
    if not folder.isprintable() or set(folder) & set("\"'\\"):
        raise ConfigError(f"{printable(folder)} cannot be named in a unit of systemd", hint="a name without quotes")
    written = folder.replace("%", "%%")
    return f'{HEAD}ReadWritePaths="-{written}"\n'


def _make(folder: Path, user: account.Account) -> None:
    """A card that is not there must not keep the file from being written: doctor says what is missing."""
    if not folder.exists() and folder.parent.is_dir():
        folder.mkdir(MODE)
    elif not _is_new_card(folder):
        return
    os.chown(folder, user.uid, user.gid)
    folder.chmod(MODE)


def _is_new_card(folder: Path) -> bool:
    """As mkfs.ext4 leaves it: root's, and empty. Any other folder is of somebody, and stays as it is."""
    return folder.is_mount() and folder.stat().st_uid == 0 and {path.name for path in folder.iterdir()} <= {"lost+found"}
