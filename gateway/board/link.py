"""Link: whether there is a route to the other side, and whether sealed datagrams pass it whole. Sends nothing.

The MTU is the kernel's answer for a connected socket (IP_MTU, ip(7)): that of the outgoing interface, or less if the path
is known to have a smaller one.
"""

from __future__ import annotations

import errno
import json
import select
import socket
import sys
import time
from collections.abc import Iterator

from gateway import config
from gateway.batch import TAG_SIZE
from gateway.board import holder
from gateway.board.computer import told
from gateway.board.finding import Finding, do, ok, unknown
from gateway.board.subject import Subject
from gateway.core import sframe, wire
from gateway.endpoints import socket_users
from gateway.endpoints.address import Address
from gateway.endpoints.lookup import Lookup, Target
from gateway.endpoints.mmsg import DATAGRAM_MAX
from gateway.endpoints.reason import reason
from gateway.local_users import LocalUsers, name_of

HEADERS = {socket.AF_INET: 20 + 8, socket.AF_INET6: 40 + 8}  # IP and UDP
IP_MTU, IPV6_MTU = 14, 24  # ip(7), ipv6(7); Python names neither
ANSWER_WITHIN_S = 3.0  # a name server
LISTEN_S = 2.5  # a beat comes twice a second
ENOUGH = 10  # datagrams of zegel


def look(subject: Subject) -> Iterator[Finding]:
    """Each link; at a station, also the programs that receive the opened data."""
    if subject.settings is None:
        return
    for address in map(config.endpoint, subject.settings.link):
        if address.kind == "udpout":
            yield _way(address, subject)
        elif address.kind == "udpin":
            yield _listens(address, subject)
    if subject.ground and not subject.running:
        yield from _programs(subject)


# --- where datagrams are sent ---


def _way(address: Address, subject: Subject) -> Finding:
    assert subject.settings
    try:
        family, where = _looked_up(address)
        with socket.socket(family, socket.SOCK_DGRAM) as made:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, True)
            made.connect(where)
            source, width = made.getsockname()[0], _width(made, family)
    except OSError as error:
        return do("link", f"{address}: {reason(error, address)}", _reach(address, error))
    name = _interface(where[0])
    way = f"{address} leaves by {name or source}"
    if not width:
        return ok("link", f"{way}; this system does not report its MTU")
    need = subject.settings.mtu + HEADERS[family]
    if need <= width:
        return ok("link", f"{way}, MTU {width}: datagrams of {subject.settings.mtu} pass whole")
    cure = _narrower(width, family, name, subject)
    return do("link", f"{way}, MTU {width}: sealed datagrams of {subject.settings.mtu} need {need}", cure, interrupts=True)


def _looked_up(address: Address) -> Target:
    lookup, until = Lookup(address.host, address.port, socket.SOCK_DGRAM), time.monotonic() + ANSWER_WITHIN_S
    while (found := lookup.answer()) is None:
        if time.monotonic() > until:
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        time.sleep(0.02)
    return found


def _width(made: socket.socket, family: socket.AddressFamily) -> int:
    if sys.platform != "linux":
        return 0
    ask = (socket.IPPROTO_IP, IP_MTU) if family == socket.AF_INET else (socket.IPPROTO_IPV6, IPV6_MTU)
    return made.getsockopt(*ask)


def _interface(host: str) -> str:
    try:
        (route, *_) = json.loads(told("ip", "-json", "route", "get", host) or "[{}]")
    except (ValueError, TypeError):
        return ""
    return str(route.get("dev", ""))


def _narrower(width: int, family: socket.AddressFamily, name: str, subject: Subject) -> str:
    fits = width - HEADERS[family]
    if fits >= wire.MTU_RANGE[0]:
        return f"mtu = {fits} in {subject.path}; encoders then send at most {fits - wire.DOWNLINK_OVERHEAD} bytes"
    least, smallest = wire.MTU_RANGE[0] + HEADERS[family], wire.MTU_RANGE[0]
    wider = f"if what is behind it carries {least}: sudo ip link set {name or 'INTERFACE'} mtu {least}"
    return f"{wider}, and mtu = {smallest} in {subject.path}; with less than {least} it cannot be used as a link"


def _reach(address: Address, error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return f"write the number of the address into link, or see: resolvectl query {address.host}"
    if error.errno in {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN}:
        return f"see whether the interface is up and has a route: ip -brief address; ip route get {address.host}"
    return f"ip route get {address.host}"


# --- where datagrams are received ---


def _listens(address: Address, subject: Subject) -> Finding:
    if subject.running:
        state = next((end.state.value for end in subject.running.endpoints if end.endpoint == str(address)), "not in use")
        return ok("link", f"zegel {subject.role} has {address}: {state}")
    try:
        family, where = _looked_up(address)
        with socket.socket(family, socket.SOCK_DGRAM) as made:
            made.bind(where)
            if subject.role == "air":
                return ok("link", f"{address} is free")
            return _heard(address, made)
    except OSError as error:
        if others := holder.of_port(address.port):
            return holder.taken("link", address, others, subject, "name another port in link")
        return do("link", f"{address}: {reason(error, address)}", "ip -brief address shows the addresses of this computer")


def _heard(address: Address, made: socket.socket) -> Finding:
    count = others = 0
    until = time.monotonic() + LISTEN_S
    while (left := until - time.monotonic()) > 0 and count < ENOUGH:
        if select.select([made], (), (), left)[0]:
            datagram = made.recv(DATAGRAM_MAX)
            zegel = _is_zegel(datagram)
            count, others = count + zegel, others + (not zegel)
    if count:
        return ok("link", f"{address} is free, and sealed datagrams arrive")
    if others:
        cure = f"let the other program send elsewhere, or name another port than {address.port} in link"
        return do("link", f"the datagrams at {address} are not Zegel's", cure)
    return unknown(
        "link",
        f"{address} is free, and nothing came in {LISTEN_S:g} s: fine while no aircraft sends here",
        f"otherwise: does its link name this computer, and does the firewall allow UDP {address.port}?",
    )


def _is_zegel(datagram: bytes) -> bool:
    """By its first byte; without keys nothing more is known."""
    sealed = len(datagram) >= sframe.DOWNLINK_HEADER_MIN + TAG_SIZE and datagram[0] >> 4 == sframe.DOWNLINK_FIRST >> 4
    return sealed or wire.is_sealed_control(datagram)


# --- programs at the station ---


def _programs(subject: Subject) -> Iterator[Finding]:
    assert subject.ground
    for use, ends in (("ground control station", subject.ground.gcs), ("player", subject.ground.video)):
        for address in map(config.endpoint, ends):
            if address.kind != "udpout" or address.host != "127.0.0.1":
                continue
            if others := holder.of_port(address.port):
                text = f"{', '.join(map(str, others))} listens on {address.port}"
                yield next(_kept_out(use, text, address.port, subject), ok(use, text))
            else:
                yield unknown(use, f"no program listens on UDP {address.port} yet: it can be started later")


def _kept_out(use: str, text: str, port: int, subject: Subject) -> Iterator[Finding]:
    """Each of its users that the role would keep out."""
    assert subject.ground
    users = LocalUsers(subject.ground.plain_users, subject.path, subject.user.uid)
    if users.rule is None:
        return
    for uid in socket_users.udp_ports().get(port, frozenset()) - users.rule.uids:
        if uid is not None:
            who = f"user {name_of(uid) or '?'!r} (uid {uid})"
            text = f"{text} as {who}, who is not allowed: it would get no data"
            yield do(use, text, users.cure(name_of(uid) or uid), interrupts=True)
