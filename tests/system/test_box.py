"""The box at a vendor's controller, whole: Show 2 of the sources. Three computers of network namespaces, real programs.

A controller (ffmpeg) pushes RTMP and tries to phone home all the while; the box seals; the control room sees the picture.
On the wire outside the box there is no octet of the controller's, and the room is told where the seal begins. Or an app on
the controller sends MAVLink and RTP, as RosettaDrone does, and takes what the room's policy permits.
"""

from __future__ import annotations

import collections
import os
import subprocess
import threading

import pytest
from pymavlink.dialects.v20 import all as dialect

from gateway.demo.leaks import shared_windows
from gateway.demo.stage import HOST, Program, drain, run_until
from gateway.video.depacketiser import Depacketiser
from tests import films
from tests.system.house import House
from tests.system.test_contain import BOX_AT, CONTROLLER_AT, MARK, ROOM_AT, SOMEBODY, ZEGEL, Field, of_the_controller
from tests.system.test_egress import kind
from tests.system.users import as_user

FILM, WITHIN_S = "h264", 60
LINK_PORT, VIDEO_PORT = 14600, 5602
URL = f"{BOX_AT}:1935/live/0123456789abcdef"
AIR = f"""
device = "DEVICE"
link = ["udpout:{ROOM_AT}:{LINK_PORT}"]
video = ["udpin:{HOST}:{VIDEO_PORT}"]
plain_users = [{SOMEBODY}]
no_fc = true
[[source]]
name = "controller"
lane = "a"
seen_by = "dji"
rtmp = "{URL}"
"""

FC_PORT = 14560
APP = f"""
device = "DEVICE"
link = ["udpout:{ROOM_AT}:{LINK_PORT}"]
fc = "udpin:{BOX_AT}:{FC_PORT}"
video = ["udpin:{BOX_AT}:{VIDEO_PORT}"]
seen_by = ["dji"]
"""


@pytest.fixture
def film():
    if not films.can(FILM):
        pytest.skip("needs ffmpeg with libx264: apt-get install ffmpeg")
    return films.film(FILM)


@pytest.fixture
def field(tmp_path):
    made = Field(tmp_path)
    yield made
    made.end()


class Box:
    """The programs of the box, each as its user, and `zegel ground` in the room with a player and a control station."""

    def __init__(self, field: Field, house: House, text: str, contain: str = 'interface = "eth1"') -> None:
        self.field, self.house = field, house
        self.player, self.gcs = field.room.udp(), field.room.udp()
        (house.folder / "air.toml").write_text(text.replace("DEVICE", str(house.folder / "drone-7")))
        field.egress("apply", contain=contain)
        subprocess.run(["chown", "-R", f"{ZEGEL}:{ZEGEL}", house.folder / "drone-7"], check=True)
        ground = (
            *("ground", "--station", str(house.folder / "pilot"), "--order", str(house.order)),
            *("--link", f"udpin:{ROOM_AT}:{LINK_PORT}", "--video", f"udpout:{HOST}:{self.player.getsockname()[1]}"),
            *("--gcs", f"udpout:{HOST}:{self.gcs.getsockname()[1]}"),
        )
        self.programs = {
            "ground": Program(ground, house.folder, "ground", field.room.within),
            "air": self._aboard("air", ZEGEL),
        }
        if "[[source]]" in text:
            self.programs["source"] = self._aboard("source", SOMEBODY)

    def _aboard(self, name: str, uid: int) -> Program:
        runtime = self.house.folder / f"run-{name}"
        runtime.mkdir()
        os.chown(runtime, uid, uid)
        within = (*self.field.box.within, *as_user(uid), "env", f"XDG_RUNTIME_DIR={runtime}")
        return Program((name, "--config", str(self.house.folder / "air.toml")), self.house.folder, name, within)

    def says(self, name: str, words: str) -> bool:
        return words in self.programs[name].output()

    def logs(self) -> str:
        return "\n".join(program.output() for program in self.programs.values())

    def end(self) -> None:
        for program in self.programs.values():
            program.end()
        self.player.close()
        self.gcs.close()


def push(field: Field, film) -> subprocess.Popen[bytes]:
    """As a controller: at the rate of the film, again and again."""
    words = (
        "ffmpeg",
        "-v",
        "error",
        "-re",
        "-stream_loop",
        "-1",
        "-i",
        str(film),
        "-c",
        "copy",
        "-f",
        "flv",
        f"rtmp://{URL}",
    )
    return subprocess.Popen([*field.controller.within, *words], stdin=subprocess.DEVNULL)


