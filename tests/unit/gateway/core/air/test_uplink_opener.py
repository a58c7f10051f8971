"""What an aircraft believes of what comes up: SPEC.md section 4.7, each refusal with its counter."""

from __future__ import annotations

import dataclasses
import gc
import random
import weakref
from typing import Any

import numpy as np
import pytest

from gateway.batch import Batch
from gateway.core.air.instances import INSTANCES_MAX
from gateway.core.air.uplink_opener import DERIVE_BURST, DERIVE_PER_S, Accepted, UplinkOpener
from gateway.core.sealer import Sealer
from gateway.core.wire import KEEP_EPOCH_S, Control
from keys.grant import Profile
from keys.keyring import ReceiveKey, SendKey, instance_after
from keys.lanes import Lane, Role, uplink_kid
from keys.order import Policy
from tests import agency
from tests.memory_link import OBSERVER, PILOT, Aircraft, World, mavlink_frame, verified
from tests.unit.gateway.core.by_hand import damaged

WITH_CONTROL = Role.TELEMETRY | Role.CONTROL


class Scene:
    """An aircraft, and a hand that seals what it likes under the keys that were drawn."""

    def __init__(self, roles: tuple[Role, ...] = (PILOT, OBSERVER, WITH_CONTROL), policy: Policy | None = None) -> None:
        self.world = World(1, roles=roles, policy=policy)
        self.aircraft: Aircraft = self.world.aircraft()
        self.announcer = self.aircraft.announcer
        self.announcer.datagrams(0.0)
        self.frame = mavlink_frame(self.world.random, 7)

    @property
    def nonce(self) -> bytes:
        return self.announcer.freshness._beats[-1][1]

    def key(self, lane: Lane = Lane.UPLINK, station: int = 1, epoch: int = 0, now: float = 0.0, **other: bytes) -> SendKey:
        """Of a new `instance` unless it is given; `base` and `session_id` may be what they should not be."""
        base = other.get("base") or self.announcer.uplink_keys(now)[epoch][station]
        session_id = other.get("session_id", self.announcer.session_id)
        instance = other.get("instance") or self.world.random.randbytes(5)
        return SendKey(base, uplink_kid(lane, station, session_id, epoch, instance))

    def sealed(self, key: SendKey, plain: bytes, session_id: bytes = b"") -> bytes:
        return Sealer(session_id or self.announcer.session_id).seal_one(key, plain)

    def command(self, key: SendKey | None = None, now: float = 0.0, beat: int = -1) -> bytes:
        """`beat`: which of those that the aircraft remembers is echoed."""
        nonce = self.announcer.freshness._beats[beat][1]
        return self.sealed(key or self.key(now=now), nonce + self.frame + bytes(20))

    def open(self, *datagrams: bytes, now: float = 0.0, by: str = "radio", waited: tuple[float, ...] = (0.0,)) -> Accepted:
        """`waited`: for how long each of them had, or all, before the read."""
        batch = Batch(max(1, len(datagrams)))
        for datagram in datagrams:
            batch.append(datagram)
        batch.waited(max(waited), np.resize(np.array(waited), len(datagrams)))
        return self.aircraft.uplink_opener.open(batch, now, lambda _: by)

    def drops(self, *datagrams: bytes, now: float = 0.0, **how: Any) -> dict[str, int]:
        """What each reason's counter moved by; nothing may have been accepted."""
        before = self.aircraft.drops
        accepted = self.open(*datagrams, now=now, **how)
        assert accepted == Accepted(copies=accepted.copies)
        return dict(self.aircraft.drops - before)


def test_a_command_comes_through_byte_for_byte_and_names_its_station():
    scene = Scene((PILOT, PILOT))
    key, other = scene.key(), scene.key(station=2)
    sent = [scene.command(key), scene.command(other), scene.command(key)]
    assert scene.open(*sent).frames == [(1, scene.frame), (1, scene.frame), (2, scene.frame)]
    assert scene.aircraft.drops == {}
    assert scene.aircraft.uplink_opener.opened == {1: 2, 2: 1}


def test_the_slots_of_what_was_accepted_are_told_and_no_others():
    scene = Scene()
    good = [scene.command() for _ in range(3)]
    accepted = scene.open(b"rubbish", good[0], good[0], scene.command(scene.key(station=2)), good[1], good[2][:-1])
    assert accepted.slots == [1, 4]


