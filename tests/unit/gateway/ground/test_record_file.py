from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from gateway.ground import record_file
from gateway.ground.record_file import SIZE_MAX, Asked, of, take, write

ASKED = Asked("a name", True, "drone-7")


@pytest.fixture
def socket(tmp_path: Path) -> Path:
    """Its file stands for a ground's status socket."""
    path = tmp_path / "ground-pilot.1234"
    path.touch()
    return path


def test_what_was_asked_is_taken_once(socket: Path):
    assert take(socket) is None
    write(socket, Asked("before", False))
    write(socket, ASKED)
    assert of(socket).stat().st_mode & 0o777 == 0o600
    assert take(socket) == ASKED
    assert take(socket) is None
    assert [*socket.parent.iterdir()] == [socket]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b'{"name":"x"}',
        b'{"name":"x","on":1}',
        b'{"name":"x","on":true,"more":1}',
        b'{"name":"\xff","on":true}',
        msgspec.json.encode(Asked("x" * SIZE_MAX, True)),
        b"[" * 900,
    ],
)
def test_what_this_version_does_not_read_is_taken_away_and_asks_nothing(socket: Path, content: bytes):
    of(socket).write_bytes(content)
    assert take(socket) is None
    assert not of(socket).exists()


def test_another_kind_of_file_stops_no_ground(socket: Path):
    """A program that can write there has the user's rights already; a mistake must not hold up a flight."""
    os.mkfifo(of(socket))
    assert take(socket) is None
    of(socket).mkdir()
    assert take(socket) is None
    of(socket).rmdir()
    of(socket).symlink_to(socket)
    assert take(socket) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file to another user")
def test_what_root_writes_belongs_to_the_user_of_the_ground(socket: Path):
    os.chown(socket, 1234, 1234)
    write(socket, ASKED)
    assert of(socket).stat().st_uid == 1234
    assert record_file.take(socket) == ASKED
