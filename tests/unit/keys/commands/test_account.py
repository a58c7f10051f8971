"""Which user a command acts for, in a process of root that acts as another user; tests/system/test_sudo.py has sudo."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import tempfile
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import pytest

from keys.commands import account, amend, arguments
from keys.commands.account import Account
from keys.errors import Denied
from keys.folders import agency, public_files, store

UNKNOWN = 3_999_999  # no user has this number
USER = pwd.getpwnam("nobody")
SOMEBODY = Account(USER.pw_name, USER.pw_uid, USER.pw_gid)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to act as another user")


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that every user may enter, and only root may write."""
    made = Path(tempfile.mkdtemp(dir="/tmp"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def called(monkeypatch) -> Iterator[None]:
    """As if that user had called sudo."""
    monkeypatch.setenv("SUDO_UID", str(SOMEBODY.uid))
    monkeypatch.setenv("SUDO_GID", str(SOMEBODY.gid))
    yield
    assert os.geteuid() == 0, "root again"


def test_within_the_rights_are_those_of_the_user_and_afterwards_those_of_root(folder: Path):
    (folder / "of-root").write_text("x")
    (folder / "of-root").chmod(0o600)
    before = os.geteuid(), os.getegid(), os.getgroups()
    with SOMEBODY.acting():
        assert (os.geteuid(), os.getegid()) == (SOMEBODY.uid, SOMEBODY.gid)
        assert account.caller() == SOMEBODY
        with pytest.raises(PermissionError):
            (folder / "of-root").read_text()
        with Account("root", 0, 0).acting():
            assert os.geteuid() == 0, "an inner use has the rights of the inner user"
        assert os.geteuid() == SOMEBODY.uid
    assert (os.geteuid(), os.getegid(), os.getgroups()) == before


def test_an_error_within_ends_it_too():
    with pytest.raises(OSError, match="here"), SOMEBODY.acting():
        raise OSError("here")
    assert os.geteuid() == 0


def test_the_person_that_called_sudo_is_known_until_it_is_forgotten(called):
    assert account.by_sudo()
    assert account.through_sudo()
    assert account.invoker() == SOMEBODY
    account.forget_invoker()
    assert not account.by_sudo()
    assert account.invoker() == account.caller() == Account("root", 0, 0)


def test_the_owner_of_what_is_missing_is_that_of_its_folder(folder: Path):
    shutil.chown(folder, SOMEBODY.uid, SOMEBODY.gid)
    (folder / "of-root").touch()
    assert account.owner(folder / "missing") in (SOMEBODY, account.caller())  # 65534 is also a user that Linux cannot show
    assert account.owner(folder / "of-root") == Account("root", 0, 0)
    os.chown(folder / "of-root", UNKNOWN, UNKNOWN)
    assert account.owner(folder / "of-root") == Account(str(UNKNOWN), UNKNOWN, UNKNOWN)
    assert account.owner(folder / "no" / "folder" / "here") == account.caller()


def test_root_can_act_as_every_user_and_a_user_only_as_itself():
    assert SOMEBODY.ours
    with SOMEBODY.acting():
        assert SOMEBODY.ours
        assert not Account("root", 0, 0).ours


def test_users_and_groups_are_shown_by_name_where_they_have_one():
    assert account.group_name(0) == grp.getgrgid(0).gr_name
    assert account.group_name(UNKNOWN) == str(UNKNOWN)
    assert account.of_service(SOMEBODY.name) == SOMEBODY
    assert account.of_service("there-is-no-such-user") is None


# --- what such a user may not read or write ---


def test_a_command_reads_as_the_person_and_the_hint_says_how_root_could(called, folder: Path):
    secret = folder / "secret"
    store.write(secret, b"x")
    with pytest.raises(Denied) as caught:
        arguments._as_invoker(lambda _: len(store.read_public(secret)), Namespace())
    assert f"as {SOMEBODY.name}, who called sudo; as root: env -u SUDO_UID zegel" in caught.value.hint
    with SOMEBODY.acting():
        assert arguments._by_sudo("a hint").startswith(f"a hint; files are read and written as {SOMEBODY.name}")


def test_a_folder_that_the_person_may_not_write_is_named(folder: Path):
    with SOMEBODY.acting(), pytest.raises(Denied, match="cannot be written: permission denied") as caught:
        store.write(folder / "new", b"x")
    assert f"may not write in {folder}" in caught.value.hint


def test_files_that_the_person_may_not_read_are_not_listed(folder: Path):
    (folder / "closed.pub").write_text("x")
    (folder / "closed.pub").chmod(0o600)
    with SOMEBODY.acting():
        assert not public_files.devices(folder)


def test_an_order_of_an_interrupted_command_that_the_person_may_not_read_is_no_missing_order(folder: Path):
    output = folder / "op.order"
    store.write(output, b"x")
    with SOMEBODY.acting(), pytest.raises(Denied, match="an interrupted command may have written an order"):
        amend._written(output)


def test_a_folder_below_one_that_the_person_may_not_enter_is_no_agency(folder: Path):
    (folder / "agency").mkdir()
    (folder / "agency").chmod(0o700)
    with SOMEBODY.acting():
        assert agency._near(folder / "agency/signer") == ""
