"""Generator and sink, in C and in Python: every datagram is counted once, and what is wrong is told apart."""

from __future__ import annotations

import shutil
import socket
import sys

import numpy as np
import pytest
from pymavlink.dialects.v20 import common

from bench import load, slow_load
from gateway.demo.stage import HOST, drain, free_port

SLOW = (sys.executable, "-m", "bench.slow_load")


@pytest.fixture(params=["c", "python"])
def tool(request, monkeypatch):
    if request.param == "python":
        monkeypatch.setattr(load, "tool", lambda: SLOW)
    elif not any(map(shutil.which, ("cc", "gcc", "clang"))):
        pytest.skip("no C compiler: apt install gcc libc6-dev")


def ways() -> load.Ways:
    port = free_port()
    return load.Ways(port, port)


@pytest.mark.parametrize("gso", [False, True])
def test_all_that_is_sent_is_counted(tool, gso):
    run = load.run(ways(), 2000, 0.1, gso=gso)
    assert (run.offered.sent, run.lost) == (200, 0)
    assert run.counted[1:4] == (0, 0, 0)


@pytest.mark.parametrize("mbit", [2, 8, 20])
def test_pictures_come_at_once_in_the_sizes_of_an_encoder(tool, mbit: int):
    port, pictures = free_port(), 4
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here:
        here.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        here.bind((HOST, port))
        here.setblocking(False)
        flight = load.Load(mbit, pictures=True)
        offered = flight.sent_to(load.Ways(port, port), pictures / load.PICTURES_PER_S, 0).end()
        came = [*map(len, drain(here))]
    sizes = [*map(int, (load.TRACES / f"x264-{mbit}.txt").read_text().split())][:pictures]
    assert offered.sent == len(came) == sum(-(-size // load.VIDEO_SIZE) for size in sizes)
    last = [max(slow_load.RTP_MIN, size % load.VIDEO_SIZE) for size in sizes]
    assert came == [each for size, end in zip(sizes, last, strict=True) for each in (*[1200] * (size // 1200), end)]


def test_the_traces_have_their_rates():
    for mbit in (2, 4, 8, 20):
        sizes = [*map(int, (load.TRACES / f"x264-{mbit}.txt").read_text().split())]
        assert 0.7 * mbit < sum(sizes) * 8 * load.PICTURES_PER_S / len(sizes) / 1e6 < 1.1 * mbit


def test_a_load_tells_of_all_that_it_sent_and_how_long_each_took(tool, tmp_path):
    for flight in (load.Load(2), load.Load(2, pictures=True)):
        run, took = load.carry(flight, ways(), 0.2, 0, tmp_path / "ns")
        assert len(took) == run.counted.received == run.offered.sent > 20
        assert took.min() > 0


def test_numbers_go_on_where_the_load_before_ended(tool):
    where = ways()
    first = load.run(where, 2000, 0.05)
    second = load.run(where, 2000, 0.05, first.offered.sent)
    assert second.lost == second.counted.foreign == 0


def test_what_comes_again_late_or_from_elsewhere_is_told_apart(tool):
    where = ways()
    sink = load.Sink(where, first=100)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        for number in (100, 102, 101, 102, 99):
            out.sendto(slow_load.rtp(number, 0), (HOST, where.leave))
        out.sendto(b"\x80short", (HOST, where.leave))
    counted = sink.end()
    assert (counted.received, counted.out_of_order, counted.duplicates, counted.foreign) == (3, 1, 1, 2)


def test_a_latency_for_each_datagram(tool, tmp_path):
    where = ways()
    sink = load.Sink(where, latencies=tmp_path / "ns")
    load.Generator(where, 1000, 50, kind="mavlink").end()
    assert sink.end().received == 50
    took = sink.latencies()
    assert took.shape == (50,)
    assert np.all(took > 0)


@pytest.mark.parametrize(("kind", "size"), [("mavlink", load.FRAME_SIZE), ("rtp", load.VIDEO_SIZE)])
def test_both_generators_send_the_same_but_for_the_time(tool, kind, size):
    where = ways()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here:
        here.bind((HOST, where.leave))
        load.Generator(where, 1000, 2, first=258, kind=kind).end()
        got = [here.recv(2048) for _ in range(2)]
    at = slow_load.MAVLINK_HEADER if kind == "mavlink" else len(slow_load.RTP_HEADER)
    stamps = [slow_load.STAMP.unpack_from(datagram, at)[1] for datagram in got]
    made = [slow_load.MAKERS[kind](258 + place, stamp) for place, stamp in enumerate(stamps)]
    assert [len(datagram) for datagram in got] == [size, size]
    assert [d[: at + 16] for d in got] == [d[: at + 16] for d in made]
    assert kind == "rtp" or got == made


def test_telemetry_is_mavlink():
    (message,) = common.MAVLink(None).parse_buffer(slow_load.mavlink(7, 8))
    assert message.get_type() == "ATTITUDE"


def test_a_port_that_is_taken_is_an_error(tool):
    where = ways()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here:
        here.bind((HOST, where.leave))
        with pytest.raises(OSError, match="no sink"):
            load.Sink(where)
