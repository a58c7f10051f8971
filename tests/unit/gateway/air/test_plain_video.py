"""Which turns of a camera are C's, in a real air: what goes on is, and whatever changes is Python's turn first."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import clock
from gateway.batch import AGED_S
from gateway.core.air import announcer
from gateway.demo.stage import HOST, drain, udp_socket
from gateway.native import library
from keys.lanes import Lane
from keys.policy import PolicyFlag
from tests.memory_link import mavlink_frame
from tests.stepped_pair import SteppedPair, stepped_pair

SEALED = 0x90


@pytest.fixture
def pair(tmp_path: Path, sealing: object) -> Iterator[SteppedPair]:
    with stepped_pair(tmp_path) as made:
        made.turn(made.air)
        for _ in range(3):
            picture(made)  # from then on its sender is known
        yield made


def sealed(pair: SteppedPair) -> list[bytes]:
    return [each for each in pair.on_air() if each[0] >= SEALED and each[1] == Lane.VIDEO_A]


def picture(pair: SteppedPair, *parts: bytes, camera: socket.socket | None = None) -> list[bytes]:
    """What one turn makes of it."""
    pair.on_air()
    for part in parts or (b"a picture",):
        (camera or pair.camera).sendto(part, (HOST, pair.camera_port))
    pair.turn(pair.air)
    return sealed(pair)


@pytest.fixture
def read_by_python(pair: SteppedPair, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A number for each read of the camera by Python: how many datagrams came."""
    (camera,), reads = pair.air.cameras, []
    receive_into = camera.receive_into
    monkeypatch.setattr(camera, "receive_into", lambda *into: reads.append(receive_into(*into)) or reads[-1])
    return reads


def test_what_goes_on_is_read_sealed_and_sent_in_c_and_counted(pair: SteppedPair, read_by_python: list[int]):
    air, (camera,), (link,) = pair.air, pair.air.cameras, pair.air.links
    air.plain_video.collect(clock.now(), air.announcer)
    before = camera.counters.rx_datagrams, camera.counters.rx_bytes, link.counters.tx_datagrams
    assert len(picture(pair, b"one", b"two", b"three")) == 3
    assert read_by_python == []
    air.plain_video.collect(clock.now(), air.announcer)
    after = camera.counters.rx_datagrams, camera.counters.rx_bytes, link.counters.tx_datagrams
    assert [now - then for now, then in zip(after, before, strict=True)][:2] == [3, 11]
    assert after[2] - before[2] >= 3  # and what the aircraft says by itself
    assert air.status(clock.now()).data_path == "C"


def waits(pair: SteppedPair) -> None:
    """As a flight does between its turns; the computer may be busy, and the data still counts as new."""
    (turn,) = pair.air.plain_video._turns.values()
    turn.seal._in_c.source.since = clock.now() + 60.0
    pair.air._due = clock.now() + 0.05
    pair.air._plain_turns()


def test_between_two_turns_c_waits_and_seals_and_the_rest_of_the_aircraft_learns_it(
    pair: SteppedPair, read_by_python: list[int]
):
    air, (camera,) = pair.air, pair.air.cameras
    pair.on_air()
    air.pace.tick(clock.now())
    pair.from_camera(b"one", b"two")
    began = clock.now()
    waits(pair)
    assert len(sealed(pair)) == 2
    assert began <= air.state.heard[camera] <= clock.now()
    assert air.pace._counts[camera] == 2
    assert read_by_python == []


def test_a_rest_that_begins_in_c_goes_on_where_python_waits(pair: SteppedPair, monkeypatch: pytest.MonkeyPatch):
    air, (camera,) = pair.air, pair.air.cameras
    monkeypatch.setattr(air.pace, "rest_s", lambda _: 60.0)
    pair.from_camera(b"one")
    waits(pair)
    assert air.poller.due(camera, 0.0) > clock.now() + 30.0
    assert len(sealed(pair)) == 1
    pair.from_camera(b"two")
    waits(pair)
    assert sealed(pair) == []
    assert air.poller.due(camera, 0.0) > clock.now() + 30.0


