"""Annex B: the byte stream of NAL units that encoders and vendors' programs write (H.264 annex B, H.265 annex B).

What lives here: the splitter, from bytes cut anywhere to pictures. What must not: pipes, clocks, RTP.

A unit ends at the next start code, and a picture where the next one begins. No encoder writes that start code before it has
the next picture, so a picture is also complete when nothing has come for `QUIET_S`. If more of it comes after that, the
stream paused within it. The rest of a cut unit is left out; further slices are a second access unit of the same time. Both
are counted, and the splitter then waits twice as long, until `CALM_AFTER` pictures have come without a pause.
"""

from __future__ import annotations

from collections import Counter

from gateway.video.damage import Damage
from gateway.video.nal import KINDS, PEEK_SIZE, PICTURE_MAX, UNIT_MAX, UNITS_MAX, AccessUnit, Codec, Pictures, is_key, kind

START_CODE = b"\0\0\1"
CARRIED_OVER = len(START_CODE) - 1  # bytes that may begin a start code
QUIET_S, QUIET_MAX_S = 0.003, 0.024
CALM_AFTER = 300


class Splitter:
    """Bytes in, pictures out. Holds one picture of at most `UNITS_MAX` units, and a unit of at most `UNIT_MAX` bytes.

    `damage`  how often each kind of damage was met
    """

    def __init__(self, codec: Codec) -> None:
        self.damage: Counter[Damage] = Counter()
        self._codec: Codec = codec
        self._pictures = Pictures(codec)
        self._buffer = bytearray()  # of the unit that is open, from its header on; else what may begin a start code
        self._open = False
        self._peeked = False  # `_pictures` has seen the beginning of the open unit
        self._cut = False  # the last unit ended by silence
        self._told = False  # what is outside of a unit is counted, once until the next start code
        self._quiet = QUIET_S
        self._calm = 0  # pictures since the last pause
        self._heard = 0.0
        self._units: list[bytes] = []
        self._size = 0  # of `_units`
        self._time: float | None = None  # when the picture's first slice came
        self._time_before = 0.0  # the same of the picture before

    def feed(self, data: bytes, now: float) -> list[AccessUnit]:
        """The pictures that are complete now; `now` in seconds of a monotonic clock."""
        out: list[AccessUnit] = []
        search = max(0, len(self._buffer) - CARRIED_OVER)
        self._buffer += data
        self._heard = now
        begin = 0
        while (at := self._buffer.find(START_CODE, max(begin, search))) >= 0:
            self._ended(self._buffer[begin:at], now, out)
            self._open, self._peeked = True, False
            begin = at + len(START_CODE)
        del self._buffer[:begin]
        if not self._open:
            self._outside(self._buffer[:-CARRIED_OVER])
            del self._buffer[:-CARRIED_OVER]
        elif len(self._buffer) >= PEEK_SIZE:
            self._begun(self._buffer, now, out)
            self._limit()
        return out

    def due(self) -> float | None:
        """When the picture in hand is complete if nothing comes; None if there is none. Then call `flush`."""
        return self._heard + self._quiet if self._pictures.in_picture or self._slice_open() else None

    def flush(self) -> list[AccessUnit]:
        """The stream is silent or has ended: the picture in hand is complete. Parameter sets wait for a picture."""
        out: list[AccessUnit] = []
        unit = self._buffer.rstrip(b"\0")
        if self._slice_open() or (self._open and self._pictures.in_picture and unit):
            self._ended(unit, self._heard, out)
            self._buffer = self._buffer[len(unit) :][-CARRIED_OVER:]
            self._open, self._cut = False, True
        if self._pictures.in_picture:
            self._complete(out)
            self._pictures.end()
        return out

    def _slice_open(self) -> bool:
        kinds = KINDS[self._codec]
        return self._open and len(self._buffer) > kinds.header_size and kind(self._codec, self._buffer) in kinds.slices

    def _limit(self) -> None:
        if len(self._buffer) > UNIT_MAX:
            self.damage[Damage.UNIT_TOO_LONG] += 1
            self._open, self._cut, self._told = False, False, True
            del self._buffer[:-CARRIED_OVER]

    def _ended(self, unit: bytearray, now: float, out: list[AccessUnit]) -> None:
        if not self._open:
            self._outside(unit)
            self._cut = self._told = False
            return
        nal = bytes(unit.rstrip(b"\0"))  # zeros belong to the byte stream, not to the unit
        if len(nal) < KINDS[self._codec].header_size:
            if nal:
                self.damage[Damage.UNIT_TOO_SHORT] += 1
            return
        self._begun(nal, now, out)
        if len(self._units) == UNITS_MAX or self._size + len(nal) > PICTURE_MAX:
            self.damage[Damage.PICTURE_TOO_LARGE] += 1
            return
        self._units.append(nal)
        self._size += len(nal)

    def _begun(self, unit: bytes | bytearray, now: float, out: list[AccessUnit]) -> None:
        if self._peeked:
            return
        self._peeked = True
        if self._pictures.begins(unit):
            self._complete(out)
        if self._pictures.resumed:
            self._paused(Damage.PAUSE_IN_PICTURE)
            self._time = self._time_before
        if self._time is None and self._pictures.in_picture:
            self._time = now

    def _outside(self, data: bytearray) -> None:
        if self._told or not data.strip(b"\0"):
            return
        self._told = True
        if self._cut:
            self._paused(Damage.PAUSE_IN_UNIT)
        else:
            self.damage[Damage.OUTSIDE_UNIT] += 1

    def _paused(self, where: Damage) -> None:
        self.damage[where] += 1
        self._quiet = min(2 * self._quiet, QUIET_MAX_S)
        self._calm = 0

    def _complete(self, out: list[AccessUnit]) -> None:
        units, self._units, self._size = self._units, [], 0
        when, self._time = self._time, None
        if units and when is not None:
            self._time_before = when
            self._calm += 1
            if self._calm == CALM_AFTER:
                self._calm, self._quiet = 0, max(self._quiet / 2, QUIET_S)
            out.append(AccessUnit(units, is_key(self._codec, units), when, self._codec))
