"""Devices whose keys are void: SPEC.md sections 5.5 and 7."""

from __future__ import annotations

import dataclasses
import gc
import sys
from types import ModuleType

import pytest

from gateway.core.drop_reason import DropReason
from gateway.core.ground.revoked import SESSIONS_MAX
from keys.order import VerifiedOrder
from tests.hostile.fleet import GCS_BEAT, Two, arm, beat, position
from tests.memory_link import verified


@pytest.fixture
def two() -> Two:
    """Both fly and may be commanded."""
    two = Two(((1,), (2,)))
    two.talk()
    assert two.down(two.second, beat(2)) == [beat(2)]
    return two


def without_second(two: Two) -> VerifiedOrder:
    first, second = two.world.order.content.devices
    devices = (first, dataclasses.replace(second, void=True))
    return verified(dataclasses.replace(two.world.order.content, serial=2, devices=devices))


def second_of(two: Two) -> bytes:
    return two.world.order.content.devices[1].pub


def revoke(two: Two) -> None:
    changed = without_second(two)
    two.pilot.listener.adopt(changed)
    two.pilot.sessions.adopt(changed)


def test_its_session_under_the_older_order_ends_at_once(two: Two):
    waiting = two.second.telemetry([position(2)], two.now)
    revoke(two)
    assert [session.device_public for session in two.pilot.listener.sessions.values()] == [
        two.world.order.content.devices[0].pub
    ]
    assert {lease.session.device_public for leases in two.pilot.listener.leases.values() for lease in leases} == {
        two.world.order.content.devices[0].pub
    }
    before = len(two.pilot.frames)
    two.pilot.receive(waiting, two.now)
    assert len(two.pilot.frames) == before
    assert len(two.pilot.sessions.commanders) == 1


def test_nothing_more_goes_up_to_it_although_the_sessions_were_not_followed(two: Two):
    revoke(two)
    sealed = two.pilot.sessions.seal([GCS_BEAT, arm(2)], two.now)
    two.second.receive([*sealed.datagrams, *two.pilot.sessions.control(two.now)], two.now)
    assert two.second.commands == []
    assert sealed.sent == 1
    assert [frame for frame, _ in sealed.refused] == [arm(2)]


def test_its_statements_are_counted_and_its_newer_beats_are_an_alarm(two: Two):
    revoke(two)
    two.talk(2.0)
    assert two.pilot.drops[DropReason.REVOKED_DEVICE] > 0
    assert two.pilot.listener.revoked.take_heard() == {two.world.order.content.devices[1].pub}
    assert two.pilot.listener.revoked.take_heard() == set()
    assert len(two.pilot.listener.sessions) == 1


def test_a_recording_of_its_beats_is_no_alarm_twice(two: Two):
    recording = two.second.control(two.now + 1.0)
    revoke(two)
    two.pilot.receive(recording, two.now + 1.0)
    two.pilot.listener.revoked.take_heard()
    two.pilot.receive(recording, two.now + 2.0)
    assert two.pilot.listener.revoked.take_heard() == set()


def test_a_forged_beat_is_no_alarm(two: Two):
    (session,) = [s for s in two.pilot.listener.sessions.values() if s.device_public == second_of(two)]
    message = session.newest_message
    revoke(two)
    revoked = two.pilot.listener.revoked
    assert revoked.beat(session, message[:-1] + bytes([message[-1] ^ 1])) is DropReason.BAD_SIGNATURE
    assert revoked.beat(session, message) is DropReason.STALE_BEAT
    assert revoked.take_heard() == set()


def test_a_later_start_and_one_at_a_station_that_restarted_are_not_believed_either(two: Two):
    two.world.order = without_second(two)
    two.pilot = two.world.station(1)
    for boot in (78, 79):
        two.second = two.start(1, two.key, boot, two.now)
        two.talk(4.0)
        assert two.down(two.second, beat(2)) == []
    assert len(two.pilot.listener.sessions) == 1
    assert two.pilot.listener.take_heard()[0].device_public == two.world.order.content.devices[0].pub


def test_an_attacker_that_has_the_key_fills_no_memory(two: Two):
    revoke(two)
    for boot in range(100, 100 + 3 * SESSIONS_MAX):
        two.now += 0.1
        two.pilot.receive(two.start(1, two.key, boot, two.now).control(two.now), two.now)
    assert len(two.pilot.listener.revoked._sessions) == SESSIONS_MAX


def test_its_beats_fill_no_memory(two: Two):
    """A lost aircraft that flies on beats for hours, and a thief beats as fast as signatures are checked."""
    revoke(two)
    (session,) = two.pilot.listener.revoked._sessions.values()
    before = session.seq
    two.talk(1.0)
    size = asizeof(session)
    two.talk(60.0)
    assert session.seq > before + 60
    assert asizeof(session) <= size


def asizeof(thing: object) -> int:
    """The bytes of an object and of what it holds, however deep, but for classes and modules."""
    seen, waiting = dict[int, int](), [thing]
    while waiting:
        each = waiting.pop()
        if id(each) not in seen and not isinstance(each, type | ModuleType):
            seen[id(each)] = sys.getsizeof(each)
            waiting += gc.get_referents(each)
    return sum(seen.values())


def test_the_other_aircraft_goes_on(two: Two):
    revoke(two)
    two.talk(2.0)
    assert two.down(two.first, position(1)) == [position(1)]
    assert two.up(arm(1)) == ([arm(1)], [])
