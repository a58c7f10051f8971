"""Recorder rates: megabytes for each CPU second of recording, opening and checking, compared with openssl and archivers.

What lives here: the rounds, in each of which everything is measured once, and their table. What must not: processes.
"""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from bench import load, openssl
from bench.archivers import ARCHIVERS, Archiver
from bench.clock import cpu_of
from bench.compiler import Absent
from bench.least_recorder import LeastRecorder
from bench.recorded_session import RecordedSession, in_a_message, records
from bench.recorder_feed import RecorderFeed
from bench.result import Cell, Progress, Table
from bench.workspace import Scene
from gateway import clock
from gateway.recording import opened
from gateway.recording.group import Group

MEMORY = Path("/dev/shm")  # noqa: S108 - a tmpfs, where there is one: no disk is measured here
SPEED_SIZE = 16_384  # bytes: a chunk
MB = 1e6
SEALS, OPENS, READS = "recorder, socket to tmpfs", "opening, and SHA-256", "records of it, for programs"
LEAST = "the least: one thread in C that receives, seals, hashes and writes"


class Form(NamedTuple):
    """The extent: rounds, bytes of a recording, seconds of `openssl speed`."""

    rounds: int
    size: int
    speed_s: int


FULL_FORM, QUICK_FORM = Form(5, 256 << 20, 2), Form(2, 64 << 20, 1)


@dataclass
class Rates:
    """Megabytes for each CPU second, by round. `seals`, `opens`: of the recorder, and of each archiver by name; `least`: of
    bench/c/least_recorder.c, none if it cannot be compiled."""

    cipher: list[float] = field(default_factory=list)
    hash: list[float] = field(default_factory=list)
    seals: dict[str, list[float]] = field(default_factory=dict)
    opens: dict[str, list[float]] = field(default_factory=dict)
    reads: list[float] = field(default_factory=list)
    least: list[float] = field(default_factory=list)

    @property
    def limit(self) -> float:
        """R: of a program that only encrypts and hashes each byte."""
        return 1 / (1 / statistics.median(self.cipher) + 1 / statistics.median(self.hash))

    def of_limit(self, rates: list[float]) -> float:
        return statistics.median(rates) / self.limit

    def of_archivers(self, which: Mapping[str, list[float]]) -> dict[str, float]:
        """By its name: how many times as much this program does for the same CPU time; the median of the rounds."""
        ours = which[SEALS]
        return {
            name: statistics.median(mine / other for mine, other in zip(ours, rates, strict=True))
            for name, rates in which.items()
            if name != SEALS
        }


def folder(scene: Scene, size: int) -> Path:
    """A folder in memory, if there is one with room for `size` bytes."""
    base = MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > size else scene.folder
    made = Path(tempfile.mkdtemp(prefix="zegel-bench-", dir=base))
    scene.undo.callback(shutil.rmtree, made, ignore_errors=True)
    return made


def measure(scene: Scene, form: Form, progress: Progress) -> tuple[Rates, list[str]]:
    """In each round: both limits, a recording, its opening, the least, each archiver. And a note for what is missing."""
    archivers, skipped = _installed(scene)
    least = _least(skipped)
    rates, place = Rates(), folder(scene, 4 * form.size)
    source = place / "records"
    source.write_bytes(b"".join(_records(form.size)))
    for turn in range(form.rounds):
        progress(turn, form.rounds, f"rates, round {turn + 1}")
        rates.cipher.append(_speed(openssl.CIPHER, form.speed_s))
        rates.hash.append(_speed(openssl.HASH, form.speed_s))
        _record(scene, place / f"{turn}", form.size, rates)
        if least:
            rates.least.append(form.size / MB / least.run(place / "least", form.size))
            (place / "least").unlink()
        for archiver in archivers:
            took, size = archiver.run(source), source.stat().st_size / MB
            rates.seals.setdefault(archiver.name, []).append(size / took.seals)
            rates.opens.setdefault(archiver.name, []).append(size / took.opens)
    return rates, skipped


