"""Data path: whether code in C takes the plain turns of video, or why Python does."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.board.finding import Finding, ok
from gateway.board.subject import Subject
from gateway.native.library import Library, Unavailable
from gateway.native.structures import Open, Seal
from gateway.report import wording


def look(subject: Subject) -> Iterator[Finding]:
    """Both work; C needs about half the processor time for video."""
    name, turn = ("seal", Seal) if subject.role == "air" else ("open", Open)
    wanted = subject.settings is None or subject.settings.native
    try:
        Library(name, turn, wanted=wanted)
    except Unavailable as reason:
        yield ok("data path", wording.data_path(str(reason)))
    else:
        yield ok("data path", wording.data_path(""))
