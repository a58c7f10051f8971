"""The bench's own flights: the real air and ground between its generator and its sink. No figure is asserted."""

from __future__ import annotations

import pytest

from bench import idle
from bench.load import Ways
from bench.measures import latency, link
from bench.measures.latency import Mix
from bench.relay import free_ports
from bench.workspace import scene
from bench.zegel_pair import ZegelPair

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
    heard = latency.send(here, Mix(2, 100), {"telemetry": peer.telemetry, "video": relay.ways}, 0.5)
    assert {stream: (len(told.ms), told.lost) for stream, told in heard.items()} == {
        "telemetry": (50, 0),
        "video": (104, 0),
    }


def test_what_a_drone_sends_is_carried_in_pictures_and_evenly_spaced(here):
    relay = ZegelPair().start(here)
    relay.wait_ready()
    tables = link._flights(here, [relay], lambda *_: None, quick=True)
    for table, flight in zip(tables, link.QUICK_FLIGHTS, strict=True):
        assert f"{flight.mbit:g} Mbit/s" in table.title
        ((name, *figures),) = table.rows
        assert name == "Zegel"
        assert all(figure > 0 for figure in figures[:-1])
        assert figures[-1] == 0


def test_without_anything_between_the_streams_do_not_mix(here):
    telemetry, video = free_ports(2)
    heard = latency.send(here, Mix(0, 100), {"telemetry": Ways(telemetry, telemetry), "video": Ways(video, video)}, 0.2)
    assert list(heard) == ["telemetry"]
    assert len(heard["telemetry"].ms) == 20


def test_a_flight_by_wire_costs_both_processes_something(here):
    table = idle.telemetry(here, 0.5)
    assert table.column("process") == ["air", "ground"]
    assert all(share > 0 for share in table.column("CPU (% of a core)"))


def test_a_link_without_telemetry_carries_announcements_and_beats(here):
    sizes = idle.control(here, 1, 8000, 1.5)
    assert sizes["announcements"] > sizes["beats"] > 0
