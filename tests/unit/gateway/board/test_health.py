from __future__ import annotations

import pytest

from gateway.board import computer, health
from gateway.board.subject import Subject
from keys.commands.account import caller

PLACES = {"MODEL": computer.MODEL, "CLOCK": health.CLOCK, "TEMPERATURE": health.TEMPERATURE, "THROTTLED": health.THROTTLED}


def put(root, **files):
    for name, content in files.items():
        path = root / PLACES[name]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def test_a_pi_by_its_own_words(tmp_path):
    put(
        tmp_path,
        MODEL="Raspberry Pi 5 Model B Rev 1.0\0",
        CLOCK="2400000\n",
        TEMPERATURE="48312\n",
        THROTTLED="50004\n",
    )
    assert computer.is_pi(computer.model(tmp_path))
    assert health.state(tmp_path) == {
        "clock (MHz)": "2400.0",
        "temperature (degrees C)": "48.3",
        "held back": "throttled; earlier: under-voltage",
    }


def test_what_the_system_does_not_say_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))  # no vcgencmd
    put(tmp_path, TEMPERATURE="51000\n")
    assert not computer.is_pi(computer.model(tmp_path))
    assert health.state(tmp_path) == {"temperature (degrees C)": "51.0"}


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("0x0", "no"),
        ("0x50000", "no; earlier: under-voltage, throttled"),
        ("0x50005", "under-voltage, throttled"),
        ("80008", "soft temperature limit"),
    ],
)
def test_flags_in_words(flags, words):
    assert str(health.limits(int(flags, 16))) == words


@pytest.mark.parametrize(
    ("flags", "state", "cure"),
    [("0", "ok", ""), ("50005", "do this", "5.1 V"), ("10000", "do this", "5.1 V"), ("8", "do this", "cool it")],
)
def test_the_cure_is_that_of_the_cause(tmp_path, flags, state, cure):
    put(tmp_path, THROTTLED=flags)
    subject = Subject(role="air", path=tmp_path / "air.toml", settings=None, user=caller(), root=tmp_path)
    (finding,) = health.look(subject)
    assert (finding.state, cure in finding.cure) == (state, True)


def test_a_board_that_does_not_say_is_not_judged(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    subject = Subject(role="air", path=tmp_path / "air.toml", settings=None, user=caller(), root=tmp_path)
    assert [*health.look(subject)] == []
