"""The fuzz law: whatever a parser is given, it accepts or refuses as its docstring says. Nothing else comes out of it.

Each parser is fed its samples whole, cut at each byte and with each bit flipped, then seeded damage and plain random
bytes: a few seconds here, millions of inputs under `make soak`.
"""

from __future__ import annotations

import dataclasses
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from firmware_shims import addresses, heartbeat, mavlink, msp, tlog, vendor_feed
from firmware_shims.msp_session import MspSession
from firmware_shims.tlog import TlogError
from firmware_shims.vendor_feed import WrongRecord
from gateway.core import bundle, order_fragments, sframe, wire
from gateway.core.fragment import split
from gateway.core.order_fragments import Gathering
from gateway.core.wire import Kind
from gateway.sources import rtmp_amf0
from gateway.sources.rtmp_refusal import Refused
from gateway.video import length_prefixed, rtp, sdp, sps
from gateway.video.damage import Damaged
from keys import announcement, beat, certificate, cose, grant, recording_header, statement
from keys.announcement import Announcement
from keys.beat import Beat
from keys.cose import Signer
from keys.errors import GrantError, KeysError, MalformedMessage
from keys.folders import guard_file, recording_public, roots, station_public
from keys.folders.recording_public import RecordingPublic
from keys.folders.station_public import StationPublic
from keys.grant import Profile
from keys.order import VerifiedOrder, claimed_hash
from keys.statement import Statement
from tests import agency
from tests.guarded import filled
from tests.hostile import media
from tests.hostile.mutation import cuts, flips, mutated, strange_cbor
from tests.memory_link import mavlink_frame
from tests.msp_peer import BETAFLIGHT, INAV
from tests.msp_peer import reply as msp_reply

KEY = Ed25519PrivateKey.generate()
PUBLIC = KEY.public_key()
SEED = grant.generate(Profile.X25519, os.urandom)
HEADER = Announcement(bytes(range(16)), bytes(32), 1, 1, 5, {}, b"")
STATION = grant.public_bytes(Profile.X25519, SEED)
ANNOUNCED = announcement.seal(HEADER, Profile.X25519, STATION, {0x101: bytes(32)}, bytes(32))
BEAT = Beat(
    bytes(16), 7, bytes(8), 1, {0x101: 9, 0x701: 3}, 1_700_000_000, {1: bytes(8)}, {1: [bytes(16)]}, 900, 1, 60_000, {1: 2}
)
STATED = Statement(bytes(32), 0, bytes(32), 5, 1_700_000_000)
RECORDED = recording_header.seal(agency.order(), bytes(32), bytes(range(16)), bytes(16), bytes(32), 1, 60_000_000).payload()
FRAMES = [mavlink_frame(random.Random(i), i) for i in range(3)]


@dataclasses.dataclass(frozen=True)
class Parser:
    """`samples` are accepted whole; `refusals` are the only exceptions that may come out; None is a refusal too."""

    parse: Callable[[bytes], object]
    samples: tuple[bytes, ...]
    refusals: tuple[type[Exception], ...] = ()
    soak: int = 200_000

    def accepts(self, data: bytes) -> bool:
        try:
            return self.parse(data) is not None
        except self.refusals:
            return False


def payload_of(message: bytes) -> bytes:
    return cose.parse_sign1(message).payload


def verified(kind: ModuleType) -> Callable[[bytes], object]:
    """A message as it comes from the air."""
    return lambda message: kind.verify(cose.parse_sign1(message), PUBLIC)


def signed(kind: ModuleType) -> Callable[[bytes], object]:
    """A payload, signed: the holder of the key is malicious, and the field checks are all that is left."""
    kids = {statement: bytes([STATED.device_index]), beat: BEAT.session_id[:8], announcement: ANNOUNCED.session_id[:8]}
    unprotected = {cose.HEADER_KID: kids[kind]}
    return lambda payload: kind.verify(cose.parse_sign1(cose.sign1(payload, kind.TYP, KEY, unprotected)), PUBLIC)


