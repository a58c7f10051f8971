from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Sequence
from pathlib import Path

import pytest
from pymavlink.dialects.v20 import all as dialect

from firmware_shims.guard import UNJUDGED, Guard
from gateway.air.uplink import AirUplink
from gateway.core.sealer import Sealer
from gateway.guards import Guards
from gateway.report.alarms import Alarms
from gateway.report.role_status import StationCommands
from keys.keyring import SendKey
from keys.lanes import Lane, Role, uplink_kid
from tests.memory_link import PILOT, World, command, verified
from tests.unit.gateway.plain_end import PlainEnd

GCS = dialect.MAVLink(None, srcSystem=255, srcComponent=190)
PING = bytes(dialect.MAVLink_ping_message(1, 1, 1, 1).pack(GCS))
HEARTBEAT = bytes(dialect.MAVLink_heartbeat_message(6, 8, 0, 0, 4, 3).pack(GCS))
ARM = bytes(dialect.MAVLink_command_long_message(1, 1, 400, 0, 1, 0, 0, 0, 0, 0, 0).pack(GCS))
SIGNING = bytes(dialect.MAVLink_setup_signing_message(1, 1, bytes(32), 1).pack(GCS))


class Shared(PlainEnd):
    """A link where each datagram of a read comes from another address."""

    def senders(self, slots: Sequence[int]) -> list[Hashable]:
        return [f"sender {slot}" for slot in slots]


class Scene:
    """Two stations that may command, the second as a camera-operator; both are fresh."""

    def __init__(self, guard: str = "camera-operator", guards: Guards | None = None) -> None:
        self.world = World(1, roles=(PILOT, PILOT, Role.WITNESS))
        stations = list(self.world.order.content.stations)
        stations[1] = dataclasses.replace(stations[1], guard=guard)
        own = {"guards": bytes(32)} if guards else {}  # that they are those of the order, the folder checks
        self.world.order = verified(dataclasses.replace(self.world.order.content, stations=tuple(stations), **own))
        self.aircraft = self.world.aircraft()
        self.fc, self.link = PlainEnd(), Shared()
        self.alarms = Alarms(lambda _: None)
        self.uplink = AirUplink(self.aircraft.announcer, self.fc, self.alarms, guards=guards)
        self.stations = [self.world.station(index) for index in (1, 2)]
        self.now = 0.0
        for station in self.stations:
            self.now = command(self.world, station, self.aircraft, self.now)

    def send(self, station: int, *frames: bytes) -> list[bytes]:
        self.link.put(*self.stations[station - 1].seal(list(frames), self.now))
        self.uplink.receive(self.link, self.now)
        out, self.fc.drained = self.fc.drained, []
        return out


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_what_may_pass_reaches_the_flight_controller_one_frame_a_datagram(scene: Scene):
    frames = [HEARTBEAT, ARM] * 50
    assert scene.send(1, *frames) == frames
    assert scene.uplink.commands() == {"station-1": StationCommands(100, 0)}
    assert scene.alarms.texts == []


def test_what_no_flight_controller_is_there_for_is_not_called_accepted(scene: Scene):
    scene.fc.takes = 3
    assert scene.send(1, *[HEARTBEAT] * 5) == [HEARTBEAT] * 3
    scene.fc.takes = 0
    assert scene.send(2, PING) == []
    assert scene.uplink.commands() == {
        "station-1": StationCommands(3, 0),
        "station-2": StationCommands(0, 0),
    }
    assert scene.uplink.not_taken == 3


def test_each_station_has_its_own_policy(scene: Scene):
    assert scene.send(2, PING, ARM, PING, HEARTBEAT, ARM) == [PING, PING]
    assert scene.uplink.commands() == {"station-2": StationCommands(2, 3)}
    assert scene.uplink.kept_back() == {"station-2": {"COMMAND_LONG COMPONENT_ARM_DISARM": 2, "HEARTBEAT": 1}}
    assert scene.uplink.drops() == {"guarded": 3}
    assert scene.alarms.texts == [
        "kept back: COMMAND_LONG COMPONENT_ARM_DISARM, 2 times (guard policy 'camera-operator' of station 'station-2')",
        "kept back: HEARTBEAT, once (guard policy 'camera-operator' of station 'station-2')",
    ]
    assert scene.send(1, ARM) == [ARM]


@pytest.fixture
def technicians(tmp_path: Path) -> Guards:
    path = tmp_path / "guard.toml"
    path.write_text('[guard.technician]\nbase = "pilot"\nblock = ["LOG_REQUEST_END"]\nrate = 5\n')
    return Guards.of(str(path))


def test_the_rate_of_a_policy_allows_what_may_have_waited_on_the_way(technicians: Guards):
    """The ground sends 5 a second; over fresh_ms, 3 s here, the radio may hold them and give all at once."""
    scene = Scene("technician", technicians)
    assert scene.send(2, *[HEARTBEAT] * 30) == [HEARTBEAT] * 20
    assert scene.uplink.kept_back() == {"station-2": {"frames over the rate": 10}}
    assert scene.send(1, *[HEARTBEAT] * 30) == [HEARTBEAT] * 30, "the other station is a pilot"
    scene.now += 0.5
    assert scene.send(2, *[HEARTBEAT] * 5) == [HEARTBEAT] * 2


def test_setup_signing_crosses_in_neither_direction(scene: Scene):
    assert scene.send(1, SIGNING, ARM) == [ARM]
    assert scene.uplink.may_leave([HEARTBEAT, SIGNING, ARM], 0.0) == [HEARTBEAT, ARM]
    assert scene.uplink.drops() == {"guarded": 2}


