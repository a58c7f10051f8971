"""Data path: whether code in C takes the plain turns of video, or why Python does."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.board.finding import Finding, ok
from gateway.board.subject import Role, Subject
from gateway.native.library import Library, Unavailable
from gateway.native.structures import Open, Seal
from gateway.report import wording


def look(subject: Subject) -> Iterator[Finding]:
    """Both work; C needs about half the processor time for video."""
    yield ok("data path", of_role(subject.role, wanted=subject.settings is None or subject.settings.native))


def of_role(role: Role, *, wanted: bool = True) -> str:
    """Which it is here, for people."""
    name, turn = ("seal", Seal) if role == "air" else ("open", Open)
    try:
        Library(name, turn, wanted=wanted)
    except Unavailable as reason:
        return wording.data_path(str(reason))
    return wording.data_path("")
