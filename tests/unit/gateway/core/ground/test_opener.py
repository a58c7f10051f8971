from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable

import numpy as np
import pytest

from gateway.batch import HEADROOM, ROOM, SLOT_SIZE, Batch
from gateway.core import sframe
from gateway.core.bundle import pad_video
from gateway.core.control_cipher import ControlCipher
from gateway.core.drop_reason import DropReason
from gateway.core.fragment import split
from gateway.core.ground.listener import SESSIONS_MAX
from gateway.core.ground.opener import Opener
from gateway.core.wire import BEYOND_BEAT_BY, Kind
from keys import cose
from keys.lanes import Lane
from keys.policy import Policy, PolicyFlag
from keys.replay import DOWNLINK_WINDOW
from tests.memory_link import OBSERVER, PILOT, Aircraft, Station, World, join, mavlink_frame
from tests.unit.gateway.core.by_hand import Aboard, batch_of, damaged, drops_of, on_air
from tests.unit.gateway.core.ground.test_listener_orders import amended

FRAME = mavlink_frame(random.Random(1), seq=0)
SECRET = b"a picture that nobody else may see"


@dataclasses.dataclass
class Scene:
    """A pilot's station that has joined one session, alone in its world."""

    world: World
    aboard: Aboard
    station: Station


@pytest.fixture
def scene() -> Scene:
    world = World(1)
    scene = Scene(world, Aboard(world, boot=3), world.station(1, {world.order.content.devices[0].pub: (2, b"before")}))
    scene.aboard.join(scene.station)
    return scene


# --- every reason, once, by a real datagram ---


def too_old(scene: Scene) -> list[bytes]:
    now = {scene.aboard.kid(Lane.VIDEO_A): DOWNLINK_WINDOW}
    drops_of(scene.station, scene.aboard.beat(next_ctr=now), scene.aboard.sealed(Lane.VIDEO_A, SECRET, DOWNLINK_WINDOW))
    return [scene.aboard.sealed(Lane.VIDEO_A, SECRET, 0)]


def bad_grant(scene: Scene) -> list[bytes]:
    parts = scene.aboard.announce(scene.aboard.announced(epoch=7))  # neither the beat's epoch nor the next
    return [scene.aboard.beat(), *parts]


def equivocation(scene: Scene) -> list[bytes]:
    scene.aboard.base_keys.clear()
    parts = scene.aboard.announce(scene.aboard.announced(station=2))  # other keys for the same KIDs
    return [scene.aboard.beat(), *parts]


def unknown_order(scene: Scene) -> list[bytes]:
    """A grant that is sealed to whoever has our index there."""
    other = Aboard(scene.world, boot=4, order_hash=bytes(32))
    theirs = other.announced(station=2, order_hash=bytes(32))
    parts = other.announce(dataclasses.replace(theirs, station=1))
    return [other.statement(), other.beat(), *parts]


def forged_beat(scene: Scene) -> list[bytes]:
    return split(Kind.BEAT, damaged(scene.aboard.beat_message()))


def crowd(scene: Scene) -> list[bytes]:
    """Starts of one device that all live on."""
    starts = [Aboard(scene.world, boot=boot) for boot in range(4, 4 + SESSIONS_MAX)]
    return [datagram for start in starts for datagram in (start.statement(), start.beat())]


def beats(scene: Scene) -> list[bytes]:
    old, new = scene.aboard.beat(), scene.aboard.beat()
    return [new, old]


