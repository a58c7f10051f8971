"""Addresses in the aircraft's frames: where a ground control station is told to fetch something. SPEC.md section 4.7.

What lives here: which frames may leave the aircraft, and the two changes of VIDEO_STREAM_INFORMATION, aboard and at a
station. What must not: who counts and reports what stays aboard.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from firmware_shims import frames, mavlink
from firmware_shims.definitions import MESSAGES, NUMBER_OF, name_of
from firmware_shims.guard import SETUP_SIGNING

# Nothing; a UDP port at which a station listens itself; a file that comes by MAVLink's own file transfer.
_STAYS_INSIDE = re.compile(rb"|[0-9]{1,5}|mftp://.*", re.IGNORECASE | re.DOTALL)
_FIELDS = {
    number: fields
    for number, message in MESSAGES.items()
    if (fields := [field for field in message.fields if field.endswith("uri")])
}
NAMES = frozenset(MESSAGES[number].name for number in _FIELDS)
_WATCHED = frozenset({SETUP_SIGNING, *_FIELDS})
_WATCHED_V2 = frozenset(number.to_bytes(3, "little") for number in _WATCHED)
_WATCHED_V1 = _WATCHED.intersection(range(256))  # its message id has one byte

STREAM = NUMBER_OF["VIDEO_STREAM_INFORMATION"]
_STREAM_V2 = STREAM.to_bytes(3, "little")
_RTP_OVER_UDP = 1  # VIDEO_STREAM_TYPE_RTPUDP
_CAMERAS = range(100, 106)  # MAV_COMP_ID_CAMERA to CAMERA6
MARKS = (b"zegel:a", b"zegel:b")  # of the video lanes, between an aircraft and its stations


def is_watched(frame: bytes) -> bool:
    """Whether a whole frame from the flight controller has to be judged before it leaves: by its number alone."""
    return frame[7:10] in _WATCHED_V2 if frame[0] == mavlink.V2 else frame[5] in _WATCHED_V1


def held(frame: bytes) -> str | None:
    """The name of a whole frame that stays aboard, as it is; None if it may leave."""
    number = mavlink.message_id(frame)
    if number == SETUP_SIGNING:
        return name_of(number)
    payload = mavlink.payload(frame)
    texts = [_text(MESSAGES[number].bytes_in(payload, field)) for field in _FIELDS.get(number, ())]
    return None if all(map(_STAYS_INSIDE.fullmatch, texts)) else name_of(number)


def _text(field: bytes) -> bytes:
    return field.split(b"\0")[0]


def marked(frame: bytes) -> bytes | None:
    """A frame that `held` names, with the mark of its video lane in place of its address; None if that is not possible."""
    if mavlink.message_id(frame) != STREAM or frame[2]:  # a signature would not fit any more
        return None
    stop, message = mavlink.V2_HEADER + frame[1], MESSAGES[STREAM]
    if not frames.checksum_fits(frame, stop, message.crc_extra):  # a new one would hide that it is damaged
        return None
    payload = mavlink.payload(frame)
    camera = frame[6] - _CAMERAS.start if frame[6] in _CAMERAS else 0
    place = camera + max(0, int(message.number_in(payload, "stream_id")) - 1)  # some count from 0: MAVSDK
    return frames.changed(frame, {"uri": MARKS[place]}) if place < len(MARKS) else None


def is_stream(frame: bytes | memoryview) -> bool:
    """Whether a whole frame from an aircraft is one that `at_station` may change."""
    return frame[7] == _STREAM_V2[0] and frame[0] == mavlink.V2 and frame[7:10] == _STREAM_V2


def at_station(frame: bytes | memoryview, ports: Sequence[int | None]) -> bytes | memoryview:
    """A frame from an aircraft, with the station's own port in place of a mark; `ports`: of its players, by lane."""
    if not is_stream(frame) or frame[2]:
        return frame
    uri = _text(MESSAGES[STREAM].bytes_in(mavlink.payload(frame), "uri"))
    port = ports[MARKS.index(uri)] if uri in MARKS[: len(ports)] else None
    return frame if port is None else frames.changed(bytes(frame), {"uri": b"%d" % port, "type": _RTP_OVER_UDP})
