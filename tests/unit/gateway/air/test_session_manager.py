"""The change of order aboard, with a real device folder and no socket; time is the test's."""

from __future__ import annotations

import dataclasses
import hashlib

import pytest

from gateway.air import session_manager
from gateway.air.session_manager import AHEAD_MAX_S, SessionManager
from gateway.core import order_fragments
from gateway.core.air.announcer import Announcer, Phase
from gateway.core.control_cipher import ControlCipher
from gateway.core.wire import parse_control
from gateway.report.alarms import Alarms
from keys import beat, cose
from keys.beat_flag import Flag
from keys.errors import DeviceRevoked, KeysError, OlderOrder
from keys.folders import inbox
from keys.folders.device import DeviceFolder
from keys.lanes import Lane
from keys.order import claimed_hash, issue_order, parse_order, verify_order
from keys.policy import Policy
from tests.agency import HOUR, NOW, harbour, order
from tests.unit.keys.disk import full_disk
from tests.unit.keys.folders.test_device import device, path, signed

__all__ = ["device", "path"]

LEAD_S = Policy().lead_s


@pytest.fixture
def alarms() -> Alarms:
    return Alarms(lambda _: None)


@pytest.fixture
def aboard(device, alarms, monkeypatch) -> SessionManager:
    """In the air under order 7, at time 0."""
    monkeypatch.setattr(session_manager, "board_clock", lambda: NOW + 60)
    device.load_order(signed(device), NOW)
    made = SessionManager(device, 1, 8_000_000, alarms)
    made.begin(0.0)
    made.datagrams(0.0)
    return made


def next_order(aboard: SessionManager, **changes) -> bytes:
    """Order 8, which amends the one in force."""
    old = aboard.order
    new = dataclasses.replace(old.content, **{"serial": 8, "previous": old.order_hash, **changes})
    return issue_order(new, [harbour().signer])


def run(aboard: SessionManager, begin: float, end: float) -> list[bytes]:
    """What goes out in between."""
    out, now = [], begin
    while (now := max(now, aboard.next_due())) <= end:
        out += aboard.datagrams(now)
        now += 0.001
    return out


def revoked(aboard: SessionManager) -> bytes:
    return next_order(aboard, stations=aboard.order.content.stations[:1])


def beats(out: list[bytes], *announcers: Announcer) -> list[tuple[bytes, int]]:
    """(session_id, flags) of the beats among these datagrams."""
    cipher, found = ControlCipher(announcers[0].order.content.op_id), []
    keys = {announcer.session_id[:8]: announcer._session_key.public_key() for announcer in announcers}
    for opened in filter(None, map(cipher.open, out)):
        _, message = parse_control(opened)
        if hint := beat.claimed_session(message):
            said = beat.verify(cose.parse_sign1(message), keys[hint])
            found.append((said.session_id, said.flags))
    return found


def test_an_order_that_drops_a_station_is_changed_to_at_once(aboard):
    old = aboard.announcer
    aboard.put_in_force(revoked(aboard), 1.0)
    assert aboard.next_due() <= 1.0
    out = aboard.datagrams(1.0)
    assert old.phase is Phase.CLOSED
    assert old.send_key(Lane.EVIDENCE) is None
    assert aboard.announcer is not old
    assert (aboard.order.content.serial, aboard.boot) == (8, 2)
    assert beats(out, old, aboard.announcer)[-2:] == [(old.session_id, 4), (aboard.announcer.session_id, 0)]
    assert set(aboard.announcer.current.announcements) == {1}