def recording_signed(payload: bytes) -> bytes:
    """What `zegel air` signs for the recorder."""
    return recording_header.sign(payload, KEY, bytes(range(16)), bytes(32))


def granted(plain: bytes) -> object:
    """The content of a grant from a malicious aircraft."""
    sealed = grant.seal(Profile.X25519, STATION, ANNOUNCED.info(), plain)
    return dataclasses.replace(ANNOUNCED, sealed=sealed).open(Profile.X25519, SEED)


def unsealed(sealed: bytes) -> bytes:
    return grant.unseal(Profile.X25519, SEED, ANNOUNCED.info(), sealed)


def gathered(fragment: bytes) -> object:
    """The last piece: the others are there already."""
    gathering = Gathering()
    for other in FRAGMENTS[1:] if fragment[16:17] == b"\0" else FRAGMENTS[:1]:
        gathering.add(other)
    return gathering.add(fragment)


def framed(data: bytes) -> list[bytes]:
    """A line that is cut anywhere and falls silent; every byte is accounted for."""
    framer, half = mavlink.Framer(), len(data) // 2
    frames = framer.feed(data[:half]) + framer.feed(data[half:]) + framer.end_of_burst()
    assert sum(map(len, frames)) + framer.skipped_bytes + len(framer._rest) == len(data)
    return frames


def leaves(data: bytes) -> list[bytes]:
    """From a flight controller's line to the ground control station, past the judgement and both changes."""
    out = []
    for frame in framed(data):
        held = addresses.held(frame) if addresses.is_watched(frame) else None
        left = frame if held is None else addresses.marked(frame)
        out += [] if left is None else [bytes(addresses.at_station(left, (5600, 5604)))]
    return out


STREAMS = tuple(
    filled("VIDEO_STREAM_INFORMATION", {"uri": uri, "stream_id": 1}, flags=flags)
    for uri, flags in ((b"rtsp://a", 0), (b"zegel:b", 0), (b"rtsp://a", 1), (b"5600", 0))
)
GUARD = b'[guard.technician]\nbase = "pilot"\nallow = ["LOG_ERASE"]\nblock_param = ["FS_*"]\nrate = 50\n'


def datagram_framed(data: bytes) -> list[bytes]:
    framer = mavlink.Framer()
    frames = framer.datagrams([data])
    assert sum(map(len, frames)) + framer.skipped_bytes + len(framer._rest) == len(data)
    for frame in frames:
        heartbeat.read(frame)
        mavlink.key(frame)
    return frames


def msp_replies(data: bytes) -> list[msp.Reply] | None:
    """A line that is cut anywhere; every byte is accounted for."""
    parser, half = msp.Parser(), len(data) // 2
    replies = parser.feed(data[:half]) + parser.feed(data[half:])
    assert parser.skipped_bytes + len(parser._rest) <= len(data)
    return replies or None


def told_by_msp(says: dict[int, bytes]) -> Callable[[bytes], object]:
    """A flight controller that has said who it is, and then says this."""

    def parse(data: bytes) -> object:
        session = MspSession(1, {})
        for command in (2, 3, 119, 108, 109):
            session.requests(float(command))
            session.receive(msp_reply(command, says[command]), float(command))
        assert session.firmware
        session.requests(200.0)  # an answer counts only if it was asked for
        frames = session.receive(data, 200.0)
        assert all(mavlink.Framer().feed(frame) == [frame] for frame in frames)
        return frames or None

    return parse


