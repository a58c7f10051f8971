"""Leak: tries to send past the egress guard, as an attacker would, and observes what reached the device.

Each try carries 16 random bytes, or goes to a random address, and a packet socket on the same interface sees every packet
of the device. So a try that left is recognised by its mark, whatever the system call returned. No packet has a meaning for
a receiver.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import secrets
import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from gateway.board.nftables import present

OTHERS = ("nobody", "root")
ANY_FRAME, ARP, IPV4, EXPERIMENTAL = 0x0003, 0x0806, 0x0800, 0x88B5  # EtherTypes
SOL_PACKET, PACKET_QDISC_BYPASS = 263, 20
SIOCGIFFLAGS, IFF_UP = 0x8913, 1  # netdevice(7)
EVERYBODY, ALL_NODES = "224.0.0.1", "ff02::1"  # needs no knowledge of other hosts
BENCHMARK = 198 << 24 | 18 << 16  # 198.18.0.0/15 belongs to no host (RFC 2544)
MAVLINK_PORT, SOME_TCP_PORT = 14550, 5760
MARK_SIZE = 16
SETTLE_S = 0.1  # for packets that the kernel sends itself, such as ARP
FRAGMENTED = 4_000  # bytes, more than a frame of any such link

Act = Callable[[str, bytes], None]  # sends `mark` by an interface; OSError if refused


class Try(msgspec.Struct, frozen=True):
    """One attempt to send past the guard: from `where`, as the user `who`, by the `way`, and what came of it."""

    where: str
    who: str
    way: str
    outcome: str
    tried: bool = True
    left: bool = False
    may: bool = False  # whether it should leave

    @property
    def well(self) -> bool:
        return not self.tried or self.left == self.may


PAST_QUEUES = "raw frame past the queues"


# --- ways ---


def _plain(device: str, family: socket.AddressFamily, kind: socket.SocketKind, protocol: int = 0) -> socket.socket:
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    made.setblocking(False)
    return made


def _mavlink(mark: bytes) -> bytes:
    """Looks like a MAVLink 2 frame of 16 bytes."""
    return bytes((0xFD, MARK_SIZE, 0, 0, 0, 1, 1, 0, 0, 0)) + mark + b"\0\0"


def _udp(device: str, mark: bytes) -> None:
    with _plain(device, socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.sendto(_mavlink(mark), (EVERYBODY, MAVLINK_PORT))


def _udp_fragments(device: str, mark: bytes) -> None:
    with _plain(device, socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.sendto(mark * (FRAGMENTED // MARK_SIZE), (EVERYBODY, MAVLINK_PORT))


def _udp_broadcast(device: str, mark: bytes) -> None:
    with _plain(device, socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        out.sendto(_mavlink(mark), ("255.255.255.255", MAVLINK_PORT))


def _udp_ipv6(device: str, mark: bytes) -> None:
    with _plain(device, socket.AF_INET6, socket.SOCK_DGRAM) as out:
        out.sendto(_mavlink(mark), (ALL_NODES, MAVLINK_PORT, 0, socket.if_nametoindex(device)))


def _tcp(device: str, mark: bytes) -> None:
    with _plain(device, socket.AF_INET, socket.SOCK_STREAM) as out:
        with contextlib.suppress(BlockingIOError):
            out.connect((socket.inet_ntoa(_address(mark)), SOME_TCP_PORT))
        time.sleep(SETTLE_S)


def _address(mark: bytes) -> bytes:
    """An address of no host. It appears in the first segment, and in the ARP request."""
    return (BENCHMARK | int.from_bytes(mark[:4], "big") & 0x1FFFF).to_bytes(4, "big")


def _ping(device: str, mark: bytes) -> None:
    kind = socket.SOCK_RAW if os.geteuid() == 0 else socket.SOCK_DGRAM
    body = struct.pack("!BBHHH", 8, 0, 0, 0, 1) + mark
    total = sum(struct.unpack(f"!{len(body) // 2}H", body))
    total = (total & 0xFFFF) + (total >> 16)
    checksum = ~(total + (total >> 16)) & 0xFFFF
    with _plain(device, socket.AF_INET, kind, socket.IPPROTO_ICMP) as out:
        out.sendto(body[:2] + checksum.to_bytes(2, "big") + body[4:], (EVERYBODY, 0))


def _raw(ether_type: int, *, bypass: bool = False) -> Act:
    def act(device: str, mark: bytes) -> None:
        with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0) as out:
            if bypass:
                out.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, 1)
            out.sendto(_mavlink(mark), (device, ether_type, 0, 0, b"\xff" * 6))

    return act


WAYS: dict[str, Act] = {
    "MAVLink over UDP": _udp,
    "UDP in fragments": _udp_fragments,
    "UDP broadcast": _udp_broadcast,
    "UDP, IPv6 link-local": _udp_ipv6,
    "TCP": _tcp,
    "ping": _ping,
    "raw frame, IPv4": _raw(IPV4),
    "raw frame, as if ARP": _raw(ARP),
    "raw frame, other type": _raw(EXPERIMENTAL),
    PAST_QUEUES: _raw(IPV4, bypass=True),
}


# --- trying ---


def try_interface(device: str, zegel: int) -> Iterator[Try]:
    """Every way as others, then one as Zegel's user `zegel`, which must pass."""
    if not present(device):
        yield Try(device, "", "", "it does not exist: nothing could be tried; it is guarded by its name", tried=False)
        return
    if not _is_up(device):
        yield Try(device, "", "", "it is down: nothing could be tried", tried=False)
        return
    for who in OTHERS:
        for way, act in WAYS.items():
            yield _try(device, who, pwd.getpwnam(who).pw_uid, way, act)
    yield _try(device, "zegel", zegel, "a datagram over UDP", _udp, may=True)


