"""docs/integrate.md against what a program of somebody else gets: every key, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from gateway.endpoints.feed import SCHEMA, Origin

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/integrate.md").read_text()


def table(head: str) -> dict[str, str]:
    """The rows of the table whose first line begins so: key and text."""
    rows = PAGE.split(f"\n| {head} |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    found = [re.fullmatch(r"\| `(\w+)` \| (.+) \|", row) for row in rows]
    assert all(found), rows
    return {row[1]: row[2] for row in found if row}


def test_the_third_part_of_a_message_has_the_documented_keys():
    documented = table("key of the third part")
    assert [*documented] == [*Origin.__struct_fields__]
    assert documented["schema"].startswith(f"{SCHEMA}. ")
