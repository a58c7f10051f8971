"""The table of attacks: each is carried out, and what came of it stands in gateway/THREATS.md.

    python -m tests.hostile.attacks          carries all of them out and writes the table between its two marks

A row asserts what must hold, so a table is only written if every attack failed as it should.
"""

from __future__ import annotations

import inspect
import itertools
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.hostile import (
    account_attacks,
    age_attacks,
    agency_attacks,
    change_attacks,
    control_attacks,
    device_attacks,
    fleet_attacks,
    guard_attacks,
    order_attacks,
    order_of_commands_attacks,
    radio_attacks,
    reader_attacks,
    replay_attacks,
    report_attacks,
    socket_attacks,
    uplink_attacks,
)
from tests.hostile.row import Row

THREATS = Path(__file__).parents[2] / "gateway/THREATS.md"
BEGIN, END = "<!-- by `python -m tests.hostile.attacks` -->", "<!-- end of the table -->"
HEAD = "| attack | what was sent | what happened | counters that moved |\n|---|---|---|---|"
ATTACKS = {
    attack.__name__: attack
    for attack in (
        *radio_attacks.ATTACKS,
        *reader_attacks.ATTACKS,
        *device_attacks.ATTACKS,
        *uplink_attacks.ATTACKS,
        *agency_attacks.ATTACKS,
        *order_attacks.ATTACKS,
        *guard_attacks.ATTACKS,
        *report_attacks.ATTACKS,
        *socket_attacks.ATTACKS,
        *account_attacks.ATTACKS,
        *control_attacks.ATTACKS,
        *fleet_attacks.ATTACKS,
        *change_attacks.ATTACKS,
        *age_attacks.ATTACKS,
        *order_of_commands_attacks.ATTACKS,
        *replay_attacks.ATTACKS,
    )
}


def carry_out(attack: Callable[..., Row], folder: Path) -> Row:
    """`folder` is for the attacks on a device's folder."""
    return attack(folder) if inspect.signature(attack).parameters else attack()


def shape(row: str) -> tuple[str, tuple[str, ...]]:
    """What of a line of the table does not depend on random keys: the attack, and the names of the counters."""
    attack, _, _, counters = row.removeprefix("| ").removesuffix(" |").split(" | ")
    return attack, tuple(re.findall(r"`(\w+)`", counters))


def written() -> list[str]:
    """The lines of the table as it stands."""
    text = THREATS.read_text()
    table = text[text.index(BEGIN) + len(BEGIN) : text.index(END)].strip()
    assert table.startswith(HEAD)
    return table.removeprefix(HEAD).strip().splitlines()


def write(lines: list[str]) -> None:
    text = THREATS.read_text()
    table = "\n".join([BEGIN, "", HEAD, *lines, "", END])
    THREATS.write_text(text[: text.index(BEGIN)] + table + text[text.index(END) + len(END) :])


def main() -> None:
    lines = []
    for (name, attack), before in itertools.zip_longest(ATTACKS.items(), written()[: len(ATTACKS)]):
        with tempfile.TemporaryDirectory(prefix="zegel-", ignore_cleanup_errors=True) as folder:
            try:
                row = carry_out(attack, Path(folder))
            except pytest.skip.Exception as why:
                print(f"{name}: not carried out, its line stays: {why}", file=sys.stderr)
                lines.append(before)
                continue
        lines.append(row.markdown())
        print(f"{name}: {row.happened}", file=sys.stderr)
    write(lines)


if __name__ == "__main__":
    main()
