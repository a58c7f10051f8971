"""A station takes a newer order: by the link in its turn, or over its file. The folder is a real one, time the test's."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.core import fragment, order_fragments
from gateway.core.control_cipher import ControlCipher
from gateway.core.drop_reason import DropReason
from gateway.core.ground.listener import Listener, StationIdentity
from gateway.core.ground.session import Session
from gateway.core.ground.uplink_sessions import UplinkSessions
from gateway.core.wire import Kind
from gateway.ground.order_file import OrderFile
from gateway.ground.succession import Succession
from gateway.ground.uplink import GroundUplink
from gateway.report.alarms import Alarms
from keys.folders import state
from keys.folders import station as folders_station
from keys.order import VerifiedOrder, claimed_hash, parse_order, verify_order
from keys.statement import Statement
from tests.agency import HOUR, NAME, NOW, Agency, device
from tests.unit.keys.folders.test_station import path, signed, station

__all__ = ["path", "station"]


class Post:
    """A station under order 7, whose order file is `file`, in two sessions of an aircraft."""

    def __init__(self, path, station) -> None:
        self.path, self.station, self.file = path, station, path.parent / "op.order"
        self.file.write_bytes(signed(path))
        order = station.newest_order(self.file.read_bytes(), NOW)
        me = StationIdentity(station.index_in(order.content), station.profile, station.seed)
        self.listener, self.alarms = Listener(order, me, {}), Alarms(lambda _: None)
        self.uplink = GroundUplink(UplinkSessions(order, me.index, 1472, bytes), [], [], self.alarms)
        self.succession = Succession(station, OrderFile(str(self.file)), self.listener, self.uplink, self.alarms)
        stated = [Statement(order.order_hash, 0, bytes(32), boot, 0) for boot in (1, 2)]
        self.heard: list[bytes] = []
        self.sessions = [Session(each, order.content.devices[0].pub, order) for each in stated]

    def hear(self, data: bytes, session: int = 0) -> None:
        """A whole order out of a lane of this session."""
        self.heard.append(data)
        name = claimed_hash(data)
        assert name is not None
        for content in order_fragments.split(VerifiedOrder(parse_order(data), name, 1, data)):
            assert self.listener.order_fragment(self.sessions[session], content) is None

    def look(self, now: float) -> int:
        """Let it look; the serial of its order then."""
        self.succession.look_at_link(now)
        return self.listener.order.content.serial


def stored(post: Post) -> dict[str, bytes]:
    """The orders in the station's folder, by the names of their files."""
    return {path.name: path.read_bytes() for path in post.path.glob("order-*")}


@pytest.fixture
def post(path, station, monkeypatch) -> Post:
    monkeypatch.setattr(time, "time", lambda: NOW)
    return Post(path, station)


@pytest.fixture
def verified(post, monkeypatch) -> list[bytes]:
    """Of the orders out of the link, those whose signatures were checked, each time that they were."""
    found: list[bytes] = []

    def count(data: bytes, *args) -> VerifiedOrder:
        if data in post.heard:
            found.append(data)
        return verify_order(data, *args)

    monkeypatch.setattr(folders_station, "verify_order", count)
    return found


def test_a_newer_order_is_taken_and_stored(post):
    post.hear(signed(post.path, serial=8))
    assert post.look(0.0) == 8
    assert post.station.newest_order(signed(post.path), NOW).content.serial == 8
    assert post.alarms.texts == []


def test_an_order_that_revokes_an_aircraft_ends_its_sessions_in_the_same_turn(post):
    for session in post.sessions:
        post.listener.sessions[session.session_id[:8]] = session
    post.uplink.sessions.follow(post.sessions, 0.0)
    first, second = post.listener.order.content.devices
    post.hear(signed(post.path, serial=8, devices=(dataclasses.replace(first, void=True), second)))
    assert post.look(0.0) == 8
    assert post.listener.sessions == post.uplink.sessions.commanders == {}


