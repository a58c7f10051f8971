"""Pretend: packets as a vendor's controller would send them, arriving at its contained interface, and what comes of each.

A veth pair is made, and what is sent into one end is redirected (tc, mirred) to the input of the contained interface. So
the packets take the way of those from the cable. Each carries 16 random letters. A packet socket sees what leaves this
computer, and a socket of this process what arrives at its programs.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import secrets
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from gateway.board.contain import Contained
from gateway.board.leak import ANY_FRAME, ARP, IPV4, MARK_SIZE, SETTLE_S, Try
from gateway.board.nftables import present
from gateway.errors import NotGuarded

WHO = "the controller"
IPV6 = 0x86DD
NEAR, FAR = "zegel-try0", "zegel-try1"
NOWHERE = ipaddress.IPv4Network("198.18.0.0/15")  # belongs to no host (RFC 2544)
NOWHERE6, STRANGER6 = ipaddress.IPv6Address("2001:2::99"), ipaddress.IPv6Address("2001:2:0:1::77")  # RFC 5180
EVERYONE, ALL_NODES = ipaddress.IPv4Address("255.255.255.255"), ipaddress.IPv6Address("ff02::1")
ALL = b"\xff" * 6
DNS, NTP, DISCARD = 53, 123, 9
UDP, TCP, ICMP = socket.IPPROTO_UDP, socket.IPPROTO_TCP, socket.IPPROTO_ICMP
FRAGMENT_SIZE = 1024
MORE_FRAGMENTS = 0x2000
PREFIX_DEFAULT = 24
UNTIL_UP = 20  # tries


class Scene(NamedTuple):
    """The addresses of one try. `here` is this computer's on the contained interface, `own` the controller's; `probe` is
    a UDP port of this process, `other` an address of this computer on another network, if it has one."""

    mac: bytes
    here: ipaddress.IPv4Interface
    own: ipaddress.IPv4Address
    probe: int
    other: ipaddress.IPv4Address | None
    mark: bytes


Frames = Callable[[Scene], list[bytes]]  # with their Ethernet headers


# --- packets ---


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _ipv4(own: ipaddress.IPv4Address, to: ipaddress.IPv4Address, protocol: int, body: bytes, offset: int = 0) -> bytes:
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 77, offset, 64, protocol, 0, own.packed, to.packed)
    return head[:10] + _checksum(head).to_bytes(2, "big") + head[12:] + body


def _udp_body(port: int, body: bytes) -> bytes:
    return struct.pack("!HHHH", 40_000, port, 8 + len(body), 0) + body


def _syn(own: ipaddress.IPv4Address, to: ipaddress.IPv4Address, port: int, body: bytes) -> bytes:
    source = 40_000 + secrets.randbelow(20_000)  # a second SYN of one connection is not answered at once
    head = struct.pack("!HHIIBBHHH", source, port, 7, 0, 5 << 4, 2, 1024, 0, 0)
    pseudo = own.packed + to.packed + struct.pack("!HH", TCP, len(head) + len(body))
    return head[:16] + _checksum(pseudo + head + body).to_bytes(2, "big") + head[18:] + body


def _echo(body: bytes) -> bytes:
    head = struct.pack("!BBHHH", 8, 0, 0, 7, 1)
    return head[:2] + _checksum(head + body).to_bytes(2, "big") + head[4:] + body


def _query(mark: bytes) -> bytes:
    """A question for the address of MARK.example, which a resolver here would hand on."""
    return (
        struct.pack("!6H", 7, 0x0100, 1, 0, 0, 0) + bytes((len(mark),)) + mark + b"\7example\0" + struct.pack("!2H", 1, 1)
    )


def _udp6(to: ipaddress.IPv6Address, port: int, body: bytes) -> bytes:
    own = STRANGER6 if to == NOWHERE6 else ipaddress.IPv6Address("fe80::77")  # a link-local sender is never forwarded
    pseudo = own.packed + to.packed + struct.pack("!IHBB", 8 + len(body), 0, 0, UDP)
    head = struct.pack("!HHHH", 40_000, port, 8 + len(body), 0)
    udp = head[:6] + _checksum(pseudo + head + body).to_bytes(2, "big") + body
    return struct.pack("!IHBB", 6 << 28, len(udp), UDP, 64) + own.packed + to.packed + udp


def _who_has(scene: Scene) -> bytes:
    """Who has this computer's address, in ARP."""
    return struct.pack("!HHBBH", 1, IPV4, 6, 4, 1) + _mac(scene) + scene.own.packed + bytes(6) + scene.here.ip.packed


