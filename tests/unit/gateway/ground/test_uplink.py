from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from pymavlink.dialects.v20 import all as dialect

from firmware_shims.guard import UNJUDGED, Guard
from gateway.core.ground.opened import Bundle
from gateway.core.refusal import Refusal
from gateway.ground.uplink import GroundUplink
from gateway.guards import Guards
from gateway.report.alarms import Alarms
from tests.hostile.fleet import GCS_BEAT, Two, arm, position
from tests.memory_link import OBSERVER, PILOT, World, command
from tests.unit.gateway.air.test_uplink import ARM, GCS, HEARTBEAT, SIGNING
from tests.unit.gateway.plain_end import PlainEnd

ERASE = bytes(dialect.MAVLink_log_erase_message(1, 1).pack(GCS))


class Scene:
    def __init__(self, station: int) -> None:
        self.world = World(1, roles=(PILOT, OBSERVER))
        self.aircraft, self.station = self.world.aircraft(), self.world.station(station)
        self.gcs, self.links = [PlainEnd(), PlainEnd(stream=True)], [PlainEnd(), PlainEnd()]
        self.alarms = Alarms(lambda _: None)
        self.uplink = GroundUplink(self.station.sessions, self.gcs, self.links, self.alarms)
        self.now = 0.0

    def join(self) -> None:
        self.now = command(self.world, self.station, self.aircraft, 0.0)

    def pass_time(self, seconds: float) -> None:
        """The two talk."""
        end = self.now + seconds
        while self.now < end:
            self.now += 0.05
            self.aircraft.receive(self.station.control(self.now), self.now)
            self.station.receive(self.aircraft.control(self.now), self.now)

    def refusal(self) -> Refusal | None:
        (session,) = self.station.listener.sessions.values()
        return self.station.sessions.refusal_of(session, self.now)


@pytest.fixture
def pilot() -> Scene:
    scene = Scene(1)
    scene.join()
    return scene


def test_what_any_gcs_sends_goes_up_by_every_link(pilot: Scene):
    pilot.gcs[0].put(HEARTBEAT, ARM)
    pilot.gcs[1].put(ARM + HEARTBEAT)
    pilot.uplink.relay({*pilot.gcs}, pilot.now)
    assert pilot.links[0].drained == pilot.links[1].drained
    assert len(pilot.links[0].drained) == 2
    for link in pilot.links:  # the second copy is a replay
        pilot.aircraft.receive(link.drained, pilot.now)
    assert [frame for _, frame in pilot.aircraft.commands] == [HEARTBEAT, ARM, ARM, HEARTBEAT]
    assert (pilot.uplink.sent, pilot.uplink.refused, pilot.alarms.texts) == (4, {}, [])
    assert pilot.refusal() is None


def test_what_the_policy_holds_back_is_counted_and_said_and_the_rest_goes(pilot: Scene):
    pilot.gcs[0].put(SIGNING, ARM, ERASE)
    pilot.uplink.relay({*pilot.gcs}, pilot.now)
    pilot.aircraft.receive(pilot.links[0].drained, pilot.now)
    assert [frame for _, frame in pilot.aircraft.commands] == [ARM]
    assert (pilot.uplink.sent, pilot.uplink.refused) == (1, {"guarded": 2})
    assert pilot.uplink.kept_back() == {"station-1": {"SETUP_SIGNING": 1, "LOG_ERASE": 1}}
    pilot.gcs[0].put(ERASE)
    pilot.uplink.relay({*pilot.gcs}, pilot.now)
    assert pilot.alarms.texts == [
        "kept back: SETUP_SIGNING, once (guard policy 'pilot')",
        "kept back: LOG_ERASE, 2 times (guard policy 'pilot')",
    ]


def answers(frames: list[bytes]) -> list[tuple[int, ...]]:
    """(from system, from component, command, result, to system, to component), by pymavlink's own parser."""
    found = [dialect.MAVLink(None).parse_char(frame) for frame in frames]
    assert {each.get_type() for each in found} <= {"COMMAND_ACK"}
    return [
        (
            *(each.get_srcSystem(), each.get_srcComponent(), each.command, each.result),
            *(each.target_system, each.target_component),
        )
        for each in found
    ]


FLASH = [
    bytes(kind.pack(GCS))
    for kind in (
        dialect.MAVLink_command_long_message(1, 0, dialect.MAV_CMD_FLASH_BOOTLOADER, 0, *[0] * 7),
        dialect.MAVLink_command_int_message(1, 100, 0, dialect.MAV_CMD_FLASH_BOOTLOADER, 0, 0, *[0] * 7),
    )
]


