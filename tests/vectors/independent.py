"""Key derivations and CBOR written a second time, with the standard library alone.

Known answers must not come from the code that they check, nor from the library under it.
"""

from __future__ import annotations

import hashlib
import hmac


def hkdf_extract(name: str, salt: bytes, ikm: bytes) -> bytes:
    """RFC 5869 section 2.2."""
    return hmac.digest(salt or bytes(hashlib.new(name).digest_size), ikm, name)


def hkdf_expand(name: str, prk: bytes, info: bytes, size: int) -> bytes:
    """RFC 5869 section 2.3."""
    out = block = b""
    for counter in range(1, -(-size // hashlib.new(name).digest_size) + 1):
        block = hmac.digest(prk, block + info + bytes([counter]), name)
        out += block
    return out[:size]


def hpke_schedule(name: str, suite: tuple[int, int, int], shared_secret: bytes, info: bytes) -> tuple[bytes, bytes]:
    """(key, base_nonce) of RFC 9180 section 5.1, base mode. `suite` is (KEM, KDF, AEAD), `name` the KDF's hash."""
    suite_id = b"HPKE-v1HPKE" + b"".join(part.to_bytes(2, "big") for part in suite)

    def extract(salt: bytes, label: bytes, ikm: bytes) -> bytes:
        return hkdf_extract(name, salt, suite_id + label + ikm)

    def expand(label: bytes, size: int) -> bytes:
        return hkdf_expand(name, secret, size.to_bytes(2, "big") + suite_id + label + context, size)

    context = b"\0" + extract(b"", b"psk_id_hash", b"") + extract(b"", b"info_hash", info)
    secret = extract(shared_secret, b"secret", b"")
    return expand(b"key", 16 if suite[2] == 1 else 32), expand(b"base_nonce", 12)


def cbor(value: object) -> bytes:
    """RFC 8949 section 4.2.1 for what a message is made of; maps have to be given with their keys in order."""
    match value:
        case bool() | None:
            return {False: b"\xf4", True: b"\xf5", None: b"\xf6"}[value]
        case int():
            return _head(0, value) if value >= 0 else _head(1, -1 - value)
        case bytes():
            return _head(2, len(value)) + value
        case str():
            return _head(3, len(value.encode())) + value.encode()
        case list():
            return _head(4, len(value)) + b"".join(map(cbor, value))
        case dict():
            return _head(5, len(value)) + b"".join(cbor(key) + cbor(item) for key, item in value.items())
    raise TypeError(type(value))


def uncbor(data: bytes) -> object:
    """What `cbor` makes `data` of; ValueError if nothing does, so for any spelling but the shortest."""
    value, end = _item(data, 0)
    if end != len(data) or cbor(value) != data:
        raise ValueError("not the one encoding of it")
    return value


def _item(data: bytes, at: int) -> tuple[object, int]:
    major, short = data[at] >> 5, data[at] & 31
    if major == 7:
        return {20: False, 21: True, 22: None}[short], at + 1
    width = {24: 1, 25: 2, 26: 4, 27: 8}.get(short, 0)
    value = int.from_bytes(data[at + 1 : at + 1 + width], "big") if width else short
    at += 1 + width
    match major:
        case 0 | 1:
            return (value if major == 0 else -1 - value), at
        case 2 | 3:
            content = data[at : at + value]
            return (content if major == 2 else content.decode()), at + value
        case 4 | 5:
            items = []
            for _ in range(value * (major - 3)):
                item, at = _item(data, at)
                items.append(item)
            return (items if major == 4 else dict(zip(items[::2], items[1::2], strict=True))), at
    raise ValueError("a tag")


def _head(major: int, value: int) -> bytes:
    if value < 24:
        return bytes([major << 5 | value])
    size = next(size for size in (1, 2, 4, 8) if value < 1 << 8 * size)
    return bytes([major << 5 | {1: 24, 2: 25, 4: 26, 8: 27}[size]]) + value.to_bytes(size, "big")
