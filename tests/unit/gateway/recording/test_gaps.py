"""gateway.recording.gaps: which gap a loss belongs to. SPEC.md section 9."""

from __future__ import annotations

import dataclasses

import pytest

from gateway.recording.gaps import Gaps
from gateway.recording.group import Group
from gateway.recording.leaf import Gap
from gateway.recording.reason import GapReason

GROUPS = (Group.FLIGHT, Group.VIDEO_A)


def loss(from_us: int, to_us: int, lost: int = 7) -> Gap:
    return Gap((Group.VIDEO_A,), from_us, to_us, GapReason.CARD_SLOW, lost, 0)


@pytest.fixture
def gaps() -> Gaps:
    """A failure that has ended."""
    made = Gaps()
    (begun,) = made.begin(GapReason.CARD_FULL, GROUPS, 1000)
    assert begun == Gap(GROUPS, 1000, 0, GapReason.CARD_FULL, 0, 0)
    assert made.lose(5)
    assert made.end(GapReason.CARD_FULL, 2000) == [Gap(GROUPS, 1000, 2000, GapReason.CARD_FULL, 5, 0)]
    assert not made.lose(5)
    return made


def test_what_was_lost_in_a_failure_and_is_known_after_it_is_counted_in_its_gap(gaps: Gaps):
    first = gaps.late(loss(1500, 2100))
    assert first == Gap(GROUPS, 1000, 2100, GapReason.CARD_FULL, 12, 0)
    assert gaps.late(loss(2050, 2060, 1)) == dataclasses.replace(first, lost=13)


@pytest.mark.parametrize("from_us", [999, 2000, 9000])
def test_what_was_lost_at_another_time_has_a_gap_of_its_own(gaps: Gaps, from_us: int):
    assert gaps.late(loss(from_us, 9999)) == loss(from_us, 9999)


def test_a_pause_explains_no_loss():
    gaps = Gaps()
    gaps.begin(GapReason.PAUSED, GROUPS, 1000, 3)
    assert not gaps.lose(5)
    gaps.end(GapReason.PAUSED, 2000)
    assert gaps.late(loss(1500, 1600)) == loss(1500, 1600)