def test_a_command_that_the_policy_denies_is_answered_where_it_came_from(pilot: Scene):
    to_all = bytes(dialect.MAVLink_command_long_message(0, 0, 42650, 0, *[0] * 7).pack(GCS))
    pilot.gcs[1].put(b"".join([*FLASH, ARM, ERASE, to_all]))
    pilot.uplink.relay({*pilot.gcs}, pilot.now)
    assert answers(pilot.gcs[1].drained) == [(1, 1, 42650, 2, 255, 190), (1, 100, 42650, 2, 255, 190)]
    assert pilot.gcs[0].drained == []
    pilot.aircraft.receive(pilot.links[0].drained, pilot.now)
    assert [frame for _, frame in pilot.aircraft.commands] == [ARM]
    assert pilot.uplink.refused == {"guarded": 4}


def test_what_is_over_the_rate_of_a_policy_stays_here_and_is_not_answered(pilot: Scene, tmp_path: Path):
    (tmp_path / "guard.toml").write_text('[guard.pilot-slow]\nbase = "pilot"\nrate = 3\n')
    guards = Guards.of(str(tmp_path / "guard.toml"))
    content = pilot.station.sessions.order.content
    slow = tuple(dataclasses.replace(station, guard="pilot-slow") for station in content.stations)
    pilot.station.sessions.order = dataclasses.replace(
        pilot.station.sessions.order, content=dataclasses.replace(content, stations=slow, guards=bytes(32))
    )
    uplink = GroundUplink(pilot.station.sessions, pilot.gcs, pilot.links, pilot.alarms, guards=guards)
    pilot.gcs[0].put(*[ARM] * 5, FLASH[0])
    uplink.relay({*pilot.gcs}, pilot.now)
    assert uplink.kept.counts == {"frames over the rate": 2, "COMMAND_LONG FLASH_BOOTLOADER": 1}
    assert len(answers(pilot.gcs[0].drained)) == 1
    assert uplink.sent == 3


def test_a_station_without_the_role_is_told_that_its_command_is_denied():
    scene = Scene(2)
    scene.join()
    scene.gcs[0].put(HEARTBEAT, ARM)
    scene.uplink.relay({*scene.gcs}, scene.now)
    assert answers(scene.gcs[0].drained) == [(1, 1, 400, 2, 255, 190)]


def test_where_the_aircraft_signs_its_frames_the_answer_is_a_text(pilot: Scene):
    signer = dialect.MAVLink(None, srcSystem=1, srcComponent=1)
    signer.signing.secret_key, signer.signing.sign_outgoing, signer.signing.link_id = bytes(32), True, 0
    signed = bytes(dialect.MAVLink_heartbeat_message(2, 3, 0, 0, 4, 3).pack(signer))
    pilot.uplink.answers.hear([Bundle(None, 0, [memoryview(signed)], 0.0), Bundle(None, 1, [], 0.0)])  # type: ignore[arg-type]
    for later in (0.0, 4.0, 6.0):
        pilot.gcs[0].put(*FLASH, ERASE)
        pilot.now += later
        pilot.pass_time(0.5)
        pilot.uplink.relay({*pilot.gcs}, pilot.now)
    found = [dialect.MAVLink(None).parse_char(frame) for frame in pilot.gcs[0].drained]
    assert {(each.get_srcSystem(), each.get_srcComponent(), each.severity) for each in found} == {(1, 191, 4)}
    both = ["zegel: denied: COMMAND_LONG FLASH_BOOTLOADER", "zegel: denied: COMMAND_INT FLASH_BOOTLOADER"]
    assert [each.text for each in found] == both * 2


def test_what_is_refused_only_for_now_is_not_answered():
    scene = Scene(1)
    scene.gcs[0].put(ARM)
    scene.uplink.relay({*scene.gcs}, scene.now)
    assert scene.gcs[0].drained == []


def test_what_is_for_no_one_aircraft_is_counted_named_and_said_and_the_rest_goes():
    two = Two(((1,), (2,)))
    two.talk()
    gcs, link, alarms = PlainEnd(), PlainEnd(), Alarms(lambda _: None)
    uplink = GroundUplink(two.pilot.sessions, [gcs], [link], alarms)
    gcs.put(arm(0), arm(1), arm(0), arm(3))
    uplink.relay({gcs}, two.now)
    two.first.receive(link.drained, two.now)
    assert [frame for _, frame in two.first.commands] == [arm(1)]
    assert (uplink.sent, uplink.refused) == (1, {"for_all": 2, "nobodys": 1})
    assert uplink.misrouted.counts == {"COMMAND_LONG to system 0": 2, "COMMAND_LONG to system 3": 1}
    assert alarms.texts == [
        "kept back: COMMAND_LONG to system 0, 2 times: it is for all systems, and several aircraft are commanded",
        "kept back: COMMAND_LONG to system 3, once: no aircraft has this system id (zegel order systems lists it)",
    ]


