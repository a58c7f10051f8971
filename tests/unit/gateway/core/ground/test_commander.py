"""When a station may command, and what its datagrams look like: SPEC.md sections 4.7 and 6."""

from __future__ import annotations

import dataclasses
import itertools

import pytest

from gateway.core import sframe
from gateway.core.ground.challenges import CHALLENGE_EVERY_S, FIRST_REPEAT_AFTER_S, REPEAT_AFTER_S
from gateway.core.ground.commander import Commander
from gateway.core.ground.session import ALIVE_FOR_S
from gateway.core.refusal import Refusal
from gateway.core.wire import CHALLENGE_FOR_S, LINK_MTU, Control, Kind
from keys.beat_flag import Flag
from keys.lanes import Lane, Role
from keys.order import Policy
from tests.memory_link import OBSERVER, PILOT, Aircraft, Station, World, batches, command, join, mavlink_frame


def gaps(times: list[float]) -> list[float]:
    return [later - earlier for earlier, later in itertools.pairwise(times)]


class Scene:
    def __init__(self, station: int = 1, policy: Policy | None = None) -> None:
        self.world = World(1, roles=(PILOT, OBSERVER, Role.WITNESS), policy=policy)
        self.aircraft: Aircraft = self.world.aircraft()
        self.station: Station = self.world.station(station)
        self.frame = mavlink_frame(self.world.random, 1)
        self.now = join(self.world, self.station, self.aircraft, 0.0)
        self.station.sessions.follow(self.station.listener.sessions.values(), self.now)

    @property
    def commander(self) -> Commander:
        (commander,) = self.station.sessions.commanders.values()
        return commander

    def pass_time(self, seconds: float, *, up: bool = True, down: bool = True) -> None:
        """Let the two talk, or only one of them be heard."""
        end = self.now + seconds
        while self.now < end:
            self.now += 0.05
            sent = self.station.control(self.now)
            self.aircraft.receive(sent if up else [], self.now)
            said = self.aircraft.control(self.now)
            self.station.receive(said if down else [], self.now)


def test_no_command_before_a_challenge_was_answered():
    scene = Scene()
    assert scene.station.seal([scene.frame], scene.now) is Refusal.NOT_FRESH
    scene.pass_time(1.0)
    (datagram,) = scene.station.seal([scene.frame], scene.now)
    scene.aircraft.receive([datagram], scene.now)
    assert scene.aircraft.commands == [(1, scene.frame)]


def test_freshness_ends_ten_seconds_after_the_last_answered_challenge_was_drawn():
    """The downlink lives, but no challenge reaches the aircraft."""
    scene = Scene()
    scene.pass_time(1.0)
    drawn = scene.commander._challenges._answered_at
    scene.pass_time(drawn + CHALLENGE_FOR_S - scene.now - 0.1, up=False)
    assert scene.commander.refusal(scene.now) is None
    scene.pass_time(0.2, up=False)
    assert scene.station.seal([scene.frame], scene.now) is Refusal.NOT_FRESH
    scene.pass_time(CHALLENGE_EVERY_S + 1)
    assert scene.commander.refusal(scene.now) is None


def test_an_answer_that_was_drawn_too_long_ago_is_none():
    """A relay that holds the beats back for longer than a challenge lives."""
    scene = Scene()
    scene.aircraft.receive(scene.station.control(scene.now), scene.now)
    held = [datagram for tick in range(198) for datagram in scene.aircraft.control(scene.now + tick * 0.05)]
    scene.station.receive(held, scene.now + CHALLENGE_FOR_S + 0.1)
    assert 1 in scene.commander.session.beat.challenges
    assert scene.commander.refusal(scene.now + CHALLENGE_FOR_S + 0.1) is Refusal.NOT_FRESH


def test_an_answer_to_a_challenge_that_was_never_sent():
    scene = Scene()
    scene.aircraft.announcer.freshness.challenge(1, b"forged..", scene.now)
    scene.pass_time(2.0, up=False)
    assert not scene.commander.answered(scene.now)


def test_a_challenge_is_drawn_every_three_seconds_and_repeated_until_it_is_answered():
    scene = Scene()
    scene.pass_time(1.0)
    times: list[float] = []
    for _ in range(20 * 12):
        scene.now += 0.05
        sent = scene.station.control(scene.now)
        times += [scene.now] * len(sent)
        scene.aircraft.receive(sent, scene.now)
        scene.station.receive(scene.aircraft.control(scene.now), scene.now)
    assert len(times) >= 4
    assert gaps(times) == pytest.approx([CHALLENGE_EVERY_S] * (len(times) - 1), abs=0.06)
    times.clear()
    for _ in range(20 * 6):
        scene.now += 0.05
        times += [scene.now] * len(scene.station.control(scene.now))
        scene.station.receive(scene.aircraft.control(scene.now), scene.now)
    assert len(times) >= 4
    assert gaps(times) == pytest.approx([REPEAT_AFTER_S] * (len(times) - 1), abs=0.06)