def test_an_order_that_drops_no_one_is_told_first(aboard):
    old = aboard.announcer
    aboard.put_in_force(next_order(aboard, not_after=NOW + 9 * HOUR), 1.0)
    assert old.flags & Flag.ORDER_CHANGE_AHEAD
    key = old.current.send_keys[Lane.EVIDENCE]
    before = key.next_ctr
    assert aboard.announcer is old
    run(aboard, 1.0, 1.0 + LEAD_S)
    fragments = -(-len(aboard.order.raw) // 1100)
    assert key.next_ctr >= before + fragments + 1
    assert (old.phase, aboard.order.content.serial) == (Phase.CLOSED, 8)


def test_an_order_that_demotes_a_commander_is_changed_to_at_once(aboard):
    """Announced ahead it would leave whoever flies badly the lead time to go on."""
    old, (pilot, other) = aboard.announcer, aboard.order.content.stations
    aboard.put_in_force(next_order(aboard, stations=(dataclasses.replace(pilot, guard="observer"), other)), 1.0)
    assert not old.flags & Flag.ORDER_CHANGE_AHEAD
    aboard.datagrams(1.0)
    assert (old.phase, aboard.order.content.stations[0].guard) == (Phase.CLOSED, "observer")


def test_an_order_with_an_unknown_guard_policy_is_refused_by_its_name(aboard, device, alarms):
    stations = (dataclasses.replace(aboard.order.content.stations[0], guard="harbour-master"),)
    old, new = aboard.announcer, dataclasses.replace(aboard.order.content, serial=8, stations=stations)
    data = harbour().sign(new.payload())
    (device.path / inbox.ORDER).write_bytes(data)
    (device.path / inbox.ORDER).chmod(0o600)
    aboard.watch(30.0)
    assert b"has the guard policy 'harbour-master'" in (device.path / inbox.ANSWER).read_bytes()
    assert any("has the guard policy 'harbour-master'" in text for text in alarms.texts)
    run(aboard, 30.0, 40.0)
    assert (aboard.announcer, device.order().content.serial) == (old, 7)


@pytest.mark.parametrize(("link_bps", "lead_s"), [(8_000_000, LEAD_S), (46_080, 28.4), (4_800, AHEAD_MAX_S)])
def test_the_change_waits_no_longer_than_the_lead_time(device, alarms, monkeypatch, link_bps, lead_s):
    """For a station that does not answer: lead_s, or on a narrow link six rounds, and a minute at most."""
    monkeypatch.setattr(session_manager, "board_clock", lambda: NOW + 60)
    device.load_order(signed(device), NOW)
    aboard = SessionManager(device, 1, link_bps, alarms)
    aboard.begin(0.0)
    old, now = aboard.announcer, 1.0
    aboard.put_in_force(next_order(aboard), now)
    while aboard.announcer is old:
        now += 0.1
        old.freshness.challenge(1, bytes(8), now)
        aboard.datagrams(now)
    assert now - 1.0 == pytest.approx(lead_s, abs=2.0)  # a signature is a few bytes longer or shorter


def test_the_change_comes_when_each_station_that_was_heard_holds_the_order(aboard):
    old, now = aboard.announcer, 1.0
    for station in (1, 2):
        old.freshness.challenge(station, bytes(8), now)
    data = next_order(aboard)
    aboard.put_in_force(data, now)
    name = claimed_hash(data)[:16]
    run(aboard, now, 1.5)
    for station, said in ((1, name), (2, bytes(16)), (2, aboard.order.order_hash[:16])):
        aboard.order_held(station, said, 1.5)
        aboard.datagrams(1.5)
        assert aboard.announcer is old
    aboard.order_held(2, name, 1.6)
    assert aboard.next_due() <= 1.6
    aboard.datagrams(1.6)
    assert (old.phase, aboard.order.content.serial) == (Phase.CLOSED, 8)
    aboard.order_held(2, name, 1.7)


def test_a_session_and_the_next_one_begin_with_other_bytes(aboard, monkeypatch):
    """So what comes up says by itself which of the two it is for."""
    found, made = [], Announcer.__init__

    def same_byte_at_first(announcer, *args):
        made(announcer, *args)
        if len(found) < 3:
            announcer.session_id = aboard._former[:1] + announcer.session_id[1:]
        found.append(announcer.session_id)

    monkeypatch.setattr(Announcer, "__init__", same_byte_at_first)
    old = aboard.announcer.session_id
    aboard.put_in_force(revoked(aboard), 1.0)
    aboard.datagrams(1.0)
    assert [name[:1] == old[:1] for name in found[:3]] == [True] * 3
    assert aboard.announcer.session_id[:1] != old[:1]
    assert aboard.boot == 2


def test_an_order_is_stored_before_anything_is_said(aboard, device):
    aboard.put_in_force(next_order(aboard), 1.0)
    assert parse_order((device.path / "order").read_bytes()).serial == 8
    with pytest.raises(OlderOrder):
        device.load_order(signed(device, serial=7, operation="Other"), NOW)


def test_only_a_session_whose_order_amends_another_has_the_order_lane(aboard):
    assert aboard.announcer.send_key(Lane.ORDER) is None
    aboard.put_in_force(revoked(aboard), 1.0)
    aboard.datagrams(1.0)
    assert aboard.announcer.send_key(Lane.ORDER) is not None
    run(aboard, 1.0, 10.0)
    first = aboard.announcer.send_key(Lane.ORDER).next_ctr
    assert first > 0
    aboard.challenged(1)
    run(aboard, 10.0, 20.0)
    assert aboard.announcer.send_key(Lane.ORDER).next_ctr == first


def test_an_order_of_another_operation_comes_by_file_only(aboard):
    data = signed(aboard.device, serial=9, op_id=bytes(16))
    old = aboard.announcer
    for content in fragments_of(aboard, data):
        aboard.order_fragment(1, content, 1.0)
    assert aboard.announcer is old
    aboard.put_in_force(data, 2.0)
    aboard.datagrams(2.0)
    assert aboard.order.content.op_id == bytes(16)
    assert aboard.announcer.send_key(Lane.ORDER) is None


def test_what_is_refused_changes_nothing(aboard, device):
    old = aboard.announcer
    for data in (signed(device, serial=6), b"\xd8\x62", next_order(aboard, devices=order().devices)):
        with pytest.raises(KeysError):
            aboard.put_in_force(data, 1.0)
    run(aboard, 1.0, 10.0)
    assert aboard.announcer is old
    assert aboard.order is device.order()


def test_the_order_in_force_once_more_is_no_change(aboard):
    old = aboard.announcer
    aboard.put_in_force(aboard.order.raw, 1.0)
    run(aboard, 1.0, 10.0)
    assert aboard.announcer is old


def test_a_full_card_refuses_the_order_and_flies_on(aboard):
    data, old = revoked(aboard), aboard.announcer
    with full_disk(), pytest.raises(KeysError, match="cannot be written"):
        aboard.put_in_force(data, 1.0)
    run(aboard, 1.0, 3.0)
    assert aboard.announcer is old


def test_an_extension_ends_the_alarm_of_an_expired_order(aboard, alarms, monkeypatch):
    monkeypatch.setattr(session_manager, "board_clock", lambda: NOW + 9 * HOUR)
    aboard.watch(20.0)
    assert aboard.announcer.flags & Flag.ORDER_EXPIRED
    assert [text[:15] for text in alarms.texts] == ["the order ended"]
    aboard.put_in_force(next_order(aboard, not_after=NOW + 10 * HOUR), 21.0)
    run(aboard, 21.0, 30.0)
    assert not aboard.announcer.flags & Flag.ORDER_EXPIRED
    assert alarms.texts == []


def test_the_inbox_is_looked_into_and_answered(aboard, device, alarms):
    data = revoked(aboard)
    for content, refused in ((data, False), (b"\xd8\x62", True)):
        (device.path / inbox.ORDER).write_bytes(content)
        (device.path / inbox.ORDER).chmod(0o600)
        aboard.watch(30.0 + refused)
        answered = (device.path / inbox.ANSWER).read_bytes()
        assert hashlib.sha256(content).hexdigest().encode() in answered
        assert (b'"error":""' in answered) is not refused
    aboard.datagrams(32.0)
    assert aboard.order.raw == data
    assert any("handed over is refused" in text for text in alarms.texts)


# --- what stations carry up ---


def fragments_of(aboard: SessionManager, data: bytes) -> list[bytes]:
    return order_fragments.split(verify_order(data, aboard.device.roots, 0))


def test_a_carried_order_is_taken_once_it_is_whole(aboard):
    fragments = fragments_of(aboard, revoked(aboard))
    assert all(aboard.order_fragment(1, content, 1.0) for content in fragments)
    aboard.datagrams(1.0)
    assert aboard.order.content.serial == 8
    assert all(aboard.order_fragment(1, content, 2.0) for content in fragments), "it is in force already"


def test_stations_do_not_spoil_each_others_pieces(aboard):
    fragments = fragments_of(aboard, next_order(aboard))
    for content in fragments:
        aboard.order_fragment(2, content[:-1] + bytes([content[-1] ^ 1]), 1.0)
        aboard.order_fragment(1, content, 5.0)
    run(aboard, 5.0, 6.0 + LEAD_S)
    assert aboard.order.content.serial == 8


def test_a_forged_order_is_refused_with_the_senders_name(aboard, alarms):
    data = bytearray(next_order(aboard))
    data[-1] ^= 1  # in the signature, which the order's name leaves out
    forged = dataclasses.replace(aboard.order, raw=bytes(data), order_hash=parse_order(bytes(data)).hash())
    for content in order_fragments.split(forged):
        assert aboard.order_fragment(1, content, 1.0)
    assert aboard.order.content.serial == 7
    assert any(text.startswith("station 'pilot' sent an order that was refused") for text in alarms.texts)


def test_an_order_that_moves_a_station_does_not_come_by_the_link(aboard, alarms):
    first, second = aboard.order.content.stations
    moved = next_order(aboard, stations=(first, dataclasses.replace(second, index=9)))
    for content in fragments_of(aboard, moved):
        aboard.order_fragment(1, content, 1.0)
    assert aboard.device.order().content.serial == 7
    assert "station 'pilot' sent an order that does not succeed the one in force: refused" in alarms.texts


def void_here(aboard: SessionManager) -> bytes:
    """Order 8, in which this aircraft is void."""
    mine = aboard.device.device_index(aboard.order.content)
    devices = [dataclasses.replace(device, void=place == mine) for place, device in enumerate(aboard.order.content.devices)]
    return next_order(aboard, devices=tuple(devices))


def test_an_order_that_makes_this_aircraft_void_is_refused_and_it_flies_on(aboard, device, alarms):
    data = void_here(aboard)
    for content in fragments_of(aboard, data):
        aboard.order_fragment(1, content, 1.0)
    assert "station 'pilot' sent an order that was refused: device revoked" in alarms.texts
    with pytest.raises(DeviceRevoked, match="the key of this device, 'drone-7', is lost"):
        aboard.put_in_force(data, 2.0)
    run(aboard, 2.0, 9.0)
    assert (aboard.order.content.serial, device.order().content.serial, aboard.boot) == (7, 7, 1)
    assert aboard.announcer.phase is Phase.STEADY


def test_an_order_that_makes_another_aircraft_void_is_told_ahead_as_one_that_drops_no_one(aboard):
    others = [place for place, _ in enumerate(aboard.order.content.devices)]
    others.remove(aboard.device.device_index(aboard.order.content))
    devices = [dataclasses.replace(d, void=place in others) for place, d in enumerate(aboard.order.content.devices)]
    aboard.put_in_force(next_order(aboard, devices=tuple(devices)), 1.0)
    assert aboard.announcer.flags & Flag.ORDER_CHANGE_AHEAD
    run(aboard, 1.0, 2.0 + LEAD_S)
    assert aboard.order.content.serial == 8


def test_rubbish_is_told_apart(aboard):
    assert not aboard.order_fragment(1, b"rubbish", 1.0)


@pytest.fixture
def looked_into(monkeypatch) -> list[bytes]:
    """The orders out of the link that were verified."""
    found: list[bytes] = []
    verify = lambda data, *args: found.append(data) or verify_order(data, *args)  # noqa: E731
    monkeypatch.setattr(session_manager, "verify_order", verify)
    return found


def carry(aboard: SessionManager, station: int, data: bytes, now: float) -> None:
    for content in fragments_of(aboard, data):
        aboard.order_fragment(station, content, now)


def rubbish(aboard: SessionManager, number: int) -> bytes:
    """Signed by the agency, and for other aircraft."""
    return next_order(aboard, devices=order().devices, operation=f"Exercise {number}")


def test_one_look_a_second_for_each_station(aboard, looked_into):
    for step in range(30):
        carry(aboard, 1, rubbish(aboard, step), 1.0 + step / 10)
    assert len(looked_into) == 3


def test_a_station_that_floods_holds_no_other_up(aboard, looked_into):
    """Today's order of station 2 comes between two of station 1's, none of which is like another."""
    genuine = revoked(aboard)
    for step in range(20):
        carry(aboard, 1, rubbish(aboard, step), 1.0 + step / 100)
        if step == 10:
            carry(aboard, 2, genuine, 1.0 + step / 100)
    assert len(looked_into) == 2
    assert aboard.device.order().content.serial == 8


def test_two_copies_of_the_agencys_signer_are_an_alarm_until_a_newer_order(aboard, alarms):
    carry(aboard, 1, next_order(aboard, serial=7, not_after=NOW + 9 * HOUR), 1.0)
    assert "two orders are number 7 by signer 1" in alarms.texts[0]
    assert "the agency's signer is in use twice; tell the agency" in alarms.texts[0]
    carry(aboard, 1, next_order(aboard, serial=8, previous=bytes(32)), 2.0)
    assert "does not amend number 7" in alarms.texts[0]
    assert aboard.device.order().content.serial == 7
    alarms.tick(10_000.0)
    assert len(alarms.texts) == 1
    carry(aboard, 1, revoked(aboard), 3.0)
    assert alarms.texts == []


def test_an_order_that_waits_is_looked_into_in_its_turn(aboard, looked_into):
    carry(aboard, 1, rubbish(aboard, 0), 1.0)
    carry(aboard, 1, genuine := revoked(aboard), 1.05)
    assert looked_into == [looked_into[0]]
    for step in range(10):
        aboard.watch(1.1 + step / 10)
    assert looked_into[1:] == [genuine]
    assert aboard.device.order().content.serial == 8


def test_an_order_that_was_refused_is_not_looked_into_again(aboard, looked_into):
    bad = rubbish(aboard, 0)
    for step in range(1_000):
        carry(aboard, 1 + step % 2, bad, 1.0 + step)
    assert looked_into == [bad]


def test_an_order_that_the_clock_or_the_disk_refuses_may_come_again(aboard, looked_into, monkeypatch):
    end = aboard.order.content.not_after + HOUR  # one that lasts no longer would be accepted after its end
    new = next_order(aboard, not_after=end)
    monkeypatch.setattr(session_manager, "board_clock", lambda: end + HOUR)
    carry(aboard, 1, new, 1.0)
    monkeypatch.setattr(session_manager, "board_clock", lambda: NOW + 60)
    with full_disk():
        carry(aboard, 1, new, 2.0)
    assert aboard.device.order().content.serial == 7
    carry(aboard, 1, new, 3.0)
    assert looked_into == [new] * 3
    assert aboard.device.order().content.serial == 8


def test_what_did_not_succeed_the_last_order_may_succeed_this(aboard, looked_into):
    """An order of another operation is refused, until one of that operation is loaded by file."""
    other = bytes(16)
    later = signed(aboard.device, serial=9, op_id=other)
    carry(aboard, 1, later, 1.0)
    aboard.put_in_force(signed(aboard.device, serial=8, op_id=other), 2.0)
    aboard.datagrams(2.0)
    carry(aboard, 1, later, 3.0)
    assert looked_into == [later] * 2
    assert aboard.device.order().content.serial == 9


def test_an_order_of_a_station_that_was_revoked_meanwhile_waits_in_vain(aboard, looked_into):
    carry(aboard, 2, rubbish(aboard, 0), 1.0)
    carry(aboard, 2, rubbish(aboard, 1), 1.01)
    aboard.put_in_force(revoked(aboard), 1.5)
    aboard.datagrams(1.5)
    for step in range(20):
        aboard.watch(1.6 + step / 10)
    assert len(looked_into) == 1


def test_a_folder_that_is_opened_again_flies_under_the_new_order(aboard, device):
    aboard.put_in_force(revoked(aboard), 1.0)
    device.close()
    with DeviceFolder.open(device.path) as again:
        assert again.order().content.serial == 8
