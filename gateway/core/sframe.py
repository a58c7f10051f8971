"""The SFrame codec (RFC 9605 section 4.3): headers, nonces and additional data, one at a time and per batch.

What lives here: arithmetic on bytes. What must not: keys and state. The scalar functions are the reference that the
official vectors check; the data path runs the batch functions, and the tests compare the two.
"""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt

from keys.keyring import NONCE_SIZE

Octets = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]

LONG_KID = 0x80  # X: the KID has bytes of its own
LONG_CTR = 0x08  # Y: the CTR has bytes of its own
SHORT_BELOW = 8  # a KID or CTR below this is held in the config byte
DOWNLINK_FIRST = 0x90  # X = 1, K = 1: a two-byte KID
UPLINK_FIRST = 0xF0  # X = 1, K = 7: an eight-byte KID
DOWNLINK_KID, UPLINK_KID = 2, 8  # bytes
BLOCK_SIZE = 256  # counters prepared at a time, so that the cost of a NumPy call is shared by as many datagrams
CTR_BYTES_MAX = 4  # a key is rejected after 2^28 packets
DOWNLINK_HEADER_MIN = 1 + DOWNLINK_KID
DOWNLINK_HEADER_MAX = DOWNLINK_HEADER_MIN + CTR_BYTES_MAX
UPLINK_HEADER_MIN = 1 + UPLINK_KID
UPLINK_HEADER_MAX = UPLINK_HEADER_MIN + CTR_BYTES_MAX

# The values from which a CTR needs 1, 2, 3, 4 bytes of its own.
_CTR_STEPS = np.array([SHORT_BELOW, 1 << 8, 1 << 16, 1 << 24], np.int64)

# By config byte: the number of the CTR's own bytes, its value if it has none, the shift by which four bytes are reduced to
# its own, and the least value that is allowed there.
_NEVER = 1 << 62
_CONFIG = np.arange(256, dtype=np.int64)
_CTR_WIDTH = np.where(_CONFIG & LONG_CTR, (_CONFIG & 7) + 1, 0)
_CTR_SHORT = np.where(_CONFIG & LONG_CTR, 0, _CONFIG & 7)
_CTR_SHIFT = 8 * np.maximum(CTR_BYTES_MAX - _CTR_WIDTH, 0)
_CTR_LEAST = np.array([0, *_CTR_STEPS, *[_NEVER] * 4], np.int64)[_CTR_WIDTH]  # no key is used that long