def test_the_stations_own_id_is_learned_from_what_it_sends():
    two = Two()
    two.talk()
    gcs = PlainEnd()
    uplink = GroundUplink(two.pilot.sessions, [gcs], [PlainEnd()], Alarms(lambda _: None))
    assert two.down(two.first, position(255)) == [position(255)]
    gcs.put(GCS_BEAT)
    uplink.relay({gcs}, two.now)
    assert two.down(two.first, position(255)) == []


def test_an_observers_frames_go_nowhere_and_it_is_said():
    scene = Scene(2)
    scene.join()
    scene.gcs[0].put(HEARTBEAT, ARM)
    scene.uplink.relay({*scene.gcs}, scene.now)
    assert [link.drained for link in scene.links] == [[], []]
    assert scene.uplink.refused == {"observer": 2}
    refused = "this station may not command by the order: what its ground control station sends is refused"
    assert scene.alarms.texts == [refused]
    assert scene.refusal() is Refusal.OBSERVER
    assert not scene.uplink.may_command


def test_before_an_aircraft_is_heard_frames_are_counted_and_nothing_is_said():
    scene = Scene(1)
    scene.gcs[0].put(HEARTBEAT)
    scene.uplink.relay({*scene.gcs}, 0.0)
    assert scene.uplink.refused == {"no_aircraft": 1}
    assert scene.alarms.texts == []


def test_each_address_of_every_link_has_challenges_of_its_own_and_what_comes_back_proves_it(pilot: Scene):
    """Both links have two addresses; only one of the first link's leads to the aircraft."""
    sent: dict[tuple[int, object], set[bytes]] = {}
    for link in pilot.links:
        link.known = ["here", "there"]
    pilot.station.sessions.take_proved()
    for _ in range(120):
        pilot.now += 0.1
        pilot.station.receive(pilot.aircraft.control(pilot.now), pilot.now)
        pilot.uplink.challenge(pilot.station.listener.sessions.values(), pilot.now)
        for number, link in enumerate(pilot.links):
            assert link.drained == [datagram for _, datagram in link.drained_to], "nothing but challenges, one by one"
            for address, datagram in link.drained_to:
                sent.setdefault((number, address), set()).add(datagram)
                if (number, address) == (0, "there"):
                    pilot.aircraft.receive([datagram], pilot.now)
            link.drained_to.clear()
            link.drained.clear()
    assert len(sent) == 4
    assert all(len(datagrams) >= 3 for datagrams in sent.values())
    assert sum(map(len, sent.values())) == len(set.union(*sent.values())), "no two addresses got the same datagram"
    assert set(pilot.links[0].proved) == {"there"}
    assert len(pilot.links[0].proved) >= 3
    assert pilot.links[1].proved == []
    assert pilot.refusal() is None


def test_a_frame_that_cannot_be_judged_is_kept_back_and_the_next_is_judged(pilot: Scene, monkeypatch):
    judge = Guard.held
    monkeypatch.setattr(Guard, "held", lambda guard, frame: judge(guard, frame) if frame == ARM else 1 // 0)
    pilot.gcs[0].put(HEARTBEAT, ARM)
    pilot.uplink.relay({*pilot.gcs}, pilot.now)
    assert pilot.uplink.kept_back() == {"station-1": {UNJUDGED: 1}}
    assert (pilot.uplink.sent, pilot.uplink.refused) == (1, {"guarded": 1})


def test_a_command_that_waited_here_is_as_old_aboard_as_it_is(pilot: Scene):
    """A ground that stood still for some seconds, while the aircraft's beats came in and a joystick went on."""
    pilot.pass_time(6.0)
    for waited, passes in ((4.0, False), (2.9, False), (1.5, True), (0.0, True)):
        pilot.gcs[0].put(ARM, waited=waited)
        pilot.uplink.relay({*pilot.gcs}, pilot.now)
        before = len(pilot.aircraft.commands)
        pilot.aircraft.receive(pilot.links[0].drained, pilot.now + 1.0)
        assert (len(pilot.aircraft.commands) > before) == passes, waited
        pilot.links[0].drained.clear()
    assert pilot.uplink.refused["late"] == 1
    assert pilot.aircraft.drops["stale_echo"] == 1


def test_a_command_from_before_the_first_beat_goes_nowhere(pilot: Scene):
    (session,) = pilot.station.listener.sessions.values()
    pilot.gcs[0].put(ARM, waited=pilot.now - session.first_beat_at + 0.1)
    pilot.uplink.relay({*pilot.gcs}, pilot.now)
    assert pilot.links[0].drained == []
    assert pilot.uplink.refused == {"late": 1}
