"""A program that wants out beside the seal: `python rogue.py INTERFACE MARK TO [WAY ...]`.

Sends MARK by every way it knows, or those named, and prints as JSON what the system said to each: "sent", or why not.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
import time
from collections.abc import Callable

from pymavlink import mavutil
from pymavlink.dialects.v20 import all as dialect

DEVICE, MARK, TO = sys.argv[1], sys.argv[2].encode(), sys.argv[3]
SO_BINDTODEVICE, SO_MARK, SOL_PACKET, PACKET_QDISC_BYPASS = 25, 36, 263, 20
SOL_UDP, UDP_SEGMENT = 17, 103
IPV4, ARP, IPV6, EAPOL, LLDP = 0x0800, 0x0806, 0x86DD, 0x888E, 0x88CC


def mavlink() -> None:
    link = mavutil.mavlink_connection(f"udpout:{TO}:14550", dialect="ardupilotmega", source_system=1)
    link.mav.statustext_send(dialect.MAV_SEVERITY_INFO, MARK)


def udp(
    to: tuple, family: int = socket.AF_INET, source: int = 0, body: bytes = MARK, options: tuple = ()
) -> Callable[[], None]:
    def act() -> None:
        with socket.socket(family, socket.SOCK_DGRAM) as out:
            out.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            out.setsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, DEVICE.encode() if source != -1 else b"")
            for level, name, value in options:
                out.setsockopt(level, name, value)
            if source > 0:
                out.bind(("", source))
            out.sendto(body, to)

    return act


def tcp(family: int = socket.AF_INET, to: tuple = (TO, 5760)) -> Callable[[], None]:
    def act() -> None:
        with socket.socket(family, socket.SOCK_STREAM) as out:
            out.settimeout(0.2)
            out.connect(to)
            out.sendall(MARK)

    return act


def raw_ip() -> None:
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 0, 0, 0, 64, 17, 0, bytes(4), socket.inet_aton(TO))
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as out:
        out.sendto(header + struct.pack("!HHHH", 14550, 14550, 8 + len(MARK), 0) + MARK, (TO, 0))


def ping() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as out:
        out.sendto(struct.pack("!BBHHH", 8, 0, 0, 0, 1) + MARK, (TO, 0))


def frame(ether_type: int, *, bypass: bool = False, body: bytes = MARK) -> Callable[[], None]:
    def act() -> None:
        with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0) as out:
            if bypass:
                out.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, 1)
            out.sendto(body, (DEVICE, ether_type, 0, 0, b"\xff" * 6))

    return act


PYMAVLINK = "MAVLink to a GCS, by pymavlink, which hides errors"
INDEX = socket.if_nametoindex(DEVICE)
MAC_ADDRESS = b"\x02\0\0\0\0\1"
SOLICITATION = b"\x60\0\0\0\0\x18\x3a\xff" + bytes(16) + socket.inet_pton(socket.AF_INET6, "ff02::1") + b"\x87\0\0\0" + MARK
WAYS: dict[str, Callable[[], None]] = {
    PYMAVLINK: mavlink,
    "UDP to the sealed port, from another socket": udp((TO, 14600)),
    "UDP broadcast": udp(("255.255.255.255", 14550)),
    "UDP in fragments": udp((TO, 14550), body=MARK * 300),
    "UDP, segmented by the kernel": udp((TO, 14550), body=MARK * 40, options=((SOL_UDP, UDP_SEGMENT, 100),)),
    "UDP with a mark": udp((TO, 14550), options=((socket.SOL_SOCKET, SO_MARK, 7),)),
    "UDP multicast, as mDNS": udp(("224.0.0.251", 5353)),
    "UDP, as NTP": udp((TO, 123), source=123),
    "UDP, as DHCP": udp(("255.255.255.255", 67), source=68),
    "UDP over IPv6 link-local": udp(("ff02::1", 14550, 0, INDEX), socket.AF_INET6),
    "UDP to this computer, rewritten by NAT": udp(("10.77.0.1", 14550), source=-1),
    "TCP": tcp(),
    "TCP over IPv6": tcp(socket.AF_INET6, ("fe80::1", 5760, 0, INDEX)),
    "ping": ping,
    "raw IP with a header of its own": raw_ip,
    "raw frame of IPv4": frame(IPV4),
    "raw frame of IPv6, a solicitation": frame(IPV6, body=SOLICITATION),
    "raw frame as ARP": frame(ARP),
    "raw frame as WPA's": frame(EAPOL),
    "raw frame as LLDP": frame(LLDP),
    "raw frame past the queues": frame(IPV4, bypass=True),
}


def main() -> None:
    said = {}
    for way in sys.argv[4:] or WAYS:
        try:
            WAYS[way]()
            said[way] = "sent"
        except OSError as error:
            said[way] = error.strerror or str(error) or type(error).__name__
    time.sleep(0.2)
    print(json.dumps({"uid": os.getuid(), "said": said}))


if __name__ == "__main__":
    main()
