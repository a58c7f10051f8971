"""Shim: what the rest of Zegel must know of one firmware. Each has one file, which is a module with these names.

What lives here: the two Protocols, the list, and which firmware sent a heartbeat. A new firmware is a new file and one word
in SHIMS; README.md in this folder says what to write.
"""

from __future__ import annotations

from typing import Protocol

from firmware_shims import ardupilot, betaflight, inav, px4
from firmware_shims.heartbeat import Heartbeat
from firmware_shims.msp_values import Position, Power, Status


class Shim(Protocol):
    """`NAME`            for people
    `LISTENS`         whether its MAVLink reads commands
    `STREAMS`         for REQUEST_DATA_STREAM, if it has no SET_MESSAGE_INTERVAL: the stream of each message, by name
    `TIME`            the message that has the time of day; empty if it sends none
    `PARAMETERS_HELD` patterns of parameters that only a maintainer may set, and why
    `FILES_HELD`      patterns of files that only a maintainer may read, and why
    `TESTED`          against what
    """

    NAME: str
    LISTENS: bool
    STREAMS: dict[str, int]
    TIME: str
    PARAMETERS_HELD: dict[str, str]
    FILES_HELD: dict[str, str]
    TESTED: str

    def is_it(self, heard: Heartbeat, /) -> bool:
        """Whether this firmware sent the heartbeat."""

    def mode(self, heard: Heartbeat, /) -> str:
        """The name of its flight mode; empty if that is not documented, or not known here."""


class MspShim(Shim, Protocol):
    """A firmware that can be asked by MSP.

    `VARIANT`         four letters by which it names itself
    `VEHICLE`         MAV_TYPE
    `STATUS`, `POWER` commands whose replies `status` and `power` read
    `MODES`           names of its flight modes, by the permanent ids of their boxes; `STABILIZED` are those that level it
    """

    VARIANT: str
    VEHICLE: int
    STATUS: int
    POWER: int
    MODES: dict[int, str]
    STABILIZED: frozenset[int]

    def position(self, payload: bytes, /) -> Position: ...
    def status(self, payload: bytes, /) -> Status: ...
    def power(self, payload: bytes, /) -> Power: ...


_BY_MSP: tuple[MspShim, ...] = (betaflight, inav)
SHIMS: tuple[Shim, ...] = (ardupilot, px4, *_BY_MSP)
BY_VARIANT = {shim.VARIANT: shim for shim in _BY_MSP}


def sender_of(heard: Heartbeat) -> Shim | None:
    """The firmware that sent a heartbeat, if that is certain."""
    return next((shim for shim in SHIMS if shim.is_it(heard)), None)