def test_a_challenge_comes_back_in_the_next_beat():
    scene = Scene()
    datagram = scene.sealed(scene.key(Lane.CONTROL, 2), scene.nonce + b"\1" + b"01234567")
    assert scene.open(datagram).challenges == [2]
    assert scene.announcer.freshness.challenges(0.0) == {2: b"01234567"}


@pytest.mark.parametrize(("station", "taken"), [(1, True), (2, False), (3, True)])
def test_order_fragments_are_taken_from_command_and_control_only(station: int, taken: bool):
    scene = Scene()
    datagram = scene.sealed(scene.key(Lane.CONTROL, station), scene.nonce + b"\2fragment")
    if taken:
        assert scene.open(datagram).control == [(station, Control.ORDER_FRAGMENT, b"fragment")]
    else:
        assert scene.drops(datagram) == {"not_permitted": 1}


def test_every_station_may_say_which_order_it_holds():
    scene = Scene()
    name = bytes(range(16))
    for station in (1, 2, 3):
        datagram = scene.sealed(scene.key(Lane.CONTROL, station), scene.nonce + b"\5" + name)
        assert scene.open(datagram).control == [(station, Control.ORDER_HELD, name)]
        assert scene.drops(datagram) == {"replayed": 1}


@pytest.mark.parametrize(
    "content", [b"\0", b"\3", b"\1", b"\1" + bytes(7), b"\1" + bytes(9), b"\5" + bytes(15), b"\5" + bytes(17)]
)
def test_control_that_is_none(content: bytes):
    scene = Scene()
    assert scene.drops(scene.sealed(scene.key(Lane.CONTROL), scene.nonce + content)) == {"bad_control": 1}


def test_content_that_is_not_frames_and_zeros():
    scene = Scene()
    for content in (b"x", scene.frame[:-1], scene.frame + b"x", bytes(3) + scene.frame):
        assert scene.drops(scene.sealed(scene.key(), scene.nonce + content)) == {"bad_padding": 1}


# --- forms ---


def test_what_has_not_the_uplinks_form():
    scene = Scene()
    scene.aircraft.bundler.add([scene.frame], 0.0)
    down = scene.aircraft.control(0.6) + scene.aircraft.telemetry([scene.frame], 0.6)
    assert scene.drops(*down) == {"wrong_direction": len(down)}
    assert scene.drops(b"", b"\xf0", b"\xff" * 9) == {"too_short": 3}
    assert scene.drops(b"\x40" * 50, b"\x80" * 50, b"\xef" * 50) == {"not_zegel": 3}
    assert scene.drops(b"\xf8" + scene.command()[1:9] + b"\7" + bytes(40)) == {
        "bad_header": 1
    }  # a CTR of one byte that is less than 8
    assert scene.drops(b"\xf0" + bytes(50)) == {"bad_header": 1}  # a KID with a leading zero
    assert scene.drops(scene.command()[: 9 + 8 + 16]) == {"too_short": 1}


# --- the KID ---


def test_another_session_another_epoch_a_lane_that_is_not_theirs():
    scene = Scene()
    other = bytes([scene.announcer.session_id[0] ^ 1]) + scene.announcer.session_id[1:]
    assert scene.drops(scene.command(scene.key(session_id=other))) == {"unknown_session": 1}
    base = scene.announcer.current.uplink_keys[1]
    assert scene.drops(scene.command(scene.key(epoch=1, base=base))) == {"wrong_epoch": 1}
    assert scene.drops(scene.command(scene.key(station=2))) == {"not_permitted": 1}
    assert scene.drops(scene.command(scene.key(station=3))) == {"not_permitted": 1}
    assert scene.drops(scene.command(scene.key(station=9, base=base))) == {"not_permitted": 1}
    for strange in (3, 7, 8, 15):  # lane nibbles that are none
        datagram = bytearray(scene.command())
        datagram[1] = strange << 4 | 1
        assert scene.drops(bytes(datagram)) == {"not_permitted": 1}


def test_no_key_is_derived_for_what_its_kid_refuses(monkeypatch: pytest.MonkeyPatch):
    scene = Scene()
    refused = [scene.command(scene.key(station=station)) for station in (2, 3)]
    refused.append(scene.command(scene.key(epoch=1, base=scene.announcer.current.uplink_keys[1])))
    refused.append(scene.command(scene.key(session_id=bytes([scene.announcer.session_id[0] ^ 1]) + bytes(15))))
    derived: list[int] = []
    really = ReceiveKey.__init__
    monkeypatch.setattr(ReceiveKey, "__init__", lambda key, *given: derived.append(given[1]) or really(key, *given))
    assert sum(scene.drops(*refused).values()) == len(refused)
    assert derived == []
    assert scene.open(scene.command()).frames
    assert len(derived) == 1