REASONS: dict[DropReason, Callable[[Scene], list[bytes]]] = {
    DropReason.TOO_SHORT: lambda _: [b""],
    DropReason.NOT_ZEGEL: lambda _: [b"\x80" + bytes(100)],  # RTP
    DropReason.WRONG_DIRECTION: lambda _: [b"\xf0" + bytes(100)],
    DropReason.BAD_HEADER: lambda _: [b"\x98\x01\xa4\x07" + bytes(30)],  # a CTR that would have fitted in the config
    DropReason.UNKNOWN_KID: lambda scene: [scene.aboard.sealed(Lane.VIDEO_A, SECRET, epoch=9)],
    DropReason.NOT_GRANTED: lambda scene: [scene.aboard.sealed(Lane.OBSERVER_TELEMETRY, FRAME)],
    DropReason.LANE_CLOSED: lambda scene: [scene.aboard.beat(epoch=1), scene.aboard.sealed(Lane.VIDEO_A, SECRET, epoch=1)],
    DropReason.BEYOND_BEAT: lambda scene: [scene.aboard.sealed(Lane.VIDEO_A, SECRET, BEYOND_BEAT_BY)],
    DropReason.TOO_OLD: too_old,
    DropReason.REPLAYED: lambda scene: [scene.aboard.sealed(Lane.VIDEO_A, SECRET)] * 2,
    DropReason.BAD_TAG: lambda scene: [damaged(scene.aboard.sealed(Lane.VIDEO_A, SECRET))],
    DropReason.BAD_PADDING: lambda scene: [scene.aboard.sealed(Lane.TELEMETRY, FRAME + b"\1")],
    DropReason.BAD_CONTROL: lambda _: [b"\x01\x03\x00\x01"],
    DropReason.UNLISTED_FRAGMENT: lambda _: split(Kind.ANNOUNCEMENT, b"never announced"),
    DropReason.BAD_MESSAGE_ID: lambda scene: [scene.aboard.beat()[:-1]],
    DropReason.UNKNOWN_SESSION: lambda scene: [Aboard(scene.world, boot=4).beat()],
    DropReason.UNKNOWN_DEVICE: lambda scene: [Aboard(scene.world, boot=4, device_index=1).statement()],
    DropReason.UNKNOWN_ORDER: unknown_order,
    DropReason.BAD_SIGNATURE: forged_beat,
    DropReason.STALE_BEAT: beats,
    DropReason.LATE_BEAT: lambda scene: [scene.aboard.beat(session_ms=10_000)],
    DropReason.OLDER_SESSION: lambda scene: [Aboard(scene.world, boot=1).statement()],
    DropReason.TOO_MANY_SESSIONS: crowd,
    DropReason.BAD_GRANT: bad_grant,
    DropReason.EQUIVOCATION: equivocation,
    DropReason.BAD_ORDER: lambda scene: [scene.aboard.sealed(Lane.EVIDENCE, b"\4fragment")],
}
ABOARD = {  # counted on the aircraft: of what never became a datagram, and of the uplink
    DropReason.OVERSIZE,
    DropReason.LATE,
    DropReason.NOT_PERMITTED,
    DropReason.WRONG_EPOCH,
    DropReason.STALE_ECHO,
    DropReason.OUT_OF_ORDER,
    DropReason.TOO_MANY_INSTANCES,
    DropReason.GUARDED,
}


@pytest.mark.parametrize("reason", REASONS, ids=lambda reason: reason.value)
def test_dropped_and_counted_once(scene: Scene, reason: DropReason):
    drops = drops_of(scene.station, *REASONS[reason](scene))
    if reason is DropReason.TOO_MANY_SESSIONS:
        assert drops.pop(DropReason.UNKNOWN_SESSION) == 1  # the beat of the start that is not taken
    assert drops == {reason: 1}
    assert scene.station.frames == []


def test_a_flood_of_forgeries_is_dropped_unchecked(scene: Scene):
    forged = [datagram for _ in range(64) for datagram in forged_beat(scene)]
    drops = drops_of(scene.station, *forged)
    assert drops.keys() == {DropReason.BAD_SIGNATURE, DropReason.OVER_BUDGET}
    assert sum(drops.values()) == 64


