"""Frames that no socket of a well-behaved computer makes: `python forger.py INTERFACE MARK MAC_OF_THE_BOX`.

A contained controller sends each of them to the box: tags, tunnels, options, false senders, and words to its kernel about
addresses, routes, sizes and groups. Prints the names of the ways as JSON.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
import time
from collections.abc import Iterator

IPV4, ARP, VLAN, IPV6, QINQ = 0x0800, 0x0806, 0x8100, 0x86DD, 0x88A8
ICMP, IGMP, IPIP, UDP, SIX_IN_FOUR, GRE, ICMP6 = 1, 2, 4, 17, 41, 47, 58
BOX, OWN, BOX_OUTSIDE, ROOM = "10.5.0.1", "10.5.0.2", "10.1.0.1", "10.1.0.2"
FALSE = ("127.0.0.1", BOX, BOX_OUTSIDE, ROOM, "169.254.7.7", "0.0.0.0", "255.255.255.255", "224.0.0.9", "10.9.9.9")  # noqa: S104
OPEN = 14_560  # a source's port
ALL, ALL_NODES = b"\xff" * 6, b"\x33\x33\0\0\0\1"
OWN_MAC = b"\2\0\0\0\0\x77"
MORE_FRAGMENTS = 0x2000


def checksum(data: bytes) -> bytes:
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return (~total & 0xFFFF).to_bytes(2, "big")


def ip(source: str, to: str, protocol: int, body: bytes, options: bytes = b"", offset: int = 0, ttl: int = 64) -> bytes:
    options += bytes(-len(options) % 4)
    size = 20 + len(options)
    head = struct.pack("!BBHHHBBH", 0x40 | size // 4, 0, size + len(body), 77, offset, ttl, protocol, 0)
    head += socket.inet_aton(source) + socket.inet_aton(to) + options
    return head[:10] + checksum(head) + head[12:] + body


def udp(body: bytes, port: int, source: int = 40_000) -> bytes:
    return struct.pack("!HHHH", source, port, 8 + len(body), 0) + body


def icmp(kind: int, code: int, rest: bytes, body: bytes) -> bytes:
    head = bytes((kind, code))
    return head + checksum(head + b"\0\0" + rest + body) + rest + body


def six(source: str, to: str, body: bytes) -> bytes:
    """ICMPv6, whose checksum is at its octets 2 and 3."""
    ends = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, to)
    summed = body[:2] + checksum(ends + struct.pack("!II", len(body), ICMP6) + body) + body[4:]
    return struct.pack("!IHBB", 6 << 28, len(body), ICMP6, 255) + ends + summed


def arp(operation: int, mac: bytes, source: str, to: str) -> bytes:
    ends = mac + socket.inet_aton(source) + bytes(6) + socket.inet_aton(to)
    return struct.pack("!HHBBH", 1, IPV4, 6, 4, operation) + ends


def ways(mark: bytes) -> Iterator[tuple[str, int, bytes, bytes | None]]:
    """Name, type, content, and the Ethernet address if it is not the box's."""
    out = ip(OWN, ROOM, UDP, udp(mark, 9))
    of_the_box = ip(BOX_OUTSIDE, ROOM, UDP, udp(b"sealed", 14_600, 14_600))
    for source in FALSE:
        yield f"to a source, from {source}", IPV4, ip(source, BOX, UDP, udp(mark, OPEN, OPEN)), None
        yield f"to the room, from {source}", IPV4, ip(source, ROOM, UDP, udp(mark, 9)), None
    yield "to this computer's own loopback", IPV4, ip(OWN, "127.0.0.1", UDP, udp(mark, OPEN)), None
    yield "a VLAN", VLAN, struct.pack("!HH", 5, IPV4) + out, None
    yield "a priority without a VLAN", VLAN, struct.pack("!HH", 0xE000, IPV4) + out, None
    yield "two VLANs", QINQ, struct.pack("!HHHH", 7, VLAN, 5, IPV4) + out, None
    yield "IP in IP", IPV4, ip(OWN, BOX, IPIP, out), None
    yield "IPv6 in IP", IPV4, ip(OWN, BOX, SIX_IN_FOUR, six("fe80::77", "ff02::1", b"\x80" + bytes(7) + mark)), None
    yield "GRE", IPV4, ip(OWN, BOX, GRE, struct.pack("!HH", 0, IPV4) + out), None
    for kind in (0x83, 0x89):
        route = bytes((kind, 7, 4)) + socket.inet_aton(ROOM)
        for port in (9, OPEN):
            yield f"source route {kind:#x}, port {port}", IPV4, ip(OWN, BOX, UDP, udp(mark, port), route), None
    yield "fragments that overlap, 1", IPV4, ip(OWN, ROOM, UDP, udp(mark * 2, 9)[:24], offset=MORE_FRAGMENTS), None
    yield "fragments that overlap, 2", IPV4, ip(OWN, ROOM, UDP, mark * 2, offset=2), None
    yield "a packet that ends here", IPV4, ip(OWN, ROOM, UDP, udp(mark, 9), ttl=1), None
    for source in (OWN, BOX_OUTSIDE, ROOM):
        error = ip(source, BOX, ICMP, icmp(3, 4, struct.pack("!HH", 0, 68), of_the_box))
        yield f"too large for its way, from {source}", IPV4, error, None
        error = ip(source, BOX_OUTSIDE, ICMP, icmp(3, 4, struct.pack("!HH", 0, 68), of_the_box))
        yield f"the same to its other address, from {source}", IPV4, error, None
        redirect = ip(source, BOX, ICMP, icmp(5, 1, socket.inet_aton(OWN), of_the_box))
        yield f"another way to the room, from {source}", IPV4, redirect, None
    router4 = icmp(9, 0, b"\1\2\7\x08", socket.inet_aton(OWN) + bytes(4))
    yield "a router in IPv4", IPV4, ip(OWN, "224.0.0.1", ICMP, router4), ALL
    prefix = struct.pack("!BBBBIII", 3, 4, 64, 0xC0, 86_400, 86_400, 0) + socket.inet_pton(socket.AF_INET6, "2001:db8:7::")
    router = b"\x86\0\0\0" + struct.pack("!BBHII", 64, 0, 1800, 0, 0) + prefix
    yield "a router in IPv6", IPV6, six("fe80::77", "ff02::1", router), ALL_NODES
    neighbour = b"\x88\0\0\0\x20\0\0\0" + socket.inet_pton(socket.AF_INET6, "fe80::77") + b"\2\1" + OWN_MAC
    yield "a neighbour in IPv6", IPV6, six("fe80::77", "ff02::1", neighbour), ALL_NODES
    query = b"\x11\1" + checksum(b"\x11\1" + bytes(6)) + bytes(4)
    yield "who is in this group", IPV4, ip(OWN, "224.0.0.1", IGMP, query), ALL
    yield "a name service", IPV4, ip(OWN, "224.0.0.251", UDP, udp(mark, 5353, 5353)), b"\1\0\x5e\0\0\xfb"
    yield "the room is here", ARP, arp(2, OWN_MAC, ROOM, ROOM), ALL
    yield "the box is here", ARP, arp(2, OWN_MAC, BOX, BOX), ALL


def main(interface: str, mark: bytes, box: bytes) -> None:
    done = []
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as out:
        out.bind((interface, 0))
        for name, kind, content, to in ways(mark):
            out.send((to or box) + OWN_MAC + kind.to_bytes(2, "big") + content)
            done.append(name)
            time.sleep(0.005)
    print(json.dumps(done))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2].encode(), bytes.fromhex(sys.argv[3].replace(":", "")))
