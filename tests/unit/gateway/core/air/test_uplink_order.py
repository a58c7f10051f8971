"""The order in which the commands of a station are carried out."""

from __future__ import annotations

import random

import pytest

from keys.keyring import SendKey
from keys.lanes import Lane, Role
from keys.order import Policy
from tests.memory_link import PILOT, mavlink_frame
from tests.unit.gateway.core.air.uplink_scene import Scene
from tests.unit.gateway.core.by_hand import damaged


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
            self.announcer.datagrams(max(half / 2, self.announcer.beat_at))


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
