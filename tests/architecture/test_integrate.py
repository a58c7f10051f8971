"""docs/integrate.md against what a program of somebody else gets: every key, and no other."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.endpoints import feed
from gateway.report.console_status import ConsoleStatus
from gateway.report.role_status import (
    AircraftStatus,
    AirStatus,
    EndpointStatus,
    FeedStatus,
    GroundStatus,
    RecordingStatus,
    SessionStatus,
)
from gateway.report.source_status import SourceReport
from gateway.report.status import _for_programs
from tests.unit.gateway.report.statuses import air, ground

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/integrate.md").read_text()
BOTH = {*AirStatus.__struct_fields__} & {*GroundStatus.__struct_fields__} - {"commands"}  # each role has its own
TABLES: dict[type[msgspec.Struct], str] = {
    AirStatus: "key of an air",
    GroundStatus: "key of a ground",
    EndpointStatus: "key of an endpoint",
    SessionStatus: "key of a session",
    AircraftStatus: "key of an aircraft",
    RecordingStatus: "key of a recording",
    FeedStatus: "key of a feed",
    SourceReport: "key of a source",
    ConsoleStatus: "key of a console",
}
NAMED_BEFORE = {AirStatus: BOTH, GroundStatus: BOTH, ConsoleStatus: {"pid", "memory_locked"}}


def table(head: str) -> dict[str, str]:
    """The table whose first cell is this: the text of each key."""
    rows = PAGE.split(f"\n| {head} |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    found = [re.fullmatch(r"\| ((?:`\w+`(?:, )?)+) \| (.+) \|", row) for row in rows]
    assert all(found), rows
    return {key: row[2] for row in found if row for key in re.findall(r"\w+", row[1])}


def structs(kind: Any) -> Iterator[type[msgspec.Struct]]:
    """Those within a type such as dict[str, list[Struct]] or Struct | None."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield kind
    for inner in typing.get_args(kind):
        yield from structs(inner)


def test_the_keys_of_both_roles_are_those_that_the_command_prints():
    printed = [{**_for_programs(msgspec.to_builtins(role))} for role in (air(), ground())]
    documented = {*table("key of a role")}
    assert documented == {*printed[0]} & {*printed[1]} - {"commands"} == BOTH | {"schema", "role", "wrong"}
    for role, head in zip(printed, (TABLES[AirStatus], TABLES[GroundStatus]), strict=True):
        assert {*role} == documented | {*table(head)}


@pytest.mark.parametrize("kind", TABLES, ids=lambda kind: kind.__name__)
def test_every_key_is_documented_and_no_other(kind: type[msgspec.Struct]):
    assert {*table(TABLES[kind])} == {*kind.__struct_fields__} - NAMED_BEFORE.get(kind, set())


@pytest.mark.parametrize("kind", TABLES, ids=lambda kind: kind.__name__)
def test_what_is_within_has_a_table_or_its_keys_are_named_in_its_row(kind: type[msgspec.Struct]):
    documented = {**table("key of a role"), **table(TABLES[kind])}
    for key, of in typing.get_type_hints(kind).items():
        for inner in structs(of):
            if inner not in TABLES:
                assert {*inner.__struct_fields__} <= {*re.findall(r"`(\w+)`", documented[key])}, key


def test_the_number_of_the_form_is_documented():
    assert table("key of a role")["schema"].startswith(f"{_for_programs(msgspec.to_builtins(air()))['schema']}. ")
    assert table("key of the last part")["schema"].startswith(f"{feed.SCHEMA}. ")


def test_the_last_part_of_a_message_of_the_feed_has_the_documented_keys():
    assert [*table("key of the last part")] == [*feed.Origin.__struct_fields__]
