"""Which session of a device is commanded, and which device a frame goes to: SPEC.md sections 7 and 7.4."""

from __future__ import annotations

import dataclasses

import pytest
from pymavlink.dialects.v20 import all as dialect

from gateway.core import sframe
from gateway.core.ground.uplink_sessions import GONE_AFTER_S, OVERDUE_AFTER_S, SILENT_AFTER_S
from gateway.core.refusal import Refusal
from gateway.core.wire import Kind
from keys.beat_flag import Flag
from keys.keyring import instance_after
from tests.hostile.fleet import GCS, GCS_BEAT, Two, arm, beat, waypoint
from tests.memory_link import PILOT, Aircraft, Station, World, command, join, mavlink_frame, verified
from tests.unit.gateway.core.ground.test_listener_orders import amended, under
from tests.unit.gateway.core.ground.test_order_uploader import adopt, carried, with_file


def commanded(station: Station) -> list[bytes]:
    return [commander.session.session_id for commander in station.sessions.commanded]


def talk(station: Station, aircraft: list[Aircraft], now: float, seconds: float) -> float:
    end = now + seconds
    while now < end:
        now += 0.05
        sent = station.control(now)
        for one in aircraft:
            one.receive(sent, now)
            station.receive(one.control(now), now)
    return now


@pytest.mark.parametrize(("link_bps", "silent_s"), [(8_000_000, OVERDUE_AFTER_S), (57_600, SILENT_AFTER_S)])
def test_the_uplink_stays_while_the_old_session_beats_and_moves_when_it_is_silent(link_bps, silent_s):
    """The new one has answered; where beats are a second apart more of them must be missing."""
    world = World(2)
    old, station = world.aircraft(link_bps=link_bps), world.station(1)
    now = talk(station, [old], command(world, station, old, 0.0), 8.0)
    new = world.aircraft(now)
    now = talk(station, [old, new], now, 5.0)
    assert commanded(station) == [old.announcer.session_id]
    assert station.listener.two_aircraft(now)
    assert all(commander.answered(now) for commander in station.sessions.commanders.values()), "both are challenged"
    heard_at = next(c.session.beat_at for c in station.sessions.commanded)
    now = talk(station, [new], now, heard_at + silent_s - now - 0.1)
    assert commanded(station) == [old.announcer.session_id]
    now = talk(station, [new], now, 0.2)
    assert commanded(station) == [new.announcer.session_id]
    frame = mavlink_frame(world.random, 1)
    new.receive(station.seal([frame], now), now)
    assert new.commands == [(1, frame)]


def test_an_overdue_session_gives_way_to_no_earlier_one_and_to_none_that_has_not_answered():
    world = World(2)
    other = world.aircraft()
    current, station = world.aircraft(), world.station(1)
    station.receive(other.control(0.0), 0.0)
    now = talk(station, [current], command(world, station, current, 0.0), 8.0)
    later = world.aircraft(now)
    now = talk(station, [other, later], now, 0.0)
    for aircraft in (later, other):
        for _ in range(19):
            now += 0.05
            sent = station.control(now)
            current.receive(sent, now)
            station.receive(current.control(now) + aircraft.control(now), now)
            other.receive(sent, now)
    heard_at, begin = next(c.session.beat_at for c in station.sessions.commanded), now
    while now < heard_at + SILENT_AFTER_S - 0.1:
        now += 0.05
        other.receive(station.control(now), now)
        station.receive(other.control(now) + later.control(now), now)
        assert commanded(station) == [current.announcer.session_id]
    assert now > begin + 1.0
    assert {c.session.boot_counter for c in station.sessions.commanders.values() if c.answered(now)} == {1, 2}


@pytest.fixture
def two() -> Two:
    """Aircraft of systems 1 and 2, neither of which the order lists."""
    two = Two()
    two.talk()
    two.down(two.first, beat(1))
    two.down(two.second, beat(2))
    return two


def test_a_frame_goes_to_the_aircraft_that_it_is_for(two: Two):
    for_first, for_second = [waypoint(1), arm(1), for_gimbal(1)], [arm(2), waypoint(2)]
    mixed = [for_first[0], for_second[0], GCS_BEAT, *for_first[1:], for_second[1]]
    assert two.up(*mixed) == (
        [frame for frame in mixed if frame not in for_second],
        [frame for frame in mixed if frame not in for_first],
    )


def for_gimbal(system: int) -> bytes:
    return bytes(dialect.MAVLink_command_long_message(system, 154, 205, 0, 1, 0, 0, 0, 0, 0, 0).pack(GCS))


def sealed(two: Two, *frames: bytes) -> tuple[int, list[Refusal]]:
    result = two.pilot.sessions.seal(frames, two.now)
    return result.sent, [why for _, why in result.refused]


