"""The bench's own flights: the real air and ground between its generator and its sink. No figure is asserted."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from bench import drone, idle
from bench.load import Load, Ways
from bench.measures import latency, share
from bench.measures.latency import Mix
from bench.relay import free_ports
from bench.result import Options
from bench.workspace import scene
from bench.zegel_pair import PYTHON, C, ZegelPair, both
from gateway.report.status_socket import read_all

pytestmark = pytest.mark.alone


@pytest.fixture
def here():
    with scene() as made:
        yield made


@pytest.mark.parametrize("listed", [1, 3])
def test_video_passes_whole_and_in_order(here, listed):
    relay = ZegelPair(listed).start(here)
    relay.wait_ready()
    spent = relay.carry(2000, 0.25)
    assert spent.run.lost == spent.run.counted.out_of_order == spent.run.counted.duplicates == 0
    assert spent.sealing_s > 0
    assert spent.opening_s > 0


def test_every_datagram_of_both_streams_has_a_latency(here):
    peer = ZegelPair()
    relay = peer.start(here)
    relay.wait_ready()
    heard = latency.send(here, Mix(Load(2), 100), {"telemetry": peer.telemetry, "video": relay.ways}, 0.5)
    assert {stream: (len(told.ms), told.lost) for stream, told in heard.items()} == {
        "telemetry": (50, 0),
        "video": (104, 0),
    }


def test_what_a_drone_sends_is_carried_in_pictures_and_evenly_spaced_by_both_data_paths(here):
    pairs, left_out = both()
    assert [pair.name for pair in pairs] == [PYTHON] if left_out else [C, PYTHON]
    for pair in pairs:
        relay = pair.start(here)
        relay.wait_ready()
        assert in_c((relay.sealing, relay.opening)) == [pair.name == C] * 2
        flights = drone.fly(here, [relay], drone.Form(1, 0.5), lambda *_: None)
        assert list(flights) == [load.name for load in drone.LOADS]
        for ((flown,),) in flights.values():
            assert flown.lost == 0
            assert all(figure > 0 for figure in flown[:-1])


def test_readers_of_a_share_get_every_packet(monkeypatch):
    monkeypatch.setattr(share, "READERS", (1, 8))
    monkeypatch.setattr(share, "QUICK_S", 0.5)
    result = share.measure(Options(quick=True), lambda *_: None)
    assert result.tables[0].column("missing packets") == [0, 0]
    assert all(figure > 0 for figure in result.tables[0].column("reader p50 (ms)"))


def in_c(pids: Iterable[int]) -> list[bool]:
    """Whether each of these processes says that C takes its plain turns; only root may look into their memory."""
    said = {status.pid: status.data_path == "C" for status in read_all()}
    return [said[pid] for pid in pids]


def test_without_anything_between_the_streams_do_not_mix(here):
    telemetry, video = free_ports(2)
    heard = latency.send(here, Mix(None, 100), {"telemetry": Ways(telemetry, telemetry), "video": Ways(video, video)}, 0.2)
    assert list(heard) == ["telemetry"]
    assert len(heard["telemetry"].ms) == 20


def test_a_flight_by_wire_costs_both_processes_something(here):
    table = idle.telemetry(here, 0.5)
    assert table.column("process") == ["air", "ground"]
    assert all(share > 0 for share in table.column("CPU (% of a core)"))


def test_a_link_without_telemetry_carries_announcements_and_beats(here):
    sizes = idle.control(here, 1, 8000, 1.5)
    assert sizes["announcements"] > sizes["beats"] > 0
