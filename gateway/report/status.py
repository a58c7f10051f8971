"""Status: what a running air or ground says of itself, by ZeroMQ, and `zegel status`, which reads it.

Each process publishes a JSON object twice a second on a socket of its own in a folder that only its user can enter.
Publishing never blocks and nobody can ask it anything, so no reader can slow a flight down. Counter names follow
mavlink-router-rs where it has them.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import stat
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import zmq

from firmware_shims import mavlink
from gateway.errors import NotRunning
from gateway.loop import hardening
from gateway.report.advice import advise
from gateway.report.log import say
from keys.commands.terminal import json_text, show
from keys.printable import printable

SERVICES = Path("/run/zegel")  # RuntimeDirectory= of packaging/*.service
STATUS_OCTETS_MAX = 1 << 20
ASKED_OCTETS_MAX = 512  # a subscription, or the greeting of one who may send it
ANSWER_WITHIN_S = 1.5  # a process publishes every half second
SEQ_MODULUS = 256
ROWS_MAX = 256
REORDER_MAX = 128  # a MAVLink sequence step of more than this is one back, not a gap


class FrameCounts:
    """Frames and losses for each (sysid, compid), by MAVLink's own 8-bit sequence numbers."""

    def __init__(self) -> None:
        self.rows: dict[tuple[int, int], list[int]] = {}  # -> [frames, lost, last sequence number]

    def count(self, frames: Iterable[bytes | memoryview]) -> None:
        for frame in frames:
            sysid, compid, seq = mavlink.key(frame)
            row = self.rows.get((sysid, compid))
            if row is None:
                if len(self.rows) >= ROWS_MAX:
                    continue  # noise on the line, or a reader who forges; no vehicle has so many parts
                row = self.rows[sysid, compid] = [0, 0, (seq - 1) % SEQ_MODULUS]
            gap = (seq - row[2] - 1) % SEQ_MODULUS
            row[0] += 1
            if gap < REORDER_MAX:
                row[1] += gap
                row[2] = seq


def frames_status(table: FrameCounts) -> dict[str, dict[str, int]]:
    return {f"{s}/{c}": {"frames": row[0], "rx_lost_est": row[1]} for (s, c), row in sorted(table.rows.items())}


# --- the socket ---


def runtime_folder() -> Path:
    """Where the sockets stand: what systemd gave this service, $XDG_RUNTIME_DIR/zegel, or a folder of this user's under
    the temporary one; 0700."""
    if given := os.environ.get("RUNTIME_DIRECTORY"):
        return Path(given)
    base = os.environ.get("XDG_RUNTIME_DIR")
    user = os.getuid() if hasattr(os, "getuid") else "user"
    folder = Path(base) / "zegel" if base else Path(tempfile.gettempdir()) / f"zegel-{user}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    info = folder.lstat()  # anybody can make a folder, or a link, of that name in /tmp
    if hasattr(os, "getuid") and (not stat.S_ISDIR(info.st_mode) or info.st_uid != os.getuid() or info.st_mode & 0o077):
        raise OSError(f"{folder} is not ours alone")
    return folder


class Publisher:
    """Context manager: `send` publishes one status. A socket that cannot be made costs the status, not the flight."""

    def __init__(self, role: str, name: str) -> None:
        self._name = f"{role}-{re.sub(r'[^A-Za-z0-9_-]', '-', name)[:32]}.{os.getpid()}"
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.PUB)
        self._socket.linger = 0
        self._socket.sndhwm = 2
        self._socket.maxmsgsize = ASKED_OCTETS_MAX
        self._path: Path | None = None
        self._role, self._locked = role, hardening.locked()

    def __enter__(self) -> Publisher:
        if not self._locked:
            say(self._role, hardening.NOT_LOCKED)
        try:
            path = runtime_folder() / self._name
            self._socket.bind(f"ipc://{path}")
            self._path = path
        except (OSError, zmq.ZMQError) as error:
            say("status", f"not available: {error}")
        return self

    def __exit__(self, *exc: object) -> None:
        self._context.destroy(linger=0)
        if self._path:
            self._path.unlink(missing_ok=True)

    def send(self, status: Mapping[str, object]) -> None:
        if self._path:
            ours = {"pid": os.getpid(), "memory_locked": self._locked}
            self._socket.send(json.dumps({**ours, **status}).encode(), zmq.NOBLOCK)


def read_all(within_s: float = ANSWER_WITHIN_S) -> list[dict[str, Any]]:
    """The newest status of every process of this user, and of the services if he may see them, by role and name."""
    context = zmq.Context()
    poller, waiting, found = zmq.Poller(), {}, []
    try:
        folders = [runtime_folder(), *([SERVICES] if os.access(SERVICES, os.R_OK | os.X_OK) else [])]
        paths = sorted({path for folder in folders for path in folder.iterdir()})
    except OSError as error:
        raise NotRunning(f"no status: {error}", hint="is XDG_RUNTIME_DIR that of the user who runs zegel?") from None
    for path in paths:
        if not path.is_socket():
            continue
        if _gone(path):
            path.unlink(missing_ok=True)  # left behind by a process that was killed
            continue
        socket = context.socket(zmq.SUB)
        socket.subscribe(b"")
        socket.maxmsgsize = STATUS_OCTETS_MAX
        socket.connect(f"ipc://{path}")
        poller.register(socket, zmq.POLLIN)
        waiting[socket] = path
    until = time.monotonic() + within_s
    while waiting and (left := until - time.monotonic()) > 0:
        for socket, _ in poller.poll(int(left * 1000) + 1):
            if status := _read(socket.recv()):
                found.append(status)
            poller.unregister(socket)
            del waiting[socket]
    context.destroy(linger=0)
    return sorted(found, key=lambda status: (status["role"], status["name"]))


