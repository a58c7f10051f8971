"""Pictures: what a lane of video shows, out of its datagrams, for a viewer that may come at any time.

What lives here: which form a lane has, which pictures are damaged, the pictures that a new viewer needs, and the limits of
all that. What must not: the parsers (gateway.video), viewers, clocks: the time of each datagram is an argument.

Every byte may come from a hostile camera or aircraft. A damaged picture goes on, and is marked with how much is missing.
"""

from __future__ import annotations

from typing import NamedTuple

from gateway.video import sps
from gateway.video.annexb import START_CODE
from gateway.video.damage import Damage, Damaged
from gateway.video.nal import KINDS, AccessUnit, Codec, kind
from gateway.video.parameter_sets import ParameterSets
from gateway.video.recognise import Content, Form, recognise
from gateway.video.sps import Sequence
from gateway.video.stream_pictures import SECOND_NS, StreamPictures
from gateway.video.stream_pictures import Picture as Shown

FORM_KNOWN_AFTER, FORM_KNOWN_AFTER_S = 24, 0.3  # datagrams; with fewer, after this time and at least
FORM_KNOWN_LEAST = 6
GATHERED_MAX = 64  # datagrams, while the form is not known; then they are forgotten, and the next ones are looked at
UNFIT_AFTER = 200  # datagrams without a picture, all of which were left out: the form is another one by now
KEPT_PICTURES_MAX, KEPT_SIZE_MAX = 900, 8 << 20  # since the last key picture: half a minute, or 20 s at 3 Mbit/s
TIMESTAMPS = 1 << 32
_CUT = (Damage.FRAGMENT_LOST, Damage.PAUSE_IN_UNIT, Damage.PICTURE_TOO_LARGE, Damage.UNIT_TOO_LONG)
_SEI: dict[Codec, int] = {"h264": 6, "h265": 39}
_MARKER = 0x80  # of RTP: the last packet of a picture
_RECOVERY_POINT = 6  # payloadType (H.264 section D.1.1, H.265 section D.2.1)
_LONG_START_CODE = b"\0" + START_CODE


class Picture(NamedTuple):
    """One access unit in decoding order.

    `key`        a decoder can begin here; parameter sets precede it
    `timestamp`  when it is shown, in 1/90,000 s, the low 32 bits of a count that continues when the camera restarts
    `lost`       packets that are missing in it, or just before it
    `arrived`    of its last datagram, as `PictureStream.take` was told
    """

    nals: list[bytes]
    codec: Codec
    key: bool
    timestamp: int
    lost: int
    arrived: float

    @property
    def damaged(self) -> bool:
        return self.lost > 0

    @property
    def annexb(self) -> bytes:
        """The byte stream of annex B, which decoders take."""
        return _LONG_START_CODE + _LONG_START_CODE.join(self.nals)


