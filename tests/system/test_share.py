"""`zegel share` as a process, with an aircraft, a ground and RTSP readers: what is shared, and what is not."""

from __future__ import annotations

import json
import socket
import time
from xml.etree import ElementTree as ET

import pytest

from gateway.demo.clip import Camera
from gateway.demo.stage import HOST, Program, drain, free_port, port_of, udp_socket
from gateway.video import rtp
from tests.rtsp_client import PASSWORD, TCP, USER, Client, Received
from tests.rtsp_stage import even_port
from tests.system.house import Flight, zegel
from tests.tak_stage import position
from tests.unit.gateway.view.test_aircraft import heartbeat

ON_AGAIN_WITHIN_S = 20.0
CONFIDENTIAL = ("--classification", "confidential")


class Wall:
    """A reader that is stepped with the flight."""

    def __init__(self, port: int) -> None:
        self.client = Client(f"rtsp://{HOST}:{port}/drone-7/a", algorithm="SHA-256")
        self.received = Received()
        self._socket = socket.create_connection((HOST, port))
        self._socket.setblocking(False)

    def step(self) -> None:
        while True:
            try:
                data = self._socket.recv(65_536)
            except BlockingIOError:
                return
            if not data:
                return
            self.received.feed(data)

    def ask(self, flight: Flight, method: str, **headers: str) -> int:
        number = len(self.received.answers)
        self._socket.sendall(self.client.request(method, **headers))
        assert flight.until(lambda: len(self.received.answers) > number, 10)
        return self.received.last.code

    def log_in(self, flight: Flight) -> int:
        assert self.ask(flight, "DESCRIBE") == 401
        self.client.learn(self.received.last)
        return self.ask(flight, "DESCRIBE")

    def play(self, flight: Flight) -> None:
        assert flight.until(lambda: self.ask(flight, "DESCRIBE") == 200, 10)
        assert self.ask(flight, "SETUP", Transport=TCP) == 200
        self.client.session = self.received.last.headers["session"].partition(";")[0]
        assert self.ask(flight, "PLAY") == 200

    @property
    def packets(self) -> list[bytes]:
        return self.received.packets.get(0, [])

    def close(self) -> None:
        self._socket.close()


class Shared:
    """A flight with a camera, and a share of it."""

    def __init__(self, flight: Flight, more: str = "") -> None:
        self.flight, self.port = flight, free_port(socket.SOCK_STREAM)
        self.camera = Camera((HOST, flight.camera_port))
        path = flight.house.folder / "share.toml"
        login = f'user = "{USER}"\npassword = "{PASSWORD}"\nudp_port = {even_port()}\n'
        path.write_text(f'{more}\n[rtsp]\naddress = "{HOST}:{self.port}"\n{login}')
        path.chmod(0o600)
        self.program = Program(("share", "--config", str(path)), flight.house.folder, "share")
        self.walls: list[Wall] = []
        flight.step_more = self.step
        assert flight.until(self._is_up, 20), self.program.output()

    def _is_up(self) -> bool:
        try:
            with socket.create_connection((HOST, self.port), 1):
                return True
        except OSError:
            return False

    def step(self) -> None:
        self.camera.play(time.monotonic())
        for wall in self.walls:
            wall.step()

    def wall(self) -> Wall:
        self.walls.append(Wall(self.port))
        return self.walls[-1]

    def status(self) -> dict:
        return next(said for said in json.loads(zegel("status", "--json")) if said["role"] == "share")

    def end(self) -> None:
        for wall in self.walls:
            wall.close()
        self.program.end()
        self.camera.close()


@pytest.fixture
def share(fly):
    made = []

    def start(more: str = "") -> Shared:
        flight = fly()
        made.append(Shared(flight, more))
        flight.wait_open()
        return made[-1]

    yield start
    for one in made:
        one.end()


class Tracked:
    """A flight controller that flies to the north, and a TAK client that hears of it."""

    def __init__(self) -> None:
        self._fc, self._heard = udp_socket(), udp_socket()
        self.table = f'[tak]\nurl = "udp://{HOST}:{port_of(self._heard)}"\n'
        self.sent: list[str] = []  # latitudes
        self.events: list[ET.Element] = []

    def fly(self, flight: Flight) -> None:
        latitude = 520_000_000 + len(self.sent)
        self.sent.append(f"{latitude / 1e7:.7f}")
        for frame in (heartbeat(), position(lat=latitude)):
            self._fc.sendto(frame, (HOST, flight.fc_port))

    def step(self) -> None:
        self.events += [ET.fromstring(data) for data in drain(self._heard)]  # noqa: S314 - our own

    @property
    def told(self) -> list[str]:
        return [event.find("point").attrib["lat"] for event in self.events]

    def close(self) -> None:
        self._fc.close()
        self._heard.close()