def test_what_was_sealed_without_op_id_is_not_looked_into(scene: Scene):
    """Damage, a forgery, or another operation's."""
    theirs, (ours,) = ControlCipher(bytes(16)), on_air(scene.station.listener, scene.aboard.beat())
    stranger = theirs.seal(Aboard(scene.world, boot=4).statement())
    scene.station.receive([damaged(ours), stranger, b"\1" + bytes(28), b"\1" * 1208], 0.0)
    assert scene.station.drops == {"unopened_control": 4}


def test_every_reason_was_seen():
    elsewhere = {
        DropReason.OVER_BUDGET,  # a flood
        DropReason.UNEXPECTED,  # test_barrier.py
        DropReason.UNOPENED_CONTROL,  # above
        DropReason.REVOKED_DEVICE,  # test_revoked.py
        DropReason.FOREIGN_SYSTEM,  # test_systems.py
    }
    assert set(REASONS) | ABOARD | elsewhere == set(DropReason)


# --- the window ---


def test_the_window_moves_only_with_what_verified(scene: Scene):
    """Else anyone could push it past what is still to come: a single forgery would end the lane."""
    (lease,) = scene.station.listener.leases[scene.aboard.kid(Lane.VIDEO_A)]
    forged = damaged(scene.aboard.sealed(Lane.VIDEO_A, SECRET, BEYOND_BEAT_BY - 1))
    assert drops_of(scene.station, forged) == {DropReason.BAD_TAG: 1}
    assert lease.key.window.top == -1
    sealed = [scene.aboard.sealed(Lane.VIDEO_A, SECRET, ctr) for ctr in (5, 6)]
    assert drops_of(scene.station, damaged(sealed[0]), *sealed) == {DropReason.BAD_TAG: 1}
    assert scene.station.video[Lane.VIDEO_A] == [SECRET] * 2
    assert lease.key.window.top == 6


def test_twice_in_one_batch_is_delivered_once(scene: Scene):
    sealed = [scene.aboard.sealed(Lane.VIDEO_A, bytes([ctr]), ctr) for ctr in range(4)]
    drops = drops_of(scene.station, *(sealed[i] for i in (2, 0, 2, 1, 0, 3, 3)))
    assert drops == {DropReason.REPLAYED: 3}
    assert scene.station.video[Lane.VIDEO_A] == [bytes([ctr]) for ctr in (2, 0, 1, 3)]


def test_the_bound_is_the_newest_beats(scene: Scene):
    kid = scene.aboard.kid(Lane.VIDEO_A)
    last = 1_000 + BEYOND_BEAT_BY - 1
    at_the_bound = [scene.aboard.sealed(Lane.VIDEO_A, SECRET, ctr) for ctr in (last, last + 1)]
    assert drops_of(scene.station, *at_the_bound) == {DropReason.BEYOND_BEAT: 2}
    assert drops_of(scene.station, scene.aboard.beat(next_ctr={kid: 1_000}), *at_the_bound) == {DropReason.BEYOND_BEAT: 1}
    assert scene.station.video[Lane.VIDEO_A] == [SECRET]


# --- what a failed open leaves behind ---


def test_no_plaintext_stays_in_the_batch_after_a_bad_tag(scene: Scene):
    """AESGCM.decrypt_into leaves it there; GHSA-423w-p2w9-r7vq is what comes of that."""
    good = scene.aboard.sealed(Lane.VIDEO_A, SECRET, 0)
    batch = batch_of(damaged(good), damaged(scene.aboard.sealed(Lane.VIDEO_A, SECRET, 1)))
    opened = scene.station.opener.open(batch, 0.0)
    assert not opened.video
    assert SECRET not in bytes(batch.arena)
    header = sframe.decode_header(good)[2]
    assert not batch.octets[0, HEADROOM + header :].any()


def test_what_opened_in_a_batch_with_a_bad_tag_is_untouched(scene: Scene):
    sealed = [scene.aboard.sealed(Lane.VIDEO_A, bytes([ctr]) * 40, ctr) for ctr in range(5)]
    batch = batch_of(*(damaged(d) if i % 2 else d for i, d in enumerate(sealed)))
    opened = scene.station.opener.open(batch, 0.0)
    assert [bytes(batch.view(slot)) for slot in opened.slots(Lane.VIDEO_A)] == [bytes([i]) * 40 for i in (0, 2, 4)]


