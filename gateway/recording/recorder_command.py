"""`zegel recorder`: its arguments, and the preparation of the process."""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import socket
from collections import defaultdict
from pathlib import Path

import msgspec

from gateway import config
from gateway.errors import ConfigError
from gateway.loop import hardening, watchdog
from gateway.recording import service, settings
from gateway.recording.disk import Disk
from gateway.recording.queue import Queue
from gateway.recording.sealing import Sealing
from gateway.recording.service import Service
from gateway.recording.settings import Record
from gateway.report import log
from gateway.sources import tables
from keys.errors import WrongToml
from keys.folders import toml

SOCKET = Path("/run/zegel-recorder/air.sock")
BEHIND_AIR = 5  # steps of nice
OOM_SCORE = "300"  # it ends before air does, if there is no memory
UMASK = 0o077
M_ARENA_MAX = -8  # mallopt(3)


def command(parser: argparse.ArgumentParser) -> None:
    """run aboard with zegel air: keep what flies on the card, sealed to the recording keys of the order"""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        "example:\n  zegel recorder --config air.toml\n\n"
        "The table [record] of that file says where: docs/recordings.md. Where no service runs, zegel air starts it."
    )
    parser.add_argument("--config", metavar="air.toml", help="the file that zegel air reads too")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="where to record; default: the folder of [record]")
    parser.add_argument("--fd", type=int, metavar="N", help="the socket that zegel air started this process with")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    found, device = _settings(config.given(args), args.folder)
    hardening.harden()
    hardening.ignore("SIGHUP", "SIGTTOU")
    os.umask(UMASK)
    _share_memory()
    with contextlib.ExitStack() as stack:
        stack.enter_context(log.by_queue())
        manager = stack.enter_context(watchdog.Manager())
        queue = Queue(found.memory)
        if args.fd is None:
            listener = stack.enter_context(service.listen(SOCKET))
            serving = Service(queue, manager, listener=listener, users=lambda: _users(device))
        else:
            _step_back()
            serving = Service(queue, manager, air=stack.enter_context(_socket(args.fd)))
        random = stack.enter_context(open("/dev/urandom", "rb", buffering=0))  # noqa: PTH123 - into memory that is wiped
        sealing = Sealing(queue, Disk(), found, serving.ask, random.readinto)
        hardening.freeze_gc()
        serving.run(sealing)
    return 0


def _settings(path: Path | None, folder: Path | None) -> tuple[Record, Path | None]:
    """The table [record], with the folder that was given in place of its own, and the device folder of air."""
    values: toml.Values = {}
    for file in config.files(path) if path else []:
        values |= config.read(file)
    where = f"{path}: record"
    table = tables.keys_of(Record, values.get("record", {}), where)
    try:
        found = toml.convert(Record, table if isinstance(table, dict) else {}, defaultdict(lambda: where))
    except WrongToml as error:
        raise ConfigError(str(error), hint=settings.HINT) from None
    if folder:
        found = msgspec.structs.replace(found, folder=str(folder.absolute()))
    settings.check(found, str(path))
    return found, Path(str(values["device"])) if "device" in values else None


def _users(device: Path | None) -> set[int]:
    """The users whose air may connect: our own, and the owner of the device folder, once it is there."""
    users = {os.getuid()}
    if device:
        with contextlib.suppress(OSError):
            users.add(device.stat().st_uid)
    return users


def _socket(number: int) -> socket.socket:
    try:
        found = socket.socket(fileno=number)
    except OSError as error:
        raise ConfigError(f"--fd {number} is no socket: {error.strerror}", hint="zegel air gives it") from None
    if (found.family, found.type) != (socket.AF_UNIX, socket.SOCK_SEQPACKET):
        raise ConfigError(f"--fd {number} is no socket of zegel air", hint="zegel air gives it")
    return found


def _share_memory() -> None:
    """Both threads take memory from one place: what one frees of the plaintext, the other uses for the ciphertext."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


def _step_back() -> None:
    """Air comes first, for the processor and for memory. A service has this from its unit."""
    with contextlib.suppress(OSError):
        os.nice(BEHIND_AIR)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE)
