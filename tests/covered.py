"""Branch coverage for each part of the tree, from coverage's JSON report.

coverage json -q -o - | python -m tests.covered            prints the table
coverage json -q -o - | python -m tests.covered --write    and writes it into CONTRIBUTING.md, between its two marks
"""

from __future__ import annotations

import datetime
import json
import re
import sys
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


def with_table(text: str, rows: str, day: datetime.date) -> str:
    """`text` with the table between its two marks replaced."""
    inside = f"{BEGIN}\n\nMeasured on {day.isoformat()}:\n\n{rows}\n\n{END}"
    replaced, found = re.subn(f"{re.escape(BEGIN)}.*?{re.escape(END)}", lambda _: inside, text, flags=re.DOTALL)
    if found != 1:
        raise ValueError(f"CONTRIBUTING.md has {found} places for the table instead of one")
    return replaced


def main() -> None:
    rows = table(json.load(sys.stdin))
    print(rows)
    if "--write" in sys.argv[1:]:
        today = datetime.datetime.now(datetime.UTC).date()
        CONTRIBUTING.write_text(with_table(CONTRIBUTING.read_text(), rows, today))


if __name__ == "__main__":
    main()
