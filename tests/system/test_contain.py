"""The box at a vendor's controller: the controller's only network is a dead end. Three computers, real rules.

The controller tries the ways of the rogue in test_egress.py, through a box that forwards. None of it is beyond the box.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.demo.leaks import shared_windows
from gateway.demo.stage import drain
from tests.system.namespaces import Cable, Host
from tests.system.test_egress import MARK, ZEGEL
from tests.system.users import ROOT, as_user

if os.geteuid() != 0:
    pytest.skip("needs root, for the rules of nftables and for processes of several users", allow_module_level=True)
if missing := [tool for tool in ("nft", "tc", "setpriv", "unshare", "nsenter", "ip") if shutil.which(tool) is None]:
    pytest.skip(f"needs {' and '.join(missing)}: apt install nftables util-linux iproute2", allow_module_level=True)

SOMEBODY = 4712
ROOM_AT, BOX_AT, CONTROLLER_AT = "10.1.0.2", "10.5.0.1", "10.5.0.2"
RTMP, SSH = 1935, 22
AIR = """
device = "drone-7"
link = ["udpout:10.1.0.2:14600"]
[[source]]
name = "front"
lane = "a"
seen_by = "dji"
rtmp = "0.0.0.0:1935/live/front"
"""
CALL = "import socket, sys; s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 0.5); s.sendall(b'x')"
SERVE = """
import socket, sys
for family, kind in ((socket.AF_INET, socket.SOCK_STREAM), (socket.AF_INET, socket.SOCK_DGRAM)):
    for port in sys.argv[1:]:
        made = socket.socket(family, kind)
        made.bind(("0.0.0.0", int(port)))
        if kind == socket.SOCK_STREAM:
            made.listen()
        globals()[f"{kind}{port}"] = made
print("ready", flush=True)
sys.stdin.read()
"""


class Field:
    """A controller, the box with the modem to the control room, and that room. The box forwards, as a router would."""

    def __init__(self, folder: Path) -> None:
        self.box = Host(all_users=True)
        self.room, self.controller = Host(self.box, all_users=True), Host(self.box, all_users=True)
        self.modem = Cable("modem", 1, (self.box, self.room))
        self.ethernet = Cable("eth1", 5, (self.box, self.controller))
        self.controller.ip("route", "add", "default", "via", BOX_AT)
        self.controller.ip("-6", "route", "add", "default", "dev", "eth1")
        self.room.ip("route", "add", "10.5.0.0/24", "via", "10.1.0.1")
        self.box.ip("route", "add", "default", "via", ROOM_AT)
        for switch in ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"):
            self.run(self.box, "sysctl", "-qw", switch)
        self.box.ip("-6", "route", "add", "default", "dev", "modem")
        (folder / "air.toml").write_text(AIR)
        self.config = folder / "egress.toml"
        self.seen = self.room.capture("modem")

    def run(self, host: Host, *words: str, uid: int = ROOT, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run([*host.within, *as_user(uid), *words], capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, f"{words}: {done.stderr}"
        return done

    def egress(self, do: str, *words: str, contain: str = 'interface = "eth1"', check: bool = True):
        self.config.write_text(f'interface = ["modem"]\nuser = "{ZEGEL}"\n[[contain]]\n{contain}\n')
        more = () if do == "remove" else ("--config", str(self.config))
        return self.run(self.box, sys.executable, "-m", "gateway.cli", "egress", do, *more, *words, check=check)

    def contain_alone(self) -> None:
        """Without the egress guard, which stops the same at the modem: each must hold by itself."""
        self.egress("apply")
        for family in ("inet", "netdev"):
            self.run(self.box, "nft", "delete", "table", family, "zegel_egress", check=False)

    def rogue(
        self,
        uid: int = ROOT,
        to: str = ROOM_AT,
        host: Host | None = None,
        device: str = "eth1",
        ways: Sequence[str] = (),
    ) -> dict[str, str]:
        script = Path(__file__).with_name("rogue.py")
        words = (sys.executable, str(script), device, MARK.decode(), to, *ways)
        return json.loads(self.run(host or self.controller, *words, uid=uid).stdout)["said"]

    def call(self, port: int, host: Host | None = None, to: str = BOX_AT) -> bool:
        """Whether a TCP connection is made."""
        return self.run(host or self.controller, sys.executable, "-c", CALL, to, str(port), check=False).returncode == 0

    def take(self) -> list[bytes]:
        """The frames at the room's end of the modem since the last call."""
        time.sleep(0.2)
        return drain(self.seen)

    def end(self) -> None:
        self.seen.close()
        for host in (self.controller, self.room, self.box):
            host.end()


