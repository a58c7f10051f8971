"""Nothing beside the seal: with the egress guard a rogue tries every way out of a real computer while Zegel flies.

A capture at the far end of the cable holds nothing of it. Shows 5 of what runs on the board.
"""

from __future__ import annotations

import collections
import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.demo.leaks import shared_windows
from gateway.demo.stage import HOST, Program, drain, run_until
from tests.memory_link import mavlink_frame
from tests.system.house import House
from tests.system.namespaces import Cable, Host
from tests.system.users import ROOT, as_user

if os.geteuid() != 0:
    pytest.skip("needs root, for the rules of nftables and for processes of several users", allow_module_level=True)
if missing := [tool for tool in ("nft", "setpriv", "unshare", "nsenter", "ip") if shutil.which(tool) is None]:
    pytest.skip(f"needs {' and '.join(missing)}: apt install nftables util-linux iproute2", allow_module_level=True)

ZEGEL, ROGUE = 4711, 4712
FC_PORT, LINK_PORT = 14560, 14600
MARK = b"ROGUE MAVLINK 0123456789"  # longer than the window of a comparison
STATION_AT = "10.1.0.2"
NAT = f"table ip nat {{ chain out {{ type nat hook output priority -100; ip daddr 10.77.0.1 dnat to {STATION_AT}; }}; }}"


