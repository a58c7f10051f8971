"""The ground of an installed station, as its service runs it: the group of the viewers reads it, and no other user."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.demo.stage import HOST, Program, free_port
from tests.system.house import House
from tests.system.users import as_user
from tests.unit.gateway.endpoints.wires import until

if os.geteuid() != 0:
    pytest.skip("needs root, for programs of several users", allow_module_level=True)
if shutil.which("setpriv") is None or shutil.which("unshare") is None:
    pytest.skip("needs setpriv and unshare: apt install util-linux", allow_module_level=True)

ZEGEL, VIEWER, OTHER = 4711, 4715, 4712  # each user, and the group of the same number
# Before the words of the ground: the files of a computer on which the group exists, and its user, as systemd makes them.
AS_SERVICE = 'mount --bind "$1" /etc/group; export RUNTIME_DIRECTORY="$2"; umask 077; shift 2; exec "$@"'


def tried(place: Path) -> str:
    """What this user can do in a folder of sockets, in words."""
    done = []
    try:
        for path in sorted(place.iterdir()):
            with socket.socket(socket.AF_UNIX) as made:
                made.connect(str(path))
            done.append(f"connects to {path.name}")
    except PermissionError:
        done.append("refused")
    try:
        (place / "x").touch()
        done.append("writes")
    except PermissionError:
        pass
    return "\n".join(done)


class Service:
    """Its runtime folder and what runs in it."""

    def __init__(self, house: House, folder: Path) -> None:
        self.house, self.folder = house, folder
        folder.chmod(0o711)
        os.chown(folder, ZEGEL, ZEGEL)
        subprocess.run(["chown", "-R", f"{ZEGEL}:{ZEGEL}", house.folder / "pilot", house.order], check=True)
        self._groups = house.folder / "group"
        self._groups.write_text(f"root:x:0:\nzegel:x:{ZEGEL}:\nzegel-view:x:{VIEWER}:\n")
        self.ground = self.start()

    def start(self) -> Program:
        user = [*as_user(ZEGEL)]
        user[user.index("--clear-groups")] = f"--groups={VIEWER}"
        within = ("unshare", "--mount", "sh", "-c", AS_SERVICE, "sh", str(self._groups), str(self.folder), *user)
        words = ("ground", "--station", str(self.house.folder / "pilot"), "--order", str(self.house.order))
        ends = ("--link", f"udpin:{HOST}:{free_port()}", "--gcs", f"udpout:{HOST}:{free_port()}")
        return Program((*words, *ends), self.house.folder, "ground", within)

    @property
    def view(self) -> Path:
        return self.folder / "view"

    def names(self) -> list[str]:
        return sorted(path.name for path in self.view.iterdir()) if self.view.exists() else []

    def seen_by(self, user: int, place: Path) -> str:
        """What a program of this user and group alone can do there: a fork, since another user may not read this Python."""
        reading, writing = os.pipe()
        if (child := os.fork()) == 0:
            try:
                os.setgroups([])
                os.setgid(user)
                os.setuid(user)
                os.write(writing, tried(place).encode())
            finally:
                os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            said = pipe.read()
        os.waitpid(child, 0)
        return said


@pytest.fixture
def service(tmp_path) -> Iterator[Service]:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        made = Service(House(tmp_path, profile="x25519"), Path(folder))
        yield made
        made.ground.end()


def test_the_viewers_read_a_ground_and_no_other_user_does(service):
    pid = service.ground.process.pid
    both = [f"ground-pilot.{pid}", f"ground-pilot.feed.{pid}"]

    def offered() -> bool:
        infos = [(service.view / name).stat() for name in service.names()]
        return [(stat.S_IMODE(info.st_mode), info.st_uid, info.st_gid) for info in infos] == [(0o660, ZEGEL, VIEWER)] * 2

    until(offered)
    assert service.names() == both
    assert service.seen_by(VIEWER, service.view) == "\n".join(f"connects to {name}" for name in both)
    assert service.seen_by(VIEWER, service.folder) == "refused", "what else is there is not shown"
    assert service.seen_by(OTHER, service.view) == "refused"
    assert service.seen_by(VIEWER, service.house.folder / "pilot") == "refused"


def test_what_a_killed_ground_left_is_removed_by_the_next_one(service):
    until(lambda: len(service.names()) == 2)
    before = service.names()
    service.ground.process.send_signal(signal.SIGKILL)
    service.ground.process.wait()
    assert service.names() == before
    service.ground = service.start()
    until(lambda: len(service.names()) == 2 and service.names() != before)
    assert not {*before} & {*service.names()}


def test_a_folder_whose_path_is_too_long_is_said_and_the_ground_goes_on(tmp_path, monkeypatch):
    house = House(tmp_path, profile="x25519")
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    words = (
        "ground",
        "--station",
        str(tmp_path / "pilot"),
        "--order",
        str(house.order),
        "--link",
        f"udpin:{HOST}:{free_port()}",
    )
    ground = Program(words, tmp_path, "ground")
    until(lambda: "set XDG_RUNTIME_DIR to a shorter one" in ground.output())
    assert ground.running
    assert ground.end() == 0
