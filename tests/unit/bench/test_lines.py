from __future__ import annotations

import io

from bench.lines import EVERY_S, Lines


def test_a_line_at_the_start_and_then_one_now_and_then():
    now, out = [0.0], io.StringIO()
    lines = Lines("link", out, lambda: now[0])
    for second in range(int(2 * EVERY_S) + 1):
        now[0] = float(second)
        lines.show(second, 2 * EVERY_S, "2 Mbit/s")
    assert out.getvalue().splitlines() == [
        "link, 0 s: 2 Mbit/s, 0 % of this part",
        "link, 15 s: 2 Mbit/s, 50 % of this part",
        "link, 30 s: 2 Mbit/s, 100 % of this part",
    ]


def test_a_step_of_no_length_is_no_error():
    out = io.StringIO()
    Lines("pi", out, lambda: 7.0).show(0, 0, "an emulated aarch64")
    assert out.getvalue() == "pi, 0 s: an emulated aarch64, begins\n"