def test_a_session_that_shares_the_byte_is_told_apart_by_the_tag():
    scene = Scene()
    other = scene.announcer.session_id[:1] + bytes(15)
    assert scene.drops(scene.sealed(scene.key(), scene.nonce + scene.frame, session_id=other)) == {"bad_tag": 1}


def test_one_stations_key_under_anothers_name():
    scene = Scene((PILOT, PILOT, OBSERVER))
    for base in (scene.announcer.current.uplink_keys[2], scene.announcer.current.uplink_keys[3]):
        assert scene.drops(scene.command(scene.key(station=1, base=base))) == {"bad_tag": 1}


# --- replay, echo ---


def test_a_replay_moves_nothing():
    scene = Scene()
    key = scene.key()
    sent = [scene.command(key) for _ in range(3)]
    assert len(scene.open(sent[0], sent[2], sent[0]).frames) == 2
    assert scene.aircraft.drops == {"replayed": 1}
    assert scene.drops(sent[0], sent[2]) == {"replayed": 2}
    assert scene.open(sent[1]).frames == [(1, scene.frame)]


def test_too_old_for_the_window():
    scene = Scene()
    key = scene.key()
    first = scene.command(key)
    key.next_ctr = 1_024
    scene.open(scene.command(key))
    assert scene.drops(first) == {"too_old": 1}


@pytest.mark.parametrize("fresh_ms", [1_000, 3_000, 10_000])
def test_a_delayed_command_is_refused_from_the_orders_limit_on(fresh_ms: int):
    scene = Scene(policy=Policy(fresh_ms=fresh_ms))
    in_time, late = scene.command(), scene.command()
    assert scene.open(in_time, now=fresh_ms / 1000).frames
    assert scene.drops(late, now=fresh_ms / 1000 + 0.01) == {"stale_echo": 1}


def test_a_stale_echo_takes_no_slot_and_moves_no_window():
    scene = Scene()
    key = scene.key()
    stale = scene.sealed(key, bytes(8) + scene.frame)
    assert scene.drops(stale, stale) == {"stale_echo": 2}
    assert [*scene.aircraft.uplink_opener._live] == []
    scene.open(scene.command(key))
    assert scene.drops(stale) == {"stale_echo": 1}


# --- instances ---


def test_a_ninth_instance_is_refused_and_the_eight_go_on():
    scene = Scene((PILOT, PILOT))
    keys = [scene.key() for _ in range(INSTANCES_MAX)]
    assert len(scene.open(*(scene.command(key) for key in keys)).frames) == INSTANCES_MAX
    assert scene.drops(scene.command()) == {"too_many_instances": 1}
    assert len(scene.open(*(scene.command(key) for key in keys)).frames) == INSTANCES_MAX
    assert scene.open(scene.command(scene.key(station=2))).frames, "another station has slots of its own"
    challenge = scene.sealed(scene.key(Lane.CONTROL), scene.nonce + b"\1" + bytes(8))
    assert scene.drops(challenge) == {"too_many_instances": 1}


def test_the_lanes_of_one_ground_are_one_instance():
    scene = Scene()
    for _ in range(INSTANCES_MAX):
        name = scene.world.random.randbytes(5)
        challenge = scene.sealed(scene.key(Lane.CONTROL, instance=name), scene.nonce + b"\1" + bytes(8))
        accepted = scene.open(challenge, scene.command(scene.key(instance=name)))
        assert (accepted.challenges, accepted.frames) == ([1], [(1, scene.frame)])
    assert scene.aircraft.drops == {}


def test_an_idle_instance_gives_way_and_its_recording_stays_refused():
    scene = Scene()
    names = [scene.world.random.randbytes(5) for _ in range(INSTANCES_MAX + 2)]
    recorded = [scene.command(scene.key(instance=name)) for name in names[:INSTANCES_MAX]]
    scene.open(*recorded)
    scene.announcer.datagrams(6.01)
    known = scene.key(instance=names[1])
    known.next_ctr = 1
    assert len(scene.open(scene.command(known), scene.command(), now=6.01).frames) == 2
    live = [*scene.aircraft.uplink_opener._live]
    assert len(live) == INSTANCES_MAX
    left = [name for name in names if any(each.heard_as & 0xFF_FFFF_FFFF == int.from_bytes(name) for each in live)]
    assert len(left) == INSTANCES_MAX - 1
    assert names[1] in left
    counters = scene.drops(*recorded, now=6.01)
    assert counters == {"stale_echo": 1, "replayed": INSTANCES_MAX - 1}


