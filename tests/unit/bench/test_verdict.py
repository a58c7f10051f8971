"""The sentence about a whole run is made from its figures, and says nothing that was not measured."""

from __future__ import annotations

import pytest

from bench import verdict
from bench.result import Result
from tests.unit.bench.results import FACTS

CARRIES = (
    "this board carries 20 Mbit/s of video and 200 frames/s at 1.6 % of a core aboard, 1.9 % at a station, and 0.52 ms"
)


def whole(**results: dict[str, float]) -> str:
    return verdict.whole([Result(name, (), facts=facts) for name, facts in results.items()])


def test_nothing_measured_says_nothing():
    assert whole(cipher={}) == ""


def test_the_figures_of_several_measurements_make_one_sentence():
    limit = {verdict.LIMIT: 310.2, verdict.LIMIT_WITHOUT_AES: 96.0, verdict.HAS_AES: 1.0}
    srt = {verdict.SRT_MBIT: 8.0, verdict.SRT_AIR: 0.88, verdict.SRT_GROUND: 1.04}
    assert whole(latency=FACTS, link=limit, peers=srt) == (
        f"{CARRIES}; its limit is 310 Mbit/s, and without AES instructions 96; at 8 Mbit/s in pictures it seals and"
        " opens with 0.88 and 1.0 times the CPU time of SRT"
    )


def test_a_board_that_loses_video_does_not_carry_it():
    assert whole(latency=FACTS | {verdict.LOST: 3.4}) == (
        "this board does not carry 20 Mbit/s of video and 200 frames/s: 3.4 % of the video is lost"
    )


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({verdict.HAS_AES: 1.0}, "its limit is 60 Mbit/s"),
        ({verdict.HAS_AES: 0.0}, "its limit is 60 Mbit/s, without AES instructions, which it does not have"),
    ],
)
def test_the_limit_with_or_without_aes_instructions(facts, says):
    assert whole(link={verdict.LIMIT: 60.0, **facts}) == says


def test_what_is_over_its_budget_is_said():
    assert whole(pi={verdict.OVER_BUDGET: 2.0}) == "2 counts of instructions are over their budget"
    assert whole(pi={verdict.OVER_BUDGET: 0.0}) == ""
