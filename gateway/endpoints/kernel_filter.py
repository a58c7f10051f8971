"""Kernel filter: which messages of a socket the kernel drops before they reach its queue.

What lives here: attaching a program of classic BPF, in the form of linux/filter.h. What must not: the rules.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Sequence
from typing import TypeAlias

SO_ATTACH_FILTER = 26

LOAD_WORD, LOAD_HALF, LOAD_BYTE, AND, TO_X = 0x20, 0x28, 0x30, 0x54, 0x07
IF_EQUAL, IF_EQUAL_X, RETURN = 0x15, 0x1D, 0x06
INTERFACE = 0xFFFFF000 + 8  # SKF_AD_OFF + SKF_AD_IFINDEX: the interface it came from
IP_HEADER = 0xFFF00000  # SKF_NET_OFF
PASS, DROP = 0xFFFFFFFF, 0

Instruction: TypeAlias = tuple[int, int, int, int]  # operation, jump if true, jump if false, operand
_INSTRUCTION = struct.Struct("=HBBI")  # struct sock_filter


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("first", ctypes.c_void_p))


def attach(made: socket.socket, program: Sequence[Instruction]) -> None:
    """Attach it in place of a former program. OSError if the kernel accepts none."""
    packed = ctypes.create_string_buffer(b"".join(_INSTRUCTION.pack(*each) for each in program))
    made.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, bytes(_Program(len(program), ctypes.addressof(packed))))