def test_a_forgery_takes_no_slot():
    scene = Scene()
    for _ in range(20):
        assert scene.drops(scene.command(scene.key(base=bytes(32)))) == {"bad_tag": 1}
    assert [*scene.aircraft.uplink_opener._live] == []


def test_unknown_instances_share_a_budget_and_known_ones_pass_beside_it():
    scene = Scene((PILOT, PILOT))
    known = scene.key()
    scene.open(scene.command(known))
    forged = [scene.command(scene.key(station=1 + i % 2, base=bytes(32))) for i in range(300)]
    assert scene.drops(*forged) == {"bad_tag": DERIVE_BURST - 1, "over_budget": 300 - DERIVE_BURST + 1}
    assert scene.open(scene.command(known)).frames, "a known instance needs no derivation"
    assert scene.drops(scene.command(scene.key(station=2))) == {"over_budget": 1}
    assert scene.drops(*forged, now=0.05) == {"bad_tag": 0.05 * DERIVE_PER_S, "over_budget": 250}


@pytest.mark.parametrize("lane", [Lane.UPLINK, Lane.CONTROL])
def test_no_flood_holds_up_a_live_instance_at_a_rekey_or_in_its_other_lane(lane: Lane):
    """The budget is spent to the last derivation; what has proven itself once needs none."""
    scene = Scene(policy=Policy(rekey_s=60, lead_s=5))
    name, challenge = scene.world.random.randbytes(5), b"\1" + bytes(8)
    proof = {Lane.UPLINK: scene.frame, Lane.CONTROL: challenge}[lane]
    scene.open(scene.sealed(scene.key(lane, instance=name), scene.nonce + proof))
    for now in (0.1, 55.0, 60.0, 65.0):
        scene.announcer.datagrams(now)
        forged = [scene.command(scene.key(base=bytes(32), epoch=scene.announcer.epoch)) for _ in range(200)]
        assert scene.drops(*forged, now=now)["over_budget"] >= 200 - DERIVE_BURST
        newest = max(scene.announcer.uplink_keys(now))
        keys = [scene.key(Lane.CONTROL, epoch=epoch, instance=name, now=now) for epoch in scene.announcer.uplink_keys(now)]
        keys.append(scene.key(epoch=newest, instance=name, now=now))
        for key in keys:
            key.next_ctr = 1 + int(now)
        sealed = [scene.sealed(key, scene.nonce + challenge) for key in keys[:-1]]
        accepted = scene.open(*sealed, scene.command(keys[-1]), now=now)
        assert (accepted.challenges, accepted.frames) == ([1] * len(sealed), [(1, scene.frame)])
    (live,) = scene.aircraft.uplink_opener._live
    assert {epoch for _, epoch in live.keys} == {0, 1}


def test_a_live_instance_costs_one_derivation_for_each_lane_and_epoch_whoever_names_it():
    scene = Scene(policy=Policy(rekey_s=60, lead_s=5))
    scene.announcer.datagrams(55.0)
    name = scene.world.random.randbytes(5)
    scene.open(scene.command(scene.key(instance=name, now=55.0)), now=55.0)
    forged = [scene.command(scene.key(base=bytes(32), epoch=epoch, instance=name)) for epoch in (0, 1) for _ in range(50)]
    assert scene.drops(*forged, now=55.0) == {"bad_tag": 50, "replayed": 50}
    (live,) = scene.aircraft.uplink_opener._live
    assert {(kid >> 60, epoch) for kid, epoch in live.keys} == {(Lane.UPLINK - 15, 0), (Lane.UPLINK - 15, 1)}


# --- the order of commands ---


