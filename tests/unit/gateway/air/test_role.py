"""The turn of the air role, step by step: real endpoints on loopback, a real device folder, and the test turns it."""

from __future__ import annotations

import os
import socket
import threading
import time
import tty
from collections import Counter
from collections.abc import Iterator, Set
from pathlib import Path

import pytest
from pymavlink.dialects.v20 import all as dialect

from gateway import clock
from gateway.air import role, standing
from gateway.core.air import announcer
from gateway.demo.stage import HOST, free_port
from gateway.endpoint_state import State
from gateway.endpoints import Endpoint, slip
from gateway.errors import OrderExpired
from gateway.loop.frame_reader import SETTLE_S
from keys.folders import inbox, store
from keys.lanes import Lane
from tests.stepped_pair import SteppedPair, stepped_pair
from tests.system.house import zegel
from tests.unit.gateway.endpoints.wires import read_all

FLIGHT = dialect.MAVLink(None, srcSystem=1, srcComponent=1)
PING = bytes(dialect.MAVLink_ping_message(1, 1, 1, 1).pack(FLIGHT))
PARAMETER = bytes(dialect.MAVLink_param_value_message(b"A_NAME", 1.0, 9, 1, 0).pack(FLIGHT))
SIGNING = bytes(dialect.MAVLink_setup_signing_message(1, 1, bytes(32), 1).pack(FLIGHT))
BAUD = 460_800  # a line that is wide enough for video, and takes seconds for some pictures
PICTURE, PICTURES = 1200, 10
SEALED = 0x90


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[SteppedPair]:
    with stepped_pair(tmp_path) as made:
        made.turn(made.air)  # opens its endpoints, and says who it is
        yield made


def lanes(datagrams: list[bytes]) -> Counter[Lane]:
    return Counter(Lane(datagram[1]) for datagram in datagrams if datagram[0] >= SEALED)


def sent(pair: SteppedPair, lane: Lane) -> Counter[Lane]:
    """Turn until something of the lane is on air; all that is."""
    on_air: Counter[Lane] = Counter()

    def turn() -> None:
        pair.turn(pair.air)
        on_air.update(lanes(pair.on_air()))

    pair.until(lambda: on_air[lane], turn)
    return on_air


def test_an_aircraft_that_is_made_has_its_session_and_has_said_nothing(tmp_path: Path):
    with stepped_pair(tmp_path) as pair:
        assert pair.air.sessions.boot == 1
        assert Lane.TELEMETRY in pair.air.announcer.lanes
        assert pair.on_air() == []
        pair.turn(pair.air)
        on_air = pair.on_air()
        assert on_air
        assert on_air[0][0] < SEALED  # its statement


def test_frames_leave_in_one_datagram_for_commanders_and_one_for_observers(pair: SteppedPair):
    pair.from_fc(PING, PING)
    on_air = sent(pair, Lane.OBSERVER_TELEMETRY)
    assert (on_air[Lane.TELEMETRY], on_air[Lane.OBSERVER_TELEMETRY]) == (1, 1)
    assert pair.air.frames.status()["1/1"].frames == 2


def test_what_holds_a_signing_key_stays_aboard(pair: SteppedPair):
    pair.from_fc(SIGNING, PING)
    sent(pair, Lane.TELEMETRY)
    assert pair.air.frames.status()["1/1"].frames == 1
    assert pair.air.uplink.drops()["guarded"] == 1


def test_of_two_cameras_each_has_its_turn(tmp_path: Path, data_path: str):
    ports = free_port(), free_port()
    with stepped_pair(tmp_path, video=tuple(f"udpin:{HOST}:{port}" for port in ports)) as pair:
        pair.turn(pair.air)
        pair.on_air()
        turns = []
        for _ in ports:
            for port in ports:
                pair.camera.sendto(b"a picture", (HOST, port))
            pair.turn(pair.air)
            turns.append(lanes(pair.on_air()))
        assert [(turn[Lane.VIDEO_A], turn[Lane.VIDEO_B]) for turn in turns] == [(1, 0), (0, 2)]


def test_while_a_line_is_busy_video_is_dropped_and_control_goes_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    far, near = os.openpty()
    tty.setraw(near)
    os.set_blocking(far, False)
    radio, on_air = slip.Decoder(), list[bytes]()
    with stepped_pair(tmp_path, link=(f"serial:{os.ttyname(near)}:{BAUD}",)) as pair:
        air, (line,) = pair.air, pair.air.links

        def turn() -> None:
            pair.turn(air)
            on_air.extend(radio.feed(read_all(far)))

        pair.until(lambda: line.state is State.CONNECTED, turn)
        pair.until(lambda: not line.backlog_s(clock.now()), turn)
        now = clock.now()  # from here on time stands still, and the line stays as busy as it is
        monkeypatch.setattr(clock, "now", lambda: now)
        pair.from_camera(*[bytes(PICTURE)] * PICTURES)
        pair.until(lambda: lanes(on_air)[Lane.VIDEO_A] == PICTURES, turn)
        on_air.clear()
        pair.from_camera(bytes(PICTURE))
        pair.from_fc(PING)
        pair.until(lambda: air.downlink.full and air.frames.rows, turn)
        assert (air.downlink.full, air.downlink.down, lanes(on_air)) == (1, 0, {})
        assert air.downlink.wait_s(now) > 0, "telemetry waits to be sealed"
        air.announcer.beat_at = now
        pair.until(lambda: on_air, turn)
        assert on_air[0][0] < SEALED
        assert lanes(on_air)[Lane.TELEMETRY] == 0
    os.close(far)
    os.close(near)


