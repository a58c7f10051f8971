"""Two hosts with two links between them, real processes on both: a link dies, in each way it can, and returns."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable

import pytest
from pymavlink.dialects.v20 import all as dialect

from gateway.demo.stage import HOST, Program, drain, drain_from, run_until
from gateway.report.wording import READY
from tests.memory_link import mavlink_frame
from tests.system.house import House, zegel
from tests.system.namespaces import Cable, Host, two_hosts

FC_PORT, CAMERA_PORT, LINK_PORT = 14560, 5602, 14600
FRAME_EVERY_S, PACKET_EVERY_S, COMMAND_EVERY_S = 0.005, 0.02, 0.05
DOWN_FOR_S, BRIEFLY_S = 2.1, 0.7  # longer than a path counts as up, and shorter
ENOUGH, TRIES = 5, 20  # datagrams that show a link to carry, and how often to look for them
GCS = dialect.MAVLink(None, srcSystem=255, srcComponent=190)
AIR, GROUND = 0, 1  # ends of a cable

FAULTS: dict[str, tuple[Callable[[Cable], None], Callable[[Cable], None]]] = {
    "down aboard": (lambda cable: cable.down(AIR), lambda cable: cable.up(AIR)),
    "down at the station": (lambda cable: cable.down(GROUND), lambda cable: cable.up(GROUND)),
    "no address aboard": (lambda cable: cable.take_address(AIR), lambda cable: cable.give_address(AIR)),
    "no address at the station": (lambda cable: cable.take_address(GROUND), lambda cable: cable.give_address(GROUND)),
}
BOTH = ("down aboard", "no address at the station")


class Scene:
    """`zegel air` on one host, `zegel ground` on the other; what was sent and what came, at each of their plain ends."""

    def __init__(self, house: House, hosts: tuple[Host, Host]) -> None:
        self.cables = {name: Cable(name, net, hosts) for net, name in enumerate(("radio", "lte"), 1)}
        aboard, station = hosts
        self.fc, self.camera = aboard.udp(), aboard.udp()
        self.gcs, self.player = station.udp(), station.udp()
        self._rng, self._ground = random.Random(9), None
        self.sent: dict[str, list[bytes]] = {"frames": [], "packets": [], "commands": []}
        self.came: dict[str, list[bytes]] = {"frames": [], "packets": [], "commands": []}
        self._next = dict.fromkeys(self.sent, float("inf"))
        self.start(house, hosts)

    def start(self, house: House, hosts: tuple[Host, Host]) -> None:
        links = [f"{cable.addresses[GROUND]}:{LINK_PORT}" for cable in self.cables.values()]
        ends = [made.getsockname()[1] for made in (self.gcs, self.player)]
        self.ground = Program(
            (
                *("ground", "--station", str(house.folder / "pilot"), "--order", str(house.order)),
                *(word for link in links for word in ("--link", f"udpin:{link}")),
                *("--gcs", f"udpout:{HOST}:{ends[0]}", "--video", f"udpout:{HOST}:{ends[1]}"),
            ),
            house.folder,
            "ground",
            hosts[GROUND].within,
        )
        self.air = Program(
            (
                *("air", "--device", str(house.folder / "drone-7"), "--fc", f"udpin:{HOST}:{FC_PORT}"),
                *(word for link in links for word in ("--link", f"udpout:{link}")),
                *("--video", f"udpin:{HOST}:{CAMERA_PORT}"),
            ),
            house.folder,
            "air",
            hosts[AIR].within,
        )

    def step(self) -> None:
        now = time.monotonic()
        for kind, every_s, send in (
            ("frames", FRAME_EVERY_S, self._send_frame),
            ("packets", PACKET_EVERY_S, self._send_packet),
            ("commands", COMMAND_EVERY_S, self._send_command),
        ):
            while now >= self._next[kind]:
                self._next[kind] += every_s
                self.sent[kind].append(send(len(self.sent[kind])))
        self.came["commands"] += drain(self.fc)
        self.came["packets"] += drain(self.player)
        came = drain_from(self.gcs)
        self.came["frames"] += [frame for frame, _ in came]
        self._ground = came[-1][1] if came else self._ground

    def _send_frame(self, number: int) -> bytes:
        frame = mavlink_frame(self._rng, number)
        self.fc.sendto(frame, (HOST, FC_PORT))
        return frame

    def _send_packet(self, number: int) -> bytes:
        packet = number.to_bytes(4, "big") + self._rng.randbytes(800)
        self.camera.sendto(packet, (HOST, CAMERA_PORT))
        return packet

    def _send_command(self, number: int) -> bytes:
        command = dialect.MAVLink_command_long_message(1, 1, 400, 0, 1, number, 0, 0, 0, 0, 0).pack(GCS)
        self.gcs.sendto(command, self._ground)
        return bytes(command)

    def send(self, *kinds: str) -> None:
        """From now on these, and no others."""
        self._next = {kind: time.monotonic() if kind in kinds else float("inf") for kind in self._next}

    def until(self, done: Callable[[], bool], limit_s: float = 20.0) -> bool:
        return run_until(done, self.step, (self.fc, self.gcs, self.player), limit_s)

    def run(self, seconds: float) -> None:
        self.until(lambda: False, seconds)

    def all_came(self) -> bool:
        return self.until(lambda: all(len(self.came[kind]) >= len(sent) for kind, sent in self.sent.items()))

    def received(self) -> dict[tuple[str, str], int]:
        """Datagrams so far, by side and link, as the status of both says."""
        return {
            (status["role"], end["endpoint"]): end["rx_datagrams"]
            for status in json.loads(zegel("status", "--json"))
            for end in status["endpoints"]
            if end["use"] == "link"
        }

    def both_carry(self) -> bool:
        """Whether both links bring datagrams down, and commands up."""
        began = self.received()
        assert len(began) == 2 * len(self.cables)

        def grown() -> bool:
            self.run(0.3)
            now = self.received()
            return all(now[link] > before + ENOUGH for link, before in began.items())

        return any(grown() for _ in range(TRIES))

    def logs(self) -> str:
        return f"{self.air.output()}\n{self.ground.output()}"

    def end(self) -> None:
        for program in (self.air, self.ground):
            program.end()
        for made in (self.fc, self.camera, self.gcs, self.player):
            made.close()


@pytest.fixture
def scene(house):
    with two_hosts() as hosts:
        made = Scene(house, hosts)
        try:
            assert made.until(lambda: ": open" in made.ground.output()), made.logs()
            made.send("frames")
            assert made.until(lambda: READY in made.ground.output() and bool(made.came["frames"])), made.logs()
            yield made
        finally:
            made.end()


def test_a_link_that_dies_in_any_way_and_returns_costs_no_frame_no_command_and_no_order(scene):
    scene.send("frames", "packets", "commands")
    assert scene.both_carry()
    times = (("radio", DOWN_FOR_S), ("lte", DOWN_FOR_S), ("lte", BRIEFLY_S), ("radio", BRIEFLY_S))
    for (kind, (breaks, heals)), (name, seconds) in zip(FAULTS.items(), times, strict=True):
        breaks(scene.cables[name])
        scene.run(seconds)
        heals(scene.cables[name])
        assert scene.both_carry(), f"{kind}: {scene.received()}"
    scene.send()
    assert scene.all_came()
    assert scene.came["frames"] == scene.sent["frames"]
    assert scene.came["commands"] == scene.sent["commands"]
    assert sorted(scene.came["packets"]) == scene.sent["packets"]


def test_when_both_links_die_the_plain_side_is_silent_and_it_heals_by_itself(scene):
    scene.send("frames", "packets", "commands")
    faults = [(cable, *FAULTS[kind]) for cable, kind in zip(scene.cables.values(), BOTH, strict=True)]
    assert scene.both_carry()
    for cable, breaks, _ in faults:
        breaks(cable)
    scene.run(0.3)  # what was on its way
    before = {kind: len(came) for kind, came in scene.came.items()}
    scene.run(DOWN_FOR_S)
    assert {kind: len(came) for kind, came in scene.came.items()} == before
    for cable, _, heals in faults:
        heals(cable)
    assert scene.both_carry(), scene.logs()
    scene.send()
    assert scene.until(lambda: all(scene.came[kind][-1] == sent[-1] for kind, sent in scene.sent.items())), scene.logs()
    for kind, sent in scene.sent.items():
        number = {one: number for number, one in enumerate(sent)}
        came = [number[one] for one in scene.came[kind]]  # a KeyError would be something made up
        assert came == sorted(set(came)), kind
        assert len(came) < len(sent), kind