def _mac(scene: Scene) -> bytes:
    """Of the controller: no other computer has it."""
    return b"\2" + scene.mark[:5]


def _frame(scene: Scene, packet: bytes, kind: int = IPV4, to: bytes | None = None) -> bytes:
    return (to or scene.mac) + _mac(scene) + kind.to_bytes(2, "big") + packet


def _nowhere(scene: Scene) -> ipaddress.IPv4Address:
    return NOWHERE[int.from_bytes(scene.mark[:2], "big")]


def _udp(port: int, body: Callable[[bytes], bytes] = bytes) -> Frames:
    """To a host of another network."""
    return lambda scene: [_frame(scene, _ipv4(scene.own, _nowhere(scene), UDP, _udp_body(port, body(scene.mark))))]


def _fragments(scene: Scene) -> list[bytes]:
    whole = _udp_body(DISCARD, scene.mark * (2 * FRAGMENT_SIZE // MARK_SIZE))
    parts = ((whole[:FRAGMENT_SIZE], MORE_FRAGMENTS), (whole[FRAGMENT_SIZE:], FRAGMENT_SIZE // 8))
    return [_frame(scene, _ipv4(scene.own, _nowhere(scene), UDP, part, offset)) for part, offset in parts]


def _tcp(scene: Scene) -> list[bytes]:
    to = _nowhere(scene)
    return [_frame(scene, _ipv4(scene.own, to, TCP, _syn(scene.own, to, DISCARD, scene.mark)))]


def _ping(scene: Scene) -> list[bytes]:
    return [_frame(scene, _ipv4(scene.own, _nowhere(scene), ICMP, _echo(scene.mark)))]


def _here(body: Callable[[Scene], bytes], protocol: int = UDP) -> Frames:
    """To this computer's own address there."""
    return lambda scene: [_frame(scene, _ipv4(scene.own, scene.here.ip, protocol, body(scene)))]


def _syn_here(port: int) -> Frames:
    return _here(lambda scene: _syn(scene.own, scene.here.ip, port, b""), TCP)


def _syn_of_another_network(port: int) -> Frames:
    """The answer would leave by another interface."""
    return lambda scene: [
        _frame(scene, _ipv4(own := _nowhere(scene), scene.here.ip, TCP, _syn(own, scene.here.ip, port, b"")))
    ]


def _to_probe(scene: Scene) -> bytes:
    return _udp_body(scene.probe, scene.mark)


def _other(scene: Scene) -> list[bytes]:
    """To this computer, by an address that it has on another network: Linux would take it."""
    return [_frame(scene, _ipv4(scene.own, scene.other, UDP, _to_probe(scene)))] if scene.other else []


def _broadcast(of: Callable[[Scene], ipaddress.IPv4Address]) -> Frames:
    return lambda scene: [_frame(scene, _ipv4(scene.own, of(scene), UDP, _to_probe(scene)), to=ALL)]


def _six(to: ipaddress.IPv6Address) -> Frames:
    """All nodes are at a group of Ethernet addresses, another network is behind this computer."""
    group = b"\x33\x33\0\0\0\1" if to.is_multicast else None
    return lambda scene: [_frame(scene, _udp6(to, scene.probe, scene.mark), IPV6, group)]


WAYS: dict[str, Frames] = {
    "UDP to another network": _udp(DISCARD),
    "UDP in fragments to another network": _fragments,
    "TCP to another network": _tcp,
    "a ping of another network": _ping,
    "a question for a name, to another network": _udp(DNS, _query),
    "a question for the time, to another network": _udp(NTP),
    "IPv6 to another network": _six(NOWHERE6),
    "UDP to this computer": _here(_to_probe),
    "UDP to this computer's address on another network": _other,
    "TCP to this computer": _syn_here(DISCARD),
    "a ping of this computer": _here(lambda scene: _echo(scene.mark), ICMP),
    "a question for a name, to this computer": _here(lambda scene: _udp_body(DNS, _query(scene.mark))),
    "UDP broadcast to all": _broadcast(lambda _: EVERYONE),
    "UDP broadcast to its network": _broadcast(lambda scene: scene.here.network.broadcast_address),
    "IPv6 to all nodes": _six(ALL_NODES),
}
ASKS_FOR_US = "an ARP question for this computer"  # a network needs it


# --- trying ---


def try_contained(contained: Contained) -> Iterator[Try]:
    """What must pass, which shows that tries arrive, then every way. The cable needs a moment to come up."""
    name = contained.interface
    if not present(name):
        yield Try(name, "", "", "it does not exist: nothing could be tried; it is contained by its name", tried=False)
        return
    device, *_ = _told("ip", "-json", "address", "show", "dev", name)
    addresses = [each for each in device.get("addr_info", []) if each["family"] == "inet"]
    if "LOWER_UP" not in device.get("flags", []) or not addresses:  # without a carrier no answer would leave
        yield Try(
            name, "", "", "it is down, without a cable, or without an IPv4 address: nothing could be tried", tried=False
        )
        return
    here = ipaddress.IPv4Interface(f"{addresses[0]['local']}/{addresses[0].get('prefixlen', PREFIX_DEFAULT)}")
    with _redirected(name, str(device["address"])) as cable, _probe() as probe:
        mac = bytes.fromhex(device["address"].replace(":", ""))
        scene = Scene(mac, here, here.ip, probe.getsockname()[1], _other_address(name), b"")
        for _ in range(UNTIL_UP):
            first = _try(name, cable, probe, scene, ASKS_FOR_US, _asks_for_us, may=True)
            if first.left:
                break
        yield first
        for way, frames in WAYS.items():
            yield _try(name, cable, probe, scene, way, frames)
        for port in contained.ports.tcp:
            yield _try(name, cable, probe, scene, f"TCP to port {port} of this computer", _syn_here(port), may=True)
            way = f"TCP to port {port} of this computer, as a host of another network"
            yield _try(name, cable, probe, scene, way, _syn_of_another_network(port))


def _asks_for_us(scene: Scene) -> list[bytes]:
    return [_frame(scene, _who_has(scene), ARP, ALL)]


def _other_address(name: str) -> ipaddress.IPv4Address | None:
    devices = _told("ip", "-json", "-4", "address", "show", "scope", "global")
    found = [each["local"] for device in devices if device.get("ifname") != name for each in device.get("addr_info", [])]
    return ipaddress.IPv4Address(found[0]) if found else None


def _probe() -> socket.socket:
    """One UDP port in both families, or in IPv4 where there is no IPv6."""
    if socket.has_dualstack_ipv6():
        made = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        made.bind(("::", 0))
    else:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind(("0.0.0.0", 0))  # noqa: S104 - it is to find out what arrives
    made.setblocking(False)
    return made


@contextlib.contextmanager
def _redirected(name: str, mac: str) -> Iterator[str]:
    """An interface: what is sent there arrives at `name`. NotGuarded if this computer cannot do that."""
    made = (
        ("ip", "link", "add", NEAR, "type", "veth", "peer", "name", FAR),
        ("ip", "link", "set", FAR, "address", mac),  # otherwise its packets would be for another host
        ("ip", "link", "set", NEAR, "addrgenmode", "none"),
        ("ip", "link", "set", FAR, "addrgenmode", "none"),
        ("ip", "link", "set", NEAR, "up"),
        ("ip", "link", "set", FAR, "up"),
        ("tc", "qdisc", "add", "dev", FAR, "ingress"),
        (
            *("tc", "filter", "add", "dev", FAR, "parent", "ffff:", "protocol", "all", "u32", "match", "u32", "0", "0"),
            *("action", "mirred", "ingress", "redirect", "dev", name),
        ),
    )
    try:
        for words in made:
            _told(*words)
        yield NEAR
    finally:
        with contextlib.suppress(NotGuarded):
            _told("ip", "link", "del", NEAR)


def _told(*words: str) -> list[dict[str, Any]]:
    """What the command says as JSON, if it says anything. NotGuarded."""
    program = shutil.which(words[0], path="/usr/sbin:/sbin:/usr/bin:/bin") or shutil.which(words[0])
    if program is None:
        raise NotGuarded(f"there is no {words[0]} on this computer", hint="sudo apt install iproute2")
    done = subprocess.run([program, *words[1:]], capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[0]
        raise NotGuarded(
            f"the controller's side cannot be tried: {' '.join(words[:3])}: {said}",
            hint="it needs root, and veth, sch_ingress, cls_u32 and act_mirred of the kernel",
        )
    found: list[dict[str, Any]] = json.loads(done.stdout) if done.stdout.strip() else []
    return found


def _try(name: str, cable: str, probe: socket.socket, scene: Scene, way: str, frames: Frames, *, may: bool = False) -> Try:
    mark = secrets.token_hex(MARK_SIZE // 2).encode()
    scene = scene._replace(mark=mark, own=_stranger(scene.here))
    _told("ip", "neigh", "flush", "to", str(scene.own), "dev", name)  # it is asked for at once only if it is new
    if not (packets := frames(scene)):
        return Try(name, WHO, way, "this computer has no such address", tried=False)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ANY_FRAME)) as seen:
        seen.setblocking(False)
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as out:
            for packet in packets:
                out.sendto(packet, (cable, 0))
        time.sleep(SETTLE_S)
        where = {device for device, frame in _leaving(seen) if device not in {NEAR, FAR} and _is_of(frame, scene)}
    came = any(mark in data for data in _arrived(probe))
    others, answered = sorted(where - {name}), name in where
    said = [f"LEFT by {', '.join(others)}"] if others else []
    said += ["ANSWERED"] if answered else []
    said += ["CAME to a program"] if came else []
    left = bool(said)
    outcome = "passes" if left and may else " and ".join(said) or "stopped"
    return Try(name, WHO, way, outcome, left=left, may=may)


def _stranger(here: ipaddress.IPv4Interface) -> ipaddress.IPv4Address:
    """A host of that network that is not this computer."""
    size = here.network.num_addresses - 2
    while (found := here.network[1 + secrets.randbelow(max(1, size))]) == here.ip and size > 1:
        pass
    return found


def _is_of(frame: bytes, scene: Scene) -> bool:
    """It carries the mark, asks where its destination is, or goes to the controller or asks where that is."""
    sought = (scene.mark, scene.own.packed, _nowhere(scene).packed, NOWHERE6.packed)
    return any(each in frame for each in sought) or frame.startswith(_mac(scene))


def _leaving(seen: socket.socket) -> Iterator[tuple[str, bytes]]:
    with contextlib.suppress(BlockingIOError):
        while True:
            frame, address = seen.recvfrom(1 << 16)
            if address[2] == socket.PACKET_OUTGOING:
                yield address[0], frame


def _arrived(probe: socket.socket) -> Iterator[bytes]:
    with contextlib.suppress(BlockingIOError):
        while True:
            yield probe.recv(1 << 16)
