"""Workspace: a folder and the processes of one measurement. At its end, also after an error, none of them is left."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType

END_WITHIN_S = 2.0
NO_VARIABLES: Mapping[str, str] = {}
TERMINATED = 143  # as shells report a program that SIGTERM has ended


class Scene:
    """`folder` is for keys and logs. `undo` has the other steps of the cleanup, last first."""

    def __init__(self, folder: Path, undo: contextlib.ExitStack) -> None:
        self.folder, self.undo = folder, undo

    def start(
        self,
        words: Sequence[str | Path],
        log: str,
        environment: Mapping[str, str] = NO_VARIABLES,
        descriptors: Sequence[int] = (),
    ) -> subprocess.Popen[bytes]:
        """Start a program, with more `environment`; its output is in `log`.log. FileNotFoundError if there is none.

        It inherits these `descriptors`.
        """
        with self.log(log).open("ab") as out:
            process = subprocess.Popen(  # noqa: S603 - a peer of the bench, or our own program
                [str(word) for word in words],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env={**os.environ, **environment},
                pass_fds=descriptors,
            )
        self.undo.callback(end, process)
        return process

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def last_words(self, name: str) -> str:
        """The last line of a program's output, or nothing."""
        lines = self.log(name).read_text(errors="replace").split("\n") if self.log(name).exists() else []
        return next((line.strip() for line in reversed(lines) if line.strip()), "")


@contextlib.contextmanager
def scene() -> Iterator[Scene]:
    """A scene that is cleared on every way out, SIGTERM included."""
    before = signal.signal(signal.SIGTERM, _leave)
    try:
        with tempfile.TemporaryDirectory(prefix="zegel-bench-") as folder, contextlib.ExitStack() as undo:
            yield Scene(Path(folder), undo)
    finally:
        signal.signal(signal.SIGTERM, before)


def _leave(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(TERMINATED)


def end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, and SIGKILL for a process that ignores it."""
    process.terminate()
    try:
        process.wait(END_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
