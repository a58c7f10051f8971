from __future__ import annotations

import numpy as np
import pytest

from gateway.core.ground.session import ALIVE_FOR_S, LASTED_S, LATE_NARROW_S, LATE_S, LEASE_NARROW_S, LEASE_S, Session
from gateway.core.wire import BEYOND_BEAT_BY, KEEP_EPOCH_S, ControlHeader, Kind
from keys.announcement import Announcement, Grant
from keys.beat import SESSION_MS_MAX, Beat
from keys.beat_flag import Flag
from keys.lanes import Lane, downlink_kid
from keys.statement import Statement

STATED = Statement(bytes(32), 0, bytes(32), 5, 0)
SESSION_ID = STATED.session_id()


def kid(epoch: int, lane: Lane = Lane.VIDEO_A) -> int:
    return downlink_kid(lane, SESSION_ID, epoch)


def beat(
    seq: int = 1,
    epoch: int = 0,
    ctr: int = 0,
    ms_to_next: int = 0,
    flags: int = 0,
    listed: bytes = b"",
    sent: float = 0.0,
) -> Beat:
    """`sent`: seconds since the session began."""
    fragments, ms = {1: [listed]} if listed else {}, int(sent * 1000)
    return Beat(SESSION_ID, seq, bytes(8), epoch, {kid(epoch): ctr}, 0, {}, fragments, ms_to_next, flags, ms, {})


def granted(epoch: int) -> Grant:
    return Grant({kid(epoch): bytes([epoch]) * 32}, b"u" * 32)


def hearing(*beats: Beat, now: float = 0.0) -> Session:
    session = Session(STATED, b"device")
    for heard in beats:
        session.hear(heard, b"message", now)
    return session


def bounds(session: Session, now: float) -> dict[int, int]:
    """KID -> the first CTR that is beyond the beat, of what may be opened now."""
    return {lease.key.kid: lease.below for lease in session.leases(now)}


def test_a_key_without_a_beat_and_a_beat_without_a_key_open_nothing():
    assert hearing(beat()).leases(0.0) == []
    assert Session(STATED, b"device").leases(0.0) == []


def test_a_beat_opens_its_epoch_up_to_a_bound():
    session = hearing(beat(ctr=100))
    assert not session.granted
    session.install(0, granted(0))
    assert session.granted
    (lease,) = session.leases(0.0)
    assert (lease.session, lease.lane, lease.key.kid) == (session, Lane.VIDEO_A, kid(0))
    assert lease.below == 100 + BEYOND_BEAT_BY
    assert session.known_kids() == {kid(0)}


def test_installing_again_changes_nothing():
    """An emptied window would let a whole epoch be played again."""
    session = hearing(beat())
    session.install(0, granted(0))
    (lease,) = session.leases(0.0)
    lease.key.window.accept(np.array([9], np.int64))
    session.install(0, Grant({kid(0): bytes(32)}, bytes(32)))
    (again,) = session.leases(0.0)
    assert again.key is lease.key
    assert again.key.window.top == 9


def test_the_next_epoch_opens_in_lead_time_only():
    session = hearing(beat())
    session.install(0, granted(0))
    session.install(1, granted(1))
    assert not session.listed.expects(1)
    assert bounds(session, 0.0).keys() == {kid(0)}
    session.hear(beat(2, ms_to_next=5_000, sent=1.0), b"", 1.0)
    assert session.listed.expects(1)
    assert not session.listed.expects(2)
    assert bounds(session, 1.0) == {kid(0): BEYOND_BEAT_BY, kid(1): BEYOND_BEAT_BY}
    later = 2.0 + KEEP_EPOCH_S  # the lead of a narrow link is longer than an old epoch is kept
    session.hear(beat(3, ms_to_next=1), b"", later)
    session.expire(later)
    assert kid(1) in bounds(session, later)


def test_the_previous_epoch_stays_a_while_with_its_last_bound():
    session = hearing(beat(ctr=7))
    session.install(0, granted(0))
    session.commit(Announcement(SESSION_ID, bytes(32), 0, 1, 5, {kid(0): bytes(32)}, b""))
    session.hear(beat(2, epoch=1, ctr=50, sent=1.0), b"", 1.0)
    session.install(1, granted(1))
    session.settle(1.0 + LATE_S)
    assert bounds(session, 1.0 + LATE_S) == {kid(0): 7 + BEYOND_BEAT_BY, kid(1): 50 + BEYOND_BEAT_BY}
    session.settle(1.1 + LATE_S)
    assert bounds(session, 1.1 + LATE_S) == {kid(1): 50 + BEYOND_BEAT_BY}
    session.expire(1.0 + KEEP_EPOCH_S)  # its uplink keys stay longer
    assert 0 in session.uplink_keys
    session.expire(1.1 + KEEP_EPOCH_S)
    assert session.uplink_keys.keys() == {1}
    assert session._commitments == {}
    assert bounds(session, 1.0) == {kid(1): 50 + BEYOND_BEAT_BY}


