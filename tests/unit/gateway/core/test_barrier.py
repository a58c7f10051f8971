"""What nobody expected of one datagram costs that datagram, in the core and wherever the barrier stands."""

from __future__ import annotations

import pytest

from firmware_shims import mavlink
from gateway.core import bundle, sframe
from gateway.core.air.command_order import CommandOrder
from gateway.core.air.uplink_opener import UplinkOpener
from gateway.core.barrier import ELSEWHERE, PLACES_MAX, Barrier, place_of
from gateway.core.drop_reason import DropReason
from gateway.core.ground.listener import Listener
from gateway.core.ground.opener import Opener
from keys import cose
from keys.lanes import Lane
from keys.policy import Policy, PolicyFlag
from keys.replay import ReplayWindow
from tests.hostile.scene import Scene
from tests.memory_link import World, command, mavlink_frame

POISON = b"poison"
UNEXPECTED = DropReason.UNEXPECTED.value


def failing(real, on=lambda *_: True, error=RuntimeError):
    """`real`, which throws when `on` says so of its arguments."""

    def other(*args, **more):
        if on(*args):
            raise error(POISON)
        return real(*args, **more)

    return other


def test_what_is_counted_is_the_place_and_never_the_text():
    barrier = Barrier()
    for _ in range(3):
        with barrier:
            cose.loads(None)
    (place,) = barrier.places
    assert place.startswith("keys.cose:")
    assert place.endswith("Error")
    assert (barrier.total, barrier.struck) == (3, True)
    assert barrier.news() == [place]
    assert barrier.news() == []


def test_a_request_to_end_the_program_passes_the_barrier():
    for end in (KeyboardInterrupt, SystemExit):
        with pytest.raises(end), Barrier():
            raise end


def test_a_panic_of_a_library_is_no_end():
    """What PyO3 raises for one is a BaseException, so that a careless `except Exception` lets it through."""
    barrier = Barrier()
    with barrier:
        raise type("PanicException", (BaseException,), {})
    assert barrier.total == 1


def test_the_places_are_bounded(monkeypatch):
    barrier = Barrier()
    for number in range(PLACES_MAX + 10):
        barrier.note(type(f"Odd{number}", (Exception,), {})())
    assert len(barrier.places) == PLACES_MAX + 1
    assert barrier.places[ELSEWHERE] == 10
    assert place_of(ValueError()) == f"{ELSEWHERE} ValueError"


def test_a_poisoned_control_datagram_costs_the_others_of_its_batch_nothing(monkeypatch):
    scene = Scene()
    sent = scene.step() + scene.step()
    poisoned = b"\x01" + POISON
    monkeypatch.setattr(Listener, "control", failing(Listener.control, lambda _, datagram, __: datagram == poisoned))
    scene.station.receive([poisoned, *sent, poisoned], scene.now)
    assert scene.station.frames == scene.frames
    assert scene.station.drops[UNEXPECTED] == 2
    assert scene.station.opener.barrier.total == 2


def test_a_poisoned_bundle_costs_itself_alone(monkeypatch):
    scene = Scene()
    frames = [mavlink_frame(scene.rng, number) for number in range(20)]
    sent = scene.aircraft.seal(Lane.TELEMETRY, frames)
    monkeypatch.setattr(mavlink, "split", failing(mavlink.split, lambda plain: bytes(plain) == frames[7]))
    scene.station.receive(sent, scene.now)
    assert scene.station.frames == frames[:7] + frames[8:]
    assert scene.station.drops == {UNEXPECTED: 1}


def test_a_poisoned_padding_costs_itself_alone(monkeypatch):
    scene = Scene(policy=Policy(flags=PolicyFlag.PAD_VIDEO))
    pictures = [bytes([number]) * 9 for number in range(20)]
    monkeypatch.setattr(bundle, "video_length", failing(bundle.video_length, lambda padded: padded[0] == 7))
    sent = scene.aircraft.seal(Lane.VIDEO_A, [picture + b"\x80" for picture in pictures])
    scene.station.receive(sent, scene.now)
    assert scene.station.video[Lane.VIDEO_A] == pictures[:7] + pictures[8:]
    assert scene.station.drops == {UNEXPECTED: 1}