@pytest.mark.parametrize("at", [0, 1, 2, 3, 20, -1])
def test_no_byte_can_change_on_the_way(scene: Scene, at: int):
    sealed = bytearray(scene.aboard.sealed(Lane.VIDEO_A, SECRET, 9))
    sealed[at] ^= 0x01
    assert sum(drops_of(scene.station, bytes(sealed)).values()) == 1
    assert scene.station.video[Lane.VIDEO_A] == []


# --- forms and sizes ---


@pytest.mark.parametrize(
    ("datagram", "reason"),
    [
        (b"\x90", DropReason.TOO_SHORT),
        (b"\x90\x01", DropReason.TOO_SHORT),
        (b"\x90\x01\xa4", DropReason.TOO_SHORT),
        (b"\x9b\x01\xa4\x01", DropReason.TOO_SHORT),  # the CTR is said to have four bytes
        (b"\x90\x01\xa4" + bytes(15), DropReason.TOO_SHORT),  # no room for a tag
        (b"\x9b\x01\xa4\x01\x00\x00\x00" + bytes(15), DropReason.TOO_SHORT),
        (b"\x90\x00\xa4" + bytes(40), DropReason.BAD_HEADER),  # a KID that one byte would hold
        (b"\x98\x01\xa4\x07" + bytes(40), DropReason.BAD_HEADER),
        (b"\x99\x01\xa4\x00\xff" + bytes(40), DropReason.BAD_HEADER),
        (b"\x9b\x01\xa4\x00\xff\xff\xff" + bytes(40), DropReason.BAD_HEADER),
        (b"\x9c\x01\xa4\x01\x00\x00\x00\x00" + bytes(40), DropReason.BAD_HEADER),  # five bytes of CTR
        (b"\x9f\x01\xa4" + b"\xff" * 8 + bytes(40), DropReason.BAD_HEADER),
        (b"\x80\x01" + bytes(40), DropReason.NOT_ZEGEL),
        (b"\xa1\x01\xa4\xff" + bytes(40), DropReason.NOT_ZEGEL),  # a KID of three bytes
        (b"\x40" + bytes(40), DropReason.NOT_ZEGEL),
        (b"\xff" * 60, DropReason.WRONG_DIRECTION),
        (b"\xf0", DropReason.WRONG_DIRECTION),
        (b"\x3f" * 60, DropReason.BAD_CONTROL),
        (b"\x00", DropReason.BAD_CONTROL),
    ],
    ids=lambda value: value[:8].hex() if isinstance(value, bytes) else value.value,
)
def test_a_form_that_is_not_ours(scene: Scene, datagram: bytes, reason: DropReason):
    assert drops_of(scene.station, datagram) == {reason: 1}


def test_a_short_datagram_is_not_completed_by_the_one_before_it(scene: Scene):
    """A slot keeps the bytes of its last datagram; a header may not be read past the end of the new one."""
    whole = scene.aboard.sealed(Lane.VIDEO_A, SECRET, 1_000)
    batch = batch_of(whole)
    for size in range(len(whole)):
        batch.clear()
        batch.append(whole)
        batch.lengths[0] = size
        assert not scene.station.opener.open(batch, 0.0).slots(Lane.VIDEO_A)
    assert set(scene.station.drops) == {"too_short", "bad_tag"}
    assert scene.station.drops["too_short"] == 5 + 16


@pytest.mark.parametrize("ctr", [0, 7, 8, 255, 256, 65_535])
@pytest.mark.parametrize("size", [0, 1, None], ids=["empty", "one byte", "largest"])
def test_any_size_that_a_slot_takes_in(scene: Scene, size: int | None, ctr: int):
    overhead = len(sframe.encode_header(0x1A4, ctr)) + 16
    plain = random.Random(ctr).randbytes(ROOM - overhead if size is None else size)
    assert drops_of(scene.station, scene.aboard.sealed(Lane.VIDEO_A, plain, ctr)) == {}
    assert scene.station.video[Lane.VIDEO_A] == [plain]


