"""What an amendment changes and what it must keep, and which orders the link may bring."""

from __future__ import annotations

import dataclasses
import itertools

import pytest

from keys import amendment
from keys.certificate import groups
from keys.errors import MalformedOrder, NotListed, NumberTwice, OrderExpired
from keys.grant import Profile
from keys.lanes import Role
from keys.order import Signature, VerifiedOrder, issue_order, verify_order
from keys.order_station import GUARDS, OrderRecording
from keys.policy import Policy, PolicyFlag
from tests import agency
from tests.agency import Agency, harbour

OLD = agency.order()
LATE = agency.station(9, Profile.X_WING, name="late")


def verified(order, generation: int = 1) -> VerifiedOrder:
    return VerifiedOrder(order, order.hash(), generation, b"")


def newer(**changes) -> VerifiedOrder:
    return verified(agency.order(serial=8, **changes))


def test_a_revoked_station_goes_and_the_others_keep_their_indexes():
    left = amendment.revoked(OLD, "pilot")
    assert left == dataclasses.replace(OLD, stations=OLD.stations[1:])
    assert [station.index for station in left.stations] == [2]


def test_no_station_is_revoked_by_a_wrong_name_and_the_last_one_stays():
    with pytest.raises(NotListed, match="no station 'pilto'") as error:
        amendment.revoked(OLD, "pilto")
    assert "pilot, station-2" in error.value.hint
    with pytest.raises(MalformedOrder, match="only station"):
        amendment.revoked(amendment.revoked(OLD, "pilot"), "station-2")


def test_an_extension_moves_the_end_alone():
    assert amendment.extended(OLD, 60) == dataclasses.replace(OLD, not_after=OLD.not_after + 60)


def test_a_station_that_joins_gets_the_lowest_free_index():
    left = amendment.revoked(OLD, "pilot")
    more = amendment.joined(left, [LATE, agency.station(8, name="later")])
    assert [(station.index, station.name) for station in more.stations] == [(2, "station-2"), (1, "late"), (3, "later")]
    assert more.stations[1].pub == LATE.pub


def test_there_is_no_sixteenth_station():
    full = amendment.joined(OLD, [agency.station(n) for n in range(3, 16)])
    assert sorted(station.index for station in full.stations) == list(range(1, 16))
    with pytest.raises(MalformedOrder, match="15 stations"):
        amendment.joined(full, [LATE])


def test_a_recording_key_goes_by_its_name_and_a_new_one_gets_an_id_that_no_other_had():
    """An attacker who has a copy of a key that went opens nothing that is recorded from then on."""
    left = amendment.unrecorded(OLD, "archive-1")
    assert left == dataclasses.replace(OLD, recording=OLD.recording[1:])
    court = OrderRecording(1, "court", Profile.P_384, agency.public(Profile.P_384, 3))
    assert [(key.id, key.name) for key in amendment.recorded(left, [court]).recording] == [(2, "archive-2"), (3, "court")]
    assert amendment.recorded(dataclasses.replace(OLD, recording=()), [court]).recording == (court,)
    with pytest.raises(NotListed, match="no recording key 'archive-1'") as error:
        amendment.unrecorded(left, "archive-1")
    assert "it lists archive-2" in error.value.hint


SUCCESSORS = {
    "extended": {"not_after": OLD.not_after + 60},
    "without a station": {"stations": OLD.stations[1:]},
    "with a station": {"stations": (*OLD.stations, LATE)},
    "with a device": {"devices": (*OLD.devices, agency.device(3))},
    "with another policy": {"policy": Policy(rekey_s=60)},
    "without a recording key": {"recording": OLD.recording[1:]},
}
ONE, TWO = OLD.devices
VOID = dataclasses.replace(ONE, void=True)
SUCCESSORS |= {
    "other system ids": {"devices": (dataclasses.replace(ONE, systems=(1, 51)), TWO)},
    "a device revoked": {"devices": (VOID, TWO)},
}
STRANGERS = {
    "another key of a device": {"devices": (dataclasses.replace(ONE, pub=agency.device(3).pub), TWO)},
    "another name of a device": {"devices": (dataclasses.replace(ONE, name="drone-9"), TWO)},
    "another operation": {"op_id": bytes(16)},
    "without a device": {"devices": OLD.devices[1:]},
    "devices in another place": {"devices": OLD.devices[::-1]},
    "a station under another index": {"stations": (OLD.stations[0], dataclasses.replace(OLD.stations[1], index=3))},
    "other padding": {"policy": Policy(flags=PolicyFlag.PAD_VIDEO)},
    "video on request": {"policy": Policy(flags=PolicyFlag.VIDEO_ON_REQUEST)},
}


