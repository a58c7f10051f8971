"""The feed of a real ground that hears a real aircraft, read by a subscriber of its own."""

from __future__ import annotations

import json
import math
import random
import socket
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq

from gateway import clock
from gateway.batch import Batch
from gateway.core.ground.reorder import WAIT_S
from gateway.demo.stage import HOST, drain, free_port, udp_socket
from gateway.ground.publication import FLUSH_AFTER_S, HOLD_S
from keys.lanes import Lane
from tests.memory_link import mavlink_frame
from tests.stepped_pair import SteppedPair, stepped_pair


class Subscriber:
    """`got`: topic, datagram and origin of each message."""

    def __init__(self, pair: SteppedPair, context: zmq.Context[Any], *topics: str) -> None:
        self.pair, self.got = pair, list[tuple[str, bytes, dict[str, Any]]]()
        self._socket: Any = context.socket(zmq.SUB)
        feed = pair.ground.publication.tcp or pair.ground.publication.here
        assert feed
        self._socket.connect(feed.address)
        for topic in topics:
            self._socket.subscribe(topic)
        pair.until(lambda: all(map(feed.wants, topics)))

    def read(self) -> None:
        while self._socket.poll(0):
            topic, *datagrams, origin = self._socket.recv_multipart()
            self.got += [(topic.decode(), datagram, json.loads(origin)) for datagram in datagrams]

    def has(self, count: int) -> bool:
        self.read()
        return len(self.got) >= count


@pytest.fixture
def context() -> Iterator[zmq.Context[Any]]:
    made: zmq.Context[Any] = zmq.Context()
    yield made
    made.destroy(linger=0)


def address() -> str:
    return f"tcp://{HOST}:{free_port(socket.SOCK_STREAM)}"


