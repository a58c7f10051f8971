"""The turn of the ground role, step by step: a real aircraft, real endpoints on loopback, and the test turns both."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pymavlink.dialects.v20 import common as dialect

from gateway import clock
from gateway.config import GroundConfig
from gateway.core.drop_reason import DropReason
from gateway.core.ground.reorder import WAIT_S
from gateway.core.ground.session import Session
from gateway.core.ground.starts import Start
from gateway.demo.stage import HOST, drain, port_of, udp_socket
from gateway.endpoint_state import State
from gateway.errors import ConfigError
from gateway.ground.named_start import named_start
from gateway.ground.role import Ground
from gateway.report.role_status import Use
from keys.lanes import Lane
from keys.statement import Statement
from tests.memory_link import World, mavlink_frame
from tests.property.inner_flight import heartbeat
from tests.stepped_pair import SteppedPair, stepped_pair


def named(text: str | None) -> Start | None:
    return named_start(GroundConfig(station="pilot", order="op.order", accept_older_session=text), World().order)


def test_a_start_is_named_by_its_aircraft_and_its_counter():
    world = World()
    settings = GroundConfig(station="pilot", order="op.order", accept_older_session="drone:42")
    assert named_start(settings, world.order) == Start(world.order.content.devices[0].pub, 42)
    assert named(None) is None


@pytest.mark.parametrize("text", ["", "drone", "drone:", ":42", "drone:-1", "drone:x", "other:42", "drone:4²", "drone:42:"])
def test_what_names_no_start_is_said(text: str):
    with pytest.raises(ConfigError, match="names no start of an aircraft") as caught:
        named(text)
    assert "NAME:COUNTER, such as drone:42; of drone" in caught.value.hint


@pytest.fixture
def pair(tmp_path: Path, data_path: str) -> Iterator[SteppedPair]:
    with stepped_pair(tmp_path) as made:
        made.join()
        made.until(lambda: not made.ground.uplink.sessions.refusal(clock.now()))
        made.carry()
        yield made


def test_what_the_aircraft_seals_reaches_the_people_a_frame_and_a_picture_a_datagram(pair: SteppedPair):
    frames, shown, seen = [mavlink_frame(random.Random(1), seq) for seq in range(3)], list[bytes](), list[bytes]()
    pair.from_fc(*frames)
    pair.from_camera(b"a picture", b"another")
    pair.until(
        lambda: shown.extend(drain(pair.gcs)) or seen.extend(drain(pair.player)) or (len(shown) == 3 and len(seen) == 2)
    )
    assert (shown, seen) == (frames, [b"a picture", b"another"])


def test_a_command_reaches_the_flight_controller(pair: SteppedPair):
    pair.from_fc(mavlink_frame(random.Random(1), 0))
    pair.until(lambda: drain(pair.gcs))
    pair.from_gcs(heartbeat())
    pair.until(lambda: heartbeat() in drain(pair.fc))
    assert pair.ground.uplink.sent == 1


def test_the_sender_of_what_is_authentic_and_new_is_answered_at_once_and_the_sender_of_a_copy_is_not(tmp_path: Path):
    """Before any challenge has come back: an order can go up to an aircraft by the first datagram that is opened."""
    with stepped_pair(tmp_path) as pair, udp_socket() as copier:
        ((radio, port),) = pair.ways

        def one_way() -> None:
            pair.turn(pair.air)
            datagrams = pair.on_air()
            pair.down(*datagrams)
            pair.turn(pair.ground)
            for datagram in datagrams:
                copier.sendto(datagram, (HOST, port))
            pair.turn(pair.ground)

        def answered() -> list[str]:
            (link,) = pair.ground.status(clock.now()).of_use(Use.LINK)
            return link.clients

        pair.until(answered, one_way)
        copies = pair.ground.opener.drops[DropReason.REPLAYED]
        pair.until(lambda: pair.ground.opener.drops[DropReason.REPLAYED] > copies, one_way)
        assert not any(session.proved for session in pair.ground.listener.sessions.values())
        assert answered() == [f"{HOST}:{port_of(radio)}"]


def test_while_the_link_is_silent_the_people_hear_nothing_and_rubbish_is_counted(pair: SteppedPair):
    before = pair.ground.opener.drops.copy()
    rubbish = [b"", bytes(20), b"\x90" + bytes(40), b"\xf0" + bytes(60), b"\x50" * 30]
    pair.down(*rubbish)
    pair.until(lambda: (pair.ground.opener.drops - before).total() == len(rubbish), lambda: pair.turn(pair.ground))
    assert drain(pair.gcs) + drain(pair.player) == []


def test_by_several_links_telemetry_waits_for_a_gap_and_video_and_evidence_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with stepped_pair(tmp_path, links=2) as pair:
        pair.join()
        (session,) = pair.ground.listener.sessions.values()
        pair.until(lambda: pair.ground.paths.several(session, clock.now()))
        frames, pictures = [mavlink_frame(random.Random(1), seq) for seq in range(3)], [b"one", b"two", b"three"]
        (first,), (_,), (third,) = (pair.sealed(Lane.TELEMETRY, partial(pair.from_fc, frame)) for frame in frames)
        (one,), (_,), (three,) = (pair.sealed(Lane.VIDEO_A, partial(pair.from_camera, each)) for each in pictures)
        (_, beat) = (pair.sealed(Lane.EVIDENCE, lambda: None)[-1] for _ in range(2))
        before = session.seq
        now, shown, seen = clock.now(), list[bytes](), list[bytes]()
        monkeypatch.setattr(clock, "now", lambda: now)  # from here on time stands still
        pair.down(first, third, one, three, beat)

        def turn() -> None:
            pair.turn(pair.ground)
            shown.extend(drain(pair.gcs))
            seen.extend(drain(pair.player))

        pair.until(lambda: seen and session.seq > before, turn)
        assert (shown, seen) == (frames[:1], [b"one", b"three"])
        now += WAIT_S
        pair.until(lambda: len(shown) > 1, turn)
        assert shown == [frames[0], frames[2]]


def test_when_it_is_told_to_stop_it_closes_everything(pair: SteppedPair):
    pair.stop(pair.ground)
    assert {endpoint.state for endpoint in pair.ground.endpoints} == {State.DOWN}


def test_what_was_said_of_sessions_that_are_gone_is_forgotten(monkeypatch):
    """A device key that is in other hands states new ones without end."""
    held, said = dict[bytes, Any](), list[str]()
    monkeypatch.setattr("gateway.ground.role.say", lambda _, text: said.append(text))
    ground: Any = SimpleNamespace(
        listener=SimpleNamespace(sessions=held, me=SimpleNamespace(index=1)),
        station=SimpleNamespace(name="pilot"),
        uplink=SimpleNamespace(may_command=True, sessions=SimpleNamespace(refusal_of=lambda *_: None)),
        _shown={},
        _commanded=set(),
    )
    for number in range(50):
        session = Session(Statement(bytes(32), 0, bytes(32), number, 0), b"device")
        name = session.session_id
        held.clear()
        held[name[:8]] = session
        for _ in range(2):
            Ground._show_sessions(ground, 0.0)
            Ground._show_commands(ground, 0.0)
    assert (set(ground._shown), ground._commanded) == ({name}, {name})
    assert len(said) == 2 * 50  # each thing once


def test_a_turn_that_has_only_video_ends_with_it_and_what_else_comes_is_not_left(pair: SteppedPair, monkeypatch):
    ground, whole = pair.ground, list[float]()
    turn, housekeep = ground._whole_turn, ground._housekeep
    monkeypatch.setattr(ground, "_whole_turn", lambda ready, now: (whole.append(now), turn(ready, now)))
    looked: list[float] = []
    monkeypatch.setattr(ground, "_housekeep", lambda now: (looked.append(now), housekeep(now)))
    pair.air._housekeep_at = float("inf")
    ground._due = None
    turns, seen, shown, began = 0, list[bytes](), list[bytes](), clock.now()
    while clock.now() - began < 1.2:
        pair.from_camera(b"a slice")
        if turns == 20:
            pair.from_fc(heartbeat())
        pair.air.turn()
        pair.down(*pair.on_air())
        ground.turn()
        seen += drain(pair.player)
        shown += drain(pair.gcs)
        turns += 1
    assert len(seen) >= turns - 1
    assert heartbeat() in shown
    assert turns > 5 * len(whole)
    assert len(looked) >= 4
    assert ground.status(clock.now()).sealed


@pytest.mark.parametrize("rewrite", [False, True])
def test_a_stream_with_an_address_aboard_is_not_heard_of_or_is_at_the_stations_own_port(tmp_path: Path, rewrite: bool):
    with stepped_pair(tmp_path, rewrite=rewrite) as pair:
        pair.join()
        own = b"%d" % port_of(pair.player)
        around, told = stream(b"rtsp://192.168.1.10/1", 2), stream(own, 1)
        last = bytes(dialect.MAVLink_heartbeat_message(2, 3, 0, 0, 4, 3).pack(dialect.MAVLink(None, 1, 1)))
        came: list[bytes] = []

        def step() -> None:
            pair.step()
            came.extend(drain(pair.gcs))

        pair.from_fc(around, last)
        pair.until(lambda: last in came, step)
        assert came == ([told] if rewrite else []) + [last]


def stream(uri: bytes, kind: int) -> bytes:
    fields = (1, 1, kind, 1, 30.0, 1920, 1080, 4_000_000, 0, 60, b"day", uri)
    return bytes(dialect.MAVLink_video_stream_information_message(*fields).pack(dialect.MAVLink(None, 1, 100)))
