"""The page that shows what each policy lets through is whole and current."""

from __future__ import annotations

import re

from firmware_shims.definitions import COMMANDS, FILE_OPERATIONS, MESSAGES, TUNNELS
from tests import policies
from tests.guarded import command


def section(title: str) -> str:
    return policies.PAGE.read_text().split(f"## {title}\n")[1].split("\n## ")[0]


def names(title: str) -> list[str]:
    rows = [line for line in section(title).splitlines() if line.startswith("| ") and "|---" not in line][1:]
    return [name for line in rows for name in re.split(r", ", line.removesuffix(" |").split(" | ")[-1])]


def test_the_page_is_what_the_guard_says_today():
    assert policies.PAGE.read_text() == policies.page(), "make it again: python -m tests.policies"


def test_the_page_has_every_message_and_every_command_once():
    assert sorted(names("Messages")) == sorted(message.name for message in MESSAGES.values())
    assert sorted(names("Commands")) == sorted([*COMMANDS.values(), "any other number"])


def test_the_page_has_every_operation_and_every_tunnel():
    assert all(f"| {name} |" in section("Files") for name in FILE_OPERATIONS.values())
    assert all(f"| {number} {name} |" in section("Tunnels") for number, name in TUNNELS.items())


def test_a_command_is_judged_alike_whatever_carries_it():
    for name in (*COMMANDS.values(), 0, 54321):
        carried = {by: policies.verdicts(command(name, by=by)) for by in policies.BY}
        assert carried["COMMAND_LONG"] == carried["COMMAND_INT"]
        assert carried["MISSION_ITEM"] == carried["MISSION_ITEM_INT"]
        assert carried["MISSION_ITEM"] == (policies.NO, policies.NO, *carried["COMMAND_LONG"][2:])


def test_a_policy_may_all_that_the_one_before_it_may():
    order = {policies.NO: 0, policies.SOME: 1, policies.YES: 2}
    for line in policies.PAGE.read_text().splitlines():
        cells = [cell for cell in line.strip("| ").split(" | ") if cell in order]
        if line.startswith("| ") and len(cells) == len(policies.POLICIES):
            assert cells == sorted(cells, key=order.__getitem__), line
