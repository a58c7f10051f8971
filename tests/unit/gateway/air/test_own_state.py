"""What a real aircraft says about itself, from its endpoints to its beat and its status."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import clock
from gateway.air.own_state import OwnState
from gateway.core.aircraft_state import AGE_MAX_MS, NONE_YET, AircraftState
from gateway.report import advice, role_status
from tests.stepped_pair import SteppedPair, stepped_pair
from tests.unit.gateway.air.test_role import PING


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[SteppedPair]:
    with stepped_pair(tmp_path) as made:
        made.join()
        yield made


def test_what_has_never_spoken_has_no_age(pair: SteppedPair):
    assert pair.air.state.read(clock.now()) == AircraftState(NONE_YET, NONE_YET, None, 0, 0, 0)
    pair.from_fc(PING)
    pair.from_camera(b"a picture")
    pair.until(lambda: NONE_YET not in pair.air.state.read(clock.now()).content().values())


def test_of_a_flight_controller_that_is_not_there_nothing_is_said(tmp_path: Path):
    """As at a vendor's controller. One that is silent would be an alarm at every station."""
    with stepped_pair(tmp_path, no_fc=True) as made:
        assert made.air.state.read(clock.now()).content().keys().isdisjoint({1})
        made.join()
        made.until(lambda: made.ground.status(clock.now()).sessions[0].aircraft is not None)
        assert made.ground.status(clock.now()).sessions[0].aircraft.fc is None
        assert made.air.status(clock.now()).aircraft.fc is None


def test_the_ground_knows_it_by_the_next_beat(pair: SteppedPair):
    def said() -> role_status.AircraftStatus:
        return pair.ground.status(clock.now()).sessions[0].aircraft

    pair.until(lambda: said().fc is not None and said().fc.age_s is None)
    pair.from_fc(PING)
    pair.from_camera(b"a picture")
    pair.until(lambda: said().fc.age_s is not None and said().cameras["A"].age_s is not None)
    assert "B" not in said().cameras
    own = pair.air.status(clock.now()).aircraft
    assert (own.card_fails, own.links_down) == (said().card_fails, said().links_down) == (False, 0)


def test_a_camera_that_stops_is_wrong_aboard(pair: SteppedPair, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(role_status, "SILENT_AFTER_S", 0.2)
    pair.from_fc(PING)
    pair.from_camera(b"a picture")
    pair.until(lambda: "no_picture_aboard" in pair.air.alarms.by_reason())
    assert "nothing comes to udpin:" in pair.air.alarms.texts[0]
    assert "no picture for" in advice._no_picture(pair.air.status(clock.now()))
    monkeypatch.setattr(role_status, "SILENT_AFTER_S", 60.0)
    pair.from_camera(b"a picture")
    pair.until(lambda: not pair.air.alarms.texts)


def test_a_flight_controller_whose_data_waits_for_the_link_is_not_silent(
    pair: SteppedPair, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pair.air.hold_back, "holds", lambda *_, **__: True)
    pair.from_fc(PING)
    pair.until(lambda: pair.air.state.read(clock.now()).content().get(1) != NONE_YET)


def test_every_value_is_bounded(pair: SteppedPair):
    state, links = OwnState(pair.air.fc, pair.air.cameras), pair.air.links * 300
    state.heard[pair.air.fc] = 0.0
    state.note(links, unsaved="the card is full", no_room_per_s=1e12)
    said = state.read(1e12)
    assert (said.fc_ms, said.card_fails, said.links_down, said.no_room_per_s) == (AGE_MAX_MS, 1, 0, AGE_MAX_MS)
    assert state.read(-1.0).fc_ms == 0
