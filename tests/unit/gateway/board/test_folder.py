"""Looks at the folder of keys that name the right hand to mend it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from gateway.board import folder
from gateway.board.subject import Subject
from gateway.config import AirConfig
from keys.commands.account import Account, caller

NOWHERE = Path("/nowhere/aircraft")
SERVICE = Account("4711", 4711, 4711)


def cure(path: Path, user: Account) -> str:
    settings = AirConfig(device=str(path), link=("udpout:127.0.0.1:14600",))
    (found,) = folder.look(Subject(role="air", path=Path("air.toml"), settings=settings, user=user))
    assert found.text == f"{path} does not exist"
    return found.cure


def test_a_folder_is_made_by_the_user_whose_it_is_to_be():
    assert cure(NOWHERE, caller()) == f"zegel device init {NOWHERE} --name NAME"


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to act as another user")
def test_root_is_told_to_make_it_as_the_services_user():
    """Which sudo alone does beneath a folder of that user."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        assert cure(Path(name) / "air", SERVICE) == f"sudo -u 4711 zegel device init {name}/air --name NAME"
        os.chown(name, SERVICE.uid, SERVICE.gid)
        assert cure(Path(name) / "air", SERVICE) == f"sudo zegel device init {name}/air --name NAME"
