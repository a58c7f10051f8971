"""Bar: how far an export is, on a terminal. No thread draws it, because its process changes its rights."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn

from keys.printable import printable

SHOWN_EACH_S = 0.2
_COLUMNS = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn())


class Bar:
    """A context manager. Where the standard error is no terminal, nothing is shown."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._bar = (
            Progress(*_COLUMNS, console=console, transient=True, auto_refresh=False) if console.is_terminal else None
        )
        self._tasks: dict[str, TaskID] = {}
        self._next = 0.0

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, name: str, share: float) -> None:
        """`share` of this file is done."""
        if self._bar is None or (time.monotonic() < self._next and name in self._tasks and share < 1.0):
            return
        if name not in self._tasks:
            self._tasks[name] = self._bar.add_task(printable(name), total=1.0)
        self._next = time.monotonic() + SHOWN_EACH_S
        self._bar.update(self._tasks[name], completed=share, refresh=True)

    def of(self, name: str, total: int) -> Callable[[int], None]:
        """Gets the bytes of each piece of this file."""
        done = 0

        def piece(size: int) -> None:
            nonlocal done
            done += size
            self.show(name, min(1.0, done / max(total, 1)))

        return piece
