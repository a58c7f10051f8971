"""Parts: the files of an export while they are written. A file has its name only when it is complete."""

from __future__ import annotations

from contextlib import ExitStack
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO, TextIO

from gateway.recording.export import plan
from gateway.recording.export.plan import PART


class Parts:
    """Of one folder, and one step: all files of a step get their names together, when `end` is called."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: list[str] = []

    def path(self, name: str) -> Path:
        """Where to write what will be `name`."""
        self._names.append(name)
        return self._folder / (name + PART)

    def binary(self, stack: ExitStack, name: str) -> BinaryIO:
        return stack.enter_context(plan.create(self.path(name)))

    def text(self, stack: ExitStack, name: str) -> TextIO:
        return stack.enter_context(TextIOWrapper(self.binary(stack, name), encoding="utf-8", newline="\n"))

    def end(self) -> None:
        for name in self._names:
            (self._folder / (name + PART)).replace(self._folder / name)


def clear(folder: Path) -> None:
    """Remove what was begun and did not become complete."""
    for path in folder.iterdir():
        if path.name.endswith(PART):
            path.unlink()
