"""README's first flight, typed line by line in two empty Debians, until a picture is decoded and a command is acknowledged.

The two roots have what a Raspberry Pi and a laptop come with: sudo, ssh, a network. Lines that install have the network of
this computer, and all others a cable between the two. What is typed is README's text but for the address of the repository.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import subprocess
import time
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest
from pymavlink.dialects.v20 import all as dialect

from gateway.demo.stage import drain_from
from tests.system.debian import empty_debian
from tests.system.namespaces import Host

pytestmark = pytest.mark.soak

SOURCE = Path(__file__).parents[2]
PACKAGES = "sudo,openssh-server,openssh-client,ca-certificates"
ADDRESS, COMMANDS_MAX, WITHIN_S = "URL-OF-THIS-REPOSITORY", 17, 60.0
GCS_PORT, USER = 14550, 1000
PREPARE = (
    'mount --make-rprivate / && hostname "$2" && mount -t proc proc "$1/proc" && mount --bind /dev/pts "$1/dev/pts"'
    ' && exec chroot "$1" su - "$3" -c "$4"'
)
CAMERA = (
    "ffmpeg -nostdin -loglevel error -re -f lavfi -i testsrc=size=640x480:rate=30 -c:v libx264 -preset superfast"
    " -tune zerolatency -b:v 2M -pix_fmt yuv420p -g 30 -x264-params repeat-headers=1 -f rtp rtp://127.0.0.1:5602?pkt_size=1200"
)
PLAYER = "ffmpeg -nostdin -loglevel fatal -protocol_whitelist file,udp,rtp -i zegel.sdp -frames:v 1 seen.png"


def lines() -> list[tuple[int, str]]:
    """The lines of the section as a person types them, and whether on the board (0) or on the laptop (1)."""
    text = (SOURCE / "README.md").read_text().split("## From a bare machine to a first flight")[1].split("\n## ")[0]
    blocks = re.findall(r"```\n(.*?)```", text, re.DOTALL)
    return [(n % 2, line) for n, block in enumerate(blocks) for line in re.findall(r"(?:.*\\\n)*.+", block)]


class Computer:
    """A Debian, its user and its network."""

    def __init__(self, made: Path, path: Path, name: str, user: str, host: Host) -> None:
        self.path, self.name, self.user, self.host = path, name, user, host
        subprocess.run(["cp", "-a", str(made), str(path)], check=True)
        for file in ("etc/resolv.conf", "etc/ssl/certs/ca-certificates.crt"):  # as this computer reaches the registries
            shutil.copy(f"/{file}", path / file)
        (path / "etc/pip.conf").write_text("[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n")
        (path / "etc/hosts").write_text("127.0.0.1 localhost\n192.168.10.1 drone\n192.168.10.2 laptop\n")
        (path / f"etc/sudoers.d/{user}").write_text(f"{user} ALL=(ALL) NOPASSWD: ALL\n")
        self._root("useradd", "--create-home", "--shell", "/bin/bash", "--groups", "dialout", user)
        self._root("apt-get", "-qq", "update")
        subprocess.run(["git", "clone", "--quiet", "--bare", SOURCE, path / "srv/zegel"], check=True)
        self._root("chown", "-R", user, "/srv/zegel")

    def _root(self, *words: str) -> None:
        subprocess.run(["chroot", str(self.path), *words], check=True, capture_output=True)

    def keys(self, name: str, text: str) -> None:
        """A file of ssh in the home of the user."""
        folder = self.path / "home" / self.user / ".ssh"
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / name).write_text(text)
        (folder / name).chmod(0o600)
        self._root("chown", "-R", f"{self.user}:", f"/home/{self.user}/.ssh")

    def words(self, line: str, user: str = "") -> list[str]:
        installs = re.search(r"\bapt\b|make -C", line)
        return [
            *(() if installs else self.host.within),
            *("unshare", "--mount", "--uts", "sh", "-c", PREPARE, "sh"),
            *(str(self.path), self.name, user or self.user, line.replace(ADDRESS, "/srv/zegel")),
        ]


class Autopilot:
    """The flight controller at the board's serial line: a heartbeat, and an answer to each command."""

    def __init__(self, board: Computer) -> None:
        self._ours, self._theirs = os.openpty()
        tty.setraw(self._theirs)
        name = os.ttyname(self._theirs)
        shutil.chown(name, group="dialout")
        Path(name).chmod(0o660)
        (board.path / "dev/ttyAMA0").symlink_to(name)
        self._mav, self._next = dialect.MAVLink(None, srcSystem=1, srcComponent=1), 0.0

    def step(self) -> None:
        if time.monotonic() > self._next:
            self._next = time.monotonic() + 0.5
            os.write(self._ours, self._mav.heartbeat_encode(2, 3, 81, 0, 3).pack(self._mav))
        if select.select([self._ours], [], [], 0)[0]:
            for message in self._mav.parse_buffer(os.read(self._ours, 4096)) or []:
                if message.get_type() == "COMMAND_LONG":
                    os.write(self._ours, self._mav.command_ack_encode(message.command, 0).pack(self._mav))

    def close(self) -> None:
        os.close(self._ours)
        os.close(self._theirs)


