"""The outermost bytes of the link: control header, sizes, and the reasons to drop. SPEC.md sections 4 and 12.

What lives here: constants with their computation, and nothing that needs a key.
"""

from __future__ import annotations

import dataclasses
import enum
import hashlib

from gateway.batch import TAG_SIZE
from gateway.core import sframe

LINK_MTU = 1472  # UDP payload of an Ethernet frame: 1500 - 20 (IPv4) - 8 (UDP)
MTU_RANGE = (1232, 1952)  # 1280 (least IPv6 MTU) - 40 - 8, which holds a control datagram; the size of a slot
DOWNLINK_OVERHEAD = sframe.DOWNLINK_HEADER_MAX + TAG_SIZE
UPLINK_OVERHEAD = sframe.UPLINK_HEADER_MAX + TAG_SIZE

FIRST_CONTROL = 0x01
CONTROL_BELOW = 0x40  # first bytes under this are control (demultiplexed as in RFC 7983)
CONTROL_HEADER_SIZE = 12
FRAGMENT_MAX = 1180
CONTROL_OVERHEAD = CONTROL_HEADER_SIZE + TAG_SIZE  # the tag is AES-GCM-SIV's
CONTROL_MAX = CONTROL_OVERHEAD + FRAGMENT_MAX  # of a control datagram on the air
FRAGMENTS_MAX = 16
MESSAGE_ID_SIZE = 8

BEAT_AFTER_PACKETS = 16_384  # of one lane since the last beat: three such beats may be lost before the next limit applies
BEYOND_BEAT_BY = 65_536  # REJECT: a CTR this far past the newest beat's next CTR
KEEP_EPOCH_S = 10.0  # a previous epoch's uplink keys at both ends, for datagrams that are still on their way
CHALLENGE_FOR_S = 10.0  # a challenge is answered, and its answer is valid, for this time


class Kind(enum.IntEnum):
    """The kind of message of which a control datagram carries a fragment."""

    STATEMENT = 1
    ANNOUNCEMENT = 2
    BEAT = 3


RECORD_OFF, RECORD_ON = b"\0", b"\1"  # content of Control.RECORD


class Evidence(enum.IntEnum):
    """First byte of a plaintext of the evidence lane. Kinds 2 and 3 are specified in SPEC.md and not sent yet."""

    BEAT = 1
    CHECKPOINT = 2
    CONSISTENCY = 3
    ORDER_FRAGMENT = 4


class Control(enum.IntEnum):
    """The byte after the echo in a plaintext of the control lane. 4 and 6 are specified in SPEC.md and not sent yet."""

    CHALLENGE = 1
    ORDER_FRAGMENT = 2
    RECORD = 3  # one byte: 1 asks for video to be recorded, 0 pauses it
    EVIDENCE = 4
    ORDER_HELD = 5
    REPAIR = 6


@dataclasses.dataclass(frozen=True, slots=True)
class ControlHeader:
    """The header of an opened control datagram (SPEC.md section 4.1): fragment `index` of `count` of one message."""

    kind: Kind
    index: int
    count: int
    message_id: bytes

    def encode(self) -> bytes:
        return bytes([FIRST_CONTROL, self.kind, self.index, self.count]) + self.message_id


def is_sealed_control(datagram: bytes) -> bool:
    """Whether it has the form of a control datagram on the air; without the key, nothing more is known."""
    return CONTROL_OVERHEAD < len(datagram) <= CONTROL_MAX and datagram[0] == FIRST_CONTROL


def parse_control(datagram: bytes) -> tuple[ControlHeader, bytes] | None:
    """(header, fragment) of an opened control datagram, or None if it is not a well-formed one."""
    if not CONTROL_HEADER_SIZE < len(datagram) <= CONTROL_HEADER_SIZE + FRAGMENT_MAX or datagram[0] != FIRST_CONTROL:
        return None
    kind, index, count = datagram[1:4]
    if not (Kind.STATEMENT <= kind <= Kind.BEAT and index < count <= FRAGMENTS_MAX):
        return None
    header = ControlHeader(Kind(kind), index, count, datagram[4:CONTROL_HEADER_SIZE])
    return header, datagram[CONTROL_HEADER_SIZE:]


def message_id(message: bytes) -> bytes:
    return hashlib.sha256(message).digest()[:MESSAGE_ID_SIZE]
