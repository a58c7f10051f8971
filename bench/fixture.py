"""Fixture: a temporary agency, its aircraft and its stations in a folder, made by `zegel` commands.

What lives here: files of keys and orders, and the command lines of the two roles. What must not: their input.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from gateway import cli
from gateway.demo.stage import HOST

STATIONS: Mapping[str, str] = {"pilot": "telemetry,video,command", "observer": "telemetry,video"}  # -> roles


class House:
    """`folder` gets agency/, aircraft/, a folder for each of `stations` (name -> roles) and op.order.

    `card`: the aircraft records there, for the recording key in archive/.
    """

    def __init__(self, folder: Path, stations: Mapping[str, str] = STATIONS, card: Path | None = None) -> None:
        self.folder, self.order, self.archive = folder, folder / "op.order", folder / "archive"
        self._config = folder / "air.toml"
        agency, aircraft, root = folder / "agency", folder / "aircraft", folder / "agency/root/root.crt"
        _zegel("agency", "init", agency, "--name", "bench")
        _zegel("device", "init", aircraft, "--name", "aircraft")
        _zegel("agency", "certify-device", agency, aircraft / "device.csr", "-o", folder / "aircraft.crt")
        _zegel("device", "enrol", aircraft, folder / "aircraft.crt", "--root", root)
        words: list[object] = ["--operation", "bench", "--device", folder / "aircraft.crt", "-o", self.order]
        for name, roles in stations.items():
            _zegel("station", "init", folder / name, "--name", name, "--agency", "bench", "--root", root)
            words += ["--station", f"{folder / name / 'station.pub'}:{roles}"]
        if card:
            _zegel("recording", "keygen", self.archive, "--name", "archive")
            words += ["--recording", self.archive / "rec.pub"]
            self._config.write_text(f'[record]\nfolder = "{card}"\nkeep_free_mib = 0\n')
        _zegel("order", "issue", agency, "--hours", 8, *words)
        _zegel("device", "load-order", aircraft, self.order)

    def air(self, fc: int, camera: int, link: int, more: Sequence[str] = ()) -> tuple[str, ...]:
        """The words of `zegel air` that listens on two of these ports and sends to the third."""
        plain = ("--fc", f"udpin:{HOST}:{fc}", "--video", f"udpin:{HOST}:{camera}")
        device, config = str(self.folder / "aircraft"), ("--config", str(self._config)) if self._config.exists() else ()
        return ("air", *config, "--device", device, *plain, "--link", f"udpout:{HOST}:{link}", *more)

    def ground(self, name: str, link: int, gcs: int, player: int, more: Sequence[str] = ()) -> tuple[str, ...]:
        """The words of the `zegel ground` of station `name` that listens on one of these ports and sends to the others."""
        plain = ("--gcs", f"udpout:{HOST}:{gcs}", "--video", f"udpout:{HOST}:{player}")
        folder = str(self.folder / name)
        return ("ground", "--station", folder, "--order", str(self.order), "--link", f"udpin:{HOST}:{link}", *plain, *more)


def _zegel(*words: object) -> None:
    """Run one command in this process, silently; RuntimeError with what it said if it did not end well."""
    told = io.StringIO()
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
        code = cli.main([str(word) for word in words])
    if code:
        raise RuntimeError(f"zegel {' '.join(map(str, words))}: {told.getvalue()}")
