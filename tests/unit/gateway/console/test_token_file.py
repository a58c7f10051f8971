"""The token of a console between its starts, and where one runs."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from gateway.console import door, token_file
from gateway.console.token_file import LOCK, RUNS, TOKEN, TokenFile
from gateway.endpoints import socket_users
from gateway.errors import ConfigError, NotRunning
from tests.system.users import socket_of

OTHER = 12_345  # a user's number


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The runtime folder of this user; that of the service is not there."""
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    monkeypatch.setattr(token_file, "SERVICE", tmp_path / "not-there")
    tmp_path.chmod(0o700)
    return tmp_path


def test_the_token_is_kept_until_it_is_renewed(folder):
    with TokenFile() as tokens:
        first = tokens.read()
        assert tokens.read() == first
        assert (folder / TOKEN).stat().st_mode & 0o777 == 0o600
        assert tokens.renew() != first
    with TokenFile() as again:
        assert again.read() != first


@pytest.mark.parametrize("text", ["", "short", "x" * 44, "é" * 43, "x" * 42 + "/"])
def test_what_is_no_token_is_replaced(folder, text):
    (folder / TOKEN).write_text(text)
    with TokenFile() as tokens:
        assert len(tokens.read()) == 43
        assert tokens.read() != text


def test_a_link_in_place_of_the_token_is_not_followed(folder, tmp_path):
    other = tmp_path / "other"
    other.write_text("x" * 43)
    (folder / TOKEN).symlink_to(other)
    with TokenFile() as tokens, pytest.raises(OSError, match="symbolic"):
        tokens.read()


def test_a_second_console_is_told_of_the_first(folder):
    with TokenFile() as first:
        first.tell(8088)
        with pytest.raises(ConfigError, match=rf"process {os.getpid()} on port 8088") as told, TokenFile():
            pass
        assert "--link" in told.value.hint
    with TokenFile():
        pass


def test_the_link_is_that_of_the_console_that_runs(folder):
    with pytest.raises(NotRunning):
        token_file.link()
    with TokenFile() as tokens:
        token = tokens.read()
        with pytest.raises(NotRunning):
            token_file.link()
        with socket.create_server((door.HOSTS[0], 0)) as listening:
            port = listening.getsockname()[1]
            tokens.tell(port)
            assert token_file.link() == door.link(token, port)
            assert not tokens.changed()
            assert token_file.link(renew=True) != door.link(token, port)
            assert tokens.changed()
            assert door.link(tokens.read(), port) == token_file.link()
            assert not tokens.changed()
    with pytest.raises(NotRunning):
        token_file.link()


@pytest.mark.skipif(not socket_users.AVAILABLE or os.geteuid() != 0, reason="a program of another user")
def test_no_link_leads_to_a_port_that_another_user_has_taken(folder):
    """The console was killed, and its number is that of another process by now."""
    with TokenFile() as tokens, socket_of(OTHER, socket.SOCK_STREAM) as taken:
        tokens.read()
        taken.bind((door.HOSTS[0], 0))
        taken.listen()
        tokens.tell(taken.getsockname()[1])
        with pytest.raises(NotRunning, match="not the console's"):
            token_file.link()


def test_what_a_killed_console_left_names_no_console(folder):
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True).stdout
    for text in (f"{int(gone)} 8088", "x y", "", "-1", f"{1 << 70} 8088"):
        (folder / RUNS).write_text(text)
        with pytest.raises(NotRunning):
            token_file.link()


def test_the_folder_of_a_service_gives_its_group_the_token(folder):
    folder.chmod(0o750)
    with TokenFile() as tokens:
        tokens.read()
        tokens.tell(8088)
        modes = {name: (folder / name).stat().st_mode & 0o777 for name in (TOKEN, RUNS, LOCK)}
    assert modes == {TOKEN: 0o640, RUNS: 0o640, LOCK: 0o600}, "who may read a file may lock it, and stop the next start"