def test_epochs_that_share_a_kid_are_told_apart_by_their_full_number():
    session = hearing(beat(epoch=2))
    session.install(2, granted(2))
    session.hear(beat(2, epoch=18), b"", 1.0)
    assert kid(2) == kid(18)
    assert not session.granted
    session.install(18, granted(18))
    assert session.granted
    assert {lease.below for lease in session.leases(1.0)} == {BEYOND_BEAT_BY}


def test_of_epochs_that_are_skipped_nothing_is_kept():
    """Whoever has the key of the aircraft begins as many as they like, and grants them too."""
    session = hearing(beat())
    for epoch in range(0, 200, 2):
        session.hear(beat(2 + epoch, epoch=epoch, ms_to_next=1, sent=0.1), b"", 0.1)
        for granting in (epoch, epoch + 1):
            assert session.commit(Announcement(SESSION_ID, bytes(32), granting, 1, 5, {kid(granting): bytes(32)}, b""))
            session.install(granting, granted(granting))
    assert set(session.uplink_keys) | set(session._receive) | set(session._bounds) == {197, 198, 199}
    assert [epoch for epoch, _ in session._commitments] == [198, 199]
    assert session._replaced_at.keys() == {197}


def test_alive_while_it_beats():
    session = hearing(beat(), now=10.0)
    assert session.alive(10.0 + ALIVE_FOR_S - 0.1)
    assert not session.alive(10.0 + ALIVE_FOR_S)
    session.hear(beat(2, flags=Flag.SESSION_CLOSED | Flag.ORDER_EXPIRED), b"", 20.0)
    assert session.closed
    assert not session.alive(20.0)
    assert not Session(STATED, b"device").alive(0.0)


def test_two_commitments_for_one_kid_are_noticed_for_any_station():
    def announced(station: int, epoch: int, commitment: bytes) -> Announcement:
        return Announcement(SESSION_ID, bytes(32), epoch, station, 5, {kid(epoch): commitment}, b"")

    session = hearing(beat())
    assert session.commit(announced(1, 0, b"a" * 32))
    assert session.commit(announced(2, 0, b"a" * 32))
    assert session.commit(announced(1, 16, b"b" * 32))  # another epoch, though the KID is the same
    assert not session.commit(announced(3, 0, b"c" * 32))
    assert session.commit(announced(1, 0, b"a" * 32))


@pytest.mark.parametrize(("listed", "kept"), [(b"a" * 16, True), (b"b" * 16, False)])
def test_half_a_message_is_forgotten_when_no_beat_lists_it_any_more(listed: bytes, kept: bool):
    session = hearing(beat(listed=b"a" * 16))
    header = ControlHeader(Kind.ANNOUNCEMENT, 0, 2, bytes(8))
    assert session.listed.reassembler.add(header, b"first half, ") is None
    session.listed.taken.add(b"8 octets")
    session.hear(beat(2, listed=listed), b"", 1.0)
    assert (b"8 octets" in session.listed.taken) is kept
    assert bool(session.listed.reassembler._parts) is kept


# --- time: SPEC.md section 5.7 ---


def taken(session: Session, heard: Beat, now: float) -> bool:
    """Whether a beat that comes now is taken; it is late otherwise."""
    if session.is_late(heard, now):
        return False
    session.hear(heard, b"", now)
    return True


def opens_from(session: Session, now: float) -> int | None:
    """The least counter that may be opened now; None if none may."""
    session.settle(now)
    leases = session.leases(now)
    if not leases:
        return None
    (window,) = {lease.key.window for lease in leases}
    too_old, _ = window.look(np.arange(1_000))
    return int(too_old.sum())


def flying(flags: int = 0) -> Session:
    """A session that is open, at its first beat."""
    session = hearing(beat(flags=flags))
    session.install(0, granted(0))
    return session


@pytest.mark.parametrize(("flags", "late_s"), [(0, LATE_S), (Flag.NARROW_LINK, LATE_NARROW_S)])
def test_a_beat_that_was_withheld_moves_nothing(flags: int, late_s: float):
    session = flying(flags)
    assert not taken(session, beat(2, ctr=10, flags=flags, sent=0.5), 0.6 + late_s)
    assert session.beat.seq == session.seq == 1
    assert session.late_at == 0.6 + late_s
    assert session.lateness.lag_s == pytest.approx(0.1 + late_s, abs=0.01)
    assert taken(session, beat(3, ctr=20, flags=flags, sent=1.0), 0.9 + late_s)