def test_a_flight_controller_that_has_to_wait_lets_the_loop_sleep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What is read of a stream ends inside a frame nearly always, and its rest is not read while the link has no room."""
    far, near = os.openpty()
    tty.setraw(near)
    os.set_blocking(far, False)
    server = socket.create_server((HOST, 0))
    ends = {"fc": f"tcp:{HOST}:{server.getsockname()[1]}", "link": (f"serial:{os.ttyname(near)}:57600",)}
    real_now = clock.now
    times = [real_now()]
    monkeypatch.setattr(clock, "now", lambda: times[0])
    with stepped_pair(tmp_path, **ends) as pair, server:
        air = pair.air

        def turn() -> None:
            pair.turn(air)
            read_all(far)

        def is_held() -> bool:
            times[0] = real_now()  # and then it stands still
            turn()
            busy = air.downlink.wait_s(times[0]) > 0 and air.fc_frames.next_due() < float("inf")
            return busy and air.hold_back.holds(air.bundler, times[0])

        turn()
        flight_controller, _ = server.accept()
        with flight_controller:
            pair.until(lambda: is_held() or air.fc.state is State.CONNECTED, lambda: time.sleep(0.001))
            flight_controller.setblocking(False)
            flight_controller.send(PARAMETER * 10_000)
            pair.until(is_held, lambda: time.sleep(0.001))
            turn()
            times[0] += SETTLE_S + 0.001
            turn()
            assert air._next_due(times[0]) > times[0]
    os.close(far)
    os.close(near)


def test_an_order_from_the_inbox_begins_a_session_that_the_whole_role_follows(pair: SteppedPair):
    before, path = pair.air.announcer, pair.house.folder / "next.order"
    words = ("--agency", pair.house.folder / "agency", "--station", "observer", "-o", path)
    zegel("order", "revoke", pair.house.order, *words)
    store.write(pair.device.path / inbox.ORDER, path.read_bytes())
    pair.until(lambda: pair.air.announcer is not before, lambda: (pair.turn(pair.air), pair.on_air()))
    assert pair.air.uplink.opener.announcer is pair.air.announcer
    assert pair.air.sessions.boot == 2
    pair.from_fc(PING)
    assert sent(pair, Lane.TELEMETRY)[Lane.OBSERVER_TELEMETRY] == 0, "nobody reads it any more"


def test_an_order_that_has_ended_begins_nothing_on_the_ground(pair: SteppedPair, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(role, "board_clock", lambda: int(time.time()) + 9 * 3600)
    monkeypatch.setattr(standing, "HEAR_FC_S", 0.5)
    done = threading.Event()
    heartbeat = bytes(dialect.MAVLink_heartbeat_message(2, 3, 0, 0, 4, 3).pack(FLIGHT))
    for endpoint in pair.air.endpoints:  # the port is free for the next one
        endpoint.close()

    def speak() -> None:
        while not done.wait(0.02):
            pair.from_fc(heartbeat)

    speaker = threading.Thread(target=speak)
    speaker.start()
    try:
        with pytest.raises(OrderExpired, match="and the aircraft is on the ground"):
            pair.new_air()
    finally:
        done.set()
        speaker.join()
    assert pair.device.next_boot()[0] == 2  # the refused start took none


def test_its_last_word_is_that_the_session_is_closed(pair: SteppedPair):
    pair.join()
    (session,) = pair.ground.listener.sessions.values()
    pair.stop(pair.air)
    assert {endpoint.state for endpoint in pair.air.endpoints} == {State.DOWN}
    pair.carry()
    pair.until(lambda: session.closed, lambda: pair.turn(pair.ground))


def test_a_turn_that_has_only_video_ends_with_it_and_what_is_due_comes_in_its_time(tmp_path):
    with stepped_pair(tmp_path) as pair:
        air, whole = pair.air, list[float]()
        turn = air._whole_turn

        def counted(ready: Set[Endpoint], now: float) -> None:
            whole.append(now)
            turn(ready, now)

        air._whole_turn = counted  # type: ignore[method-assign]
        for _ in range(20):  # the round of announcements at the start is over
            pair.step()
        whole.clear()
        sent, beats, began = 0, air.announcer._seq, clock.now()
        while clock.now() - began < 1.2:
            pair.from_camera(b"a slice")
            air.turn()
            sent += 1
        assert sent > 10 * len(whole)
        assert air.announcer.current.send_keys[Lane.VIDEO_A].next_ctr >= sent - len(whole)
        assert air.announcer._seq - beats >= 2
        assert air.status(clock.now()).uptime_s > 1


def test_much_video_brings_a_beat_at_once_for_no_station_opens_what_is_far_beyond_the_last(tmp_path, monkeypatch):
    with stepped_pair(tmp_path) as pair:
        pair.join()
        monkeypatch.setattr(announcer, "BEAT_AFTER_PACKETS", 10)
        air, key = pair.air, pair.air.announcer.current.send_keys[Lane.VIDEO_A]
        for _ in range(100):
            pair.from_camera(b"a slice")
            air.turn()
            assert key.next_ctr - air.announcer._beaten[key.kid] <= 12
