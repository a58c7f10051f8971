"""What is made of loads: the loss-free rate, the rounds, the ratios, the peers that are not installed."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field

import pytest

from bench.compiler import Absent
from bench.cost_breakdown import made_of
from bench.load import Counted, Offered, Run
from bench.measures import peers
from bench.measures.peers import Form
from bench.relay import Spent
from bench.result import Options
from bench.rivals import Srt
from bench.zegel_pair import PYTHON

FORM = Form(3, 1.0, (10, 20, 40, 60, 90))


@dataclass
class FakeRelay:
    """Carries so many datagrams a second, and drops the rest. `log` names what was asked of it."""

    name: str
    carries: float
    cost_s: float = 1e-5
    hiccups: int = 0
    log: list[tuple[str, float]] = field(default_factory=list)

    def carry(self, rate: float, seconds: float, _gso: bool = False) -> Spent:
        self.log.append((self.name, rate))
        sent = round(rate * seconds)
        received = min(sent, round(self.carries * seconds))
        if self.hiccups:
            self.hiccups, received = self.hiccups - 1, received // 2
        run = Run(Offered(sent, seconds, 0.1), Counted(received, 0, 0, 0, seconds, 0.1))
        return Spent(run, received * self.cost_s, received * self.cost_s * 2, 0.25, 0.5)

    def wait_ready(self) -> None:
        pass


class FakePeer:
    key, name, install = "fake", "fake", "apt install fake"

    def __init__(self, made) -> None:
        self.made = made

    def start(self, _scene):
        if isinstance(self.made, Exception):
            raise self.made
        return self.made


@pytest.mark.parametrize(
    ("carries", "rate"), [(5_000, 0), (10_000, 10_000), (59_999, 60_000), (59_000, 40_000), (1e6, 90_000)]
)
def test_the_loss_free_rate_is_the_highest_step_that_loses_less_than_one_in_a_thousand(carries, rate):
    assert peers.loss_free(FakeRelay("r", carries), FORM) == rate


def test_one_loss_does_not_take_a_step_away():
    assert peers.loss_free(FakeRelay("r", 1e6, hiccups=1), FORM) == 90_000


def test_what_a_datagram_is_made_of():
    spent = [[FakeRelay(PYTHON, 1e6, 1e-5).carry(1_000, 1.0)] * 3, [FakeRelay("slow", 1e6, 4e-5).carry(1_000, 1.0)]]
    table = made_of([FakeRelay(PYTHON, 1e6), FakeRelay("slow", 1e6)], spent)
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows[PYTHON] == pytest.approx((10, 2.5, 20, 10))
    assert rows["slow"] == pytest.approx((40, 10, 80, 40))
    seal, _, opening, _ = rows["one AEAD call from Python"]
    assert 0 < seal < 1_000 > opening > 0
    assert rows["least in Python"] == pytest.approx((2.5 + seal, 2.5, 10 + opening, 10))


def test_relays_take_turns():
    log: list[tuple[str, float]] = []
    relays = [FakeRelay("a", 1e6, log=log), FakeRelay("b", 1e6, log=log)]
    spent = peers.in_turn(relays, [1, 2], FORM, lambda *_: None)
    assert log == [("a", 1), ("b", 2)] * 3
    assert [len(rounds) for rounds in spent] == [3, 3]


def test_the_table_has_ratios_and_says_who_is_left_out(monkeypatch):
    relays = [FakeRelay(PYTHON, 1e6, 1e-6), FakeRelay(Srt.name, 50_000, 4e-6)]
    monkeypatch.setattr(peers, "both", lambda: ([FakePeer(relays[0])], ["Zegel (C) is left out: there is no gcc"]))
    absent = FakePeer(Absent("no such headers", hint="apt install headers"))
    nowhere = FakePeer(FileNotFoundError(2, "No such file or directory", "fake-relay"))
    monkeypatch.setattr(peers, "RIVALS", (FakePeer(relays[1]), absent, nowhere))
    monkeypatch.setattr(peers, "FULL", FORM)
    result = peers.measure(Options(args=argparse.Namespace(pattern="flood")), lambda *_: None)
    table = result.tables[0]
    assert table.column("relay") == [PYTHON, Srt.name]
    assert result.verdict == (
        "Zegel (Python) carries 90,000 datagrams a second without loss, and for the same CPU time seals 4.0 and opens"
        " 4.0 times as many as srt-live-transmit"
    )
    assert table.column("Zegel seals") == pytest.approx([1, 4])
    assert table.column("Zegel opens") == pytest.approx([1, 4])
    assert table.column("loss-free /s") == [90_000, 40_000]
    assert table.column("out (%)") == pytest.approx([100, 100])
    assert result.notes[0] == "Zegel (C) is left out: there is no gcc"
    assert "apt install headers" in result.notes[1]
    assert "fake-relay" in result.notes[2]
    assert "apt install fake" in result.notes[2]
