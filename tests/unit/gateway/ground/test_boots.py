"""How old what a station has stored of its aircraft becomes: SPEC.md section 5.7, Restart."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.core.ground.starts import STORE_EVERY_S
from gateway.ground.boots import RETRY_EVERY_S, WRITE_EVERY_S, Boots
from gateway.loop.background import BackgroundTask
from gateway.report.alarms import Alarms
from keys.folders.station import StationFolder
from keys.grant import Profile
from tests.agency import harbour
from tests.hostile.fleet import Two
from tests.memory_link import Aircraft
from tests.unit.keys.disk import full_disk

BEAT_S = 0.5
STEP_S = 0.1  # and how often the ground does its upkeep


class Watched(Two):
    """Two aircraft, and a pilot's ground with a real folder; the second aircraft starts some seconds later."""

    def __init__(self, path: Path, later_s: float) -> None:
        super().__init__(((1,), (2,)))
        StationFolder.init(path, "pilot", Profile.X25519, [harbour().root])
        self.folder = StationFolder.open(path)
        self.said: list[str] = []
        self.background, self.alarms = BackgroundTask(), Alarms(self.said.append)
        self.boots = Boots(self.folder, self.pilot.listener, self.alarms, self.background)
        self.later_s, self.sent = later_s, defaultdict[bytes, dict[int, float]](dict)

    def fly(self, seconds: float) -> Iterator[float]:
        """Every moment of it, after what the ground does then."""
        for _ in range(round(seconds / STEP_S)):
            self.now += STEP_S
            for aircraft in self.both if self.now > self.later_s else self.both[:1]:
                self.beat(aircraft)
            self.pilot.listener.tick(self.now)
            self.boots.record()
            self.boots.write(self.now)
            self.background.finish()  # a fast disk
            yield self.now

    def beat(self, aircraft: Aircraft) -> None:
        self.pilot.receive(aircraft.control(self.now), self.now)
        self.sent[aircraft.announcer.session_id].setdefault(aircraft.announcer._seq, self.now)

    def stored(self) -> dict[int, float]:
        """How old what is stored of each device is, in seconds; none of what is not stored yet."""
        agency_id = self.world.order.agency_id
        found = [self.folder.boot(agency_id, device.pub) for device in self.world.order.content.devices]
        return {place: self.now - self.sent[boot[1]][boot[2]] for place, boot in enumerate(found) if boot}


@pytest.mark.parametrize("later_s", [0.0, 0.5, 2.5, 4.2])
def test_what_is_stored_of_two_aircraft_is_as_new_as_of_one(tmp_path, later_s: float):
    two = Watched(tmp_path / "pilot", later_s)
    oldest = [max(two.stored().values()) for now in two.fly(40.0) if now > 15 + later_s]
    assert set(two.stored()) == {0, 1}
    assert max(oldest) < STORE_EVERY_S + BEAT_S + 2 * STEP_S


def test_of_all_aircraft_it_is_written_together(tmp_path, monkeypatch):
    two, writes = Watched(tmp_path / "pilot", 2.5), []
    store = two.folder.store_heard
    monkeypatch.setattr(two.folder, "store_heard", lambda: writes.append(two.now) or store())
    for _ in two.fly(40.0):
        pass
    between = [later - earlier for earlier, later in itertools.pairwise(writes)]
    assert min(between) > WRITE_EVERY_S - STEP_S / 2
    assert len(writes) <= 2 + 40 / STORE_EVERY_S


def test_a_full_disk_is_an_alarm_and_is_tried_again(tmp_path):
    two = Watched(tmp_path / "pilot", 0.0)
    with full_disk():
        for _ in two.fly(10.0):
            pass
    assert two.stored() == {}
    assert any("starts of aircraft are not stored" in line for line in two.said)
    for _ in two.fly(RETRY_EVERY_S + STEP_S):
        pass
    assert set(two.stored()) == {0, 1}
    assert "boots_unsaved" not in {reason for reason, alarm in two.alarms.by_reason().items() if alarm.live}


def test_at_the_end_the_newest_is_stored(tmp_path):
    two = Watched(tmp_path / "pilot", 0.0)
    for _ in two.fly(12.0):
        pass
    two.boots.finish()
    assert max(two.stored().values()) <= BEAT_S