def test_an_aircraft_is_on_the_tak_network_for_as_long_as_it_is_heard(share):
    tracked = Tracked()
    shared = share(tracked.table)
    flight = shared.flight
    for _ in range(16):
        tracked.fly(flight)
        flight.run(0.2)
        tracked.step()
    flight.run(2.2)  # what came last is told within a second
    tracked.step()
    told = len(tracked.events)
    assert 3 <= told <= 7, "once a second"
    assert set(tracked.told) <= set(tracked.sent)
    assert tracked.told == sorted(set(tracked.told)), "each place once, in their order"
    assert tracked.events[-1].attrib["uid"] == "zegel.Harbour Police.drone-7"
    assert tracked.events[-1].find("detail/__video").attrib["url"] == f"rtsp://{HOST}:{shared.port}/drone-7/a"
    flight.run(1.5)
    tracked.step()
    assert len(tracked.events) == told, "the telemetry has stopped, and video has not"
    said = next(output for output in shared.status()["outputs"] if output["name"] == "tak")
    assert (said["sent"], said["streams"], said["readers"]) == (told, [], None)
    tracked.close()


def payloads(packets: list[bytes]) -> list[bytes]:
    return [rtp.parse(packet).payload for packet in packets]


def test_a_reader_gets_the_cameras_packets_and_status_says_that_it_does(share):
    shared = share()
    flight, wall = shared.flight, shared.wall()
    flight.run(1.0)
    wall.log_in(flight)
    wall.play(flight)
    described = next(answer.body for answer in wall.received.answers if answer.body)
    assert "sprop-parameter-sets" in described
    flight.run(2.0)
    sent, got = payloads(shared.camera.packets_sent()), payloads(wall.packets)
    assert len(got) > 50
    assert any(sent[at : at + len(got)] == got for at in range(len(sent) - len(got) + 1)), "each one, in order"
    status = shared.status()
    assert status["outputs"][0]["readers"] == 1
    assert status["outputs"][0]["streams"] == ["drone-7/a (H.264)"]
    assert status["grounds"] == ["pilot"]
    assert status["wrong"] == ""
    assert "IN CLEAR" in shared.program.output()
    assert "IN CLEAR" in zegel("status")
    for program in (shared.program, flight.air):
        assert PASSWORD not in program.output()
    assert PASSWORD not in json.dumps(status)


def test_an_aircraft_and_a_ground_that_start_again_go_on_in_the_same_stream(share):
    shared = share()
    flight, wall = shared.flight, shared.wall()
    flight.run(1.0)
    wall.log_in(flight)
    wall.play(flight)
    assert flight.until(lambda: len(wall.packets) > 50, 10)
    flight.air.kill()
    flight.start_air()
    before = len(wall.packets)
    assert flight.until(lambda: len(wall.packets) > before + 50, ON_AGAIN_WITHIN_S), flight.logs()
    sent = [rtp.parse(packet) for packet in wall.packets]
    assert len({packet.ssrc for packet in sent}) == 1
    assert [packet.sequence for packet in sent] == [(sent[0].sequence + place) % 65_536 for place in range(len(sent))]


def test_what_is_of_a_confidential_order_is_shared_only_if_the_file_says_so(house, share):
    house.order = house.folder / "confidential.order"
    house.issue(house.order, ("pilot", "observer"), CONFIDENTIAL)
    zegel("device", "load-order", house.folder / "drone-7", house.order)
    tracked = Tracked()
    shared = share(tracked.table)
    flight, wall = shared.flight, shared.wall()
    for _ in range(4):
        tracked.fly(flight)
        flight.run(0.5)
    assert wall.log_in(flight) == 404
    tracked.step()
    tracked.close()
    assert tracked.events == []
    status = shared.status()
    assert status["grounds"] == []
    assert status["withheld"]["pilot"] > 20
    assert "confidential" in status["wrong"]
    shared.program.end()
    allowed = Shared(flight, "confidential = true")
    try:
        wall = allowed.wall()
        wall.log_in(flight)
        wall.play(flight)
        assert allowed.status()["grounds"] == ["pilot"]
    finally:
        allowed.end()


def test_a_ground_does_not_notice_a_share_that_is_killed_or_stands_still(share):
    shared = share()
    flight, wall = shared.flight, shared.wall()
    flight.run(1.0)
    wall.log_in(flight)
    wall.play(flight)
    flight.run(1.0)
    station = flight.stations["pilot"]
    shared.program.process.send_signal(19)  # SIGSTOP
    sent, came = len(shared.camera.sent), len(station.packets)
    flight.run(2.0)
    shared.program.kill()
    flight.run(1.0)
    assert len(station.packets) - came >= len(shared.camera.sent) - sent - 20
    assert station.program.running
