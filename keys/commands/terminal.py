"""Terminal: the one place where commands print. All output is escaped here, so that no text controls the terminal.

What lives here: the one `print` of keys and gateway. What must not: the texts.
"""

from __future__ import annotations

import json
import sys

from keys.printable import printable


def show(text: str = "", *, errors: bool = False, end: str = "\n") -> None:
    """One or more lines, each escaped, to the standard output or to the standard error."""
    shown = "\n".join(map(printable, text.split("\n")))
    print(shown, end=end, file=sys.stderr if errors else sys.stdout, flush=errors or not end)


def json_text(value: object, indent: int | None = None) -> str:
    """JSON in ASCII without any control character, so that `show` does not change it."""
    return json.dumps(value, indent=indent).replace("\x7f", "\\u007f")
