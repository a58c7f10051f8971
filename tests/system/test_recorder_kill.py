"""A recorder is killed, an aircraft, or both: the flight goes on, and what counts on the card is whole."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.recording.damage import Damage
from gateway.recording.group import Port
from gateway.recording.leaf import Close, Gap
from gateway.recording.reason import CloseReason, GapReason
from tests.system.ext4_card import Ext4Card
from tests.system.recorded import RecordedFlight
from tests.system.test_record import aboard, runtime

__all__ = ["runtime"]
KILLS = 50


@pytest.fixture
def flight(runtime: None, tmp_path: Path) -> Iterator[RecordedFlight]:
    made = RecordedFlight(tmp_path)
    yield made
    made.end()


def records(flight: RecordedFlight) -> bool:
    """Whether the aircraft that runs now says that all is recorded."""
    status = aboard()
    return status is not None and status.pid == flight.air.process.pid and len(status.recording.groups) == 2


def sealed(flight: RecordedFlight) -> bool:
    return flight.radio.sealed > 20


def recover(flight: RecordedFlight, done: Callable[[RecordedFlight], bool]) -> None:
    assert flight.until(lambda: done(flight)), flight.logs()


@pytest.mark.soak
def test_what_is_killed_comes_back_and_what_counts_is_whole(flight: RecordedFlight, figure: Callable[[str], None]):
    chance, alone = random.Random(17), 0
    recover(flight, records)
    for _ in range(KILLS):
        victims = chance.choice(["recorder", "air", "both"])
        flight.run(chance.uniform(0.0, 3.0))
        if victims != "air":
            flight.kill_recorder()
        if victims == "recorder":
            alone += 1
            recover(flight, lambda flight: not records(flight))
        if victims != "recorder":
            flight.air.kill()
            flight.start_air()
        flight.radio.sealed = 0
        recover(flight, sealed)
        recover(flight, records)
    flight.air.end()
    found = flight.ended()
    gaps = [leaf for each in found for leaf in each.leaves if isinstance(leaf, Gap)]
    restarts = [gap for gap in gaps if gap.reason is GapReason.RECORDER_RESTARTED]
    figure(
        f"{KILLS} kills, {alone} of them of the recorder alone: {len(found)} sessions, {len(restarts)} leaves that say so"
    )
    assert len(restarts) == 2 * alone, "each has a beginning and an end"
    # A recording that was killed before its header was on the card has no segment that counts.
    broken = {kind for each in found for kind in each.session.damage.counts()} - {Damage.TAIL_BROKEN, Damage.HEADER_LOST}
    assert not broken
    for each in found:
        assert all(segment.rec_id in each.session.headers for segment in each.session.segments if segment.leaf)
        assert all(each.session.check(segment) for segment in each.session.segments)
        pictures = each.of(Port.VIDEO_A)
        assert len(pictures) == len({*pictures}), "nothing is on the card twice"


@pytest.mark.soak
def test_an_aircraft_that_is_killed_while_its_card_stands_still_seals_again_at_once(runtime, tmp_path, figure):
    """Who waits for a dead card cannot be killed: neither the old recorder nor the new one is waited for."""
    card = Ext4Card(tmp_path / "card")
    flight = RecordedFlight(tmp_path, card=card.folder / "recordings")
    try:
        recover(flight, records)
        with card.frozen():
            flight.run(3.0)
            flight.air.kill()
            flight.radio.sealed = 0
            began = time.monotonic()
            flight.start_air()
            recover(flight, sealed)
            figure(f"card still: sealed again after {time.monotonic() - began:.2f} s")
            flight.run(12.0)
            status = aboard()
            assert status is not None
            assert status.sealed
        recover(flight, records)
    finally:
        flight.end()
        found = flight.ended()
        whole = [each.session.check(segment) for each in found for segment in each.session.segments]
        card.remove()
    assert len(found) == 2
    assert all(whole)
    assert found[1].session.close == Close(CloseReason.ENDED)
