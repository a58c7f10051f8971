from __future__ import annotations

import os
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import zmq

from gateway import ipc
from gateway.report import log, runtime_folder
from gateway.report.runtime_folder import FEED, VIEW, VIEWERS, of_ground, socket_name, sockets, status_sockets
from gateway.report.status_socket import Publisher

pytestmark = pytest.mark.skipif(not hasattr(os, "chown"), reason="this system has no groups")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def service(monkeypatch) -> Iterator[Path]:
    """The runtime folder of a service, with a short path. The group of the viewers is our own one."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        folder.chmod(0o711)
        _set_up(folder, monkeypatch)
        yield folder


def _set_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(folder))
    monkeypatch.setattr(runtime_folder, "SERVICES", ())
    groups = {VIEWERS: SimpleNamespace(gr_gid=os.getgid())}
    monkeypatch.setattr(runtime_folder, "grp", SimpleNamespace(getgrnam=groups.__getitem__))


def test_by_hand_a_ground_has_its_sockets_in_the_folder_of_its_user(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert of_ground() == tmp_path / "zegel"
    assert mode(of_ground()) == 0o700


def test_of_a_service_the_viewers_enter_that_of_the_ground_and_no_other(service):
    with Publisher("air", "drone-7") as air, Publisher("ground", "pilot", folder=of_ground) as ground:
        assert air.path
        assert ground.path
        assert air.path.parent == service
        assert ground.path.parent == service / VIEW
        assert mode(ground.path.parent) == 0o750, "its group lists it, and writes nothing into it"
        assert (mode(ground.path), ground.path.stat().st_gid) == (0o660, os.getgid())
        assert not mode(air.path) & 0o020, "to connect is to write"
        assert status_sockets() == {air.path, ground.path}


def test_without_the_group_a_service_has_no_folder_that_others_can_enter(service, monkeypatch):
    monkeypatch.setattr(runtime_folder, "VIEWERS", "nobodys")
    assert of_ground() == service
    assert not (service / VIEW).exists()


def test_a_service_that_cannot_give_its_folder_away_goes_on_and_says_so(service, monkeypatch, capfd):
    def refuses(*_: object) -> None:
        raise PermissionError("not a group of ours")

    monkeypatch.setattr(os, "chown", refuses)
    assert of_ground() == service
    log.flush()
    assert f"the group {VIEWERS} cannot see it: not a group of ours" in capfd.readouterr().out


def test_a_feed_is_no_status(service):
    context: zmq.Context = zmq.Context()
    with context.socket(zmq.PUB) as status, context.socket(zmq.XPUB) as feed:
        places = [of_ground() / socket_name("ground", "pilot", what) for what in ("", FEED)]
        for socket, place in zip((status, feed), places, strict=True):
            ipc.bind(socket, place)
        assert status_sockets() == {places[0]}
        assert sockets(of_ground()) == {*places}
    context.destroy(linger=0)


@pytest.mark.parametrize("what", ["", FEED])
def test_what_a_killed_process_left_is_removed_by_the_next_reader_or_ground(service, what):
    process = subprocess.Popen(["true"])
    process.wait()
    left = of_ground() / socket_name("ground", "pilot", what).replace(str(os.getpid()), str(process.pid))
    for clears in (status_sockets, lambda: Publisher("ground", "other", folder=of_ground).__enter__().__exit__()):
        with zmq.Context() as context, context.socket(zmq.PUB) as made:
            ipc.bind(made, left)
        assert left.is_socket(), "libzmq leaves it"
        clears()
        assert not left.exists()


def test_a_reader_that_cannot_remove_what_was_left_reads_the_others(service, monkeypatch):
    def refuses(_: Path) -> None:
        raise PermissionError("read only")

    left = of_ground() / "ground-pilot.99999999999999999999"
    with Publisher("ground", "pilot", folder=of_ground) as ground, zmq.Context() as context:
        made = context.socket(zmq.PUB)
        ipc.bind(made, left)
        monkeypatch.setattr(Path, "unlink", refuses)
        assert status_sockets() == {ground.path}
        monkeypatch.undo()
        made.close()


def test_a_name_of_a_station_is_a_name_of_a_file():
    assert socket_name("ground", "../pilot .feed", FEED) == f"ground----pilot--feed.feed.{os.getpid()}"
    assert len(socket_name("ground", "n" * 500)) < 60