@pytest.fixture
def field(tmp_path):
    made = Field(tmp_path)
    yield made
    made.end()


@pytest.fixture
def serving(field):
    """Programs of the box at the source's port and at others."""
    words = [*field.box.within, sys.executable, "-c", SERVE, *map(str, (RTMP, SSH))]
    program = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert program.stdout.readline() == "ready\n"
    yield
    program.communicate()


def of_the_controller(frames: list[bytes]) -> list[bytes]:
    """Those with its text, or its address as IP or ARP have it."""
    return [frame for frame in frames if MARK in frame or socket.inet_aton(CONTROLLER_AT) in frame]


def test_a_controller_tries_every_way_and_no_octet_of_it_is_beyond_the_box(field, figure):
    field.contain_alone()
    field.take()
    tried = {uid: field.rogue(uid) for uid in (SOMEBODY, ROOT)}
    wire = field.take()
    assert of_the_controller(wire) == []
    assert not shared_windows([MARK], wire)
    assert min(map(len, tried.values())) == 21
    left = sum(answer == "sent" for answer in tried[ROOT].values())
    figure(
        f"a contained controller tried {len(tried[ROOT])} ways as root, of which {left} left it; beyond the box 0 frames"
    )
    # The detector itself can fail: without the rules a good part of it passes.
    field.egress("remove")
    field.rogue()
    assert len(of_the_controller(field.take())) > 5


def test_a_bridge_does_not_go_around_the_rules(field):
    field.contain_alone()
    field.box.ip("link", "add", "br0", "type", "bridge")
    for name in ("eth1", "modem"):
        field.box.ip("link", "set", name, "master", "br0")
    field.box.ip("link", "set", "br0", "up")
    field.take()
    field.rogue()
    assert of_the_controller(field.take()) == []
    field.egress("remove")
    field.rogue()
    assert len(of_the_controller(field.take())) > 5


def test_an_address_that_another_table_changes_leads_nowhere(field):
    """As containers publish ports: what comes for the source's port is rewritten to a host of another network."""
    rewritten = f"chain in {{ type nat hook prerouting priority -100; tcp dport {RTMP} dnat to {ROOM_AT}; }}"
    field.run(field.box, "nft", f"table ip nat {{ {rewritten}; }}")
    field.contain_alone()
    field.take()
    assert not field.call(RTMP)
    assert of_the_controller(field.take()) == []
    field.egress("remove")
    field.call(RTMP)
    assert of_the_controller(field.take()) != []


def test_it_reaches_the_port_of_the_source_and_no_other(field, serving):
    done = field.egress("apply")
    assert "eth1: contained; it reaches TCP 1935 here, and no other network" in done.stdout
    assert field.call(RTMP)
    assert not field.call(SSH)
    assert not field.call(RTMP, to="10.1.0.1"), "by an address of the box on another network"
    field.egress("remove")
    assert field.call(SSH)