def parsed_in_batch(kid_size: int) -> Callable[[bytes], object]:
    """The function of the data path, which may differ from the reference only for a CTR of five bytes and more."""
    first, longest = 0x80 | kid_size - 1 << 4, 1 + kid_size + sframe.CTR_BYTES_MAX

    def parse(data: bytes) -> object:
        if len(data) < longest or data[0] >> 4 != first >> 4:
            return None
        heads = np.frombuffer(data[:longest], np.uint8)[np.newaxis]
        kid, ctr, size, good = (column.item() for column in sframe.parse(heads, kid_size))
        try:
            reference = sframe.decode_header(data[:longest])
        except ValueError:
            reference = None
        assert (reference == (kid % (1 << 64), ctr, size)) if good else reference is None
        return good or None

    return parse


def agency_roots(data: bytes) -> object:
    return roots.require_agency(roots.certificates(data), "root.crt")


def station_file(data: bytes) -> object:
    return station_public.parse(data, "station.pub")


def recording_file(data: bytes) -> object:
    return recording_public.parse(data, "rec.pub")


HEADERS = [sframe.encode_header(kid, ctr) for kid in (0, 9, 0x1A4, 1 << 63) for ctr in (0, 9, 1 << 20, 1 << 63)]
DOWNLINK = [sframe.encode_header(0x1A4, ctr) + bytes(20) for ctr in (0, 9, 1_000, 1 << 20, 1 << 27)]
UPLINK = [sframe.encode_header(0x1334A70102030405, ctr) + bytes(20) for ctr in (0, 9, 1_000, 1 << 20, 1 << 27)]
CONTROL = split(Kind.ANNOUNCEMENT, bytes(1_200)) + split(Kind.BEAT, b"b")
LINE = (b"".join(FRAMES), FRAMES[0])
ORDER = cose.sign(b"p", "zegel-order", [Signer(KEY, (b"leaf", b"root"))])
LARGE = cose.sign(bytes(order_fragments.PIECE_MAX), "zegel-order", [Signer(KEY, (b"leaf", b"root"))])
FRAGMENTS = tuple(order_fragments.split(VerifiedOrder(agency.order(), claimed_hash(LARGE), 1, LARGE)))

ROOT_CRT = certificate.pem(agency.harbour().root)
REQUEST = certificate.make_request("drone-7", KEY)
PUBLIC_FILE = StationPublic("pilot", "Harbour Police", Profile.X25519, STATION)
RECORDING_FILE = RecordingPublic("archive", Profile.X25519, STATION)

# Replies of which a message is made.
_SAID_BY_BETAFLIGHT = tuple(msp_reply(command, BETAFLIGHT[command]) for command in (150, 106, 108, 109, 110))
_SAID_BY_INAV = tuple(msp_reply(command, INAV[command]) for command in (0x2000, 0x2002, 106, 108, 109))