def try_port(port: int, zegel: int) -> Iterator[Try]:
    """The same for a UDP port of this computer, at which a radio's program receives."""

    def act(_device: str, mark: bytes) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            out.sendto(_mavlink(mark), ("127.0.0.1", port))

    for who in OTHERS:
        yield _try("lo", who, pwd.getpwnam(who).pw_uid, f"MAVLink to port {port}", act)
    yield _try("lo", "zegel", zegel, f"a datagram to port {port}", act, may=True)


def _is_up(device: str) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        answer = fcntl.ioctl(any_socket, SIOCGIFFLAGS, struct.pack("16sH14x", device.encode(), 0))
    return bool(struct.unpack_from("H", answer, 16)[0] & IFF_UP)


def _try(device: str, who: str, uid: int, way: str, act: Act, *, may: bool = False) -> Try:
    mark = secrets.token_bytes(MARK_SIZE)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ANY_FRAME)) as seen:
        seen.bind((device, ANY_FRAME))
        seen.setblocking(False)
        refusal = _as_user(uid, lambda: act(device, mark))
        time.sleep(SETTLE_S / 2)
        sought = _address(mark) if act is _tcp else mark
        left = any(sought in frame for frame in _leaving(seen))
        if way == PAST_QUEUES:  # no packet socket here, so the result of the system call decides
            left = not refusal
    outcome = "LEFT" if left and not may else "passes" if left else f"stopped{f': {refusal}' if refusal else ''}"
    return Try(device, who, way, outcome, left=left, may=may)


def _leaving(seen: socket.socket) -> Iterator[bytes]:
    with contextlib.suppress(BlockingIOError):
        while True:
            frame, address = seen.recvfrom(1 << 16)
            if address[2] == socket.PACKET_OUTGOING:
                yield frame


def _as_user(uid: int, act: Callable[[], None]) -> str:
    """Do it in a child process as this user: empty, or the system's refusal."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        _be_child(uid, act, theirs)
    os.close(theirs)
    with os.fdopen(ours, "rb") as pipe:
        refusal = pipe.read().decode()
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) and not refusal:
        raise RuntimeError("a try failed in itself")
    return refusal


def _be_child(uid: int, act: Callable[[], None], answer: int) -> None:
    try:
        if uid:
            os.setgroups([])
            os.setgid(pwd.getpwnam("nobody").pw_gid)
            os.setuid(uid)
        act()
    except OSError as error:
        os.write(answer, (error.strerror or str(error)).encode())
    else:
        os._exit(0)
    finally:
        os._exit(1)  # nothing of the parent's: neither its buffers nor its handlers


def forwarding() -> str:
    """Whether this computer forwards packets of its other interfaces, in words."""
    switches = [Path("/proc/sys/net/ipv4/ip_forward"), Path("/proc/sys/net/ipv6/conf/all/forwarding")]
    on = any(path.read_text().strip() == "1" for path in switches if path.exists())
    return "on in this kernel; the rules stop it, which was not tried" if on else "off in this kernel"
