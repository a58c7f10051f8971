"""Events: what happens aboard that a recording tells besides frames and pictures, at a bounded rate. SPEC.md section 8.

What lives here: the rate, and which links and stations are gone. What must not: making a record of it (gateway.recording).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import NamedTuple, Protocol

from firmware_shims import definitions, mavlink
from gateway.core.budget import Budget
from gateway.recording.event import Event

PER_S, BURST = 20.0, 100.0  # events that are told one by one
COUNT_EVERY_S = 1.0  # commands are counted, and told once in this time
KINDS_MAX = 32  # of commands in this time; more are told together
OTHERS = "others"


class Writer(Protocol):
    """Where an event goes: gateway.air.recording.Recording.event."""

    def __call__(self, event: Event, station: int = 0, **more: str | int) -> None: ...


class _Kind(NamedTuple):
    """Commands that are counted together; `why` is empty if they were accepted."""

    station: int
    message: str
    why: str


class Events:
    """Of one process."""

    def __init__(self, write: Writer) -> None:
        self._write, self._now = write, 0.0
        self.left_out = 0  # over the rate
        self._budget = Budget(PER_S, BURST)
        self._commands: Counter[_Kind] = Counter()
        self._count_at = 0.0
        self._heard: frozenset[int] = frozenset()
        self._up = True

    def tell(self, event: Event, now: float, station: int = 0, **more: str | int) -> None:
        """Something happened once."""
        if self._budget.spend(now):
            self._write(event, station, **more)
        else:
            self.left_out += 1

    def alarm(self, text: str, over: bool) -> None:
        """An alarm began, or is over."""
        self.tell(Event.ALARM_OVER if over else Event.ALARM, self._now, text=text)

    def accepted(self, station: int, frame: bytes) -> None:
        """A command went to the flight controller."""
        self._count(_Kind(station, definitions.name_of(mavlink.message_id(frame)), ""))

    def refused(self, station: int, message: str, why: str) -> None:
        """A command was kept back; `message` names it, and what in it is the reason."""
        self._count(_Kind(station, message, why))

    def _count(self, kind: _Kind) -> None:
        if kind not in self._commands and len(self._commands) >= KINDS_MAX:
            kind = _Kind(kind.station, OTHERS, kind.why)  # stations and reasons are few
        self._commands[kind] += 1

    def look(self, now: float, heard: Collection[int], *, up: bool) -> None:
        """Call it about twice a second. `heard`: the stations whose challenge came in the last 10 s; `up`: a link is."""
        self._now = now
        if now >= self._count_at:
            self._count_at = now + COUNT_EVERY_S
            self._tell_commands()
        if up != self._up:
            self._up = up
            self.tell(Event.LINK_BACK if up else Event.LINK_LOST, now)
        for station in sorted(self._heard - {*heard}):
            self.tell(Event.LINK_LOST, now, station)
        for station in sorted({*heard} - self._heard):
            self.tell(Event.LINK_BACK, now, station)
        self._heard = frozenset(heard)

    def _tell_commands(self) -> None:
        counted, self._commands = self._commands, Counter()
        for kind, count in counted.items():
            if kind.why:
                self._write(Event.COMMAND_REFUSED, kind.station, message=kind.message, count=count, why=kind.why)
            else:
                self._write(Event.COMMAND, kind.station, message=kind.message, count=count)
