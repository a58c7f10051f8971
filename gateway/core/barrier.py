"""Barrier: at each entry of hostile input. An unexpected exception of a parser is counted, and goes no further.

The parsers refuse bad input with the exceptions that their docstrings name, and the callers handle those. But a library can
raise any exception, and one datagram must not end a flight. So any other exception in the handling of one input costs only
that input: it is counted by its place, which `zegel status` and the log show. A place is a line of our code and the type of
the exception, never its text, which may contain the input.

A failure in our own sending (a beat, a new session) is not caused by input: it ends the process, and the service manager
starts a new one under new keys.
"""

from __future__ import annotations

from collections import Counter
from types import TracebackType

OURS = ("gateway", "keys", "firmware_shims")
PLACES_MAX = 64  # places that are counted separately; fewer lines than that can fail
ELSEWHERE = "elsewhere"
ENDS = (KeyboardInterrupt, SystemExit, GeneratorExit)  # a panic of Rust code is not an Exception, and is caught too


class Barrier:
    """A context manager that can be entered any number of times: `with barrier:` around the handling of one input.

    `places`  how often each place failed
    `struck`  something failed; the loop resets it
    """

    __slots__ = ("_told", "places", "struck")

    def __init__(self) -> None:
        self.places: Counter[str] = Counter()
        self.struck = False
        self._told: Counter[str] = Counter()

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool:
        if error is None or isinstance(error, ENDS):
            return False
        self.note(error)
        return True

    def note(self, error: BaseException) -> str:
        """Count it; its place."""
        place = place_of(error)
        if place not in self.places and len(self.places) >= PLACES_MAX:
            place = ELSEWHERE
        self.places[place] += 1
        self.struck = True
        return place

    @property
    def total(self) -> int:
        return self.places.total()

    def news(self) -> list[str]:
        """The places that failed since the last call."""
        grown = self.places - self._told
        self._told = self.places.copy()
        return list(grown)


def place_of(error: BaseException) -> str:
    """The innermost line of our code in its traceback, and its type: "keys.certificate:71 KeyError"."""
    found, trace = ELSEWHERE, error.__traceback__
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__", ""))
        if module.partition(".")[0] in OURS:
            found = f"{module}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"{found} {type(error).__name__}"
