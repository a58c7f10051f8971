"""Guard policies: what of a station's frames reaches the flight controller. SPEC.md section 4.7.

What lives here: one question about one frame, and whether a receiver takes it as a whole. What must not: who sent it, keys,
counters; the lists (policies.py), what stands in a frame (contents.py), what MAVLink defines (definitions.py).

A frame is judged by its message, and where a message may carry what is held, by what it carries. That judges what the
flight controller will do only if it takes the frame as a whole: the C parser gives a frame up at an incompatibility flag
that it does not know or at a wrong checksum, and where it is built to, at a length that it does not know; then it looks for
the next start byte, be it inside. So who is not allowed everything is allowed only frames that hide no other.
"""

from __future__ import annotations

from fastcrc.crc16 import mcrf4xx

from firmware_shims import mavlink
from firmware_shims.contents import QUESTIONS
from firmware_shims.definitions import MESSAGES, Message, name_of
from firmware_shims.policies import LISTED, MAY_SEND

SETUP_SIGNING = 256  # it holds the signing key: it crosses no link, not even a sealed one (mavlink.io, message_signing)
POLICIES = (*LISTED, "maintainer")  # each may all that the one before may
UNJUDGED = "what cannot be judged"  # its name where judging it failed
_CRC_START = 0xFFFF


class Guard:
    """One policy, by its name in the order; KeyError if there is none of that name."""

    def __init__(self, policy: str) -> None:
        self.policy = policy
        self._may_send = None if policy == "maintainer" else MAY_SEND[policy]

    def held(self, frame: bytes | memoryview) -> str | None:
        """None if a whole frame may go to the flight controller; otherwise its name, and what in it is why.

        Names are few and fixed: those of MAVLink's definitions, or a number where these have none.
        """
        if self._may_send is None:
            return _held_from_everybody(frame)
        number = mavlink.message_id(frame)
        message = MESSAGES.get(number)
        if message is None:
            return name_of(number)
        if number not in self._may_send:
            return message.name
        payload = _payload(frame)
        if (flaw := _flaw(frame, payload, message)) is not None:
            return f"{message.name}, {flaw}"
        question = QUESTIONS.get(number)
        detail = question(self.policy, message, payload) if question else None
        return f"{message.name} {detail}" if detail else None


_SIGNING_ID = SETUP_SIGNING.to_bytes(3, "little")


def may_cross(frame: bytes | memoryview) -> bool:
    """Whether a whole frame may cross the link at all, in either direction. MAVLink 1 has no SETUP_SIGNING."""
    return frame[0] != mavlink.V2 or frame[7:10] != _SIGNING_ID


def _held_from_everybody(frame: bytes | memoryview) -> str | None:
    """A receiver gives up at flags that it does not know, and would find a SETUP_SIGNING behind them."""
    if may_cross(frame) and not _has_unknown_flags(frame):
        return None
    name = name_of(mavlink.message_id(frame))
    return f"{name}, unknown flags" if may_cross(frame) else name


def _has_unknown_flags(frame: bytes | memoryview) -> bool:
    return frame[0] == mavlink.V2 and bool(frame[2] & ~mavlink.SIGNED)


def _payload(frame: bytes | memoryview) -> bytes:
    begin = mavlink.V2_HEADER if frame[0] == mavlink.V2 else mavlink.V1_HEADER
    return bytes(frame[begin : begin + frame[1]])


def _flaw(frame: bytes | memoryview, payload: bytes, message: Message) -> str | None:
    """Why a parser might not take the frame from its first byte to its last, or None."""
    if _has_unknown_flags(frame):
        return "unknown flags"
    stop = (mavlink.V2_HEADER if frame[0] == mavlink.V2 else mavlink.V1_HEADER) + len(payload)
    checksum = mcrf4xx(bytes(frame[1:stop]) + bytes([message.crc_extra]), _CRC_START)
    if checksum != int.from_bytes(frame[stop : stop + mavlink.CHECKSUM_SIZE], "little"):
        return "wrong checksum"
    # Longer than we know is what a definition with new extension fields makes, and MAVLink 1 leaves nothing out.
    fits = len(payload) <= message.length and (frame[0] == mavlink.V2 or len(payload) >= message.least)
    return None if fits or not _hides_a_frame(bytes(frame[1:])) else "a frame inside"


def _hides_a_frame(rest: bytes) -> bool:
    """Whether a parser that gave up at the start byte before this may find a message in it, or the beginning of one."""
    return any(rest[at] in (mavlink.V1, mavlink.V2) and _may_begin_a_frame(rest[at:]) for at in range(len(rest)))


def _may_begin_a_frame(data: bytes) -> bool:
    """`data` begins with a start byte. What reaches beyond its end the next frame may finish, so only the header tells."""
    version2 = data[0] == mavlink.V2
    if len(data) < (mavlink.V2_HEADER if version2 else mavlink.V1_HEADER):
        return True
    if version2 and data[2] & ~mavlink.SIGNED:
        return False
    message = MESSAGES.get(mavlink.message_id(data))
    return message is not None and data[1] <= message.length
