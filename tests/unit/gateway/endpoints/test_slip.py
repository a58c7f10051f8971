from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Callable, Iterator

import pytest

from gateway.batch import CAPACITY, ROOM, Batch
from gateway.endpoints.address import parse
from gateway.endpoints.slip import END, ESC, Decoder, SlipLine, encode
from tests.unit.gateway.endpoints.test_serial import Cable
from tests.unit.gateway.endpoints.wires import batch_of, opened, read_all, received, until


@pytest.fixture
def cable(tmp_path) -> Iterator[Cable]:
    made = Cable(tmp_path / "ttyRadio")
    yield made
    with contextlib.suppress(OSError):
        os.close(made.far)


@pytest.fixture
def make(cable) -> Iterator[Callable[[], SlipLine]]:
    made: list[SlipLine] = []

    def one() -> SlipLine:
        made.append(SlipLine(parse(f"serial:{cable.name}:57600")))
        return made[-1]

    yield one
    for endpoint in made:
        endpoint.close()


# --- the framing ---


@pytest.mark.parametrize(
    ("datagram", "framed"),
    [  # RFC 1055: END 192 is sent as 219 220, ESC 219 as 219 221
        (b"abc", b"\xc0abc\xc0"),
        (b"\xc0", b"\xc0\xdb\xdc\xc0"),
        (b"\xdb", b"\xc0\xdb\xdd\xc0"),
        (b"\xdb\xdc\xdb\xdd\xc0\xdb", b"\xc0\xdb\xdd\xdc\xdb\xdd\xdd\xdb\xdc\xdb\xdd\xc0"),
    ],
)
def test_the_bytes_of_rfc_1055(datagram, framed):
    assert encode(datagram) == framed
    assert Decoder().feed(framed) == [datagram]


def specials(rng: random.Random, size: int) -> bytes:
    """Half of it END, ESC and what follows ESC."""
    return bytes(rng.choice((0xC0, 0xDB, 0xDC, 0xDD, rng.randrange(256), rng.randrange(256))) for _ in range(size))


def test_datagrams_survive_any_cut():
    rng = random.Random(1)
    sent = [specials(rng, rng.randrange(1, 300)) for _ in range(200)]
    line, got, decoder = b"".join(map(encode, sent)), [], Decoder()
    while line:
        size = rng.randrange(1, 700)
        got += decoder.feed(line[:size])
        line = line[size:]
    assert got == sent
    assert decoder.skipped_bytes == 0


def test_the_largest_datagram_all_escaped_and_one_byte_more():
    decoder = Decoder()
    assert decoder.feed(encode(END * ROOM)) == [END * ROOM]
    assert decoder.feed(encode(bytes(ROOM + 1)) + encode(b"next")) == [b"next"]
    assert decoder.skipped_bytes == ROOM + 1


def test_a_bad_escape_costs_its_own_frame_only():
    decoder = Decoder()
    assert decoder.feed(encode(b"one") + END + b"x" + ESC + b"y" + END + encode(b"two")) == [b"one", b"two"]
    assert decoder.feed(END + b"z" + ESC + END + encode(b"three")) == [b"three"]
    assert decoder.skipped_bytes == 3 + 2


def test_a_line_that_never_ends_a_frame_holds_no_memory():
    decoder = Decoder()
    for _ in range(1000):
        assert decoder.feed(b"U" * 1000) == []
        assert len(decoder._begun) <= 2 * ROOM
    assert decoder.feed(END + encode(b"at last")) == [b"at last"]
    assert decoder.skipped_bytes == 1_000_000


def test_noise_between_frames_costs_no_frame():
    rng = random.Random(2)
    for _ in range(300):
        noise = rng.randbytes(rng.randrange(50))
        assert Decoder().feed(noise + encode(b"datagram"))[-1:] == [b"datagram"]


# --- the endpoint ---


def test_datagrams_both_ways(cable, make):
    line, rng = opened(make()), random.Random(3)
    assert (line.stream, line.state) == (False, "connected")
    there = [specials(rng, size) for size in (1, 17, 200, 1472 // 2)]
    line.send(batch_of(there), 0.0)
    assert Decoder().feed(read_all(cable.far)) == there
    os.write(cable.far, b"".join(map(encode, there)))
    assert received(line, len(there)) == there
    assert (line.counters.rx_datagrams, line.counters.tx_datagrams) == (4, 4)


def test_more_small_datagrams_than_a_batch_takes_come_in_order(cable, make):
    line = opened(make())
    sent = [bytes([1 + index % 100, 1 + index // 100]) for index in range(3 * CAPACITY + 5)]
    os.write(cable.far, b"".join(map(encode, sent)))
    assert received(line, len(sent)) == sent
    assert line.counters.rx_datagrams == len(sent)


def test_noise_is_counted_and_what_follows_is_read(cable, make):
    line = opened(make())
    os.write(cable.far, END + b"ab" + ESC + b"c" + END + encode(b"whole"))
    assert received(line, 1) == [b"whole"]
    assert line.counters.resync_bytes == 4


def test_what_was_half_received_does_not_continue_on_another_connection(cable, make):
    line = opened(make())
    os.write(cable.far, END + b"half a data")
    cable.unplug()
    until(lambda: line.receive_into(Batch(), 0.0) == 0 and line.state == "reconnecting")
    cable.plug()
    line.tick(5.0)
    os.write(cable.far, b"gram" + encode(b"whole"))
    assert received(line, 2, 5.0) == [b"gram", b"whole"]


def test_a_slow_line_loses_whole_datagrams_and_says_which_were_late(cable, make):
    line, rng, decoder, got = opened(make()), random.Random(4), Decoder(), []
    now, sent = 0.0, []
    for number in range(300):
        datagrams = [number.to_bytes(2, "big") + specials(rng, rng.randrange(160)) for _ in range(rng.randrange(1, 9))]
        sent += datagrams
        line.send(batch_of(datagrams), now)
        now += rng.choice((0.0, 0.1, 0.7))
        with contextlib.suppress(BlockingIOError):
            got += decoder.feed(os.read(cable.far, rng.randrange(1, 100)))

    def drained() -> bool:
        line.receive_into(Batch(), now)
        got.extend(decoder.feed(read_all(cable.far)))
        return line.interests()[0][1] == 1 and len(got) == line.counters.tx_datagrams

    until(drained)
    rest = iter(sent)
    assert all(datagram in rest for datagram in got)  # a subsequence: whole, and in order
    assert 0 < line.counters.late_drop == len(sent) - len(got)