@pytest.fixture(params=["here", "TCP"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SteppedPair]:
    with stepped_pair(tmp_path, ground={"feed": address()} if request.param == "TCP" else {}) as made:
        made.join()
        yield made


def test_each_message_says_which_aircraft_which_session_which_lane_and_when(pair: SteppedPair, context):
    reader = Subscriber(pair, context, "telemetry", "video.a")
    (session,) = pair.ground.listener.sessions.values()
    frame, before = mavlink_frame(random.Random(1), 0), time.time_ns() // 1000
    pair.from_fc(frame)
    pair.from_camera(b"a picture")
    pair.until(lambda: reader.has(2))
    after = time.time_ns() // 1000
    telemetry, video = sorted(reader.got)
    assert (telemetry[:2], video[:2]) == (("telemetry", frame), ("video.a", b"a picture"))
    status = pair.ground.status(clock.now())
    for (_, _, origin), lane in ((telemetry, "telemetry"), (video, "video_a")):
        assert before <= origin.pop("time_us") <= after
        assert origin == {
            "schema": 2,
            "number": 0,
            "device": status.sessions[0].device,
            "systems": status.sessions[0].systems,
            "session": session.session_id.hex(),
            "lane": lane,
        }
        assert lane in status.opened, "the status has the same word"


def test_after_a_restart_of_the_aircraft_the_session_is_the_new_one(pair: SteppedPair, context):
    reader = Subscriber(pair, context, "video.a")
    pair.from_camera(b"before")
    pair.until(lambda: reader.has(1))
    pair.stop(pair.air)
    pair.carry()
    pair.air = pair.new_air()
    new = pair.air.announcer.session_id
    pair.until(lambda: any(each.granted and each.session_id == new for each in pair.ground.listener.sessions.values()))
    pair.from_camera(b"after")
    pair.until(lambda: reader.has(2))
    (_, before, first), (_, after, second) = reader.got
    assert (before, after) == (b"before", b"after")
    assert first["session"] != second["session"] == new.hex()


def test_while_no_program_has_subscribed_no_origin_is_made(pair: SteppedPair, context, monkeypatch):
    made = []
    real = pair.ground.publication._origin
    monkeypatch.setattr(pair.ground.publication, "_origin", lambda *which: made.append(which) or real(*which))
    opened = pair.ground.opener.opened
    before = opened.copy()
    pair.from_fc(mavlink_frame(random.Random(1), 0))
    pair.from_camera(b"a picture")
    pair.until(lambda: opened[Lane.TELEMETRY] > before[Lane.TELEMETRY] and opened[Lane.VIDEO_A] > before[Lane.VIDEO_A])
    assert not made
    reader = Subscriber(pair, context, "video.a")
    pair.from_fc(mavlink_frame(random.Random(1), 1))
    pair.from_camera(*[b"a datagram of a picture"] * 20)
    pair.until(lambda: reader.has(20))
    assert {lease.lane for lease, _ in made} == {Lane.VIDEO_A}, "nor of a topic that no program has subscribed to"


def test_the_time_is_that_of_the_arrival_also_of_what_waited_for_a_gap(tmp_path: Path, context, monkeypatch):
    with stepped_pair(tmp_path, links=2) as pair:
        pair.join()
        (session,) = pair.ground.listener.sessions.values()
        pair.until(lambda: pair.ground.paths.several(session, clock.now()))
        reader = Subscriber(pair, context, "telemetry")
        frames = [mavlink_frame(random.Random(1), seq) for seq in range(3)]
        first, _, third = [pair.sealed(Lane.TELEMETRY, partial(pair.from_fc, frame)) for frame in frames]
        now = began = clock.now()
        unix = time.time()
        monkeypatch.setattr(clock, "now", lambda: now)  # from here on time passes as the test says
        monkeypatch.setattr(time, "time", lambda: unix + now - began)
        pair.down(*first, *third)
        turn = partial(pair.turn, pair.ground)
        pair.until(lambda: pair.ground.publication.next_due() < math.inf, turn)
        now += FLUSH_AFTER_S
        pair.until(lambda: reader.has(1), turn)
        now += WAIT_S + FLUSH_AFTER_S
        turn()
        now += FLUSH_AFTER_S
        pair.until(lambda: reader.has(2), turn)
        assert [frame for _, frame, _ in reader.got] == [frames[0], frames[2]]
        assert [origin["time_us"] for _, _, origin in reader.got] == pytest.approx([unix * 1e6] * 2, abs=2)


def test_video_that_had_waited_before_it_was_read_has_the_time_at_which_it_came(pair: SteppedPair, context):
    reader = Subscriber(pair, context, "video.a")
    sealed = pair.sealed(Lane.VIDEO_A, partial(pair.from_camera, b"one", b"two", b"three"), count=3)
    batch = Batch()
    batch.hold(sealed)
    batch.waited(0.9, np.array([0.9, 0.9, 0.2]))
    now = clock.now()
    opened = pair.ground.opener.open(batch, now)
    pair.ground.publication.video(opened, batch, now)
    pair.until(lambda: reader.has(3))
    one, two, three = (origin["time_us"] for _, _, origin in reader.got)
    assert two - one < three - one == pytest.approx(700_000, abs=5_000)


def settled(pair: SteppedPair) -> None:
    """From then on the sender of video is known."""
    pair.ground._housekeep_at = float("inf")
    for _ in range(3):
        pair.down(*pair.sealed(Lane.VIDEO_A, partial(pair.from_camera, b"first")))
        pair.ground.turn()


def test_what_c_opens_before_a_datagram_of_telemetry_is_published_too_and_in_order(pair: SteppedPair, context, opening):
    reader = Subscriber(pair, context, "video.a")
    settled(pair)
    pair.until(lambda: reader.has(3), lambda: None)
    one, two, three = pair.sealed(Lane.VIDEO_A, partial(pair.from_camera, b"one", b"two", b"three"), count=3)
    (frame,) = pair.sealed(Lane.TELEMETRY, partial(pair.from_fc, mavlink_frame(random.Random(1), 0)))
    pair.down(one, two, frame, three)
    pair.ground.turn()
    pair.until(lambda: reader.has(6), lambda: None)
    assert [datagram for _, datagram, _ in reader.got[3:]] == [b"one", b"two", b"three"]


def test_c_reads_the_video_although_it_is_published_also_while_a_lane_has_two_keys(
    pair: SteppedPair, context, opening, monkeypatch
):
    reader, listener = Subscriber(pair, context, "video.a"), pair.ground.opener.listener
    pair.air.announcer._rekey_at = clock.now()
    pair.until(lambda: sum(lease.lane is Lane.VIDEO_A for (lease, *_) in listener.leases.values()) == 2)
    settled(pair)
    pair.until(lambda: reader.has(3), lambda: None)
    (datagram,) = pair.sealed(Lane.VIDEO_A, partial(pair.from_camera, b"one"))
    monkeypatch.setattr(pair.ground.links[0], "receive_into", None)
    pair.down(datagram)
    pair.ground.turn()
    pair.until(lambda: reader.has(4), lambda: None)
    _, shown, origin = reader.got[3]
    assert (shown, origin["session"]) == (b"one", pair.air.announcer.session_id.hex())


def test_more_players_than_c_sends_to_get_the_video_although_it_is_published(tmp_path: Path, context, opening):
    port = free_port()
    with stepped_pair(tmp_path, ground={"video": (f"udpin:{HOST}:{port}",)}) as pair:
        pair.join()
        players = [udp_socket() for _ in range(5)]
        for player in players:
            player.sendto(b"here", (HOST, port))
            pair.turn(pair.ground)
        reader = Subscriber(pair, context, "video.a")
        settled(pair)
        pair.until(lambda: reader.has(3), lambda: None)
        assert [drain(player) for player in players] == [[b"first"] * 3] * 5
        for player in players:
            player.close()


def test_telemetry_waits_for_more_of_it_or_for_video_and_never_long(pair: SteppedPair, context, monkeypatch):
    """What comes together costs one wake-up of the thread that sends; what comes alone is sent by a deadline of its own."""
    reader = Subscriber(pair, context, "telemetry", "video.a")
    frames = [mavlink_frame(random.Random(number), number) for number in range(5)]
    sealed = [pair.sealed(Lane.TELEMETRY, partial(pair.from_fc, frame)) for frame in frames]
    picture = pair.sealed(Lane.VIDEO_A, partial(pair.from_camera, b"a picture"))
    publication, now = pair.ground.publication, clock.now()
    monkeypatch.setattr(clock, "now", lambda: now)  # from here on time passes as the test says
    turn = partial(pair.turn, pair.ground)

    def telemetry(number: int) -> None:
        before = pair.ground.opener.opened[Lane.TELEMETRY]
        pair.down(*sealed[number])
        pair.until(lambda: pair.ground.opener.opened[Lane.TELEMETRY] > before, turn)

    telemetry(0)
    now += HOLD_S / 2
    telemetry(1)
    assert not reader.has(1)
    pair.down(*picture)
    pair.until(lambda: reader.has(3), turn)
    assert [topic for topic, *_ in reader.got] == ["telemetry", "telemetry", "video.a"]
    telemetry(2)
    now += HOLD_S
    telemetry(3)
    pair.until(lambda: reader.has(5), turn)
    telemetry(4)
    pair.ground._housekeep_at, pair.ground._due = math.inf, None
    assert publication.next_due() == now + FLUSH_AFTER_S == pair.ground._deadline()
    now += FLUSH_AFTER_S
    pair.until(lambda: reader.has(6), turn)
    assert publication.next_due() == math.inf
    assert [origin["number"] for topic, _, origin in reader.got if topic == "telemetry"] == [*range(5)]
