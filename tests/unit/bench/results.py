"""A Result with every kind of cell, plot and name that must not break a page."""

from __future__ import annotations

from bench import verdict
from bench.record import Record
from bench.result import Plot, Result, Table

LINE = Table(
    "Sizes <b> & more",
    ("bytes", "ours (ns)", "theirs (ns)"),
    ((64, 100.5, 200), (1200, 301.25, None), (16_384, 4000.0, 9000.0)),
    ("a note with <angle> brackets",),
    Plot("line", "bytes", ("ours (ns)", "theirs (ns)"), log_x=True, log_y=True),
)
BARS = Table("Bars", ("who", "rate/s"), (("a | b", 3), ("c", None)), (), Plot("bar", "who", ("rate/s",)))
STEPS = Table("Steps", ("ms", "share"), ((1.0, 0.25), (2.0, 1.0)), (), Plot("steps", "ms", ("share",)))
EMPTY = Table("Nothing", ("who", "what"), ())
FACTS = {
    verdict.MBIT: 20.0,
    verdict.FRAMES: 200.0,
    verdict.AIR: 1.62,
    verdict.GROUND: 1.9,
    verdict.P50: 0.52,
    verdict.LOST: 0.0,
}
RESULT = Result(
    "cipher",
    (LINE, BARS, STEPS, EMPTY),
    ("said once",),
    samples={"direct": (0.1, 0.2, 0.2), "zegel": (0.3,)},
    verdict="ours takes 301 ns",
    facts=FACTS,
)
RECORD = Record({"board": "Paper <1>", "processor": "pen"}, "2031-05-09", True, (RESULT,))
