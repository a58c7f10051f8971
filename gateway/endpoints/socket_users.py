"""The user of this computer to whom a port or a connection belongs, by the tables of sockets that Linux shows.

What lives here: reading /proc/self/net (proc_pid_net(5)). What must not: permissions (plain_users.py).

    sl: local_address:port remote_address:port state tx:rx tr:when retrnsmt uid timeout inode ...

A socket without an inode belongs to no program: it was closed, or waits to be accepted. Linux shows uid 0 for it, as for
root, so its user counts here as unknown.
"""

from __future__ import annotations

import errno
import ipaddress
import re
import socket
import sys
from collections import defaultdict
from collections.abc import Mapping
from io import FileIO
from pathlib import Path
from typing import TypeAlias

from gateway.endpoints.lookup import SockAddr

AVAILABLE = sys.platform == "linux"
NET = Path("/proc/self/net")
UDP_ROW = re.compile(rb"^ *\d+: \w+:(\w{4}) \S+ \S\S \S+ \S+ \S+ +(\d+) +\d+ (\d+)", re.MULTILINE)
TCP_REST = re.compile(rb" \S\S \S+ \S+ \S+ +(\d+) +\d+ (\d+)")  # after both addresses

User: TypeAlias = int | None  # uid; None if unknown
UdpPorts: TypeAlias = Mapping[int, frozenset[User]]


def udp_ports() -> UdpPorts:
    """The users of every UDP port. OSError if the tables cannot be read.

    By port alone: a program with a port at any address of this computer can send from any other address (IP_PKTINFO), and
    programs that both ask for it (SO_REUSEADDR) share one.
    """
    found: dict[int, set[User]] = defaultdict(set)
    for name in ("udp", "udp6"):
        for port, uid, inode in UDP_ROW.findall(_table(name)):
            found[int(port, 16)].add(int(uid) if int(inode) else None)
    return {port: frozenset(users) for port, users in found.items()}


def tcp_connections() -> bytes:
    """The tables in which `tcp_user` looks. OSError if they cannot be read."""
    return _table("tcp") + _table("tcp6")


def tcp_user(connections: bytes, theirs: SockAddr, ours: SockAddr) -> User:
    """The user of the end at `theirs` of the connection to `ours`."""
    for mapped in (False, True):  # two IPv4 programs, or one of them by an IPv6 socket: each has a row of its own kind
        place = b" %s %s " % (_place(theirs, mapped=mapped), _place(ours, mapped=mapped))
        at = connections.find(place)
        if at >= 0 and (rest := TCP_REST.match(connections, at + len(place) - 1)):
            return int(rest[1]) if int(rest[2]) else None
    return None


def is_here(address: SockAddr) -> bool:
    """Whether this computer has that address, so that one of its own programs sends from there.

    Also True if this is unknown, for example when no descriptor is left: an attacker may have used them up.
    """
    host = host_of(address)
    if host.is_loopback:
        return True
    version4 = host.version == 4  # noqa: PLR2004
    place: SockAddr = (str(host), 0) if version4 else (address[0], 0, *address[2:])
    try:
        with socket.socket(socket.AF_INET if version4 else socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(place)
    except OSError as error:
        return error.errno not in {errno.EADDRNOTAVAIL, errno.ENODEV}
    return True


def host_of(address: SockAddr) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The host alone; that of an IPv4 peer of an IPv6 socket is IPv4."""
    host = ipaddress.ip_address(address[0].partition("%")[0])
    return getattr(host, "ipv4_mapped", None) or host


def _table(name: str) -> bytes:
    try:
        with FileIO(f"{NET}/{name}") as table:  # twice a second: Path and a buffer would take a third of the time
            return table.readall()
    except FileNotFoundError:
        if name.endswith("6"):
            return b""  # a system without IPv6
        raise


def _place(address: SockAddr, *, mapped: bool) -> bytes:
    """An address in the form of the tables: 32-bit numbers in the machine's own byte order."""
    packed = host_of(address).packed
    if mapped and len(packed) == 4:  # noqa: PLR2004 - IPv4
        packed = bytes(10) + b"\xff\xff" + packed
    words = (int.from_bytes(packed[at : at + 4], sys.byteorder) for at in range(0, len(packed), 4))
    return b"%s:%04X" % (b"".join(b"%08X" % word for word in words), address[1])
