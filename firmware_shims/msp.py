"""MSP, the MultiWii serial protocol of Betaflight and iNav: the frames of version 1, of version 2, and of 2 inside 1.

    version 1   $ M direction  size(1) command(1) payload  xor(1)                  xor of everything after the direction
    version 2   $ X direction  flag(1) command(2) size(2) payload  crc8(1)         CRC-8/DVB-S2 of the same
    2 inside 1  a frame of version 1 with command 255, whose payload is flag, command, size, payload and crc8 of version 2

What lives here: requests, and the replies in a stream of bytes. What must not: what a command means (msp_values.py), when
one is asked (msp_polls.py). Only frames from the flight controller count: an echo of our own bytes is noise.
Source: github iNavFlight/inav wiki, "MSP V2"; betaflight/betaflight src/main/msp/msp_serial.c. Numbers are little-endian.
"""

from __future__ import annotations

import functools
import operator
import struct
from typing import NamedTuple

from fastcrc.crc8 import dvb_s2

PAYLOAD_MAX = 512  # bytes; what is asked for here is much shorter, and noise must not make a reader wait for long
INSIDE = 255  # the command of version 1 that holds a frame of version 2
_START, _V1, _V2 = b"$", ord("M"), ord("X")
_TO, _REPLY, _REFUSED = b"<", ord(">"), ord("!")
_HEAD = 3  # start, version, direction
_V1_HEAD, _V2_HEAD = struct.Struct("<BB"), struct.Struct("<BHH")


class Reply(NamedTuple):
    """`refused`: the flight controller does not have the command, or cannot answer it now."""

    command: int
    payload: bytes
    refused: bool


def request(command: int) -> bytes:
    """A request without payload: in version 1, which every firmware has, if the command fits there."""
    if command < INSIDE:
        covered = _V1_HEAD.pack(0, command)
        return _START + bytes([_V1]) + _TO + covered + bytes([_xor(covered)])
    covered = _V2_HEAD.pack(0, command, 0)
    return _START + bytes([_V2]) + _TO + covered + bytes([dvb_s2(covered)])


class Parser:
    """Finds the replies in a stream, whatever the boundaries of reads.

    `skipped_bytes`  noise: bytes that were part of no reply
    """

    __slots__ = ("_rest", "skipped_bytes")

    def __init__(self) -> None:
        self.skipped_bytes = 0
        self._rest = b""

    def feed(self, data: bytes | memoryview) -> list[Reply]:
        """The replies that `data`, the next bytes, completes, in order."""
        data = self._rest + bytes(data)
        out: list[Reply] = []
        at, end, used = 0, len(data), 0
        while (at := data.find(_START, at)) >= 0:
            size = _size(data, at)
            if size > end - at:
                break
            reply = _reply(data[at : at + size]) if size else None
            if reply is None:
                at += 1
                continue
            out.append(reply)
            at += size
            used += size
        rest = end if at < 0 else at
        self.skipped_bytes += rest - used
        self._rest = data[rest:]
        return out

    def reset(self) -> None:
        """The line was closed: what had begun will not be completed."""
        self.skipped_bytes += len(self._rest)
        self._rest = b""


def _size(data: bytes, at: int) -> int:
    """Of the frame that begins at `at`; 0 if none does, and more than there is if its head is incomplete."""
    head = data[at + 1 : at + _HEAD]
    if (head and head[0] not in (_V1, _V2)) or (head[1:] and head[1] not in (_REPLY, _REFUSED)):
        return 0
    fixed = _V1_HEAD if head[:1] == bytes([_V1]) else _V2_HEAD
    before = _HEAD + fixed.size
    if len(data) - at < before:
        return before
    if fixed is _V1_HEAD:
        return before + data[at + _HEAD] + 1
    _, _, size = _V2_HEAD.unpack_from(data, at + _HEAD)
    return before + size + 1 if size <= PAYLOAD_MAX else 0


def _reply(frame: bytes) -> Reply | None:
    """None if the checksum is wrong."""
    covered, refused = frame[_HEAD:-1], frame[2] == _REFUSED
    if frame[1] == _V2:
        return _version_2(covered, frame[-1], refused=refused)
    if _xor(covered) != frame[-1]:
        return None
    _, command = _V1_HEAD.unpack_from(covered)
    payload = covered[_V1_HEAD.size :]
    if command != INSIDE:
        return Reply(command, payload, refused)
    return _version_2(payload[:-1], payload[-1], refused=refused) if len(payload) > _V2_HEAD.size else None


def _version_2(covered: bytes, checksum: int, *, refused: bool) -> Reply | None:
    _, command, size = _V2_HEAD.unpack_from(covered)
    if len(covered) != _V2_HEAD.size + size or dvb_s2(covered) != checksum:
        return None
    return Reply(command, covered[_V2_HEAD.size :], refused)


def _xor(data: bytes) -> int:
    return functools.reduce(operator.xor, data, 0)