class Sealed(Scene):
    """Beats every half second, and commands of one ground numbered by their counters."""

    def __init__(self, roles: tuple[Role, ...] = (PILOT, PILOT)) -> None:
        super().__init__(roles, Policy(rekey_s=60, lead_s=5))
        self.pilot = self.key()

    def number(self, number: int) -> bytes:
        return mavlink_frame(random.Random(number), number)

    def numbered(self, number: int, key: SendKey) -> bytes:
        return self.sealed(key, self.nonce + self.number(number))

    def beats_until(self, now: float) -> None:
        for half in range(int(now * 2) + 1):
            self.announcer.datagrams(max(half / 2, self.announcer._beat_at))


def test_a_command_held_back_is_refused_after_a_later_one_even_while_commands_keep_coming():
    """Between the newest command and the held one there are 20 ms; between the held one and the next after it, 2 s."""
    scene = Sealed()
    held = scene.command(scene.pilot)
    for step in range(100):
        now = step / 50
        scene.announcer.datagrams(now)
        assert scene.open(scene.command(scene.pilot), now=now).frames
    assert scene.drops(held, now=2.0) == {"out_of_order": 1}
    assert scene.drops(held, now=2.0) == {"replayed": 1}
    assert scene.open(scene.command(scene.pilot), now=2.0).slots == [0]


def test_what_a_radio_swaps_within_a_tenth_of_a_second_is_carried_out():
    scene = Sealed()
    sent = [scene.command(scene.pilot) for _ in range(6)]
    for place, now in ((1, 0.0), (0, 0.1), (4, 1.0), (2, 1.05), (3, 1.09), (5, 1.11)):
        assert scene.open(sent[place], now=now).frames, place
    assert scene.aircraft.drops == {}
    first, second, third = (scene.command(scene.pilot) for _ in range(3))
    scene.open(second, now=2.0)
    assert scene.drops(first, now=2.101) == {"out_of_order": 1}
    assert scene.open(third, now=2.102).frames


@pytest.mark.parametrize("waited", [(0.0,), (1.1,)], ids=["at once", "without stamps"])
def test_the_commands_of_one_read_are_carried_out_as_they_were_sealed(waited: tuple[float, ...]):
    """Whichever came first, of two stations, and of two starts of one ground."""
    scene = Sealed()
    other, again = scene.key(station=2), scene.key()
    first, second = scene.numbered(1, scene.pilot), scene.numbered(2, scene.pilot)
    theirs = [scene.numbered(number, other) for number in (10, 11)]
    scene.announcer.datagrams(0.5)
    last = scene.numbered(3, again)
    read = (last, theirs[1], second, theirs[0], first)
    assert scene.open(*read, now=1.5, waited=waited).frames == [
        (station, scene.number(number)) for station, number in ((1, 1), (1, 2), (1, 3), (2, 10), (2, 11))
    ]
    assert scene.aircraft.drops == {}


def test_where_the_aircraft_stood_still_a_command_held_back_is_refused_behind_a_later_one_that_came_before_it():
    """Both are read at once: the later one had come 1 s before."""
    scene = Sealed()
    held, later = (scene.numbered(number, scene.pilot) for number in (1, 2))
    assert scene.open(later, held, now=1.1, waited=(1.1, 0.1)).frames == [(1, scene.number(2))]
    assert scene.aircraft.drops == {"out_of_order": 1}


@pytest.mark.parametrize("waited", [0.0, 1.1], ids=["came just now", "nobody knows when it came"])
def test_where_the_aircraft_stood_still_the_next_read_carries_nothing_out_behind_the_first(waited: float):
    scene = Sealed()
    held, later = (scene.numbered(number, scene.pilot) for number in (1, 2))
    assert scene.open(later, now=1.1, waited=(1.1,)).frames == [(1, scene.number(2))]
    assert scene.drops(held, now=1.1, waited=(waited,)) == {"out_of_order": 1}


def test_while_two_addresses_bring_commands_half_a_second_is_allowed():
    scene = Sealed()
    sent = [scene.command(scene.pilot) for _ in range(8)]
    scene.open(sent[1], now=0.0, by="fast")
    assert scene.open(sent[0], now=0.38, by="slow").frames, "the first that the slow one brings counts already"
    scene.open(sent[3], now=1.0, by="fast")
    assert scene.open(sent[2], now=1.5, by="slow").frames
    scene.open(sent[5], now=2.0, by="fast")
    assert scene.drops(sent[4], now=2.51, by="slow") == {"out_of_order": 1}
    scene.beats_until(8.0)
    late, newer = scene.command(scene.pilot), scene.command(scene.pilot)
    scene.open(newer, now=7.6, by="fast")
    assert scene.drops(late, now=7.8, by="fast") == {"out_of_order": 1}, "for 5 s only one has brought any"