@pytest.mark.parametrize(("flags", "lease_s"), [(0, LEASE_S), (Flag.NARROW_LINK, LEASE_NARROW_S)])
def test_without_a_beat_nothing_opens_after_a_while(flags: int, lease_s: float):
    session = flying(flags)
    assert session.next_change(0.0) == lease_s
    assert opens_from(session, lease_s) == 0
    assert opens_from(session, lease_s + 0.1) is None
    assert session.next_change(lease_s + 0.1) == float("inf")


def test_the_first_beat_after_a_silence_begins_the_windows():
    session = flying()
    assert taken(session, beat(2, ctr=500, sent=4.0), 4.0)
    assert opens_from(session, 4.0) == 500


def test_what_was_sent_before_a_beat_may_arrive_for_so_long_behind_it():
    session = flying()
    taken(session, beat(2, ctr=100, sent=1.0), 1.5)  # half a second later than the first one
    assert session.next_change(1.5) == pytest.approx(1.0 + LATE_S, abs=0.01)
    assert opens_from(session, 1.0 + LATE_S) == 0
    assert opens_from(session, 1.01 + LATE_S) == 100


def test_a_beat_that_comes_sooner_shows_that_those_before_were_late():
    """Somebody played an old beat to a station before the aircraft was heard."""
    session = hearing(beat(ctr=10, sent=10.0), now=300.0)
    session.install(0, granted(0))
    assert opens_from(session, 300.0) == 10
    assert taken(session, beat(2, ctr=300, sent=300.0), 300.5)
    assert opens_from(session, 300.5) == 300


def test_a_beat_that_comes_a_little_sooner_moves_no_window():
    """By a faster link, for one."""
    session = hearing(beat(ctr=10, sent=10.0), now=11.5)
    session.install(0, granted(0))
    assert taken(session, beat(2, ctr=20, sent=10.5), 10.6)
    assert opens_from(session, 11.5) == 10


def test_a_closed_session_opens_what_is_on_its_way_and_then_nothing():
    session = flying()
    taken(session, beat(2, ctr=9, flags=int(Flag.SESSION_CLOSED), sent=1.0), 1.0)
    assert opens_from(session, 1.0 + LATE_S) == 0
    assert opens_from(session, 1.01 + LATE_S) is None


def test_a_session_of_more_than_49_days_goes_on():
    """Field 11 stands still at its end."""
    old = SESSION_MS_MAX / 1000
    session = hearing(beat(sent=old), now=0.0)
    session.install(0, granted(0))
    for second in range(1, 20):
        assert taken(session, beat(1 + second, ctr=second, sent=old), float(second))
    assert opens_from(session, 20.0) == 19


def test_a_flood_of_beats_keeps_little():
    """Of the holder of a session key: nobody else can make one."""
    session = flying()
    for seq in range(2, 20_000):
        assert taken(session, beat(seq, sent=seq // 1000 / 1000), 0.5)
    assert len(session._young) <= 1000 * (LATE_S + 1)


def kept_up(*times: float, flags: int = 0) -> Session:
    """A session that is open, and whose beats came at these times."""
    session = flying(flags)
    for seq, now in enumerate(times, 2):
        session.hear(beat(seq, flags=flags, sent=now), b"", now)
    return session


@pytest.mark.parametrize(
    ("times", "lasted"),
    [
        ((1.0, 2.0, 3.0, 4.0, 5.0), True),
        ((1.0, 2.0, 3.0, 4.0, 4.9), False),
        ((LASTED_S,), False),
        ((2.5, 5.0, 7.5, 10.0), False),  # of a gap a second counts
        ((2.5, 5.0, 7.5, 10.0, 12.5), True),
        ((3.1, 6.2, 9.3, 12.4), False),
        ((3.1, 6.2, 9.3, 12.4, 15.5), True),  # and not less for being longer than the lease: a jammer makes such gaps
        ((600.0, 1200.0, 1800.0, 2400.0), False),
    ],
)
def test_a_session_has_lasted_once_its_beats_went_on_for_a_while(times: tuple[float, ...], lasted: bool):
    session = kept_up(*times)
    session.proved = True  # that alone takes a single message of who has its key
    assert session.lasted is lasted


def test_what_has_lasted_once_has_lasted():
    session = kept_up(*(float(n) for n in range(1, 6)), 600.0)
    assert session.lasted


def test_what_was_never_opened_has_not_lasted():
    session = hearing(beat())
    for seq in range(2, 20):
        session.hear(beat(seq, sent=seq), b"", float(seq))
    assert not session.lasted
    session.install(0, granted(0))
    session.hear(beat(20, sent=20.0), b"", 20.0)
    assert session.lasted
