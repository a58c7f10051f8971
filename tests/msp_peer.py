"""A flight controller that answers MSP, for tests: what it says is a table of payloads, by command."""

from __future__ import annotations

import os
import struct
import tty

from fastcrc.crc8 import dvb_s2

from gateway import clock

INSIDE = 255
BAUD, BITS_A_BYTE = 115_200, 10
BETAFLIGHT = {
    2: b"BTFL",
    3: bytes([4, 6, 0]),
    119: bytes([0, 1, 2, 3, 5, 46]),
    150: struct.pack("<HHHIBHBBB", 250, 0, 0b101111, 0b000011, 0, 7, 3, 0, 0) + bytes(11),
    108: struct.pack("<hhh", 200, -105, 271),
    109: struct.pack("<ih", 12_345, -150),
    106: struct.pack("<BBiihHHH", 2, 11, 523_702_157, 48_951_679, -3, 540, 900, 120),
    110: struct.pack("<BHHhH", 162, 500, 800, 1234, 1618),
}
# By the source of iNav (fc_msp.c); no running iNav has sent these.
INAV = {
    **BETAFLIGHT,
    2: b"INAV",
    3: bytes([8, 0, 1]),
    119: bytes([0, 1, 10, 28, 69]),
    106: struct.pack("<BBiihHHH", 2, 11, 523_702_157, 48_951_679, 40, 540, 900, 120),
    0x2000: struct.pack("<HHHHBI", 500, 0, 0b1001011, 12, 0x21, 1 << 2) + (0b01001).to_bytes(16, "little") + bytes([1]),
    0x2002: struct.pack("<BHHIIIIBH", 0x31, 1618, 1234, 19_000, 500, 7000, 2500, 83, 800),
}


def reply(command: int, payload: bytes, sign: bytes = b">", *, version2: bool = False, inside: bool = False) -> bytes:
    """A frame of version 1 if the command fits there; of version 2, or 2 inside 1, if asked for."""
    if command < INSIDE and not version2 and not inside:
        covered = bytes([len(payload), command]) + payload
        return b"$M" + sign + covered + bytes([xor(covered)])
    covered = struct.pack("<BHH", 0, command, len(payload)) + payload
    framed = covered + bytes([dvb_s2(covered)])
    if not inside:
        return b"$X" + sign + framed
    outer = bytes([len(framed), INSIDE]) + framed
    return b"$M" + sign + outer + bytes([xor(outer)])


def xor(data: bytes) -> int:
    out = 0
    for byte in data:
        out ^= byte
    return out


class MspPeer:
    """Answers requests in order: with its payload, or with a refusal. `asked`: the commands, in order."""

    def __init__(self, says: dict[int, bytes]) -> None:
        self.says, self.asked, self._rest = dict(says), list[int](), b""

    def take(self, data: bytes) -> list[bytes]:
        self._rest += data
        out: list[bytes] = []
        while len(self._rest) >= 6:
            size = 6 if self._rest[:3] == b"$M<" else 9
            assert self._rest[:3] in (b"$M<", b"$X<"), self._rest
            if len(self._rest) < size:
                break
            request, self._rest = self._rest[:size], self._rest[size:]
            command = request[4] if size == 6 else int.from_bytes(request[4:6], "little")
            assert request[-1] == (xor(request[3:-1]) if size == 6 else dvb_s2(request[3:-1]))
            self.asked.append(command)
            known = command in self.says
            out.append(reply(command, self.says.get(command, b""), b">" if known else b"!"))
        return out


class Line:
    """A pseudo-terminal and a Betaflight behind it; what it says takes its time on the line."""

    def __init__(self) -> None:
        self.fd, other = os.openpty()
        tty.setraw(self.fd)
        tty.setraw(other)
        os.set_blocking(self.fd, False)
        self.path, self._other = os.ttyname(other), other
        self.peer = MspPeer(BETAFLIGHT)
        self.up = self.down = 0  # bytes
        self._waiting, self._room, self._at = b"", 0.0, clock.now()

    def step(self) -> None:
        now = clock.now()
        self._room = min(self._room + (now - self._at) * BAUD / BITS_A_BYTE, 64)
        self._at = now
        try:
            asked = os.read(self.fd, 4096)
        except OSError:
            asked = b""
        self.up += len(asked)
        self._waiting += b"".join(self.peer.take(asked))
        sent = os.write(self.fd, self._waiting[: int(self._room)]) if self._waiting and self._room >= 1 else 0
        self._waiting, self._room = self._waiting[sent:], self._room - sent
        self.down += sent

    def close(self) -> None:
        os.close(self.fd)
        os.close(self._other)
