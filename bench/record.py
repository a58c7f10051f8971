"""Record: all that one run of the bench measured, and on what; as JSON and back.

What must not live here: measuring, and how a record is shown (bench.show, bench.html).
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bench import machine
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
    """What was measured here and now."""
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    return Record(machine.describe(), today, quick, tuple(results))


def to_json(record: Record) -> bytes:
    return msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n"


def read(path: Path) -> Record:
    """What `to_json` made; ConfigError if it is anything else."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Record)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}", hint="check the path") from None
    except msgspec.DecodeError as error:
        raise ConfigError(f"{path} holds no results: {error}", hint=f"make it: zegel bench --json > {path}") from None
