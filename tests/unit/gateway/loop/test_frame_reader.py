from __future__ import annotations

import contextlib
import random
import socket

import numpy as np
import pytest

from gateway.batch import CAPACITY
from gateway.demo.stage import free_port
from gateway.endpoints import open_endpoint
from gateway.endpoints.address import parse
from gateway.loop.frame_reader import BATCHES_A_READ, FRAMES_A_READ, SENDERS, SETTLE_S, FrameReader, together
from tests.memory_link import mavlink_frame
from tests.unit.gateway.endpoints.wires import HOST, opened, until
from tests.unit.gateway.plain_end import PlainEnd

RNG = random.Random(1)
FRAMES = [mavlink_frame(RNG, seq) for seq in range(6)]


@pytest.mark.parametrize("size", [1, 20, 64, 100, 1400])
def test_a_frame_that_is_cut_over_datagrams_comes_out(size: int):
    """By a serial-to-UDP module that knows nothing of MAVLink: ArduPilot/pymavlink#1094, mavlink-router#181."""
    end, data = PlainEnd(), b"".join(FRAMES)
    for at in range(0, len(data), size):
        end.put(data[at : at + size])
    reader = FrameReader(end)
    assert [frame for _ in range(len(data)) for frame in together(reader.read(0.0))] == FRAMES
    assert reader.resync_bytes == 0


def test_the_datagrams_of_two_senders_are_not_mixed():
    end, pieces = opened(open_endpoint(parse(f"udpin:{HOST}:{free_port()}"))), []
    reader = FrameReader(end)
    with contextlib.ExitStack() as stack:
        first, second = (stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(2))
        for at in range(0, 40, 10):
            for sender, frame in ((first, FRAMES[0]), (second, FRAMES[1])):
                last = at == 30
                pieces.append(frame[at:] if last else frame[at : at + 10])
                sender.sendto(pieces[-1], (HOST, end.address.port))
        got = []
        until(lambda: got.extend(together(reader.read(0.0))) or len(got) == 2)
    assert got == FRAMES[:2]
    assert end.counters.rx_datagrams == len(pieces)
    assert reader.resync_bytes == 0
    end.close()


def test_a_sender_that_never_begins_a_frame_wakes_no_loop_for_its_end():
    end = PlainEnd()
    reader = FrameReader(end)
    end.put(*FRAMES)
    assert together(reader.read(1.0)) == FRAMES
    assert reader.next_due() == float("inf")


def test_the_bytes_of_two_connections_are_not_mixed():
    end = PlainEnd(stream=True)
    reader = FrameReader(end)
    end.put(FRAMES[0] + FRAMES[1][:20], connection=1)
    end.put(FRAMES[2] + FRAMES[3][:20], connection=2)
    end.put(FRAMES[1][20:] + FRAMES[4], connection=1)
    end.put(FRAMES[3][20:] + FRAMES[5], connection=2)
    got = together(reader.read(0.0)) + together(reader.read(SETTLE_S))
    assert sorted(got) == sorted(FRAMES)
    assert reader.resync_bytes == 0


FALSE_START = b"\xfd\xff\0"  # noise that looks like a frame of 267 bytes


@pytest.mark.parametrize("stream", [False, True])
def test_silence_ends_what_looked_like_a_frame_and_next_due_says_when(stream: bool):
    end = PlainEnd(stream=stream)
    reader = FrameReader(end)
    assert reader.next_due() == float("inf")
    end.put(FALSE_START + FRAMES[0])
    assert together(reader.read(1.0)) == []
    assert reader.next_due() == 1.0 + SETTLE_S
    assert together(reader.read(reader.next_due())) == [FRAMES[0]]
    assert reader.next_due() == float("inf")


def test_a_sender_that_is_busy_ends_the_silence_of_no_other():
    end = PlainEnd(stream=True)
    reader = FrameReader(end)
    end.put(FALSE_START + FRAMES[0], connection=1)
    assert together(reader.read(0.0)) == []
    end.put(FRAMES[1] + FRAMES[2][:9], connection=2)
    assert together(reader.read(SETTLE_S / 2)) == [FRAMES[1]]
    assert together(reader.read(SETTLE_S)) == [FRAMES[0]]
    assert reader.next_due() == SETTLE_S / 2 + SETTLE_S