def test_an_empty_batch(scene: Scene):
    opened = scene.station.opener.open(Batch(), 0.0)
    assert (opened.frames, opened.video) == ([], {})
    assert scene.station.drops == {}


# --- what was inside ---


def test_frames_come_in_order_without_their_padding(scene: Scene):
    rng = random.Random(5)
    frames = [mavlink_frame(rng, seq) for seq in range(12)]
    bundles = [b"".join(frames[:5]) + bytes(100), bytes(128), frames[5], b"".join(frames[6:])]
    assert drops_of(scene.station, *(scene.aboard.sealed(Lane.TELEMETRY, b, i) for i, b in enumerate(bundles))) == {}
    assert scene.station.frames == frames
    assert scene.station.opener.opened[Lane.TELEMETRY] == 4


@pytest.mark.parametrize("plain", [FRAME[:-1], FRAME + b"\0\1", b"\0" + FRAME, b"\1", FRAME + FRAME[:5]])
def test_a_bundle_that_is_not_whole_frames_is_dropped_whole(scene: Scene, plain: bytes):
    assert drops_of(scene.station, scene.aboard.sealed(Lane.TELEMETRY, plain)) == {DropReason.BAD_PADDING: 1}
    assert scene.station.frames == []


def test_padded_video_comes_out_bare_and_damage_is_counted():
    world = World(1, policy=Policy(flags=PolicyFlag.PAD_VIDEO))
    aboard, station = Aboard(world), world.station(1)
    aboard.join(station)
    plain = [b"", b"\0\x80\0\0", random.Random(2).randbytes(700)]
    padded = [pad_video(p, world.order.content.policy.pad, 1400) for p in plain]
    assert [len(p) for p in padded] == [128, 128, 1200]
    wrong = [b"", bytes(128), b"no marker"]
    sealed = [aboard.sealed(Lane.VIDEO_B, p, i) for i, p in enumerate((*padded, *wrong))]
    assert drops_of(station, *sealed) == {DropReason.BAD_PADDING: 3}
    assert station.video[Lane.VIDEO_B] == plain


def test_video_is_opaque_without_the_flag(scene: Scene):
    assert drops_of(scene.station, scene.aboard.sealed(Lane.VIDEO_B, b"\x80" + bytes(50))) == {}
    assert scene.station.video[Lane.VIDEO_B] == [b"\x80" + bytes(50)]


def test_a_beat_in_the_evidence_lane_is_taken(scene: Scene):
    message = scene.aboard.beat_message(unix_time=1234)
    assert drops_of(scene.station, scene.aboard.sealed_beat(0, message)) == {}
    (session,) = scene.station.listener.sessions.values()
    assert session.beat is not None
    assert session.beat.unix_time == 1234


@pytest.mark.parametrize(("index", "proof"), [(1, Lane.TELEMETRY), (2, Lane.EVIDENCE)])
def test_a_sender_is_worth_an_answer_only_in_the_lane_that_fewest_hold_the_key_of(index: int, proof: Lane):
    """An observer holds the keys of video and of its own telemetry, and could draw a pilot's uplink to itself."""
    world = World(1)
    aircraft, station = world.aircraft(), world.station(index)
    now = join(world, station, aircraft, 0.0)
    lanes = [lane for lane in aircraft.announcer.lanes if lane in station.listener.my_lanes]
    assert {Lane.VIDEO_A, Lane.VIDEO_B, Lane.EVIDENCE} < {*lanes}
    sealed = [datagram for lane in lanes for datagram in aircraft.seal(lane, [bytes(128)])]
    assert station.opener.open(batch_of(*sealed), now).fresh == [lanes.index(proof)]


