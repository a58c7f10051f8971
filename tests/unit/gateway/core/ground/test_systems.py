"""Whose a MAVLink system id is: SPEC.md section 7.4."""

from __future__ import annotations

import dataclasses

import pytest
from pymavlink.dialects.v20 import all as dialect

from gateway.core.ground.systems import NAMES_MAX, OTHERS, Clash, Foreign, Systems
from tests.hostile.fleet import GCS_BEAT, Two, beat, position, sender

RADIO = 51


def radio_status(system: int = RADIO) -> bytes:
    return bytes(dialect.MAVLink_radio_status_message(1, 2, 3, 4, 5, 6, 7).pack(sender(system, 68)))


def gimbal(system: int) -> bytes:
    return bytes(dialect.MAVLink_heartbeat_message(26, 8, 0, 0, 4, 3).pack(sender(system, 154)))


def adsb(system: int) -> bytes:
    fields = (0xABCDEF, 1, 2, 0, 3, 4, 5, 6, b"KLM1", 3, 1, 0, 1200)
    return bytes(dialect.MAVLink_adsb_vehicle_message(*fields).pack(sender(system)))


@pytest.fixture
def listed() -> Two:
    two = Two(((1,), (2,)))
    two.talk(1.0)
    return two


@pytest.fixture
def without() -> Two:
    two = Two()
    two.talk(1.0)
    return two


def systems(two: Two) -> Systems:
    return two.pilot.sessions.systems


def public(two: Two) -> tuple[bytes, bytes]:
    first, second = two.world.order.content.devices
    return first.pub, second.pub


def changed(two: Two, **changes: object) -> None:
    """The next order, with these changes of its first device."""
    first, second = two.world.order.content.devices
    content = dataclasses.replace(two.world.order.content, devices=(dataclasses.replace(first, **changes), second))
    systems(two).adopt(content)


# --- a list ---


def test_what_an_aircraft_sends_under_its_own_id_passes_whatever_it_is(listed: Two):
    frames = [beat(1), position(1), adsb(1), gimbal(1)]
    assert listed.down(listed.first, *frames) == frames
    assert systems(listed).dropped == 0


def test_what_is_not_listed_is_dropped_and_named(listed: Two):
    first, _ = public(listed)
    for _ in range(12):
        assert listed.down(listed.first, radio_status(), position(1)) == [position(1)]
    assert systems(listed).foreign == {Foreign(first, RADIO, 109): 12}
    assert systems(listed).take_clashes() == set()


def test_it_passes_once_it_is_listed_and_not_after(listed: Two):
    changed(listed, systems=(1, RADIO))
    assert listed.down(listed.first, radio_status()) == [radio_status()]
    assert listed.down(listed.second, radio_status()) == []
    changed(listed, systems=(1,))
    assert listed.down(listed.first, radio_status()) == []


def test_a_relayed_second_vehicle_is_listed_with_the_one_that_relays_it(listed: Two):
    changed(listed, systems=(1, 7))
    assert listed.down(listed.first, beat(7), position(7)) == [beat(7), position(7)]
    assert systems(listed).owner(7) == public(listed)[0]


def test_anothers_id_is_an_alarm(listed: Two):
    first, second = public(listed)
    assert listed.down(listed.second, position(1)) == []
    assert systems(listed).take_clashes() == {Clash(second, 1, first)}
    assert systems(listed).take_clashes() == set()


def test_the_kinds_that_are_told_apart_are_few(listed: Two):
    first, _ = public(listed)
    for system in range(3, 103):
        listed.down(listed.first, position(system))
    assert len(systems(listed).foreign) == NAMES_MAX + 1
    assert systems(listed).foreign[Foreign(first, *OTHERS)] == 100 - NAMES_MAX
    assert systems(listed).dropped == 100


# --- no list ---


def test_the_first_heartbeat_of_an_autopilot_decides(without: Two):
    first, second = public(without)
    for frame in (position(9), gimbal(9), beat(9, 2), GCS_BEAT):
        without.down(without.first, frame)
        assert systems(without).take_learned() == []
    without.down(without.first, beat(1))
    without.down(without.second, beat(2))
    assert systems(without).take_learned() == [(first, 1), (second, 2)]
    without.down(without.first, beat(3))
    assert systems(without).take_learned() == []
    assert [systems(without).owner(system) for system in (1, 2, 3)] == [first, second, None]
    assert [systems(without).owned(device) for device in (first, second)] == [[1], [2]]


def test_a_heartbeat_with_a_wrong_checksum_decides_nothing(without: Two):
    damaged = beat(1)[:-1] + bytes([beat(1)[-1] ^ 1])
    without.down(without.first, damaged)
    assert systems(without).take_learned() == []


def test_other_ids_pass_if_no_device_owns_them(without: Two):
    without.down(without.first, beat(1))
    without.down(without.second, beat(2))
    relayed = [radio_status(), beat(7), position(7)]
    assert without.down(without.first, *relayed) == relayed
    assert without.down(without.first, position(2)) == []
    assert without.down(without.second, position(1)) == []


def test_a_second_claimant_is_dropped_and_an_alarm(without: Two):
    first, second = public(without)
    without.down(without.first, beat(1))
    assert without.down(without.second, beat(1), position(1)) == []
    assert systems(without).take_clashes() == {Clash(second, 1, first)}
    assert systems(without).take_learned() == [(first, 1)]
    assert without.down(without.second, beat(2), position(2)) == [beat(2), position(2)]


def test_what_was_learned_before_a_restart_goes_on(without: Two):
    first, _ = public(without)
    systems(without).remember(first, 1)
    assert without.down(without.second, beat(1)) == []
    assert systems(without).owner(1) == first
    assert systems(without).take_learned() == []


def test_the_ids_of_the_ground_control_stations_here_are_theirs(without: Two):
    without.down(without.first, beat(1))
    assert without.down(without.first, position(255)) == [position(255)]
    systems(without).hear_stations([GCS_BEAT, position(1)])
    assert without.down(without.first, position(255)) == []
    assert without.down(without.second, beat(255)) == []
    assert systems(without).take_learned() == [(public(without)[0], 1)]
    assert without.down(without.first, position(1)) == [position(1)], (
        "a program that sends back what it heard takes nothing"
    )


def test_a_list_takes_an_id_that_another_was_heard_with(without: Two):
    first, second = public(without)
    without.down(without.second, beat(1))
    assert systems(without).owner(1) == second
    changed(without, systems=(1,))
    assert systems(without).owner(1) == first
    assert without.down(without.second, position(1)) == []
    without.down(without.second, beat(2))
    assert systems(without).owner(2) == second


def test_a_void_device_owns_nothing_and_nothing_of_it_passes(listed: Two):
    changed(listed, void=True)
    assert systems(listed).owner(1) is None
    assert listed.down(listed.first, position(1), position(9)) == []
    changed(listed, void=True, systems=())


def test_every_id_is_that_of_a_single_aircraft_without_a_list(without: Two):
    _, second = public(without)
    changed(without, void=True)
    assert [systems(without).owner(system) for system in (1, 2, 200)] == [second] * 3
    assert without.down(without.second, position(200)) == [position(200)]


def test_what_cannot_be_judged_costs_itself_alone(listed: Two, monkeypatch):
    monkeypatch.setattr("firmware_shims.mavlink.key", lambda _: {}[0])
    assert listed.down(listed.first, position(1)) == []
    monkeypatch.undo()
    assert listed.down(listed.first, position(1)) == [position(1)]
    assert systems(listed).dropped == 1
