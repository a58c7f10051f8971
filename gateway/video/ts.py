"""MPEG-TS: packets of 188 bytes (ISO 13818-1 section 2.4.3), in pieces of the size of a datagram.

What lives here: where packets begin. What must not: their content. Pictures, sound and KLV metadata pass as they are.
"""

from __future__ import annotations

from collections import Counter

from gateway.video.damage import Damage

PACKET_SIZE = 188
SYNC = 0x47
PIECE_SIZE = 6 * PACKET_SIZE  # 1,128 bytes; the usual 7 are too long for a sealed datagram in a small MTU


class Pieces:
    """Bytes in, pieces of six packets out. Holds less than one piece.

    `damage`  how often bytes between packets were left out
    """

    def __init__(self) -> None:
        self.damage: Counter[Damage] = Counter()
        self._buffer = bytearray()
        self._aligned = 0  # bytes of the buffer that are whole packets

    def feed(self, data: bytes) -> list[bytes]:
        self._buffer += data
        self._align()
        whole = self._aligned - self._aligned % PIECE_SIZE
        return self._out(whole)

    def flush(self) -> list[bytes]:
        """The whole packets that wait for others: call it when the stream is silent, or the end of a picture is late."""
        return self._out(self._aligned)

    def _out(self, size: int) -> list[bytes]:
        out = [bytes(self._buffer[at : min(at + PIECE_SIZE, size)]) for at in range(0, size, PIECE_SIZE)]
        del self._buffer[:size]
        self._aligned -= size
        return out

    def _align(self) -> None:
        """A packet is one if it begins with the sync byte, and so does the next if it is there already."""
        while len(self._buffer) - self._aligned >= PACKET_SIZE:
            follows = self._buffer[self._aligned + PACKET_SIZE : self._aligned + PACKET_SIZE + 1]
            if self._buffer[self._aligned] == SYNC and (not follows or follows[0] == SYNC):
                self._aligned += PACKET_SIZE
            else:
                self.damage[Damage.NO_SYNC_BYTE] += 1
                self._skip()

    def _skip(self) -> None:
        """To the next sync byte of which the packet is followed by one."""
        at = self._buffer.find(SYNC, self._aligned + 1)
        while at >= 0 and at + PACKET_SIZE < len(self._buffer) and self._buffer[at + PACKET_SIZE] != SYNC:
            at = self._buffer.find(SYNC, at + 1)
        del self._buffer[self._aligned : at if at >= 0 else len(self._buffer)]