def test_two_stations_have_each_an_order_of_their_own():
    scene = Sealed()
    held, other = scene.command(scene.key(station=2)), scene.key(station=1)
    scene.open(scene.command(other), now=0.0)
    assert scene.open(held, now=1.0).frames == [(2, scene.frame)]


def test_what_a_ground_sealed_before_it_restarted_is_refused_once_the_new_one_commands():
    scene = Sealed()
    held = [scene.command(scene.pilot) for _ in range(2)]
    scene.beats_until(1.0)
    restarted = scene.key()
    assert scene.open(scene.command(restarted), now=1.0).frames
    assert scene.open(held[0], now=1.05).frames, "a tenth of a second, as always"
    assert scene.drops(held[1], now=1.2) == {"out_of_order": 1}
    assert scene.open(scene.command(restarted), now=1.2).frames


def test_two_grounds_that_hear_the_same_beats_do_not_disturb_each_other():
    """A copied folder: of the same beat neither's commands are before the other's, whatever their counters."""
    scene = Sealed()
    one, other = scene.key(), scene.key()
    other.next_ctr = 500
    for step in range(100):
        now = step / 20
        scene.announcer.datagrams(now)
        assert scene.open(scene.command(one if step % 2 else other), now=now, by=str(step % 2)).frames


def test_what_was_sealed_under_the_epoch_before_is_refused_after_one_under_the_next():
    scene = Sealed()
    name = scene.world.random.randbytes(5)
    scene.beats_until(59.5)
    old = scene.key(instance=name, now=59.5)
    old.next_ctr = 900
    assert scene.open(scene.command(old, now=59.5), now=59.5).frames
    same_beat, held = scene.command(old, now=59.5), scene.command(old, now=59.5)
    new = scene.key(instance=name, epoch=1, now=59.5)
    assert scene.open(scene.command(new), now=59.95).frames, "in lead time; it echoes the same beat"
    assert scene.open(same_beat, now=60.0).frames
    scene.announcer.datagrams(60.0)
    assert scene.announcer.epoch == 1
    assert scene.drops(held, now=60.1) == {"out_of_order": 1}
    assert scene.open(scene.command(new), now=60.1).frames


def test_nothing_unverified_moves_the_order():
    scene = Sealed()
    early = scene.command(scene.pilot)
    scene.pilot.next_ctr = 500
    forged = damaged(scene.command(scene.pilot))
    stale = scene.sealed(scene.pilot, bytes(8) + scene.frame)
    assert scene.drops(forged, stale) == {"bad_tag": 1, "stale_echo": 1}
    assert scene.open(early, now=1.0).frames


def test_challenges_have_no_order():
    scene = Sealed()
    key = scene.key(Lane.CONTROL)
    first, second = (scene.sealed(key, scene.nonce + b"\1" + bytes(8)) for _ in range(2))
    scene.open(second, now=0.0)
    assert scene.open(first, now=1.0).challenges == [1]


# --- epochs ---


def test_uplink_of_the_next_epoch_in_lead_time_and_of_the_previous_for_ten_seconds():
    scene = Scene(policy=Policy(rekey_s=60, lead_s=5))
    scene.announcer.datagrams(55.0)
    for epoch in (0, 1):
        assert scene.open(scene.command(scene.key(epoch=epoch, now=55.0)), now=55.0).frames
    old = scene.key(now=55.0)
    scene.announcer.datagrams(60.0)
    assert scene.announcer.epoch == 1
    scene.announcer.datagrams(60.0 + KEEP_EPOCH_S)
    assert scene.open(scene.command(old), now=60.0 + KEEP_EPOCH_S).frames
    assert scene.drops(scene.command(old), now=60.1 + KEEP_EPOCH_S) == {"wrong_epoch": 1}
    scene.announcer.datagrams(60.1 + KEEP_EPOCH_S)
    assert scene.announcer._previous is None, "keys that are not taken are not kept"


def test_nothing_is_accepted_once_fresh_ms_have_passed_since_the_close():
    scene = Scene()
    key = scene.key()
    scene.announcer.close(0.1)
    assert scene.open(scene.command(key), now=3.0).frames
    assert scene.drops(scene.command(key), now=3.2) == {"wrong_epoch": 1}


# --- the session before this one ---


