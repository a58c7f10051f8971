"""The demo's play: what all acts share: the folder, the stage, the stations, the ledger, and what is told.

What lives here: the machinery. acts/ has the acts, and run.py their sequence.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console, RenderableType

from gateway.demo.clip import Camera
from gateway.demo.flight import FlightController
from gateway.demo.ledger import Ledger
from gateway.demo.shell import Shell
from gateway.demo.stage import HOST, Listener, Program, Radio, free_port, is_free, run_until
from gateway.errors import DemoFailed
from gateway.recording.leaf import Close
from gateway.recording.opened import sessions
from gateway.recording.reason import CloseReason

SAY_EVERY_S = 2.0
JOIN_WITHIN_S = 15.0
LINK = re.compile(r"http://\S+\?token=\S+")
SETTLE_S = 0.5  # for data that is still on its way when the players stop
STATUS_WITHIN_S = 1.2  # every process tells its status twice a second
AGENCY, OTHER = "Harbour Police", "Coast Guard"
OPERATION = "Night Watch"
STATIONS = {
    "pilot": (AGENCY, "telemetry,video,command"),
    "observer": (AGENCY, "telemetry,video"),
    "visitor": (OTHER, "telemetry,video"),
}
STRANGER = "stranger"
CARD, ARCHIVE = "card", "archive"  # what flew, and the agency's recording key


class Play:
    """One run in `folder`. It ends the programs and closes what it opened when it is left.

    `air` is the aircraft's program from take-off on, `first_run` what was on the wire until its power was cut
    """

    air: Program

    def __init__(self, folder: Path, *, hybrid: bool = False, stay: bool = False) -> None:
        self.folder, self.hybrid, self.stay = folder, hybrid, stay
        self.console = Console(highlight=False, soft_wrap=True)
        self.shell = Shell(folder, self.say)
        self.radio, self.lte = Radio(), Radio()
        self.flight, self.camera_port = FlightController(), free_port()
        self.camera = Camera((HOST, self.camera_port))
        self.stations: dict[str, Listener] = {}
        self.ledger = Ledger()
        self.first_run: list[bytes] = []
        self.refused: dict[str, int] = {}  # of the replay, by station
        self.playing = False
        self._said_at = 0.0
        self._afterwards = contextlib.ExitStack()

    def __enter__(self) -> Play:
        for part in (self.flight, self.camera, self.radio, self.lte):
            self._afterwards.callback(part.close)
        return self

    def __exit__(self, *_: object) -> None:
        self._afterwards.close()

    # --- programs ---

    def listen(self, name: str) -> Listener:
        """The program of a station."""
        made = Listener(name, self.folder, self.folder / "op.order", computer=self.computer(name))
        self._afterwards.callback(made.close)
        return made

    def computer(self, name: str) -> Path | None:
        """The runtime folder of that station's user; None for the pilot, who sits at this computer."""
        return None if name == "pilot" else self.folder / f"{name}-computer"

    def start_air(self) -> None:
        words = ("air", "--device", str(self.folder / "drone-7"), "--fc", f"serial:{self.flight.path}:921600")
        video = ("--video", f"udpin:{HOST}:{self.camera_port}")
        links = [word for radio in (self.radio, self.lte) for word in ("--link", f"udpout:{HOST}:{radio.port}")]
        self.air = Program((*words, *video, *links, "--record", str(self.card)), self.folder, "air")
        self._afterwards.callback(self.air.end)

    @property
    def card(self) -> Path:
        return self.folder / CARD

    def land(self) -> bool:
        """End the aircraft's program. Whether it stopped as it should, and the end of its recording is on the card."""
        *_, flown = re.findall(r" session (\w+), boot", self.air.output())

        def ended() -> bool:
            found = [each for each in sessions(self.card) if each.id.hex().startswith(flown)]
            return bool(found) and found[0].close == Close(CloseReason.ENDED)

        return self.air.end() == 0 and self.until(ended, JOIN_WITHIN_S)

    def run_beside(self, words: Sequence[object], step: Callable[[], None], limit_s: float) -> None:
        """A command in a process of its own, and `step` again and again until it ends. DemoFailed if it fails."""
        self.shell.name(*words)
        program = Program([str(word) for word in words], self.folder, str(words[1]))
        self._afterwards.callback(program.end)

        def ended() -> bool:
            running = program.running
            step()
            return not running

        if not self.until(ended, limit_s) or program.process.returncode:
            raise DemoFailed(f"zegel {words[0]} {words[1]} did not end well", hint=f"logs: {self.keep()}")

    def programs(self) -> list[Program]:
        """Of the aircraft, then of the stations."""
        return [self.air, *(station.program for station in self.stations.values())]

    def open_console(self, name: str, port: int) -> None:
        """A console that shows the ground of this station, on this port or another; its link, or why there is none."""
        words = ("console", "--port", str(port if is_free(port) else free_port(socket.SOCK_STREAM)))
        console = Program(words, self.folder, f"console-{name}", computer=self.computer(name))
        self._afterwards.callback(console.end)
        self.until(lambda: not console.running or LINK.search(console.output()) is not None, JOIN_WITHIN_S)
        link = LINK.search(console.output())
        said = console.output().strip().splitlines() or ["it said nothing"]
        self.say(f"     {name + ':':<10}{link[0] if link else 'no console: ' + said[-1]}")

    # --- time ---

    def fly(self, seconds: float) -> None:
        """The flight controller and the camera send for so long; then what is on its way arrives."""
        self.playing = True
        self.run(seconds)
        self.playing = False
        self.run(SETTLE_S)

    def run(self, seconds: float) -> None:
        self.until(lambda: False, seconds)

    def until(self, done: Callable[[], bool], limit_s: float) -> bool:
        return run_until(done, self.step, self._sockets(), limit_s)

    def wait_open(self, sessions: int) -> None:
        def opened() -> bool:
            alive = all(program.running for program in self.programs())
            return not alive or all(s.opened() >= sessions for s in self.stations.values())

        in_time = self.until(opened, JOIN_WITHIN_S)
        if not in_time or not all(program.running for program in self.programs()):
            raise DemoFailed(f"not every station opened its feeds within {JOIN_WITHIN_S:g} s", hint=f"logs: {self.keep()}")

    def step(self) -> None:
        now = time.monotonic()
        if self.playing:
            self.flight.play(now)
            self.camera.play(now)
        self.flight.listen()
        self.radio.relay()
        self.lte.relay()
        for station in self.stations.values():
            station.take()
        if self.playing and not self.refused and now - self._said_at >= SAY_EVERY_S:
            self._said_at = now
            self._say_counts()

    def _sockets(self) -> list[socket.socket]:
        return [self.radio.socket, self.lte.socket, *(sock for s in self.stations.values() for sock in (s.gcs, s.player))]

    # --- what is told ---

    def _say_counts(self) -> None:
        opened = ", ".join(f"{n} {len(s.frames)} + {len(s.packets)}" for n, s in self.stations.items())
        entered = f"{len(self.flight.sent)} + {len(self.camera.sent)} entered"
        self.say(f"   {entered} | {self.radio.sealed} sealed datagrams on the wire | opened: {opened}")

    def title(self, text: str) -> None:
        self.console.print(f"\n[bold]{text}[/bold]")

    def say(self, text: str) -> None:
        self.console.print(text, markup=False)

    def show(self, what: RenderableType) -> None:
        self.console.print(what)

    def keep_recordings(self) -> Path:
        """Copy the card and the recording key out of the temporary folder."""
        kept = Path(tempfile.mkdtemp(prefix="zegel-demo-recordings-"))
        for name in (CARD, ARCHIVE):
            shutil.copytree(self.folder / name, kept / name)
        return kept

    def keep(self) -> str:
        """Copy the logs of the processes out of the temporary folder."""
        kept = Path(tempfile.mkdtemp(prefix="zegel-demo-logs-"))
        for log in self.folder.glob("*.log"):
            (kept / log.name).write_text(log.read_text())
        return str(kept)

    def forget(self) -> None:
        """Counted data is dropped: hours of flight need not stay in memory."""
        for kept in (self.flight.sent, self.camera.sent, self.radio.capture, self.lte.capture):
            kept.clear()
        for station in self.stations.values():
            station.forget()
