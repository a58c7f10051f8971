from __future__ import annotations

import pytest

from tests.system.house import Flight, House


@pytest.fixture
def house(tmp_path, monkeypatch):
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    return House(tmp_path)


@pytest.fixture
def fly(house):
    """Start flights in the house; all processes end with the test."""
    started = []

    def start(*args, **kwargs) -> Flight:
        started.append(Flight(house, *args, **kwargs))
        return started[-1]

    yield start
    for flight in started:
        flight.end()
