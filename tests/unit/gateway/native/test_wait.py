"""Waiting in C: what is plain is sealed there one picture after another, and whatever else happens is Python's."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Iterator

import pytest

from gateway import clock
from gateway.batch import Batch
from gateway.core.wire import DOWNLINK_OVERHEAD, LINK_MTU
from gateway.demo.stage import HOST, drain, free_port, port_of, udp_socket
from gateway.endpoint_state import State
from gateway.endpoints import open_endpoint, open_link
from gateway.endpoints.address import parse
from gateway.loop.poller import Poller
from gateway.native.library import Library
from gateway.native.seal import SealTurn
from gateway.native.wait import Wait
from keys.keyring import SendKey
from keys.lanes import Lane
from tests.differential import tick

SOON_S = 0.2
FAR_S = 60.0


class Aboard:
    """A flight controller, a camera whose turns are plain, and its link."""

    def __init__(self, library: Library) -> None:
        fc_port, self.port = free_port(), free_port()
        self.air, self.camera_end, self.fc_end = udp_socket(), udp_socket(), udp_socket()
        self.fc, self.camera = (
            tick(open_endpoint(parse(f"udpin:{HOST}:{port}")), State.IDLE) for port in (fc_port, self.port)
        )
        self.link = tick(open_link(parse(f"udpout:{HOST}:{port_of(self.air)}")), State.CONNECTED)
        self.to_fc, self.batch = (HOST, fc_port), Batch()
        self.poller, self.wait = Poller([self.fc, self.link, self.camera]), Wait(library)
        self.turn = SealTurn(library, self.camera, self.batch)
        self.key = SendKey(bytes(32), Lane.VIDEO_A << 8)
        self.meet()

    def meet(self) -> None:
        """The camera's sender becomes known, and its turns plain."""
        for _ in range(2):
            self.film(b"a picture")
            assert self.read_by_python(1) == [b"a picture"]
        assert self.prepare()

    def prepare(self) -> bool:
        return self.turn.prepare(self.key, bytes(16), LINK_MTU - DOWNLINK_OVERHEAD, [self.link], FAR_S + clock.now())

    def film(self, *datagrams: bytes, end: socket.socket | None = None) -> None:
        for datagram in datagrams:
            (end or self.camera_end).sendto(datagram, (HOST, self.port))

    def turns(self, within_s: float) -> SealTurn | None:
        """Take turns for this time at most."""
        descriptors = self.poller.descriptors(clock.now() + within_s)
        assert descriptors is not None
        ended = self.wait.take_turns(descriptors, [self.turn])
        assert ended in (None, self.turn)
        return self.turn if ended else None

    def read_by_python(self, count: int) -> list[bytes]:
        """So many datagrams, in one read or more."""
        out: list[bytes] = []
        while len(out) < count:
            assert self.poller.wait(clock.now() + FAR_S) == {self.camera}
            assert self.camera.receive_into(self.batch, clock.now())
            out += map(bytes, self.batch.datagrams())
        return out

    def close(self) -> None:
        self.turn.close()
        for end in (self.fc, self.camera, self.link, self.air, self.camera_end, self.fc_end):
            end.close()


@pytest.fixture
def aboard(sealing: Library) -> Iterator[Aboard]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    made = Aboard(sealing)
    yield made
    made.close()
    signal.set_wakeup_fd(-1)
    for number, handler in before.items():
        signal.signal(number, handler)


def test_pictures_are_sealed_one_after_another_until_the_deadline(aboard: Aboard):
    pictures = [threading.Timer(at * SOON_S / 8, aboard.film, (b"one", b"two")) for at in range(3)]
    for picture in pictures:
        picture.start()
    by_python = 0
    while aboard.turn.end.messages + by_python < 6:
        if aboard.turns(SOON_S):  # this computer is busy, and the data may be old
            by_python += len(aboard.read_by_python(1))
            assert aboard.prepare()
    for picture in pictures:
        picture.join()
    assert len(drain(aboard.air)) == aboard.turn.end.messages > 0
    assert aboard.turn.end.clusters >= 1
    assert clock.now() - FAR_S < aboard.turn.end.came_at <= clock.now()