@pytest.mark.parametrize("station", [2, 3])
def test_a_station_that_may_not_command_challenges_and_is_refused(station: int):
    scene = Scene(station)
    scene.pass_time(1.0)
    assert scene.commander.answered(scene.now)
    assert scene.station.seal([scene.frame], scene.now) is Refusal.OBSERVER


def test_a_silent_or_closed_session_is_not_commanded():
    scene = Scene()
    scene.pass_time(1.0)
    assert scene.station.seal([scene.frame], scene.now + 4) is Refusal.ENDED
    assert scene.commander.challenges([(0, "radio")], scene.now + 4) == []
    scene.station.receive(scene.aircraft.announcer.close(scene.now), scene.now)
    assert scene.station.control(scene.now) == []
    assert scene.station.seal([scene.frame], scene.now + 3.1) is Refusal.ENDED


def test_a_closed_session_takes_commands_for_fresh_ms():
    scene = Scene(policy=Policy(fresh_ms=2000))
    scene.pass_time(1.0)
    scene.station.receive(scene.aircraft.announcer.close(scene.now), scene.now)
    (datagram,) = scene.station.seal([scene.frame], scene.now + 1.9)
    scene.aircraft.receive([datagram], scene.now + 1.9)
    assert scene.aircraft.commands == [(1, scene.frame)]
    assert scene.station.seal([scene.frame], scene.now + 2.1) is Refusal.ENDED


@pytest.mark.parametrize("station", [1, 2, 3])
def test_every_station_says_once_a_second_that_it_holds_the_order_that_is_ahead(station: int):
    scene = Scene(station)
    scene.pass_time(1.0)
    held = []
    ahead = dataclasses.replace(scene.world.order, order_hash=bytes(range(32)))
    for adopted, flag in ((False, Flag.ORDER_CHANGE_AHEAD), (True, Flag(0)), (True, Flag.ORDER_CHANGE_AHEAD)):
        scene.aircraft.announcer.flags = flag
        scene.station.sessions.order = ahead if adopted else scene.world.order
        scene.pass_time(1.0)
        held.append([content for _, content in heard_of(scene, Control.ORDER_HELD, 2.95)])
    assert held == [[], [], [bytes(range(16))] * 3]


def heard_of(scene: Scene, kind: Control, seconds: float) -> list[tuple[float, bytes]]:
    out, end = [], scene.now + seconds
    while scene.now < end:
        scene.now += 0.05
        for batch in batches(scene.station.control(scene.now)):
            accepted = scene.aircraft.uplink_opener.open(batch, scene.now)
            out += [(scene.now, content) for _, found, content in accepted.control if found is kind]
        scene.station.receive(scene.aircraft.control(scene.now), scene.now)
    return out


def test_the_first_challenge_is_repeated_fast_and_not_for_long():
    """Until it is answered a new session is not commanded; where nobody answers, there is no way up."""
    scene = Scene()
    times: list[float] = []
    for _ in range(20 * 8):
        scene.now += 0.05
        times += [scene.now] * len(scene.station.control(scene.now))
        scene.station.receive(scene.aircraft.control(scene.now), scene.now)
    assert gaps(times)[:10] == pytest.approx([FIRST_REPEAT_AFTER_S] * 10, abs=0.06)
    assert gaps(times)[-3:] == pytest.approx([REPEAT_AFTER_S] * 3, abs=0.06)


def test_no_aircraft_at_all():
    station = World(1).station(1)
    assert station.seal([b"frame"], 0.0) is Refusal.NO_AIRCRAFT
    assert station.control(0.0) == []


def test_each_restart_of_a_ground_has_an_instance_of_its_own_and_counts_from_zero():
    scene = Scene()
    kids = set()
    for _ in range(20):
        scene.station = scene.world.station(1)
        scene.now = command(scene.world, scene.station, scene.aircraft, scene.now + 1)
        (datagram,) = scene.station.seal([scene.frame], scene.now)
        kid, ctr, _ = sframe.decode_header(datagram[:13])
        assert (kid >> 60, kid >> 56 & 15, ctr) == (Lane.UPLINK - 15, 1, 0)
        kids.add(kid)
    assert len(kids) == 20


def test_frames_are_bundled_in_order_within_the_links_size_and_padded():
    scene = Scene()
    scene.pass_time(1.0)
    frames = [mavlink_frame(scene.world.random, seq) for seq in range(100)]
    sealed = scene.station.seal(frames, scene.now)
    assert len(sealed) < 20
    assert max(map(len, sealed)) <= LINK_MTU
    scene.aircraft.receive(sealed, scene.now)
    assert scene.aircraft.commands == [(1, frame) for frame in frames]
    (small,) = scene.station.seal([bytes([0xFE, 0, 0, 1, 1, 0, 0, 0])], scene.now)
    assert len(small) - len(sframe.encode_header(*sframe.decode_header(small[:13])[:2])) - 16 == 128