def test_by_which_lane_a_sender_is_worth_an_answer_is_each_sessions_own():
    """An order makes an observer a pilot: in the session under the old one there is nobody's lane 1 to go by."""
    world = World(1, (OBSERVER, PILOT))
    before, station = world.aircraft(), world.station(1)
    now = join(world, station, before, 0.0)
    ours = dataclasses.replace(world.order.content.stations[0], roles=PILOT, guard="pilot")
    world.order = amended(world, stations=(ours, *world.order.content.stations[1:]))
    station.listener.adopt(world.order)
    assert proofs(station, before, now) == [Lane.EVIDENCE]
    after = world.after(before, now)
    assert proofs(station, after, join(world, station, after, now)) == [Lane.TELEMETRY]


def proofs(station: Station, aircraft: Aircraft, now: float) -> list[Lane]:
    """The lanes by which the station takes a sender of this aircraft's datagrams for worth an answer."""
    lanes = [Lane.TELEMETRY, Lane.EVIDENCE]
    sealed = [datagram for lane in lanes for datagram in aircraft.seal(lane, [bytes(128)])]
    return [lanes[slot] for slot in station.opener.open(batch_of(*sealed), now).fresh]


@pytest.mark.parametrize("plain", [b"", b"\2checkpoint", b"\3proofs", b"\xffnews"])
def test_other_evidence_is_for_a_witness(scene: Scene, plain: bytes):
    assert drops_of(scene.station, scene.aboard.sealed(Lane.EVIDENCE, plain)) == {}


def test_rubbish_in_the_evidence_lane_is_counted(scene: Scene):
    """A reader of the lane can put it there."""
    forged = cose.sign1(b"no beat", "zegel-beat", scene.aboard.device_key)
    sealed = [scene.aboard.sealed(Lane.EVIDENCE, b"\1" + inner, i) for i, inner in enumerate((b"", b"\xff", forged))]
    assert drops_of(scene.station, *sealed) == {DropReason.BAD_SIGNATURE: 3}


def test_a_plain_view_refers_to_its_slot(scene: Scene):
    batch = batch_of(scene.aboard.sealed(Lane.TELEMETRY, FRAME))
    (frame,) = scene.station.opener.open(batch, 0.0).frames
    begin = HEADROOM + 3
    assert bytes(frame) == bytes(batch.arena[begin : begin + len(FRAME)])
    batch.octets[:] = 0
    assert not np.frombuffer(frame, np.uint8).any()


def test_control_and_sealed_datagrams_in_one_batch_in_any_order():
    """Control goes first, so a batch that holds a session's whole beginning opens at once."""
    world = World(1, roles=[PILOT, OBSERVER])
    aboard, station = Aboard(world), world.station(1)
    parts = aboard.announce(aboard.announced())
    sealed = aboard.sealed(Lane.VIDEO_A, SECRET)
    assert drops_of(station, sealed, aboard.statement(), aboard.beat(), *parts) == {}
    assert station.video[Lane.VIDEO_A] == [SECRET]


def test_slots_are_not_mixed_up_in_a_full_batch(scene: Scene):
    rng = random.Random(8)
    plain = [rng.randbytes(rng.randrange(1, 1400)) for _ in range(21)]
    lanes = [Lane.VIDEO_A, Lane.VIDEO_B, Lane.TELEMETRY]
    datagrams = [b"\x80" + bytes(rng.randrange(40))]
    for ctr, video in enumerate(plain):
        frame = mavlink_frame(rng, ctr)
        datagrams += [scene.aboard.sealed(lane, video if lane != Lane.TELEMETRY else frame, ctr) for lane in lanes]
    batch = batch_of(*datagrams)
    opened = Opener(scene.station.listener).open(batch, 0.0)
    for lane in lanes[:2]:
        assert [bytes(batch.view(slot)) for slot in opened.slots(lane)] == plain
    assert len(opened.frames) == 21
    assert batch.octets.shape == (64, SLOT_SIZE)