def test_from_outside_nothing_reaches_the_controller(field):
    """An app there may take commands without a password."""
    words = [*field.controller.within, sys.executable, "-c", SERVE, "8080"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as app:
        assert app.stdout.readline() == "ready\n"
        assert field.call(8080, field.room, CONTROLLER_AT)
        field.contain_alone()
        assert not field.call(8080, field.room, CONTROLLER_AT)
        assert not field.call(8080, field.box, CONTROLLER_AT), "nor from the box, whose sources fetch nothing there"
        app.communicate()


def test_no_program_of_the_box_sends_to_the_controller_by_ip(field):
    """Such as a name service, or a router's advertisement. A raw frame needs a capability, and a program of the box."""
    field.contain_alone()
    seen = field.controller.capture("eth1")
    with seen:
        for uid in (SOMEBODY, ROOT):
            ways = [way for way in field.rogue(uid, CONTROLLER_AT, field.box) if not way.startswith("raw frame")]
            drain(seen)
            field.rogue(uid, CONTROLLER_AT, field.box, ways=ways)
            time.sleep(0.2)
            assert not shared_windows([MARK], drain(seen))
        field.egress("remove")
        field.rogue(ROOT, CONTROLLER_AT, field.box, ways=ways)
        time.sleep(0.2)
        assert shared_windows([MARK], drain(seen))


CHANGES_BY_ITSELF = re.compile(r"(expires|valid_lft|preferred_lft) \d+sec|STALE|REACHABLE|DELAY|PROBE")
BELIEVES = (
    *(f"net.ipv4.conf.{name}.accept_redirects=1" for name in ("all", "eth1")),
    *(f"net.ipv4.conf.{name}.secure_redirects=0" for name in ("all", "eth1")),
    *(f"net.ipv4.conf.{name}.accept_source_route=1" for name in ("all", "eth1")),
    *(f"net.ipv4.conf.{name}.rp_filter=0" for name in ("all", "eth1", "modem")),
    *("net.ipv6.conf.eth1.accept_ra=2", "net.ipv4.conf.eth1.arp_accept=1"),
)


def what_the_kernel_knows(box: Host) -> dict[str, str]:
    """Addresses, routes and groups; how it would reach the room, with the size that it was told; and at which address."""
    asked = {
        "addresses": ("-o", "address", "show"),
        "routes": ("route", "show", "table", "all"),
        "routes of IPv6": ("-6", "route", "show", "table", "all"),
        "the way to the room": ("route", "get", ROOM_AT),
        "who the room is": ("neighbour", "show", "dev", "modem", "to", ROOM_AT),
        "groups": ("maddress", "show"),
    }
    return {what: CHANGES_BY_ITSELF.sub("", box.ip(*words)) for what, words in asked.items()}


def test_what_no_socket_makes_leads_nowhere_and_tells_the_kernel_nothing(field, figure, tmp_path):
    """Tags, tunnels, source routes, false senders; at a box that believes what Linux can be set to believe."""
    for switch in BELIEVES:
        field.run(field.box, "sysctl", "-qw", switch)
    (tmp_path / "air.toml").write_text(APP)
    mac = json.loads(field.box.ip("-json", "link", "show", "dev", "eth1"))[0]["address"]
    words = (sys.executable, str(Path(__file__).with_name("forger.py")), "eth1", MARK.decode(), mac)
    field.contain_alone()
    with field.box.udp(14600, "10.1.0.1") as link, field.box.udp(FC_PORT, BOX_AT) as plain:
        link.sendto(b"sealed", (ROOM_AT, 14600))
        time.sleep(2)  # the addresses of IPv6 are settled
        before = what_the_kernel_knows(field.box)
        field.take()
        tried = json.loads(field.run(field.controller, *words).stdout)
        assert of_the_controller(field.take()) == []
        assert what_the_kernel_knows(field.box) == before
        with pytest.raises(BlockingIOError):
            plain.recv(2048)
        figure(f"of {len(tried)} ways that no socket makes, 0 frames were beyond the box, and its kernel learned nothing")
        field.egress("remove")
        field.run(field.controller, *words)
        left, after = len(of_the_controller(field.take())), what_the_kernel_knows(field.box)
    learned = [what for what in after if after[what] != before[what]]
    figure(f"without the rules {left} frames were, and it learned: {', '.join(learned)}")
    assert left > 5
    assert {"addresses", "routes of IPv6", "the way to the room"} <= {*learned}


FC_PORT = 14560
APP = f'device = "drone-7"\nlink = ["udpout:10.1.0.2:14600"]\nfc = "udpin:0.0.0.0:{FC_PORT}"\n'
COMMANDS = f"""
import socket, sys
plain = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
plain.bind(("0.0.0.0", {FC_PORT}))
print("ready", flush=True)
for line in sys.stdin:
    plain.settimeout(1)
    try:
        at = plain.recvfrom(2048)[1] if line == "to the sender\\n" else ("{CONTROLLER_AT}", {FC_PORT})
        plain.sendto(b"{MARK.decode()}", at)
    except OSError as error:
        print(type(error).__name__, flush=True)
    else:
        print("sent", flush=True)
"""
FROM_ANOTHER = f"""
import socket, struct, sys
head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 0, 1, 0, 64, 17, 0, *map(socket.inet_aton, (sys.argv[1], "{BOX_AT}")))
out = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
out.sendto(head + struct.pack("!HHHH", {FC_PORT}, {FC_PORT}, 12, 0) + b"ping", ("{BOX_AT}", 0))
"""
LOGIN = f"""
import socket, sys
made = socket.create_server(("0.0.0.0", {SSH}))
print("ready", flush=True)
there, _ = made.accept()
print("called", flush=True)
sys.stdin.readline()
there.sendall(b"{MARK.decode()}")
print("sent", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def commanding(field, tmp_path):
    """A program in the place of `zegel air`, which the egress guard lets out: it sends commands to its controller."""
    (tmp_path / "air.toml").write_text(APP)
    words = [*field.box.within, *as_user(ZEGEL), sys.executable, "-c", COMMANDS]
    program = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert program.stdout.readline() == "ready\n"

    def say(line: str) -> str:
        program.stdin.write(f"{line}\n")
        program.stdin.flush()
        return program.stdout.readline().strip()

    yield say
    program.communicate()


@pytest.mark.parametrize("sender", ["10.9.9.9", ROOM_AT])
def test_an_answer_to_an_address_of_another_network_does_not_leave_in_clear(field, commanding, sender):
    """Any program that answers its sender would send to whom the controller likes, past the egress guard."""
    send = (sys.executable, "-c", FROM_ANOTHER)
    field.egress("apply")
    field.run(field.controller, *send, sender)
    assert commanding("to the sender") == "TimeoutError"
    field.run(field.controller, *send, CONTROLLER_AT)
    assert commanding("to the sender") == "sent"
    assert not shared_windows([MARK], field.take())
    field.egress("remove")
    field.run(field.controller, *send, sender)
    assert commanding("to the sender") == "sent"
    assert shared_windows([MARK], field.take())


def test_what_is_for_a_controller_whose_cable_was_pulled_does_not_leave_in_clear(field, commanding):
    """Its network is gone with its address, as NetworkManager does it, and the default route is the modem's."""
    field.egress("apply")
    field.ethernet.take_address(0)
    commanding("to the controller")
    assert not shared_windows([MARK], field.take())
    field.egress("remove")
    assert commanding("to the controller") == "sent"
    assert shared_windows([MARK], field.take())


def test_a_connection_from_before_the_rules_gets_nothing_more(field):
    """Such as a login at the box by SSH."""
    words = [*field.box.within, sys.executable, "-c", LOGIN]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as login:
        assert login.stdout.readline() == "ready\n"
        call = [*field.controller.within, sys.executable, "-c", f"{CALL}; sys.stdin.read()", BOX_AT, str(SSH)]
        with subprocess.Popen(call, stdin=subprocess.PIPE) as caller:
            assert login.stdout.readline() == "called\n"
            field.egress("apply")
            seen = field.controller.capture("eth1")
            login.stdin.write("\n")
            login.stdin.flush()
            assert login.stdout.readline() == "sent\n"
            time.sleep(0.3)
            with seen:
                assert not shared_windows([MARK], drain(seen))
            caller.communicate()
        login.communicate()


def test_a_source_fetches_from_the_controller_and_no_other_program_does(field, tmp_path):
    rtsp = AIR.replace('rtmp = "0.0.0.0:1935/live/front"', f'rtsp = "rtsp://{CONTROLLER_AT}:8554/live/1"')
    (tmp_path / "air.toml").write_text(rtsp)
    words = [*field.controller.within, sys.executable, "-c", SERVE, "8554"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout.readline() == "ready\n"
        field.egress("apply", contain=f'interface = "eth1"\nuser = "{SOMEBODY}"')
        by = {
            uid: field.run(field.box, sys.executable, "-c", CALL, CONTROLLER_AT, "8554", uid=uid, check=False)
            for uid in (SOMEBODY, ROOT)
        }
        assert [by[uid].returncode for uid in (SOMEBODY, ROOT)] == [0, 1]
        server.communicate()


def test_a_server_cannot_send_the_program_that_fetches_from_it_to_another_place(field, tmp_path):
    """ffmpeg follows an answer such as RTSP 302, also to a service of this computer, and sends the password there."""
    rtsp = AIR.replace('rtmp = "0.0.0.0:1935/live/front"', f'rtsp = "rtsp://{CONTROLLER_AT}:8554/live/1"')
    (tmp_path / "air.toml").write_text(rtsp)
    field.egress("apply", contain=f'interface = "eth1"\nuser = "{SOMEBODY}"')
    words = [*field.box.within, sys.executable, "-c", SERVE, "8554", str(SSH)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout.readline() == "ready\n"
        for port in (8554, SSH):
            call = (sys.executable, "-c", CALL, "127.0.0.1", str(port))
            by = {uid: field.run(field.box, *call, uid=uid, check=False).returncode for uid in (SOMEBODY, ROOT)}
            assert by == {SOMEBODY: 1, ROOT: 0}
        service.communicate()


def test_check_proves_it_from_that_side_and_fails_loudly_when_the_rules_are_gone(field, serving, figure):
    field.egress("apply")
    done = field.egress("check")
    figure(done.stdout.split("eth1", 1)[1])
    tries = json.loads(field.egress("check", "--json").stdout)
    tried = [found for found in tries if found["where"] == "eth1"]
    assert [found["outcome"] for found in tried if found["may"]] == ["passes", "passes"]
    assert {found["outcome"] for found in tried if not found["may"]} == {"stopped"}
    assert len(tried) == 18
    assert all(found["tried"] for found in tried)
    for family in ("inet", "bridge"):
        field.run(field.box, "nft", "delete", "table", family, "zegel_contain")
    for family in ("inet", "netdev"):
        field.run(field.box, "nft", "delete", "table", family, "zegel_egress")
    done = field.egress("check", check=False)
    assert done.returncode == 1
    assert 'no rule names "modem", "eth1"' in done.stderr
    tries = json.loads(field.egress("check", "--json", check=False).stdout)
    wrong = {found["way"] for found in tries if found["where"] == "eth1" and not found["well"]}
    figure(f"with all rules removed, of {len(tried)} tries of the controller's side {len(wrong)} do not end as they should")
    right = {found["way"]: found["outcome"] for found in tries if found["where"] == "eth1" and found["well"]}
    assert set(right) == {found["way"] for found in tried if found["may"]}, right
    assert "zegel-try0" not in field.run(field.box, "ip", "link").stdout


def test_check_says_that_nothing_could_be_tried_while_no_controller_is_connected(field):
    field.egress("apply")
    field.ethernet.down(1)
    tries = json.loads(field.egress("check", "--json").stdout)
    assert [(found["tried"], "without a cable" in found["outcome"]) for found in tries if found["where"] == "eth1"] == [
        (False, True)
    ]


ASK = """
import sys
from pathlib import Path
from gateway import config
from gateway.board import seal
from gateway.board.subject import Subject
from keys.commands.account import caller
path = Path(sys.argv[1])
subject = Subject(role="air", path=path, settings=config.load_file(config.AirConfig, path), user=caller())
print([(each.what, each.text) for each in seal.look(subject)])
"""


def test_the_doctor_sees_whether_it_is_contained(field, tmp_path):
    asked = (sys.executable, "-c", ASK, str(tmp_path / "air.toml"))
    field.egress("apply")
    assert "('controller', 'eth1 is contained')" in field.run(field.box, *asked).stdout
    field.egress("remove")
    said = field.run(field.box, *asked).stdout
    assert "eth1 is not contained: no rule names it" in said
    assert "this computer cannot see its WLAN, SIM and Bluetooth" in said


def test_dhcp_comes_in_and_goes_out_only_if_it_is_asked_for(field):
    ask = (
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.setsockopt(1, 6, 1);"
        "s.setsockopt(1, 25, b'eth1'); s.bind(('', 68)); s.sendto(bytes(300), ('255.255.255.255', 67))"
    )
    for dhcp, count in (("false", 0), ("true", 1)):
        field.egress("apply", contain=f'interface = "eth1"\ndhcp = {dhcp}')
        field.run(field.controller, sys.executable, "-c", ask)
        rules = field.run(field.box, "nft", "list", "table", "inet", "zegel_contain").stdout
        came = [line for line in rules.splitlines() if "udp sport 68" in line]
        assert sum("packets 1 " in line for line in came) == count, rules


def test_an_interface_that_comes_later_is_contained_from_its_first_moment(field):
    field.egress("apply", contain='interface = "usb0"')
    later = Cable("usb0", 6, (field.box, field.controller))
    field.controller.ip("route", "replace", "default", "via", "10.6.0.1")
    field.take()
    field.rogue(device=later.name)
    assert not shared_windows([MARK], field.take())