REQUEST = b"POST / HTTP/1.1\r\nHost: 127.0.0.1:5760\r\nContent-Length: 99\r\n\r\n"


def test_a_page_in_a_browser_is_disconnected():
    """It may put frames behind the head of its request, and the framer would find them."""
    end = opened(open_endpoint(parse(f"tcpin:{HOST}:{free_port(socket.SOCK_STREAM)}")))
    reader = FrameReader(end, only_mavlink=True)
    with socket.create_connection((HOST, end.address.port)) as page:
        page.sendall(REQUEST + b"".join(FRAMES))
        until(lambda: reader.read(0.0) or reader.strangers)
        assert reader.read(1.0) == []
        assert end.clients() == []
        assert page.recv(1) == b""
    with socket.create_connection((HOST, end.address.port)) as gcs:
        gcs.sendall(FRAMES[0] + FRAMES[1][:5])
        until(lambda: together(reader.read(2.0)) == FRAMES[:1])
        gcs.sendall(FRAMES[1][5:])
        until(lambda: together(reader.read(2.0)) == FRAMES[1:2])
    assert reader.strangers == 1
    end.close()


@pytest.mark.parametrize("stream", [False, True])
def test_a_flood_does_not_take_the_whole_turn(stream: bool):
    end = PlainEnd(stream=stream)
    for _ in range(BATCHES_A_READ + 1):
        end.put(*[FRAMES[0]] * CAPACITY)
    reader = FrameReader(end)
    assert len(together(reader.read(0.0))) == BATCHES_A_READ * CAPACITY
    assert len(together(reader.read(0.0))) == CAPACITY


def test_datagrams_of_many_frames_do_not_take_the_whole_turn_either():
    end, reader = PlainEnd(), None
    for _ in range(BATCHES_A_READ):
        end.put(*[b"".join(FRAMES)] * CAPACITY)
    reader = FrameReader(end)
    assert len(together(reader.read(0.0))) == 2 * CAPACITY * len(FRAMES) >= FRAMES_A_READ
    assert len(together(reader.read(0.0))) == 2 * CAPACITY * len(FRAMES)


def test_datagrams_that_leave_room_in_the_batch_were_all_there_are():
    end = PlainEnd()
    end.put(FRAMES[0])
    end.put(FRAMES[1])
    reader = FrameReader(end)
    assert together(reader.read(0.0)) == [FRAMES[0]]
    assert together(reader.read(0.0)) == [FRAMES[1]]


def test_connections_that_are_gone_leave_their_count_and_nothing_else():
    end = PlainEnd(stream=True)
    reader = FrameReader(end)
    for connection in range(3 * SENDERS):
        end.put(b"\0" * 10 + FRAMES[0][:7], connection=connection)
        together(reader.read(0.0))
    assert len(reader._framers) == SENDERS
    assert reader.resync_bytes == 30 * SENDERS + 2 * SENDERS * 7


def test_frames_that_waited_are_apart_from_those_that_came_much_later():
    end = PlainEnd()
    reader = FrameReader(end)
    end.put(FRAMES[0], FRAMES[1], waited=0.01)
    assert reader.read(0.0) == [(0.01, FRAMES[:2])]
    filled = end.receive_into

    def fill(batch, now):
        filled(batch, now)
        batch.waited(5.0, np.array([5.0, 4.95, 2.0, 0.5, 0.0])[: batch.count])
        return batch.count

    end.receive_into = fill
    end.put(*FRAMES[:5])
    assert reader.read(0.0) == [(5.0, FRAMES[:2]), (2.0, FRAMES[2:3]), (0.5, FRAMES[3:4]), (0.0, FRAMES[4:5])]


def test_a_frame_that_only_silence_ends_is_as_old_as_its_bytes():
    """The process stood still before it could say that the line was silent."""
    end = PlainEnd(stream=True)
    reader = FrameReader(end)
    end.put(FALSE_START + FRAMES[0])
    assert reader.read(1.0) == []
    assert reader.read(9.0) == [(8.0, [FRAMES[0]])]
