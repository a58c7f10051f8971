"""The demo's shell: `zegel` commands in the form that a person types, run in this process and shown.

What lives here: running and showing. run.py and forgery.py choose the commands and check the results.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from pathlib import Path

from gateway import cli
from gateway.errors import DemoFailed


class Shell:
    """`folder` is omitted from the output, as if the commands were typed in it."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self._folder, self._say = folder, say

    def run(self, *words: object, shown: bool = False) -> None:
        """DemoFailed unless it succeeds; its output is shown if `shown`."""
        code, output = self._type(*words)
        if shown or code:
            self._show(output)
        if code:
            raise DemoFailed(f"zegel {words[0]} {words[1]} ended with {code}")

    def refusal(self, *words: object) -> str:
        """Its error when it is refused; empty if it is not."""
        code, output = self._type(*words)
        self._show(output)
        return output if code else ""

    def name(self, *words: object) -> None:
        """Show a command that another process runs."""
        text = [self._short(str(word)) for word in words]
        self._say("   $ zegel " + " ".join(f'"{word}"' if " " in word else word for word in text))

    def _type(self, *words: object) -> tuple[int, str]:
        self.name(*words)
        output = io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            code = cli.main([str(word) for word in words])
        return code, output.getvalue()

    def _show(self, output: str) -> None:
        self._say("\n".join("   " + line for line in self._short(output).splitlines()))

    def _short(self, text: str) -> str:
        return text.replace(f"{self._folder}/", "")
