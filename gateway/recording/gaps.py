"""Gaps: what is not recorded, why, since when and how much. SPEC.md section 9. Pure: time is an argument."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from gateway.recording.group import Group
from gateway.recording.leaf import Gap
from gateway.recording.reason import GapReason

FAILURES = (GapReason.CARD_FAILED, GapReason.CARD_FULL, GapReason.CARD_SLOW, GapReason.RECORDER_RESTARTED)


class Gaps:
    """Those that are open, one of a reason. Each change of them gives the leaf that says so."""

    def __init__(self) -> None:
        self._open: dict[GapReason, Gap] = {}

    def begin(self, reason: GapReason, groups: Iterable[Group], now_us: int, station: int = 0) -> list[Gap]:
        """None if it is open already."""
        if reason in self._open:
            return []
        self._open[reason] = Gap(tuple(sorted(groups)), now_us, 0, reason, 0, station)
        return [self._open[reason]]

    def lose(self, datagrams: int) -> bool:
        """Count them in the gap that explains them; False if none is open."""
        for reason in FAILURES:
            if gap := self._open.get(reason):
                self._open[reason] = dataclasses.replace(gap, lost=gap.lost + datagrams)
                return True
        return False

    def end(self, reason: GapReason, now_us: int) -> list[Gap]:
        """None if it is not open."""
        gap = self._open.pop(reason, None)
        return [dataclasses.replace(gap, to_us=max(now_us, 1))] if gap else []

    def is_open(self, reason: GapReason) -> bool:
        return reason in self._open
