"""Finding: the result of one check."""

from __future__ import annotations

import dataclasses
import enum


class State(enum.StrEnum):
    OK = "ok"
    DO = "do this"
    UNKNOWN = "cannot tell"


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """One line. `what` names the item, `text` is the result; `cure` is the command, the key of the configuration or the
    parameter that corrects it, and is present only if something has to be done or could be.

    `interrupts`: the cure can end or disturb a flight, so it has to wait while one of our roles runs on this computer.
    """

    what: str
    state: State
    text: str
    cure: str = ""
    interrupts: bool = False

    def during_flight(self) -> Finding:
        """The same, with a cure that harms no flight."""
        return dataclasses.replace(self, cure=f"after the flight: {self.cure}") if self.interrupts else self


def ok(what: str, text: str, cure: str = "") -> Finding:
    return Finding(what, State.OK, text, cure)


def do(what: str, text: str, cure: str, *, interrupts: bool = False) -> Finding:
    return Finding(what, State.DO, text, cure, interrupts)


def unknown(what: str, text: str, cure: str = "", *, interrupts: bool = False) -> Finding:
    return Finding(what, State.UNKNOWN, text, cure, interrupts)
