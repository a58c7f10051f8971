"""STATUSTEXT, the only message that is made here: a line of text that a ground control station shows.

What must not live here: the sentences, and when one is sent. Imported only where notices are wanted: the dialect that has
the message takes a tenth of a second to load.
"""

from __future__ import annotations

from pymavlink.dialects.v20 import common

COMPONENT = common.MAV_COMP_ID_UDP_BRIDGE  # who says it: this gateway, and not the flight controller
TEXT_MAX = 50  # bytes of one message
WARNING, NOTICE = common.MAV_SEVERITY_WARNING, common.MAV_SEVERITY_NOTICE


class Speaker:
    """Makes frames with sequence numbers of their own for each system."""

    def __init__(self) -> None:
        self._senders: dict[int, common.MAVLink] = {}

    def frame(self, system: int, severity: int, text: str) -> bytes:
        """A MAVLink 2 frame; ValueError if the text is not ASCII of at most TEXT_MAX bytes."""
        encoded = text.encode("ascii")
        if len(encoded) > TEXT_MAX:
            raise ValueError(f"a STATUSTEXT of {len(encoded)} bytes")
        sender = self._senders.setdefault(system, common.MAVLink(None, system, COMPONENT))
        frame = bytes(common.MAVLink_statustext_message(severity, encoded).pack(sender))
        sender.seq = (sender.seq + 1) % 256
        return frame