def test_the_room_sees_the_picture_and_the_wire_has_no_octet_of_the_controller(film, field, house, tmp_path, figure):
    raw, played = tmp_path / "film.h264", tmp_path / "film.mp4"
    raw.write_bytes(film)
    made = (*films.FFMPEG, "-fflags", "+genpts", "-r", str(films.FPS), "-f", "h264", "-i", raw, "-c", "copy", played)
    subprocess.run(made, check=True)
    pushed = {nal for unit in films.units(film, "h264") for nal in unit.nals}
    box, pictures, wire = Box(field, house, AIR), [], []
    seen, depacketiser = set(), Depacketiser("h264")

    def step() -> None:
        if pushing and pushing[-1].poll() is not None:  # nothing listened yet
            pushing.append(push(field, played))
        for packet in drain(box.player):
            for unit, _ in depacketiser.feed(packet, 0.0):
                pictures.append(unit)
                seen.update(unit.nals)
        wire.extend(drain(field.seen))

    pushing, homes = list[subprocess.Popen[bytes]](), []
    try:
        assert run_until(lambda: box.says("ground", ": open"), step, (box.player,), WITHIN_S), box.logs()
        pushing.append(push(field, played))
        calling = threading.Thread(target=lambda: homes.append(field.rogue()))
        calling.start()
        assert run_until(lambda: len(pictures) > 100 and homes, step, (box.player,), WITHIN_S), box.logs()
        calling.join()
        assert box.says("ground", ": open, the seal begins at the controller"), box.logs()
        assert not box.says("ground", "no flight controller"), box.logs()
    finally:
        for controller in pushing:
            controller.kill()
            controller.wait()
        box.end()
    wire += drain(field.seen)
    assert seen <= pushed, "byte for byte what the controller pushed"
    assert len(seen) > 50
    assert of_the_controller(wire) == []
    assert not shared_windows([MARK], wire)
    assert not shared_windows([nal for nal in pushed if len(nal) > 100], wire)
    kinds = collections.Counter(map(kind, wire))
    assert kinds["sealed, UDP 14600"] > 100
    figure(
        f"box: the room saw {len(pictures)} pictures; the controller tried {len(homes[0])} ways home; on the wire outside:"
    )
    figure("    " + ", ".join(f"{count} {name}" for name, count in sorted(kinds.items()) if "something" not in name))


class App:
    """On the controller, by pymavlink: a heartbeat and a picture in each step, and an answer to each command that comes."""

    def __init__(self, field: Field) -> None:
        self.mavlink, self.video = (field.controller.udp(at=CONTROLLER_AT) for _ in range(2))
        self.mav = dialect.MAVLink(self, srcSystem=1, srcComponent=1)
        self.sent = collections.defaultdict[str, list[bytes]](list)
        self.commands: list[int] = []

    def write(self, frame: bytes) -> None:
        self.sent["frames"].append(bytes(frame))
        self.mavlink.sendto(frame, (BOX_AT, FC_PORT))

    def step(self) -> None:
        self.mav.heartbeat_send(dialect.MAV_TYPE_QUADROTOR, dialect.MAV_AUTOPILOT_GENERIC, 0, 0, 0)
        self.mav.global_position_int_send(0, 520000000, 50000000, 9000, 9000, 0, 0, 0, 0)
        number = len(self.sent["pictures"]).to_bytes(4)
        self.sent["pictures"].append(b"\x80\x60" + number[2:] + number + MARK + os.urandom(900))
        self.video.sendto(self.sent["pictures"][-1], (BOX_AT, VIDEO_PORT))
        for datagram in drain(self.mavlink):
            for message in self.mav.parse_buffer(datagram) or ():
                if message.get_type() == "COMMAND_LONG":
                    self.commands.append(message.command)
                    self.mav.command_ack_send(message.command, dialect.MAV_RESULT_ACCEPTED)

    def close(self) -> None:
        self.mavlink.close()
        self.video.close()


class ControlStation:
    """In the room, by pymavlink. It answers to where the ground sends from."""

    def __init__(self, box: Box) -> None:
        self._gcs, self._to = box.gcs, None
        self.mav = dialect.MAVLink(None, srcSystem=255, srcComponent=190)
        self.frames: list[bytes] = []
        self.answers: dict[int, int] = {}

    def step(self) -> None:
        while True:
            try:
                datagram, self._to = self._gcs.recvfrom(65536)
            except BlockingIOError:
                break
            self.frames.append(datagram)
            for message in self.mav.parse_buffer(datagram) or ():
                if message.get_type() == "COMMAND_ACK":
                    self.answers[message.command] = message.result
        for command in (dialect.MAV_CMD_DO_DIGICAM_CONTROL, dialect.MAV_CMD_COMPONENT_ARM_DISARM):
            if self._to and command not in self.answers:
                self._gcs.sendto(
                    self.mav.command_long_encode(1, 1, command, 0, 1, 0, 0, 0, 1, 0, 0).pack(self.mav), self._to
                )


def test_an_app_on_the_controller_is_seen_and_takes_what_the_policy_permits(field, house):
    house.load({"pilot": "telemetry,video,command:camera-operator"})
    box, wire, pictures = Box(field, house, APP), [], []
    app, station = App(field), ControlStation(box)

    def step() -> None:
        app.step()
        station.step()
        pictures.extend(drain(box.player))
        wire.extend(drain(field.seen))

    try:
        assert run_until(lambda: len(station.answers) == 2 and len(pictures) > 50, step, (box.player,), WITHIN_S), (
            box.logs()
        )
        assert box.says("ground", ": open, the seal begins at the controller"), box.logs()
    finally:
        box.end()
        app.close()
    wire += drain(field.seen)
    assert station.answers == {
        dialect.MAV_CMD_DO_DIGICAM_CONTROL: dialect.MAV_RESULT_ACCEPTED,
        dialect.MAV_CMD_COMPONENT_ARM_DISARM: dialect.MAV_RESULT_DENIED,
    }
    assert set(app.commands) == {dialect.MAV_CMD_DO_DIGICAM_CONTROL}
    assert {*pictures} <= {*app.sent["pictures"]}, "byte for byte"
    assert len({*station.frames} & {*app.sent["frames"]}) > 50
    assert of_the_controller(wire) == []
    assert not shared_windows([MARK, *app.sent["frames"]], wire)
