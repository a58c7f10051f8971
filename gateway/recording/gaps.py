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
        self._failed: Gap | None = None  # the last failure that has ended

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

    def late(self, loss: Gap) -> Gap:
        """A loss that is known when no gap is open: the failure in which it began, once more; otherwise the loss itself."""
        gap = self._failed
        if gap is None or not gap.from_us <= loss.from_us < gap.to_us:
            return loss
        to_us = max(gap.to_us, loss.to_us)
        self._failed = gap = dataclasses.replace(gap, to_us=to_us, lost=gap.lost + loss.lost)
        return gap

    def end(self, reason: GapReason, now_us: int) -> list[Gap]:
        """None if it is not open."""
        if (gap := self._open.pop(reason, None)) is None:
            return []
        gap = dataclasses.replace(gap, to_us=max(now_us, 1))
        if reason in FAILURES:
            self._failed = gap
        return [gap]

    def is_open(self, reason: GapReason) -> bool:
        return reason in self._open
