"""Texts: the lines of STATUSTEXT, newest last, joined where a line came in chunks (mavlink.io, STATUSTEXT).

What must not live here: markup. A line is external text: control characters and marks of direction are shown as escapes.
"""

from __future__ import annotations

from collections import deque

import msgspec

from keys.printable import printable

KEPT = 50
TEXT_MAX = 300  # characters of a line
CHUNK_SIZE = 50
CHUNKS_MAX, UNFINISHED_MAX = 8, 8
UNFINISHED_FOR_S = 2.0
PER_S, AT_ONCE = 20.0, 100.0


class Text(msgspec.Struct, frozen=True):
    """`severity`: MAV_SEVERITY, 0 emergency to 7 debug. `time_us`: Unix time."""

    time_us: int
    severity: int
    text: str


class _Unfinished(msgspec.Struct):
    severity: int
    time_us: int
    at: float
    chunks: list[bytes]


class Texts:
    """Of one aircraft. `lines` are the last `KEPT`; `dropped` counts those that came too fast."""

    def __init__(self) -> None:
        self.lines: deque[Text] = deque(maxlen=KEPT)
        self.dropped = 0
        self._left, self._at = AT_ONCE, float("-inf")
        self._unfinished: dict[tuple[int, int], _Unfinished] = {}  # by component and id

    def take(self, component: int, severity: int, text: bytes, part: tuple[int, int], at: float, time_us: int) -> None:
        """`part`: id and chunk_seq; an id of 0 is a whole line."""
        self._left = min(AT_ONCE, self._left + PER_S * max(0.0, at - max(self._at, at - AT_ONCE)))
        self._at = at
        if self._left < 1:
            self.dropped += 1
            return
        self._left -= 1
        number, place = part
        said, end, _ = text.partition(b"\0")
        if not number:
            self._tell(severity, said, time_us)
            return
        self._join((component, number), place, _Unfinished(severity, time_us, at, [said]), is_last=bool(end))

    def tick(self, at: float) -> None:
        """Show lines of which the end is lost."""
        for key in [key for key, line in self._unfinished.items() if at - line.at > UNFINISHED_FOR_S]:
            self._end(key)

    def _join(self, key: tuple[int, int], place: int, came: _Unfinished, *, is_last: bool) -> None:
        line = self._unfinished.get(key)
        if line is None or place == 0:
            self._end(key)
            line = self._unfinished[key] = came
        elif len(line.chunks) < CHUNKS_MAX:
            line.chunks += came.chunks
        if is_last:
            self._end(key)
        while len(self._unfinished) > UNFINISHED_MAX:
            self._end(next(iter(self._unfinished)))

    def _end(self, key: tuple[int, int]) -> None:
        if (line := self._unfinished.pop(key, None)) is not None:
            self._tell(line.severity, b"".join(line.chunks), line.time_us)

    def _tell(self, severity: int, text: bytes, time_us: int) -> None:
        if shown := printable(text.decode("utf-8", "replace").strip(), TEXT_MAX):
            self.lines.append(Text(time_us, min(severity, 7), shown))
