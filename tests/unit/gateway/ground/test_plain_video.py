"""Which reads of a link are C's, in a real ground: what is the next of its lane is, and all else is Python's, in order."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gateway import clock
from gateway.core.drop_reason import DropReason
from gateway.demo.stage import HOST, drain, udp_socket
from gateway.endpoints.mmsg import SOL_UDP, UDP_SEGMENT
from gateway.native import library
from keys.lanes import Lane
from tests.memory_link import mavlink_frame
from tests.stepped_pair import SteppedPair, stepped_pair


@pytest.fixture
def pair(tmp_path: Path, opening: object) -> Iterator[SteppedPair]:
    with stepped_pair(tmp_path) as made:
        made.join()
        made.carry()
        for _ in range(3):
            shown(made, *sealed(made))  # from then on its sender is known
        yield made


def sealed(pair: SteppedPair, *pictures: bytes) -> list[bytes]:
    """Datagrams of the aircraft, one for each picture."""
    return [
        each for one in pictures or (b"a picture",) for each in pair.sealed(Lane.VIDEO_A, partial(pair.from_camera, one))
    ]


def shown(pair: SteppedPair, *datagrams: bytes) -> list[bytes]:
    """What one turn shows of them."""
    drain(pair.player)
    pair.down(*datagrams)
    pair.ground._housekeep_at = float("inf")
    pair.ground.turn()
    return drain(pair.player)


@pytest.fixture
def read_by_python(pair: SteppedPair, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A number for each read of the link by Python: how many datagrams came."""
    (link,), reads = pair.ground.links, []
    receive_into = link.receive_into
    monkeypatch.setattr(link, "receive_into", lambda *into: reads.append(receive_into(*into)) or reads[-1])
    return reads


def test_what_comes_next_is_read_opened_and_shown_in_c_and_counted(pair: SteppedPair, read_by_python: list[int]):
    ground, (link,), (player,) = pair.ground, pair.ground.links, pair.ground.players
    datagrams = sealed(pair, b"one", b"two", b"three")
    ground.plain_video.collect(clock.now())
    opened, rx, tx = ground.opener.opened[Lane.VIDEO_A], link.counters.rx_datagrams, player.counters.tx_datagrams
    received = ground.paths.receptions[0].received
    assert shown(pair, *datagrams) == [b"one", b"two", b"three"]
    assert read_by_python == []
    ground.plain_video.collect(clock.now())
    assert ground.opener.opened[Lane.VIDEO_A] - opened == 3
    assert (link.counters.rx_datagrams - rx, player.counters.tx_datagrams - tx) == (3, 3)
    assert ground.paths.receptions[0].received - received == 3
    assert ground.paths.receptions[0].lost == 0
    assert ground.status(clock.now()).data_path == "C"


def test_what_comes_between_is_python_s_and_nothing_changes_places(pair: SteppedPair, read_by_python: list[int]):
    one, two, three = sealed(pair, b"one", b"two", b"three")
    (frame,) = pair.sealed(Lane.TELEMETRY, partial(pair.from_fc, mavlink_frame(random.Random(1), 0)))
    assert shown(pair, one, frame, two, three) == [b"one", b"two", b"three"]
    assert sum(read_by_python) == 3
    assert len(drain(pair.gcs)) == 1
    assert shown(pair, *sealed(pair, b"four")) == [b"four"]
    assert sum(read_by_python) == 3


def waits(pair: SteppedPair) -> None:
    """As a ground does between its turns; the computer may be busy, and the data still counts as new."""
    (turn,) = pair.ground.plain_video._turns.values()
    turn.open._in_c.source.since = clock.now() + 60.0
    pair.ground._due = clock.now() + 0.05
    pair.ground._plain_turns()


def test_between_two_turns_c_waits_and_opens(pair: SteppedPair, read_by_python: list[int]):
    one, two, three = sealed(pair, b"one", b"two", b"three")
    (frame,) = pair.sealed(Lane.TELEMETRY, partial(pair.from_fc, mavlink_frame(random.Random(1), 0)))
    drain(pair.player)
    pair.down(one, two)
    waits(pair)
    assert drain(pair.player) == [b"one", b"two"]
    pair.down(frame, three)
    waits(pair)
    assert drain(pair.gcs) == []
    assert read_by_python == []
    assert shown(pair) == [b"three"]
    assert len(drain(pair.gcs)) == 1


def test_after_the_time_at_which_windows_move_the_turns_are_c_s_again(pair: SteppedPair, read_by_python: list[int]):
    (turn,) = pair.ground.plain_video._turns.values()
    turn.open._in_c.source.until = 0.0
    assert shown(pair, *sealed(pair, b"one")) == [b"one"]
    assert read_by_python == [1]
    assert shown(pair, *sealed(pair, b"two")) == [b"two"]
    assert read_by_python == [1]


