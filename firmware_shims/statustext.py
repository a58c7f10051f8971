"""STATUSTEXT: a line of text that a ground control station shows.

What must not live here: the sentences, and when one is sent.
"""

from __future__ import annotations

from firmware_shims.definitions import NUMBER_OF
from firmware_shims.sender import Sender

UDP_BRIDGE, ONBOARD_COMPUTER = 240, 191  # MAV_COMP_ID: this gateway says it, and not the flight controller
TEXT_MAX = 50  # bytes of one message
WARNING, NOTICE = 4, 5  # MAV_SEVERITY
NUMBER = NUMBER_OF["STATUSTEXT"]


def payload(severity: int, text: str) -> bytes:
    """ValueError if the text is not ASCII of at most TEXT_MAX bytes."""
    encoded = text.encode("ascii")
    if len(encoded) > TEXT_MAX:
        raise ValueError(f"a STATUSTEXT of {len(encoded)} bytes")
    return bytes([severity]) + encoded


class Speaker:
    """Makes frames of one component, with sequence numbers of their own for each system."""

    def __init__(self, component: int = UDP_BRIDGE) -> None:
        self._component = component
        self._senders: dict[int, Sender] = {}

    def frame(self, system: int, severity: int, text: str) -> bytes:
        """A MAVLink 2 frame; ValueError as `payload`."""
        if (sender := self._senders.get(system)) is None:
            sender = self._senders[system] = Sender(system, self._component)
        return sender.frame(NUMBER, payload(severity, text))
