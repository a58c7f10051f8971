"""The way from an autopilot to a ground control station: straight, or through `zegel air` and `zegel ground`.

Both end in two loopback ports, so that the same programs run over either and their figures can be compared.
"""

from __future__ import annotations

import contextlib
import dataclasses
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from gateway.demo.stage import HOST, Program, free_port
from gateway.report.wording import READY
from tests.relay import Weather
from tests.system.house import JOIN_WITHIN_S, House


class Radio:
    """`tests.relay` in a process of its own; `port` is where it is sent to."""

    def __init__(self, to: int, weather: Weather, seed: int = 1) -> None:
        self.port = free_port()
        words = [f"--{name.replace('_', '-')}={value}" for name, value in dataclasses.asdict(weather).items()]
        ends = (f"--listen={self.port}", f"--to={to}", f"--seed={seed}")
        root = Path(__file__).parents[2]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.relay", *ends, *words], cwd=root, stdout=subprocess.DEVNULL
        )

    def end(self) -> None:
        self._process.terminate()
        self._process.wait()


class Straight:
    """No gateway: the autopilot sends to the ground control station, or to the radios in between, one after the other."""

    def __init__(self, *weathers: Weather) -> None:
        self.gcs_port = self.fc_port = free_port()
        self._radios = []
        for weather in weathers:
            self._radios.append(Radio(self.fc_port, weather))
            self.fc_port = self._radios[-1].port

    def wait_open(self) -> None:
        """It always is."""

    def end(self) -> None:
        for radio in self._radios:
            radio.end()


class Sealed:
    """`zegel air`, the radio if there is weather, and the pilot's `zegel ground`."""

    def __init__(self, house: House, *weathers: Weather, air: tuple[str, ...] = (), ground: tuple[str, ...] = ()) -> None:
        """`air`, `ground`: more options of them."""
        self.fc_port, self.gcs_port, ground_port = free_port(), free_port(), free_port()
        self.video_port = free_port()
        self._radios = [Radio(ground_port, weather) for weather in weathers]
        link = self._radios[0].port if self._radios else ground_port
        folder = house.folder
        self.ground = Program(
            (
                *("ground", "--station", str(folder / "pilot"), "--order", str(house.order)),
                *("--link", f"udpin:{HOST}:{ground_port}", "--gcs", f"udpout:{HOST}:{self.gcs_port}"),
                *("--video", f"udpout:{HOST}:{self.video_port}"),
                *ground,
            ),
            folder,
            "chain-ground",
        )
        self.air = Program(
            (
                *("air", "--device", str(folder / "drone-7"), "--fc", f"udpin:{HOST}:{self.fc_port}"),
                *("--link", f"udpout:{HOST}:{link}", "--video", f"udpin:{HOST}:{free_port()}"),
                *air,
            ),
            folder,
            "chain-air",
        )

    def wait_open(self) -> None:
        """Until the ground may speak to the aircraft: its challenge was answered."""
        until = time.monotonic() + JOIN_WITHIN_S
        while READY not in self.ground.output():
            assert time.monotonic() < until, f"no commands go up\n{self.logs()}"
            time.sleep(0.02)

    def logs(self) -> str:
        return self.air.output() + self.ground.output()

    def end(self) -> None:
        for program in (self.air, self.ground):
            program.end()
        for radio in self._radios:
            radio.end()


Chain = Straight | Sealed


@contextlib.contextmanager
def ending(*what) -> Iterator[None]:
    """All of these end with the block, in this order."""
    try:
        yield
    finally:
        for one in what:
            one.end()