def test_what_python_has_to_read_first_delays_what_is_prepared_and_nothing_else(
    pair: SteppedPair, read_by_python: list[int]
):
    """The table of leases changes while something that C has read waits for Python."""
    listener = pair.ground.opener.listener
    one, two, three = sealed(pair, b"one", b"two", b"three")
    drain(pair.player)
    pair.down(two)  # not the next one
    waits(pair)
    listener.leases = {**listener.leases}
    assert [*shown(pair, three), *shown(pair)] == [b"two", b"three"]
    assert shown(pair, one) == [b"one"]
    reads = len(read_by_python)
    assert shown(pair, *sealed(pair, b"four")) == [b"four"]
    assert len(read_by_python) == reads


def test_a_watched_path_is_python_s(pair: SteppedPair, read_by_python: list[int], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pair.ground.path_sizes, "watched", {0: None})
    (one,) = sealed(pair, b"one")
    drain(pair.player)
    pair.down(one)
    waits(pair)
    assert drain(pair.player) == []


def test_a_gap_a_replay_and_a_forgery(pair: SteppedPair, read_by_python: list[int]):
    drops = pair.ground.opener.drops
    one, _, three, four = sealed(pair, b"one", b"two", b"three", b"four")
    before = drops[DropReason.REPLAYED], drops[DropReason.BAD_TAG]
    assert shown(pair, one, three, three) == [b"one", b"three"]
    forged = four[:-1] + bytes([four[-1] ^ 1])
    reads = len(read_by_python)
    assert shown(pair, forged, four) == [b"four"]
    assert len(read_by_python) == reads
    pair.ground.plain_video.collect(clock.now())
    assert (drops[DropReason.REPLAYED] - before[0], drops[DropReason.BAD_TAG] - before[1]) == (1, 1)


def test_a_read_of_as_many_as_it_may_says_that_there_may_be_more(pair: SteppedPair):
    """After joined datagrams a read takes four messages."""
    (link,), (radio, port) = pair.ground.links, pair.ways[0]
    one, two = sealed(pair, b"one", b"two")
    radio.setsockopt(SOL_UDP, UDP_SEGMENT, len(one))
    radio.sendto(one + two, (HOST, port))
    radio.setsockopt(SOL_UDP, UDP_SEGMENT, 0)
    assert shown(pair) == [b"one", b"two"]
    pair.down(*sealed(pair, b"1", b"2", b"3", b"4", b"5"))
    assert [pair.ground.plain_video.take(link, None, clock.now()) for _ in range(2)] == [True, False]
    assert drain(pair.player) == [b"1", b"2", b"3", b"4", b"5"]


def test_a_key_that_is_over_is_wiped_also_while_no_video_comes(pair: SteppedPair):
    ground, (turn,) = pair.ground, pair.ground.plain_video._turns.values()
    assert turn.open.keys
    leases, ground.opener.listener.leases = ground.opener.listener.leases, {}
    ground.plain_video.collect(clock.now())
    assert not turn.open.keys
    assert all(bytes(lane.cipher.salt) == bytes(12) for lane in turn.open._in_c.lanes)
    ground.opener.listener.leases = leases
    assert shown(pair, *sealed(pair, b"one")) == [b"one"]
    assert turn.open.keys


def test_a_link_that_sends_to_a_relay_is_read_like_any_other(tmp_path: Path, opening: object):
    """Also what is larger than a slot, which anyone can send with the address of the relay."""
    relay = udp_socket()
    with stepped_pair(tmp_path, relay=relay) as pair:
        pair.join()
        pair.until(lambda: drain(relay))
        link: Any = pair.ground.links[1]

        def comes(*datagrams: bytes) -> list[bytes]:
            for datagram in datagrams:
                relay.sendto(datagram, link._socket.getsockname())
            return shown(pair)

        for _ in range(3):
            comes(*sealed(pair))
        drops, reception = pair.ground.opener.drops, pair.ground.paths.receptions[1]
        pair.ground.plain_video.collect(clock.now())
        rx, replayed, received = link.counters.rx_datagrams, drops[DropReason.REPLAYED], reception.received
        one, two, _, four = sealed(pair, b"one", b"two", b"three", b"four")
        assert comes(one, two, bytes(2_000), four) == [b"one", b"two", b"four"]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(link, "receive_into", None)
            assert comes(*sealed(pair, b"five")) == [b"five"], "C reads it"
        pair.ground.plain_video.collect(clock.now())
        assert drops[DropReason.REPLAYED] == replayed
        assert (link.counters.rx_datagrams - rx, reception.received - received) == (4, 4)
        assert link.counters.oversize == 1
    relay.close()


def test_a_player_that_is_gone_ends_nothing(pair: SteppedPair):
    (player,) = pair.ground.players
    player._lost(OSError(101, "no network"), clock.now())
    assert shown(pair, *sealed(pair, b"one")) == []
    player._retry_at = 0.0
    player.tick(clock.now())
    assert shown(pair, *sealed(pair, b"two")) == [b"two"]


def test_without_the_library_python_does_it_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(library.OFF, "0")
    with stepped_pair(tmp_path) as pair:
        pair.join()
        pair.carry()
        assert [shown(pair, *sealed(pair, bytes([at]))) for at in range(5)] == [[bytes([at])] for at in range(5)]
        assert pair.ground.status(clock.now()).data_path == "Python, because ZEGEL_NATIVE=0 turns it off"
