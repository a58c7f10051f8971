"""Quiet: what may be said over months, so that a link that comes and goes all day fills no journal.

What lives here: a few lines at once and then a line in a while, for each text and for all together. What must not: writing.
"""

from __future__ import annotations

SAME_AT_ONCE, SAME_EVERY_S = 5, 600.0  # of one text
ALL_AT_ONCE, ALL_EVERY_S = 1000, 10.0  # of all: holds back what runs wild, and nobody at work
TEXTS_MAX = 256


class _Bucket:
    def __init__(self, at_once: int, every_s: float, now: float) -> None:
        self._at_once, self._every_s = at_once, every_s
        self._left, self._at = float(at_once), now
        self.left_out = 0

    def allow(self, now: float) -> bool:
        self._left = min(self._at_once, self._left + (now - self._at) / self._every_s)
        self._at = now
        if self._left < 1:
            self.left_out += 1
            return False
        self._left -= 1
        return True


class LogLimiter:
    """`now` is the caller's monotonic clock, in seconds."""

    def __init__(self) -> None:
        self._texts: dict[str, _Bucket] = {}
        self._all = _Bucket(ALL_AT_ONCE, ALL_EVERY_S, 0.0)

    def admit(self, text: str, now: float) -> str | None:
        """What to say: `text`, with how many were left out before it; None if this one is."""
        bucket = self._texts.pop(text, None) or _Bucket(SAME_AT_ONCE, SAME_EVERY_S, now)
        self._texts[text] = bucket  # the newest stand last
        if len(self._texts) > TEXTS_MAX:
            self._texts.pop(next(iter(self._texts)))
        if not bucket.allow(now):
            return None
        if not self._all.allow(now):
            return None
        notes = [f"{bucket.left_out} more like this were left out"] if bucket.left_out else []
        notes += [f"{self._all.left_out} other lines were left out"] if self._all.left_out else []
        bucket.left_out = self._all.left_out = 0
        return f"{text} ({', '.join(notes)})" if notes else text
