"""Pace: when a record is due, of a recording that is played. `now` is the caller's monotonic clock, in seconds. Pure."""

from __future__ import annotations

SECOND_NS = 1_000_000_000
STANDSTILL_S = 1.0  # records that are later than this would come as a burst: the process stood still


class Pace:
    """As fast as it was, or `speed` times."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._time_ns, self._at = 0, 0.0  # a record of this time is due at this time of the clock
        self._paused_at: float | None = None

    @property
    def paused(self) -> bool:
        return self._paused_at is not None

    def begin(self, time_ns: int, now: float) -> None:
        """A record of this time is due now: at the start, after a jump, and after a gap that is skipped."""
        self._time_ns, self._at = time_ns, now
        if self.paused:
            self._paused_at = now

    def left(self, time_ns: int, now: float) -> float:
        """Seconds until a record of this time is due; 0 or less if it is. Without end while it is paused."""
        if self.paused:
            return float("inf")
        left = self._at + (time_ns - self._time_ns) / (SECOND_NS * self._speed) - now
        if left < -STANDSTILL_S:
            self.begin(time_ns, now)
        return left

    def toggle(self, now: float) -> None:
        """Pause, or go on where it was paused."""
        if self._paused_at is None:
            self._paused_at = now
        else:
            self._at += now - self._paused_at
            self._paused_at = None
