"""Ratchet: one key for each segment of a recording, of which no earlier one can be found. SPEC.md section 8.

What lives here: the derivation, in buffers that can be erased. What must not: a file, the clock, when it turns. Pure.

A bytes object cannot be erased, and assigning a slice to a bytearray can copy it on the way. Therefore each secret is
written by `derive_into` or through a memoryview, and erased in place.
"""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

KEY_SIZE = 32  # of rk_i and of segment_key_i
_LABEL = b"Zegel 1.0 Record ratchet"


class Ratchet:
    """rk_i of one recording. It takes over the buffer that it is made with: `turn` replaces its content."""

    __slots__ = ("_rk",)

    def __init__(self, rk: bytearray) -> None:
        if len(rk) != KEY_SIZE:
            raise ValueError(f"rk_0 has {KEY_SIZE} bytes, not {len(rk)}")
        self._rk = rk

    def turn(self) -> bytearray:
        """segment_key_i, 32 bytes, which the caller erases with `wipe`; rk_i is gone and rk_{i+1} is in its place."""
        if not self._rk:
            raise ValueError("the recording has ended: its key is erased")
        derived = bytearray(2 * KEY_SIZE)
        HKDFExpand(hashes.SHA512(), len(derived), _LABEL).derive_into(self._rk, derived)
        segment_key = bytearray(KEY_SIZE)
        memoryview(segment_key)[:] = memoryview(derived)[:KEY_SIZE]
        memoryview(self._rk)[:] = memoryview(derived)[KEY_SIZE:]
        wipe(derived)
        return segment_key

    def wipe(self) -> None:
        """At the end of the recording; `turn` raises ValueError from then on."""
        wipe(self._rk)
        self._rk = bytearray()

    def __repr__(self) -> str:
        return "Ratchet()"


def wipe(secret: bytearray) -> None:
    """Erase it in place."""
    memoryview(secret)[:] = bytes(len(secret))
