"""Guard policies: which frames of a station reach the flight controller. SPEC.md section 4.7.

What lives here: one check of one frame, and whether a receiver accepts it as a whole. What must not: the sender, keys,
counters; the lists (policies.py), the content of a frame (contents.py), MAVLink's definitions (definitions.py).

A frame is judged by its message, and by its content if the message can carry something denied. This is sufficient only if
the flight controller accepts the frame as a whole: the C parser abandons a frame at an unknown incompatibility flag or at a
wrong checksum, and, if it is built that way, at an unknown length; then it searches for the next start byte, also inside
the frame. Therefore every policy but maintainer allows only frames that hide no other.
"""

from __future__ import annotations

from firmware_shims import frames, mavlink
from firmware_shims.contents import QUESTIONS
from firmware_shims.definitions import MESSAGES, Message, name_of
from firmware_shims.guard_policy import BY_NAME, GuardPolicy
from firmware_shims.policies import LISTED

SETUP_SIGNING = 256  # it holds the signing key: it crosses no link, not even a sealed one (mavlink.io, message_signing)
POLICIES = (*LISTED, "maintainer")  # each allows everything that the one before allows
UNJUDGED = "what cannot be judged"  # its name if the check failed


class Guard:
    """One policy: a listed one by its name, KeyError if there is none of that name; or an agency's own."""

    def __init__(self, policy: str | GuardPolicy) -> None:
        if isinstance(policy, str):
            self.policy, self._rules = policy, None if policy == "maintainer" else BY_NAME[policy]
        else:
            self.policy, self._rules = policy.name, policy

    def held(self, frame: bytes | memoryview) -> str | None:
        """None if a whole frame may go to the flight controller; otherwise its name, and the part that is the reason.

        Names are few and fixed: those of MAVLink's definitions, or a number if they have none.
        """
        rules = self._rules
        if rules is None:
            return _held_from_everybody(frame)
        number = mavlink.message_id(frame)
        message = MESSAGES.get(number)
        if message is None:
            return name_of(number)
        if number not in rules.may_send:
            return message.name
        payload = mavlink.payload(frame)
        if (flaw := _flaw(frame, payload, message)) is not None:
            return f"{message.name}, {flaw}"
        question = QUESTIONS.get(number)
        detail = question(rules, message, payload) if question else None
        return f"{message.name} {detail}" if detail else None


_SIGNING_ID = SETUP_SIGNING.to_bytes(3, "little")


def may_cross(frame: bytes | memoryview) -> bool:
    """Whether a whole frame may cross the link at all, in either direction. MAVLink 1 has no SETUP_SIGNING."""
    return frame[0] != mavlink.V2 or frame[7:10] != _SIGNING_ID


def _held_from_everybody(frame: bytes | memoryview) -> str | None:
    """A receiver abandons the frame at unknown flags, and would find a SETUP_SIGNING hidden after them."""
    if may_cross(frame) and not _has_unknown_flags(frame):
        return None
    name = name_of(mavlink.message_id(frame))
    return f"{name}, unknown flags" if may_cross(frame) else name


def _has_unknown_flags(frame: bytes | memoryview) -> bool:
    return frame[0] == mavlink.V2 and bool(frame[2] & ~mavlink.SIGNED)


def _flaw(frame: bytes | memoryview, payload: bytes, message: Message) -> str | None:
    """Why a parser might not accept the frame from its first byte to its last, or None."""
    if _has_unknown_flags(frame):
        return "unknown flags"
    stop = (mavlink.V2_HEADER if frame[0] == mavlink.V2 else mavlink.V1_HEADER) + len(payload)
    if not frames.checksum_fits(bytes(frame), stop, message.crc_extra):
        return "wrong checksum"
    # New extension fields make a payload longer than our definition, and MAVLink 1 truncates nothing.
    fits = len(payload) <= message.length and (frame[0] == mavlink.V2 or len(payload) >= message.least)
    return None if fits or not _hides_a_frame(bytes(frame[1:])) else "a frame inside"


def _hides_a_frame(rest: bytes) -> bool:
    """Whether a parser that abandoned the frame before this start byte may find a message here, or its beginning."""
    return any(rest[at] in (mavlink.V1, mavlink.V2) and _may_begin_a_frame(rest[at:]) for at in range(len(rest)))


def _may_begin_a_frame(data: bytes) -> bool:
    """`data` begins with a start byte. The next frame may complete a hidden one, so only the header decides."""
    version2 = data[0] == mavlink.V2
    if len(data) < (mavlink.V2_HEADER if version2 else mavlink.V1_HEADER):
        return True
    if version2 and data[2] & ~mavlink.SIGNED:
        return False
    message = MESSAGES.get(mavlink.message_id(data))
    return message is not None and data[1] <= message.length
