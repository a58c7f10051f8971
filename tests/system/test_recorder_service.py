"""zegel-recorder.service under a systemd of its own, from the package."""

from __future__ import annotations

import shutil
import signal
import time
from pathlib import Path

import pytest

from tests.system.test_doctor import heartbeat_frame
from tests.system.test_package import LOAD, RECORDINGS, SET_UP, Booted, Root, debian, package, root  # noqa: F401 - fixtures

pytestmark = pytest.mark.soak
RECORDED = SET_UP.replace(
    "zegel order issue agency", "zegel recording keygen archive --name archive\nzegel order issue agency"
).replace("--station", "--recording archive/rec.pub --station")
OTHER = "/media/card"

# What its user in its sandbox tries besides its work. It says what it could do that it may not.
TRIES = """
import os, socket, sys

def could():
    for place in ("/var/lib/zegel", "/var/lib/zegel/air", "/run/zegel", "/home", "/run/systemd/private"):
        try:
            if os.listdir(place):
                yield "list " + place
        except OSError:
            pass
    for place in ("/etc/shadow", "/var/lib/zegel/air/device.key", "/var/lib/zegel/op.order", "/dev/mem", "/dev/kmsg"):
        try:
            open(place, "rb").close()
            yield "open " + place
        except OSError:
            pass
    for place in ("/etc/zegel/x", "/usr/x", "/srv/x", "/var/lib/zegel/x", "/var/lib/zegel/air/x", "/media/x"):
        try:
            open(place, "w").close()
            yield "write " + place
        except OSError:
            pass
    for family in (socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK, socket.AF_PACKET):
        try:
            socket.socket(family, socket.SOCK_DGRAM).close()
            yield "make a socket of " + family.name
        except OSError:
            pass

open("/var/lib/zegel/recordings/said", "w").write(", ".join(could()) or "no more")
"""
TRY = "[Service]\nExecStartPre=/usr/bin/python3 /srv/tries.py\n"
# A flight controller.
FC = """
import socket, time
made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True:
    made.sendto(bytes.fromhex("HEARTBEAT"), ("127.0.0.1", 14560))
    time.sleep(0.1)
"""
# Another user, and root, at the socket of the recorder.
CONNECT = """
import socket
made = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
try:
    made.settimeout(5)
    made.connect("/run/zegel-recorder/air.sock")
    print("refused" if made.recv(100) == b"" else "heard")
except PermissionError:
    print("kept out")
"""


def test_it_records_and_reaches_no_more_than_it_may_and_delays_no_link(root: Root, figure):  # noqa: F811
    if not shutil.which("systemd-nspawn"):
        pytest.skip("systemd-nspawn is missing: apt-get install systemd-container")
    root.run("dpkg", "--install", "/root/zegel.deb")
    root.run("useradd", "alice")
    (root.path / "srv/tries.py").write_text(TRIES)
    (root.path / "srv/fc.py").write_text(FC.replace("HEARTBEAT", heartbeat_frame().hex()))
    (root.path / "srv/connect.py").write_text(CONNECT)
    drop_in = root.path / "etc/systemd/system/zegel-recorder.service.d/try.conf"
    drop_in.parent.mkdir(parents=True)
    drop_in.write_text(TRY)
    computer = Booted(root)
    try:
        computer.run("systemctl", "start", "--no-block", "zegel-air")  # before there is a device folder
        computer.wait(
            lambda: computer.show("zegel-recorder", "ActiveState") == "active", "it does not start with zegel-air"
        )
        computer.run("sh", "-c", RECORDED)
        (root.path / "etc/zegel/air.d/fc.toml").write_text('fc = "udpin:127.0.0.1:14560"\n')
        computer.run("systemd-run", "--unit=fc", "python3", "/srv/fc.py")
        computer.run(*LOAD)
        computer.wait(lambda: cuts(root), f"nothing is recorded\n{computer.run('zegel', 'status')}")
        assert children(computer, "zegel-air") == [], "zegel-air has no recorder of its own"
        assert (root.path / RECORDINGS[1:] / "said").read_text() == "no more"
        assert computer.run("stat", "-c", "%U", f"/proc/{pid(computer)}").strip() == "zegel-recorder"
        for user, said in (("alice", "kept out"), ("root", "refused")):
            assert computer.run("runuser", "-u", user, "--", "python3", "/srv/connect.py").strip() == said
        _comes_back(computer, root, figure)
        _stands_still(computer, figure)
        _records_elsewhere(computer)
    finally:
        computer.end()


