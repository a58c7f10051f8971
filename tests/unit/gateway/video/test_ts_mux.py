"""MPEG-TS, written and read: what went in comes out, with its times."""

from __future__ import annotations

import random

import pytest

from gateway.demo.clip import CLIP, pictures
from gateway.video.damage import Damage
from gateway.video.ts import PACKET_SIZE, SYNC
from gateway.video.ts_demux import STAMPS, Timed, TsDemux
from gateway.video.ts_mux import START_CODE, TsMux
from tests.hostile.media import NALS

FILM = pictures(CLIP.read_bytes())[:60]
FIRST = STAMPS - 5 * 3600  # the stamps begin again at 0 within the film


def stream(nothing: int = 7) -> list[bytes]:
    """In pieces of the size of a datagram."""
    mux = TsMux("h264")
    whole = b"".join(
        mux.picture(START_CODE + START_CODE.join(unit.nals), unit.key, FIRST + 3600 * place + 1800, FIRST + 3600 * place)
        for place, unit in enumerate(FILM)
    )
    size = nothing * PACKET_SIZE
    return [whole[at : at + size] for at in range(0, len(whole), size)]


def read(pieces: list[bytes], demux: TsDemux) -> list[Timed]:
    out = []
    for place, piece in enumerate(pieces):
        out += demux.feed(piece, float(place))
    return out + demux.flush()


@pytest.mark.parametrize("size", [1, 6, 7])
def test_what_goes_in_comes_out(size):
    demux = TsDemux()
    got = read(stream(size), demux)
    assert [timed.unit.nals for timed in got] == [unit.nals for unit in FILM]
    assert [timed.unit.key for timed in got] == [unit.key for unit in FILM]
    assert [timed.stamp for timed in got] == [(FIRST + 3600 * place + 1800) % STAMPS for place in range(len(FILM))]
    assert (demux.codec, demux.lost, demux.damage) == ("h264", 0, {})


def test_h265():
    mux, demux = TsMux("h265"), TsDemux()
    got = read([mux.picture(START_CODE + START_CODE.join(NALS["h265"]), True, 90, 0)], demux)
    assert [(timed.unit.nals, timed.unit.codec, timed.stamp) for timed in got] == [(NALS["h265"], "h265", 90)]


@pytest.mark.parametrize("size", range(1, 400, 7))
def test_every_size_fills_whole_packets(size):
    mux, demux = TsMux("h264"), TsDemux()
    mux_key = mux.picture(START_CODE + FILM[0].nals[-1], True, 0, 0)
    written = mux.picture(START_CODE + b"\x41" + b"\x55" * size, False, 0, 0)
    assert not len(written) % PACKET_SIZE
    assert set(written[::PACKET_SIZE]) == {SYNC}
    assert read([mux_key, written], demux)[-1].unit.nals == [b"\x41" + b"\x55" * size]


def test_a_film_that_is_entered_in_the_middle_begins_with_the_next_tables():
    demux = TsDemux()
    pieces = stream()[5:]
    got = read(pieces, demux)
    key = next(place for place, unit in enumerate(FILM) if unit.key and place)
    assert [timed.unit.nals for timed in got] == [unit.nals for unit in FILM[key:]]


@pytest.mark.parametrize("seed", range(5))
def test_loss_costs_the_pictures_that_lost_a_packet(seed):
    rng, demux = random.Random(seed), TsDemux()
    pieces = stream(1)
    missing = set(rng.sample(range(10, len(pieces)), 20))
    got = read([piece for place, piece in enumerate(pieces) if place not in missing], demux)
    assert demux.lost == sum(pieces[place][1:3] not in (b"\x40\x00", b"\x50\x00") for place in missing)  # but the tables
    whole = [unit.nals for unit in FILM]
    assert sum(timed.unit.nals in whole for timed in got) >= len(FILM) - len(missing)


def test_a_packet_that_comes_twice_counts_once():
    demux = TsDemux()
    pieces = [twice for piece in stream(1) for twice in ((piece, piece) if piece[1] & 0x41 == 1 else (piece,))]
    assert [timed.unit.nals for timed in read(pieces, demux)] == [unit.nals for unit in FILM]
    assert demux.lost == 0


def test_what_is_no_packet_is_counted():
    demux = TsDemux()
    demux.feed(b"rubbish", 0.0)
    demux.feed(bytes(PACKET_SIZE), 0.0)
    assert demux.damage == {Damage.NO_SYNC_BYTE: 2}


def test_the_time_of_a_picture_is_that_of_its_first_datagram():
    times = [timed.unit.time for timed in read(stream(1), TsDemux())]
    assert times == sorted(times)
    assert times[0] == 2.0  # after the two tables
