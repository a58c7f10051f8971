"""RTSP stream: one lane of one aircraft as all its readers get it: RTP packets, and those since the last key picture.

What lives here: which form the lane has, what a new reader needs, and the time of a picture for the reports. What must not:
sockets, clocks, readers. Every byte may come from a hostile camera or aircraft.

A new reader first gets the packets since the last key picture, or it would show nothing until the next one. Shown at their
own times these would put it behind by as much as they are old, for as long as it plays; so their timestamps are pressed
together just before the picture of now. MPEG-TS has its times within, and keeps them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from gateway.share.rtcp import TYPES as RTCP_TYPES
from gateway.share.rtsp_describe import described, payload_type
from gateway.share.rtsp_renumber import Renumbered, is_rtp, retimed
from gateway.share.rtsp_session import First, Place
from gateway.video.parameter_sets import ParameterSets
from gateway.video.recognise import Content, Form, recognise
from gateway.video.rtp import CLOCK_HZ, TIMESTAMPS
from gateway.video.stream_pictures import StreamPictures
from gateway.video.ts import PACKET_SIZE

FORM_KNOWN_AFTER = 12  # datagrams
UNFIT_AFTER = 100  # datagrams in a row that are not of the form: it is another one by now
SETS_WITHIN = 300  # pictures; then it is described without them
KEPT_SIZE_MAX = 4 << 20  # since the last key picture: 8 s at 4 Mbit/s
KEPT_PACKETS_MAX = 8192
APART = CLOCK_HZ // 1000  # ticks between two pictures that are caught up with
SECOND_US = 1_000_000
SHARED = (Content.H264, Content.H265, Content.MPEG_TS)


class _Kept(NamedTuple):
    number: int
    packet: bytes
    timestamp: int
    table: bool  # MPEG-TS: it has the table that a reader needs first


class Stream:
    """`random(bits)` gives the SSRC and the first numbers (RFC 3550 section 5.1).

    `content`   None until it is known; another one is another stream, and its readers have to ask again
    `unshared`  whether what comes is in no form that RTSP readers know
    `pictures`  complete ones since the beginning
    """

    def __init__(self, place: Place, random: Callable[[int], int]) -> None:
        self.place = place
        self.content: Content | None = None
        self.unshared = False
        self.pictures = 0
        self.ssrc = random(32)
        self._random = random
        self._form = Form(Content.UNKNOWN)
        self._reader = StreamPictures(self._form)
        self._numbers = Renumbered(self.ssrc, random(16), random(32), 0)
        self._gathered: list[tuple[bytes, str, int]] = []
        self._unfit = 0
        self._sets: ParameterSets | None = None
        self._number = 0  # of the last datagram
        self._kept: deque[_Kept] = deque()
        self._kept_size = 0
        self._since_key = False  # whether `_kept` begins with a key picture
        self._newest = (0, 0)  # time in us and timestamp of the newest picture

    @property
    def parameter_sets(self) -> list[bytes]:
        """In the order in which a decoder needs them; as far as they came."""
        return self._sets.newest() if self._sets else []

    def description(self) -> str | None:
        """None as long as its form is not known, and the parameter sets are not, for which readers look here."""
        if self.content is None or not (self._described or self.content is Content.MPEG_TS):
            return None
        name = f"{self.place.device}/{self.place.lane}"
        return described(self.content, self.parameter_sets, name, self.ssrc)

    def take(self, datagram: bytes, session: str, time_us: int) -> list[bytes]:
        """The packets for the readers. `session` of the aircraft; `time_us`: when it came, in Unix time."""
        if self.content is None:
            return self._recognised(datagram, session, time_us)
        packet = self._numbered(datagram, session, time_us / SECOND_US)
        if packet is None:
            self._unfit += not _is_rtcp(datagram)
            if self._unfit > UNFIT_AFTER:
                self.content = None
            return []
        self._unfit = 0
        self._note(packet, datagram, time_us)
        return [packet]

    def since_key(self) -> list[bytes]:
        """What a new reader gets first; then it gets what `take` returns. Empty if there is no key picture at hand."""
        if not self._since_key:
            return []
        if self.content is Content.MPEG_TS:
            return [kept.packet for kept in self._kept]
        return _pressed(list(self._kept))

    def first(self, packets: list[bytes]) -> First:
        """The numbers of the first packet that a reader gets, if these are the first ones."""
        if packets:
            return First(int.from_bytes(packets[0][2:4], "big"), int.from_bytes(packets[0][4:8], "big"))
        return First(self._numbers.next, self._numbers.timestamp)

    @property
    def _described(self) -> bool:
        return (self._sets is not None and self._sets.complete) or self.pictures >= SETS_WITHIN

    @property
    def newest(self) -> tuple[int, int]:
        """When the newest picture came, in microseconds of Unix time, and its timestamp."""
        return self._newest

    # --- which form ---

    def _recognised(self, datagram: bytes, session: str, time_us: int) -> list[bytes]:
        self._gathered.append((datagram, session, time_us))
        if len(self._gathered) < FORM_KNOWN_AFTER:
            return []
        gathered, self._gathered = self._gathered, []
        form = recognise(data for data, _, _ in gathered)
        self.unshared = not _is_shared(form)
        if self.unshared:
            return []
        self._read_as(form)
        return [packet for one in gathered for packet in self.take(*one)]

    def _read_as(self, form: Form) -> None:
        if form.content is not self._form.content:
            self.ssrc = self._random(32)
            self._numbers = Renumbered(self.ssrc, self._random(16), self._random(32), payload_type(form.content))
            self._sets = None
        self.content, self._form, self._reader, self._unfit = form.content, form, StreamPictures(form), 0
        self._forget()

    def _numbered(self, datagram: bytes, session: str, arrived: float) -> bytes | None:
        """None if it is not of the form."""
        if self._form.payload_type is not None:
            fits = is_rtp(datagram, self._form.payload_type)
            return self._numbers.packet(datagram, session, arrived) if fits else None
        fits = bool(datagram) and not len(datagram) % PACKET_SIZE
        return self._numbers.wrapped(datagram, arrived) if fits else None

    # --- what is kept ---

    def _note(self, packet: bytes, datagram: bytes, time_us: int) -> None:
        timestamp = self._numbers.timestamp
        if 0 < (timestamp - self._newest[1]) % TIMESTAMPS < TIMESTAMPS // 2 or not self._newest[0]:
            self._newest = time_us, timestamp
        self._number += 1
        self._kept.append(_Kept(self._number, packet, timestamp, self._has_table(packet)))
        self._kept_size += len(packet)
        for picture in self._reader.feed(datagram, self._number):  # in place of a time, to know the first packet again
            self.pictures += 1
            if self._sets is None or self._sets.codec != picture.unit.codec:
                self._sets = ParameterSets(picture.unit.codec)
            self._sets.learn(picture.unit.nals)
            if picture.unit.key:
                self._begin_with(picture.arrived_ns)
        if self._kept_size > KEPT_SIZE_MAX or len(self._kept) > KEPT_PACKETS_MAX:
            self._forget()

    def _begin_with(self, first: int) -> None:
        """The kept packets begin with this one, the first of a key picture."""
        if not self._kept or self._kept[0].number > first:
            return  # it was too large to be kept
        if self.content is Content.MPEG_TS:
            first = max((kept.number for kept in self._kept if kept.table and kept.number <= first), default=first)
        while self._kept[0].number < first:
            self._kept_size -= len(self._kept.popleft().packet)
        self._since_key = True

    def _forget(self) -> None:
        self._kept.clear()
        self._kept_size, self._since_key = 0, False

    def _has_table(self, packet: bytes) -> bool:
        if self.content is not Content.MPEG_TS:
            return False
        begins = range(len(packet) % PACKET_SIZE, len(packet), PACKET_SIZE)
        return any(not packet[at + 1] & 0x1F and not packet[at + 2] for at in begins)


def _is_shared(form: Form) -> bool:
    return form.content in SHARED and (form.payload_type is not None or form.content is Content.MPEG_TS)


def _is_rtcp(datagram: bytes) -> bool:
    return len(datagram) > 1 and datagram[1] in RTCP_TYPES


def _pressed(kept: list[_Kept]) -> list[bytes]:
    """The same order of pictures, a tick apart, with the newest at its own time."""
    last = kept[-1].timestamp
    half = TIMESTAMPS // 2
    ages = [(last - one.timestamp + half) % TIMESTAMPS - half for one in kept]
    rank = {age: place for place, age in enumerate(sorted(set(ages)))}
    newest = last - min(ages)
    return [retimed(one.packet, newest - rank[age] * APART) for one, age in zip(kept, ages, strict=True)]
