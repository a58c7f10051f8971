"""Typo: which word a person may have meant. What lives here: one pure function; what the words are is known to who asks."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from keys.printable import printable


def meant(word: str, known: Iterable[str]) -> str:
    """A question before the list of known words, or nothing if no known word is near."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"did you mean {printable(near[0])}? " if near else ""
