"""A real agency, aircraft and stations in a temporary folder, as `zegel` commands make them, and real processes."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from gateway import cli
from gateway.demo.stage import HOST, Listener, Program, Radio, free_port, run_until

NAMES = (b"Harbour Police", b"Night Watch", b"drone-7", b"pilot", b"observer", b"visitor", b"Coast Guard")
JOIN_WITHIN_S = 60.0


def zegel(*words: object) -> str:
    """Run one command in this process; its standard output. AssertionError unless it ended well."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.main([str(word) for word in words])
    assert code == 0, f"zegel {' '.join(map(str, words))}: {code}\n{err.getvalue()}"
    return out.getvalue()


class House:
    """`folder` holds agency/, drone-7/, pilot/, observer/, visitor/ and op.order."""

    def __init__(
        self, folder: Path, profile: str = "x-wing", more: Sequence[str] = (), agency_words: Sequence[str] = ()
    ) -> None:
        self.folder = folder
        self.order = folder / "op.order"
        root = folder / "agency/root/root.crt"
        zegel("agency", "init", folder / "agency", "--name", "Harbour Police", *agency_words)
        zegel("device", "init", folder / "drone-7", "--name", "drone-7")
        zegel("agency", "certify-device", folder / "agency", folder / "drone-7/device.csr", "-o", folder / "drone-7.crt")
        zegel("device", "enrol", folder / "drone-7", folder / "drone-7.crt", "--root", root)
        for name in ("pilot", "observer", "visitor"):
            agency = "Coast Guard" if name == "visitor" else "Harbour Police"
            zegel(
                "station", "init", folder / name, "--name", name, "--agency", agency, "--root", root, "--profile", profile
            )
        self.issue(self.order, ("pilot", "observer"), more)
        zegel("device", "load-order", folder / "drone-7", self.order)

    def load(self, roles: Mapping[str, str]) -> None:
        """Another order in force aboard, of these stations with these ROLES or ROLES:POLICY."""
        self.order = self.folder / "other.order"
        self.issue(self.order, list(roles), roles=roles)
        zegel("device", "load-order", self.folder / "drone-7", self.order)

    def issue(
        self, path: Path, stations: Sequence[str], more: Sequence[str] = (), roles: Mapping[str, str] | None = None
    ) -> None:
        roles = {"pilot": "telemetry,video,command", **(roles or {})}
        listed = [
            word
            for name in stations
            for word in ("--station", f"{self.folder / name / 'station.pub'}:{roles.get(name, 'telemetry,video')}")
        ]
        zegel(
            *("order", "issue", self.folder / "agency", "--operation", "Night Watch", "--hours", "8", "-o", path),
            *("--device", self.folder / "drone-7.crt", *listed, *more),
        )


class Flight:
    """A house in the air: `zegel air`, the radio, and a `zegel ground` per name."""

    def __init__(
        self,
        house: House,
        names: Sequence[str] = ("pilot",),
        fc: str = "",
        more: Sequence[str] = (),
        more_ground: Sequence[str] = (),
    ) -> None:
        """`more`, `more_ground`: words for the command lines of the aircraft and of every station."""
        self.house, self.more = house, more
        self.radio = Radio()
        self.fc_port, self.camera_port = free_port(), free_port()
        self.fc = fc or f"udpin:{HOST}:{self.fc_port}"
        self.stations = {name: Listener(name, house.folder, house.order, more_ground) for name in names}
        self.radio.listeners = [station.port for station in self.stations.values()]
        self.step_more: Callable[[], None] = lambda: None
        self.start_air()

    def start_air(self) -> None:
        words = ("air", "--device", str(self.house.folder / "drone-7"), "--fc", self.fc)
        link = ("--video", f"udpin:{HOST}:{self.camera_port}", "--link", f"udpout:{HOST}:{self.radio.port}")
        self.air = Program((*words, *link, *self.more), self.house.folder, "air")

    def step(self) -> None:
        self.step_more()
        self.radio.relay()
        for station in self.stations.values():
            station.take()

    def run(self, seconds: float) -> None:
        self.until(lambda: False, seconds)

    def until(self, done: Callable[[], bool], limit_s: float = JOIN_WITHIN_S) -> bool:
        sockets = [self.radio.socket, *(s for station in self.stations.values() for s in (station.gcs, station.player))]
        return run_until(done, self.step, sockets, limit_s)

    def wait_open(self, times: int = 1) -> float:
        """Until every station has said `open` this often; the seconds that took."""
        began = time.monotonic()
        assert self.until(lambda: all(s.says(": open") >= times for s in self.stations.values())), self.logs()
        return time.monotonic() - began

    def logs(self) -> str:
        return "\n".join(p.output() for p in (self.air, *(s.program for s in self.stations.values())))

    def end(self) -> None:
        self.air.end()
        for part in (*self.stations.values(), self.radio):
            part.close()
