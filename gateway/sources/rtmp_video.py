"""RTMP's video messages to pictures: FLV tags with H.264 (FLV 10.1, annex E.4.3), enhanced RTMP with H.265.

What lives here: the tag. What must not: chunks and commands. A tag that cannot be read is left out and counted; another
codec is counted, too: some controllers begin with a tag that means nothing.
"""

from __future__ import annotations

from collections import Counter

from gateway.video.damage import Damage, Damaged
from gateway.video.length_prefixed import Configuration, avc_configuration, hevc_configuration, units
from gateway.video.nal import KINDS, AccessUnit, is_key, kind
from gateway.video.parameter_sets import ParameterSets
from gateway.video.rtp import TIMESTAMPS

TICKS_PER_MS = 90  # RTP's clock against FLV's
ENHANCED = 0x80
AVC = 7  # CodecID
COMMAND_FRAME = 5  # FrameType: for a server's own use
FOUR_CC = {b"avc1": avc_configuration, b"hvc1": hevc_configuration}
# AVCPacketType has the first three; enhanced RTMP has all.
SEQUENCE_START, CODED, SEQUENCE_END, CODED_WITHOUT_OFFSET, METADATA = range(5)
OFFSET_SIZE = 3
WAITING_MAX, WAITING_SIZE_MAX = 16, 64 << 10  # units, bytes
HEAD_SIZE = {False: 2, True: 5}


class VideoTags:
    """Of one publisher.

    `damage`  what was left out
    """

    def __init__(self) -> None:
        self.damage: Counter[Damage] = Counter()
        self._configuration: Configuration | None = None
        self._sets = ParameterSets("h264")
        self._waiting: list[bytes] = []  # units without a picture: DJI sends its messages in a tag of their own

    def feed(self, tag: bytes, timestamp_ms: int, now: float) -> tuple[AccessUnit, int] | None:
        """The picture in it with its RTP timestamp, the moment of being shown; None if there is none."""
        try:
            return self._feed(tag, timestamp_ms, now)
        except Damaged as error:
            self.damage[error.damage] += 1
            return None

    def _feed(self, tag: bytes, timestamp_ms: int, now: float) -> tuple[AccessUnit, int] | None:
        enhanced = bool(tag and tag[0] & ENHANCED)
        if len(tag) < HEAD_SIZE[enhanced]:
            raise Damaged(Damage.LENGTH)
        if tag[0] >> 4 & 7 == COMMAND_FRAME:
            return None
        packet, body = _opened(tag, enhanced)
        read = FOUR_CC.get(tag[1:5]) if enhanced else avc_configuration
        if read is None:
            raise Damaged(Damage.CODEC)
        if packet == SEQUENCE_START:
            self._configure(read(body))
        if packet not in (CODED, CODED_WITHOUT_OFFSET):
            return None
        offset = 0
        if packet == CODED:
            if len(body) < OFFSET_SIZE:
                raise Damaged(Damage.LENGTH)
            offset, body = int.from_bytes(body[:OFFSET_SIZE], "big", signed=True), body[OFFSET_SIZE:]
        return self._picture(body, (timestamp_ms + offset) * TICKS_PER_MS % TIMESTAMPS, now)

    def _configure(self, configuration: Configuration) -> None:
        if self._configuration is None or configuration.codec != self._configuration.codec:
            self._sets, self._waiting = ParameterSets(configuration.codec), []
        self._configuration = configuration
        self._sets.learn(configuration.sets)

    def _picture(self, body: bytes, timestamp: int, now: float) -> tuple[AccessUnit, int] | None:
        configuration = self._configuration
        if configuration is None:
            raise Damaged(Damage.CONFIGURATION)
        codec = configuration.codec
        nals = [*self._waiting, *units(body, configuration)]
        if not any(kind(codec, nal) in KINDS[codec].slices for nal in nals):
            self._waiting = nals[-WAITING_MAX:]
            if sum(map(len, self._waiting)) > WAITING_SIZE_MAX:
                self._waiting = []
                raise Damaged(Damage.PICTURE_TOO_LARGE)
            return None
        self._waiting = []
        return AccessUnit(self._sets.completed(nals), is_key(codec, nals), now, codec), timestamp


def _opened(tag: bytes, enhanced: bool) -> tuple[int, bytes]:
    """What kind of packet, and what follows its head. An AVC packet always has an offset, which only pictures use."""
    if enhanced:
        return tag[0] & 15, tag[5:]
    if tag[0] & 15 != AVC:
        raise Damaged(Damage.CODEC)
    body = tag[2:] if tag[1] == CODED else tag[2 + OFFSET_SIZE :]
    return (tag[1] if tag[1] <= SEQUENCE_END else METADATA), body
