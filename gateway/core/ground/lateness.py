"""Lateness: how late the beats of a session come, by their field 11 and their arrival. SPEC.md section 5.7.

A beat says how long its session has lasted. An attacker who withholds or replays beats can only make them come later, never
earlier. So the beat that came soonest shows the difference of the two clocks, and every other beat how late it is.

A clock that ran wrong for a while makes one beat seem to have come sooner than any can, and all after it late. The way back
is a beat that answers a challenge: it was made after that was drawn, whatever it says of itself.

Sans-IO: time is an argument, in seconds of a clock that counts suspend.
"""

from __future__ import annotations

from keys.beat import SESSION_MS_MAX, Beat

DRIFT = 500e-6  # the largest difference in rate of two clocks


class Lateness:
    """Of one session. `lag_s`: how late the last beat was that `of` was asked about, in seconds."""

    __slots__ = ("_at", "_least", "_newest", "lag_s")

    def __init__(self) -> None:
        self.lag_s = 0.0
        self._least = self._newest = float("inf")  # of (arrival - field 11), and that of the beat taken last
        self._at = float("-inf")  # when the least was told

    def of(self, beat: Beat, now: float) -> float:
        """How many seconds later than the soonest a beat comes that arrives now; 0 if it cannot be known."""
        told = self._least < float("inf") and beat.session_ms < SESSION_MS_MAX
        self.lag_s = max(0.0, _offset(beat, now) - self._least_at(now)) if told else 0.0
        return self.lag_s

    def note(self, beat: Beat, now: float) -> float:
        """Take this beat into account. Returns how late the beat before it was, as is known now."""
        before, self._newest = self._newest, _offset(beat, now)
        self._least = min(self._newest, self._least_at(now))
        self._at = max(self._at, now)
        return before - self._least if before < float("inf") and beat.session_ms < SESSION_MS_MAX else 0.0

    def answered(self, beat: Beat, drawn_at: float, now: float) -> None:
        """The beat that arrives now holds a value that was drawn here at `drawn_at`.

        It cannot have been on its way for longer than since then. Nor could one that was made when it was have come sooner,
        so this never makes the least more than it is.
        """
        if beat.session_ms < SESSION_MS_MAX:
            self._least, self._at = max(self._least_at(now), _offset(beat, drawn_at)), max(self._at, now)

    def due(self, beat: Beat) -> float:
        """When this beat would have come if it were not late at all."""
        return self._least + beat.session_ms / 1000

    def _least_at(self, now: float) -> float:
        return self._least + max(0.0, now - self._at) * DRIFT


def _offset(beat: Beat, now: float) -> float:
    return now - beat.session_ms / 1000
