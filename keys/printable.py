"""Printable: external text, in a form that has no effect on the terminal or the log that shows it.

What lives here: one pure function. A name in an order, a line of a file, a process's name and the text of an error that
quotes one can hold characters that move the cursor, hide a line or reverse the direction; these are shown as escapes.
"""

from __future__ import annotations

# They are invisible, though Python counts them as printable: a text could hold any number of them unseen.
_INVISIBLE = {
    *map(chr, (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180F, 0x2800, 0x3164, 0xFFA0)),
    *map(chr, (*range(0x180B, 0x180E), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))),
}
_CUT = "..."


def printable(text: object, limit: int | None = None) -> str:
    """`text` in one line: control characters, line ends, direction marks and invisible ones are escaped as in Python.

    No longer than `limit` characters, if it is given; a truncated text ends in "...".
    """
    head = str(text)
    shown = head if limit is None else head[: limit + 1]  # an escape is longer than its character, never shorter
    if not shown.isprintable() or not _INVISIBLE.isdisjoint(shown):
        shown = "".join(map(_shown, shown))
    if limit is not None and len(shown) > limit:
        shown = shown[: limit - len(_CUT)] + _CUT
    return shown


def _shown(character: str) -> str:
    if character.isprintable() and character not in _INVISIBLE:
        return character
    return character.encode("unicode_escape").decode()
