"""Sender: one component that sends MAVLink 2 of its own, with its sequence numbers.

What must not live here: the form of a frame (frames.py), and the content of a message. A caller packs it by the offsets of
its definition (mavlink.io, common.xml): fields by size, the largest first, then the extensions.
"""

from __future__ import annotations

from firmware_shims import frames
from firmware_shims.definitions import MESSAGES


class Sender:
    def __init__(self, system: int, component: int) -> None:
        self._sender, self._seq = (system, component), 0

    def frame(self, number: int, payload: bytes) -> bytes:
        """One message. ValueError if the payload is longer than its definition."""
        message = MESSAGES[number]
        if len(payload) > message.length:
            raise ValueError(f"{message.name} has at most {message.length} bytes, and not {len(payload)}")
        made = frames.made(message, payload, self._sender, self._seq)
        self._seq = (self._seq + 1) % 256
        return made
