"""What people meet in the field: one row of the table for each, what came through before (cb8126d) and what comes now.

`make soak K=field`. The small forms of these are in the tests of the modules.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from typing import NamedTuple

import pytest

pytestmark = [pytest.mark.soak, pytest.mark.alone]
WITHIN_S = 180.0
NETWORK, MOUNTS = ("unshare", "--net", "--map-root-user"), ("unshare", "--mount", "--map-root-user")


class Row(NamedTuple):
    """`before` is what the case printed on cb8126d; `right` judges what it prints."""

    item: int
    case: str
    words: str
    before: str
    now: str
    right: Callable[[dict], bool]
    within: tuple[str, ...] = ()
    needs: str = ""


def whole(told: dict) -> bool:
    return told["got"] == told["of"]


ROWS = (
    Row(10, "cut_down", "MAVLink cut over datagrams, down", "450 of 660", "{got} of {of}", whole),
    Row(10, "cut_up", "the same, commands up", "234 of 300", "{got} of {of}", whole),
    Row(10, "cut_ftp", "the same, MAVLink FTP in datagrams of 64 bytes", "0 of 500", "{got} of {of}", whole),
    Row(11, "large_datagrams", "frames in datagrams of 2,000 to 64,000 bytes", "0 of 1910", "{got} of {of}", whole),
    Row(
        *(12, "reports", "reports of camera A as video B; a second ffmpeg plays", "2; False", "{reports}; {second}"),
        lambda told: told == {"pictures": True, "reports": 0, "second": True},
        *(NETWORK, "ffmpeg"),
    ),
    Row(
        13,
        "moved_name",
        "a station whose name moved is found",
        "False, 75 s",
        "{found}, {seconds} s",
        lambda told: told["found"],
        MOUNTS,
    ),
    Row(14, "multicast", "answers to a multicast group", "0 of 50", "{got} of {of}", whole, NETWORK),
    Row(15, "restarted_programs", "commands after 16 restarts of the FC's program", "0 of 50", "{got} of {of}", whole),
    Row(
        *(15, "moving_nat", "commands by a NAT that rebinds every second", "183 of 297", "{got} of {of}"),
        lambda told: told["got"] >= 0.95 * told["of"],
    ),
    Row(16, "backlog", "frames that a TCP flight controller sends at once", "4096 of 6000", "{got} of {of}", whole),
    Row(
        *(16, "stopped", "the oldest frame delivered after 5 s of standstill", "5.0 s", "{oldest_s} s"),
        lambda told: told["oldest_s"] <= 2.5 and told["frames"] > 0,
    ),
    Row(
        *(17, "noise", "frames between noise; MAVLink's C parser", "3664 of 7980; 5109", "{got} of {of}; {c}"),
        lambda told: told["got"] >= told["c"] and told["invented"] <= 0.01 * told["of"],
        *((), "gcc"),
    ),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.case)
def test_what_comes_through(row: Row, tmp_path, figure):
    if row.needs and shutil.which(row.needs) is None:
        pytest.skip(f"no {row.needs}")
    if row.within and subprocess.run([*row.within, "true"], capture_output=True, check=False).returncode:
        pytest.skip(f"needs the right to {' '.join(row.within)}")
    (tmp_path / "run").mkdir(mode=0o700)
    words = [*row.within, sys.executable, "-m", "tests.system.field", row.case, str(tmp_path)]
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path / "run")}
    ran = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=WITHIN_S, check=False)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout.splitlines()[-1])
    figure(f"{row.item:>3}  {row.words:<55} before: {row.before:<22} now: {row.now.format(**told)}")
    assert row.right(told), told
