"""A link recording is written by a thread of its own: the loop never waits for the disk, and what is lost is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gateway import clock
from gateway.batch import Batch
from gateway.recording.damage import Damages
from gateway.recording.link import files, form, reading, writer
from gateway.recording.link.form import Lost, Order, Start
from gateway.recording.link.stage import LinkStage
from gateway.recording.link.writer import Writer
from gateway.recording.pcap import Record
from gateway.recording.reason import GapReason

START = Start(unix_us=0, links=2, software="1", known=[], named=None)
ORDER_HASH = "ab" * 32
WITHIN_S = 20.0


def made(folder: Path, keep_free: int = 0) -> Writer:
    return Writer(folder, START, clock.now(), keep_free)


def batch(*datagrams: bytes) -> Batch:
    found = Batch()
    found.hold(datagrams)
    return found


def records_of(number: int, found: Batch, at: float, began: float) -> bytes:
    stage = LinkStage(began)
    stage.add(number, found, at)
    (message,), lost = stage.take()
    assert lost == 0
    return message


def one(content: bytes) -> bytes:
    return records_of(0, batch(content), 1.0, 0.0)


def until(done: Callable[[], bool]) -> None:
    end = time.monotonic() + WITHIN_S
    while not done():
        assert time.monotonic() < end
        time.sleep(0.01)


def records(folder: Path) -> list[Record]:
    (start,) = reading.starts(folder, Damages())
    found = [record for _, record in start.records()]
    assert start.damage.lines() == []
    return found


def events(folder: Path) -> list[form.Event]:
    return [said for record in records(folder) if (said := reading.event(record))]


def came(folder: Path) -> list[tuple[int | None, bytes]]:
    return [(form.link_of(port), content) for _, port, content in records(folder) if port != form.EVENT]


def test_what_came_is_there_by_link_and_time_and_the_order_before_it(tmp_path: Path):
    folder, began = tmp_path / "kept", clock.now()
    made_by = Writer(folder, START, began, 0)
    made_by.say(ORDER_HASH, b"an order")
    made_by.add(records_of(0, batch(b"one", b"another"), began + 1.5, began))
    aged = batch(b"old", b"young")
    ages = np.array([2.0, 0.5])
    aged.waited(2.0, ages, ages)
    made_by.add(records_of(1, aged, began + 4.0, began))
    made_by.end()
    assert came(folder) == [(0, b"one"), (0, b"another"), (1, b"old"), (1, b"young")]
    times = [record.time_ns / 1e9 for record in records(folder) if record.port != form.EVENT]
    assert times == pytest.approx([1.5, 1.5, 2.0, 3.5], abs=1e-6)
    start, order = events(folder)
    assert isinstance(start, Start)
    assert abs(start.unix_us / 1e6 - time.time()) < WITHIN_S
    assert order == Order(ORDER_HASH)
    assert (folder / form.order_name(ORDER_HASH)).read_bytes() == b"an order"


def test_each_file_is_of_use_without_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(form, "FILE_MAX", 4096)
    made_by = made(tmp_path)
    made_by.say(ORDER_HASH, b"an order")
    for number in range(10):
        made_by.add(one(bytes([number]) * 1000))
    made_by.end()
    assert [content[0] for _, content in came(tmp_path)] == [*range(10)]
    names = sorted(path.name for path in tmp_path.glob("*.pcap"))
    assert len(names) > 2
    last = tmp_path / "alone"
    last.mkdir()
    (last / names[-1]).write_bytes((tmp_path / names[-1]).read_bytes())
    assert came(last)[-1] == (0, bytes([9]) * 1000)
    assert events(last)[1:] == [Order(ORDER_HASH)]


def test_the_loop_waits_for_no_disk_and_what_finds_no_room_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The disk does not answer until the queue has long been full; the loop adds as if nothing were."""
    answers, real = threading.Event(), files.os.write
    monkeypatch.setattr(writer, "QUEUE_MAX", 20_000)
    monkeypatch.setattr(files.os, "write", lambda *args: answers.wait() and real(*args))
    made_by = made(tmp_path)
    for number in range(40):
        made_by.add(one(bytes([number]) * 956))
    assert made_by.lost == 20
    answers.set()
    until(lambda: made_by.written > 0 and made_by._waits == 0)
    made_by.add(one(b"after"))
    made_by.end()
    assert [content[0] for _, content in came(tmp_path)] == [*range(20), b"after"[0]]
    assert [each for each in events(tmp_path) if isinstance(each, Lost)] == [Lost(20, GapReason.CARD_SLOW)]


def test_a_full_disk_is_left_alone_and_said_when_there_is_room_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(writer, "RETRY_EVERY_S", 0.1)
    made_by = made(tmp_path, 1 << 60)
    made_by.say(ORDER_HASH, b"an order")
    made_by.add(one(b"lost"))
    until(lambda: made_by.trouble != "")
    assert made_by.trouble == "No space left on device"
    made_by.add(one(b"lost too"))
    until(lambda: made_by.lost == 2)
    assert [*tmp_path.iterdir()] == []
    made_by._files._keep_free = 0
    until(lambda: made_by.trouble == "")
    made_by.add(one(b"kept"))
    made_by.end()
    assert came(tmp_path) == [(0, b"kept")]
    assert events(tmp_path)[1:] == [Order(ORDER_HASH), Lost(2, GapReason.CARD_FULL)]


def test_a_disk_that_fails_costs_what_came_meanwhile_and_the_next_file_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The folder is taken away, as a stick that is pulled, and comes back."""
    monkeypatch.setattr(writer, "RETRY_EVERY_S", 0.1)
    parent = tmp_path / "stick"
    made_by = made(parent / "kept")
    made_by.add(one(b"too early"))
    until(lambda: made_by.trouble == "No such file or directory")
    parent.mkdir()
    until(lambda: made_by.trouble == "")
    made_by.add(one(b"kept"))
    made_by.end()
    assert came(parent / "kept") == [(0, b"kept")]
    assert Lost(1, GapReason.CARD_FAILED) in events(parent / "kept")


def test_an_unexpected_error_ends_neither_the_thread_nor_the_ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(writer, "RETRY_EVERY_S", 0.1)
    made_by = made(tmp_path)
    with monkeypatch.context() as broken:
        broken.setattr(files.Files, "append", lambda *_: 1 / 0)
        made_by.add(one(b"lost"))
        until(lambda: made_by.trouble != "")
    until(lambda: made_by.trouble == "")
    made_by.add(one(b"kept"))
    made_by.end()
    assert came(tmp_path) == [(0, b"kept")]