@pytest.fixture
def debian() -> Path:
    if missing := [tool for tool in ("ffmpeg", "git", "ssh-keygen") if not shutil.which(tool)]:
        pytest.skip(f"needs {' and '.join(missing)}")
    return empty_debian(PACKAGES)


@contextlib.contextmanager
def two_computers(debian: Path, folder: Path) -> Iterator[tuple[Computer, Computer]]:
    with contextlib.ExitStack() as stack:
        aboard = Host(all_users=True)
        stack.callback(aboard.end)
        station = Host(beside=aboard, all_users=True)
        stack.callback(station.end)
        aboard.ip("link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", str(station.pid))
        for number, host in enumerate((aboard, station), 1):
            host.ip("address", "add", f"192.168.10.{number}/24", "dev", "eth0")
            host.ip("link", "set", "eth0", "up")
        board = Computer(debian, folder / "board", "drone", "pi", aboard)
        laptop = Computer(debian, folder / "laptop", "laptop", "ana", station)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "key"], check=True)
        laptop.keys("id_ed25519", (folder / "key").read_text())
        laptop.keys("config", "StrictHostKeyChecking accept-new\n")
        board.keys("authorized_keys", (folder / "key.pub").read_text())
        yield board, laptop
        for computer in (board, laptop):
            shutil.rmtree(computer.path)


@contextlib.contextmanager
def running(words: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program that is ended with all that it started."""
    with log.open("wb") as out:
        command = ["unshare", "--pid", "--fork", "--kill-child", *words]
        process = subprocess.Popen(command, cwd=log.parent, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_the_lines_of_readme_lead_from_nothing_to_a_picture_and_an_acknowledged_command(debian, tmp_path, figure):
    typed = lines()
    assert len(typed) <= COMMANDS_MAX
    shutil.copy(SOURCE / "examples/zegel.sdp", tmp_path)
    with contextlib.ExitStack() as stack:
        computers = stack.enter_context(two_computers(debian, tmp_path))
        board, laptop = computers
        sshd = board.words("mkdir -p /run/sshd && /usr/sbin/sshd -D", "root")
        stack.enter_context(running(sshd, tmp_path / "sshd.log"))
        autopilot = Autopilot(board)
        stack.callback(autopilot.close)
        gcs = stack.enter_context(laptop.host.udp(GCS_PORT))
        began = time.monotonic()
        for number, (where, line) in enumerate(typed, 1):
            words, log = computers[where].words(line), tmp_path / f"{number}.log"
            if line.startswith(("zegel air", "zegel ground")):
                stack.enter_context(running(words, log))
            else:
                done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
                assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
            figure(f"README, first flight: {time.monotonic() - began:5.0f} s  {computers[where].name}$ {line}")
        player = stack.enter_context(running([*laptop.host.within, *PLAYER.split()], tmp_path / "player.log"))
        stack.enter_context(running([*board.host.within, *CAMERA.split()], tmp_path / "camera.log"))
        seen = fly(autopilot, gcs, player)
        logs = "".join(path.read_text() for path in sorted(tmp_path.glob("*.log")))
        assert seen == {"picture", "acknowledged"}, logs
        assert (tmp_path / "seen.png").stat().st_size
        figure(f"README, first flight: {time.monotonic() - began:5.0f} s  a picture, and a command acknowledged")


def fly(autopilot: Autopilot, gcs, player: subprocess.Popen[bytes]) -> set[str]:
    """What came, until all has or the time is over."""
    mav, seen, limit = dialect.MAVLink(None, srcSystem=255, srcComponent=190), set(), time.monotonic() + WITHIN_S
    command = mav.command_long_encode(1, 1, 400, 0, 1, 0, 0, 0, 0, 0, 0)
    while len(seen) < 2 and time.monotonic() < limit:
        autopilot.step()
        for frame, ground in drain_from(gcs):
            seen |= {
                "acknowledged" for m in mav.parse_buffer(frame) or [] if m.get_type() == "COMMAND_ACK" and m.result == 0
            }
            gcs.sendto(command.pack(mav), ground)
        seen |= {"picture"} if player.poll() == 0 else set()
        time.sleep(0.02)
    return seen
