"""Verdict: the sentences with which a report and a run of the bench begin, made from the figures that were measured.

What lives here: the names of those figures (Result.facts), and the sentence about all results. What must not: measuring,
and the sentence of one measurement, which is in its own module.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bench.result import Result

QUICK = "a quick run: few and short rounds, so each figure is rough; without --quick they are better"

# Video and telemetry at once: bench.measures.latency.
MBIT, FRAMES = "carried Mbit/s", "carried frames/s"
AIR, GROUND, P50, LOST = "air % of a core", "ground % of a core", "video p50 ms", "lost %"
# The highest rate without loss: bench.measures.link.
LIMIT, LIMIT_WITHOUT_AES, HAS_AES = "limit Mbit/s", "limit without AES Mbit/s", "has AES instructions"
# Compared in one run: bench.measures.peers.
SRT_MBIT, SRT_AIR, SRT_GROUND = "compared at Mbit/s", "sealing, times SRT", "opening, times SRT"
OVER_BUDGET = "figures over their budget"  # bench.measures.pi

LOST_MAX = 0.1  # percent: a board that loses more does not carry that load


def figure(value: float) -> str:
    """Two significant digits, in a sentence."""
    if value >= 10:  # noqa: PLR2004 - then a decimal is noise
        return f"{round(value):,}"
    return f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def whole(results: Sequence[Result]) -> str:
    """One sentence about all `results`; empty if they support none."""
    facts = {name: value for result in results for name, value in result.facts.items()}
    return "; ".join(_clauses(facts))


def _clauses(facts: Mapping[str, float]) -> Iterator[str]:
    if MBIT in facts:
        yield carried(facts)
    if LIMIT in facts:
        yield limit(facts)
    if SRT_AIR in facts:
        yield compared_with_srt(facts)
    if facts.get(OVER_BUDGET):
        yield f"{facts[OVER_BUDGET]:.0f} counts of instructions are over their budget"


def carried(facts: Mapping[str, float]) -> str:
    """What the load of a drone costs, or that it is too much."""
    load = f"{facts[MBIT]:g} Mbit/s of video and {facts[FRAMES]:.0f} frames/s"
    if facts[LOST] > LOST_MAX:
        return f"this board does not carry {load}: {figure(facts[LOST])} % of the video is lost"
    cores = f"{figure(facts[AIR])} % of a core aboard, {figure(facts[GROUND])} % at a station"
    return f"this board carries {load} at {cores}, and {figure(facts[P50])} ms"


def limit(facts: Mapping[str, float]) -> str:
    """The highest rate, and what it would be without AES instructions."""
    said = f"its limit is {figure(facts[LIMIT])} Mbit/s"
    if not facts[HAS_AES]:
        return f"{said}, without AES instructions, which it does not have"
    if LIMIT_WITHOUT_AES in facts:
        return f"{said}, and without AES instructions {figure(facts[LIMIT_WITHOUT_AES])}"
    return said


def compared_with_srt(facts: Mapping[str, float]) -> str:
    """CPU time compared with the program that people would use instead."""
    ratios = f"{figure(facts[SRT_AIR])} and {figure(facts[SRT_GROUND])} times"
    return f"at {facts[SRT_MBIT]:g} Mbit/s in pictures it seals and opens with {ratios} the CPU time of SRT"
