"""zegel-source.service and the jail of a vendor's program, under a systemd of their own, from the package."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.system.test_package import LOAD, SET_UP, Booted, Root, debian, package, root  # noqa: F401 - fixtures

pytestmark = pytest.mark.soak
PACKAGING = Path(__file__).parents[2] / "packaging"
DYNAMIC_USERS = range(61_184, 65_520)  # systemd.exec(5)

# What each tries besides its work. It says what it could do that it may not.
TRIES = """
import os, socket, sys, time

def could():
    for place in ("/var/lib/zegel", "/var/lib/zegel/air", "/run/zegel", "/home", "/run/systemd/private"):
        try:
            if os.listdir(place):
                yield "list " + place
        except OSError:
            pass
    for place in ("/etc/shadow", "/var/lib/zegel/air/device.key", "/dev/mem", "/dev/kmsg"):
        try:
            open(place, "rb").close()
            yield "open " + place
        except OSError:
            pass
    for place in ("/etc/zegel/x", "/usr/x", "/srv/x"):
        try:
            open(place, "w").close()
            yield "write " + place
        except OSError:
            pass

PICTURE = b"\\0\\0\\0\\1\\x67\\x42\\xc0\\x1e\\0\\0\\0\\1\\x68\\xce\\x3c\\x80\\0\\0\\0\\1\\x65\\x88" + b"x" * 3000
"""
CAMERA = """
said = ", ".join(could())
if said:
    sys.exit("it could " + said)
while True:
    os.write(1, PICTURE)
    time.sleep(0.03)
"""
FEEDER = """
import struct

def more():
    yield from could()
    try:
        names = [name for _, name in socket.if_nameindex() if name != "lo"]
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.sendto(b"x", ("127.0.0.1", 5602))
        yield "send by UDP"
    except OSError:
        pass
    try:
        yield "read " + open("/etc/zegel/air.toml").read(9)
    except OSError:
        pass
    if os.listdir("/run/zegel-source/feed") != ["psdk"]:
        yield "see the others' sockets"

made = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
made.connect("/run/zegel-source/feed/psdk/socket")
number = 0

def send(kind, body):
    global number
    made.send(struct.pack("<BBHIQ", kind, 0, 0, number, time.monotonic_ns() // 1000) + body)
    number += 1

send(3, ("could " + (", ".join(more()) or "no more"))[:200].encode())
while True:
    send(2, PICTURE)
    time.sleep(0.03)
"""
TABLES = """
[[source]]
name = "front"
lane = "a"
seen_by = ""
run = ["/usr/bin/python3", "/srv/camera.py"]
gives = "h264"

[[source]]
name = "gimbal"
lane = "b"
seen_by = "dji"
socket = "psdk"
gives = "h264"

[vendor.psdk]
run = ["/usr/bin/python3", "/srv/feeder.py"]
"""


def test_pictures_come_by_both_services_and_neither_reaches_more_than_it_may(root: Root):  # noqa: F811
    if not shutil.which("systemd-nspawn"):
        pytest.skip("systemd-nspawn is missing: apt-get install systemd-container")
    root.run("dpkg", "--install", "/root/zegel.deb")
    (root.path / "srv/camera.py").write_text(TRIES + CAMERA)
    (root.path / "srv/feeder.py").write_text(TRIES + FEEDER)
    computer = Booted(root)
    try:
        computer.run("sh", "-c", SET_UP)
        (root.path / "etc/zegel/air.d/60-sources.toml").write_text(TABLES)
        computer.run(*LOAD)
        computer.run("systemctl", "restart", "--no-block", "zegel-air")
        computer.run("zegel", "source", "--config", "/etc/zegel/air.toml", "--jails")
        computer.run("systemctl", "daemon-reload")
        computer.run("systemctl", "start", "--no-block", "zegel-source", "zegel-vendor@psdk")
        computer.wait(lambda: states(computer) == ["bringing", "bringing"], f"no pictures: {said(computer)}")
        assert said(computer)["gimbal"]["last_error"] == "it says: could no more"
        computer.wait(lambda: taken(computer), "zegel air does not take them")
        assert user_of(computer, "zegel-source", "%U") == "zegel-source"
        assert int(user_of(computer, "zegel-vendor@psdk", "%u")) in DYNAMIC_USERS
        before = computer.show("zegel-source", "MainPID")
        computer.run("sh", "-c", f"kill -9 {before}")
        computer.wait(lambda: computer.show("zegel-source", "MainPID") not in {before, "0"}, "it does not come back")
        computer.wait(lambda: states(computer) == ["bringing", "bringing"], "no pictures after a kill")
        for unit in ("zegel-vendor@psdk", "zegel-source"):
            computer.run("systemctl", "stop", unit)
        assert programs(computer) == []
        shutil.copytree(PACKAGING, root.path / "root/packaging")
        computer.run("systemctl", "enable", "--now", "zegel-vendor@psdk")
        computer.wait(lambda: programs(computer), "it does not start again")
        computer.run("/root/packaging/uninstall", "/usr", "1")
        assert computer.show("zegel-vendor@psdk", "ActiveState") == "inactive"
        assert computer.run("find", "/etc/systemd", "/run", "-maxdepth", "3", "-name", "zegel*").split() == []
    finally:
        computer.end()


def programs(computer: Booted) -> list[str]:
    """The processes of the cameras and vendors."""
    return computer.run("sh", "-c", "grep -lz ^/srv/ /proc/[0-9]*/cmdline 2>/dev/null").split()


def said(computer: Booted) -> dict[str, dict[str, object]]:
    found = [each for each in json.loads(computer.run("zegel", "status", "--json") or "[]") if each["role"] == "source"]
    return {each["name"]: each for status in found for each in status["sources"]}


def states(computer: Booted) -> list[object]:
    return [each["state"] for each in said(computer).values()]


def taken(computer: Booted) -> bool:
    """Whether both cameras' endpoints of zegel air get datagrams, so that it admits the user of the sources."""
    found = [each for each in json.loads(computer.run("zegel", "status", "--json") or "[]") if each["role"] == "air"]
    rates = [end["rx_per_s"] for status in found for end in status["endpoints"] if end["use"] == "camera"]
    return len(rates) == 2 and all(rates)


def user_of(computer: Booted, unit: str, form: str) -> str:
    return computer.run("stat", "-c", form, f"/proc/{computer.show(unit, 'MainPID')}").strip()
