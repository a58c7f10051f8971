from __future__ import annotations

import os
import pwd
import tempfile
from pathlib import Path

import pytest

from gateway.ground import order_file
from gateway.ground.order_file import OrderFile
from keys.errors import FolderError, MissingFile, WrongFile
from keys.folders import store
from tests.system.users import acting_as
from tests.unit.keys.disk import only_root

FIRST, SECOND = b"\xd8\x62first", b"\xd8\x62other"  # as a COSE_Sign begins


@pytest.fixture
def path(tmp_path):
    made = tmp_path / "op.order"
    made.write_bytes(FIRST)
    return made


@pytest.fixture
def watched(path) -> OrderFile:
    """That has been looked at."""
    made = OrderFile(str(path))
    assert made.changed() == FIRST
    return made


def test_the_same_file_is_no_news(path, watched):
    assert watched.changed() is None
    path.unlink()
    assert watched.changed() is None


def test_a_file_that_came_between_the_first_read_and_the_first_look_is_seen(path):
    assert order_file.read(str(path)) == FIRST
    path.write_bytes(SECOND)
    watched = OrderFile(str(path))
    assert watched.changed() == SECOND
    assert watched.changed() is None


def test_another_file_under_its_name_is_handed_out_once(path, tmp_path, watched):
    (tmp_path / "new").write_bytes(SECOND)
    (tmp_path / "new").replace(path)
    assert watched.changed() == SECOND
    assert watched.changed() is None
    watched.look_again()
    assert watched.changed() == SECOND
    assert watched.changed() is None


def test_a_file_that_was_away_comes_back_as_another(path, watched):
    path.unlink()
    assert watched.changed() is None
    path.write_bytes(SECOND + b"!")
    assert watched.changed() == SECOND + b"!"


def test_what_is_no_order_is_refused(path, watched):
    path.write_bytes(b"-----BEGIN CERTIFICATE-----")
    with pytest.raises(WrongFile, match="is a certificate"):
        watched.changed()


@only_root
def test_a_file_of_another_user_is_read_when_it_is_given_to_this_one():
    """`sudo mv new.order op.order`, where the new one is 0600 and the officer's; and then `sudo chown`."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        path, nobody = Path(name) / "op.order", pwd.getpwnam("nobody").pw_uid
        path.write_bytes(FIRST)
        watched = OrderFile(str(path))
        store.write(path, SECOND)
        os.chown(name, nobody, -1)
        with acting_as(nobody):
            with pytest.raises(FolderError, match="permission denied") as caught:
                watched.changed()
            assert f"sudo chown nobody {path}" in caught.value.hint
        os.chown(path, nobody, -1)
        with acting_as(nobody):
            assert watched.changed() == SECOND
            assert watched.changed() is None


def test_a_file_that_could_not_be_read_for_a_moment_is_read_later(path, watched, monkeypatch):
    """Nothing about the file has to change for that, as where the process had no descriptor left."""
    path.write_bytes(SECOND + b"!")

    def none_left(path):
        raise FolderError(f"{path} cannot be read: too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(store, "read_public", none_left)
        for _ in range(2):
            with pytest.raises(FolderError):
                watched.changed()
    assert watched.changed() == SECOND + b"!"
    assert watched.changed() is None


def test_reading_says_what_is_missing(tmp_path):
    with pytest.raises(MissingFile):
        order_file.read(str(tmp_path / "none"))
