"""Control cipher: control datagrams sealed under the operation's key, and opened again. SPEC.md section 4.1.

It hides statements, beats and announcements from those who never had an order file of the operation. It does not
authenticate a sender among those who had one, and AES-GCM-SIV does not commit to its key, so nothing may depend on which
key opened a datagram: signatures decide.
"""

from __future__ import annotations

from collections.abc import Iterable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

from gateway.core.wire import FIRST_CONTROL
from keys.operation_key import control_key

OPERATIONS_MAX = 4  # keys that are tried; this bounds the cost of a flood of forgeries
_FIRST = bytes([FIRST_CONTROL])
_NONCE = bytes(12)  # the same for all: with AES-GCM-SIV, equal datagrams look equal and others differ


class ControlCipher:
    """Of one operation."""

    __slots__ = ("_aead",)

    def __init__(self, op_id: bytes) -> None:
        self._aead = AESGCMSIV(control_key(op_id))

    def seal(self, datagram: bytes) -> bytes:
        """A control datagram (gateway.core.fragment) in its form on the air, 16 bytes longer."""
        return _FIRST + self._aead.encrypt(_NONCE, datagram[1:], _FIRST)

    def open(self, sealed: bytes) -> bytes | None:
        """The control datagram, not parsed; None if this key does not open it."""
        try:
            return _FIRST + self._aead.decrypt(_NONCE, sealed[1:], _FIRST)
        except InvalidTag:
            return None


class ControlCiphers:
    """The ciphers of the operations that a process runs; beyond `OPERATIONS_MAX` the last ones are left out."""

    def __init__(self, op_ids: Iterable[bytes]) -> None:
        self._ciphers = [ControlCipher(op_id) for op_id in list(dict.fromkeys(op_ids))[:OPERATIONS_MAX]]

    def open(self, sealed: bytes) -> bytes | None:
        """The control datagram; the key that opened last is tried first."""
        for place, cipher in enumerate(self._ciphers):
            opened = cipher.open(sealed)
            if opened is not None:
                if place:
                    self._ciphers.insert(0, self._ciphers.pop(place))
                return opened
        return None
