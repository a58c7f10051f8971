"""A player, and `zegel source` with the tables of a test."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from gateway.demo.stage import HOST, Program, drain, port_of, udp_socket
from gateway.video.depacketiser import Depacketiser
from tests.system import camera
from tests.system.house import zegel

ROOT = Path(__file__).parents[2]


class Player:
    """What arrives at a player: the numbers of whole pictures, with the time of each."""

    def __init__(self) -> None:
        self.socket = udp_socket()
        self.port = port_of(self.socket)
        self.numbers: list[int] = []
        self.times: list[float] = []
        self.packets = 0
        self._pictures = Depacketiser("h264")

    def take(self) -> None:
        for packet in drain(self.socket):
            self.packets += 1
            for unit, _ in self._pictures.feed(packet, time.monotonic()):
                if (number := camera.number_of(unit.nals)) is not None:
                    self.numbers.append(number)
                    self.times.append(time.monotonic())

    def gaps(self) -> list[tuple[int, int]]:
        """Of each: the last number before it, the first one after it."""
        return [pair for pair in zip(self.numbers, self.numbers[1:], strict=False) if pair[1] != pair[0] + 1]


class Stage:
    """air.toml with these tables, and `zegel source`. `ports` are those where the two lanes of a `zegel air` are."""

    def __init__(self, folder: Path, text: str, ports: Sequence[int]) -> None:
        self.config = folder / "air.toml"
        video = json.dumps([f"udpin:{HOST}:{port}" for port in ports])
        self.config.write_text(f'device = "{folder}/none"\nlink = ["udpout:{HOST}:9"]\nvideo = {video}\n{text}')
        self.program = Program(("source", "--config", str(self.config)), folder, "source")

    def status(self) -> dict[str, dict[str, object]]:
        """By source."""
        (found,) = [each for each in json.loads(zegel("status", "--json")) if each["role"] == "source"]
        return {each["name"]: each for each in found["sources"]}


@contextlib.contextmanager
def staged(folder: Path, text: str, ports: Sequence[int]) -> Iterator[Stage]:
    stage = Stage(folder, text, ports)
    try:
        yield stage
    finally:
        assert stage.program.end() == 0, stage.program.output()
        assert not of_source(folder), "nothing that it started still runs"


def of_source(folder: Path) -> list[int]:
    """The processes of cameras that this test started."""
    return [pid for pid, words in command_lines() if str(folder) in words and "tests.system.camera" in words]


def command_lines() -> Iterator[tuple[int, str]]:
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            yield int(each.parent.name), each.read_bytes().replace(b"\0", b" ").decode(errors="replace")


def table(name: str, lane: str, **values: object) -> str:
    lines = [f"{key} = {json.dumps(value)}" for key, value in {"name": name, "lane": lane, "seen_by": "", **values}.items()]
    return "\n".join(["[[source]]", *lines, ""])


def prepared(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a test, with a place for the sockets of the status."""
    (folder / "run").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder / "run"))
    monkeypatch.chdir(ROOT)
    return folder
