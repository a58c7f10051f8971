"""Damage: why a part of a stream of pictures goes no further.

What lives here: the reasons, and the exception that carries one out of a parser. A stream from a camera is never trusted:
each parser of this room accepts its input or counts one of these, and reads on at the next place that it can recognise.
"""

from __future__ import annotations

from enum import Enum


class Damage(Enum):
    """The value is the sentence for people."""

    # of a byte stream (annexb.py, ts.py)
    OUTSIDE_UNIT = "bytes before the first start code"
    PAUSE_IN_UNIT = "the stream paused in the middle of a NAL unit; the rest of it was left out"
    PAUSE_IN_PICTURE = "the stream paused in the middle of a picture"
    UNIT_TOO_LONG = "a NAL unit is longer than this program holds"
    PICTURE_TOO_LARGE = "a picture is larger than this program holds, or in more NAL units"
    NO_SYNC_BYTE = "bytes that are not of an MPEG-TS packet"
    # of a unit (nal.py, length_prefixed.py)
    UNIT_TOO_SHORT = "a NAL unit is shorter than its header"
    KIND_NOT_CARRIED = "a NAL unit of a type that RTP keeps for itself"
    LENGTH = "a length leads past the end"
    CODEC = "pictures that are neither H.264 nor H.265"
    CONFIGURATION = "a decoder configuration that cannot be read"
    # of an RTP packet (rtp.py, depacketiser.py)
    RTP_TOO_SHORT = "an RTP packet is shorter than its header"
    RTP_VERSION = "an RTP packet is not of version 2"
    RTP_PADDING = "an RTP packet has more padding than payload"
    RTP_EMPTY = "an RTP packet has no payload"
    RTP_TYPE = "an RTP packet of another payload type"
    RTP_LATE = "an RTP packet came after a later one, or twice"
    AGGREGATE = "an aggregation packet whose units do not fill it"
    FRAGMENT = "a fragment whose header contradicts itself"
    FRAGMENT_LOST = "a NAL unit of which a fragment is missing"


class Damaged(Exception):
    """Raised by the functions that read one packet, unit or record; the streams count it."""

    def __init__(self, damage: Damage) -> None:
        super().__init__(damage.value)
        self.damage = damage
