"""The I/O shell: moves batches between wires and the roles, and decides nothing about the protocol.

    address.py    endpoint strings              endpoint.py   the common part of all endpoints
    udp.py        UdpIn, UdpOut                 mmsg.py       many datagrams with one system call, or one by one
    udp_link.py   UdpLink, UdpLinkOut           direct.py     a part of these: reading and sending by code in C
    proved.py     ProvedLink, of a ground       gro.py        many that arrive as one
    pieces.py     datagrams that do not fit one slot each
    tcp.py        TcpClient, TcpServer          stream.py     one byte stream: sends whole frames, none too late
    serial.py     SerialLine                    slip.py       SlipLine, a serial radio that carries datagrams
    feed.py       Feed: opened data, for other programs
    plain_users.py, socket_users.py, departures.py   the users whose programs on this computer may be peers
    lookup.py, reason.py   names to addresses, errors to plain words

Imports gateway.batch, gateway.clock and gateway.endpoint_state, and nothing else of ours.
"""

from __future__ import annotations

from gateway.endpoints.address import Address
from gateway.endpoints.endpoint import BUFFER, Endpoint
from gateway.endpoints.plain_users import LOOK_EVERY_S, LOOK_FOR_COMMANDS_S, PlainUsers
from gateway.endpoints.proved import ProvedLink
from gateway.endpoints.serial import SerialLine
from gateway.endpoints.slip import SlipLine
from gateway.endpoints.tcp import TcpClient, TcpServer
from gateway.endpoints.udp import UdpIn, UdpOut
from gateway.endpoints.udp_link import UdpLink, UdpLinkOut

__all__ = ["Endpoint", "open_endpoint", "open_link"]

_KINDS: dict[str, type[Endpoint]] = {
    "serial": SerialLine,
    "udpin": UdpIn,
    "udpout": UdpOut,
    "tcp": TcpClient,
    "tcpin": TcpServer,
}
_LINKS: dict[str, type[Endpoint]] = {"serial": SlipLine, "udpin": UdpLink}
_PROVED: dict[str, type[Endpoint]] = {"udpin": ProvedLink, "udpout": UdpLinkOut}


def open_endpoint(
    address: Address,
    buffer: int = BUFFER,
    users: PlainUsers | None = None,
    *,
    commands: bool = False,
    large: bool = False,
) -> Endpoint:
    """The endpoint at `address`. Never fails: the first `tick` opens it, and later ones try again without end.

    On this computer only programs of `users` are peers. The check is stricter if they send `commands`. `large`: its
    datagrams may have any size, such as those that carry many MAVLink frames.
    """
    made = _made(_KINDS[address.kind], address, buffer)
    made.users, made.large = users, large
    made.look_s = LOOK_FOR_COMMANDS_S if commands else LOOK_EVERY_S
    return made


def open_link(address: Address, buffer: int = BUFFER, *, proved: bool = False) -> Endpoint:
    """An endpoint for sealed datagrams; one that listens answers only senders for which `authenticated` was called.

    If `proved`, as at a ground, it tries the senders of copies, and `prove` decides which addresses stay.
    """
    kinds = {**_KINDS, **_LINKS, **(_PROVED if proved else {})}
    return _made(kinds[address.kind], address, buffer)


def _made(kind: type[Endpoint], address: Address, buffer: int) -> Endpoint:
    made = kind(address)
    made.buffer = buffer
    return made
