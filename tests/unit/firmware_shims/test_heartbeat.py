from __future__ import annotations

import random

import pytest
from pymavlink.dialects.v10 import common as v1
from pymavlink.dialects.v20 import common as v2

from firmware_shims import heartbeat, mavlink
from firmware_shims.heartbeat import Heartbeat

ARDUPILOT, PX4, INVALID = 3, 12, 8
QUADROTOR, GCS, CAMERA, ONBOARD = 2, 6, 30, 18
ARMED, DISARMED = 0x80 | 0x51, 0x51


def beat(kind: int, autopilot: int, mode: int, source: tuple[int, int] = (1, 1), dialect: object = v2) -> bytes:
    sender = dialect.MAVLink(None, *source)  # type: ignore[attr-defined]
    return bytes(sender.heartbeat_encode(kind, autopilot, mode, 0, 4, 3).pack(sender))


@pytest.mark.parametrize("dialect", [v1, v2], ids=["MAVLink 1", "MAVLink 2"])
@pytest.mark.parametrize("autopilot", [ARDUPILOT, PX4])
def test_an_autopilot_armed_and_not(dialect: object, autopilot: int):
    armed = beat(QUADROTOR, autopilot, ARMED, (4, 1), dialect)
    assert heartbeat.read(armed) == Heartbeat(4, 1, armed=True, from_autopilot=True, firmware=autopilot, vehicle=QUADROTOR)
    disarmed = beat(QUADROTOR, autopilot, DISARMED, (250, 200), dialect)
    expected = Heartbeat(250, 200, armed=False, from_autopilot=True, firmware=autopilot, vehicle=QUADROTOR)
    assert heartbeat.read(memoryview(disarmed)) == expected


@pytest.mark.parametrize(
    ("kind", "autopilot"), [(GCS, INVALID), (GCS, ARDUPILOT), (CAMERA, INVALID), (ONBOARD, INVALID), (QUADROTOR, INVALID)]
)
def test_what_beats_and_does_not_fly(kind: int, autopilot: int):
    """Taken for the autopilot, a ground station that says "disarmed" would ground an aircraft in flight."""
    heard = heartbeat.read(beat(kind, autopilot, DISARMED))
    assert heard is not None
    assert not heard.from_autopilot


def test_a_heartbeat_whose_end_was_trimmed():
    """MAVLink 2 cuts zeros off the payload: here nothing is left but one byte."""
    sender = v2.MAVLink(None, 1, 1)
    frame = bytes(sender.heartbeat_encode(0, 0, 0, 0, 0, 0).pack(sender))
    assert frame[1] < 9
    assert heartbeat.read(frame) == Heartbeat(1, 1, armed=False, from_autopilot=True)


def test_a_signed_heartbeat():
    sender = v2.MAVLink(None, 1, 1)
    sender.signing.secret_key, sender.signing.sign_outgoing, sender.signing.timestamp = bytes(32), True, 1
    frame = bytes(sender.heartbeat_encode(QUADROTOR, PX4, ARMED, 0, 4, 3).pack(sender))
    assert len(frame) == 12 + 9 + 13
    expected = Heartbeat(1, 1, armed=True, from_autopilot=True, firmware=PX4, vehicle=QUADROTOR)
    assert heartbeat.read(frame) == expected


def test_any_other_message_is_none():
    sender = v2.MAVLink(None, 1, 1)
    for message in (sender.attitude_encode(1, 2, 3, 4, 5, 6, 7), sender.ping_encode(1, 2, 3, 4)):
        assert heartbeat.read(bytes(message.pack(sender))) is None


def test_no_bit_of_it_can_change():
    """Its checksum covers all but the start byte; noise must not look like an aircraft."""
    frame = beat(QUADROTOR, ARDUPILOT, DISARMED)
    for bit in range(8, 8 * len(frame)):
        flipped = bytearray(frame)
        flipped[bit // 8] ^= 1 << bit % 8
        assert [heartbeat.read(f) for f in mavlink.Framer().datagrams([bytes(flipped)])] in ([], [None])


def test_frames_that_only_claim_to_be_one():
    rng = random.Random(3)
    for _ in range(5_000):
        size, flags = rng.randrange(256), rng.choice((0, 1, 2, 0x80))
        head = bytes([0xFD, size, flags, 0, 1, 1, 1, 0, 0, 0])
        assert heartbeat.read(head + rng.randbytes(size + 2 + 13 * (flags & 1))) is None
        assert heartbeat.read(bytes([0xFE, size, 1, 1, 1, 0]) + rng.randbytes(size + 2)) is None


@pytest.mark.parametrize(
    ("heard", "stands"),
    [
        ([(1, DISARMED)], True),
        ([(1, ARMED)], False),
        ([], False),  # not heard counts as airborne
        ([(154, DISARMED)], False),  # a gimbal that calls itself an autopilot is not the aircraft
        ([(154, DISARMED), (1, DISARMED)], True),
        ([(1, DISARMED), (2, ARMED)], False),
        ([(1, ARMED), (1, DISARMED)], False),  # two aircraft of one number; one word of it is enough
        ([(1, DISARMED), (1, ARMED)], False),
    ],
)
def test_which_component_can_say_that_an_aircraft_is_on_the_ground(heard: list[tuple[int, int]], stands: bool):
    autopilots = heartbeat.Autopilots()
    autopilots.hear(beat(QUADROTOR, ARDUPILOT, mode, (1, component)) for component, mode in heard)
    assert autopilots.stands is stands


@pytest.mark.parametrize(
    ("heard", "stands"),
    [
        ([(4, DISARMED)], True),
        ([(2, DISARMED)], False),  # only another aircraft is heard
        ([(4, ARMED), (2, DISARMED)], False),
        ([(2, DISARMED), (4, ARMED)], False),
        ([(4, DISARMED), (2, DISARMED)], True),
        ([(4, DISARMED), (2, ARMED)], False),
        ([(4, ARMED), (4, DISARMED), (2, DISARMED)], False),
    ],
)
def test_another_aircraft_cannot_say_that_this_one_is_on_the_ground(heard: list[tuple[int, int]], stands: bool):
    autopilots = heartbeat.Autopilots(4)
    for system, mode in heard:
        autopilots.hear([beat(QUADROTOR, ARDUPILOT, mode, (system, 1))])
    assert autopilots.stands is stands
    assert autopilots.others == {system for system, _ in heard} - {4}


def test_a_ground_control_station_that_is_armed_is_no_aircraft():
    autopilots = heartbeat.Autopilots()
    autopilots.hear([beat(GCS, INVALID, ARMED, (255, 190)), beat(QUADROTOR, ARDUPILOT, DISARMED)])
    assert autopilots.stands
    assert not autopilots.flies


@pytest.mark.parametrize(
    ("source", "mode", "flies"),
    [
        ((4, 1), ARMED, True),
        ((4, 1), DISARMED, False),
        ((4, 154), ARMED, False),  # a gimbal that calls itself an autopilot
        ((1, 1), ARMED, False),  # another aircraft
    ],
)
def test_which_component_can_say_that_an_aircraft_flies(source: tuple[int, int], mode: int, flies: bool):
    autopilots = heartbeat.Autopilots(4)
    autopilots.hear([beat(QUADROTOR, ARDUPILOT, mode, source)])
    autopilots.hear([beat(QUADROTOR, ARDUPILOT, DISARMED, (4, 1))])
    assert autopilots.flies is flies
    assert not (flies and autopilots.stands)
