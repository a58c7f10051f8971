"""SDP: the parameter sets of a stream that never sends them (RFC 6184 section 8.2.1, RFC 7798 section 7.1).

What lives here: the few lines of a description that are read. What must not: sessions, addresses.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from gateway.video.damage import Damage, Damaged
from gateway.video.nal import KINDS, Codec, kind
from gateway.video.parameter_sets import SETS_MAX, SIZE_MAX

_RTPMAP = re.compile(r"a=rtpmap:(\d{1,3}) (H264|H265|HEVC)/90000\s*$", re.IGNORECASE)
_FMTP = re.compile(r"a=fmtp:(\d{1,3}) (.*)$")
_SETS = ("sprop-vps", "sprop-sps", "sprop-pps", "sprop-parameter-sets")


@dataclass(frozen=True, slots=True)
class Description:
    codec: Codec
    payload_type: int
    sets: list[bytes]


def read(text: str) -> Description:
    """Of the first video that is H.264 or H.265. Raises Damaged if there is none, or its sets cannot be read."""
    found: dict[int, Codec] = {}
    for line in text.splitlines():
        if match := _RTPMAP.match(line):
            found.setdefault(int(match[1]), "h264" if match[2].upper() == "H264" else "h265")
    if not found:
        raise Damaged(Damage.CODEC)
    payload_type, codec = next(iter(found.items()))
    return Description(codec, payload_type, _sets(text, payload_type, codec))


def _sets(text: str, payload_type: int, codec: Codec) -> list[bytes]:
    values: dict[str, str] = {}
    for line in text.splitlines():
        if (match := _FMTP.match(line)) and int(match[1]) == payload_type:
            pairs = (part.partition("=") for part in match[2].split(";"))
            values |= {name.strip().lower(): value.strip() for name, _, value in pairs}
    try:
        sets = [base64.b64decode(one, validate=True) for name in _SETS for one in values.get(name, "").split(",") if one]
    except (binascii.Error, ValueError):
        raise Damaged(Damage.CONFIGURATION) from None
    kinds = KINDS[codec]
    if any(len(one) < kinds.header_size or kind(codec, one) not in kinds.parameters for one in sets):
        raise Damaged(Damage.CONFIGURATION)
    if len(sets) > SETS_MAX or sum(map(len, sets)) > SIZE_MAX:
        raise Damaged(Damage.CONFIGURATION)
    return sets
