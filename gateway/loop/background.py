"""BackgroundTask: slow work, outside the loop, which must not wait. A worn card takes seconds for an fsync.

What lives here: one thread, one task at a time. What must not: anything of the data path.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from gateway.core.barrier import Barrier

Task = Callable[[], str | None]  # its result is the error, or None

END_WITHIN_S = 5.0


class BackgroundTask:
    """Runs tasks that write to the disk; the loop asks for errors when it has time."""

    def __init__(self, barrier: Barrier | None = None) -> None:
        self._barrier = barrier or Barrier()
        self._thread: threading.Thread | None = None
        self._trouble: str | None = None

    def start(self, task: Task) -> bool:
        """Begin a task; False if the last one still runs or there is no memory, and the caller tries again later."""
        if self._thread is not None and self._thread.is_alive():
            return False
        thread = threading.Thread(target=self._run, args=(task,), daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no memory for its stack, or too many threads: another program's fault, which may end
            return False
        self._thread = thread
        return True

    def _run(self, task: Task) -> None:
        with self._barrier:
            self._trouble = task() or self._trouble

    def take_trouble(self) -> str | None:
        """The error of the tasks since the last call, once."""
        trouble, self._trouble = self._trouble, None
        return trouble

    def finish(self) -> None:
        """At the end: give a running write a moment."""
        if self._thread is not None:
            self._thread.join(END_WITHIN_S)
