"""Zegel's own pair: the real `zegel air` and `zegel ground`, with a temporary agency, aircraft and order."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.fixture import House
from bench.load import Ways
from bench.relay import Relay, free_ports
from bench.workspace import Scene

PILOT, OBSERVER = "telemetry,video,command", "telemetry,video"
ZEGEL = (sys.executable, "-m", "gateway.cli")


def stations(count: int) -> Mapping[str, str]:
    """A pilot, and observers: name -> roles."""
    return {"pilot": PILOT, **{f"observer-{number}": OBSERVER for number in range(1, count)}}


class ZegelPair:
    """`listed` stations are in the order, and the first of them listens. `air`: more arguments for the aircraft.

    `telemetry` is the path of MAVLink frames, after the start.
    """

    key, name, install = "zegel", "Zegel", "pip install zegel"

    def __init__(self, listed: int = 1, air: Sequence[str] = ()) -> None:
        self._listed, self._air = listed, air
        self.telemetry = Ways(0, 0)

    def start(self, scene: Scene) -> Relay:
        folder = Path(tempfile.mkdtemp(prefix="zegel-", dir=scene.folder))
        house = House(folder, stations(self._listed))
        fc, camera, link, gcs, player = free_ports(5)
        air = scene.start((*ZEGEL, *house.air(fc, camera, link, self._air)), f"{folder.name}/air")
        ground = scene.start((*ZEGEL, *house.ground("pilot", link, gcs, player)), f"{folder.name}/ground")
        self.telemetry = Ways(fc, gcs)
        return Relay(self.name, Ways(camera, player), air.pid, ground.pid)