def test_what_is_for_all_goes_to_all_unless_it_has_an_effect(two: Two):
    ping = bytes(dialect.MAVLink_ping_message(1, 2, 0, 0).pack(GCS))
    assert two.up(ping, GCS_BEAT) == ([ping, GCS_BEAT], [ping, GCS_BEAT])
    effects = [
        arm(0),
        waypoint(0),
        bytes(dialect.MAVLink_param_set_message(0, 0, b"X", 1.0, 9).pack(GCS)),
        bytes(dialect.MAVLink_file_transfer_protocol_message(0, 0, 0, [0] * 251).pack(GCS)),
        bytes(dialect.MAVLink_set_mode_message(0, 1, 5).pack(GCS)),
        bytes(dialect.MAVLink_manual_control_message(0, 1, 2, 3, 4, 5).pack(GCS)),
    ]
    assert sealed(two, *effects) == (0, [Refusal.FOR_ALL] * len(effects))
    assert two.up(GCS_BEAT, arm(0)) == ([GCS_BEAT], [GCS_BEAT])


def test_a_target_that_mavlink_2_left_out_is_all(two: Two):
    cut = bytes(dialect.MAVLink_command_long_message(0, 0, 400, 0, 1, 0, 0, 0, 0, 0, 0).pack(GCS))
    assert cut[1] < 31
    assert sealed(two, cut) == (0, [Refusal.FOR_ALL])


def alone(two: Two, seconds: float) -> None:
    """The second aircraft is not heard for so long."""
    for _ in range(round(seconds / 0.1)):
        two.now += 0.1
        two.first.receive(two.pilot.control(two.now), two.now)
        two.pilot.receive(two.first.control(two.now), two.now)


def test_what_is_for_all_goes_up_when_one_aircraft_is_commanded(two: Two):
    two.pilot.receive(two.second.announcer.close(two.now), two.now)
    assert sealed(two, arm(0)) == (0, [Refusal.FOR_ALL]), (
        "what goes up in a session that was closed just now is carried out"
    )
    fresh_s = two.pilot.sessions.order.content.policy.fresh_ms / 1000
    alone(two, fresh_s + 0.1)
    assert two.up(arm(0)) == ([arm(0)], [])


def test_what_is_for_all_is_refused_through_the_gaps_of_a_link_and_goes_up_once_the_other_aircraft_is_gone(two: Two):
    """Else a command that was meant for the one would be carried out by the other, as the link pleases."""
    for _ in range(3):
        alone(two, GONE_AFTER_S - 1.0)
        assert sealed(two, arm(0)) == (0, [Refusal.FOR_ALL])
        two.talk(1.0)
    alone(two, GONE_AFTER_S + 0.5)
    assert two.up(arm(0)) == ([arm(0)], [])
    assert sealed(two, arm(2)) == (0, [Refusal.ENDED])
    two.talk(1.0)
    assert sealed(two, arm(0)) == (0, [Refusal.FOR_ALL])
    assert two.up(arm(2)) == ([], [arm(2)])


def test_an_aircraft_of_which_nothing_opens_here_holds_up_no_command_for_all(two: Two):
    """Its beats come, its grants do not: a relay that swallows them, or a device key that is in other hands."""
    station = two.world.station(1)
    for _ in range(40):
        two.now += 0.1
        shown = [each for each in two.second.control(two.now) if two.world.kind(each) in (Kind.STATEMENT, Kind.BEAT)]
        station.receive(two.first.control(two.now) + shown, two.now)
        two.first.receive(station.control(two.now), two.now)
    first, second = sorted(station.listener.sessions.values(), key=lambda session: not session.opened)
    assert (first.opened, second.opened) == (True, False)
    sealed = station.sessions.seal([arm(0)], two.now)
    assert (sealed.sent, sealed.refused) == (1, [])
    two.first.receive(sealed.datagrams, two.now)
    assert two.first.commands[-1:] == [(1, arm(0))]
    second.uplink_keys[0] = bytes(32)
    assert station.sessions.seal([arm(0)], two.now).refused == [(arm(0), Refusal.FOR_ALL)]


def test_an_id_that_no_device_owns_is_refused(two: Two):
    assert sealed(two, arm(3), arm(1), arm(255)) == (1, [Refusal.NOBODYS] * 2)


def test_an_aircraft_that_is_not_heard_is_told_nothing_and_the_other_is_not_in_its_place():
    two = Two(((1,), (2,)))
    alone(two, 4.0)
    assert sealed(two, arm(2), arm(1)) == (1, [Refusal.NO_AIRCRAFT])
    assert two.up(arm(2)) == ([], [])


