"""A card that stands still, is full, read-only or pulled, under a real ext4: the flight goes on, people are told, and it is
recorded again when the card takes it."""

from __future__ import annotations

import contextlib
import os
import select
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from gateway.recording.group import Port
from gateway.recording.leaf import Close
from gateway.recording.reason import CloseReason, GapReason
from gateway.report import screen
from gateway.report.role_status import AirStatus, GroundStatus
from gateway.report.screen import Kind
from tests.system.ext4_card import Ext4Card
from tests.system.recorded import Found, RecordedFlight
from tests.system.test_record import aboard, runtime, status_of

__all__ = ["runtime"]
pytestmark = pytest.mark.alone
FOR_S, STILL_S = 5.0, 7.0
MBIT_8, MBIT_20 = 0.001, 0.0004  # seconds between two pictures
QUEUE_MIB = 4  # less than comes meanwhile


@pytest.fixture
def card(tmp_path: Path) -> Iterator[Ext4Card]:
    made = Ext4Card(tmp_path / "card")
    yield made
    made.remove()


@contextlib.contextmanager
def full(card: Ext4Card) -> Iterator[None]:
    """But for a MiB."""
    filler = card.folder / "other"
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, room(card) - (1 << 20))
    yield
    filler.unlink()


@contextlib.contextmanager
def read_only(card: Ext4Card) -> Iterator[None]:
    card.fail()
    yield
    card.plug_in()


@contextlib.contextmanager
def pulled(card: Ext4Card) -> Iterator[None]:
    card.pull()
    yield
    card.plug_in()


def room(card: Ext4Card) -> int:
    found = os.statvfs(card.folder)
    return found.f_bavail * found.f_frsize


def records(flight: RecordedFlight) -> bool:
    status = aboard()
    return status is not None and len(status.recording.groups) == 2 and not status.recording.fails


def in_red(status: AirStatus | GroundStatus) -> list[str]:
    return [line.text for line in screen.lines(status) if line.kind is Kind.FAULT and "NOT RECORDING" in line.text]


@pytest.mark.parametrize(
    ("trouble", "reason", "said"),
    [
        (full, GapReason.CARD_FULL, "card full"),
        pytest.param(read_only, GapReason.CARD_FAILED, "card failed", marks=pytest.mark.soak),
        pytest.param(pulled, GapReason.CARD_FAILED, "card failed", marks=pytest.mark.soak),
    ],
    ids=("full", "read-only", "pulled"),
)
def test_a_card_that_takes_nothing(
    runtime: None,
    tmp_path: Path,
    card: Ext4Card,
    figure: Callable[[str], None],
    trouble: Callable[[Ext4Card], AbstractContextManager[None]],
    reason: GapReason,
    said: str,
):
    flight = RecordedFlight(tmp_path, card=card.folder / "recordings", record=f"queue_mib = {QUEUE_MIB}\n")
    flight.every_s = MBIT_8
    try:
        assert flight.until(lambda: records(flight)), flight.logs()
        flight.run(2.0)
        files = {path for path in flight.card.rglob("*") if path.is_file()}
        with trouble(card):
            assert flight.until(lambda: told(said)), flight.logs()
            goes_on(flight)
        assert flight.until(lambda: records(flight)), flight.logs()
        flight.run(3.0)
    finally:
        flight.end()
    (found,) = flight.ended()
    check(found, reason, figure)
    assert files <= {*flight.card.rglob("*")}, "nothing was deleted"


def told(said: str) -> bool:
    """In red and as an alarm, aboard and at the station."""
    air, ground = aboard(), status_of("pilot")
    return (
        air is not None
        and ground is not None
        and any(f"NOT RECORDING: {said}" in line for line in in_red(air))
        and any(f"NOT RECORDING: {said}" in line for line in in_red(ground))
        and any("not all is recorded that should be" in alarm for alarm in air.alarms)
        and any("does not record all that it should" in alarm for alarm in ground.alarms)
    )


