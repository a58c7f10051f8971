"""`zegel bench recording`: real recorders, a real card, real programs. No figure is asserted but what must not be lost."""

from __future__ import annotations

import statistics

import pytest

from bench import last_minute, recorded_flight, recorder_card, recorder_rates
from bench.archivers import ARCHIVERS
from bench.compiler import Absent
from bench.least_recorder import LeastRecorder
from bench.load import VIDEO_SIZE, Load
from bench.measures.latency import Mix
from bench.recorded_session import RecordedSession, data, in_a_message, records
from bench.recorder_feed import RecorderFeed
from bench.recorder_in_memory import RecorderInMemory
from bench.workspace import scene
from gateway import clock
from gateway.recording import opened
from gateway.recording.cobblestone import CHUNK_SIZE, TAG_SIZE
from gateway.recording.group import Group

pytestmark = pytest.mark.alone
MIB = 1 << 20


@pytest.fixture
def here():
    with scene() as made:
        yield made


def silent(*_: object) -> None:
    pass


def test_what_is_poured_into_a_recorder_is_on_its_card(here, tmp_path):
    feed = RecorderFeed(here, RecordedSession(tmp_path / "archive", clock.now()), tmp_path / "card")
    feed.wait_ready()
    feed.pour(12 * MIB)
    feed.fly(8, 0.2)
    feed.end()
    feed.close()
    (session,) = opened.sessions(tmp_path / "card")
    assert not session.damage.lines()
    assert not session.gaps
    plain = sum(len(chunk) for each in session.segments for chunk in session.plaintext(feed.session.keys(), each))
    assert plain == feed.written + 24 > 12 * MIB, "and the header of the pcap file"


def test_every_program_that_is_here_has_a_rate_in_each_round(here):
    rates, skipped = recorder_rates.measure(here, recorder_rates.Form(2, 2 * MIB, 1), silent)
    assert len(rates.seals) + bool(rates.least) == 2 + len(ARCHIVERS) - len(skipped)
    assert len(rates.opens) == len(rates.seals)
    for figures in (*rates.seals.values(), *rates.opens.values(), rates.reads, rates.cipher, rates.hash):
        assert len(figures) == 2
        assert min(figures) > 0
    table = recorder_rates.table(rates)
    assert rates.limit < min(statistics.median(rates.cipher), statistics.median(rates.hash))
    assert "R = 1/(1/G + 1/S)" in table.column("what")


def test_the_least_recorder_seals_all_that_it_gets(tmp_path):
    """Chunks as long as those of a recording, each with its tag; the last one is shorter."""
    try:
        least = LeastRecorder()
    except Absent as error:
        pytest.skip(f"{error}: {error.hint}")
    assert least.run(file := tmp_path / "sealed", MIB) > 0
    message = len(data(records([bytes(VIDEO_SIZE)] * in_a_message(VIDEO_SIZE), 0)))
    plain = -(-MIB // message) * message
    assert file.stat().st_size == plain + (plain // CHUNK_SIZE + 1) * TAG_SIZE


def test_a_flight_with_a_recorder_loses_nothing(here, tmp_path):
    flight = recorded_flight.Flight(here, tmp_path / "card")
    flown, recorder = flight.measure(Mix(Load(2), 100), 0.5)
    assert flown.lost == 0
    assert recorder
    assert recorder.memory > 1
    assert flight.sent == 154
    assert flight.lost() == (0, 0)


def test_what_is_not_on_the_card_is_counted(here, tmp_path):
    flight = recorded_flight.Flight(here, tmp_path / "card")
    flight.fly(Mix(Load(2), 100), 0.5)
    flight.sent += 3
    assert flight.lost()[0] == 3


def test_a_recorder_that_costs_nothing_more_is_found_so():
    plain = [recorded_flight.Flown(1.0, 2.0, 10.0, 0.5, 0), recorded_flight.Flown(2.0, 2.0, 10.0, 0.5, 0)]
    costlier = [each._replace(video=each.video + 0.5, cpu=each.cpu + 1.0, lost=2) for each in plain]
    same, more = recorded_flight.Compared(plain, plain), recorded_flight.Compared(plain, costlier)
    assert (same.later_ms, same.more_a_datagram, same.more_a_wake_up, same.lost) == (0, 0, 0, 0)
    assert (more.later_ms, round(more.more_a_datagram), more.more_a_wake_up, more.lost) == (0.5, 10, 2.0, 4)


def test_the_end_of_a_long_recording_is_where_it_is_looked_for(tmp_path):
    recorder = RecorderInMemory(tmp_path / "archive", tmp_path / "card")
    written = last_minute.make(recorder, 6 * MIB)
    (found,) = opened.sessions(tmp_path / "card")
    assert not found.damage.lines()
    seconds = found.end_us / 1e6
    assert seconds == pytest.approx(written * 8 / last_minute.MBIT / 1e6, rel=0.2)
    last = found.records(recorder.session.keys(), [Group.VIDEO_A], found.end_us * 1000 - 10**9)
    assert sum(bool(record.content[1] & last_minute.MARKER) for record in last) in range(28, 33), "pictures of a second"


def test_a_card_of_its_own_counts_what_reaches_it_and_what_a_power_cut_leaves(here):
    form = recorder_card.Form((1,), 2.0, 2)
    try:
        written = recorder_card.by_segment(here, form, silent)
        cuts, _ = recorder_card.power_cuts(here, form, silent)
    except Absent as error:
        pytest.skip(f"{error}; {error.hint}")
    assert written[1].device >= written[1].data > 0
    assert written[1].flushes > 0
    assert len(cuts) == 2
    assert all(cut.opens <= cut.counted for cut in cuts)
