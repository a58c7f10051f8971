"""Record `zegel demo` as a picture: run it, and draw what it printed into docs/demo.svg.

    python docs/demo_svg.py     (make docs-demo)

What lives here: which acts of the demo are shown, and how a terminal's output becomes an SVG. The lines are those that the
demo printed in this run. Acts that are left out are three dots, and so is the list of what is on the card; the running
counts are left to the table of act 8, and the answers of the last act are counted.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

PICTURE = Path(__file__).with_name("demo.svg")
SHOWN = (2, 5, 6, 8, 9, 10)  # acts
COLUMNS = 100
YES = "   yes  "
RUNNING_COUNT = " entered | "
ANSI = re.compile(r"\x1b\[[0-9;]*m")
LIST = re.compile(r"(?<=\n)(   \$ zegel recording list .*\n)(?:   [^$].*\n)+")
FONT = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)  # would be fetched from the network; the reader's own will do


def acts(lines: list[str]) -> list[list[str]]:
    """The lines of each act, its title first; what comes before the first title is left out."""
    found: list[list[str]] = []
    for line in lines:
        if re.match(r"\d+\. ", ANSI.sub("", line)):
            found.append([])
        if found:
            found[-1].append(line)
    return found


def excerpt(output: str) -> str:
    """The acts that are shown; the answers to all expectations as one line; the demo's last line."""
    *lines, last = output.rstrip().splitlines()
    answers = sum(ANSI.sub("", line).startswith(YES) for line in lines)
    kept = [line for line in lines if not ANSI.sub("", line).startswith(YES) and RUNNING_COUNT not in line]
    parts = ["\n".join(act).rstrip() if n in SHOWN else "..." for n, act in enumerate(acts(kept), 1)]
    text = "\n\n".join(["$ make demo", *parts])
    text = re.sub(r"(\.\.\.\n\n)+", "...\n\n", text)
    text = LIST.sub(r"\1   ...\n", text)
    return f"{text}\n{YES}({answers} times, one for each expectation)\n\n{last}"


def main() -> int:
    environment = {**os.environ, "FORCE_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": "200"}
    zegel = (sys.executable, "-m", "gateway.cli", "demo")
    output = subprocess.run(zegel, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout  # noqa: S603
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(Text.from_ansi(excerpt(output)))
    PICTURE.write_text(FONT.sub("", console.export_svg(title="make demo", unique_id="demo")) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
