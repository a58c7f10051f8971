"""The files of a link recording may be torn, changed or hostile: what is whole is read, and nothing is raised."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from gateway.errors import CardError
from gateway.recording.damage import Damages
from gateway.recording.link import form, reading, session
from gateway.recording.pcap import FILE_HEADER, OVERHEAD, Record, head
from tests.unit.gateway.recording.link.test_writer import batch, made, records_of

CONTENTS = [b"one", b"another", bytes(300), b""]


def written(folder: Path) -> tuple[Path, bytes]:
    made_by = made(folder)
    made_by.add(records_of(0, batch(*CONTENTS), 1.0, 0.0))
    made_by.end()
    (path,) = folder.glob("link-*.pcap")
    return path, path.read_bytes()


def read(folder: Path) -> tuple[list[Record], list[str]]:
    damage = Damages()
    found = [record for start in reading.starts(folder, damage) for _, record in start.records()]
    return found, damage.lines()


def test_a_file_that_is_cut_at_any_byte_gives_its_whole_records(tmp_path: Path):
    path, whole = written(tmp_path)
    records, damage = read(tmp_path)
    assert ([record.content for record in records[1:]], damage) == (CONTENTS, [])
    ends, at = [], len(FILE_HEADER)
    for record in records:
        at += OVERHEAD + len(record.content)
        ends.append(at)
    assert at == len(whole)
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        expected = records[: sum(end <= size for end in ends)]
        assert read(tmp_path) == (expected, [] if expected else ["files of a ground with bytes that are no records: 1"])


def test_changed_bytes_cost_at_most_what_follows_and_raise_nothing(tmp_path: Path):
    path, whole = written(tmp_path)
    records, _ = read(tmp_path)
    rng = random.Random(1)
    for _ in range(300):
        data = bytearray(whole)
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(data)
        found, _ = read(tmp_path)
        assert len(found) <= len(records)
        with pytest.raises(CardError, match="no session can be found"):
            session.sessions(tmp_path)


def test_a_start_with_hostile_words_is_read_or_left_out(tmp_path: Path):
    rng = random.Random(2)
    said = form.encode(form.Start(0, 1, "1", [("zz", -5, "e", 3)], ("zz", 9)))
    for number in range(200):
        content = bytearray(said)
        content[rng.randrange(len(content))] = rng.randrange(256)
        (tmp_path / form.file_name(f"{number:016x}", 0)).write_bytes(
            FILE_HEADER + head(0, form.EVENT, len(content)) + content
        )
    assert len(reading.starts(tmp_path, Damages())) < 200