def stream(uri: bytes, number: int = 1, camera: int = 100) -> bytes:
    sender = dialect.MAVLink(None, srcSystem=1, srcComponent=camera)
    fields = (number, 2, 1, 0, 30.0, 1920, 1080, 4_000_000, 0, 60, b"day", uri)
    return bytes(dialect.MAVLink_video_stream_information_message(*fields).pack(sender))


def test_an_address_that_leads_around_the_seal_stays_aboard_and_is_named(scene: Scene):
    around, inside = stream(b"rtsp://192.168.1.10:8554/1"), stream(b"5600")
    for _ in range(2):
        assert scene.uplink.may_leave([HEARTBEAT, around, inside], 0.0) == [HEARTBEAT, inside]
    assert scene.uplink.kept_aboard.counts == {"VIDEO_STREAM_INFORMATION": 2}
    assert scene.uplink.drops() == {"guarded": 2}
    (alarm,) = scene.alarms.texts
    assert alarm.startswith("kept aboard: VIDEO_STREAM_INFORMATION, 2 times: ")
    assert "rewrite = true" in alarm
    assert "192" not in alarm


def test_an_address_is_replaced_by_the_mark_of_its_lane_where_that_is_asked_for(scene: Scene):
    uplink = AirUplink(scene.aircraft.announcer, scene.fc, scene.alarms, rewrite=True)
    uri = b"rtsp://192.168.1.10:8554/1"
    sent = [stream(uri), stream(uri, number=2), stream(uri, camera=101), stream(uri, number=3), HEARTBEAT]
    left = uplink.may_leave(sent, 0.0)
    assert left == [stream(b"zegel:a"), stream(b"zegel:b", number=2), stream(b"zegel:b", camera=101), HEARTBEAT]
    assert uplink.kept_aboard.counts == {"VIDEO_STREAM_INFORMATION": 1}, "there is no third video lane"


def test_the_link_is_told_whose_datagrams_were_accepted(scene: Scene):
    scene.link.put(b"rubbish", *scene.stations[0].seal([ARM], scene.now))
    scene.uplink.receive(scene.link, scene.now)
    assert scene.link.vouched == ["sender 1"]


def test_a_copy_by_the_slower_link_keeps_that_link_and_authenticates_no_one(scene: Scene):
    (sealed,) = scene.stations[0].seal([ARM], scene.now)
    for _ in range(2):
        scene.link.put(b"rubbish", sealed)
        scene.uplink.receive(scene.link, scene.now)
    assert (scene.link.vouched, scene.link.kept) == (["sender 1"], ["sender 1"])
    assert scene.fc.drained == [ARM]


def test_nothing_came(scene: Scene):
    assert scene.uplink.receive(scene.link, scene.now).frames == []
    assert scene.uplink.commands() == {}


def test_a_ninth_sender_with_one_stations_key_raises_an_alarm(scene: Scene):
    (session,) = scene.stations[0].listener.sessions.values()
    for instance in range(9):
        kid = uplink_kid(Lane.UPLINK, 1, session.session_id, 0, instance.to_bytes(5, "big"))
        key = SendKey(session.uplink_keys[0], kid)
        scene.link.put(Sealer(session.session_id).seal_one(key, session.beat.nonce + ARM))
        scene.uplink.receive(scene.link, scene.now)
    assert scene.fc.drained == [ARM] * 8
    assert scene.alarms.by_reason()["too_many_senders"].began == 1
    assert scene.uplink.drops() == {"too_many_instances": 1, "guarded": 0}


def test_what_comes_up_in_the_session_before_is_judged_by_the_new_order(scene: Scene):
    pilot, *others = scene.world.order.content.stations
    stations = (dataclasses.replace(pilot, guard="camera-operator"), *others)
    scene.world.order = verified(dataclasses.replace(scene.world.order.content, serial=2, stations=stations))
    (late,) = scene.stations[1].seal([PING], scene.now)
    scene.uplink.follow(scene.world.after(scene.aircraft, scene.now).announcer)
    assert scene.send(1, PING, ARM) == [PING]
    assert scene.uplink.commands() == {"station-1": StationCommands(1, 1)}
    scene.link.put(late)
    scene.uplink.receive(scene.link, scene.now + 3.1)
    assert scene.fc.drained == []
    assert scene.uplink.drops() == {"unknown_session": 1, "guarded": 1}


def test_a_frame_that_cannot_be_judged_is_kept_back_and_the_next_is_judged(scene: Scene, monkeypatch):
    judge = Guard.held
    monkeypatch.setattr(Guard, "held", lambda guard, frame: judge(guard, frame) if frame == ARM else 1 // 0)
    assert scene.send(1, HEARTBEAT, ARM) == [ARM]
    assert scene.uplink.kept_back() == {"station-1": {UNJUDGED: 1}}


def test_what_was_at_hand_while_the_process_stood_still_does_not_reach_the_flight_controller(scene: Scene):
    """Between the turn's clock and the read, with the read, and between the read and the flight controller."""
    sealed = [scene.stations[0].seal([PING], scene.now) for _ in range(4)]
    stands = [[0.0, 0.0, 0.0], [0.0, 0.0, 0.5], [0.0, 0.5, 0.5], [8.0, 8.0, 8.0]]  # what the clock says then
    gate = AirUplink(scene.aircraft.announcer, scene.fc, scene.alarms, None, lambda: scene.now + stands[0].pop(0))
    arrived = []
    for datagrams in sealed:
        scene.link.put(*datagrams)
        gate.receive(scene.link, scene.now)
        arrived.append(len(scene.fc.drained))
        stands.pop(0)
    assert arrived == [1, 1, 1, 1]
    assert {name: gate.drops()[name] for name in ("stale_echo", "late")} == {"stale_echo": 1, "late": 2}
    assert gate.commands() == {"station-1": StationCommands(1, 0)}
