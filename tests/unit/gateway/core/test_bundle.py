from __future__ import annotations

import random

import pytest

from firmware_shims import mavlink
from gateway.batch import Batch
from gateway.core import bundle
from gateway.core.bundle import FRAMES_MAX, Bundler
from gateway.core.wire import LINK_MTU
from tests.memory_link import mavlink_frame

PAD = (128, 256, 512, 1200)


def frames(count: int, seed: int = 0) -> list[bytes]:
    rng = random.Random(seed)
    return [mavlink_frame(rng, i) for i in range(count)]


def unbundled(batch: Batch) -> list[bytes]:
    return [d[at : at + size] for d in batch.datagrams() for at, size in mavlink.split(d)]


def test_frames_come_out_whole_in_order_and_padded():
    bundler, batch, sent = Bundler(1472, PAD, 0.0), Batch(), frames(300)
    bundler.add(sent, 0.0)
    got = []
    while bundler.next_due() <= 0.002:
        batch.clear()
        bundler.bundle_into(batch, 0.0)
        got += unbundled(batch)
        assert all(len(d) in PAD or len(d) > PAD[-1] for d in batch.datagrams())
        assert all(len(d) <= bundler.limit for d in batch.datagrams())
    assert got == sent


def test_frames_that_come_close_together_wait_for_company_but_not_longer_than_the_flush():
    bundler, batch = Bundler(1472, PAD, 0.0, 0.002), Batch()
    bundler.add(frames(1), 9.9995)
    bundler.bundle_into(batch, 9.9995)
    bundler.add(frames(1), 10.0)
    bundler.add(frames(1), 10.001)
    assert bundler.next_due() == pytest.approx(10.0015)


def test_a_frame_after_a_silence_waits_for_no_other():
    bundler = Bundler(1472, PAD, 0.0, 0.002)
    bundler.add(frames(1), 10.0)
    assert bundler.next_due() == 10.0


def test_the_first_answer_to_a_command_waits_for_no_other_and_the_next_frame_does():
    bundler, batch = Bundler(1472, PAD, 10.0, 0.002), Batch()
    bundler.expect_answer(10.0)
    bundler.add(frames(1), 10.001)
    assert bundler.next_due() == 10.001
    bundler.bundle_into(batch, 10.001)
    bundler.add(frames(1), 10.002)
    assert bundler.next_due() == pytest.approx(10.003)


def test_what_comes_long_after_a_command_is_no_answer():
    bundler, batch = Bundler(1472, PAD, 10.0, 0.002), Batch()
    bundler.expect_answer(10.0)
    bundler.bundle_into(batch, 10.5)  # padding alone
    bundler.add(frames(1), 10.501)
    assert bundler.next_due() == pytest.approx(10.502)


def test_a_silent_lane_sends_padding_alone():
    bundler, batch = Bundler(1472, PAD, 5.0), Batch()
    assert bundler.next_due() == pytest.approx(5.5)
    bundler.bundle_into(batch, 5.4)
    assert batch.count == 0
    bundler.bundle_into(batch, 5.5)
    assert batch.datagrams() == [bytes(128)]
    assert mavlink.split(bytes(128)) == []
    assert bundler.next_due() == pytest.approx(6.0)


def test_a_late_frame_is_dropped_and_counted():
    bundler, batch, sent = Bundler(1472, PAD, 0.0), Batch(), frames(3)
    bundler.add(sent[:2], 0.0)
    bundler.add(sent[2:], 1.0)
    bundler.bundle_into(batch, 1.5)
    assert unbundled(batch) == sent[2:]
    assert bundler.late == 2


def test_with_little_room_the_rest_waits_and_what_goes_is_packed_to_its_padded_size():
    bundler, got = Bundler(1472, PAD, 0.0), []
    sent = [b"\xfd" + bytes([n]) + bytes(48) for n in range(60)]
    bundler.add(sent, 0.0)
    for room, sizes in ((300, [512]), (150, [128]), (600, [1200]), (1, [128]), (0, [])):
        batch = Batch()
        bundler.bundle_into(batch, 0.1, room)
        assert [len(d) for d in batch.datagrams()] == sizes, room
        got += [d[at : at + 50] for d in batch.datagrams() for at in range(0, len(d) - 49, 50) if d[at] == 0xFD]
    assert got == sent[: len(got)]
    assert len(got) == 10 + 2 + 24 + 2
    assert bundler.late == 0


def test_video_padding_round_trip_and_damage():
    for size in (1, 127, 128, 1199, 1200, 1300):
        plain = random.Random(size).randbytes(size)
        padded = bundle.pad_video(plain, PAD, 1400)
        assert len(padded) in (*PAD, 1400)
        assert padded[: bundle.video_length(padded)] == plain
    for damaged in (b"", bytes(20), b"abc"):
        with pytest.raises(ValueError, match="padding"):
            bundle.video_length(damaged)


def test_the_bytes_that_wait_are_known():
    bundler, rng = Bundler(LINK_MTU, (), 0.0), random.Random(3)
    frames = [mavlink_frame(rng, i) for i in range(300)]
    bundler.add(frames[:200], 0.0)
    bundler.add(frames[200:], 5.0)
    assert bundler.waiting == sum(map(len, frames))
    batch = Batch()
    bundler.bundle_into(batch, 5.0, 3000)
    sent = b"".join(batch.datagrams())
    late = sum(map(len, frames[:200]))
    assert bundler.late == 200
    assert bundler.waiting == sum(map(len, frames)) - late - len(sent) > 0
    while bundler.waiting:
        batch.clear()
        bundler.bundle_into(batch, 5.0)
    bundler.add([frames[0]] * (FRAMES_MAX + 7), 6.0)
    assert (bundler.late, bundler.waiting) == (207, FRAMES_MAX * len(frames[0]))


def test_the_video_of_a_batch_is_padded_in_its_slots():
    pictures = [random.Random(size).randbytes(size) for size in (1, 127, 128, 1300)]
    batch = Batch()
    batch.hold(pictures)
    bundle.pad_videos(batch, PAD, 1400)
    padded = batch.datagrams()
    assert [len(each) for each in padded] == [128, 128, 256, 1400]
    assert [each[: bundle.video_length(each)] for each in padded] == pictures
