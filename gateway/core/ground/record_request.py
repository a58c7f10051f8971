"""Record request: what this station asks for, until a beat confirms it. SPEC.md section 8, lane 17 type 3.

The aircraft decides whether it does it. A request stops when a beat says so, or after GIVE_UP_AFTER_S. Sans-IO.
"""

from __future__ import annotations

from gateway.core import aircraft_state
from gateway.core.ground.commander import Commander
from gateway.core.record_outcome import Outcome
from keys.beat import Beat
from keys.beat_flag import Flag

EVERY_S = 0.5
GIVE_UP_AFTER_S = 10.0


class RecordRequest:
    """Of one device, asked at `now`: `on` to record video, otherwise to pause it."""

    def __init__(self, now: float, *, on: bool) -> None:
        self.on, self.outcome = on, Outcome.ASKING
        self._began = self._due = now
        self._sent = False

    def datagrams(self, commander: Commander | None, now: float) -> list[bytes]:
        """The sealed message that is due, if any; `commander`: of the session of the device that is commanded now."""
        if self.outcome is not Outcome.ASKING:
            return []
        if now - self._began > GIVE_UP_AFTER_S:
            self.outcome = Outcome.UNCONFIRMED
        if commander is None or self.outcome is not Outcome.ASKING:
            return []
        beat = commander.session.beat
        if self._sent and beat is not None and self._is_confirmed(beat, commander.station.index):
            self.outcome = Outcome.CONFIRMED
        elif now >= self._due and (sealed := commander.record(now, on=self.on)) is not None:
            self._due, self._sent = now + EVERY_S, True
            return [sealed]
        return []

    def _is_confirmed(self, beat: Beat, index: int) -> bool:
        said = aircraft_state.read(beat.state)
        if self.on:
            return bool(beat.flags & Flag.VIDEO_RECORDED) and said.paused_by is None
        return said.paused_by == index
