"""MPEG-TS to pictures: the first video stream that is H.264 or H.265 (ISO 13818-1 sections 2.4.3 and 2.4.4).

What lives here: packets, the two tables, the headers of PES packets. What must not: clocks, sound, metadata; a look into
pictures. One PES packet is one picture, as in nearly every stream of a camera; where it is several, they stay together.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from gateway.video.annexb import START_CODE
from gateway.video.damage import Damage
from gateway.video.nal import KINDS, PICTURE_MAX, UNITS_MAX, AccessUnit, Codec, is_key
from gateway.video.ts import PACKET_SIZE, SYNC

CODECS: dict[int, Codec] = {0x1B: "h264", 0x24: "h265"}  # stream_type
STAMPS = 1 << 33
_HEAD = 4
_NULL_PID = 0x1FFF
_BEGINS, _ERROR, _ADAPTATION, _PAYLOAD = 0x40, 0x80, 0x20, 0x10
_PAT, _PMT = 0, 2
_LENGTH_END, _SECTION_HEAD, _CRC_SIZE = 3, 8, 4
_MAP_HEAD, _STREAM_HEAD = 4, 5
_PES_HEAD, _STAMP_SIZE, _HAS_STAMP = 9, 5, 0x80


@dataclass(frozen=True, slots=True)
class Timed:
    """A picture, and its presentation time stamp in 1/90,000 s; None if it has none."""

    unit: AccessUnit
    stamp: int | None


class TsDemux:
    """Datagrams in, pictures out. Holds one picture of at most `PICTURE_MAX` bytes.

    `codec`   of the stream, as soon as the tables told
    `lost`    packets of it that did not come, modulo 16 each time
    `damage`  what was left out
    """

    def __init__(self) -> None:
        self.codec: Codec | None = None
        self.lost = 0
        self.damage: Counter[Damage] = Counter()
        self._map_pid: int | None = None
        self._video_pid: int | None = None
        self._counter: int | None = None
        self._pes: bytearray | None = None
        self._time = 0.0

    def feed(self, datagram: bytes, now: float) -> list[Timed]:
        """The pictures that are complete now. A datagram holds whole packets."""
        out: list[Timed] = []
        for at in range(0, len(datagram), PACKET_SIZE):
            packet = datagram[at : at + PACKET_SIZE]
            if len(packet) < PACKET_SIZE or packet[0] != SYNC or packet[1] & _ERROR:
                self.damage[Damage.NO_SYNC_BYTE] += 1
                continue
            self._packet(packet, now, out)
        return out

    def flush(self) -> list[Timed]:
        """The stream has ended: the picture in hand, as far as it came."""
        out: list[Timed] = []
        self._complete(out)
        return out

    def _packet(self, packet: bytes, now: float, out: list[Timed]) -> None:
        pid = (packet[1] & 0x1F) << 8 | packet[2]
        begin = _HEAD + (1 + packet[4] if packet[3] & _ADAPTATION else 0)
        if pid == _NULL_PID or not packet[3] & _PAYLOAD or begin >= PACKET_SIZE:
            return
        begins, payload = bool(packet[1] & _BEGINS), packet[begin:]
        if pid in (_PAT, self._map_pid):
            if begins:
                self._table(pid, payload)
        elif pid == self._video_pid:
            self._video(packet[3] & 15, begins, payload, now, out)

    def _table(self, pid: int, payload: bytes) -> None:
        """A section that begins and ends in this packet: longer ones have more streams than a camera."""
        section = payload[1 + payload[0] :].ljust(_SECTION_HEAD, b"\0")
        end = _LENGTH_END + ((section[1] & 15) << 8 | section[2])
        if end > len(section):
            return
        body = section[_SECTION_HEAD : end - _CRC_SIZE]
        if pid == _PAT and section[0] == 0:
            programs = (body[at : at + 4] for at in range(0, len(body) - 3, 4))
            self._map_pid = next(((one[2] & 0x1F) << 8 | one[3] for one in programs if one[:2] != b"\0\0"), self._map_pid)
        elif pid == self._map_pid and section[0] == _PMT:
            self._map(body)

    def _map(self, body: bytes) -> None:
        at = _MAP_HEAD + ((body[2] & 15) << 8 | body[3]) if len(body) >= _MAP_HEAD else len(body)
        while at + _STREAM_HEAD <= len(body):
            if (codec := CODECS.get(body[at])) is not None:
                pid = (body[at + 1] & 0x1F) << 8 | body[at + 2]
                if (pid, codec) != (self._video_pid, self.codec):
                    self._video_pid, self.codec, self._counter, self._pes = pid, codec, None, None
                return
            at += _STREAM_HEAD + ((body[at + 3] & 15) << 8 | body[at + 4])

    def _video(self, counter: int, begins: bool, payload: bytes, now: float, out: list[Timed]) -> None:
        if self._counter is not None:
            if counter == self._counter and not begins:
                return  # the same packet once more (section 2.4.3.3)
            self.lost += (counter - self._counter - 1) % 16
        self._counter = counter
        if begins:
            self._complete(out)
            self._pes, self._time = bytearray(), now
        if self._pes is None:
            return
        self._pes += payload
        if len(self._pes) > PICTURE_MAX:
            self._pes = None
            self.damage[Damage.PICTURE_TOO_LARGE] += 1

    def _complete(self, out: list[Timed]) -> None:
        pes, self._pes = self._pes, None
        if not pes or self.codec is None:
            return
        if len(pes) < _PES_HEAD or pes[:3] != START_CODE:
            self.damage[Damage.OUTSIDE_UNIT] += 1
            return
        nals = self._units(bytes(pes[_PES_HEAD + pes[8] :]), self.codec)
        if nals:
            stamp = (
                _stamp(bytes(pes[_PES_HEAD : _PES_HEAD + _STAMP_SIZE]).ljust(_STAMP_SIZE, b"\0"))
                if pes[7] & _HAS_STAMP
                else None
            )
            out.append(Timed(AccessUnit(nals, is_key(self.codec, nals), self._time, self.codec), stamp))

    def _units(self, stream: bytes, codec: Codec) -> list[bytes]:
        first, *parts = stream.split(START_CODE)
        if first.strip(b"\0"):
            self.damage[Damage.OUTSIDE_UNIT] += 1
        if len(parts) > UNITS_MAX:
            self.damage[Damage.PICTURE_TOO_LARGE] += 1
            return []
        return [nal for part in parts if len(nal := part.rstrip(b"\0")) > KINDS[codec].header_size]


def _stamp(field: bytes) -> int:
    return (field[0] & 0x0E) << 29 | field[1] << 22 | (field[2] & 0xFE) << 14 | field[3] << 7 | field[4] >> 1
