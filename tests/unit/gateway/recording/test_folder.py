"""The folder that a person names for recordings."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.recording.folder import made
from tests.unit.keys.disk import only_root

ANOTHER = 4714


def refused(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        made(path)
    return f"{caught.value}; {caught.value.hint}"


def test_it_is_made_for_its_user_alone_and_may_be_there_already(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert made(Path("mine")) == made(tmp_path / "mine") == tmp_path / "mine"
    assert stat.S_IMODE((tmp_path / "mine").stat().st_mode) == 0o700


def test_a_link_is_followed_once(tmp_path: Path):
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    assert made(tmp_path / "link") == tmp_path / "mine"


def test_a_card_that_is_not_mounted_is_not_made(tmp_path: Path):
    assert (
        refused(tmp_path / "card/recordings") == f"{tmp_path}/card does not exist; make it, or mount the card that it is on"
    )
    assert [*tmp_path.iterdir()] == []


def test_a_file_is_no_folder(tmp_path: Path):
    (tmp_path / "file").touch()
    assert refused(tmp_path / "file").startswith(f"{tmp_path}/file is not a folder; name")
    assert "cannot be made: not a directory; name a folder that you may write" in refused(tmp_path / "file/below")


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o770, 0o702])
def test_a_folder_that_others_can_write_to_is_not_safe(tmp_path: Path, mode: int):
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(mode)
    assert refused(tmp_path / "open") == f"other users can write to {tmp_path}/open; chmod go-w {tmp_path}/open"


@only_root
def test_another_users_folder_is_not_safe(tmp_path: Path):
    (tmp_path / "theirs").mkdir()
    os.chown(tmp_path / "theirs", ANOTHER, ANOTHER)
    assert refused(tmp_path / "theirs").startswith(f"{tmp_path}/theirs belongs to the user {ANOTHER}; name a folder")


@only_root
def test_a_folder_that_this_user_cannot_write_is_refused(tmp_path: Path):
    (tmp_path / "roots").mkdir(0o755)
    for path in (tmp_path, *tmp_path.parents[:-2]):
        path.chmod(path.stat().st_mode | 0o011)
    os.seteuid(ANOTHER)
    try:
        said = refused(tmp_path / "roots"), refused(tmp_path / "roots/mine")
    finally:
        os.seteuid(0)
    assert said[0] == f"{tmp_path}/roots cannot be written by this user; name a folder that you may write"
    assert said[1] == f"{tmp_path}/roots/mine cannot be made: permission denied; name a folder that you may write"