def test_what_the_folder_remembers_counts_of_an_aircraft_that_a_newer_order_adds(post):
    """It flew in an earlier operation of the agency: to be added here makes none of its recordings a first contact."""
    ours, added = post.listener.order, device(3)
    post.station.record_boot(ours.agency_id, added.pub, 41, bytes(16), 9)
    post.station.record_system(ours.agency_id, added.pub, 3)
    assert post.station.store_heard() is None
    newer = signed(post.path, serial=8, devices=(*ours.content.devices, added))
    post.hear(newer)
    assert post.look(0.0) == 8
    key = Ed25519PrivateKey.from_private_bytes(bytes([3]) * 32)
    for boot, outcome in ((41, DropReason.OLDER_SESSION), (42, None)):
        message = Statement(post.listener.order.order_hash, 2, bytes(32), boot, 0).sign(key)
        (opened,) = fragment.split(Kind.STATEMENT, message)
        assert post.listener.control(ControlCipher(ours.content.op_id).seal(opened), 1.0) is outcome
    assert post.uplink.sessions.systems.owner(3) == added.pub


def test_another_agencys_order_of_the_same_op_id_is_not_taken_from_the_link(post):
    other = Agency("Coast Guard", generation=9)
    post.station.trust((other.root,))
    post.hear(signed(post.path, other.signer, serial=8, agency="Coast Guard"))
    assert post.look(0.0) == 7
    assert post.alarms.texts == ["an order that came by the link does not succeed the one in force: refused"]
    post.hear(signed(post.path, other.signer, serial=2, agency="Coast Guard"))
    post.look(2.0)
    assert post.station.newest_order(signed(post.path, serial=8), NOW).content.agency == NAME


def test_an_order_out_of_the_link_is_verified_once(post, verified):
    newer = signed(post.path, serial=8)
    post.hear(newer)
    assert post.look(0.0) == 8
    assert verified == [newer]


def test_one_look_a_second_for_each_session(post, verified):
    stranger = Agency().signer
    for step in range(30):
        post.hear(signed(post.path, stranger, serial=8 + step))
        if step == 10:
            post.hear(signed(post.path, serial=99), session=1)
        post.look(step / 10)
    assert len(verified) == 4
    assert post.listener.order.content.serial == 99
    assert post.alarms.texts == ["an order that came by the link is refused: foreign root"]


def test_an_order_that_was_refused_is_not_looked_into_again(post, verified):
    bad = signed(post.path, Agency().signer, serial=8)
    for step in range(1_000):
        post.hear(bad, session=step % 2)
        post.look(float(step))
    assert verified == [bad]


def test_an_order_that_the_clock_refuses_may_come_again(post, verified, monkeypatch):
    ahead = signed(post.path, serial=8, not_before=NOW + HOUR)
    post.hear(ahead)
    assert post.look(0.0) == 7
    monkeypatch.setattr(time, "time", lambda: NOW + HOUR)
    post.hear(ahead)
    assert post.look(1.0) == 8
    assert verified == [ahead] * 2


def test_an_order_that_does_not_succeed_is_not_stored_either(post):
    """Signed by the agency and in force, but it moves the operation to another place: that comes by file."""
    other, before = signed(post.path, serial=9, op_id=bytes(16)), stored(post)
    post.hear(other)
    assert post.look(0.0) == 7
    assert post.alarms.texts == ["an order that came by the link does not succeed the one in force: refused"]
    assert stored(post) == before


def test_two_copies_of_the_agencys_signer_are_an_alarm_until_a_newer_order(post):
    post.hear(signed(post.path, serial=7, operation="Other"))
    assert post.look(0.0) == 7
    assert "two orders are number 7 by signer 1" in post.alarms.texts[0]
    post.alarms.tick(10_000.0)
    assert len(post.alarms.texts) == 1
    post.hear(signed(post.path, serial=8))
    assert post.look(1.0) == 8
    assert post.alarms.texts == []