@pytest.mark.parametrize("changes", SUCCESSORS.values(), ids=SUCCESSORS)
def test_an_order_that_moves_no_station_succeeds(changes):
    assert amendment.succeeds(newer(**changes), verified(OLD))


@pytest.mark.parametrize("changes", STRANGERS.values(), ids=STRANGERS)
def test_an_order_that_moves_somebody_does_not(changes):
    assert not amendment.succeeds(newer(**changes), verified(OLD))


EARLIER = OLD.not_after - 1
WITHIN = {
    "an earlier end": ({"not_after": EARLIER}, True),
    "an earlier end, and a later beginning": ({"not_after": EARLIER, "not_before": OLD.not_before + 1}, True),
    "the same end": ({}, True),
    "a later end": ({"not_after": OLD.not_after + 1}, False),
    "another time, before it": ({"not_after": EARLIER, "not_before": OLD.not_before - 1}, False),
    "another operation": ({"not_after": EARLIER, "op_id": bytes(16)}, False),
    "without a device": ({"not_after": EARLIER, "devices": OLD.devices[1:]}, False),
}


@pytest.mark.parametrize(("changes", "within"), WITHIN.values(), ids=WITHIN)
def test_which_order_is_accepted_after_its_end(changes, within):
    assert amendment.within(newer(**changes), verified(OLD)) is within


def test_an_order_ends_now_or_as_it_begins_and_once():
    at = OLD.not_before + 60
    ended = amendment.ended(OLD, at)
    assert ended == dataclasses.replace(OLD, not_after=at)
    assert amendment.ended(OLD, OLD.not_before - 60).not_after == OLD.not_before + 1
    assert amendment.ended(OLD, OLD.not_after - 1).not_after == OLD.not_after - 1
    with pytest.raises(OrderExpired):
        amendment.ended(OLD, OLD.not_after)
    with pytest.raises(OrderExpired):
        amendment.ended(amendment.ended(OLD, OLD.not_before - 60), OLD.not_before - 60)


def test_what_is_void_stays_void():
    assert amendment.succeeds(newer(devices=(VOID, TWO)), verified(agency.order(devices=(VOID, TWO))))
    assert not amendment.succeeds(newer(), verified(agency.order(devices=(VOID, TWO))))


def test_only_the_same_agency_succeeds_not_one_of_its_name():
    """An op_id and a name can be taken by anybody; keys cannot."""
    harbour, other = agency.harbour(), agency.Agency(agency.NAME, generation=2)
    ours, theirs = (order_of(who, agency.order()) for who in (harbour, other))
    assert theirs.rank > ours.rank
    assert not amendment.succeeds(theirs, ours)
    assert amendment.succeeds(order_of(harbour, agency.order(serial=8)), ours)


def test_a_hybrid_agency_does_not_lose_one_of_its_roots():
    both = [agency.harbour(), agency.harbour_later()]
    old, new = (order_of(both[0], agency.order(serial=n), *both[1:]) for n in (7, 8))
    assert amendment.succeeds(new, old)
    assert not amendment.succeeds(order_of(both[0], agency.order(serial=8)), old)


def order_of(first, content, *more) -> VerifiedOrder:
    signed_by = (first, *more)
    data = issue_order(content, [each.signer for each in signed_by])
    return verify_order(data, [each.root for each in signed_by], 0)


def test_a_device_is_revoked_by_its_name_once():
    assert amendment.voided(OLD, "drone-1") == dataclasses.replace(OLD, devices=(VOID, TWO))
    with pytest.raises(NotListed, match="no aircraft 'drone-9'") as error:
        amendment.voided(OLD, "drone-9")
    assert "drone-1, drone-2" in error.value.hint
    with pytest.raises(MalformedOrder, match="revoked already"):
        amendment.voided(amendment.voided(OLD, "drone-1"), "drone-1")


def test_a_device_is_listed_with_other_system_ids():
    changed = amendment.relisted(OLD, "drone-2", (2, 51))
    assert changed.devices == (ONE, dataclasses.replace(TWO, systems=(2, 51)))
    assert amendment.relisted(changed, "drone-2", ()) == OLD


def test_a_revoked_device_drops_no_station():
    assert not amendment.drops(amendment.voided(OLD, "drone-1"), OLD)


