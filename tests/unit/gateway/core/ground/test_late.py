"""What had waited at a station before it was read: SPEC.md sections 4.4 and 6."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.core import sframe
from gateway.core.budget import Budget
from gateway.core.drop_reason import DropReason
from gateway.core.ground.session import ALIVE_FOR_S, ECHOES
from gateway.core.wire import FIRST_CONTROL, Evidence
from keys.lanes import Lane
from tests.memory_link import PILOT, Aircraft, Station, World, command, mavlink_frame
from tests.unit.gateway.core.by_hand import batch_of


class Scene:
    def __init__(self) -> None:
        self.world = World(1, roles=(PILOT,))
        self.aircraft: Aircraft = self.world.aircraft()
        self.station: Station = self.world.station(1)
        self.now = command(self.world, self.station, self.aircraft, 0.0)

    def read(self, datagrams: list[bytes], ages: list[float]) -> list[bytes]:
        """What the station delivers of datagrams that had waited so long."""
        batch = batch_of(*datagrams)
        batch.waited(max(ages), np.array(ages))
        opened = self.station.opener.open(batch, self.now)
        assert all(batch.age(slot) <= 1 for slot in opened.fresh), "what is late vouches for nobody"
        return [bytes(view) for view in (*opened.frames, *map(batch.view, opened.slots(Lane.VIDEO_A)))]


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_telemetry_and_video_that_waited_over_a_second_are_not_delivered(scene: Scene):
    frames = [mavlink_frame(scene.world.random, seq) for seq in range(3)]
    pictures = [b"first", b"second"]
    sealed = [scene.aircraft.seal(Lane.TELEMETRY, [frame])[0] for frame in frames]
    sealed += scene.aircraft.seal(Lane.VIDEO_A, pictures)
    assert scene.read(sealed, [8.0, 1.1, 0.9, 2.0, 0.1]) == [frames[2], pictures[1]]
    assert scene.station.drops["late"] == 3
    assert scene.read(sealed, [0.0] * 5) == []
    assert scene.station.drops["replayed"] == 5, "what was late is not taken once more"


@pytest.mark.parametrize(("lane", "gap", "waited"), [("clear", 8.0, 7.0), ("evidence", 2.5, 2.0)])
def test_a_beat_is_as_old_as_its_arrival_and_an_echo_is_of_the_one_that_was_newest_then(
    scene: Scene, lane: str, gap: float, waited: float
):
    (session,) = scene.station.listener.sessions.values()
    before, last = session.beat.nonce, scene.now
    scene.now += gap
    late = []
    while not late:
        scene.now += 0.05
        kept = FIRST_CONTROL if lane == "clear" else sframe.DOWNLINK_FIRST
        late = [datagram for datagram in scene.aircraft.control(scene.now) if datagram[0] & 0xF0 == kept & 0xF0]
    scene.read(late, [waited] * len(late))
    assert session.beat.nonce != before
    assert session.beat_at == scene.now - waited
    assert session.alive(scene.now) is (waited < ALIVE_FOR_S)
    assert session.nonce_at(scene.now) == session.beat.nonce
    assert session.nonce_at(scene.now - waited - 0.1) == session.nonce_at(last) == before
    assert session.nonce_at(-1.0) is None


@pytest.mark.parametrize("lane", ["clear", "evidence"])
def test_a_beat_of_which_nothing_tells_when_it_came_came_when_it_was_read(scene: Scene, lane: str):
    """As on a serial line: else one standstill would make all beats late that come after it, and old commands fresh."""
    (session,) = scene.station.listener.sessions.values()
    before, began = session.beat.nonce, scene.now
    for _ in range(40):
        scene.now += 0.05
        kept = FIRST_CONTROL if lane == "clear" else sframe.DOWNLINK_FIRST
        beats = [datagram for datagram in scene.aircraft.control(scene.now) if datagram[0] & 0xF0 == kept & 0xF0]
        batch = batch_of(*beats)
        batch.waited(6.0)
        scene.station.opener.open(batch, scene.now)
    assert session.beat.nonce != before
    assert session.nonce_at(began) == before, "a command that came before them does not go up behind them"
    assert scene.now - session.beat_at < 0.6
    scene.now += 0.5
    scene.read(scene.aircraft.control(scene.now), [0.0])
    assert session.lateness.lag_s < 0.1
    assert not scene.station.drops["late_beat"]


def test_the_nonces_that_are_kept_are_bounded(scene: Scene):
    (session,) = scene.station.listener.sessions.values()
    for number in range(ECHOES + 10):
        session.hear(session.beat, session.newest_message, scene.now + number)
    assert len(session._nonces) == ECHOES


def test_what_came_earlier_and_is_read_later_costs_a_budget_no_more_than_itself():
    budget = Budget(10, 5)
    assert all(budget.spend(100.0) for _ in range(5))
    assert not budget.spend(92.0)
    assert budget.spend(100.2)


def test_what_was_at_hand_while_the_process_stood_still_is_late(scene: Scene):
    for seconds, delivered in ((0.9, 1), (1.1, 0)):
        sealed = scene.aircraft.seal(Lane.TELEMETRY, [mavlink_frame(scene.world.random, 1)])
        sealed += scene.aircraft.seal(Lane.VIDEO_A, [b"picture"])
        opened = scene.station.opener.open(batch_of(*sealed), scene.now)
        scene.station.opener.look_again(opened, seconds)
        assert (len(opened.frames), len(opened.video)) == (delivered, delivered)
    assert scene.station.drops["late"] == 2


def test_a_beat_that_waited_gives_no_lease_for_the_time_that_has_passed(scene: Scene):
    """A ground stood still: the beat came in its time, and what came behind it since then may be of any age."""
    scene.now += 8.0
    beats = [datagram for datagram in scene.aircraft.control(scene.now) if datagram[:1] == b"\1"]
    scene.read(beats, [7.0] * len(beats))
    assert scene.read(scene.aircraft.seal(Lane.VIDEO_A, [b"picture"]), [0.0]) == []
    assert scene.station.drops["lane_closed"] == 1


def sealed(scene: Scene, lane: Lane, now: float) -> list[bytes]:
    """What the aircraft says in this lane by itself, now."""
    head = scene.aircraft.announcer.send_key(lane).kid.to_bytes(2, "big")
    return [
        each for each in scene.aircraft.control(now) if each[0] >> 4 == sframe.DOWNLINK_FIRST >> 4 and each[1:3] == head
    ]


@pytest.fixture
def after_a_gap(scene: Scene) -> Scene:
    """The lease is over, and whoever has op_id leaves no budget to the beats of control datagrams."""
    for _ in range(200):
        scene.now += 0.05
        scene.aircraft.control(scene.now)
    scene.station.listener.tick(scene.now)
    return scene


def test_after_a_gap_a_beat_of_the_evidence_lane_opens_the_feed_again(after_a_gap: Scene):
    scene, picture = after_a_gap, b"picture"
    assert scene.read(scene.aircraft.seal(Lane.VIDEO_A, [picture]), [0.0]) == []
    beats: list[bytes] = []
    while not beats:
        scene.now += 0.05
        beats = sealed(scene, Lane.EVIDENCE, scene.now)
    assert scene.read(beats, [0.0] * len(beats)) == []
    assert scene.read(scene.aircraft.seal(Lane.VIDEO_A, [picture]), [0.0]) == [picture]


def test_after_a_gap_the_evidence_lane_opens_for_nothing_but_beats_and_authenticates_no_one(after_a_gap: Scene):
    scene = after_a_gap
    piece = scene.aircraft.seal(Lane.EVIDENCE, [bytes([Evidence.ORDER_FRAGMENT]) + b"a piece of an order"])
    assert not scene.station.opener.open(batch_of(*piece), scene.now).fresh
    assert +scene.station.opener.drops == {DropReason.LANE_CLOSED: 1}


def test_after_a_gap_a_beat_that_was_withheld_is_as_late_as_in_a_control_datagram(scene: Scene):
    withheld: list[bytes] = []
    while not withheld:
        scene.now += 0.05
        withheld = sealed(scene, Lane.EVIDENCE, scene.now)
    scene.now += 8.0
    scene.station.listener.tick(scene.now)
    scene.read(withheld, [0.0] * len(withheld))
    assert scene.read(scene.aircraft.seal(Lane.VIDEO_A, [b"picture"]), [0.0]) == []
    assert +scene.station.opener.drops == {DropReason.LATE_BEAT: len(withheld), DropReason.LANE_CLOSED: 1}


def test_nor_does_a_sealed_beat_for_what_follows_it_in_the_same_read(scene: Scene):
    scene.now += 8.0
    sealed = [datagram for datagram in scene.aircraft.control(scene.now) if datagram[0] != FIRST_CONTROL]
    assert sealed, "the beat in the evidence lane"
    read = [*sealed, *scene.aircraft.seal(Lane.VIDEO_A, [b"picture"])]
    assert scene.read(read, [7.0] * len(sealed) + [0.0]) == []
    assert scene.station.drops["lane_closed"] == 1
