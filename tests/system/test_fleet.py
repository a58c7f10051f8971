"""Two aircraft of one order, as processes: whose system id is whose, and what the key of a seized one is good for."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.demo.stage import HOST, Listener, Program, drain_from, free_port, run_until, udp_socket
from gateway.report.wording import READY
from keys.folders.station import StationFolder
from tests.hostile.fleet import GCS_BEAT, arm, beat, position, waypoint
from tests.system.house import JOIN_WITHIN_S, House, zegel

SETTLE_S = 1.5
TRIES = 6
MISSION = [waypoint(1) for _ in range(50)]


class Aircraft:
    """`zegel air` with the folder of this name, and its flight controller, which has this system id."""

    def __init__(self, folder: Path, name: str, system: int, link: int) -> None:
        self.name, self.system, self.more = name, system, []
        self.fc, port = udp_socket(), free_port()
        self.came: list[bytes] = []  # what arrived at the flight controller
        self._to, self._at = (HOST, port), 0.0
        words = ("--fc", f"udpin:{HOST}:{port}", "--link", f"udpout:{HOST}:{link}", "--system-id", str(system))
        self.air = Program(("air", "--device", str(folder / name), *words), folder, f"air-{name}")

    def step(self) -> None:
        if time.monotonic() - self._at > 0.1:
            self._at = time.monotonic()
            for frame in (beat(self.system), position(self.system), *self.more):
                self.fc.sendto(frame, self._to)
        self.came += [frame for frame, _ in drain_from(self.fc)]

    def count(self, frame: bytes) -> int:
        return self.came.count(frame)

    def close(self) -> None:
        self.air.end()
        self.fc.close()


class Fleet:
    """Two aircraft and a pilot; `systems` are the ids of the flight controllers, `ids` those in the order."""

    def __init__(self, house: House, systems: tuple[int, int], ids: tuple[str, str] = ("", "")) -> None:
        self.folder = folder = house.folder
        zegel("device", "init", folder / "drone-8", "--name", "drone-8")
        certificate = folder / "drone-8.crt"
        zegel("agency", "certify-device", folder / "agency", folder / "drone-8/device.csr", "-o", certificate)
        zegel("device", "enrol", folder / "drone-8", certificate, "--root", folder / "agency/root/root.crt")
        self.order = folder / "fleet.order"
        devices = [word for n, i in zip((7, 8), ids, strict=True) for word in ("--device", f"{folder}/drone-{n}.crt{i}")]
        station = f"{folder}/pilot/station.pub:telemetry,video,command"
        words = ("--operation", "Night Watch", "--hours", "8", *devices, "--station", station, "-o", self.order)
        zegel("order", "issue", folder / "agency", *words)
        for name in ("drone-7", "drone-8"):
            zegel("device", "load-order", folder / name, self.order)
        self.pilot = Listener("pilot", folder, self.order)
        self.seventh, self.eighth = (
            Aircraft(folder, name, system, self.pilot.port)
            for name, system in zip(("drone-7", "drone-8"), systems, strict=True)
        )

    @property
    def aircraft(self) -> tuple[Aircraft, Aircraft]:
        return self.seventh, self.eighth

    def step(self) -> None:
        for aircraft in self.aircraft:
            aircraft.step()
        self.pilot.take()

    def until(self, done: Callable[[], bool], limit_s: float = JOIN_WITHIN_S) -> bool:
        return run_until(done, self.step, [self.pilot.gcs, *(a.fc for a in self.aircraft)], limit_s)

    def wait_ready(self) -> None:
        """Until both may be commanded, and the ground has heard both heartbeats."""
        assert self.until(lambda: self.pilot.says(READY) == 2 and bool(self.pilot.frames)), self.logs()
        self.until(lambda: False, SETTLE_S)

    def command(self, *frames: bytes) -> None:
        """Send these, until a ground that kept none of them out has taken them all.

        On a busy computer it may not be able to tell at once whose program the ground control station is.
        """
        for _ in range(TRIES):
            before = self.kept_out()
            for aircraft in self.aircraft:
                aircraft.came.clear()
            for frame in frames:
                self.pilot.command(frame)
                self.step()
            self.until(lambda: False, SETTLE_S)
            if self.kept_out() == before:
                return
        raise AssertionError(self.logs())

    def kept_out(self) -> int:
        return sum(end["kept_out"] for end in self.status()["endpoints"] if end["use"] == "gcs")

    def remembered(self) -> list[int | None]:
        station = StationFolder.open(self.folder / "pilot")
        order = station.newest_order(self.order.read_bytes(), int(time.time()))
        return [station.system(order.agency_id, device.pub) for device in order.content.devices]

    def status(self) -> dict[str, Any]:
        return next(each for each in json.loads(zegel("status", "--json")) if each["role"] == "ground")

    def logs(self) -> str:
        return "\n".join(p.output() for p in (self.pilot.program, *(a.air for a in self.aircraft)))

    def close(self) -> None:
        for part in (self.pilot, *self.aircraft):
            part.close()


@pytest.fixture
def launch(house):
    fleets: list[Fleet] = []

    def begin(*words: object) -> Fleet:
        fleets.append(Fleet(house, *words))
        fleets[-1].wait_ready()
        return fleets[-1]

    yield begin
    for fleet in fleets:
        fleet.close()


def systems_of(frames: list[bytes]) -> set[int]:
    return {frame[5] for frame in frames}


def test_two_aircraft_with_two_ids_are_told_apart_also_after_a_restart(launch, figure):
    fleet = launch((1, 2))
    assert systems_of(fleet.pilot.frames) == {1, 2}
    fleet.command(GCS_BEAT, arm(1), arm(2), arm(0), arm(9), *MISSION)
    counts = [[a.count(frame) for frame in (GCS_BEAT, arm(1), arm(2), arm(0), MISSION[0])] for a in fleet.aircraft]
    assert counts == [[1, 1, 0, 0, 50], [1, 0, 1, 0, 0]]
    assert fleet.pilot.says("kept back: COMMAND_LONG to system 0, once: it is for all systems, and several aircraft") == 1
    assert fleet.pilot.says("kept back: COMMAND_LONG to system 9, once: no aircraft has this system id") == 1
    assert fleet.status()["misrouted"].keys() == {"COMMAND_LONG to system 0", "COMMAND_LONG to system 9"}
    assert fleet.until(lambda: fleet.remembered() == [1, 2])
    fleet.pilot.program.kill()
    fleet.pilot.take()
    fleet.pilot.forget()
    fleet.seventh.air.kill()
    fleet.eighth.system = 1
    fleet.pilot.start()
    assert fleet.until(lambda: fleet.pilot.says("aircraft 'drone-8' sends as system 1, which is that of 'drone-7'") == 1)
    assert 1 not in systems_of(fleet.pilot.frames)
    figure(
        "fleet, aircraft of systems 1 and 2: a GCS heartbeat, an ARM to each, one to 0, one to 9, 50 mission items to 1;"
        f" (heartbeat, ARM 1, ARM 2, ARM 0, mission) at drone-7 {counts[0]}, at drone-8 {counts[1]}"
    )


def test_two_aircraft_with_one_id_are_not_both_armed(launch, figure):
    fleet = launch((1, 1))
    assert fleet.until(lambda: fleet.pilot.says("sends as system 1, which is that of") == 1), fleet.logs()
    fleet.command(arm(1), arm(0))
    armed = [aircraft.count(arm(1)) for aircraft in fleet.aircraft]
    assert sorted(armed) == [0, 1]
    assert [aircraft.count(arm(0)) for aircraft in fleet.aircraft] == [0, 0]
    assert fleet.status()["drops"]["foreign_system"] > 0
    figure(f"fleet, two aircraft of system 1: one ARM to 1 arrived {armed} times at the two, one to 0 nowhere")


def test_a_seized_key_reads_nothing_of_the_other_speaks_for_none_and_ends_when_it_is_revoked(launch, figure):
    """The finder of drone-8 runs its folder. Its flight controller has the id that the order gives drone-8."""
    fleet = launch((1, 2), (":1", ":2"))
    finder, pilot = fleet.eighth, fleet.pilot
    lie = position(1, latitude=1)
    finder.more = [lie, position(51)]
    fleet.command(*MISSION, arm(1))
    assert (fleet.seventh.count(MISSION[0]), fleet.seventh.count(arm(1))) == (50, 1)
    read = len([frame for frame in finder.came if frame != GCS_BEAT])
    assert (read, pilot.frames.count(lie)) == (0, 0)
    foreign = fleet.status()["foreign"]["drone-8"]
    assert foreign.keys() == {"system 1, GLOBAL_POSITION_INT", "system 51, GLOBAL_POSITION_INT"}
    lies = foreign["system 1, GLOBAL_POSITION_INT"]
    shown = " ".join(zegel("status", "-v").split())
    assert "drone-8: system 51, GLOBAL_POSITION_INT, " in shown
    assert re.search(r"session \w{8} drone-7, system 1 boot 1 open; commands go up", shown), shown
    words = ("order", "revoke", fleet.order, "--agency", fleet.folder / "agency", "--device", "drone-8")
    zegel(*words, "-o", fleet.folder / "new.order")
    load = ("device", "load-order", str(fleet.folder / "drone-7"), str(fleet.folder / "new.order"))
    loading = Program(load, fleet.folder, "load")
    assert fleet.until(lambda: not loading.running)
    assert loading.end() == 0, loading.output()
    assert fleet.until(lambda: pilot.says("goes on under order 3") == 1), fleet.logs()
    pilot.forget()
    assert fleet.until(lambda: pilot.says("the revoked aircraft 'drone-8' is heard") == 1), fleet.logs()
    fleet.command(GCS_BEAT, arm(2), arm(1))
    assert systems_of(pilot.frames) == {1}
    assert finder.came == []
    assert (fleet.seventh.count(arm(1)), finder.air.running) == (1, True)
    assert re.search("kept back: COMMAND_LONG to system 2, once: no aircraft", pilot.program.output())
    figure(
        f"fleet, the key of drone-8 in other hands: of 51 commands to drone-7 it read {read}; of {lies} frames in the name"
        " of drone-7 none reached the pilot; after order revoke --device nothing of it was opened and nothing went to it"
    )