def _comes_back(computer: Booted, root: Root, figure) -> None:  # noqa: F811
    flies = computer.show("zegel-air", "MainPID")
    for number in (signal.SIGKILL, signal.SIGSTOP):
        before, had, began = pid(computer), cuts(root), time.monotonic()
        computer.run("sh", "-c", f"kill -{number.value} {before}")
        computer.wait(
            lambda before=before: pid(computer) not in {before, "0"}, f"it does not come back after {number.name}"
        )
        computer.wait(lambda had=had: cuts(root) > had, "nothing is recorded after it")
        figure(f"zegel-recorder.service records again {time.monotonic() - began:.1f} s after {number.name}")
    assert computer.show("zegel-air", "MainPID") == flies


def _stands_still(computer: Booted, figure) -> None:
    """A recorder that does not move, as one that waits for a dead card, and zegel-air starts again."""
    recorder = pid(computer)
    computer.run("sh", "-c", f"kill -STOP {recorder}")
    before, began = computer.show("zegel-air", "MainPID"), time.monotonic()
    computer.run("systemctl", "restart", "zegel-air")
    assert computer.show("zegel-air", "MainPID") not in {before, "0"}
    assert pid(computer) == recorder
    figure(f"zegel-air.service restarted in {time.monotonic() - began:.1f} s while zegel-recorder stood still")
    computer.run("sh", "-c", f"kill -CONT {recorder}")


def _records_elsewhere(computer: Booted) -> None:
    """A card, which is pulled; another one is put in its place."""
    computer.run("mkdir", "-p", OTHER)
    computer.run("mount", "-t", "tmpfs", "-o", "mode=755", "card", OTHER)  # as a new ext4 is
    said = computer.run("zegel", "setup", "air", "--yes", "--record", OTHER)
    assert f"recordings go to {OTHER}" in said
    computer.run("systemctl", "daemon-reload")
    computer.run("systemctl", "restart", "zegel-recorder")
    computer.wait(lambda: cuts_seen(computer), "nothing is recorded in the other folder")
    assert computer.run("stat", "-c", "%a %U", OTHER).strip() == "700 zegel-recorder"
    recorder = pid(computer)
    computer.run("umount", "--lazy", OTHER)
    computer.wait(lambda: "NOT RECORDING: card failed" in computer.run("zegel", "status"), "it does not say so")
    user = computer.run("id", "-u", "zegel-recorder").strip()
    computer.run("mount", "-t", "tmpfs", "-o", f"mode=700,uid={user}", "card", OTHER)
    computer.wait(lambda: cuts_seen(computer), "nothing is recorded on the other card")
    assert pid(computer) == recorder
    computer.run("systemctl", "stop", "zegel-air")
    assert computer.show("zegel-recorder", "ActiveState") == "active", "it waits for the next zegel-air"


def pid(computer: Booted) -> str:
    return computer.show("zegel-recorder", "MainPID")


def children(computer: Booted, unit: str) -> list[str]:
    main = computer.show(unit, "MainPID")
    return computer.run("cat", f"/proc/{main}/task/{main}/children").split()


def cuts(root: Root) -> int:  # noqa: F811
    """Segments that are in the folder of the service."""
    return len([*Path(root.path / RECORDINGS[1:]).glob("session-*/rec-*/*.cbl")])


def cuts_seen(computer: Booted) -> int:
    """Those on the card, which only the container sees."""
    return len(computer.run("find", OTHER, "-name", "*.cbl").splitlines())
