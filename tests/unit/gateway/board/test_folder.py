"""Looks at the folder of keys that name the right hand to mend it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.board import folder
from gateway.board.account import Account, caller
from gateway.board.subject import Subject
from gateway.config import AirConfig

NOWHERE = Path("/nowhere/aircraft")
NOBODY = Account("nobody", 65_534, 65_534)


def cure(path: Path, user: Account) -> str:
    settings = AirConfig(device=str(path), link=("udpout:127.0.0.1:14600",))
    (found,) = folder.look(Subject(role="air", path=Path("air.toml"), settings=settings, user=user))
    assert found.text == f"{path} does not exist"
    return found.cure


def test_a_folder_is_made_by_the_user_whose_it_is_to_be():
    assert cure(NOWHERE, caller()) == f"zegel device init {NOWHERE} --name NAME"


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to act as another user")
def test_root_is_told_to_make_it_as_the_services_user():
    assert cure(NOWHERE, NOBODY) == f"sudo -u nobody zegel device init {NOWHERE} --name NAME"
