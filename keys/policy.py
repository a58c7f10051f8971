"""Policy: how sessions under an order behave, in numbers that the agency signs. SPEC.md section 3.

What lives here: the numbers, their defaults and their ranges. Pure.
"""

from __future__ import annotations

import dataclasses
import enum
from typing import Any

from keys import fields
from keys.errors import MalformedOrder


class PolicyFlag(enum.IntFlag):
    PAD_VIDEO = 1
    VIDEO_ON_REQUEST = 2  # video is recorded only while a station asks for it


@dataclasses.dataclass(frozen=True, slots=True)
class Policy:
    """The fields have the keys 1 to 12, in this order; all of them are written. `zegel order issue` keeps these values."""

    sframe: int = 5  # AES_256_GCM_SHA512_128, RFC 9605 section 4.5; the only suite
    rekey_s: int = 600
    lead_s: int = 5
    announce_s: int = 1  # at 30 % loss the slowest of a hundred late joiners waits 5 s; with 2 it waits 10.8 s
    fresh_ms: int = 3000
    segment_s: int = 2
    segment_max: int = 8_388_608  # bytes
    pad: tuple[int, ...] = (128, 256, 512, 1200)  # bytes of plaintext, rising
    max_boots: int = 0  # 0 is no limit
    max_hours: int = 0  # of flight; 0 is no limit
    flags: int = 0  # PolicyFlag
    retain_h: int = 0  # sealed segments may be removed after this; 0 is never


RANGES = {
    "sframe": (5, 5),
    "rekey_s": (60, 3600),
    "lead_s": (2, 60),
    "announce_s": (1, 30),
    "fresh_ms": (1000, 10_000),
    "segment_s": (1, 10),
    "segment_max": (65_536, 67_108_864),
    "max_boots": (0, (1 << 32) - 1),
    "max_hours": (0, (1 << 32) - 1),
    "flags": (0, sum(PolicyFlag)),
    "retain_h": (0, (1 << 32) - 1),
}
_NAMES = [field.name for field in dataclasses.fields(Policy)]
_ALL = dict.fromkeys(range(1, len(_NAMES) + 1), fields.anything)
_PAD = fields.listing(fields.between(1, 65_535), 16)


def read_policy(value: object) -> Policy:
    """A decoded policy map; MalformedOrder names the number that is out of its range."""
    numbers: dict[str, Any] = dict(zip(_NAMES, fields.read_map(value, "the policy of the order", _ALL), strict=True))
    for name, (low, high) in RANGES.items():
        if not fields.between(low, high)(numbers[name]):
            raise MalformedOrder(f"the policy {name} is {numbers[name]!r}, not within {low}..{high}")
    pad = numbers["pad"]
    if not _PAD(pad) or sorted(set(pad)) != pad:
        raise MalformedOrder("the policy pad is not a list of sizes, each larger than the one before")
    return Policy(**{**numbers, "pad": tuple(pad)})