PARSERS = {
    "CBOR": Parser(
        cose.loads, (cose.dumps({1: [b"a", "b", None, True]}), payload_of(BEAT.sign(KEY))), (MalformedMessage,), 1_000_000
    ),
    "COSE_Sign1": Parser(cose.parse_sign1, (BEAT.sign(KEY), STATED.sign(KEY)), (MalformedMessage,), 500_000),
    "COSE_Sign": Parser(cose.parse_sign, (ORDER,), (MalformedMessage,), 500_000),
    "statement": Parser(verified(statement), (STATED.sign(KEY),), (KeysError,)),
    "statement, signed": Parser(signed(statement), (STATED.payload(),), (MalformedMessage,)),
    "announcement": Parser(verified(announcement), (ANNOUNCED.sign(KEY),), (KeysError,)),
    "announcement, signed": Parser(signed(announcement), (payload_of(ANNOUNCED.sign(KEY)),), (MalformedMessage,)),
    "beat": Parser(verified(beat), (BEAT.sign(KEY),), (KeysError,)),
    "beat, signed": Parser(signed(beat), (payload_of(BEAT.sign(KEY)),), (MalformedMessage,)),
    "recording header": Parser(
        lambda message: recording_header.verify(message, PUBLIC), (recording_signed(RECORDED),), (KeysError,)
    ),
    "recording header, to be signed": Parser(recording_signed, (RECORDED,), (MalformedMessage,)),
    "grant": Parser(unsealed, (ANNOUNCED.sealed,), (GrantError,), 100_000),
    "grant, sealed": Parser(granted, (unsealed(ANNOUNCED.sealed),), (GrantError, MalformedMessage), 100_000),
    "root.crt": Parser(
        agency_roots, (ROOT_CRT, ROOT_CRT + certificate.pem(agency.harbour_later().root)), (KeysError,), 50_000
    ),
    "device.csr": Parser(
        certificate.load_request, (certificate.pem(REQUEST), certificate.der(REQUEST)), (KeysError,), 100_000
    ),
    "station.pub": Parser(station_file, (PUBLIC_FILE.encode(),), (KeysError,), 100_000),
    "rec.pub": Parser(recording_file, (RECORDING_FILE.encode(),), (KeysError,), 100_000),
    "control datagram": Parser(wire.parse_control, tuple(CONTROL), (), 1_000_000),
    "SFrame header": Parser(sframe.decode_header, tuple(HEADERS), (ValueError,), 1_000_000),
    "downlink header": Parser(parsed_in_batch(2), tuple(DOWNLINK), (), 300_000),
    "uplink header": Parser(parsed_in_batch(8), tuple(UPLINK), (), 300_000),
    "MAVLink line": Parser(framed, LINE, (), 500_000),
    "MAVLink datagram": Parser(datagram_framed, LINE, (), 500_000),
    "MSP line": Parser(msp_replies, (*map(msp_reply, INAV, INAV.values()), msp_reply(3, b"1", inside=True)), (), 1_000_000),
    "Betaflight by MSP": Parser(told_by_msp(BETAFLIGHT), _SAID_BY_BETAFLIGHT, (), 1_000_000),
    "iNav by MSP": Parser(told_by_msp(INAV), _SAID_BY_INAV, (), 1_000_000),
    "frame that leaves": Parser(leaves, STREAMS, (), 1_000_000),
    "telemetry log": Parser(lambda data: list(tlog.frames(data)), (bytes(8) + FRAMES[0], b""), (TlogError,), 1_000_000),
    "guard.toml": Parser(lambda data: guard_file.parse(data, Path("guard.toml")), (GUARD,), (KeysError,), 100_000),
    "bundle": Parser(mavlink.split, (LINE[0] + bytes(30), bytes(9)), (ValueError,), 1_000_000),
    "order's name": Parser(claimed_hash, (ORDER, LARGE), (), 1_000_000),
    "order fragment": Parser(gathered, FRAGMENTS, (ValueError,), 500_000),
    "Annex B of H.264": Parser(media.split("h264"), (media.STREAMS["h264"],), (), 1_000_000),
    "Annex B of H.265": Parser(media.split("h265"), (media.STREAMS["h265"],), (), 1_000_000),
    "RTP packet": Parser(rtp.parse, (*media.PACKETS["h264"], media.EXTENDED), (Damaged,), 1_000_000),
    "H.264 by RTP": Parser(media.depacketised("h264"), media.PACKETS["h264"][-1:], (), 3_000_000),
    "H.265 by RTP": Parser(media.depacketised("h265"), media.PACKETS["h265"][-1:], (), 3_000_000),
    "MPEG-TS": Parser(media.pieces, (media.TS,), (), 1_000_000),
    "pictures in MPEG-TS": Parser(media.transported, (media.TRANSPORT,), (), 3_000_000),
    "a stream of some form": Parser(
        media.recognised,
        (*media.PACKETS["h264"], *media.PACKETS["h265"], media.TRANSPORT, *media.STREAMS.values()),
        (),
        1_000_000,
    ),
    "SPS of H.264": Parser(lambda data: sps.read("h264", data), media.SEQUENCES["h264"], (Damaged,), 1_000_000),
    "SPS of H.265": Parser(lambda data: sps.read("h265", data), media.SEQUENCES["h265"], (Damaged,), 1_000_000),
    "a lane of video for a viewer": Parser(media.viewed, (*media.PACKETS["h264"], media.TRANSPORT), ()),
    "frame of an aircraft on a screen": Parser(media.said, media.FRAMES, (), 1_000_000),
    "SDP": Parser(lambda data: sdp.read(data.decode("latin-1")), media.DESCRIPTIONS, (Damaged,), 1_000_000),
    "avcC": Parser(length_prefixed.avc_configuration, (media.RECORDS["h264"],), (Damaged,), 1_000_000),
    "hvcC": Parser(length_prefixed.hevc_configuration, (media.RECORDS["h265"],), (Damaged,), 1_000_000),
    "H.264 with lengths": Parser(media.units("h264"), (media.BODIES["h264"],), (Damaged,), 1_000_000),
    "H.265 with lengths": Parser(media.units("h265"), (media.BODIES["h265"],), (Damaged,), 1_000_000),
    "FLV video tag": Parser(media.tagged, media.TAGS, (), 1_000_000),
    "AMF 0": Parser(rtmp_amf0.decode, (media.AMF,), (Refused,), 1_000_000),
    "RTMP publisher": Parser(media.published, media.PUBLISHED, (Refused,), 1_000_000),
    "vendor's record": Parser(vendor_feed.parse, media.VENDOR, (WrongRecord,), 1_000_000),
    "RTSP reader": Parser(media.asked, (media.ASKED,), (), 1_000_000),
    "a lane that is shared": Parser(media.shared, (media.TS, *media.PACKETS["h264"], media.EXTENDED), (), 300_000),
    "padded video": Parser(bundle.video_length, (b"v\x80\0\0", b"\x80"), (ValueError,), 1_000_000),
}
NAMES = pytest.mark.parametrize("name", PARSERS)


