"""Budget: how much expensive work an unauthenticated sender can cause. A token bucket; time is an argument."""

from __future__ import annotations

BURST_S = 0.25  # default size of the bucket, in seconds of the rate


class Budget:
    """`rate` a second, at most `burst` at once."""

    def __init__(self, rate: float, burst: float | None = None) -> None:
        self.rate, self.burst = rate, rate * BURST_S if burst is None else burst
        self._left, self._at = self.burst, 0.0

    def spend(self, now: float) -> bool:
        """Take one, if there is one."""
        self._left = min(self.burst, self._left + max(0.0, now - self._at) * self.rate)
        self._at = max(self._at, now)  # an earlier arrival may be read later
        if self._left < 1:
            return False
        self._left -= 1
        return True