def goes_on(flight: RecordedFlight) -> None:
    """Each picture and frame that is sent from now on comes."""
    pilot, first = flight.stations["pilot"], flight.number + 1
    before = len(pilot.frames)
    flight.run(FOR_S)
    wanted = {flight.picture(number) for number in range(first, flight.number + 1)}
    assert flight.until(lambda: wanted <= {*pilot.packets}, 5.0), f"{len(wanted - {*pilot.packets})} pictures are missing"
    assert len(pilot.frames) > before + 100


def check(found: Found, reason: GapReason, figure: Callable[[str], None]) -> None:
    """The log says from when to when, why, and how many; what was recorded before and after it is whole."""
    (gap,) = found.session.gaps
    assert gap.reason is reason
    pictures = numbers(found)
    lost = {*range(min(pictures), max(pictures) + 1)} - {*pictures}
    span = (gap.to_us - gap.from_us) / 1e6
    figure(f"{reason.name.lower()}: {span:.1f} s, {len(lost)} pictures lost, {gap.lost} datagrams by the log")
    assert gap.to_us > gap.from_us + FOR_S * 1e6
    assert len(lost) <= gap.lost
    assert len(lost) > 0, "more came than the queue holds"
    assert len(pictures) == len({*pictures})
    assert not found.session.damage.counts()
    assert all(found.session.check(segment) for segment in found.session.segments)
    assert found.session.close == Close(CloseReason.ENDED)


def numbers(found: Found) -> list[int]:
    return [int(content[8:17]) for content in found.of(Port.VIDEO_A)]


# --- stands still ---


@pytest.mark.soak
def test_a_card_that_stands_still_for_7_s_at_20_mbit_loses_nothing_and_delays_nothing(runtime, tmp_path, card, figure):
    flight = RecordedFlight(tmp_path, card=card.folder / "recordings")
    flight.every_s = MBIT_20
    try:
        assert flight.until(lambda: records(flight)), flight.logs()
        first = flight.number + 1
        figure(f"link's latency, the card writes:       {latency(flight, STILL_S)}")
        with card.frozen():
            figure(f"link's latency, the card stands still: {latency(flight, STILL_S)}")
        figure(f"link's latency, what waited is written: {latency(flight, STILL_S)}")
        last = flight.number
    finally:
        flight.end()
    (found,) = flight.ended()
    assert not {*range(first, last + 1)} - {*numbers(found)}
    assert found.session.gaps == []
    assert not found.session.damage.counts()


def latency(flight: RecordedFlight, seconds: float) -> str:
    """Of pictures, from the camera's socket to the player's, through both ends and the tests' radio."""
    pilot, waits = flight.stations["pilot"], list[float]()
    seen, first, until = len(pilot.packets), flight.number + 1, time.monotonic() + seconds
    while time.monotonic() < until:
        select.select([flight.radio.socket, pilot.player], (), (), 0.0005)
        flight.step()
        now = time.monotonic()
        sent = (int(content[8:17]) for content in pilot.packets[seen:])
        waits += [now - flight.sent_at[number] for number in sent if number >= first]
        seen = len(pilot.packets)
    p50, p99 = (statistics.quantiles(waits, n=100)[at - 1] * 1000 for at in (50, 99))
    return f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, {len(waits)} of {flight.number - first + 1}"


# --- what the card is given ---


@pytest.mark.soak
def test_the_card_is_given_little_more_than_what_is_recorded(runtime, tmp_path, card, figure):
    """A whole session at 8 Mbit/s. Measured: the bytes of the device beside those of the segments."""
    before = card.written()
    flight = RecordedFlight(tmp_path, card=card.folder / "recordings")
    flight.every_s = MBIT_8
    try:
        assert flight.until(lambda: records(flight)), flight.logs()
        flight.run(60.0)
    finally:
        flight.end()
    (found,) = flight.ended()
    data, given = sum(map(found.session.size, found.session.segments)), card.written() - before
    assert 0 < data < given
    figure(f"bytes to the device: {given / data:.3f} times those of the segments, {data >> 20} MiB at 8 Mbit/s")
