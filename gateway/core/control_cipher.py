"""Control cipher: control datagrams sealed under the operation's key, and opened again. SPEC.md section 4.1.

It keeps statements, beats and announcements from those who never had an order file of the operation. It tells nobody from
anybody who had one, and AES-GCM-SIV does not commit to its key, so nothing may rest on which key opened a datagram: whom to
believe is decided by signatures.
"""

from __future__ import annotations

from collections.abc import Iterable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

from gateway.core.wire import FIRST_CONTROL
from keys.operation_key import control_key

OPERATIONS_MAX = 4  # keys that are tried: what a flood of forgeries may cost
_FIRST = bytes([FIRST_CONTROL])
_NONCE = bytes(12)  # the same for all: AES-GCM-SIV then tells apart what differs, and equal datagrams stay equal


class ControlCipher:
    """Of one operation."""

    __slots__ = ("_aead",)

    def __init__(self, op_id: bytes) -> None:
        self._aead = AESGCMSIV(control_key(op_id))

    def seal(self, datagram: bytes) -> bytes:
        """A control datagram (gateway.core.fragment) as it goes on the air, 16 bytes longer."""
        return _FIRST + self._aead.encrypt(_NONCE, datagram[1:], _FIRST)

    def open(self, sealed: bytes) -> bytes | None:
        """The control datagram, not looked into; None if it is no operation's of this key."""
        try:
            return _FIRST + self._aead.decrypt(_NONCE, sealed[1:], _FIRST)
        except InvalidTag:
            return None


class ControlCiphers:
    """Of the operations whose orders a process runs; of more than `OPERATIONS_MAX` the last ones are left out."""

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
