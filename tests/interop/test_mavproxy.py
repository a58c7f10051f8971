"""MAVProxy in the chain: it fetches, loads and arms itself, and MAVSDK's ground control station does so behind it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.demo.stage import HOST, free_port
from tests.interop.chain import Chain, Sealed, Straight, ending

peers = pytest.importorskip("tests.interop.mavsdk_peers", reason="needs mavsdk (pip install '.[interop]')")
PROGRAM = shutil.which("mavproxy.py", path=str(Path(sys.executable).parent))
pytestmark = [
    pytest.mark.peers,
    pytest.mark.skipif(PROGRAM is None, reason="needs MAVProxy (pip install '.[interop]')"),
]
WAIT_S = 30.0


class MavProxy:
    """Listens on `port`, and passes on to `out` and back."""

    def __init__(self, port: int, out: int, folder: Path) -> None:
        self._log, self._read_to = folder / "mavproxy.log", 0
        ends = (f"--master=udpin:{HOST}:{port}", f"--out=udpout:{HOST}:{out}")
        modules = ("--no-state", "--default-modules=param,arm,wp", "--target-system=1")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-u", PROGRAM, *ends, *modules], stdin=subprocess.PIPE, stdout=log, stderr=log, cwd=folder
            )

    def tells(self, text: str) -> float:
        """Wait for a text that it has not told before; the seconds that took."""
        began = time.monotonic()
        while (at := self._log.read_text().find(text, self._read_to)) < 0:
            assert time.monotonic() < began + WAIT_S, f"no {text!r} in\n{self._log.read_text()}"
            time.sleep(0.002)
        self._read_to = at + len(text)
        return time.monotonic() - began

    def asked(self, command: str, answer: str) -> float:
        self._process.stdin.write(command.encode() + b"\n")
        self._process.stdin.flush()
        return self.tells(answer)

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


def waypoints(path: Path) -> None:
    lines = [f"{i}\t{int(i == 0)}\t3\t16\t0\t0\t0\t0\t{i * 1e-4:.6f}\t4.5\t{10 + i}\t1" for i in range(peers.ITEMS)]
    path.write_text("\n".join(["QGC WPL 110", *lines]) + "\n")


def day(chain: Chain, folder: Path) -> dict[str, float]:
    waypoints(folder / "mission.txt")
    out = free_port()
    proxy, behind = MavProxy(chain.gcs_port, out, folder), peers.GroundStation(out)
    autopilot = peers.Autopilot(chain.fc_port, folder)
    with ending(behind, proxy, autopilot, chain):
        chain.wait_open()
        proxy.tells(f"Received {peers.PARAMS} parameters")  # it asks by itself when it has detected the vehicle
        took = {
            "1,000 parameters down": proxy.asked("param fetch", f"Received {peers.PARAMS} parameters"),
            "mission of 200 up": proxy.asked("wp load mission.txt", "MISSION_ACK: TYPE_MISSION: ACCEPTED"),
            "arm": proxy.asked("arm throttle", "COMPONENT_ARM_DISARM: ACCEPTED"),
        }
        assert [item.z for item in peers.until(autopilot.missions, 1)[-1]] == [10 + i for i in range(peers.ITEMS)]
        assert peers.until(autopilot.armings, 1) == [True]
        behind.meet()
        assert behind.parameters() == peers.parameters()
        return took


@pytest.mark.alone
def test_a_day_straight_and_through_zegel(house, tmp_path, figure):
    straight, sealed = day(Straight(), tmp_path), day(Sealed(house), tmp_path)
    for name, took in straight.items():
        figure(
            f"MAVProxy, loopback: {name}: {1000 * took:.0f} ms straight, {1000 * sealed[name]:.0f} ms through zegel,"
            f" ratio {sealed[name] / took:.2f}"
        )
