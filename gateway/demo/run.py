"""`zegel demo`: the main job on one computer, with real processes, explained in plain words and checked by counting.

The acts, and the functions in their order:
  1  `_keys`      a temporary agency, an aircraft, three stations, one stranger; for a hybrid agency also forged orders
  2  `_take_off`  a recorded flight and a camera enter; each station opens what the order grants it
  3  `_stranger`  a station that is not in the order opens nothing
  4  `_restart`   the aircraft loses power and comes back; so do the feeds
  5  `_replay`    a recording of the first run is replayed and refused
  6  `_command`   a pilot commands, an observer may not, a delayed command is refused (uplink.py)
  7  `_links`     one of two links is cut and restored, and no frame is lost
  8  `_count`     the table of what was counted
  9  `_revoke`    a station is revoked in flight, and can open nothing more
  10 `_verdict`   yes or no for each expectation; not 0 if anything is not as it should be
"""

from __future__ import annotations

import argparse
import contextlib
import shlex
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.padding import Padding

from gateway.demo import forgery
from gateway.demo.clip import Camera, player
from gateway.demo.flight import FlightController
from gateway.demo.leaks import shared_windows
from gateway.demo.ledger import Feed, Ledger, table
from gateway.demo.shell import Shell
from gateway.demo.stage import FIRST_SFRAME, HOST, SAYS_OPEN, Listener, Program, Radio, data_paths, free_port, run_until
from gateway.demo.stranger import pretend
from gateway.demo.uplink import COMMANDS, Uplink
from gateway.errors import DemoFailed
from gateway.report.status_socket import read_all
from keys.commands import account
from keys.lanes import Lane

FIRST_FLIGHT_S = 8.0
SECOND_FLIGHT_S = 5.0
REVOKED_FLIGHT_S = 3.0
CUT_AFTER_S, CUT_FOR_S = 1.0, 2.5
SAY_EVERY_S = 2.0
JOIN_WITHIN_S = 15.0
SETTLE_S = 0.5  # for data that is still on its way when the players stop
STATUS_WITHIN_S = 1.2  # every process tells its status twice a second
REPLAY_AT_ONCE = 50
EXAMPLE_BYTES = 16
AGENCY, OTHER = "Harbour Police", "Coast Guard"
OPERATION = "Night Watch"
STATIONS = {
    "pilot": (AGENCY, "telemetry,video,command"),
    "observer": (AGENCY, "telemetry,video"),
    "visitor": (OTHER, "telemetry,video"),
}
STRANGER = "stranger"


