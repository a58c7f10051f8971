"""Operation key: the values that a holder of an order derives from op_id. SPEC.md section 2.

op_id is half a secret: it excludes only those who never had an order file of the operation. From it are derived the key
that seals the control datagrams, and the tag that names the operation in all output, since op_id itself is only in the
order and in the folders. Pure: no file, clock or randomness.
"""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

KEY_SIZE = 32
TAG_SIZE = 16
_KEY_LABEL = b"Zegel 1.0 Control key"
_TAG_LABEL = b"Zegel 1.0 Operation tag"


def control_key(op_id: bytes) -> bytes:
    """The key of the operation's control datagrams, 32 bytes: HKDF-SHA512 (RFC 5869)."""
    return _expand(op_id, _KEY_LABEL, KEY_SIZE)


def op_tag(op_id: bytes) -> bytes:
    """The operation's public name, 16 bytes; op_id cannot be found from it."""
    return _expand(op_id, _TAG_LABEL, TAG_SIZE)


def _expand(op_id: bytes, label: bytes, size: int) -> bytes:
    prk = HKDF.extract(hashes.SHA512(), b"", op_id)
    return HKDFExpand(hashes.SHA512(), size, label).derive(prk)
