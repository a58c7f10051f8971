"""Posing: a program of this computer that sends with the address of another computer.

Linux lets any program send IPv6 from any address (IPV6_FREEBIND). Its datagrams to this computer still come by the
loopback interface, and an honest program sends to an address of its own computer from that same address (RFC
6724 section 5, rule 1). So the kernel drops datagrams that came by loopback from another address than their destination.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator

from gateway.endpoints.kernel_filter import (
    AND,
    DROP,
    IF_EQUAL,
    IF_EQUAL_X,
    INTERFACE,
    IP_HEADER,
    LOAD_BYTE,
    LOAD_WORD,
    PASS,
    RETURN,
    TO_X,
    Instruction,
    attach,
)

LOOPBACK = "lo"
_VERSION, _IPV6 = 0xF0, 0x60
_SOURCE, _DESTINATION, _WORDS = 8, 24, 4  # their position in the header, and their length


def keep_out_posers(made: socket.socket) -> None:
    """Set the filter on a UDP socket for IPv6. OSError if the kernel accepts no such filter."""
    compared = [*_compared()]
    program = [
        (LOAD_WORD, 0, 0, INTERFACE),
        (IF_EQUAL, 0, 3 + len(compared), socket.if_nametoindex(LOOPBACK)),
        (LOAD_BYTE, 0, 0, IP_HEADER),
        (AND, 0, 0, _VERSION),
        (IF_EQUAL, 0, len(compared), _IPV6),
        *compared,
        (RETURN, 0, 0, PASS),
        (RETURN, 0, 0, DROP),
    ]
    attach(made, program)


def _compared() -> Iterator[Instruction]:
    """Continues if both addresses are the same; otherwise jumps to the last instruction."""
    for behind in reversed(range(_WORDS)):  # words still to compare
        at = 4 * (_WORDS - 1 - behind)
        yield LOAD_WORD, 0, 0, IP_HEADER + _SOURCE + at
        yield TO_X, 0, 0, 0
        yield LOAD_WORD, 0, 0, IP_HEADER + _DESTINATION + at
        yield IF_EQUAL_X, 0, 4 * behind + 1, 0
