from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from gateway import clock
from gateway.config import GroundConfig
from gateway.core.ground.paths import Paths
from gateway.core.ground.reorder import Reorder
from gateway.core.ground.starts import Start
from gateway.errors import ConfigError
from gateway.ground.role import Ground, named_start
from gateway.loop.barrier import Barrier
from gateway.report.advice import READY
from keys.lanes import Lane
from tests.memory_link import PILOT, World, join, mavlink_frame
from tests.unit.gateway.core.by_hand import batch_of
from tests.unit.gateway.plain_end import PlainEnd


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


def test_by_several_links_telemetry_waits_for_a_gap_and_video_and_evidence_do_not():
    world = World(1, roles=(PILOT,))
    aircraft, station = world.aircraft(), world.station(1)
    now = join(world, station, aircraft, 0.0)
    frames = [mavlink_frame(world.random, seq) for seq in range(3)]
    (first,), (_,), (third,) = (aircraft.seal(Lane.TELEMETRY, [frame]) for frame in frames)
    (one,), (_,), (three,) = (aircraft.seal(Lane.VIDEO_A, [picture]) for picture in (b"one", b"two", b"three"))
    (beat,) = [datagram for datagram in aircraft.control(now + 0.5) if datagram[0] >> 4 == 9]
    (session,) = station.listener.sessions.values()
    batch, said, before = batch_of(first, third, one, three, beat), list[Any](), session.seq
    ground: Any = SimpleNamespace(
        opener=station.opener,
        listener=station.listener,
        systems=station.sessions.systems,
        reorder=Reorder(lambda *_: True),
        paths=Paths(1),
        barrier=Barrier(),
        players=[None],
        feed=None,
        owners=SimpleNamespace(record=lambda: None),
        _batch=batch,
        boots=SimpleNamespace(record=lambda: None),
        _to_gcs=lambda given, _: said.extend(map(bytes, given)),
        _to_video=lambda _, slots, __: said.extend(bytes(batch.view(slot)) for slot in slots),
    )
    Ground._open_link(ground, 0, PlainEnd(), clock.now(), now + 0.5)
    assert said == [frames[0], b"one", b"three"]
    assert session.seq == before + 1
    assert [*map(bytes, ground.reorder.release(now + 0.6))] == [frames[2]]


def test_what_was_said_of_sessions_that_are_gone_is_forgotten(monkeypatch):
    """A device key that is in other hands states new ones without end."""
    held, said = dict[bytes, Any](), list[str]()
    monkeypatch.setattr("gateway.ground.role.say", lambda _, text: said.append(text))
    ground: Any = SimpleNamespace(
        listener=SimpleNamespace(sessions=held),
        station=SimpleNamespace(name="pilot"),
        uplink=SimpleNamespace(may_command=True, state=lambda *_: READY),
        _shown={},
        _commanded=set(),
        _state=lambda *_: "open",
    )
    for number in range(50):
        name = number.to_bytes(16, "big")
        held.clear()
        held[name[:8]] = SimpleNamespace(session_id=name)
        for _ in range(2):
            Ground._show_sessions(ground, 0.0)
            Ground._show_commands(ground, 0.0)
    assert (set(ground._shown), ground._commanded) == ({name}, {name})
    assert len(said) == 2 * 50  # each thing once