def test_a_rest_that_begins_in_python_goes_on_where_c_waits(pair: SteppedPair, monkeypatch: pytest.MonkeyPatch):
    air, (camera,), rests_until = pair.air, pair.air.cameras, clock.now() + 60.0
    monkeypatch.setattr(air.pace, "rest_s", lambda _: 60.0)
    pair.on_air()
    air.poller.defer(camera, rests_until)
    pair.from_camera(b"one")
    waits(pair)
    assert sealed(pair) == []
    assert air.poller.due(camera, 0.0) == rests_until


def test_after_the_beat_that_many_datagrams_need_the_turns_are_c_s_again(
    pair: SteppedPair, read_by_python: list[int], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(announcer, "BEAT_AFTER_PACKETS", 10)
    beats = pair.air.announcer._seq
    for _ in range(3):  # C seals none beyond that number
        pair.from_camera(*[b"a picture"] * 8)
        waits(pair)
        pair.turn(pair.air)
    assert read_by_python
    picture(pair)
    pair.turn(pair.air)
    assert pair.air.announcer._seq > beats
    read_by_python.clear()
    assert len(picture(pair)) == 1
    assert read_by_python == []


def test_what_c_leaves_is_sealed_before_anything_else_comes_into_the_batch(pair: SteppedPair, read_by_python: list[int]):
    """Telemetry that is due at once uses the same batch."""
    other = udp_socket()
    pair.join()
    pair.air.bundler.add([mavlink_frame(random.Random(1), 0)], clock.now())
    read_by_python.clear()
    pair.from_camera(b"one")
    other.sendto(b"a stranger's", (HOST, pair.camera_port))
    waits(pair)
    pair.from_camera(b"three")
    time.sleep(pair.air.settings.flush_ms / 1000)
    shown: list[bytes] = []
    pair.until(lambda: shown[-1:] == [b"three"], lambda: (pair.step(), shown.extend(drain(pair.player))))
    assert [one for one in shown if one != b"a picture"] == [b"one", b"a stranger's", b"three"]
    assert read_by_python[0] == 2
    other.close()


def test_a_stranger_on_the_same_computer_is_python_s(pair: SteppedPair, read_by_python: list[int]):
    other = udp_socket()
    assert len(picture(pair, camera=other)) == 1
    assert read_by_python == [1]
    assert len(picture(pair)) == 1
    other.close()


def test_what_does_not_fit_the_link_is_python_s_and_the_rest_of_its_batch(pair: SteppedPair, read_by_python: list[int]):
    assert len(picture(pair, b"fits", bytes(1_450), b"fits too")) == 2
    assert read_by_python == [3]
    assert pair.air.oversize.total == 1


def test_what_may_have_waited_is_python_s(pair: SteppedPair, read_by_python: list[int], monkeypatch: pytest.MonkeyPatch):
    picture(pair)
    (turn,) = pair.air.plain_video._turns.values()
    turn.seal._in_c.source.since -= 1.0
    assert len(picture(pair)) == 1
    assert read_by_python == [1]


def test_after_a_new_look_at_the_senders_user_the_turns_are_c_s_still(pair: SteppedPair, read_by_python: list[int]):
    """Python looks twice a second; if it did not say so, C would leave it the next picture each time."""
    (turn,) = pair.air.plain_video._turns.values()
    turn.seal._in_c.source.until = 0.0
    assert len(picture(pair)) == 1
    turn.seal._in_c.source.until = 0.0
    pair.from_camera(b"one")
    waits(pair)
    assert len(sealed(pair)) == 1
    assert read_by_python == []


def test_a_sender_that_is_not_accepted_any_more_is_python_s(
    pair: SteppedPair, read_by_python: list[int], monkeypatch: pytest.MonkeyPatch
):
    (camera,) = pair.air.cameras
    monkeypatch.setattr(camera, "accepted_until", lambda _: None)
    pair.on_air()
    pair.from_camera(b"one")
    waits(pair)
    assert sealed(pair) == []
    pair.turn(pair.air)
    assert read_by_python == [1]


def test_another_key_is_taken_at_once(pair: SteppedPair, read_by_python: list[int]):
    air = pair.air
    (before,) = picture(pair)
    air.announcer.current.send_keys[Lane.VIDEO_A] = type(key := air.announcer.current.send_keys[Lane.VIDEO_A])(
        bytes(32), key.kid
    )
    (after,) = picture(pair)
    assert (before[0] & 0x08, after[0] & 0x0F) == (0, 0)
    assert read_by_python == []


def test_a_key_that_is_over_is_wiped_also_while_no_video_comes(pair: SteppedPair):
    air, (turn,) = pair.air, pair.air.plain_video._turns.values()
    salt = bytes(turn.seal._in_c.cipher.salt)
    assert salt != bytes(12)
    key = air.announcer.current.send_keys[Lane.VIDEO_A]
    air.announcer.current.send_keys[Lane.VIDEO_A] = type(key)(bytes(32), key.kid)
    air.plain_video.collect(clock.now(), air.announcer)
    assert bytes(turn.seal._in_c.cipher.salt) == bytes(12)
    pair.from_camera(b"a picture")
    assert turn.seal.turn(clock.now()) is None, "or it would be sealed with a key of zeros"
    assert len(pair.sealed(Lane.VIDEO_A, lambda: None)) == 1
    assert len(picture(pair)) == 1
    assert bytes(turn.seal._in_c.cipher.salt) not in (bytes(12), salt)


def test_what_comes_between_the_read_in_c_and_that_of_python_is_as_old_as_it_is(
    pair: SteppedPair, monkeypatch: pytest.MonkeyPatch
):
    """The process can stand still there."""
    (camera,), came_at = pair.air.cameras, []
    other, take_back = udp_socket(), camera.take_back

    def stands_still(*left: object) -> None:
        take_back(*left)
        came_at.append(clock.now())
        time.sleep(2 * AGED_S)

    monkeypatch.setattr(camera, "take_back", stands_still)
    assert len(picture(pair, camera=other)) == 1
    assert camera._age.since < came_at[0]
    other.close()


def test_a_lane_without_readers_and_one_that_is_padded_are_python_s(pair: SteppedPair, read_by_python: list[int]):
    air = pair.air
    key = air.announcer.current.send_keys.pop(Lane.VIDEO_A)
    assert picture(pair) == []
    assert read_by_python == [1]
    air.announcer.current.send_keys[Lane.VIDEO_A] = key
    object.__setattr__(air.order.content.policy, "flags", PolicyFlag.PAD_VIDEO)
    air._pad_video = True
    (padded,) = picture(pair)
    assert len(padded) > 100
    assert read_by_python == [1, 1]
    assert air.status(clock.now()).data_path == "Python, because the order pads video"


def test_a_link_that_is_opened_again_is_sent_to_by_its_new_socket(pair: SteppedPair, read_by_python: list[int]):
    (link,) = pair.air.links
    link._lost(OSError(101, "no network"), clock.now())
    assert picture(pair) == []
    link._retry_at = 0.0
    pair.until(lambda: picture(pair), lambda: None)


def test_without_the_library_python_does_it_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(library.OFF, "0")
    with stepped_pair(tmp_path) as pair:
        pair.turn(pair.air)
        assert [len(picture(pair)) for _ in range(5)] == [1] * 5
        assert pair.air.status(clock.now()).data_path == "Python, because ZEGEL_NATIVE=0 turns it off"


def test_native_false_turns_it_off(tmp_path: Path):
    with stepped_pair(tmp_path, native=False) as pair:
        assert pair.air.status(clock.now()).data_path == "Python, because native = false turns it off"