def test_what_another_endpoint_has_ends_the_wait_and_stays_where_it_is(aboard: Aboard):
    aboard.film(b"a picture")
    aboard.fc_end.sendto(b"a frame", aboard.to_fc)
    assert aboard.turns(FAR_S) is None
    assert aboard.turn.end.messages == 0
    assert aboard.poller.wait(clock.now() + FAR_S) == {aboard.fc, aboard.camera}


def test_a_turn_that_is_not_plain_is_python_s_before_anything_that_comes_later(aboard: Aboard):
    stranger = udp_socket()
    aboard.film(b"a picture")
    assert aboard.poller.wait(clock.now() + FAR_S)
    aboard.film(b"of a stranger", end=stranger)
    assert aboard.turns(FAR_S) is aboard.turn
    aboard.film(b"a later one")
    assert not aboard.prepare(), "what C has left comes first"
    assert aboard.poller.descriptors(clock.now() + FAR_S) is None
    assert aboard.read_by_python(3) == [b"a picture", b"of a stranger", b"a later one"]
    assert drain(aboard.air) == []
    stranger.close()


def test_a_counter_that_is_python_s_is_not_used(aboard: Aboard):
    aboard.turn.seal_below(1)
    aboard.film(b"a picture")
    while not aboard.turn.end.messages:
        assert aboard.turns(SOON_S) is None
    aboard.film(b"another one")
    assert aboard.turns(FAR_S) is aboard.turn
    assert aboard.camera.receive_into(aboard.batch, clock.now())


def test_what_rests_is_read_when_its_rest_is_over_and_ends_no_wait_before(aboard: Aboard):
    end = aboard.turn.end
    end.rest_s = FAR_S
    aboard.film(b"a picture")
    while not end.messages:
        assert aboard.turns(SOON_S) is None
    assert end.rest_until == end.came_at + FAR_S
    aboard.film(b"another one")
    assert aboard.turns(SOON_S) is None
    assert end.messages == 1
    end.rest_until = clock.now() + SOON_S / 4
    assert aboard.turns(FAR_S) is aboard.turn, "by now it may be old"
    assert aboard.read_by_python(1) == [b"another one"]


def test_a_camera_that_is_opened_again_is_waited_for_by_its_new_descriptor(aboard: Aboard):
    aboard.film(b"one")
    while not aboard.turn.end.messages:
        assert aboard.turns(SOON_S) is None
    before = aboard.turn.fd
    aboard.camera._lost(OSError(5, "gone"), 0.0)
    instead = udp_socket()  # may have the number of the old one
    tick(aboard.camera, State.IDLE)
    aboard.meet()
    assert aboard.turn.fd != before
    aboard.film(b"two")
    while aboard.turn.end.messages < 2:
        assert aboard.turns(SOON_S) is None
    instead.close()


def test_what_a_link_did_not_take_has_come_nonetheless(aboard: Aboard):
    """Otherwise every other picture would not count while a radio is full, or a firewall refuses its datagrams."""
    end, began = aboard.turn.end, clock.now()
    with contextlib.suppress(OSError):
        aboard.link._socket.shutdown(socket.SHUT_WR)  # it was not connected, and sends no more all the same
    end.rest_s = FAR_S
    aboard.film(b"one", b"two")
    assert aboard.turns(FAR_S) is None
    assert aboard.link.counters.dropped_tx == end.messages == 2
    assert end.clusters == 1
    assert began <= end.came_at == end.rest_until - FAR_S


def test_a_signal_ends_the_wait(aboard: Aboard):
    sender = threading.Timer(SOON_S / 4, os.kill, (os.getpid(), signal.SIGTERM))
    sender.start()
    while not aboard.poller.stopping:
        assert aboard.turns(FAR_S) is None
    sender.join()


def test_more_descriptors_than_c_has_room_for_are_python_s(aboard: Aboard):
    made = [tick(open_endpoint(parse(f"udpin:{HOST}:{free_port()}")), State.IDLE) for _ in range(64)]
    poller = Poller([aboard.camera, *made])
    descriptors = poller.descriptors(clock.now() + FAR_S)
    assert descriptors is not None
    assert descriptors.size > 64
    aboard.film(b"a picture")
    assert aboard.wait.take_turns(descriptors, [aboard.turn]) is None
    assert aboard.turn.end.messages == 0
    for end in made:
        end.close()
