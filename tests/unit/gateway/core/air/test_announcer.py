"""What an aircraft says, and when. That it never takes more than its share over minutes is held by tests/property."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from gateway.core import fragment, sframe
from gateway.core.air.announcer import NARROW_BELOW_BPS, REKEY_AFTER_PACKETS, START_ROUNDS, Announcer, DeviceStart, Phase
from gateway.core.aircraft_state import AircraftState
from gateway.core.wire import CONTROL_HEADER_SIZE, CONTROL_MAX, Kind, parse_control
from keys import beat, cose, statement
from keys.beat import Beat
from keys.beat_flag import Flag
from keys.grant import Profile
from keys.keyring import ReceiveKey
from keys.lanes import Lane
from keys.order import Policy
from tests.memory_link import LANES, OBSERVER, PILOT, World

WIDE, NARROW = 8_000_000, NARROW_BELOW_BPS - 1
WORLD = World(1)  # has the op_id of all worlds of this seed


def session(
    link_bps: int = WIDE, policy: Policy | None = None, stations: int = 2, profile: Profile = Profile.X25519
) -> tuple[World, Announcer]:
    world = World(1, roles=[PILOT, *[OBSERVER] * (stations - 1)], profile=profile, policy=policy)
    return world, world.aircraft(link_bps=link_bps).announcer


def run(announcer: Announcer, until: float, now: float = 0.0, step: float = 0.01) -> Iterator[tuple[float, bytes]]:
    """(when, datagram) of everything it says."""
    for tick in range(round((until - now) / step)):
        at = now + tick * step
        for datagram in announcer.datagrams(at):
            yield at, datagram


def kinds(datagrams: list[bytes]) -> list[str]:
    found = map(WORLD.kind, datagrams)
    return [kind.name.lower() if kind else "sealed" for kind in found]


def of_kind(datagrams: list[bytes], kind: Kind) -> list[bytes]:
    """Those of a kind, opened."""
    return [d for d in WORLD.opened(datagrams) if (parsed := parse_control(d)) and parsed[0].kind is kind]


def clear_beats(announcer: Announcer, datagrams: list[bytes]) -> list[Beat]:
    public = announcer._session_key.public_key()
    return [beat.verify(cose.parse_sign1(d[CONTROL_HEADER_SIZE:]), public) for d in of_kind(datagrams, Kind.BEAT)]


def gaps(times: list[float]) -> list[float]:
    return [later - earlier for earlier, later in itertools.pairwise(times)]


# --- the start ---


def test_a_newcomer_hears_statement_beat_and_announcements_in_this_order():
    _, announcer = session()
    said = kinds(announcer.datagrams(0.0))
    assert said == ["statement", "beat", "sealed", "announcement", "announcement"]


def test_the_statement_is_the_devices_and_names_the_session():
    world, announcer = session()
    (datagram,) = of_kind(announcer.datagrams(0.0), Kind.STATEMENT)
    stated = statement.verify(cose.parse_sign1(datagram[CONTROL_HEADER_SIZE:]), world.device_key.public_key())
    assert stated.session_id() == announcer.session_id
    assert (stated.order_hash, stated.device_index, stated.boot_counter) == (world.order.order_hash, 0, 1)


def test_every_start_is_another_session():
    world, _ = session()
    started = [world.aircraft().announcer for _ in range(3)]
    assert len({a.session_id for a in started}) == 3
    assert len({a.current.send_keys[lane].salt for a in started for lane in LANES}) == 3 * len(LANES)


def test_five_rounds_in_the_first_second_then_one_every_announce_s():
    _, announcer = session(policy=Policy(announce_s=2))
    rounds = [at for at, d in run(announcer, 10) if kinds([d]) == ["statement"]]
    assert [at for at in rounds if at < 1] == pytest.approx([0.2 * i for i in range(START_ROUNDS)], abs=0.02)
    later = rounds[START_ROUNDS:]
    assert gaps(later) == pytest.approx([2.0] * 3, abs=0.02)


def test_on_a_narrow_link_a_session_begins_with_a_larger_share():
    """Five rounds in a few seconds, since nobody commands the session before; a later epoch has its lead time."""
    _, announcer = session(57_600, policy=Policy(announce_s=30))
    rounds = [at for at, d in run(announcer, 12.0) if kinds([d]) == ["announcement"]][::2]
    assert len(rounds) == START_ROUNDS
    assert rounds[-1] < 5.0


def test_no_control_datagram_is_larger_than_any_link():
    _, announcer = session(stations=15, profile=Profile.X_WING)
    said = [d for _, d in run(announcer, 3)]
    assert max(map(len, said)) <= CONTROL_MAX
    assert {"statement", "beat", "sealed", "announcement"} == set(kinds(said))


# --- beats ---


def test_on_a_wide_link_each_beat_is_said_clear_and_sealed():
    _, announcer = session(policy=Policy(announce_s=30))
    said = [(at, d) for at, d in run(announcer, 11.0) if at > 1.5]
    beats = [at for at, d in said if kinds([d]) == ["beat"]]
    assert beats == [at for at, d in said if kinds([d]) == ["sealed"]]
    assert gaps(beats) == pytest.approx([0.5] * (len(beats) - 1), abs=0.02)


def test_the_sealed_beat_is_the_clear_one_and_opens_at_the_counter_that_it_tells():
    world = World(1)
    keep: list[bytes] = []

    def entropy(size: int) -> bytes:
        keep.append(world.random.randbytes(size))
        return keep[-1]

    announcer = Announcer(world.order, DeviceStart(0, world.device_key, 1), LANES, WIDE, entropy, 0.0)
    said = announcer.datagrams(0.0)
    (clear,) = of_kind(said, Kind.BEAT)
    (sealed,) = (d for d in said if kinds([d]) == ["sealed"])
    kid, ctr, size = sframe.decode_header(sealed)
    base_key = keep[1 + LANES.index(Lane.EVIDENCE)]  # after the session key's seed
    key = ReceiveKey(base_key, kid)
    plain = key.cipher.decrypt(sframe.nonce(key.salt, ctr), sealed[size:], sealed[:size] + announcer.session_id)
    assert plain == b"\1" + clear[CONTROL_HEADER_SIZE:]
    (heard,) = clear_beats(announcer, said)
    assert heard.next_ctr[kid] == ctr == 0


def test_a_beat_says_how_old_the_session_is():
    """By the clock that it is given, whatever that showed at the start."""
    world = World(1)
    announcer = Announcer(world.order, DeviceStart(0, world.device_key, 1), LANES, WIDE, world.random.randbytes, 1000.0)
    said = [clear_beats(announcer, announcer.datagrams(1000.0 + s))[0] for s in (0, 1.5, 600, 1 << 32)]
    assert [b.session_ms for b in said] == [0, 1_500, 600_000, (1 << 32) - 1]
    assert all(b.state == {} for b in said)


def test_a_beat_says_what_the_aircraft_knows_of_itself():
    _, announcer = session()
    announcer.state = AircraftState(fc_ms=250, links_down=1)
    assert clear_beats(announcer, announcer.datagrams(0.0))[0].state == {1: 250, 5: 1}
    announcer.state = AircraftState(fc_ms=750, links_down=0)
    assert clear_beats(announcer, announcer.close(0.5))[0].state == {1: 750, 5: 0}


def test_on_a_narrow_link_clear_and_sealed_in_turn_once_a_second():
    _, announcer = session(NARROW, policy=Policy(announce_s=30))
    said = [(at, kinds([d])[0]) for at, d in run(announcer, 12.0) if kinds([d])[0] in ("beat", "sealed")]
    assert [kind for _, kind in said[:4]] == ["beat"] * 4, "a sealed one is of no use to those who have no key yet"
    assert [at for at, _ in said[:4]] == pytest.approx([0.0, 0.5, 1.0, 1.5], abs=0.02)
    later = said[4:]
    assert all(one != next_one for (_, one), (_, next_one) in itertools.pairwise(later))
    assert gaps([at for at, _ in later]) == pytest.approx([1.0] * (len(later) - 1), abs=0.02)


@pytest.mark.parametrize("link_bps", [WIDE, NARROW])
def test_the_first_challenge_of_a_station_is_answered_at_once_and_no_other(link_bps):
    _, announcer = session(link_bps, policy=Policy(announce_s=30))
    list(run(announcer, 10.05))
    for now, answered in ((10.2, True), (10.25, False)):
        announcer.answer(1, now)
        assert bool(clear_beats(announcer, announcer.datagrams(now)) or announcer._beat_sent_at == now) is answered
    announcer.answer(2, 10.25)
    assert announcer.next_due() == pytest.approx(10.3), "another station's waits a tenth of a second"


def test_after_the_close_the_uplink_keys_stay_for_fresh_ms():
    _, announcer = session()
    announcer.datagrams(0.0)
    announcer.close(1.0)
    assert announcer.current.send_keys == {}
    assert set(announcer.uplink_keys(4.0)) == {0}
    assert announcer.uplink_keys(4.1) == {}


def test_beats_are_numbered_and_none_repeats_a_nonce():
    _, announcer = session()
    beats = clear_beats(announcer, [d for _, d in run(announcer, 5)])
    assert [b.seq for b in beats] == list(range(1, len(beats) + 1))
    assert len({b.nonce for b in beats}) == len(beats)


def test_a_beat_tells_counters_clock_and_flags():
    _, announcer = session()
    key = announcer.send_key(Lane.VIDEO_A)
    assert key is not None
    key.reserve(1_000)
    announcer.flags |= Flag.ORDER_EXPIRED
    (heard,) = clear_beats(announcer, announcer.datagrams(0.0, unix_time=1_700_000_123))
    assert heard.next_ctr[key.kid] == 1_000
    assert heard.next_ctr.keys() == {k.kid for k in announcer.current.send_keys.values()}
    assert (heard.unix_time, heard.flags, heard.ms_to_next, heard.epoch) == (1_700_000_123, Flag.ORDER_EXPIRED, 0, 0)


def test_a_lane_never_runs_away_from_the_last_beat():
    """At 150,000 datagrams a second a beat each half second would leave the last ones beyond what a ground opens."""
    _, announcer = session()
    announcer.datagrams(0.0)
    told, now = 0, 0.0
    for _ in range(4_000):
        now += 64 / 150_000
        key = announcer.send_key(Lane.VIDEO_A)
        assert key is not None
        assert key.next_ctr <= told + 16_384 + 64, "so that three beats may be lost on the way"
        key.reserve(64)
        if now >= announcer.next_due():
            for heard in clear_beats(announcer, announcer.datagrams(now)):
                told = heard.next_ctr[key.kid]


# --- announcements ---


def test_an_epochs_announcements_never_change_by_a_byte_and_the_beats_list_them():
    """So that fragments of different rounds make one message."""
    _, announcer = session(profile=Profile.X_WING, stations=3)
    said = [d for _, d in run(announcer, 20)]
    fragments = set(of_kind(said, Kind.ANNOUNCEMENT))
    assert len(fragments) == 3 * 2  # X-Wing is two fragments
    for heard in clear_beats(announcer, said):
        assert {h for hashes in heard.fragments.values() for h in hashes} == {fragment.listed_hash(d) for d in fragments}
        assert heard.fragments.keys() == {1, 2, 3}


def test_on_a_narrow_link_a_round_is_finished_before_the_next_begins_and_holds_the_statement_often():
    _, announcer = session(57_600, stations=4, profile=Profile.X_WING)
    half = ["statement", *["announcement"] * 4]  # of four stations' two fragments each
    said = [kinds([d])[0] for _, d in run(announcer, 60)]
    announced = [kind for kind in said if kind in ("statement", "announcement")]
    for begin in range(0, len(announced) - 11, 11):
        assert announced[begin : begin + 11] == [*half, *half, "statement"]


def test_an_epoch_is_announced_even_where_its_lead_is_longer_than_its_life():
    """Twelve X-Wing stations on 10 kbit/s: a round takes minutes."""
    _, announcer = session(10_000, stations=12, profile=Profile.X_WING, policy=Policy(rekey_s=60))
    assert announcer.lead_s > 60
    said = [d for _, d in run(announcer, 1.5 * announcer.round_s)]
    assert announcer.phase is Phase.STEADY
    assert len({d for d in said if kinds([d]) == ["announcement"]}) == 12 * 2


# --- epochs ---


def test_lead_is_the_orders_or_three_rounds_whichever_is_longer():
    _, wide = session(policy=Policy(lead_s=5))
    assert wide.lead_s == 5
    _, narrow = session(57_600, stations=4, profile=Profile.X_WING, policy=Policy(lead_s=5))
    heard = [d for _, d in run(narrow, 60)]
    said = {kind: {d for d in heard if kinds([d]) == [kind]} for kind in ("statement", "announcement")}
    (statement,) = said["statement"]
    a_round = 3 * len(statement) + sum(map(len, said["announcement"]))  # one ahead, one after each fourth of the eight
    assert narrow.lead_s == pytest.approx(3 * a_round / (57_600 * 0.05 / 8))
    assert narrow.lead_s > 30


def test_the_next_epoch_is_announced_ahead_and_then_seals():
    _, announcer = session(policy=Policy(rekey_s=60, lead_s=5))
    first = announcer.current
    before = [d for _, d in run(announcer, 54.9)]
    assert announcer.phase is Phase.STEADY
    lead = [d for _, d in run(announcer, 59.9, now=55.0)]
    assert announcer.phase is Phase.LEAD
    assert announcer.current is first  # still seals
    beats = clear_beats(announcer, lead)
    assert {b.epoch for b in beats} == {0}
    assert 4_000 < beats[0].ms_to_next <= 5_000
    assert [b.ms_to_next for b in beats] == sorted((b.ms_to_next for b in beats), reverse=True)
    assert not set(of_kind(lead, Kind.ANNOUNCEMENT)) & set(of_kind(before, Kind.ANNOUNCEMENT))
    repeated = {fragment.listed_hash(datagram) for datagram in of_kind(lead, Kind.ANNOUNCEMENT)}
    assert all({each for parts in b.fragments.values() for each in parts} == repeated for b in beats)
    after = [d for _, d in run(announcer, 62.0, now=60.01)]
    assert announcer.phase is Phase.STEADY
    assert announcer.epoch == 1
    assert {(b.epoch, b.ms_to_next) for b in clear_beats(announcer, after)} == {(1, 0)}
    assert set(of_kind(after, Kind.ANNOUNCEMENT)) == set(of_kind(lead, Kind.ANNOUNCEMENT))
    assert not {k.kid for k in first.send_keys.values()} & {k.kid for k in announcer.current.send_keys.values()}


def test_on_a_narrow_link_what_waits_of_the_old_epoch_is_not_said_any_more():
    """No beat lists it, and the new announcements need the time."""
    _, announcer = session(57_600, stations=15, profile=Profile.X_WING, policy=Policy(rekey_s=600))
    old = set(announcer._fragments)
    assert announcer.lead_s < 600
    for at, datagram in run(announcer, 600, step=0.05):
        assert announcer.phase is Phase.STEADY or datagram not in old, at
    assert announcer.phase is Phase.LEAD


def test_a_beat_at_once_when_the_epoch_turns():
    _, announcer = session(policy=Policy(rekey_s=60, lead_s=5))
    turns = []
    for now in (t * 0.001 for t in range(54_800, 60_300)):
        epochs = announcer.epoch, announcer.phase
        said = announcer.datagrams(now)
        if (announcer.epoch, announcer.phase) != epochs:
            turns.append(kinds(said)[1:3])
    assert turns == [["beat", "sealed"]] * 2


def test_a_key_near_its_limit_brings_the_next_epoch_before_its_time():
    _, announcer = session(policy=Policy(rekey_s=3600, lead_s=5))
    announcer.datagrams(0.0)
    announcer.current.send_keys[Lane.VIDEO_A].next_ctr = REKEY_AFTER_PACKETS - 1
    announcer.datagrams(1.0)
    assert announcer.phase is Phase.STEADY
    announcer.current.send_keys[Lane.VIDEO_A].reserve(1)
    announcer.datagrams(2.0)
    assert announcer.phase is Phase.LEAD
    announcer.datagrams(7.0)
    assert announcer.epoch == 1
    assert announcer.current.send_keys[Lane.VIDEO_A].next_ctr == 0


# --- lanes and the end ---


def test_a_lane_that_the_session_does_not_have_has_no_key():
    world = World(1)
    announcer = world.aircraft(lanes=(Lane.TELEMETRY, Lane.EVIDENCE)).announcer
    assert announcer.send_key(Lane.TELEMETRY) is not None
    assert announcer.send_key(Lane.VIDEO_A) is None


@pytest.mark.parametrize("link_bps", [WIDE, NARROW])
def test_the_last_beat_says_so_both_ways_and_then_there_is_silence(link_bps: int):
    _, announcer = session(link_bps)
    announcer.datagrams(0.0)
    said = announcer.close(0.7)
    assert kinds(said) == ["beat", "sealed"]
    narrow = Flag.NARROW_LINK if link_bps == NARROW else 0
    assert [b.flags for b in clear_beats(announcer, said)] == [Flag.SESSION_CLOSED | narrow]
    assert announcer.phase is Phase.CLOSED
    assert announcer.send_key(Lane.TELEMETRY) is None
    assert (announcer.datagrams(5.0), announcer.close(5.0)) == ([], [])
    assert announcer.next_due() == float("inf")