class Board:
    """An aircraft's computer, a station's at the other end of a cable, and a camera's behind the first."""

    def __init__(self) -> None:
        self.aboard = Host(all_users=True)
        self.station, self.camera = Host(self.aboard, all_users=True), Host(self.aboard, all_users=True)
        self.radio = Cable("radio", 1, (self.aboard, self.station))
        self.ethernet = Cable("eth0", 2, (self.aboard, self.camera))
        self.aboard.ip("address", "add", "10.77.0.1/32", "dev", "lo")
        self.camera.ip("route", "add", "default", "via", "10.2.0.1")
        self.station.ip("route", "add", "10.2.0.0/24", "via", "10.1.0.1")
        self.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        self.run("nft", NAT)
        self.seen = self.station.capture("radio")
        self.mac = self.run_json("ip", "-json", "link", "show", "radio")[0]["address"]

    def run(
        self, *words: str, uid: int = ROOT, host: Host | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*(host or self.aboard).within, *as_user(uid), *words], capture_output=True, text=True, check=False
        )
        assert not check or done.returncode == 0, f"{words}: {done.stderr}"
        return done

    def run_json(self, *words: str, **more: object):
        return json.loads(self.run(*words, **more).stdout)

    def zegel(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.run(sys.executable, "-m", "gateway.cli", *words, check=check)

    def egress(self, do: str, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        if not words:
            words = ("--interface", "radio")
        return self.zegel("egress", do, *(() if do == "remove" else (*words, "--user", str(ZEGEL))), check=check)

    def rogue(
        self, uid: int, host: Host | None = None, device: str = "radio", ways: tuple[str, ...] = ()
    ) -> dict[str, str]:
        """Every way it knows, or these, as this user -> what the system said."""
        script = Path(__file__).with_name("rogue.py")
        words = (sys.executable, str(script), device, MARK.decode(), STATION_AT, *ways)
        return self.run_json(*words, uid=uid, host=host)["said"]

    def rules(self) -> str:
        return re.sub(r"packets \d+ bytes \d+", "", self.run("nft", "list", "ruleset").stdout)

    def take(self) -> list[bytes]:
        """The frames that came out of the cable at the station since the last call."""
        time.sleep(0.1)
        ours = bytes.fromhex(self.mac.replace(":", ""))
        return [frame for frame in drain(self.seen) if frame[6:12] == ours]

    def end(self) -> None:
        self.seen.close()
        for host in (self.camera, self.station, self.aboard):
            host.end()


@pytest.fixture
def board():
    made = Board()
    yield made
    made.end()


def kind(frame: bytes) -> str:
    """What a frame is, in words, as far as this test knows."""
    ether_type, ip = int.from_bytes(frame[12:14], "big"), frame[14:]
    if ether_type == 0x0806:
        return "ARP"
    if ether_type == 0x86DD and ip[6] == socket.IPPROTO_ICMPV6 and ip[40] in {133, 135, 136}:
        return "IPv6 neighbour discovery"
    if ether_type == 0x0800 and ip[9] == socket.IPPROTO_UDP and int.from_bytes(ip[22:24], "big") == LINK_PORT:
        return "sealed, UDP 14600"
    return f"something else: {frame[12:].hex()[:80]}"


class Flight:
    """`zegel air` as its user aboard, `zegel ground` at the station; frames go in aboard and come out at the station."""

    def __init__(self, board: Board, house: House) -> None:
        subprocess.run(["chown", "-R", f"{ZEGEL}:{ZEGEL}", house.folder / "drone-7"], check=True)
        runtime = house.folder / "run-air"
        runtime.mkdir()
        os.chown(runtime, ZEGEL, ZEGEL)
        self.fc, self.gcs = board.aboard.udp(), board.station.udp()
        self.sent: list[bytes] = []
        self.came: list[bytes] = []
        self._rng = random.Random(5)
        self.ground = Program(
            (
                *("ground", "--station", str(house.folder / "pilot"), "--order", str(house.order)),
                *("--link", f"udpin:{STATION_AT}:{LINK_PORT}", "--gcs", f"udpout:{HOST}:{self.gcs.getsockname()[1]}"),
            ),
            house.folder,
            "ground",
            board.station.within,
        )
        self.air = Program(
            (
                *("air", "--device", str(house.folder / "drone-7"), "--fc", f"udpin:{HOST}:{FC_PORT}"),
                *("--link", f"udpout:{STATION_AT}:{LINK_PORT}"),
            ),
            house.folder,
            "air",
            (*board.aboard.within, *as_user(ZEGEL), "env", f"XDG_RUNTIME_DIR={runtime}"),
        )

    def step(self) -> None:
        self.sent.append(mavlink_frame(self._rng, len(self.sent)))
        self.fc.sendto(self.sent[-1], (HOST, FC_PORT))
        self.came += drain(self.gcs)
        time.sleep(0.005)

    def carries(self) -> bool:
        """Whether what is sent from now on comes."""
        self.came.clear()
        return run_until(lambda: len(self.came) > 50, self.step, (self.gcs,), 20)

    def logs(self) -> str:
        return f"{self.air.output()}\n{self.ground.output()}"

    def end(self) -> None:
        self.air.end()
        self.ground.end()
        self.fc.close()
        self.gcs.close()


def closed(tmp_path: Path, more: str = "", interfaces: tuple[str, ...] = ("radio",)) -> tuple[str, str]:
    """The words that name an egress.toml without any hole but `more`."""
    path = tmp_path / "egress.toml"
    path.write_text(f"interface = {json.dumps(interfaces)}\nsetup = false\n{more}")
    return "--config", str(path)


def test_a_rogue_tries_every_way_and_a_capture_at_the_other_end_has_nothing_of_it(board, house, tmp_path, figure):
    board.egress("apply", *closed(tmp_path))
    board.take()  # what the kernel said before
    flight = Flight(board, house)
    try:
        assert flight.carries(), flight.logs()
        tried = {uid: board.rogue(uid) for uid in (ROGUE, ROOT)}
        forwarded = board.rogue(ROOT, board.camera, "eth0")
        answers = knock(board)
        assert flight.carries(), flight.logs()
    finally:
        flight.end()
    wire = board.take()
    kinds = collections.Counter(map(kind, wire))
    assert not shared_windows([MARK], wire)
    assert kinds.keys() <= {"sealed, UDP 14600", "ARP", "IPv6 neighbour discovery"}, kinds
    assert kinds["sealed, UDP 14600"] > 50
    assert answers == []
    assert forwarded["UDP to the sealed port, from another socket"] == "sent"  # as far as the camera knows
    tell(figure, tried, kinds)
    # The detector itself can fail: without the guard a good part of it leaves.
    board.egress("remove")
    for uid in (ROGUE, ROOT):
        board.rogue(uid)
    board.rogue(ROOT, board.camera, "eth0")
    wire = board.take()
    assert sum(MARK in frame for frame in wire) > 20
    sources = {frame[26:30] for frame in wire if MARK in frame and frame[12:14] == b"\x08\0"}
    assert socket.inet_aton("10.2.0.2") in sources, "what the camera forwards"
    assert knock(board) == ["a ping is answered", "a connection is refused"]


def tell(figure, tried: dict[int, dict[str, str]], kinds: collections.Counter[str]) -> None:
    for uid, said in tried.items():
        figure(f"egress guard, a rogue with uid {uid} tried {len(said)} ways:")
        for way, answer in said.items():
            figure(f"    {way}: {answer}")
    figure("and from the camera's Ethernet the same, to be forwarded. At the far end of the cable the capture has: ")
    figure("    " + ", ".join(f"{count} {name}" for name, count in sorted(kinds.items())) + "; of the rogue 0 frames")


KNOCK = """
import socket, struct
ping = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
ping.settimeout(1)
ping.sendto(struct.pack("!BBHHH", 8, 0, 0xF7FE, 0, 1), ("10.1.0.1", 0))
try:
    while ping.recv(99)[20] != 0:
        pass
    print("a ping is answered")
except TimeoutError:
    pass
call = socket.socket()
call.settimeout(1)
if call.connect_ex(("10.1.0.1", 9)) == 111:
    print("a connection is refused")
"""


def knock(board: Board) -> list[str]:
    """What the aircraft's kernel answers to a stranger at the station."""
    return board.run(sys.executable, "-c", KNOCK, host=board.station).stdout.splitlines()


def test_check_proves_it_and_fails_loudly_when_the_rules_are_gone(board):
    board.egress("apply")
    done = board.egress("check")
    assert "20 tries to send past Zegel, 20 of them stopped" in done.stdout
    assert "passes" in done.stdout
    assert not shared_windows([b"MAVLink"], board.take())
    board.run("nft", "flush", "ruleset")  # as /etc/nftables.conf begins
    done = board.egress("check", check=False)
    assert done.returncode == 1
    assert "LEFT" in done.stdout
    assert 'the egress guard does not hold: no rule names "radio"' in done.stderr
    tries = json.loads(board.egress("check", "--interface", "radio", "--json", check=False).stdout)
    assert {found["way"] for found in tries if not found["well"]} >= {"MAVLink over UDP", "TCP", "raw frame, IPv4"}


def test_apply_twice_is_apply_once_and_remove_leaves_the_rules_of_others(board):
    others = board.rules()
    board.egress("apply")
    once = board.rules()
    assert "zegel_egress" in once
    board.egress("apply")
    assert board.rules() == once
    board.egress("remove")
    assert board.rules() == others
    board.egress("remove")
    assert board.rules() == others


def test_an_interface_that_comes_later_is_guarded_from_its_first_moment(board, tmp_path):
    words = closed(tmp_path, interfaces=("usb0", "radio"))
    done = board.egress("apply", *words)
    assert "usb0, which does not exist yet: only the user 4711 sends" in done.stdout
    later = Cable("usb0", 3, (board.aboard, board.station))
    seen = board.station.capture(later.name)
    if "before Linux 6.16" in done.stdout:
        board.egress("apply", *words)
    board.rogue(ROGUE, device="usb0")
    board.rogue(ROOT, device="usb0")
    time.sleep(0.1)
    assert not shared_windows([MARK], drain(seen))
    seen.close()


def test_what_other_programs_must_say_for_a_link_to_come_up_is_little_and_takes_privileges(board, figure):
    board.egress("apply")
    assert board.rogue(ROGUE)["UDP, as DHCP"] == "Permission denied"
    assert not shared_windows([MARK], board.take())
    ways = ("UDP, as DHCP", "raw frame as WPA's")
    board.rogue(ROOT, ways=ways * 50)
    wire = [frame for frame in board.take() if MARK in frame]
    figure(f"egress guard with setup = true: of 100 frames of a rogue with all of root's powers {len(wire)} left")
    assert {frame[12:14] for frame in wire} == {b"\x08\0", b"\x88\x8e"}
    assert len(wire) <= len(ways) * 12  # ten at once, and ten a minute


def test_holes_are_as_wide_as_they_say(board, tmp_path):
    wireguard = '[[allow]]\nwhy = "WireGuard"\ninterface = "radio"\nfwmark = 7\nprotocol = "udp"\n'
    hole = f'{wireguard}[[allow]]\nwhy = "pings"\nprotocol = "ping"\n'
    done = board.egress("apply", *closed(tmp_path, hole))
    assert "exception, may leave in clear: WireGuard" in done.stdout
    said = board.rogue(ROGUE)
    assert said["UDP with a mark"] == "Operation not permitted"
    assert not shared_windows([MARK], board.take())
    said = board.rogue(ROOT)
    assert [way for way, answer in said.items() if answer == "sent" and "pymavlink" not in way] == ["UDP with a mark"]
    assert sum(MARK in frame for frame in board.take()) == 1
    assert knock(board) == ["a ping is answered"]


def test_a_port_of_a_radios_program_takes_from_zegel_only(board, tmp_path):
    path = tmp_path / "egress.toml"
    path.write_text("port = [14600]\n")
    with board.aboard.udp(LINK_PORT) as radio:
        board.egress("apply", "--config", str(path))
        done = board.egress("check", "--config", str(path))
        assert "2 tries to send past Zegel, 2 of them stopped" in done.stdout
        assert len(drain(radio)) == 1  # Zegel's own
        board.egress("remove")
        assert board.egress("check", "--config", str(path), check=False).returncode == 1
        assert len(drain(radio)) == 3
