"""Control messages as datagrams, and back. SPEC.md section 4.1.

These are the opened datagrams: gateway/core/control_cipher.py seals them for the air.
A reassembler gets only fragments that a verified beat lists, so the beat bounds its size.
"""

from __future__ import annotations

import hashlib

from gateway.core.wire import FRAGMENT_MAX, FRAGMENTS_MAX, ControlHeader, Kind, message_id
from keys.beat import FRAGMENT_HASH_SIZE


def split(kind: Kind, message: bytes) -> list[bytes]:
    """The control datagrams that carry `message`. ValueError if it needs more than 16."""
    count = -(-len(message) // FRAGMENT_MAX)
    if not 0 < count <= FRAGMENTS_MAX:
        raise ValueError(f"a control message of {len(message)} bytes does not fit {FRAGMENTS_MAX} datagrams")
    identity = message_id(message)
    return [
        ControlHeader(kind, index, count, identity).encode() + message[index * FRAGMENT_MAX : (index + 1) * FRAGMENT_MAX]
        for index in range(count)
    ]


def listed_hash(datagram: bytes) -> bytes:
    """The hash of an announcement's fragment in a beat: SHA-256 of the opened control datagram, truncated to 16 bytes."""
    return hashlib.sha256(datagram).digest()[:FRAGMENT_HASH_SIZE]


class Reassembler:
    """Fragments of announcements, by message."""

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: dict[tuple[bytes, int], dict[int, bytes]] = {}

    def add(self, header: ControlHeader, fragment: bytes) -> bytes | None:
        """The whole message when its last fragment has arrived, otherwise None. ValueError if it does not match its id."""
        key = (header.message_id, header.count)
        parts = self._parts.setdefault(key, {})
        parts[header.index] = fragment
        if len(parts) < header.count:
            return None
        del self._parts[key]
        message = b"".join(parts[index] for index in range(header.count))
        if message_id(message) != header.message_id:
            raise ValueError("a reassembled message does not match its id")
        return message

    def clear(self) -> None:
        """Forget incomplete messages; called when a beat no longer lists them."""
        self._parts.clear()