def test_a_single_aircraft_without_a_list_gets_whatever_is_sent():
    world = World(5)
    aircraft, station = world.aircraft(), world.station(1)
    now = command(world, station, aircraft, 0.0)
    frames = [arm(0), arm(1), arm(77), GCS_BEAT]
    aircraft.receive(station.seal(frames, now), now)
    assert [frame for _, frame in aircraft.commands] == frames


def test_the_uplink_moves_at_once_when_the_old_session_is_closed():
    world = World(3)
    old, station = world.aircraft(), world.station(1)
    now = command(world, station, old, 0.0)
    new = world.aircraft(now)
    now = talk(station, [old, new], now, 2.0)
    station.receive(old.announcer.close(now), now)
    station.control(now)
    assert commanded(station) == [new.announcer.session_id]


def closed(loses: bool) -> tuple[World, Aircraft, Station, float]:
    """A pilot whose session was closed; `loses`: the closing beat was lost."""
    world = World(3)
    old, station = world.aircraft(), world.station(1)
    now = talk(station, [old], command(world, station, old, 0.0), 1.0)
    said = old.announcer.close(now)
    station.receive([] if loses else said, now)
    return world, old, station, now


def test_a_closed_session_is_commanded_until_the_next_one_answers():
    world, old, station, now = closed(loses=False)
    new = world.aircraft(now)
    now = join(world, station, new, now)
    assert old.announcer.session_id[:8] not in station.listener.sessions, "its leases are over"
    frame = mavlink_frame(world.random, 1)
    station.control(now)
    old.receive(station.seal([frame], now + 1.0), now + 1.0)
    assert old.commands == [(1, frame)]
    now = talk(station, [new], now + 1.0, 0.5)
    assert commanded(station) == [new.announcer.session_id]
    new.receive(station.seal([frame], now), now)
    assert new.commands == [(1, frame)]


def test_a_closed_session_is_commanded_while_the_next_one_waits_for_its_order():
    world, old, station, now = closed(loses=False)
    flying = under(world, amended(world))
    new = flying.aircraft(now)
    end = now + station.sessions.order.content.policy.fresh_ms / 1000
    now = talk(station, [new], now, 2.9)
    assert commanded(station) == [old.announcer.session_id]
    assert not isinstance(station.seal([mavlink_frame(world.random, 1)], now), Refusal)
    now = talk(station, [new], now, end - now + 0.1)
    assert commanded(station) == [new.announcer.session_id]
    assert station.seal([mavlink_frame(world.random, 1)], now) is Refusal.PENDING


def test_a_closed_session_is_commanded_no_longer_than_fresh_ms():
    world, _, station, now = closed(loses=False)
    assert station.seal([mavlink_frame(world.random, 1)], now + 3.1) is Refusal.ENDED
    assert station.control(now + 3.1) == []


def test_where_the_closing_beat_is_lost_the_uplink_stays_until_the_session_is_silent():
    world, old, station, now = closed(loses=True)
    new = world.aircraft(now)
    heard_at = station.sessions.commanded[0].session.beat_at
    now = talk(station, [new], now, heard_at + OVERDUE_AFTER_S - now - 0.1)
    assert commanded(station) == [old.announcer.session_id]
    talk(station, [new], now, 0.2)
    assert commanded(station) == [new.announcer.session_id]


def test_an_aircraft_that_falls_silent_alone_stays_the_one_commanded():
    world = World(4)
    aircraft, station = world.aircraft(), world.station(1)
    now = join(world, station, aircraft, 0.0)
    now = talk(station, [], now, 60.0)
    assert commanded(station) == [aircraft.announcer.session_id]
    now = talk(station, [aircraft], now, 4.0)
    assert not isinstance(station.seal([mavlink_frame(world.random, 1)], now), str)


def test_nothing_is_carried_up_while_a_change_of_order_is_ahead():
    """The aircraft has a newer order then; if it is not ours, there is time after the change."""
    world = World(5)
    aircraft, station = world.aircraft(), world.station(1)
    now = join(world, station, aircraft, 0.0)
    adopt(station, with_file(amended(world)))
    aircraft.announcer.flags |= Flag.ORDER_CHANGE_AHEAD
    now += 0.5
    station.receive(aircraft.control(now), now)
    assert carried(aircraft, station, now, now + 3.0) == []
    aircraft.announcer.flags = Flag(0)
    assert carried(aircraft, station, now + 3.0, now + 6.0)


# --- instances ---


def headers(station: Station, now: float) -> list[tuple[int, int]]:
    """(instance, counter) of a command."""
    kids = [sframe.decode_header(datagram[:13]) for datagram in station.seal([GCS_BEAT], now)]
    return [(kid & 0xFF_FFFF_FFFF, ctr) for kid, ctr, _ in kids]