def _installed(scene: Scene) -> tuple[list[Archiver], list[str]]:
    found, skipped = [], []
    for archiver in ARCHIVERS:
        try:
            archiver.start(scene)
        except (FileNotFoundError, Absent):
            skipped.append(f"{archiver.name} is left out: it is not installed; {archiver.install}")
        else:
            found.append(archiver)
    return found, skipped


def _least(skipped: list[str]) -> LeastRecorder | None:
    try:
        return LeastRecorder()
    except Absent as error:
        skipped.append(f"{LEAST}, is left out: {error}; {error.hint}")
    return None


def _records(size: int) -> Iterator[bytes]:
    """The plaintext of a recording."""
    one = records([os.urandom(load.VIDEO_SIZE) for _ in range(in_a_message(load.VIDEO_SIZE))], 0)
    return (one for _ in range(0, size, len(one)))


def _speed(what: str, seconds: int) -> float:
    found = openssl.bytes_per_second(SPEED_SIZE, seconds, {}, what)
    if found is None:
        raise Absent("there is no openssl that measures itself", hint=openssl.INSTALL)
    return found / MB


def _record(scene: Scene, place: Path, size: int, rates: Rates) -> None:
    """One recording, made by a recorder, and opened here."""
    place.mkdir()
    feed = RecorderFeed(scene, RecordedSession(place / "archive", clock.now()), card := place / "card")
    feed.wait_ready()
    before, cpu = feed.written, cpu_of(feed.pid)
    feed.pour(size)
    feed.end()
    rates.seals.setdefault(SEALS, []).append((feed.written - before) / MB / (cpu_of(feed.pid) - cpu))
    feed.close()
    _open(card, feed, rates)
    shutil.rmtree(place)


def _open(card: Path, feed: RecorderFeed, rates: Rates) -> None:
    (session,), keys = opened.sessions(card), feed.session.keys()
    if sum(gap.lost for gap in session.gaps):
        raise Absent("the recorder lost what came", hint="this computer is too busy to measure it")
    began = time.process_time()
    size = 0
    for segment in session.segments:
        if not session.check(segment):
            raise AssertionError("a segment is not as its leaf has it")
        size += sum(map(len, session.plaintext(keys, segment)))
    rates.opens.setdefault(SEALS, []).append(size / MB / (time.process_time() - began))
    began = time.process_time()
    for _ in session.records(keys, [Group.VIDEO_A]):
        pass
    rates.reads.append(size / MB / (time.process_time() - began))


def table(rates: Rates) -> Table:
    """Medians, and how many times R each is."""
    limit = rates.limit
    rows: list[tuple[Cell, ...]] = [
        ("openssl speed aes-256-gcm (G)", statistics.median(rates.cipher), None, None),
        ("openssl speed sha256 (S)", statistics.median(rates.hash), None, None),
        ("R = 1/(1/G + 1/S)", limit, 1.0, None),
    ]
    if rates.least:
        ours = statistics.median(mine / other for mine, other in zip(rates.seals[SEALS], rates.least, strict=True))
        rows.append((LEAST, statistics.median(rates.least), rates.of_limit(rates.least), ours))
    for what, figures in (("seals", rates.seals), ("opens", rates.opens)):
        times = {SEALS: None, **rates.of_archivers(figures)}
        for name, each in figures.items():
            shown = (SEALS if what == "seals" else OPENS) if name == SEALS else f"{name}, {what}"
            rows.append((shown, statistics.median(each), rates.of_limit(each), times[name]))
    rows.append((READS, statistics.median(rates.reads), rates.of_limit(rates.reads), None))
    notes = (
        f"megabytes of records with datagrams of {load.VIDEO_SIZE} bytes; medians of {len(rates.cipher)} rounds",
        "openssl speed: messages of 16,384 bytes. Where a processor has no instructions for SHA-256, that is most of R",
        "the archivers: a file in memory to a file in memory, and SHA-256 of the sealed one; age is ChaCha20-Poly1305",
    )
    columns = ("what", "MB per CPU second", "of R", "Zegel does so many times as much")
    return Table("Recording, opening, checking", columns, tuple(rows), notes)
