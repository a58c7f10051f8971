"""Barrier: stands at each entry of hostile input. What a parser threw that nobody expected is counted, and goes no further.

The parsers refuse what is wrong in ways that their docstrings name, and those refusals are handled where they are called.
But a library throws what it likes, and one datagram must not end a flight. So what else comes out of the handling of
one input costs that input alone: it is counted by its place, which `zegel status` shows and the log names. A place is a
line of our code and the type of the exception, never its text, which may hold what somebody sent.

What fails while this side speaks by itself (a beat, a new session) is no input: it ends the process, and the service
manager begins a new one under new keys.
"""

from __future__ import annotations

from collections import Counter
from types import TracebackType

OURS = ("gateway", "keys", "firmware_shims")
PLACES_MAX = 64  # kept apart; there are not so many lines that can fail at once
ELSEWHERE = "elsewhere"
ENDS = (KeyboardInterrupt, SystemExit, GeneratorExit)  # a panic of Rust code is no Exception either, and does not pass


class Barrier:
    """A context manager, entered as often as one likes: `with barrier:` around the handling of one input.

    `places`  how often each place was met
    `struck`  something was met; whoever runs a loop sets it back
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
        """The places that were met since the last call."""
        grown = self.places - self._told
        self._told = self.places.copy()
        return list(grown)


def place_of(error: BaseException) -> str:
    """The innermost line of ours that it came through, and its type: "keys.certificate:71 KeyError"."""
    found, trace = ELSEWHERE, error.__traceback__
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__", ""))
        if module.partition(".")[0] in OURS:
            found = f"{module}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"{found} {type(error).__name__}"
