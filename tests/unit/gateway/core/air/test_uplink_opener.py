"""What an aircraft believes of what comes up: SPEC.md section 4.7, each refusal with its counter."""

from __future__ import annotations

import pytest

from gateway.core.air.instances import INSTANCES_MAX
from gateway.core.air.uplink_opener import DERIVE_BURST, DERIVE_PER_S
from gateway.core.wire import KEEP_EPOCH_S, Control
from keys.keyring import ReceiveKey, SendKey
from keys.lanes import Lane
from keys.order import Policy
from tests.memory_link import OBSERVER, PILOT
from tests.unit.gateway.core.air.uplink_scene import Scene


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


def record(scene: Scene, key: SendKey, wanted: int, beat: int = -1) -> bytes:
    nonce = scene.announcer.freshness._beats[beat][1]
    return scene.sealed(key, nonce + bytes([Control.RECORD, wanted]))


@pytest.mark.parametrize(("station", "taken"), [(1, True), (2, False), (3, True)])
def test_what_is_recorded_is_said_by_command_and_control_only(station: int, taken: bool):
    scene = Scene()
    datagram = record(scene, scene.key(Lane.CONTROL, station), 0)
    if taken:
        assert scene.open(datagram).control == [(station, Control.RECORD, b"\0")]
    else:
        assert scene.drops(datagram) == {"not_permitted": 1}


def test_what_was_said_earlier_about_recording_undoes_nothing():
    """An attacker holds a request back until the pause that followed it has been accepted."""
    scene = Scene()
    scene.announcer.datagrams(0.6)
    pilot, other = scene.key(Lane.CONTROL), scene.key(Lane.CONTROL, 3)
    first, second = record(scene, pilot, 1), record(scene, pilot, 0)
    earlier_beat = record(scene, other, 1, beat=-2)
    assert scene.open(second).control == [(1, Control.RECORD, b"\0")]
    assert scene.drops(first) == {"out_of_order": 1}
    assert scene.drops(earlier_beat) == {"out_of_order": 1}
    assert scene.open(record(scene, other, 1)).control == [(3, Control.RECORD, b"\1")]


@pytest.mark.parametrize(
    "content",
    [
        b"\0",
        b"\3",
        b"\3\2",
        b"\3\0\0",
        b"\4",
        b"\6\1",
        b"\1",
        b"\1" + bytes(7),
        b"\1" + bytes(9),
        b"\5" + bytes(15),
        b"\5" + bytes(17),
    ],
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


def test_unknown_instances_share_a_budget_and_known_ones_do_not_need_it():
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


def test_a_live_instance_costs_one_derivation_for_each_lane_and_epoch_however_often_it_is_named():
    scene = Scene(policy=Policy(rekey_s=60, lead_s=5))
    scene.announcer.datagrams(55.0)
    name = scene.world.random.randbytes(5)
    scene.open(scene.command(scene.key(instance=name, now=55.0)), now=55.0)
    forged = [scene.command(scene.key(base=bytes(32), epoch=epoch, instance=name)) for epoch in (0, 1) for _ in range(50)]
    assert scene.drops(*forged, now=55.0) == {"bad_tag": 50, "replayed": 50}
    (live,) = scene.aircraft.uplink_opener._live
    assert {(kid >> 60, epoch) for kid, epoch in live.keys} == {(Lane.UPLINK - 15, 0), (Lane.UPLINK - 15, 1)}


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