class Changed(Scene):
    """At 1.0 the session is closed, and the next begins under an order with these stations. Stations 1 and 2 command."""

    def __init__(self, *, listed: bool = True, **changes: object) -> None:
        super().__init__((PILOT, PILOT, OBSERVER))
        self.keys = {station: self.key(station=station) for station in (1, 2)}
        self.recorded = self.command(self.keys[1])
        assert self.open(self.recorded).frames
        self.old = self.announcer
        first, *others = self.world.order.content.stations
        stations = (dataclasses.replace(first, **changes), *others) if listed else tuple(others)
        self.world.order = verified(dataclasses.replace(self.world.order.content, serial=2, stations=stations))
        self.change(1.0)

    def change(self, now: float) -> None:
        """The session is closed, and the next one begins."""
        former = self.aircraft
        self.aircraft = self.world.after(former, now)
        self.announcer = self.aircraft.announcer
        self.announcer.datagrams(now)
        self.aircraft.uplink_opener = UplinkOpener(self.announcer, former=former.uplink_opener)

    def late(self, station: int = 1, lane: Lane = Lane.UPLINK) -> bytes:
        """Sealed for the session that is closed, behind the echo of its closing beat."""
        kid = uplink_kid(lane, station, self.old.session_id, 0, self.world.random.randbytes(5))
        key = self.keys[station] if lane is Lane.UPLINK else SendKey(self.old.uplink_keys(1.0)[0][station], kid)
        plain = self.old.freshness._beats[-1][1] + (self.frame if lane is Lane.UPLINK else b"\1" + bytes(8))
        return self.sealed(key, plain, self.old.session_id)


def test_commands_of_the_session_before_go_on_for_fresh_ms():
    scene = Changed(guard="maintainer")
    for now in (1.0, 4.0):
        assert scene.open(scene.late(), scene.command(scene.key(station=2)), now=now).frames == [
            (1, scene.frame),
            (2, scene.frame),
        ]
    assert scene.drops(scene.late(), now=4.1) == {"unknown_session": 1}


def test_after_fresh_ms_its_keys_are_gone_whether_or_not_anything_comes_up():
    scene = Changed()
    old = weakref.ref(scene.old)
    scene.old = None
    scene.aircraft.uplink_opener.tick(4.0)
    gc.collect()
    assert old()
    scene.aircraft.uplink_opener.tick(4.1)
    gc.collect()
    assert old() is None


def test_a_recording_of_the_session_before_is_refused_as_ever():
    scene = Changed()
    assert scene.drops(scene.recorded, now=1.0) == {"replayed": 1}
    assert scene.drops(scene.recorded, now=3.5) == {"replayed": 1}


def test_nothing_else_of_the_session_before_goes_on():
    scene = Changed()
    assert scene.drops(scene.late(lane=Lane.CONTROL), now=1.0) == {"not_permitted": 1}


@pytest.mark.parametrize(
    "changes",
    [{"listed": False}, {"roles": OBSERVER}, {"pub": agency.public(Profile.X25519, 9)}, {"index": 9}],
    ids=["dropped", "no commander any more", "another's key", "another's place"],
)
def test_of_whom_the_new_order_does_not_let_command_nothing_goes_on(changes):
    scene = Changed(**changes)
    assert scene.drops(scene.late(), now=1.0) == {"not_permitted": 1}
    assert scene.open(scene.late(2), now=1.0).frames == [(2, scene.frame)]


def test_a_station_that_commands_in_the_new_session_is_heard_in_the_old_one_no_more():
    scene = Changed()
    before = scene.late()
    assert scene.open(scene.command(), now=1.0).frames
    assert scene.drops(before, scene.late(), now=1.0) == {"not_permitted": 2}
    assert scene.open(scene.late(2), now=1.0).frames == [(2, scene.frame)]


def test_of_more_than_two_sessions_the_last_two_are_heard():
    scene = Changed()
    second = scene.command(scene.key(station=2))
    scene.change(2.0)
    assert scene.drops(scene.late(), now=2.0) == {"unknown_session": 1}
    assert scene.open(second, now=2.0).frames == [(2, scene.frame)]


def followed(scene: Changed, station: int = 1) -> SendKey:
    """Of station 1's ground, which was known in the session before; the new order lists it as `station`."""
    base = scene.announcer.current.uplink_keys[station]
    return scene.key(station=station, instance=instance_after(base, scene.keys[1].kid.to_bytes(8, "big")[3:]))