def random_inputs(name: str, seed: int, count: int) -> Iterator[bytes]:
    rng, samples = random.Random(f"{name} {seed}"), PARSERS[name].samples
    for _ in range(count):
        kind = rng.random()
        if kind < 0.7:
            yield mutated(rng, samples)
        elif kind < 0.9:
            yield strange_cbor(rng)
        else:
            yield rng.randbytes(rng.randrange(300))


@NAMES
def test_its_samples_whole(name: str):
    for sample in PARSERS[name].samples:
        assert PARSERS[name].accepts(sample)


@NAMES
def test_cut_at_each_byte_and_with_each_bit_flipped(name: str):
    parser = PARSERS[name]
    for sample in parser.samples:
        for data in (*cuts(sample[:400]), *flips(sample[:400])):
            parser.accepts(data)


@NAMES
def test_damaged_and_random(name: str):
    for data in random_inputs(name, seed=0, count=2_000):
        PARSERS[name].accepts(data)


@pytest.mark.parametrize("name", ["statement", "announcement", "beat", "recording header"])
def test_a_signature_covers_all_but_the_unprotected_header(name: str):
    (sample,) = PARSERS[name].samples
    real = cose.parse_sign1(sample)
    for data in (*cuts(sample), *flips(sample)):
        if PARSERS[name].accepts(data):
            other = cose.parse_sign1(data)
            assert dataclasses.replace(other, unprotected=real.unprotected) == real


def test_a_grant_is_sealed_whole():
    assert not any(map(PARSERS["grant"].accepts, (*cuts(ANNOUNCED.sealed), *flips(ANNOUNCED.sealed))))


@pytest.mark.soak
@NAMES
def test_soak(name: str, figure):
    parser, accepted = PARSERS[name], 0
    for data in random_inputs(name, seed=1, count=parser.soak):
        accepted += parser.accepts(data)
    figure(f"{name}: {parser.soak} inputs, {accepted} of them accepted")