@pytest.mark.parametrize("error", [RuntimeError, MemoryError, RecursionError])
def test_what_fails_before_the_tag_fails_one_by_one(monkeypatch, error):
    """In the middle of a batch: what was delivered stays, and the one that is poisoned costs itself."""
    scene = Scene()
    pictures = [scene.rng.randbytes(100) for _ in range(20)]
    sent = scene.aircraft.seal(Lane.VIDEO_A, pictures)
    poisoned = sframe.decode_header(sent[12])[1]
    once = failing(sframe.counters, lambda heads, _: poisoned in heads[:, 3:4], error)  # CTRs of one byte
    monkeypatch.setattr(sframe, "counters", once)
    monkeypatch.setattr(Opener, "_open_in_order", lambda *_: False)
    scene.station.receive(sent, scene.now)
    assert scene.station.video[Lane.VIDEO_A] == pictures[:12] + pictures[13:]
    assert scene.station.drops == {UNEXPECTED: 1}


def test_no_plaintext_leaves_where_the_window_failed(monkeypatch):
    """Opened in place, and then nobody can say whether it is new: none of it is delivered, now or ever."""
    scene = Scene()
    sent = scene.aircraft.seal(Lane.VIDEO_A, [b"picture"] * 20)
    with monkeypatch.context() as broken:
        for name in ("extend", "accept"):
            broken.setattr(ReplayWindow, name, failing(getattr(ReplayWindow, name)))
        scene.station.receive(sent, scene.now)
    assert not scene.station.video[Lane.VIDEO_A]
    assert scene.station.drops[UNEXPECTED] == 20
    assert scene.is_well()


def test_a_tag_that_throws_is_a_wrong_tag(monkeypatch):
    scene = Scene()
    (lease,) = scene.station.listener.leases[scene.aircraft.announcer.send_key(Lane.VIDEO_A).kid]
    real, lease.key.cipher = lease.key.cipher, Throwing()
    scene.station.receive(scene.aircraft.seal(Lane.VIDEO_A, [b"picture"] * 5), scene.now)
    lease.key.cipher = real
    assert not scene.station.video[Lane.VIDEO_A]
    assert scene.station.drops == {UNEXPECTED: 5}
    assert scene.is_well()


class Throwing:
    def decrypt_into(self, *_):
        raise MemoryError


# --- aboard ---


def commanding() -> tuple[Scene, list[bytes], list[bytes]]:
    """A scene whose pilot may command, frames, and the datagrams that carry one each."""
    scene = Scene()
    scene.now = command(scene.world, scene.station, scene.aircraft, scene.now)
    frames = [mavlink_frame(scene.rng, number) for number in range(10)]
    sealed = [datagram for frame in frames for datagram in scene.station.seal([frame], scene.now)]
    return scene, frames, sealed


def test_a_poisoned_command_costs_itself_alone(monkeypatch):
    scene, frames, sealed = commanding()
    monkeypatch.setattr(mavlink, "split", failing(mavlink.split, lambda plain: bytes(plain).startswith(frames[3])))
    scene.aircraft.receive(sealed, scene.now)
    assert [frame for _, frame in scene.aircraft.commands] == frames[:3] + frames[4:]
    assert scene.aircraft.drops == {UNEXPECTED: 1}


def test_what_fails_before_the_tag_fails_one_by_one_aboard(monkeypatch):
    scene, frames, sealed = commanding()
    real = ReplayWindow.look
    monkeypatch.setattr(ReplayWindow, "look", failing(real, lambda _, ctrs: 3 in ctrs.tolist()))
    scene.aircraft.receive(sealed, scene.now)
    assert [frame for _, frame in scene.aircraft.commands] == frames[:3] + frames[4:]
    assert scene.aircraft.drops == {UNEXPECTED: 1}


def test_an_unexpected_content_of_the_control_lane_is_counted(monkeypatch):
    scene, _, _ = commanding()
    monkeypatch.setattr(UplinkOpener, "_control", failing(UplinkOpener._control))
    scene.now += 3.0
    scene.station.receive(scene.aircraft.control(scene.now), scene.now)
    scene.aircraft.receive(scene.station.control(scene.now), scene.now)
    assert scene.aircraft.drops == {UNEXPECTED: 1}


def test_a_command_that_no_key_opens_and_one_that_cannot_be_ordered_cost_themselves(monkeypatch):
    world = World(1)
    aircraft, station = world.aircraft(), world.station(1)
    now = command(world, station, aircraft, 0.0)
    frames = [mavlink_frame(world.random, number) for number in range(3)]
    sealed = [station.seal([frame], now) for frame in frames]
    with monkeypatch.context() as broken:
        broken.setattr(sframe, "nonce", failing(sframe.nonce))
        aircraft.receive(sealed[0], now)
    with monkeypatch.context() as broken:
        broken.setattr(CommandOrder, "in_order", failing(CommandOrder.in_order))
        aircraft.receive(sealed[1], now)
    assert (aircraft.commands, aircraft.drops) == ([], {UNEXPECTED: 2})
    aircraft.receive(sealed[2], now)
    assert aircraft.commands == [(1, frames[2])]
