"""Send keys and receive keys: SFrame traffic keys (RFC 9605 section 4.4.2) with the state that guards each.

They are different types. The counter lives inside the send key and only rises; the replay window lives inside the
receive key and moves only after a tag verified. Pure: no file, clock or randomness.
"""

from __future__ import annotations

from array import array

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

from keys.lanes import INSTANCE_SIZE
from keys.replay import DOWNLINK_WINDOW, ReplayWindow

NONCE_SIZE = 12
REJECT_AFTER_PACKETS = 1 << 28  # CFRG aead-limits leave 2^29.7 packets of 1,200 bytes per key at p = 2^-57

_SUITES: dict[int, tuple[type[hashes.HashAlgorithm], int]] = {4: (hashes.SHA256, 16), 5: (hashes.SHA512, 32)}


class KeyExhausted(Exception):
    """A send key has reached its limit. The session rekeys long before; at this limit the lane closes."""


def derive(base_key: bytes, kid: int, suite: int = 5) -> tuple[bytes, bytes]:
    """(sframe_key, sframe_salt) of RFC 9605 section 4.4.2. Only suite 5 is on the wire; suite 4 is for its vector."""
    algorithm, key_size = _SUITES[suite]
    secret = HKDF.extract(algorithm(), b"", base_key)
    context = kid.to_bytes(8, "big") + suite.to_bytes(2, "big")
    key = HKDFExpand(algorithm(), key_size, b"SFrame 1.0 Secret key " + context).derive(secret)
    salt = HKDFExpand(algorithm(), NONCE_SIZE, b"SFrame 1.0 Secret salt " + context).derive(secret)
    return key, salt


def instance_after(uplink_key: bytes, former: bytes) -> bytes:
    """A station's instance in a session that replaces another one, in which it had `former`. SPEC.md section 4.7.

    `uplink_key`: the station's, of the new session's epoch 0. Without it no one can tell that the two belong together.
    """
    secret = HKDF.extract(hashes.SHA512(), b"", uplink_key)
    return HKDFExpand(hashes.SHA512(), INSTANCE_SIZE, b"Zegel 1.0 Instance " + former).derive(secret)


class SendKey:
    """Seals under one (base_key, KID). Each counter is used once.

    `counter` holds the next one: a single place, which code in C counts on too (gateway/native), so that the two can never
    use one twice.
    """

    __slots__ = ("cipher", "counter", "kid", "salt", "sframe_key")

    def __init__(self, base_key: bytes, kid: int) -> None:
        self.sframe_key, self.salt = derive(base_key, kid)
        self.cipher = AESGCM(self.sframe_key)
        self.kid = kid
        self.counter = array("Q", [0])

    @property
    def next_ctr(self) -> int:
        return self.counter[0]

    @next_ctr.setter
    def next_ctr(self, ctr: int) -> None:
        self.counter[0] = ctr

    def reserve(self, count: int) -> int:
        """The first of `count` counters, which no later call returns again. KeyExhausted past the limit."""
        first = self.counter[0]
        if first + count > REJECT_AFTER_PACKETS:
            raise KeyExhausted(f"the key of KID {self.kid:#06x} has sealed {first} datagrams")
        self.counter[0] = first + count
        return first


class ReceiveKey:
    """Opens under one (base_key, KID)."""

    __slots__ = ("cipher", "kid", "salt", "sframe_key", "window")

    def __init__(self, base_key: bytes, kid: int, window: int = DOWNLINK_WINDOW, start: int = 0) -> None:
        self.sframe_key, self.salt = derive(base_key, kid)
        self.cipher = AESGCM(self.sframe_key)
        self.kid = kid
        self.window = ReplayWindow(window, start)