class Demo:
    """One run in a folder of its own, which is removed with it."""

    def __init__(self, folder: Path, stay: bool, hybrid: bool = False) -> None:
        self.folder, self.stay, self.hybrid = folder, stay, hybrid
        self.console = Console(highlight=False, soft_wrap=True)
        self.shell = Shell(folder, self._say)
        self.radio, self.lte = Radio(), Radio()
        self.flight, self.camera_port = FlightController(), free_port()
        self.camera = Camera((HOST, self.camera_port))
        self.stations: dict[str, Listener] = {}
        self.ledger = Ledger()
        self.refused: dict[str, int] = {}  # of the replay, by station
        self.playing = False
        self._said_at = 0.0

    def run(self) -> int:
        with contextlib.ExitStack() as self._afterwards:
            for part in (self.flight, self.camera, self.radio, self.lte):
                self._afterwards.callback(part.close)
            self._keys()
            self._take_off()
            self._stranger()
            self._restart()
            self._replay()
            self._command()
            self._links()
            self._count()
            self._revoke()
            if self.stay:
                self._stay()
            return self._verdict()

    # --- 1: keys ---

    def _keys(self) -> None:
        self._title("1. The agency makes its keys, and the vendor gets none of them")
        here = self.folder
        self.shell.run("agency", "init", here / "agency", "--name", AGENCY, *["--hybrid"] * self.hybrid)
        self.shell.run("device", "init", here / "drone-7", "--name", "drone-7")
        self.shell.run("agency", "certify-device", here / "agency", here / "drone-7/device.csr", "-o", here / "drone-7.crt")
        root = here / "agency/root/root.crt"
        self.shell.run("device", "enrol", here / "drone-7", here / "drone-7.crt", "--root", root)
        for name, (agency, _) in {**STATIONS, STRANGER: (OTHER, "")}.items():
            self.shell.run("station", "init", here / name, "--name", name, "--agency", agency, "--root", root)
        listed = [w for n, (_, roles) in STATIONS.items() for w in ("--station", f"{here / n / 'station.pub'}:{roles}")]
        self.shell.run(
            *("order", "issue", here / "agency", "--operation", OPERATION, "--device", here / "drone-7.crt"),
            *listed,
            *("--hours", "8", "-o", here / "op.order"),
        )
        self.shell.run("device", "load-order", here / "drone-7", here / "op.order")
        self._say("")
        self.shell.run("order", "show", here / "op.order", shown=True)
        if self.hybrid:
            self._forgeries(root)

    def _forgeries(self, root: Path) -> None:
        self._say("\n   Every order of a hybrid agency carries two signatures, and both are needed:")
        self.shell.run("order", "verify", self.folder / "op.order", "--root", root, shown=True)
        self._say(f"   One attacker has broken P-384, another one ML-DSA-65, and each lists {STRANGER!r} in an order:")
        forgery.try_both(self.folder, self.shell, self.ledger, STRANGER)

    # --- 2: flight ---

    def _take_off(self) -> None:
        self._title("2. Take-off: what enters, what is on the wire, what each station opens")
        for name in STATIONS:
            self._listen(name)
        self.air = self._start_air()
        self._wait_open(1)
        took = time.monotonic() - self.air.started
        self._say(
            f"   sealed, and open at every station, {took:.1f} s after the aircraft's start; 'telemetry + video' below"
        )
        self._play(FIRST_FLIGHT_S)
        self._say_example()

    def _listen(self, name: str) -> None:
        self.stations[name] = Listener(name, self.folder, self.folder / "op.order")
        self._afterwards.callback(self.stations[name].close)
        self.radio.listeners.append(self.stations[name].port)

    def _start_air(self) -> Program:
        words = ("air", "--device", str(self.folder / "drone-7"), "--fc", f"serial:{self.flight.path}:921600")
        video = ("--video", f"udpin:{HOST}:{self.camera_port}")
        links = [word for radio in (self.radio, self.lte) for word in ("--link", f"udpout:{HOST}:{radio.port}")]
        air = Program((*words, *video, *links), self.folder, "air")
        self._afterwards.callback(air.end)
        return air

    def _play(self, seconds: float) -> None:
        self.playing = True
        self._run(seconds)
        self.playing = False
        self._run(SETTLE_S)

    # --- 3: the stranger ---

    def _stranger(self) -> None:
        self._title(f"3. A station that is not in the order: {STRANGER!r}, with the order and a copy of the whole link")
        here = self.folder
        stranger = Listener(STRANGER, here, here / "op.order")
        self._afterwards.callback(stranger.close)
        program = stranger.program
        code = program.process.wait(JOIN_WITHIN_S)
        for line in program.output().strip().splitlines():
            self._say(f"   {line}")
        self.ledger.expect("the stranger's zegel ground refuses to start", code != 0)
        opened, refused = pretend(here / STRANGER, here / "op.order", self.radio.capture)
        self._say(
            f"   pretending to be each listed station, with its own key: {opened} datagrams opened, {refused} grants failed"
        )
        self.ledger.expect("the stranger opens nothing", opened == 0 and refused > 0)

    # --- 4: restart ---

    def _restart(self) -> None:
        self._title("4. The aircraft loses power (kill -9) in mid-flight, and starts again")
        self.first_run = list(self.radio.capture)
        self.playing = True
        self._run(1.0)
        self.air.kill()
        lost = time.monotonic()
        self._say("   the power is gone")
        self._run(0.5)
        self.air = self._start_air()
        self._wait_open(2)
        back = self.ledger.outage(lost)
        self._say(f"   new session, new keys; every feed is open again {back - self.air.started:.1f} s after the start")
        self._play(SECOND_FLIGHT_S)

    # --- 5: replay ---

    def _replay(self) -> None:
        self._title("5. An attacker recorded the first run and replays all of it")
        before = {name: len(s.frames) + len(s.packets) for name, s in self.stations.items()}
        refused = self._drops()
        for position, datagram in enumerate(self.first_run):
            self.radio.send(datagram)
            if position % REPLAY_AT_ONCE == 0:
                self._step()
        self._run(STATUS_WITHIN_S)
        got = sum(len(s.frames) + len(s.packets) - before[name] for name, s in self.stations.items())
        # More than was replayed is of the running session: lanes of other roles.
        played = len(self.first_run)
        self.refused = {name: min(count - refused[name], played) for name, count in self._drops().items()}
        self._say(f"   {len(self.first_run)} datagrams played to every station: {got} frames or pictures came out of it;")
        self._say("   refused: " + ", ".join(f"{name} {count}" for name, count in self.refused.items()))
        self.ledger.expect("nothing of the earlier run is accepted", got == 0)
        sealed = sum(datagram[0] >= FIRST_SFRAME for datagram in self.first_run)
        all_refused = all(count >= sealed for count in self.refused.values())
        self.ledger.expect("every station refused and counted all sealed datagrams of it", all_refused)

    def _drops(self) -> dict[str, int]:
        """How many datagrams each station's `zegel ground` did not open, by `zegel status`."""
        counts = {status.pid: sum(status.drops.values()) for status in read_all()}
        return {name: counts.get(s.program.process.pid, 0) for name, s in self.stations.items()}

    # --- 6: commands ---

    def _command(self) -> None:
        self._title("6. Commands: the pilot's, the observer's, and one that an attacker held back")
        uplink = Uplink(self.radio, self.flight, self.ledger, self._until, self._say)
        uplink.run(self.stations["pilot"], self.stations["observer"], sessions=2)

    # --- 7: two links ---

    def _links(self) -> None:
        self._title("7. The pilot's station listens by radio and by LTE, and the radio is cut")
        pilot = self.stations["pilot"]
        opened = pilot.says(SAYS_OPEN)
        self.lte.listeners.append(pilot.add_link())
        self._until(lambda: pilot.says(SAYS_OPEN) > opened, JOIN_WITHIN_S)
        self.playing = True
        self._run(CUT_AFTER_S)
        self.radio.deaf.add(pilot.port)
        self._run(CUT_FOR_S)
        self.radio.deaf.clear()
        self._play(CUT_AFTER_S)
        self._say(f"   for {CUT_FOR_S:g} s none of {self.radio.unheard} datagrams came by radio; LTE brought them")
        self.ledger.expect("one of the pilot's two links was cut, and restored", self.radio.unheard > 0)

    # --- 8: the table ---

    def _count(self) -> None:
        self._title("8. Counted, not claimed")
        feeds = [Feed(n, s.frames, s.packets) for n, s in self.stations.items()]
        rows = self.ledger.judge(self.flight.sent, self.camera.sent, feeds, self.refused)
        self.console.print(Padding(table(rows), (0, 0, 1, 3)))
        self._say("   air down: entered while the aircraft had no power; refused: datagrams of the replay")
        self._say(f"   data path: {data_paths([self.air, *(s.program for s in self.stations.values())])}")
        plain = [*self.flight.frames_sent(), *self.camera.packets_sent(), *COMMANDS]
        wire = [*self.radio.capture, *(datagram for _, datagram in self.radio.up)]
        names = [word.encode() for word in (AGENCY, OTHER, OPERATION, "drone-7", *STATIONS)]
        leaks = shared_windows(plain, wire)
        named = sum(name in datagram for name in names for datagram in wire)
        self.ledger.expect(f"16-byte pieces of the input that appear on the wire: {leaks}", leaks == 0)
        self.ledger.expect(f"names from the order that appear on the wire: {named}", named == 0)

    # --- 9: a revoked station ---

    def _revoke(self) -> None:
        self._title("9. The observer's station is lost: the agency revokes it while the aircraft flies")
        here, sealed = self.folder, self._sealed_sessions()
        words = ("order", "revoke", here / "op.order", "--station", "observer", "--agency", here / "agency")
        self.shell.run(*words, "-o", here / "new.order")
        self.shell.run("device", "load-order", here / "drone-7", here / "new.order")
        changed = self._until(lambda: self._sealed_sessions() > sealed, JOIN_WITHIN_S)
        pilot, observer = self.stations["pilot"], self.stations["observer"]
        pilot.forget()
        observer.forget()
        self.playing = True
        goes_on = self._until(lambda: bool(pilot.frames and pilot.packets), JOIN_WITHIN_S)
        self._play(REVOKED_FLIGHT_S)
        blind = not (observer.frames or observer.packets)
        self._say(f"   since then the observer opened {len(observer.frames)} + {len(observer.packets)},")
        self._say(f"   the pilot {len(pilot.frames)} + {len(pilot.packets)}, who got the new order by the link")
        self.ledger.expect("a station that was revoked in flight could open nothing more", changed and blind)
        self.ledger.expect("the other stations continued under the new order", goes_on)

    def _sealed_sessions(self) -> int:
        return self.air.output().count("sealed: operation")

    # --- 10: the verdict ---

    def _verdict(self) -> int:
        stopped = [program.end() for program in (self.air, *(s.program for s in self.stations.values()))]
        self.ledger.expect("aircraft and stations stopped on request", not any(stopped))
        for text, good in self.ledger.expectations:
            self._say(f"   {'yes' if good else 'NO '}  {text}")
        if not self.ledger.good:
            raise DemoFailed("something is not as it should be", hint=f"the lines marked NO above; logs: {self._keep()}")
        self._say("\nEverything is as it should be.")
        return 0

    def _keep(self) -> str:
        """Copy the logs of the processes out of the temporary folder."""
        kept = Path(tempfile.mkdtemp(prefix="zegel-demo-logs-"))
        for log in self.folder.glob("*.log"):
            (kept / log.name).write_text(log.read_text())
        return str(kept)

    # --- the machinery ---

    def _step(self) -> None:
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

    def _run(self, seconds: float) -> None:
        self._until(lambda: False, seconds)

    def _until(self, done: Callable[[], bool], limit_s: float) -> bool:
        return run_until(done, self._step, self._sockets(), limit_s)

    def _wait_open(self, sessions: int) -> None:
        programs = [self.air, *(s.program for s in self.stations.values())]

        def opened() -> bool:
            alive = all(program.running for program in programs)
            return not alive or all(s.opened() >= sessions for s in self.stations.values())

        in_time = self._until(opened, JOIN_WITHIN_S)
        if not in_time or not all(program.running for program in programs):
            raise DemoFailed(f"not every station opened its feeds within {JOIN_WITHIN_S:g} s", hint=f"logs: {self._keep()}")

    def _sockets(self) -> list[socket.socket]:
        return [self.radio.socket, self.lte.socket, *(sock for s in self.stations.values() for sock in (s.gcs, s.player))]

    def _say_counts(self) -> None:
        opened = ", ".join(f"{n} {len(s.frames)} + {len(s.packets)}" for n, s in self.stations.items())
        entered = f"{len(self.flight.sent)} + {len(self.camera.sent)} entered"
        self._say(f"   {entered} | {self.radio.sealed} sealed datagrams on the wire | opened: {opened}")

    def _say_example(self) -> None:
        """The last packet of the camera: sent, on the wire, and opened."""
        packet = next(p for p in reversed(self.camera.packets_sent()) if p in self.stations["pilot"].packets)
        wire = next(d for d in reversed(self.radio.capture) if d[0] >= FIRST_SFRAME and d[1] == Lane.VIDEO_A)
        self._say("   one video packet, its first bytes:")
        self._say(f"     entered      {packet[:EXAMPLE_BYTES].hex(' ')} ...")
        self._say(f"     on the wire  {wire[:EXAMPLE_BYTES].hex(' ')} ...")
        self._say(f"     opened       {self.stations['pilot'].packets[-1][:EXAMPLE_BYTES].hex(' ')} ...")

    def _stay(self) -> None:
        self._title("Flying until Ctrl-C: QGroundControl gets the pilot's telemetry on UDP 14550, RTP H.264 is on UDP 5600")
        self._say("   in another terminal, from this folder:")
        self._say(f"     {shlex.quote(sys.argv[0])} status")
        self._say(f"     {player()}")
        self.stations["pilot"].hand_over()
        self.playing = True
        with contextlib.suppress(KeyboardInterrupt):
            while self.air.running and all(station.program.running for station in self.stations.values()):
                self._run(1.0)
                self._forget()

    def _forget(self) -> None:
        """Counted data is dropped: hours of flight need not stay in memory."""
        for kept in (self.flight.sent, self.camera.sent, self.radio.capture, self.lte.capture):
            kept.clear()
        for station in self.stations.values():
            station.forget()

    def _title(self, text: str) -> None:
        self.console.print(f"\n[bold]{text}[/bold]")

    def _say(self, text: str) -> None:
        self.console.print(text, markup=False)


def command(parser: argparse.ArgumentParser) -> None:
    """show the main job on this computer, with temporary keys, in less than a minute"""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "example:\n  zegel demo\n  zegel demo --stay\n  zegel demo --hybrid"
    parser.add_argument("--stay", action="store_true", help="continue flying until Ctrl-C, to UDP 14550 and 5600")
    parser.add_argument("--hybrid", action="store_true", help="with an agency that signs with P-384 and ML-DSA-65")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    if sys.platform != "linux":
        raise DemoFailed("the demo needs Linux: its flight controller is a pseudo-terminal")
    account.forget_invoker()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the folder with its keys is removed then, too
    with tempfile.TemporaryDirectory(prefix="zegel-demo-") as folder:
        return Demo(Path(folder), args.stay, args.hybrid).run()
