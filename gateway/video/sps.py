"""SPS: what a sequence parameter set says of a stream to a program that shows it: its codec string and its size.

What lives here: H.264 section 7.3.2.1.1 and H.265 section 7.3.2.2, as far as the size. What must not: trust. A set may say
anything: what cannot be read, or is larger than any picture that a decoder takes, raises Damaged.
"""

from __future__ import annotations

from typing import NamedTuple

from gateway.video.damage import Damage, Damaged
from gateway.video.nal import KINDS, Codec, kind

SIDE_MAX = 16_384  # pixels; level 6.2 of both codecs has less
READ_MAX = 512  # bytes of a set that are read; the size is among the first
_SPS: dict[Codec, int] = {"h264": 7, "h265": 33}
_WITH_CHROMA = frozenset((100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135))  # profiles (section 7.3.2.1.1)
_GOLOMB_ZEROS_MAX = 32
_FULL_CHROMA = 3  # chroma_format_idc of 4:4:4
_SMALL_LISTS, _SMALL, _LARGE = 6, 16, 64  # the first six scaling lists are those of 4x4 blocks
_CHROMA = {0: (1, 1), 1: (2, 2), 2: (2, 1), 3: (1, 1)}  # SubWidthC, SubHeightC by chroma_format_idc (table 6-1)


class Sequence(NamedTuple):
    """`codec_string`: RFC 6381, as browsers want it; the size in pixels, as it is shown."""

    codec_string: str
    width: int
    height: int


def is_sps(codec: Codec, nal: bytes) -> bool:
    return len(nal) > KINDS[codec].header_size and kind(codec, nal) == _SPS[codec]


def read(codec: Codec, nal: bytes) -> Sequence:
    """Of a whole NAL unit with its header. Raises Damaged."""
    bits = Bits(without_emulation(nal[KINDS[codec].header_size : READ_MAX]))
    found = _h264(bits) if codec == "h264" else _h265(bits)
    if not (0 < found.width <= SIDE_MAX and 0 < found.height <= SIDE_MAX):
        raise Damaged(Damage.CONFIGURATION)
    return found


def without_emulation(data: bytes) -> bytes:
    """Without the bytes that keep start codes away (H.264 section 7.4.1.1, H.265 section 7.4.2.1)."""
    return data.replace(b"\0\0\3", b"\0\0")


class Bits:
    """Reads from the most significant bit on. Raises Damaged past the end."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "big"), 8 * len(data)

    def take(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            raise Damaged(Damage.CONFIGURATION)
        return self._value >> self._left & (1 << count) - 1

    def golomb(self) -> int:
        """ue(v), H.264 section 9.1."""
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > _GOLOMB_ZEROS_MAX:
                raise Damaged(Damage.CONFIGURATION)
        return (1 << zeros) - 1 + self.take(zeros)

    def signed_golomb(self) -> int:
        """se(v), section 9.1.1."""
        value = self.golomb()
        return (value + 1) // 2 if value % 2 else -(value // 2)


def _h264(bits: Bits) -> Sequence:
    profile, constraints, level = bits.take(8), bits.take(8), bits.take(8)
    bits.golomb()  # seq_parameter_set_id
    chroma = _chroma_of_h264(bits) if profile in _WITH_CHROMA else 1
    bits.golomb()  # log2_max_frame_num_minus4
    _picture_order(bits)
    bits.golomb()  # max_num_ref_frames
    bits.take(1)
    width = 16 * (bits.golomb() + 1)
    units = bits.golomb() + 1
    frames_only = bits.take(1)
    if not frames_only:
        bits.take(1)
    height = 16 * units * (2 - frames_only)
    bits.take(1)
    across, down = _CHROMA.get(chroma, (1, 1))
    width, height = _cropped(bits, width, height, across, down * (2 - frames_only))
    return Sequence(f"avc1.{profile:02x}{constraints:02x}{level:02x}", width, height)


def _chroma_of_h264(bits: Bits) -> int:
    chroma = bits.golomb()
    if chroma == _FULL_CHROMA:
        bits.take(1)  # separate_colour_plane_flag
    bits.golomb()
    bits.golomb()
    bits.take(1)
    if bits.take(1):  # seq_scaling_matrix_present_flag
        for which in range(12 if chroma == _FULL_CHROMA else 8):
            if bits.take(1):
                _scaling_list(bits, _SMALL if which < _SMALL_LISTS else _LARGE)
    return chroma


def _scaling_list(bits: Bits, size: int) -> None:
    """Section 7.3.2.1.1.1."""
    last, following = 8, 8
    for _ in range(size):
        if following:
            following = (last + bits.signed_golomb()) % 256
        last = following or last


def _picture_order(bits: Bits) -> None:
    kind_of_order = bits.golomb()
    if kind_of_order == 0:
        bits.golomb()
    elif kind_of_order == 1:
        bits.take(1)
        bits.signed_golomb()
        bits.signed_golomb()
        for _ in range(min(bits.golomb(), 255)):
            bits.signed_golomb()


def _cropped(bits: Bits, width: int, height: int, across: int, down: int) -> tuple[int, int]:
    if not bits.take(1):
        return width, height
    left, right, top, bottom = (bits.golomb() for _ in range(4))
    return width - across * (left + right), height - down * (top + bottom)


def _h265(bits: Bits) -> Sequence:
    bits.take(4)
    layers = bits.take(3)
    bits.take(1)
    codec_string = _tier(bits)
    _skip_layers(bits, layers)
    bits.golomb()  # sps_seq_parameter_set_id
    chroma = bits.golomb()
    if chroma == _FULL_CHROMA:
        bits.take(1)
    width, height = bits.golomb(), bits.golomb()
    across, down = _CHROMA.get(chroma, (1, 1))
    return Sequence(codec_string, *_cropped(bits, width, height, across, down))


def _tier(bits: Bits) -> str:
    """profile_tier_level (section 7.3.3), in the form of ISO 14496-15 annex E.3."""
    space, tier, profile = bits.take(2), bits.take(1), bits.take(5)
    compatible = int(f"{bits.take(32):032b}"[::-1], 2)
    constraints = bits.take(48).to_bytes(6, "big").rstrip(b"\0")
    level = bits.take(8)
    parts = [
        f"{' ABC'[space].strip()}{profile}",
        f"{compatible:X}",
        f"{'LH'[tier]}{level}",
        *(f"{c:X}" for c in constraints),
    ]
    return ".".join(["hvc1", *parts])


def _skip_layers(bits: Bits, layers: int) -> None:
    present = [(bits.take(1), bits.take(1)) for _ in range(layers)]
    if layers:
        bits.take(2 * (8 - layers))
    for profile, level in present:
        bits.take(88 * profile + 8 * level)