def flood(scene: Changed) -> list[bytes]:
    """By who has no key, of instances that nobody knows; half of them as if they were a station's challenges."""
    lanes = (Lane.CONTROL, Lane.UPLINK)
    return [
        scene.sealed(scene.key(lanes[number % 2], base=bytes(32)), bytes(40)) for number in range(2 * int(DERIVE_BURST))
    ]


def test_whom_the_session_before_knew_passes_beside_a_flood_from_the_first_word_on():
    scene = Changed()
    scene.open(*flood(scene), now=1.0)
    assert scene.drops(scene.command(), now=1.0) == {"over_budget": 1}
    assert scene.open(scene.command(followed(scene)), now=1.0).frames == [(1, scene.frame)]


@pytest.mark.parametrize(
    "changes", [{"listed": False}, {"pub": agency.public(Profile.X25519, 9)}], ids=["dropped", "another's key"]
)
def test_of_a_station_that_the_new_order_does_not_list_nothing_follows(changes):
    scene = Changed(**changes)
    assert [*scene.aircraft.uplink_opener._live] == []


def after(scene: Changed, name: bytes) -> bytes:
    """Station 1's instance in the session that there is now."""
    return instance_after(scene.announcer.current.uplink_keys[1], name)


def heard(scene: Changed, instance: bytes, now: float) -> bool:
    """Beside a flood, so that only who is known already is heard."""
    scene.open(*flood(scene), now=now)
    return bool(scene.open(scene.command(scene.key(instance=instance)), now=now).frames)


def test_whom_the_session_before_did_not_hear_is_known_by_what_was_heard_before_that():
    """Its ground missed a session, or two."""
    scene = Changed()
    first = scene.keys[1].kid.to_bytes(8, "big")[3:]
    scene.change(2.0)
    assert heard(scene, after(scene, first), 2.0)
    scene = Changed()
    first = scene.keys[1].kid.to_bytes(8, "big")[3:]
    scene.change(2.0)
    scene.change(3.0)
    assert heard(scene, after(scene, first), 3.0)


@pytest.mark.parametrize("answered", [True, False])
def test_whom_the_session_before_heard_is_known_whether_or_not_its_ground_had_an_answer(answered: bool):
    """Without one it goes on from what it followed from before; only the one that is heard keeps its slot."""
    scene = Changed()
    first = scene.keys[1].kid.to_bytes(8, "big")[3:]
    second = after(scene, first)
    assert scene.open(scene.command(scene.key(instance=second)), now=1.0).frames
    scene.change(2.0)
    by_first, by_second = after(scene, first), after(scene, second)
    known, other = (by_second, by_first) if answered else (by_first, by_second)
    assert heard(scene, known, 2.0)
    assert not heard(scene, other, 2.0)
    scene.change(3.0)
    formers = [former for live in scene.aircraft.uplink_opener._live for former in live.follows.values()]
    assert formers.count(known) == 1
    assert other not in formers


def test_one_that_may_have_two_names_takes_one_slot():
    scene = Changed()
    for _ in range(INSTANCES_MAX - 1):
        scene.open(scene.command(scene.key()), now=1.0)
    first = scene.keys[1].kid.to_bytes(8, "big")[3:]
    scene.open(scene.command(scene.key(instance=after(scene, first))), now=1.0)
    scene.change(2.0)
    mine = [live for live in scene.aircraft.uplink_opener._live if live.station.index == 1]
    assert len(mine) == INSTANCES_MAX
    assert sorted(len(live.follows) for live in mine) == [1] * (INSTANCES_MAX - 1) + [2]
    assert scene.drops(scene.command(), now=2.0) == {"too_many_instances": 1}
    scene.announcer.datagrams(7.1)
    assert scene.open(scene.command(), now=7.1).frames, "the idlest gave way, with both of its names"


def test_a_station_is_known_by_its_key_at_whatever_place_the_new_order_lists_it():
    scene = Changed(index=9)
    scene.open(*flood(scene), now=1.0)
    assert scene.open(scene.command(followed(scene, 9)), now=1.0).frames == [(9, scene.frame)]


def test_what_was_counted_goes_on():
    scene = Changed()
    counts = dict(scene.aircraft.uplink_opener.opened)
    scene.open(scene.late(), scene.command(scene.key(station=2)), now=1.0)
    assert scene.aircraft.uplink_opener.opened == {1: counts[1] + 1, 2: 1}