class PictureStream:
    """One lane of one aircraft.

    `codec`         None until it is known
    `sequence`      codec string and size, by the newest SPS; None until one came that can be read
    `since_key`     the pictures since the last key picture; empty if they are too many
    `pictures`, `damaged`, `lost`  counts since the beginning, `lost` in packets
    """

    def __init__(self) -> None:
        self.pictures = self.damaged = self.lost = self.unread_sps = 0
        self.since_key: list[Picture] = []
        self.sequence: Sequence | None = None
        self._kept_size = 0
        self._gathered: list[tuple[bytes, int]] = []  # with the time of each
        self._form: Form | None = None
        self._reader = StreamPictures(Form(Content.UNKNOWN))
        self._missing = self._cut = 0  # of the reader, when the last picture was complete
        self._left_out = self._idle = 0  # of the reader; datagrams since the last picture
        self._sets: ParameterSets | None = None
        self._sps = b""
        self._last_ns = 0

    @property
    def codec(self) -> Codec | None:
        return self._sets.codec if self._sets else None

    @property
    def codec_string(self) -> str:
        return self.sequence.codec_string if self.sequence else ""

    @property
    def parameter_sets(self) -> list[bytes]:
        """The newest ones, in the order in which a decoder needs them."""
        return self._sets.newest() if self._sets else []

    @property
    def unrecognised(self) -> bool:
        """Datagrams come, and are neither RTP with H.264 or H.265, nor MPEG-TS."""
        return self._form is None and self._idle >= FORM_KNOWN_AFTER

    @property
    def is_transport_stream(self) -> bool:
        return self._form is not None and self._form.content is Content.MPEG_TS

    def begin_anew(self) -> None:
        """Another session of the aircraft: no picture refers to one of before. The form is most likely the same."""
        if self._form is not None:
            self._read_as(self._form)
        self._gathered.clear()
        self._sets, self.sequence, self._sps = None, None, b""
        self._forget_kept()

    def take(self, datagram: bytes, at: float) -> list[Picture]:
        """The pictures that are complete now. `at` in seconds of a clock; a time that goes back counts as the last one."""
        before_ns, self._last_ns = self._last_ns, max(round(at * SECOND_NS), self._last_ns)
        self._idle += 1
        if self._form is None:
            return self._recognised(datagram)
        found = self._reader.feed(datagram, self._last_ns)
        if found:
            self._idle = 0
            return self._take_all(found, datagram, before_ns)
        if self._idle % UNFIT_AFTER == 0:
            self._look_whether_fit()
        return []

    # --- which form ---

    def _recognised(self, datagram: bytes) -> list[Picture]:
        self._gathered.append((datagram, self._last_ns))
        count, since_ns = len(self._gathered), self._last_ns - self._gathered[0][1]
        slow = count >= FORM_KNOWN_LEAST and since_ns > FORM_KNOWN_AFTER_S * SECOND_NS
        if count % FORM_KNOWN_AFTER and not slow:
            return []
        form = recognise(data for data, _ in self._gathered)
        if form.content is Content.UNKNOWN:
            if count >= GATHERED_MAX:
                self._gathered.clear()
            return []
        self._read_as(form)
        gathered, self._gathered = self._gathered, []
        self._last_ns = gathered[0][1]
        return [picture for data, at_ns in gathered for picture in self.take(data, at_ns / SECOND_NS)]

    def _read_as(self, form: Form) -> None:
        self._form, self._reader = form, StreamPictures(form)
        self._missing = self._cut = self._left_out = self._idle = 0

    def _look_whether_fit(self) -> None:
        """A camera was exchanged for one of another form: then all that comes is left out."""
        left_out = self._reader.damage.total()
        if left_out - self._left_out >= UNFIT_AFTER:
            self._form = None
            self.begin_anew()
        self._left_out = left_out

    # --- pictures ---

    def _take_all(self, found: list[Shown], datagram: bytes, before_ns: int) -> list[Picture]:
        """Those that one datagram completed. One without an end of its own was complete with the datagram before."""
        assert self._reader is not None
        damage = self._reader.damage
        cut, missing = sum(damage[one] for one in _CUT), self._reader.lost
        lost = max(missing - self._missing, int(cut > self._cut))
        ended = self._form is not None and self._form.payload_type is not None and bool(datagram[1] & _MARKER)
        out = []
        for number, shown in enumerate(found):
            last = ended and number == len(found) - 1
            if self._has_slice(shown.unit):
                out.append(self._picture(shown, lost, (self._last_ns if last else before_ns) / SECOND_NS))
                self.lost += lost
                lost = 0
            elif self._sets is not None:
                self._sets.learn(shown.unit.nals)
        self._missing, self._cut = missing - lost, cut  # what is left is in front of the next picture
        return out

    def _has_slice(self, unit: AccessUnit) -> bool:
        """Without one it is the parameter sets of a picture whose slices are lost: a decoder fails at it."""
        return not KINDS[unit.codec].slices.isdisjoint(kind(unit.codec, nal) for nal in unit.nals)

    def _picture(self, shown: Shown, lost: int, arrived: float) -> Picture:
        unit = shown.unit
        if self._sets is None or self._sets.codec != unit.codec:
            self._sets, self.sequence, self._sps = ParameterSets(unit.codec), None, b""
            self._forget_kept()
        begins = unit.key or (not self.since_key and self._may_begin(unit))
        nals = self._sets.completed(unit.nals, begins=begins)
        self._read_sps(nals)
        key = begins and self._sets.complete
        picture = Picture(nals, unit.codec, key, shown.shown % TIMESTAMPS, lost, arrived)
        self.pictures += 1
        self.damaged += picture.damaged
        self._keep(picture)
        return picture

    def _read_sps(self, nals: list[bytes]) -> None:
        """A new size or profile is that of the pictures from here on."""
        for nal in nals:
            if nal != self._sps and self.codec and sps.is_sps(self.codec, nal):
                self._sps = nal
                try:
                    self.sequence = sps.read(self.codec, nal)
                except Damaged:
                    self.unread_sps += 1

    def _may_begin(self, unit: AccessUnit) -> bool:
        """Cameras that refresh a part of each picture send no key picture. Some say where a decoder may begin, the others
        repeat their parameter sets there."""
        kinds = KINDS[unit.codec]
        return any(
            kind(unit.codec, nal) in kinds.parameters
            or (kind(unit.codec, nal) == _SEI[unit.codec] and nal[kinds.header_size] == _RECOVERY_POINT)
            for nal in unit.nals
            if len(nal) > kinds.header_size
        )

    def _keep(self, picture: Picture) -> None:
        if picture.key:
            self._forget_kept()
        elif not self.since_key:
            return
        self.since_key.append(picture)
        self._kept_size += sum(map(len, picture.nals))
        if len(self.since_key) > KEPT_PICTURES_MAX or self._kept_size > KEPT_SIZE_MAX:
            self._forget_kept()

    def _forget_kept(self) -> None:
        self.since_key, self._kept_size = [], 0
