"""Which UDP ports a socket has left recently, by the notices of Linux (sock_diag(7), SKNLGRP_INET_UDP_DESTROY).

What lives here: reading those notices. What must not: decisions about them (plain_users.py).

The tables of sockets (socket_users.py) show which program has a port, but not which one had it. A program that shares a
port, sends, and closes before the table is read is not in them; but Linux reports some 10 us later that a socket of that
port was closed.

    struct nlmsghdr       { u32 len; u16 type; u16 flags; u32 seq; u32 pid; }                                    16 bytes
    struct inet_diag_msg  { u8 family, state, timer, retrans; be16 sport; ... }
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Collection

from gateway.endpoints.kernel_filter import DROP, IF_EQUAL, LOAD_HALF, PASS, RETURN, attach

NETLINK_SOCK_DIAG = 4
UDP_DESTROY_GROUPS = 1 << (2 - 1) | 1 << (4 - 1)  # SKNLGRP_INET_UDP_DESTROY, SKNLGRP_INET6_UDP_DESTROY
SOURCE_PORT_AT = 20
SOURCE_PORT = struct.Struct(f"!{SOURCE_PORT_AT}xH")
MESSAGE_MAX = 4096
MESSAGES_A_CALL = 4000
BUFFER = 1 << 20  # bytes; enough for some thousand sockets that are closed between two calls


class Departures:
    """`available` is False on a system without these notices: then no port is ever left."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        with contextlib.suppress(OSError, AttributeError):  # AttributeError: no netlink, so no Linux
            made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG)
            made.setblocking(False)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
            made.bind((0, UDP_DESTROY_GROUPS))
            self._socket = made

    @property
    def available(self) -> bool:
        return self._socket is not None

    def only(self, ports: Collection[int]) -> None:
        """From now on receive notices of these ports alone, 255 at most: those of other ports use no room any more."""
        each = [(IF_EQUAL, len(ports) - place, 0, port) for place, port in enumerate(ports)]
        if self._socket is not None:
            attach(self._socket, [(LOAD_HALF, 0, 0, SOURCE_PORT_AT), *each, (RETURN, 0, 0, DROP), (RETURN, 0, 0, PASS)])

    def pop(self) -> set[int] | None:
        """Ports that a socket has left since the last call; None if there were so many that some were lost."""
        ports: set[int] = set()
        if self._socket is None:
            return ports
        for _ in range(MESSAGES_A_CALL):
            try:
                message, (sender, _) = self._socket.recvfrom(MESSAGE_MAX)
            except BlockingIOError:
                return ports
            except OSError:  # ENOBUFS
                return None
            if sender == 0 and len(message) >= SOURCE_PORT.size:  # 0: the kernel
                ports.add(*SOURCE_PORT.unpack_from(message))
        return None
