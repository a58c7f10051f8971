"""The framer against pymavlink, which encodes independently and, where it can, parses the same stream."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastcrc.crc16 import mcrf4xx
from pymavlink.dialects.v10 import ardupilotmega as v1
from pymavlink.dialects.v20 import ardupilotmega as v2

from firmware_shims import mavlink
from firmware_shims.mavlink import FRAME_MAX, Framer
from tests import guarded

FLIGHT = Path(__file__).parents[3].parent / "shared" / "data" / "arducopter-flight.tlog"
QUIET = bytes(i for i in range(256) if i not in (0xFD, 0xFE))  # noise that never looks like a start


class Sender:
    """An encoder of one kind of frame, whose messages follow a seed."""

    def __init__(self, seed: int, dialect: Any, *, signed: bool = False) -> None:
        self.rng = random.Random(seed)
        self.mav = dialect.MAVLink(None, srcSystem=7, srcComponent=1)
        if signed:
            self.mav.signing.secret_key = self.rng.randbytes(32)
            self.mav.signing.sign_outgoing = True
            self.mav.signing.timestamp = 1

    def frame(self) -> bytes:
        rng, mav = self.rng, self.mav
        message = rng.choice(
            (
                lambda: mav.heartbeat_encode(2, 3, rng.randrange(256), 0, 4, 3),
                lambda: mav.attitude_encode(rng.getrandbits(32), *(rng.uniform(-3, 3) for _ in range(6))),
                lambda: mav.statustext_encode(rng.randrange(8), rng.randbytes(rng.randrange(1, 50))),
                lambda: mav.param_value_encode(b"RATE", rng.random(), 9, 1333, rng.randrange(1333)),
                lambda: mav.gps_inject_data_encode(1, 1, 110, list(rng.randbytes(110))),
                lambda: mav.file_transfer_protocol_encode(0, 1, 1, list(rng.randbytes(251))),
                lambda: mav.system_time_encode(0, 0),
            )
        )()
        frame = bytes(message.pack(mav))
        mav.seq = (mav.seq + 1) % 256
        return frame


def stream(seed: int, count: int) -> list[bytes]:
    """MAVLink 1, MAVLink 2 and signed frames, mixed as on a line behind a router."""
    senders = [Sender(seed, v1), Sender(seed + 1, v2), Sender(seed + 2, v2, signed=True)]
    return [random.Random(seed + i).choice(senders).frame() for i in range(count)]


def unfitting(frame: bytes) -> bytes:
    """The frame with a checksum that no CRC_EXTRA explains."""
    for low in range(256):
        wrong = frame[:-2] + bytes([low, frame[-1] ^ 0x55])
        if not mavlink._checksum_fits(wrong):
            return wrong
    raise AssertionError


def fed(framer: Framer, data: bytes, chunk: int) -> list[bytes]:
    """All frames of `data` when the line gives `chunk` bytes at a time and then falls silent."""
    frames = [frame for at in range(0, len(data), chunk) for frame in framer.feed(data[at : at + chunk])]
    return frames + framer.end_of_burst()


def accounted(framer: Framer, data: bytes, frames: list[bytes]) -> bool:
    """Every byte is in a frame, counted as noise, or waits."""
    return sum(map(len, frames)) + framer.skipped_bytes + len(framer._rest) == len(data)


# --- whole streams ---


def test_the_stream_is_what_pymavlink_parses():
    sent = stream(1, 300)
    parser = v2.MAVLink(None)
    parser.robust_parsing = True
    assert [bytes(m.get_msgbuf()) for m in parser.parse_buffer(b"".join(sent))] == sent
    assert {frame[0] for frame in sent} == {0xFD, 0xFE}
    assert {frame[2] & 1 for frame in sent if frame[0] == 0xFD} == {0, 1}
    assert max(map(len, sent)) <= FRAME_MAX


@pytest.mark.parametrize("chunk", range(1, FRAME_MAX + 3))
def test_frames_come_out_whole_however_the_line_cuts_them(chunk: int):
    sent, framer = stream(chunk, 40), Framer()
    data = b"".join(sent)
    assert fed(framer, data, chunk) == sent
    assert (framer.frames, framer.skipped_bytes, framer.incomplete) == (40, 0, 0)


def test_a_frame_is_delivered_with_its_last_byte():
    """Nothing waits for what follows: a command may be the last thing on the line for a while."""
    framer = Framer()
    for frame in stream(2, 50):
        assert framer.feed(frame[:-1]) == []
        assert framer.feed(frame[-1:]) == [frame]


def test_the_end_of_a_run_is_checked_and_what_fits_no_message_is_noise():
    """Also the first of a stream, and the last of a read: a false length there would cover real frames."""
    whole, damaged = stream(3, 2)[0], unfitting(stream(3, 2)[1])
    for parts in ((damaged, whole), (whole, damaged), (whole, damaged, whole)):
        framer = Framer()
        assert [frame for part in parts for frame in framer.feed(part) if frame == damaged] == []
        assert fed(Framer(), b"".join(parts), 1) == [part for part in parts if part == whole]


def test_settling_with_nothing_waiting_leaves_the_step():
    sent, framer = stream(4, 3), Framer()
    fed(framer, sent[0], 100)
    assert framer.end_of_burst() == []
    assert framer.feed(sent[1]) + framer.feed(sent[2]) == sent[1:]


def fitting(frame: bytes, extra: int) -> bytes:
    """The frame with the checksum that this CRC_EXTRA gives."""
    return frame + mcrf4xx(frame[1:] + bytes([extra]), 0xFFFF).to_bytes(2, "little")


@pytest.mark.parametrize("extra", [0, 77, 255])
def test_what_is_unknown_passes_as_it_is(extra: int):
    """A tunnel forwards what it does not understand: unknown ids, unknown flags, changed messages."""
    known = stream(5, 1)[0]
    strange = [
        fitting(bytes([0xFD, 3, 0, 0, 1, 9, 9, 0xFF, 0xFF, 0xFF]) + b"abc", extra),  # an id that no dialect has
        fitting(bytes([0xFD, 0, 0x80, 0x40, 1, 9, 9, 0, 0, 0]), extra),  # flags of a MAVLink to come
        fitting(bytes([0xFE, 9, 1, 1, 1, 0]) + bytes(9), extra),  # a message that was changed
        fitting(bytes([0xFD, 255, 1, 0, 0, 0, 0, 0, 0, 0]) + bytes(255), extra) + bytes(13),  # the longest there is
    ]
    framer = Framer()
    assert fed(framer, b"".join([known, *strange]), 64) == [known, *strange]
    assert framer.skipped_bytes == 0


# --- noise ---


@pytest.mark.parametrize("seed", range(20))
def test_noise_without_start_bytes_costs_nothing_but_itself(seed: int):
    rng, sent, framer = random.Random(seed), stream(seed, 30), Framer()
    noise = [bytes(rng.choices(QUIET, k=rng.randrange(60))) for _ in sent]
    data = b"".join(part for pair in zip(noise, sent, strict=True) for part in pair)
    assert fed(framer, data, rng.randrange(1, 300)) == sent
    assert framer.skipped_bytes == sum(map(len, noise))


def test_noise_that_looks_like_starts_costs_few_frames():
    """Of random noise one byte in 128 is a start, and one false frame in 256 has a checksum that fits something."""
    lost = invented = total = 0
    for seed in range(100):
        rng, sent, framer = random.Random(seed), stream(seed, 30), Framer()
        data = b"".join(frame + rng.randbytes(rng.randrange(80)) * (rng.random() < 0.5) for frame in sent)
        frames = fed(framer, data, 100)
        assert accounted(framer, data, frames)
        lost += len(set(sent) - set(frames))
        invented += len(set(frames) - set(sent))
        total += len(sent)
    assert lost <= total * 0.01
    assert invented <= total * 0.01


def calm(seed: int, count: int) -> list[bytes]:
    """Frames with a start byte in front and nowhere else."""
    sender = Sender(seed, v2)
    frames = (sender.frame() for _ in iter(int, 1))
    return [frame for frame, _ in zip((f for f in frames if not set(f[1:]) & {0xFD, 0xFE}), range(count), strict=False)]


def test_a_frame_that_lost_its_end_takes_only_what_is_in_its_place():
    before, cut, *after = calm(6, 20)
    begins = [sum(map(len, after[:i])) for i in range(len(after))]
    for size in range(1, len(cut)):
        missing = len(cut) - size if size >= 3 else FRAME_MAX  # its length was lost too
        behind = [frame for frame, begin in zip(after, begins, strict=True) if begin >= missing]
        framer, data = Framer(), before + cut[:size] + b"".join(after)
        frames = fed(framer, data, 50)
        assert frames[0] == before
        assert frames[-len(behind) :] == behind, f"cut after {size} bytes"
        assert accounted(framer, data, frames)


def test_a_frame_that_lost_its_beginning_is_noise():
    for frame in calm(7, 20):
        for size in range(1, len(frame)):
            framer = Framer()
            assert fed(framer, frame[size:], 50) == []
            assert framer.skipped_bytes == len(frame) - size


# --- pauses ---


@pytest.mark.parametrize("seed", range(10))
def test_a_pause_inside_a_frame_does_not_lose_it(seed: int):
    """USB adapters pause where they like."""
    first, second, third = calm(seed, 3)
    for size in range(1, len(second)):
        framer = Framer()
        assert fed(framer, first, 64) == [first]
        assert framer.feed(second[:size]) + framer.end_of_burst() == []
        assert framer.feed(second[size:]) + framer.end_of_burst() == [second]
        assert framer.feed(third) + framer.end_of_burst() == [third]


def carrying(inner: bytes) -> bytes:
    """A frame whose payload holds `inner` and no other start byte."""
    mav = v2.MAVLink(None, srcSystem=7, srcComponent=1)
    payload = (QUIET[:40] + inner + QUIET)[:251]
    return bytes(mav.file_transfer_protocol_encode(0, 1, 1, list(payload)).pack(mav))


@pytest.mark.parametrize(("beyond", "broken"), [(0, True), (10, False)], ids=["its end fits", "its checksum fits"])
def test_what_looks_like_a_frame_inside_one_that_pauses(beyond: int, broken: bool):
    """It must fit in both ways to take the place of a frame that is still coming."""
    first, inner = calm(15, 2)
    inner = unfitting(inner) if broken else inner
    outer, framer = carrying(inner), Framer()
    pause = outer.index(inner) + len(inner) + beyond
    assert fed(framer, first, 64) == [first]
    assert framer.feed(outer[:pause]) + framer.end_of_burst() == []
    assert framer.feed(outer[pause:]) + framer.end_of_burst() == [outer]


def test_a_frame_that_never_ended_gives_way_to_a_whole_one():
    """The flight controller was reset in the middle of it."""
    first, cut, whole = calm(8, 3)
    for size in range(1, len(cut)):
        framer = Framer()
        framer.feed(first)
        framer.end_of_burst()
        framer.feed(cut[:size])
        framer.end_of_burst()
        assert framer.feed(whole) + framer.end_of_burst() == [whole], f"cut after {size} bytes"


def test_a_closed_line_leaves_nothing_for_the_next():
    first, second = calm(9, 2)
    framer = Framer()
    framer.feed(first + second[:-1])
    framer.reset()
    assert (framer.incomplete, framer.skipped_bytes) == (1, len(second) - 1)
    assert fed(framer, second[-1:] + first, 64) == [first]
    framer.reset()
    assert framer.incomplete == 1


# --- datagrams ---


def test_one_or_more_frames_in_a_datagram():
    sent, framer = stream(10, 20), Framer()
    for frame in sent[:10]:
        assert framer.datagrams([frame]) == [frame]
    assert framer.datagrams([b"".join(sent[10:])]) == sent[10:]
    assert (framer.frames, framer.skipped_bytes, framer.incomplete) == (20, 0, 0)


@pytest.mark.parametrize("size", [1, 2, 7, 64, 128, 250, 512, 1024, 1400])
def test_frames_that_are_cut_over_datagrams_come_out_whole(size: int):
    """As by a serial-to-UDP module. Those of MAVLink FTP are as long as a frame can be."""
    for sent in (stream(16, 200), list(ftp(100))):
        framer, data = Framer(), b"".join(sent)
        assert framer.datagrams([data[at : at + size] for at in range(0, len(data), size)]) == sent
        assert (framer.frames, framer.skipped_bytes, framer.incomplete) == (len(sent), 0, 0)


def ftp(count: int) -> Iterator[bytes]:
    """Frames whose payloads consist of start bytes: what stands in them looks like frames everywhere."""
    rng, mav = random.Random(17), v2.MAVLink(None, srcSystem=1, srcComponent=1)
    for mav.seq in range(count):
        yield bytes(mav.file_transfer_protocol_encode(0, 255, 190, rng.choices((0xFD, 0xFE), k=251)).pack(mav))


def test_a_datagram_that_is_a_frame_takes_the_place_of_one_that_was_cut_off():
    cut, whole, other = stream(11, 3)
    for size in range(1, len(cut)):
        framer = Framer()
        assert framer.datagrams([cut[:size], whole, other]) == [whole, other]
        assert (framer.incomplete, framer.skipped_bytes) == (1, size)


def test_a_piece_of_a_frame_that_looks_like_one_is_none():
    """Its length may be that of the datagram by chance; its checksum then hardly fits too."""
    outer = carrying(unfitting(calm(18, 1)[0]))
    begin = next(at for at in range(1, len(outer)) if outer[at] in mavlink.STARTS)
    end = begin + mavlink.frame_size(outer, begin)
    assert Framer().datagrams([outer[:begin], outer[begin:end], outer[end:]]) == [outer]


@pytest.mark.parametrize("lost", range(12))
def test_a_datagram_that_is_lost_costs_the_frames_in_it(lost: int):
    sent = stream(19, 40)
    data = b"".join(sent)
    cut = [data[at : at + 100] for at in range(0, len(data), 100)]
    ends = [sum(map(len, sent[: i + 1])) for i in range(len(sent))]
    touched = {f for f, end in zip(sent, ends, strict=True) if end > lost * 100 and end - len(f) < (lost + 1) * 100}
    framer = Framer()
    got = framer.datagrams([piece for number, piece in enumerate(cut) if number != lost]) + framer.end_of_burst()
    assert got == [frame for frame in sent if frame not in touched]


def test_a_datagram_of_something_else():
    framer = Framer()
    for datagram in (b"", b"GET / HTTP/1.1\r\n\r\n", bytes(1400)):
        assert framer.datagrams([datagram]) == []
    assert framer.skipped_bytes == 18 + 1400


# --- frames ---


def test_sender_sequence_and_id_are_what_pymavlink_says():
    parser = v2.MAVLink(None)
    for frame in stream(12, 200):
        message = parser.decode(bytearray(frame))
        assert mavlink.key(frame) == (message.get_srcSystem(), message.get_srcComponent(), message.get_seq())
        assert mavlink.message_id(memoryview(frame)) == message.get_msgId()


@pytest.mark.parametrize("padding", [0, 1, 100])
def test_a_bundle_splits_into_its_frames(padding: int):
    for count in (0, 1, 2, 9):
        sent = stream(13, count)
        bundle = b"".join(sent) + bytes(padding)
        assert [bundle[at : at + size] for at, size in mavlink.split(memoryview(bundle))] == sent


def test_a_bundle_that_is_anything_else():
    frame = calm(14, 1)[0]
    for size in range(1, len(frame)):
        with pytest.raises(ValueError, match="ends inside the frame at byte 0"):
            mavlink.split(frame[:size])
        with pytest.raises(ValueError, match=f"ends inside the frame at byte {len(frame)}"):
            mavlink.split(frame + frame[:size])
    for wrong in (b"\1", frame + b"\0\0\1", b"\0" + frame, frame + b"\0" + frame):
        with pytest.raises(ValueError, match="neither a frame nor the padding"):
            mavlink.split(wrong)


# --- without a signature ---


@pytest.mark.parametrize(
    ("number", "crc_extra"), [(0, 50), (33, 104), (74_123, 201)], ids=["HEARTBEAT", "POSITION", "unknown"]
)
def test_a_frame_without_its_signature_is_the_one_that_was_never_signed(number, crc_extra):
    payload = bytes(range(1, 10))
    signed, plain = (guarded.framed(number, payload, crc_extra, flags=flags) for flags in (1, 0))
    assert mavlink.unsigned(signed) == plain
    assert mavlink.unsigned(plain) == plain
    version1 = guarded.framed(0, payload, 50, v1=True)
    assert mavlink.unsigned(version1) == version1


def test_of_all_wrong_checksums_one_becomes_right_and_those_that_fit_no_message_are_not_touched():
    """The one is that of the frame without its signature: it fits no CRC_EXTRA, and is left as it is."""
    right = int.from_bytes(guarded.framed(0, bytes(9), 50, flags=1)[19:21], "little")
    plain = guarded.framed(0, bytes(9), 50)
    signed, becomes_right, not_touched = bytearray(guarded.framed(0, bytes(9), 50, flags=1)), [], 0
    for checksum in {*range(1 << 16)} - {right}:
        signed[19:21] = checksum.to_bytes(2, "little")
        found = mavlink.unsigned(bytes(signed))
        becomes_right += [checksum] if found == plain else []
        not_touched += found[-2:] == signed[19:21]
    assert becomes_right == [int.from_bytes(plain[-2:], "little")]
    assert not_touched == (1 << 16) - 256, "each other one fits one of 256 CRC_EXTRA, of which only one is the message's"


# --- a flight ---


@pytest.mark.shared
@pytest.mark.parametrize("chunk", [1, 64, 512, 4096])
def test_a_recorded_flight(chunk: int):
    if not FLIGHT.is_file():
        pytest.skip("no shared/data/arducopter-flight.tlog beside this clone")
    log, sent, at = FLIGHT.read_bytes(), [], 0
    if chunk == 1:
        log = log[: len(log) // 8]
    while at + 12 < len(log):  # eight bytes of time stamp, then one unsigned MAVLink 2 frame
        assert (log[at + 8], log[at + 10] & 1) == (0xFD, 0)
        size = 12 + log[at + 9]
        sent.append(log[at + 8 : at + 8 + size])
        at += 8 + size
    if len(sent[-1]) < 12 + sent[-1][1]:
        sent.pop()
    assert len(sent) == 54_050 or chunk == 1
    framer = Framer()
    assert fed(framer, b"".join(sent), chunk) == sent
    assert (framer.frames, framer.skipped_bytes, framer.incomplete) == (len(sent), 0, 0)
