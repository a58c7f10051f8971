"""Inputs that nobody meant: seeded damage to good ones, and CBOR that no encoder writes."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

EDGES = bytes([0x00, 0x01, 0x17, 0x18, 0x1B, 0x1F, 0x3B, 0x5B, 0x7F, 0x80, 0x9F, 0xBF, 0xC2, 0xC6, 0xD8, 0xF6, 0xFB, 0xFF])

SIMPLE = (b"\xf4", b"\xf5", b"\xf6", b"\xf7", b"\xf9\x7e\x00", b"\xfa\x7f\x80\x00\x00", b"\xe0", b"\xf8\xff")


def cuts(sample: bytes) -> Iterator[bytes]:
    """The sample up to each of its bytes."""
    return (sample[:size] for size in range(len(sample)))


def flips(sample: bytes) -> Iterator[bytes]:
    """The sample with each of its bits flipped."""
    for bit in range(8 * len(sample)):
        yield flipped(sample, bit)


def flipped(sample: bytes, bit: int) -> bytes:
    changed = bytearray(sample)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def mutated(rng: random.Random, samples: Sequence[bytes]) -> bytes:
    """One of the samples, damaged in one to four ways."""
    data = rng.choice(samples)
    for _ in range(rng.randrange(1, 5)):
        data = _damaged(rng, data, samples)
    return data


def _damaged(rng: random.Random, data: bytes, samples: Sequence[bytes]) -> bytes:
    at = rng.randrange(len(data) + 1)
    end = min(len(data), at + rng.randrange(9))
    match rng.randrange(7):
        case 0:
            return flipped(data, rng.randrange(8 * len(data))) if data else data
        case 1:
            return data[:at] + bytes([rng.choice(EDGES)]) + data[at + 1 :]
        case 2:
            return data[:at] + rng.randbytes(rng.randrange(9)) + data[at:]
        case 3:
            return data[:at] + data[end:]
        case 4:
            return data[:end] + data[at:]
        case 5:
            return data[:at] + rng.choice(samples)[at:]
        case _:
            return data[:at] + strange_cbor(rng) + data[end:]


def strange_cbor(rng: random.Random, depth: int = 4) -> bytes:
    """A well-formed item of any kind: any tag, tags as keys, floats, bignums, lengths in too many bytes."""
    major = rng.randrange(8) if depth else rng.choice((0, 1, 2, 3, 7))
    small = rng.choice((0, 1, 2, 3, rng.randrange(24)))
    if major in (2, 3):
        return _head(rng, major, small) + (rng.randbytes(small) if major == 2 else b"t" * small)
    if major == 4:
        count = rng.randrange(4)
        return _head(rng, 4, count) + b"".join(strange_cbor(rng, depth - 1) for _ in range(count))
    if major == 5:
        count = rng.randrange(4)
        return _head(rng, 5, count) + b"".join(strange_cbor(rng, depth - 1) for _ in range(2 * count))
    if major == 6:
        tag = rng.choice((rng.randrange(64), 18, 98, 258, 260, rng.randrange(1 << 16)))
        return _head(rng, 6, tag) + strange_cbor(rng, depth - 1)
    if major == 7:
        return rng.choice(
            (b"\xf4", b"\xf5", b"\xf6", b"\xf7", b"\xf9\x7e\x00", b"\xfa\x7f\x80\x00\x00", b"\xe0", b"\xf8\xff")
        )
    return _head(rng, major, rng.choice((small, rng.getrandbits(8), rng.getrandbits(32), rng.getrandbits(64))))


def _head(rng: random.Random, major: int, value: int) -> bytes:
    """Mostly in the fewest bytes."""
    sizes = [size for size in (0, 1, 2, 4, 8) if value < (24 if size == 0 else 1 << 8 * size)]
    size = sizes[0] if rng.random() < 0.9 else rng.choice(sizes)
    if size == 0:
        return bytes([major << 5 | value])
    return bytes([major << 5 | 23 + size.bit_length()]) + value.to_bytes(size, "big")
