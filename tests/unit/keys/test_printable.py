from __future__ import annotations

import sys

import pytest

from keys.printable import printable

HOSTILE = {
    "escape": ("\x1b[2J", r"\x1b[2J"),
    "c1": ("\x9b2J", r"\x9b2J"),
    "line end": ("a\r\nb\u2028c", r"a\r\nb\u2028c"),
    "delete": ("\x7f", r"\x7f"),
    "direction": ("a\u202eb\u2066", r"a\u202eb\u2066"),
    "zero width": ("a\u200b\ufeffb", r"a\u200b\ufeffb"),
    "filler": ("a\u3164\U000e0100", r"a\u3164\U000e0100"),
    "half of a pair": ("\udc1b", r"\udc1b"),
    "nul": ("\0", r"\x00"),
}


@pytest.mark.parametrize(("text", "shown"), HOSTILE.values(), ids=HOSTILE)
def test_what_moves_a_terminal_is_escaped(text, shown):
    assert printable(text) == shown


@pytest.mark.parametrize("text", ["", "drone 7", "Zürich, 東京, 'Nacht'", "C:\\temp"])
def test_what_prints_as_it_is_stays(text):
    assert printable(text) == text


def test_no_character_at_all_gets_through_that_is_not_printable():
    every = "".join(map(chr, range(sys.maxunicode + 1)))
    assert printable(every).isprintable()
    printable(every).encode()


@pytest.mark.parametrize("text", ["x" * 10_000_000, "\x1b" * 200, "\x1b" * 3, "x" * 11])
def test_the_limit_holds_for_what_is_shown(text):
    assert len(printable(text, 10)) <= 10


def test_what_fits_is_not_cut():
    assert printable("x" * 10, 10) == "x" * 10
    assert printable("x" * 11, 10) == "x" * 7 + "..."


def test_anything_may_be_shown():
    assert printable(7) == "7"
    assert printable(ValueError("a\nb")) == r"a\nb"
