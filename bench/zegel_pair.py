"""Zegel's own pair: the real `zegel air` and `zegel ground`, with a temporary agency, aircraft and order.

Its data path is in C where that is built, and otherwise in Python; `both` gives the two.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench import workspace
from bench.fixture import House
from bench.load import Ways
from bench.relay import Relay, free_ports
from bench.workspace import Scene
from gateway.native.library import OFF, Library, Unavailable
from gateway.native.structures import Open, Seal

PILOT, OBSERVER = "telemetry,video,command", "telemetry,video"
ZEGEL = (sys.executable, "-m", "gateway.cli")
C, PYTHON = "Zegel (C)", "Zegel (Python)"


def why_not_c() -> str:
    """Why Python does all of the data path here; empty if C does its plain part."""
    try:
        Library("seal", Seal)
        Library("open", Open)
    except Unavailable as reason:
        return str(reason)
    return ""


def stations(count: int) -> Mapping[str, str]:
    """A pilot, and observers: name -> roles."""
    return {"pilot": PILOT, **{f"observer-{number}": OBSERVER for number in range(1, count)}}


class ZegelPair:
    """`listed` stations are in the order, and the first of them listens. `air`: more arguments for the aircraft.

    `environment`: more variables of both processes. `card`: the aircraft records there. After the start `telemetry` is the
    path of MAVLink frames, and `house` has the keys.
    """

    key, install = "zegel", "pip install zegel"

    def __init__(
        self,
        listed: int = 1,
        air: Sequence[str] = (),
        environment: Mapping[str, str] = workspace.NO_VARIABLES,
        card: Path | None = None,
    ) -> None:
        self._listed, self._air, self._environment, self._card = listed, air, environment, card
        self.name = PYTHON if environment.get(OFF) == "0" or why_not_c() else C
        self.telemetry = Ways(0, 0)

    def start(self, scene: Scene) -> Relay:
        folder = Path(tempfile.mkdtemp(prefix="zegel-", dir=scene.folder))
        self.house = house = House(folder, stations(self._listed), self._card)
        fc, camera, link, gcs, player = free_ports(5)
        air = scene.start((*ZEGEL, *house.air(fc, camera, link, self._air)), f"{folder.name}/air", self._environment)
        ground = scene.start(
            (*ZEGEL, *house.ground("pilot", link, gcs, player)), f"{folder.name}/ground", self._environment
        )
        self.telemetry = Ways(fc, gcs)
        return Relay(self.name, Ways(camera, player), air.pid, ground.pid)


def both() -> tuple[list[ZegelPair], list[str]]:
    """A pair for each data path that runs here, the usual one first; and a note on one that does not."""
    in_python = ZegelPair(environment={OFF: "0"})
    if reason := why_not_c():
        return [in_python], [f"{C} is left out: {reason}"]
    return [ZegelPair(), in_python], []