def encode_header(kid: int, ctr: int) -> bytes:
    """Config byte, KID and CTR, each in the fewest bytes (RFC 9605 section 4.3)."""
    config, kid_bytes, ctr_bytes = 0, b"", b""
    if kid < SHORT_BELOW:
        config |= kid << 4
    else:
        kid_bytes = kid.to_bytes((kid.bit_length() + 7) // 8, "big")
        config |= LONG_KID | (len(kid_bytes) - 1) << 4
    if ctr < SHORT_BELOW:
        config |= ctr
    else:
        ctr_bytes = ctr.to_bytes((ctr.bit_length() + 7) // 8, "big")
        config |= LONG_CTR | len(ctr_bytes) - 1
    return bytes([config]) + kid_bytes + ctr_bytes


def decode_header(data: bytes) -> tuple[int, int, int]:
    """(KID, CTR, header length). ValueError if `data` is truncated or a field is not in its fewest bytes."""
    if not data:
        raise ValueError("no header")
    config, at = data[0], 1
    kid, ctr = config >> 4 & 7, config & 7
    if config & LONG_KID:
        kid, at = _field(data, at, kid + 1)
    if config & LONG_CTR:
        ctr, at = _field(data, at, ctr + 1)
    return kid, ctr, at


def _field(data: bytes, at: int, size: int) -> tuple[int, int]:
    value = int.from_bytes(data[at : at + size], "big")
    if len(data) < at + size:
        raise ValueError("the header is cut short")
    if value < (SHORT_BELOW if size == 1 else 1 << 8 * (size - 1)):
        raise ValueError("a header field is not in its fewest bytes")
    return value, at + size


def downlink_header_size(config: int) -> int:
    """By the config byte of a downlink datagram."""
    return DOWNLINK_HEADER_MIN + ((config & 7) + 1 if config & LONG_CTR else 0)


def is_downlink_header(head: bytes) -> bool:
    """Whether these bytes of that size are one: each field in its fewest bytes, and no counter that no key reaches."""
    try:
        decode_header(head)
    except ValueError:
        return False
    return len(head) <= DOWNLINK_HEADER_MAX


def nonce(salt: bytes, ctr: int) -> bytes:
    """salt XOR CTR as 12 bytes, big-endian (RFC 9605 section 4.4.3)."""
    return (int.from_bytes(salt, "big") ^ ctr).to_bytes(len(salt), "big")


def pairs(salt: bytes, headers: Octets, ctrs: Integers, metadata: bytes) -> list[tuple[bytes, ...]]:
    """(nonce, additional data) of each of n datagrams: salt XOR CTR, and header || metadata (RFC 9605 section 4.4.3).

    `headers` are (n, size) octets, `ctrs` (n,). Both are written into one table for all, which is then cut into rows.
    """
    count, size = headers.shape
    table = bytearray((salt + bytes(size) + metadata) * count)
    octets = np.frombuffer(table, np.uint8).reshape(count, -1)
    octets[:, NONCE_SIZE - CTR_BYTES_MAX : NONCE_SIZE] ^= ctrs.astype(">u4").view(np.uint8).reshape(count, -1)
    octets[:, NONCE_SIZE : NONCE_SIZE + size] = headers
    return [*struct.iter_unpack(f"{NONCE_SIZE}s{size + len(metadata)}s", table)]


class HeaderBlock:
    """Prepared data for some consecutive counters of one KID. Their headers are equally long.

    `first`    the first of the counters, and `end` the one after the last
    `prefix`   the bytes that their headers begin with, up to the CTR
    `salt`     that of the key they are for
    `headers`  (n, size) octets
    `pairs`    n nonces, each with its additional data
    """

    __slots__ = ("end", "first", "headers", "pairs", "prefix", "salt", "size")

    def __init__(self, kid: int, salt: bytes, metadata: bytes, first: int) -> None:
        """`BLOCK_SIZE` counters from `first` on, fewer if the CTR grows by a byte in between."""
        width = int(np.searchsorted(_CTR_STEPS, first, side="right"))
        grows_at = int(_CTR_STEPS[width]) if width < len(_CTR_STEPS) else first + BLOCK_SIZE
        ctrs = np.arange(first, min(first + BLOCK_SIZE, grows_at), dtype=np.int64)
        self.salt, self.first, self.end = salt, first, first + len(ctrs)
        self.headers = _equal_headers(kid, ctrs, width)
        self.size = self.headers.shape[1]
        self.prefix = self.headers[0, : self.size - width].tobytes()
        self.pairs = pairs(salt, self.headers, ctrs, metadata)

    def holds(self, ctr: int) -> bool:
        return self.first <= ctr < self.end


def _equal_headers(kid: int, ctrs: Integers, width: int) -> Octets:
    kid_size = (kid.bit_length() + 7) // 8
    rows = np.empty((len(ctrs), 1 + kid_size + width), np.uint8)
    rows[:, 0] = LONG_KID | kid_size - 1 << 4 | (LONG_CTR | width - 1 if width else ctrs)
    rows[:, 1 : 1 + kid_size] = list(kid.to_bytes(kid_size, "big"))
    for column in range(width):
        rows[:, 1 + kid_size + column] = ctrs >> 8 * (width - 1 - column) & 0xFF
    return rows


def parse(heads: Octets, kid_size: int) -> tuple[Integers, Integers, Integers, npt.NDArray[np.bool_]]:
    """(KIDs, CTRs, header lengths, well-formed) of datagrams whose first byte says that the KID has `kid_size` bytes.

    `heads` is their first `1 + kid_size + CTR_BYTES_MAX` bytes, (n, 7) or (n, 13); bytes past a datagram's end may be
    anything, the caller compares the header length with the datagram's. A KID of 2^63 and more comes out negative: no
    lane of the uplink has its first bit set.
    """
    first = heads[:, 0]
    kids = heads[:, 1 : 1 + kid_size].view(f">u{kid_size}")[:, 0].astype(np.int64)
    four = heads[:, 1 + kid_size :].view(f">u{CTR_BYTES_MAX}")[:, 0].astype(np.int64)
    ctrs = (four >> _CTR_SHIFT[first]) + _CTR_SHORT[first]
    good = (ctrs >= _CTR_LEAST[first]) & (heads[:, 1] != 0)
    return kids, ctrs, 1 + kid_size + _CTR_WIDTH[first], good


def counters(heads: Octets, kid_size: int) -> tuple[Integers, int]:
    """(CTRs, header length) of n > 0 datagrams that share their config byte and KID; `heads` as for `parse`."""
    config = int(heads[0, 0])
    four = heads[:, 1 + kid_size :].view(f">u{CTR_BYTES_MAX}")[:, 0].astype(np.int64)
    return (four >> int(_CTR_SHIFT[config])) + int(_CTR_SHORT[config]), 1 + kid_size + int(_CTR_WIDTH[config])


def least(heads: Octets) -> int:
    """The least CTR that is allowed in these headers: a CTR or a KID that fits in fewer bytes is not."""
    return int(_CTR_LEAST[heads[0, 0]]) if heads[0, 1] else _NEVER
