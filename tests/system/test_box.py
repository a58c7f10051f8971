"""The box at a vendor's controller, whole: Show 2 of the sources. Three computers of network namespaces, real programs.

A controller (ffmpeg) pushes RTMP and tries to phone home all the while; the box seals; the control room sees the picture.
On the wire outside the box there is no octet of the controller's, and the room is told where the seal begins.
"""

from __future__ import annotations

import collections
import os
import subprocess
import threading

import pytest

from gateway.demo.leaks import shared_windows
from gateway.demo.stage import HOST, Program, drain, run_until
from gateway.video.depacketiser import Depacketiser
from tests import films
from tests.system.house import House
from tests.system.test_contain import BOX_AT, MARK, ROOM_AT, SOMEBODY, ZEGEL, Field, of_the_controller
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


@pytest.fixture
def field(tmp_path):
    if not films.can(FILM):
        pytest.skip("needs ffmpeg with libx264: apt-get install ffmpeg")
    made = Field(tmp_path)
    yield made
    made.end()


class Box:
    """`zegel air` and `zegel source` on the box, each as its user, and `zegel ground` in the room with a player."""

    def __init__(self, field: Field, house: House) -> None:
        self.field, self.house = field, house
        self.player = field.room.udp()
        (house.folder / "air.toml").write_text(AIR.replace("DEVICE", str(house.folder / "drone-7")))
        subprocess.run(["chown", "-R", f"{ZEGEL}:{ZEGEL}", house.folder / "drone-7"], check=True)
        ground = (
            *("ground", "--station", str(house.folder / "pilot"), "--order", str(house.order)),
            *("--link", f"udpin:{ROOM_AT}:{LINK_PORT}", "--video", f"udpout:{HOST}:{self.player.getsockname()[1]}"),
        )
        self.programs = {
            "ground": Program(ground, house.folder, "ground", field.room.within),
            "air": self._aboard("air", ZEGEL),
            "source": self._aboard("source", SOMEBODY),
        }

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


def test_the_room_sees_the_picture_and_the_wire_has_no_octet_of_the_controller(field, house, tmp_path, figure):
    raw, film = tmp_path / "film.h264", tmp_path / "film.mp4"
    raw.write_bytes(films.film(FILM))
    made = (*films.FFMPEG, "-fflags", "+genpts", "-r", str(films.FPS), "-f", "h264", "-i", raw, "-c", "copy", film)
    subprocess.run(made, check=True)
    pushed = {nal for unit in films.units(films.film(FILM), "h264") for nal in unit.nals}
    field.egress("apply", "--config", str(field.config), contain='interface = "eth1"')
    box, pictures, wire = Box(field, house), [], []
    seen, depacketiser = set(), Depacketiser("h264")

    def step() -> None:
        if pushing and pushing[-1].poll() is not None:  # nothing listened yet
            pushing.append(push(field, film))
        for packet in drain(box.player):
            for unit, _ in depacketiser.feed(packet, 0.0):
                pictures.append(unit)
                seen.update(unit.nals)
        wire.extend(drain(field.seen))

    pushing, homes = list[subprocess.Popen[bytes]](), []
    try:
        assert run_until(lambda: box.says("ground", ": open"), step, (box.player,), WITHIN_S), box.logs()
        pushing.append(push(field, film))
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