def test_an_older_order_is_no_alarm(post):
    post.hear(signed(post.path, serial=8))
    post.look(0.0)
    post.hear(signed(post.path, serial=6))
    assert post.look(1.0) == 8
    assert post.alarms.texts == []


def test_the_order_file_is_looked_at_apart_from_the_link(post):
    post.file.write_bytes(signed(post.path, Agency().signer, serial=8))
    post.succession.look_at_file(0.0)
    assert len(post.alarms.texts) == 1
    post.file.write_bytes(signed(post.path, serial=9, operation="The Same"))
    post.succession.look_at_file(1.0)
    assert post.listener.order.content.serial == 9
    assert post.alarms.texts == []


def test_an_order_with_guard_policies_that_are_not_here_is_refused_and_not_stored(post):
    post.file.write_bytes(signed(post.path, serial=8, guards=bytes(32)))
    before = stored(post)
    post.succession.look_at_file(0.0)
    assert "guard policies of the agency's own, and no file with them is here" in post.alarms.texts[0]
    assert (post.listener.order.content.serial, stored(post)) == (7, before)


def test_an_order_file_that_cannot_be_read_is_one_alarm_with_its_cure_until_it_is_read(post, monkeypatch):
    post.file.write_bytes(signed(post.path, serial=8))

    def denied(self, mode):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", denied)
        for turn in range(4):
            post.succession.look_at_file(turn / 2)
    (text,) = post.alarms.texts
    assert "op.order cannot be read: permission denied; sudo chown" in text
    assert post.alarms.by_reason()["file_order_refused"].began == 1
    post.succession.look_at_file(3.0)
    assert post.alarms.texts == []
    assert post.listener.order.content.serial == 8


@pytest.mark.parametrize(("begins", "clock"), [(NOW + 5, NOW), (NOW, 30), (NOW, NOW + 99 * HOUR)])
def test_an_order_file_that_the_clock_refuses_is_one_alarm_until_the_clock_is_right(post, monkeypatch, begins, clock):
    """A station without a clock of its own, whose network came later than the order that revokes an aircraft."""
    first, second = post.listener.order.content.devices
    void = (dataclasses.replace(first, void=True), second)
    later = post.listener.order.content.not_after + HOUR  # one that lasts no longer would be accepted after its end
    post.file.write_bytes(signed(post.path, serial=8, not_before=begins, not_after=later, devices=void))
    monkeypatch.setattr(time, "time", lambda: clock)
    for turn in range(10):
        post.succession.look_at_file(turn / 2)
    assert len(post.alarms.texts) == 1
    assert post.alarms.by_reason()["file_order_refused"].began == 1
    assert post.listener.order.content.serial == 7
    monkeypatch.setattr(time, "time", lambda: NOW + HOUR)
    post.succession.look_at_file(6.0)
    assert post.alarms.texts == []
    assert post.listener.order.content.serial == 8
    assert first.pub in post.listener.revoked.devices


def test_an_order_file_that_the_folder_refuses_is_taken_once_the_folder_is_right(post):
    post.file.write_bytes(signed(post.path, serial=8))
    for name in (state.NAME, state.COPY):
        (post.path / name).chmod(0o644)
    post.succession.look_at_file(0.0)
    assert "open to others" in post.alarms.texts[0]
    for name in (state.NAME, state.COPY):
        (post.path / name).chmod(0o600)
    post.succession.look_at_file(1.0)
    assert post.alarms.texts == []
    assert post.listener.order.content.serial == 8


def test_an_order_file_that_is_refused_for_what_it_says_is_looked_into_once(post, monkeypatch):
    seen: list[bytes] = []
    monkeypatch.setattr(post.station, "verify", lambda data: seen.append(data) or verify_order(data, [], NOW))
    post.file.write_bytes(signed(post.path, Agency().signer, serial=8))
    for turn in range(10):
        post.succession.look_at_file(float(turn))
    assert len(seen) == len(post.alarms.texts) == 1