def test_the_uplink_follows_a_rekey_and_keeps_the_old_epoch_until_its_grant_is_there():
    scene = Scene(policy=Policy(rekey_s=60, lead_s=5))
    scene.pass_time(54.0)
    # The lead: no announcement comes through, only beats.
    while scene.aircraft.announcer.epoch == 0:
        scene.now += 0.05
        said = scene.aircraft.control(scene.now)
        scene.station.receive([d for d in said if scene.world.kind(d) is not Kind.ANNOUNCEMENT], scene.now)
        scene.aircraft.receive(scene.station.control(scene.now), scene.now)
    (under_the_old,) = scene.station.seal([scene.frame], scene.now)
    assert under_the_old[2] == 0
    scene.aircraft.receive([under_the_old], scene.now)
    scene.pass_time(3.0)
    (under_the_new,) = scene.station.seal([scene.frame], scene.now)
    assert under_the_new[2] == 1
    scene.aircraft.receive([under_the_new], scene.now)
    assert scene.aircraft.commands == [(1, scene.frame)] * 2


def test_an_instance_is_kept_through_all_epochs_and_both_lanes_and_counts_from_zero_under_each():
    scene = Scene(policy=Policy(rekey_s=60, lead_s=5))
    first: dict[tuple[int, int], list[int]] = {}  # (lane, epoch) -> counters
    instances = set()
    while scene.now < 200:
        scene.now += 0.25
        scene.station.receive(scene.aircraft.control(scene.now), scene.now)
        up = scene.station.control(scene.now)
        sealed = scene.station.seal([scene.frame], scene.now)
        for datagram in up + (sealed if isinstance(sealed, list) else []):
            kid, ctr, _ = sframe.decode_header(datagram[:13])
            first.setdefault((kid >> 60, kid >> 48 & 0xFF), []).append(ctr)
            instances.add(kid & 0xFF_FFFF_FFFF)
        scene.aircraft.receive(up, scene.now)
        scene.station.listener.tick(scene.now)
    assert len(instances) == 1
    assert {epoch for _, epoch in first} == {0, 1, 2, 3}
    assert all(counters == [*range(len(counters))] for counters in first.values())


def test_a_key_that_must_be_made_again_is_of_another_instance():
    """It never is, since epochs rise; if it were, counting from 0 once more must not repeat a nonce."""
    scene = Scene()
    scene.pass_time(1.0)
    (before,) = scene.station.seal([scene.frame], scene.now)
    scene.commander.instance.keep(())
    (after,) = scene.station.seal([scene.frame], scene.now)
    assert sframe.decode_header(before[:13])[0] != sframe.decode_header(after[:13])[0]
    scene.aircraft.receive([before, after], scene.now)
    assert scene.aircraft.commands == [(1, scene.frame)] * 2


def test_the_keys_of_an_epoch_that_is_over_are_not_kept():
    scene = Scene(policy=Policy(rekey_s=60, lead_s=5))
    scene.pass_time(2.0)
    scene.station.seal([scene.frame], scene.now)
    scene.pass_time(60.0)
    assert {lane: epoch for lane, (epoch, _) in scene.commander.instance._keys.items()} == {Lane.CONTROL: 1, Lane.UPLINK: 0}
    for _ in range(12):
        scene.pass_time(1.0)
        scene.station.listener.tick(scene.now)
    assert {lane: epoch for lane, (epoch, _) in scene.commander.instance._keys.items()} == {Lane.CONTROL: 1}


def test_a_session_whose_beats_come_late_is_asked_on_and_the_answer_is_the_way_back():
    """A clock ran wrong: one beat seems to have come 8 s sooner than any can, and all others are late by that."""
    scene = Scene()
    scene.pass_time(5.0)
    session = scene.commander.session
    session.lateness.note(session.beat, scene.now - 8.0)
    scene.pass_time(4.0, up=False)
    assert scene.station.drops["late_beat"] > 4
    assert scene.commander.refusal(scene.now) is Refusal.ENDED
    assert session.latest.seq > session.beat.seq
    scene.pass_time(CHALLENGE_EVERY_S + 1)
    assert scene.commander.refusal(scene.now) is None
    assert session.lateness.lag_s < 1


def test_the_same_late_beats_again_and_again_are_not_answered_for_long():
    scene = Scene()
    scene.pass_time(1.0)
    late = [datagram for tick in range(20) for datagram in scene.aircraft.control(scene.now + tick * 0.05)]
    asked: list[float] = []
    scene.now += 9.0
    for tick in range(100):
        now = scene.now + tick * 0.1
        scene.station.receive(late, now)
        asked += [now for _ in scene.station.control(now)]
    assert scene.station.drops["late_beat"] > 50
    assert asked
    assert max(asked) - scene.now <= ALIVE_FOR_S
