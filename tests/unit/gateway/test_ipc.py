from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from gateway import ipc
from gateway.endpoints.feed import Feed
from gateway.ipc import PATH_SIZE_MAX


@pytest.fixture
def socket() -> Iterator[zmq.Socket]:
    context: zmq.Context = zmq.Context()
    yield context.socket(zmq.XPUB)
    context.destroy(linger=0)


@pytest.fixture
def folder() -> Iterator[Path]:
    """One with a short path, as a socket needs."""
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


def long(folder: Path, size: int) -> Path:
    return folder / ("x" * (size - len(os.fsencode(folder)) - 1))


def test_a_path_that_is_too_long_says_what_to_do(socket, folder):
    ipc.bind(socket, long(folder, PATH_SIZE_MAX))
    with pytest.raises(OSError, match=r"more than the 107 bytes .* set XDG_RUNTIME_DIR to a shorter one"):
        ipc.bind(socket, long(folder, PATH_SIZE_MAX + 1))


def test_a_link_in_its_place_is_replaced_and_not_followed(socket, folder):
    precious, place = folder / "precious", folder / "feed"
    precious.write_text("of somebody else")
    place.symlink_to(precious)
    ipc.bind(socket, place)
    assert place.is_socket()
    assert not place.is_symlink()
    assert precious.read_text() == "of somebody else"


def test_what_a_killed_process_left_is_replaced(socket, folder):
    place = folder / "feed"
    place.write_text("a file")
    ipc.bind(socket, place)
    assert place.is_socket()


def test_a_folder_in_its_place_is_an_error_and_a_feed_tries_again(folder):
    place = folder / "feed"
    place.mkdir()
    feed = Feed(f"ipc://{place}")
    feed.tick(0.0)
    assert feed.state == "reconnecting"
    assert str(place) in feed.last_error
    place.rmdir()
    feed.tick(0.5)
    assert feed.state == "reconnecting"
    feed.tick(1.5)
    assert feed.state == "idle"
    feed.close()
    assert not place.exists()


def test_a_path_that_is_no_text_is_an_error(socket, folder):
    with pytest.raises(OSError, match="is no text"):
        ipc.bind(socket, folder / os.fsdecode(b"\xff"))


def test_what_cannot_be_given_to_the_group_is_not_offered(socket, folder, monkeypatch):
    def refuses(*_: object) -> None:
        raise PermissionError("not a group of ours")

    folder.chmod(0o750)
    monkeypatch.setattr(os, "chown", refuses)
    with pytest.raises(PermissionError):
        ipc.bind(socket, folder / "feed")
    with zmq.Context() as context, context.socket(zmq.SUB) as other:
        other.linger = 0
        with other.get_monitor_socket(zmq.EVENT_CONNECTED) as monitor:
            other.connect(f"ipc://{folder / 'feed'}")
            assert not monitor.poll(200)
            other.disable_monitor()
