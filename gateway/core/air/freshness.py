"""Freshness: the state with which an aircraft distinguishes a fresh uplink from a delayed one. SPEC.md section 6.

What lives here: the nonces of its last beats with their numbers and times, and the stations' newest challenges. Both
are removed by age, so neither grows: there are two beats a second and fifteen stations.
"""

from __future__ import annotations

from collections import deque

from gateway.core.wire import CHALLENGE_FOR_S


class Freshness:
    """`fresh_s`: the largest age, from its sending, of a beat that an uplink echoes."""

    __slots__ = ("_beats", "_challenges", "fresh_s")

    def __init__(self, fresh_s: float) -> None:
        self.fresh_s = fresh_s
        self._beats: deque[tuple[float, bytes, int]] = deque()  # (sent, nonce, seq), oldest first
        self._challenges: dict[int, tuple[float, bytes]] = {}  # station -> (received, challenge)

    def beat(self, seq: int, nonce: bytes, now: float) -> None:
        """Beat number `seq` is sent now, with this nonce."""
        self._forget(now)
        self._beats.append((now, nonce, seq))

    def echoed(self, nonce: bytes, now: float) -> int | None:
        """The number of the beat that had this nonce, if it was sent at most `fresh_s` ago."""
        self._forget(now)
        return next((seq for _, sent, seq in self._beats if nonce == sent), None)

    def challenge(self, station: int, value: bytes, now: float) -> None:
        """A verified challenge; the next beats return it."""
        self._challenges[station] = (now, value)

    def challenges(self, now: float) -> dict[int, bytes]:
        """Each station's newest challenge, if it came in the last 10 s: field 7 of a beat."""
        return {i: value for i, (heard, value) in sorted(self._challenges.items()) if now - heard <= CHALLENGE_FOR_S}

    def _forget(self, now: float) -> None:
        while self._beats and now - self._beats[0][0] > self.fresh_s:
            self._beats.popleft()