def _read(data: bytes) -> dict[str, Any] | None:
    """A status; None if it is not even one by its form."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not all(isinstance(found.get(name), str) for name in ("role", "name")):
        return None
    return found


def _gone(path: Path) -> bool:
    try:
        os.kill(int(path.suffix[1:]), 0)
    except (ProcessLookupError, ValueError, OverflowError):
        return True
    except PermissionError:
        return False
    return False


# --- the command ---


def command(parser: argparse.ArgumentParser) -> None:
    """show what every running air and ground on this computer is doing"""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "example:\n  zegel status\n  zegel status --json | python3 -m json.tool"
    parser.add_argument("--json", action="store_true", help="everything, as a list of JSON objects")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    statuses = read_all()
    if not statuses:
        raise NotRunning(
            "no zegel air or ground of this user is running here",
            hint="start one: zegel air --help; of the services tells: sudo zegel status",
        )
    if args.json:
        show(json_text(statuses, 2))
    else:
        show("\n\n".join(_text_or_why_not(status) for status in statuses))
    return 0


def _text_or_why_not(status: dict[str, Any]) -> str:
    """A process of another version may say less than this one shows, and a stranger's anything."""
    try:
        return _text(status)
    except Exception:
        name = printable(f"{status['role']} {status['name']}")
        return f"{name}: not shown, it is another version's; zegel status --json has it, and a restart mends it"


def in_one_line(status: Mapping[str, Any]) -> str:
    """How it is, and what is wrong if something is: for the service manager."""
    return "; ".join(filter(None, (_word(status), advise(status))))


def _word(status: Mapping[str, Any]) -> str:
    if status["role"] == "ground":
        return "open" if status["sealed"] else "nothing to open"
    return "sealed" if status["sealed"] else "no link: nothing is sent"


def _text(status: dict[str, Any]) -> str:
    lines = [f"{status['role']} {status['name']}: {_word(status)}", f"  operation  {status['operation']}"]
    if "session" in status:
        lines.append(f"  session    {status['session'][:8]}  boot {status['boot_counter']}  epoch {status['epoch']}")
    lines += [
        f"  session    {s['session'][:8]}  {_aircraft(s)}  boot {s['boot_counter']}  {s['state']}; {s['commands']}"
        for s in status.get("sessions", ())
    ]
    counts = status.get("lanes") or status.get("opened") or {}
    lines.append("  datagrams  " + (_pairs(counts) or "none yet"))
    for name, row in status["frames"].items():
        lines.append(f"  vehicle    {name}: {row['frames']} frames, {row['rx_lost_est']} lost before they came here")
    lines += [_endpoint(end) for end in status["endpoints"]]
    if feed := status.get("feed"):
        refused = f", refused: {feed['refused']} messages" if feed["refused"] else ""
        subscribed = _pairs(feed["subscriptions"]) or "nobody"
        lines.append(f"  feed       {feed['address']}  {feed['state']}, subscribed: {subscribed}{refused}")
    drops = {name: count for name, count in status["drops"].items() if count}
    if others := drops.pop("not_granted", 0):
        lines.append(f"  for others {others} datagrams of lanes that this station's role does not have")
    lines.append("  dropped    " + (_pairs(drops) or "nothing"))
    lines += [f"  unexpected {place}: {count}" for place, count in status["unexpected"].items()]
    lines += [
        f"  kept back  {message}, {count} times, from {station}"
        for station, counts in status["kept_back"].items()
        for message, count in counts.items()
    ]
    lines += [f"  kept back  {message}, {count} times: for no one aircraft" for message, count in _of(status, "misrouted")]
    lines += [
        f"  foreign    {device}: {kind}, {count}: list it to let it pass"
        for device, counts in _of(status, "foreign")
        for kind, count in counts.items()
    ]
    if not status["memory_locked"]:
        lines.append("  memory     not locked, so keys may reach swap")
    lines += [f"  alarm      {alarm}" for alarm in status["alarms"]]
    if line := advise(status):
        lines.append(f"  wrong      {line}")
    return "\n".join(map(printable, lines))


def _aircraft(session: Mapping[str, Any]) -> str:
    systems = ", ".join(map(str, session["systems"])) or "not known"
    return f"{session['device']}, system {systems}"


def _of(status: Mapping[str, Any], counts: str) -> Iterable[tuple[str, Any]]:
    """What only a ground counts; nothing of air."""
    return status[counts].items() if status["role"] == "ground" else ()


def _endpoint(end: Mapping[str, Any]) -> str:
    text = f"  {end['use']:<9}  {end['endpoint']}  {end['state']}"
    if end["state"] == "reconnecting":
        return f"{text}, {end['last_error']}"
    text += f", in {end['rx_per_s']:g}/s {end['rx_kbit']:g} kbit/s, out {end['tx_per_s']:g}/s {end['tx_kbit']:g} kbit/s"
    if "loss_percent" in end:
        text += f", {end['loss_percent']:g} % lost"
    return text + (f", for {' '.join(end['clients'])}" if end["clients"] else "")


def _pairs(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())
