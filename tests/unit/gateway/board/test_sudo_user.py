from __future__ import annotations

import os
import pwd
import stat

import pytest

from gateway import cli, config
from gateway.board import sudo_user
from gateway.config import GroundConfig

PERSON = next(entry for entry in pwd.getpwall() if 0 < entry.pw_uid < 65_534)
FILES = 'station = "x"\norder = "y"\n'


@pytest.fixture(autouse=True)
def _root(monkeypatch):
    """As root without sudo: what is asked is only whether this is root, and files in a folder of the test are written."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.delenv("SUDO_USER", raising=False)
    monkeypatch.delenv("PKEXEC_UID", raising=False)


@pytest.fixture
def path(tmp_path):
    made = tmp_path / "ground.toml"
    made.write_text(FILES)
    return made


@pytest.mark.parametrize("how", [("SUDO_USER", PERSON.pw_name), ("PKEXEC_UID", str(PERSON.pw_uid))])
def test_the_user_that_called_is_admitted_by_a_file_of_its_own(path, monkeypatch, how):
    monkeypatch.setenv(*how)
    written = sudo_user.let_in(path)
    assert written == path.with_suffix(".d") / "10-plain-users.toml"
    assert stat.S_IMODE(written.stat().st_mode) == 0o644, "the service's user reads it"
    assert config.load_file(GroundConfig, path).plain_users == (PERSON.pw_name,)
    assert path.read_text() == FILES
    assert sudo_user.let_in(path) is None


def test_the_services_user_reads_it_whatever_roots_umask_is(path, monkeypatch):
    monkeypatch.setenv("SUDO_USER", PERSON.pw_name)
    before = os.umask(0o077)
    try:
        written = sudo_user.let_in(path)
    finally:
        os.umask(before)
    assert [stat.S_IMODE(each.stat().st_mode) for each in (written, written.parent)] == [0o644, 0o755]


def test_where_it_cannot_be_written_the_installation_goes_on(path, monkeypatch):
    monkeypatch.setenv("SUDO_USER", PERSON.pw_name)
    path.with_suffix(".d").write_text("no folder")
    assert sudo_user.told(path).startswith("no user was added to plain_users: ")


@pytest.mark.parametrize("where", ["ground.toml", "ground.d/50-setup.toml", "ground.d/10-plain-users.toml"])
def test_what_a_person_wrote_stays(path, monkeypatch, where):
    monkeypatch.setenv("SUDO_USER", PERSON.pw_name)
    path.with_suffix(".d").mkdir()
    file = path.parent / where
    file.write_text((FILES if file == path else "") + "plain_users = []\n")
    assert sudo_user.told(path) == ""
    assert config.load_file(GroundConfig, path).plain_users == ()


@pytest.mark.parametrize(
    "environment", [{}, {"SUDO_USER": "root"}, {"PKEXEC_UID": "0"}, {"SUDO_USER": "nobody"}, {"SUDO_USER": "no such user"}]
)
def test_root_and_a_user_that_is_not_known_are_not_written(path, monkeypatch, environment):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert sudo_user.let_in(path) is None
    assert not path.with_suffix(".d").exists()


def test_a_user_that_is_not_root_writes_no_one(path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("SUDO_USER", PERSON.pw_name)
    assert sudo_user.let_in(path) is None


def test_a_configuration_that_cannot_be_read_is_told_and_left_alone(path, monkeypatch):
    monkeypatch.setenv("SUDO_USER", PERSON.pw_name)
    path.write_text("=\n")
    assert "is not TOML" in sudo_user.told(path)
    assert path.read_text() == "=\n"


def test_setup_writes_the_person_too(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SUDO_USER", PERSON.pw_name)
    path = tmp_path / "ground.toml"
    assert cli.main(["setup", "ground", "--config", str(path), "--yes", "--station", "s", "--order", "o"]) == 0
    assert f"10-plain-users.toml: programs of {PERSON.pw_name} may use" in capsys.readouterr().out
    assert config.load_file(GroundConfig, path).plain_users == (PERSON.pw_name,)
