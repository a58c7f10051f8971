"""Branch coverage for each part of the tree, from coverage's JSON report.

coverage json -q -o - | python -m tests.covered            prints the table
coverage json -q -o - | python -m tests.covered --write    and writes it into CONTRIBUTING.md, between its two marks, with
                                                           the reasons; it prints what is not reached and has no reason
"""

from __future__ import annotations

import datetime
import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

CONTRIBUTING = Path(__file__).parents[1] / "CONTRIBUTING.md"
BEGIN, END = "<!-- by `make coverage` -->", "<!-- end of the coverage -->"
# The first prefix that fits a file names the part that it is counted in.
PARTS = {
    "gateway/core/": "`gateway/core`",
    "keys/": "`keys`",
    "firmware_shims/": "`firmware_shims`",
    "gateway/": "the rest of `gateway`",
    "bench/": "`bench`",
}
# Why no test that is counted reaches a function of these parts; "" is the code outside functions.
EXPLAINED = ("gateway/core/", "keys/", "firmware_shims/")
WINDOWS = "what a Windows without users and locks of files has instead"
REASONS = {
    "keys/commands/account.py:": WINDOWS,
    "keys/commands/account.py:_become": "on macOS nothing has to be kept out of core files",
    "keys/commands/account.py:caller": WINDOWS,
    "keys/commands/account.py:group_name": WINDOWS,
    "keys/commands/account.py:of_service": WINDOWS,
    "keys/commands/account.py:owner": WINDOWS,
    "keys/commands/arguments.py:_by_sudo": "sudo -u of another user: tests/system/test_sudo.py",
    "keys/cose.py:_NoTag.__iter__": "a Mapping must have it, and cbor2 does not call it",
    "keys/cose.py:_NoTag.__len__": "a Mapping must have it, and not every cbor2 calls it",
    "keys/folders/store.py:": WINDOWS,
    "keys/folders/store.py:Lock.__init__": WINDOWS,
    "keys/folders/store.py:sync_folder": WINDOWS,
}
COUNTS = ("num_statements", "missing_lines", "num_branches", "missing_branches")


def table(report: dict[str, Any]) -> str:
    """A row for each part, in Markdown. The percentage is coverage's own: lines and branches together."""
    sums = {part: dict.fromkeys(COUNTS, 0) for part in PARTS.values()}
    for path, file in report["files"].items():
        part = next(part for prefix, part in PARTS.items() if path.startswith(prefix))
        for count in COUNTS:
            sums[part][count] += file["summary"][count]
    rows = ["| part | lines | not reached | branches | not taken | covered |", "|---|---|---|---|---|---|"]
    for part, counted in sums.items():
        lines, unreached, branches, untaken = (counted[count] for count in COUNTS)
        share = 1 - (unreached + untaken) / (lines + branches) if lines + branches else 1.0
        percent = int(share * 1000) / 10  # cut, not rounded: 100 means that nothing is missing
        rows.append(f"| {part} | {lines:,} | {unreached:,} | {branches:,} | {untaken:,} | {percent:.1f} % |")
    return "\n".join(rows)


def missed(report: dict[str, Any]) -> dict[str, str]:
    """The functions of the parts that need a reason in which something is missing, and which lines."""
    return {
        f"{path}:{name}": ", ".join(map(str, function["missing_lines"])) or "a branch"
        for path, file in report["files"].items()
        if path.startswith(EXPLAINED)
        for name, function in file.get("functions", {}).items()
        if function["missing_lines"] or function.get("missing_branches")
    }


def reasons(places: Iterable[str]) -> str:
    """A row for each file and reason, in Markdown."""
    rows = dict.fromkeys((place.partition(":")[0], REASONS[place]) for place in sorted(places) if place in REASONS)
    if not rows:
        return ""
    return "\n".join(["| where | why not reached |", "|---|---|", *(f"| `{path}` | {why} |" for path, why in rows)])


def with_table(text: str, rows: str, day: datetime.date) -> str:
    """`text` with the table between its two marks replaced."""
    inside = f"{BEGIN}\n\nMeasured on {day.isoformat()}:\n\n{rows}\n\n{END}"
    replaced, found = re.subn(f"{re.escape(BEGIN)}.*?{re.escape(END)}", lambda _: inside, text, flags=re.DOTALL)
    if found != 1:
        raise ValueError(f"CONTRIBUTING.md has {found} places for the table instead of one")
    return replaced


def main() -> None:
    report = json.load(sys.stdin)
    rows = table(report)
    print(rows)
    if "--write" in sys.argv[1:]:
        today, places = datetime.datetime.now(datetime.UTC).date(), missed(report)
        rows = "\n\n".join(filter(None, (rows, reasons(places))))
        CONTRIBUTING.write_text(with_table(CONTRIBUTING.read_text(), rows, today))
        print(*(f"no reason: {place}, {lines}" for place, lines in places.items() if place not in REASONS), sep="\n")


if __name__ == "__main__":
    main()