def test_only_a_higher_rank_succeeds():
    assert not amendment.succeeds(verified(OLD), verified(OLD))
    assert not amendment.succeeds(verified(OLD), newer())
    assert amendment.succeeds(verified(agency.order(serial=1), 2), verified(OLD))
    assert not amendment.succeeds(newer(), verified(agency.order(serial=1), 2))


# --- one signer ---


def signed(root: Agency, **changes) -> VerifiedOrder:
    """As it verified under the root of this agency."""
    signature = Signature(root.root, root.root)
    return dataclasses.replace(verified(agency.order(**changes)), signatures=(signature,))


HERE = signed(harbour(), serial=7)
ONE_FOLDER = {
    "the same order": HERE,
    "an older one": signed(harbour(), serial=6),
    "the next, which amends it": signed(harbour(), serial=8, previous=HERE.order_hash),
    "the next, of another operation": signed(harbour(), serial=8, op_id=bytes(16), previous=bytes(32)),
    "one after the next, which amends the next": signed(harbour(), serial=9, previous=bytes(32)),
    "the next, which amends nothing": signed(harbour(), serial=8),
    "the same number by the next signer": dataclasses.replace(signed(harbour(), operation="Other"), generation=2),
    "the same number of another agency": signed(Agency("Coast Guard"), operation="Other"),
}
TWO_FOLDERS = {
    "another order of the number": signed(harbour(), operation="Other"),
    "another one of another operation": signed(harbour(), op_id=bytes(16)),
    "the next, which amends another": signed(harbour(), serial=8, previous=bytes(32)),
}


@pytest.mark.parametrize("new", ONE_FOLDER.values(), ids=ONE_FOLDER)
def test_what_one_folder_of_the_agency_signs(new):
    amendment.require_one_signer(new, HERE)


@pytest.mark.parametrize("new", TWO_FOLDERS.values(), ids=TWO_FOLDERS)
def test_what_only_two_folders_can_have_signed(new):
    with pytest.raises(NumberTwice, match="the agency's signer is in use twice") as caught:
        amendment.require_one_signer(new, HERE)
    assert groups(HERE.order_hash) in str(caught.value)


def test_which_stations_are_dropped():
    assert not amendment.drops(amendment.joined(OLD, [LATE]), OLD)
    assert amendment.drops(amendment.revoked(OLD, "station-2"), OLD)
    demoted = dataclasses.replace(OLD.stations[0], roles=Role.TELEMETRY | Role.VIDEO)
    assert amendment.drops(dataclasses.replace(OLD, stations=(demoted, OLD.stations[1])), OLD)
    promoted = dataclasses.replace(OLD.stations[1], roles=Role.TELEMETRY | Role.VIDEO | Role.WITNESS)
    assert not amendment.drops(dataclasses.replace(OLD, stations=(OLD.stations[0], promoted)), OLD)


def guarded(guard: str, roles: Role = OLD.stations[0].roles):
    return dataclasses.replace(OLD, stations=(dataclasses.replace(OLD.stations[0], guard=guard, roles=roles),))


@pytest.mark.parametrize(("old", "new"), list(itertools.product(GUARDS, GUARDS)))
def test_a_lesser_guard_policy_is_a_drop_and_a_greater_one_is_none(old, new):
    assert amendment.drops(guarded(new), guarded(old)) is (GUARDS.index(new) < GUARDS.index(old))


@pytest.mark.parametrize(("old", "new"), [("pilot", "own"), ("own", "pilot"), ("own", "maintainer"), ("own", "other")])
def test_a_change_to_or_from_a_policy_of_ones_own_is_a_drop(old, new):
    assert amendment.drops(guarded(new), guarded(old))
    assert not amendment.drops(guarded(old), guarded(old))


def test_an_order_with_other_guard_policies_succeeds_none():
    with_file = dataclasses.replace(OLD, guards=bytes(32))
    assert amendment.succeeds(verified(dataclasses.replace(with_file, serial=9)), verified(with_file))
    for guards in (None, bytes(31) + b"\1"):
        later = dataclasses.replace(OLD, serial=9, guards=guards)
        assert not amendment.succeeds(verified(later), verified(with_file))


def test_the_guard_policy_of_a_station_that_may_not_command_takes_nothing_from_it():
    assert not amendment.drops(guarded("observer", Role.TELEMETRY), guarded("pilot", Role.TELEMETRY))
