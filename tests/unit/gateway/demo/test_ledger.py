from __future__ import annotations

import random

import pytest

from gateway.demo.leaks import WINDOW, shared_windows
from gateway.demo.ledger import Feed, Ledger, Match

SENT = [(float(n), bytes([n]) * 20) for n in range(10)]
ITEMS = [item for _, item in SENT]


@pytest.fixture
def ledger(monkeypatch):
    """One whose aircraft was down from 3 to 5."""
    made = Ledger()
    monkeypatch.setattr("time.monotonic", lambda: 5.0)
    made.outage(3.0)
    return made


@pytest.mark.parametrize(
    ("got", "match"),
    [
        (ITEMS, Match(exact=True, lost=0, down=0)),
        (ITEMS[:3] + ITEMS[6:], Match(exact=True, lost=0, down=3)),
        (ITEMS[:2] + ITEMS[6:], Match(exact=True, lost=1, down=3)),
        ([*ITEMS, ITEMS[-1]], Match(exact=False, lost=0, down=0)),
        ([ITEMS[1], ITEMS[0]], Match(exact=False, lost=6, down=3)),
        ([ITEMS[0], b"forged"], Match(exact=False, lost=6, down=3)),
    ],
    ids=["all", "lost while down", "lost while up", "twice", "out of order", "not sent"],
)
def test_match(ledger, got, match):
    assert ledger.match(SENT, got) == match


def test_a_feed_that_brought_nothing_is_not_good(ledger):
    ledger.judge(SENT, [], [Feed("pilot", ITEMS, [])], {"pilot": 0})
    assert [good for _, good in ledger.expectations] == [True, False]
    assert not ledger.good


def test_shared_windows_counts_every_window():
    rng = random.Random(3)
    plain, noise = rng.randbytes(40), rng.randbytes(1000)
    assert shared_windows([plain], [noise]) == 0
    assert shared_windows([plain], [noise + plain[: WINDOW - 1]]) == 0
    assert shared_windows([plain], [noise + plain[5 : 5 + WINDOW] + noise]) == 1
    assert shared_windows([plain], [plain]) == 40 - WINDOW + 1


def test_half_a_window_is_not_shared():
    rng = random.Random(4)
    plain = rng.randbytes(16)
    assert shared_windows([plain], [plain[:8] + rng.randbytes(8), rng.randbytes(8) + plain[8:]]) == 0


@pytest.mark.parametrize(
    ("got", "match"),
    [
        (ITEMS, Match(exact=True, lost=0, down=0)),
        (ITEMS[:2] + ITEMS[5:], Match(exact=True, lost=1, down=2)),
        (ITEMS[:3] + ITEMS[5:], Match(exact=True, lost=0, down=2)),
        (ITEMS[:2] + ITEMS[3:], Match(exact=True, lost=1, down=0)),
        (ITEMS[:2] + ITEMS[6:], Match(exact=False, lost=1, down=3)),
        (ITEMS[:1], Match(exact=False, lost=2, down=7)),
        ([ITEMS[0], *ITEMS[2:]], Match(exact=False, lost=2, down=-1)),
        (ITEMS[:-1], Match(exact=False, lost=0, down=1)),
        ([*ITEMS, ITEMS[-1]], Match(exact=False, lost=0, down=-1)),
        ([*ITEMS[:5], b"forged", *ITEMS[6:]], Match(exact=False, lost=-2, down=2)),
    ],
    ids=(
        *("all", "one gap", "after", "before", "late", "nothing comes back", "elsewhere", "not the last", "twice"),
        "not sent",
    ),
)
def test_recorded_is_all_but_one_gap_at_the_power_cut(ledger, got, match):
    assert ledger.recorded(SENT, got) == match