def test_where_the_order_of_a_session_changes_its_commands_go_on_under_the_same_instance():
    """As when the order comes of a session that was pending."""
    world = World(3)
    aircraft, station = world.aircraft(), world.station(1)
    now = command(world, station, aircraft, 0.0)
    ((instance, ctr),) = headers(station, now)
    (session,) = station.listener.sessions.values()
    stations = tuple(dataclasses.replace(each) for each in world.order.content.stations)
    session.order = verified(dataclasses.replace(world.order.content, serial=2, stations=stations))
    (before,) = station.sessions.commanders.values()
    station.sessions.follow([session], now)
    assert station.sessions.commanders[session.session_id] is not before
    now = command(world, station, aircraft, now)
    assert headers(station, now) == [(instance, ctr + 1)]


def test_the_instance_in_the_session_after_follows_from_the_one_before():
    world = World(3)
    aircraft, station = world.aircraft(), world.station(1)
    now = command(world, station, aircraft, 0.0)
    ((instance, _),) = headers(station, now)
    station.receive(aircraft.announcer.close(now), now)
    later = world.after(aircraft, now)
    now = talk(station, [later], now, 2.0)
    followed = instance_after(later.announcer.current.uplink_keys[1], instance.to_bytes(5, "big"))
    assert headers(station, now) == [(int.from_bytes(followed, "big"), 0)]


def test_it_follows_from_the_session_that_was_commanded_last_while_it_was_heard():
    """Not from that of a copied key, though it is all that is left when the one before was closed and the next missed."""
    world = World(3)
    aircraft, station = world.aircraft(), world.station(1)
    now = command(world, station, aircraft, 0.0)
    ((instance, _),) = headers(station, now)
    copied = world.aircraft(now)
    now = talk(station, [aircraft, copied], now, 1.0)
    now = talk(station, [aircraft], now, 15.0)
    station.receive(aircraft.announcer.close(now), now)
    now = talk(station, [], now, 4.0)
    station.listener.tick(now)
    now = talk(station, [], now, 0.1)
    assert commanded(station) == [copied.announcer.session_id]
    later = world.aircraft(now)
    now = talk(station, [later], now, 2.0)
    followed = instance_after(later.announcer.current.uplink_keys[1], instance.to_bytes(5, "big"))
    assert headers(station, now)[0][0] == int.from_bytes(followed, "big")


def test_in_a_session_that_was_lost_and_is_met_again_no_instance_follows_twice():
    world = World(3)
    aircraft, station = world.aircraft(), world.station(1)
    now = command(world, station, aircraft, 0.0)
    later = world.aircraft(now)
    now = talk(station, [aircraft, later], now, 1.0)
    assert commanded(station) == [aircraft.announcer.session_id]
    name, base = later.announcer.session_id, later.announcer.current.uplink_keys[1]
    followed = instance_after(base, headers(station, now)[0][0].to_bytes(5, "big"))
    assert station.sessions.commanders[name].instance._name == followed
    del station.listener.sessions[name[:8]]
    now = talk(station, [aircraft], now, 0.1)
    assert name not in station.sessions.commanders
    now = talk(station, [aircraft, later], now, 3.0)
    assert station.sessions.commanders[name].instance._name not in (None, followed)


def test_a_session_that_was_dropped_is_challenged_though_its_beats_come_late_now():
    """The aircraft's clock stood for 3 s meanwhile: an answer is the only way back."""
    world = World(7, roles=[PILOT])
    aircraft, pilot = world.aircraft(), world.station(1)
    now = command(world, pilot, aircraft, 0.0)
    begin = now
    pilot.listener.starts.drop(*pilot.listener.sessions.values())
    assert pilot.control(now) == []
    for step in range(60):
        now = begin + 3.0 + step / 10
        pilot.receive(aircraft.control(now - 3.0), now)
        aircraft.receive(pilot.control(now), now - 3.0)
    assert pilot.drops["late_beat"]
    assert pilot.sessions.refusal(now) is None


def test_while_no_aircraft_is_heard_no_frame_is_sealed():
    world = World(2)
    frame = mavlink_frame(world.random, 1)
    assert world.station(1).sessions.seal([frame], 0.0) == ([], 0, [(frame, Refusal.NO_AIRCRAFT)])


def test_when_an_aircraft_was_asked_for_something_is_known_and_a_heartbeat_asks_for_nothing(two: Two):
    sessions = two.pilot.sessions
    sealed(two, GCS_BEAT)
    assert sessions.commanded_at == {}
    sealed(two, GCS_BEAT, arm(1))
    assert [*sessions.commanded_at.values()] == [two.now]
    assert sessions.systems.owner(1) in sessions.commanded_at
