"""Record: all results of one run of the bench, and its machine; as JSON and back.

What must not live here: measuring, and the display of a record (bench.show, bench.html).
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bench import machine, verdict
from bench.result import Result
from gateway.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Record:
    """`machine`: bench.machine's facts. `day`: UTC, 2031-05-09. `quick`: whether the short form was measured."""

    machine: Mapping[str, str]
    day: str
    quick: bool
    results: tuple[Result, ...]


def of_this_machine(results: Sequence[Result], quick: bool) -> Record:
    """A record of these results, measured here and now."""
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    return Record(machine.describe(), today, quick, tuple(results))


def verdict_of(record: Record) -> str:
    """The sentence about all of its results; empty if none of them supports one."""
    return verdict.whole(record.results)


def to_json(record: Record) -> bytes:
    """The verdict, for people, and then the record."""
    told = {"verdict": verdict_of(record), **{name: getattr(record, name) for name in Record.__dataclass_fields__}}
    return msgspec.json.format(msgspec.json.encode(told), indent=2) + b"\n"


def read(path: Path) -> Record:
    """A record from the text of `to_json`; ConfigError for anything else."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Record)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}", hint="check the path") from None
    except msgspec.DecodeError as error:
        raise ConfigError(f"{path} holds no results: {error}", hint=f"make it: zegel bench --json > {path}") from None
