"""Amending an order from the command line: what the new one says, and which mistakes are refused."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import stat
import time
from pathlib import Path

import pytest

from keys import amendment
from keys.errors import OlderOrder, OrderExpired
from keys.folders import signer_state, store
from keys.folders.agency import AgencyFolder
from keys.folders.device import DeviceFolder
from keys.folders.station import StationFolder
from keys.lanes import Role
from keys.order import parse_order
from keys.order_station import GUARDS
from tests.unit.keys.commands.test_custody import HOUR, ISSUE, NOW, good, here, made, zegel

__all__ = ["good", "here", "made", "zegel"]


def content(name: str):
    return parse_order(Path(name).read_bytes())


def test_an_order_is_written_for_who_made_it_alone(here, good):
    """It holds op_id, and is handed on like a confidential paper."""
    before = os.umask(0)
    try:
        good("order extend op.order --hours 2 -o longer.order")
        good(f"{ISSUE} -o day.order")
    finally:
        os.umask(before)
    assert [stat.S_IMODE(Path(name).stat().st_mode) for name in ("longer.order", "day.order")] == [0o600, 0o600]


def test_revoke_leaves_all_else_as_it_was(here, good):
    said = good("order revoke op.order --station visitor -o new.order")
    old, new = content("op.order"), content("new.order")
    assert (new.op_id, new.not_before, new.not_after) == (old.op_id, old.not_before, old.not_after)
    assert new.serial == old.serial + 1
    assert new.previous == old.hash()
    assert new.stations == old.stations[:1]
    assert "visitor: can open nothing that is sealed" in said
    assert "zegel device load-order DIR new.order" in said


def test_revoke_a_device_leaves_its_key_listed_as_void(here, good, zegel):
    two_aircraft(good)
    said = good("order revoke two.order --device drone-8 -o new.order")
    old, new = content("two.order"), content("new.order")
    assert [(device.identity, device.void) for device in new.devices] == [
        (old.devices[0].identity, False),
        (old.devices[1].identity, True),
    ]
    assert new.stations == old.stations
    assert "drone-8: no station that has this order believes it or sends to it" in said
    good("device enrol drone8 drone8.crt --root agency/root/root.crt")
    answer = zegel("device load-order drone8 new.order")
    assert "says that the key of this device, 'drone-8', is lost" in answer.error
    good("device load-order drone new.order")


def test_the_last_aircraft_is_not_revoked(here, zegel):
    answer = zegel("order revoke op.order --device drone-7 -o new.order")
    assert answer.error == "every device of the order is void"
    assert not Path("new.order").exists()


def test_revoke_asks_whom(here, zegel):
    assert "--station NAME or --device NAME" in zegel("order revoke op.order -o new.order").error


def two_aircraft(good, ids: str = "") -> str:
    good("device init drone8 --name drone-8")
    good("agency certify-device agency drone8/device.csr -o drone8.crt")
    return good(f"{ISSUE} --device drone8.crt{ids} -o two.order")


def test_two_aircraft_without_system_ids_are_warned_of(here, good):
    assert "no system ids are listed for drone-7 and drone-8" in two_aircraft(good)
    said = good("order systems two.order --device drone-7:51,1 --device drone-8:2 -o new.order")
    assert "no system ids are listed" not in said
    assert "  drone-7: system ids 1, 51\n  drone-8: system id 2\n" in said
    assert [device.systems for device in content("new.order").devices] == [(1, 51), (2,)]


def test_one_aircraft_with_a_list_is_enough(here, good):
    assert "no system ids are listed" not in two_aircraft(good, ":2")
    assert [device.systems for device in content("two.order").devices] == [(), (2,)]
    assert "drone-8, system id 2, key" in good("order show two.order")


def test_a_certificate_may_have_a_colon_and_numbers_in_its_name(here, good):
    good("device init drone8 --name drone-8")
    for name, typed in (("a:1", "a:1:"), ("b:2", "b:2:9"), ("c:d", "c:d")):
        good(f"agency certify-device agency drone8/device.csr -o {name}.crt")
        Path(f"{name}.crt").rename(name)
        good(f"{ISSUE} --device {typed} -o {name}.order")
    assert [content(f"{n}.order").devices[1].systems for n in ("a:1", "b:2", "c:d")] == [(), (9,), ()]


@pytest.mark.parametrize(
    ("ids", "says"),
    [
        (":0", "'0' are not different system ids from 1 to 255"),
        (":256", "'256' are not"),
        (":1,1", "'1,1' are not"),
        (":" + ",".join(map(str, range(1, 18))), "17 system ids are more than the 16"),
        (":1,x", "drone.crt:1,x does not exist"),
    ],
)
def test_system_ids_that_cannot_be(here, zegel, ids, says):
    assert says in zegel(f"{ISSUE} --device drone.crt{ids} -o new.order").error


def test_system_ids_without_a_certificate_are_refused(here, zegel):
    assert "':1' names no aircraft; the form is drone.crt:1" in zegel(f"{ISSUE} --device :1 -o new.order").error


def test_extend_moves_the_end(here, good):
    good("order extend op.order --hours 2 -o new.order")
    old, new = content("op.order"), content("new.order")
    assert new.not_after == old.not_after + 2 * HOUR
    assert (new.stations, new.devices, new.policy) == (old.stations, old.devices, old.policy)


def test_extend_of_an_order_that_has_ended_tells_its_true_end(here, good, zegel, monkeypatch):
    """The end of op.order is 16:00; two hours more would be 18:00, which is no end of any order."""
    monkeypatch.setattr("time.time", lambda: NOW + 11 * HOUR)
    answer = zegel("order extend op.order --hours 2 -o new.order")
    end = "2027-01-15 16:00 UTC, 3 hours ago"
    assert (answer.code, answer.error) == (3, f"the order ended at {end}, and 2 hours from then are over too")
    assert answer.hint == "the hours count from that end: give at least 4"
    said = good("order extend op.order --hours 4 -o new.order")
    assert "until 2027-01-15 20:00 UTC: in force, ends in 1 hour" in said
    assert "note: it had ended at 2027-01-15 16:00 UTC, and is in force again" in said
    assert "had ended" not in good("order extend new.order --hours 1 -o longer.order")


# --- dates ---


@pytest.mark.parametrize(
    ("now", "says"),
    [
        (NOW - HOUR, "now             NOT BEGUN: begins in 1 hour, ends in 9 hours"),
        (NOW + HOUR, "now             in force, ends in 7 hours"),
        (NOW + 8 * HOUR + 60, "now             ENDED 1 minute ago"),
    ],
)
def test_show_says_whether_the_order_is_in_force(here, good, monkeypatch, now, says):
    monkeypatch.setattr("time.time", lambda: now)
    assert says in good("order show op.order")


def test_show_says_nothing_of_now_by_a_clock_that_cannot_be_right(here, good, monkeypatch):
    monkeypatch.setattr("time.time", lambda: 1_000)
    said = good("order show op.order")
    assert "  now " not in said
    assert "This computer's clock says 1970-01-01 00:16 UTC, which cannot be." in said


def test_verify_says_in_how_long_it_ends(here, good, monkeypatch):
    monkeypatch.setattr("time.time", lambda: NOW + 7 * HOUR)
    said = good("order verify op.order --root agency/root/root.crt")
    assert said.endswith("ends at 2027-01-15 16:00 UTC: in force, ends in 1 hour\n")


@pytest.mark.parametrize(
    ("zone", "says"),
    [
        ("Europe/Madrid", "from 2027-01-15 08:00 UTC (09:00 CET) to 2027-01-15 16:00 UTC (17:00 CET)"),
        ("Asia/Tokyo", "to 2027-01-15 16:00 UTC (2027-01-16 01:00 JST)"),
        ("UTC", "from 2027-01-15 08:00 UTC to 2027-01-15 16:00 UTC"),
    ],
)
def test_times_are_told_in_utc_and_as_the_wall_clock_has_them(here, good, monkeypatch, zone, says):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert says in good("order show op.order")
        assert says in good("device load-order drone op.order")
    finally:
        monkeypatch.undo()
        time.tzset()


# --- end ---


def test_end_makes_a_successor_that_ends_now(here, good, monkeypatch):
    monkeypatch.setattr("time.time", lambda: NOW + HOUR)
    said = good("order end op.order -o ended.order")
    old, new = content("op.order"), content("ended.order")
    assert dataclasses.replace(new, serial=1, not_after=old.not_after, previous=None) == old
    assert (new.not_after, new.previous) == (NOW + HOUR, old.hash())
    assert "ended.order: order 2 for operation 'Night Watch' of 'Harbour Police', ends at 2027-01-15 09:00 UTC" in said
    assert "a flight in the air continues" in said


def test_a_holder_of_the_order_accepts_its_end_also_later(here, good, zegel, monkeypatch):
    """To carry it to them takes time: by then it has ended. To a station that never had the operation it is nothing."""
    order = content("op.order")
    monkeypatch.setattr("time.time", lambda: NOW + HOUR)
    station = StationFolder.open(Path("pilot"))
    station.accept_order(Path("op.order").read_bytes(), NOW + HOUR)
    good("order end op.order -o ended.order")
    monkeypatch.setattr("time.time", lambda: NOW + 2 * HOUR)
    said = good("device load-order drone ended.order")
    assert "device 'drone-7' begins no new flight under the order for operation 'Night Watch'" in said
    assert "to 2027-01-15 09:00 UTC: ENDED 1 hour ago" in said
    assert "zegel air" not in said
    with DeviceFolder.open(Path("drone")) as device:
        assert device.limits(NOW + 2 * HOUR) == "ended at 2027-01-15 09:00 UTC"
    data = Path("ended.order").read_bytes()
    assert station.accept_order(data, NOW + 2 * HOUR).content.serial == order.serial + 1
    assert StationFolder.open(Path("pilot")).newest_order(Path("op.order").read_bytes(), NOW + 2 * HOUR).raw == data
    with pytest.raises(OrderExpired):
        StationFolder.open(Path("visitor")).accept_order(data, NOW + 2 * HOUR)


def test_a_revocation_that_comes_after_the_end_is_accepted_by_a_holder_of_the_order(here, good, monkeypatch):
    """A flight goes on after the end, and so would a stolen station in it."""
    good("order revoke op.order --station visitor -o revoked.order")
    station = StationFolder.open(Path("pilot"))
    station.accept_order(Path("op.order").read_bytes(), NOW)
    monkeypatch.setattr("time.time", lambda: NOW + 9 * HOUR)
    assert "begins no new flight" in good("device load-order drone revoked.order")
    assert station.accept_order(Path("revoked.order").read_bytes(), NOW + 9 * HOUR).content.serial == 2


def test_the_order_in_force_is_loaded_again_after_its_end(here, good, monkeypatch):
    """It came by the link, or the power failed before its state was written; and a damaged file is repaired."""
    good("order end op.order -o ended.order")
    monkeypatch.setattr("time.time", lambda: NOW + HOUR)
    for _ in range(2):
        assert "begins no new flight" in good("device load-order drone ended.order")
    Path("drone/order").write_bytes(b"")
    assert "begins no new flight" in good("device load-order drone ended.order")


def test_no_later_end_is_taken_after_it(here, good, zegel, monkeypatch):
    """An order that lasts longer than the one that is here, and is over: nobody flies under it by mistake."""
    good("order extend op.order --hours 1 -o longer.order")
    good("order change longer.order --station visitor:telemetry -o changed.order")
    monkeypatch.setattr("time.time", lambda: NOW + 10 * HOUR)
    station = StationFolder.open(Path("pilot"))
    station.accept_order(Path("op.order").read_bytes(), NOW)
    for name in ("longer.order", "changed.order"):
        assert zegel(f"device load-order drone {name}").code == OrderExpired.exit_code
        with pytest.raises(OrderExpired):
            station.accept_order(Path(name).read_bytes(), NOW + 10 * HOUR)


def test_an_order_that_has_ended_is_not_ended_again_and_lasts_on_by_extend(here, good, zegel, monkeypatch):
    monkeypatch.setattr("time.time", lambda: NOW + HOUR)
    good("order end op.order -o ended.order")
    monkeypatch.setattr("time.time", lambda: NOW + 2 * HOUR)
    answer = zegel("order end ended.order -o again.order")
    assert (answer.code, answer.error) == (3, "the order ended at 2027-01-15 09:00 UTC")
    good("device load-order drone ended.order")
    good("order extend ended.order --hours 2 -o longer.order")
    assert "flies from now on" in good("device load-order drone longer.order")


def test_an_order_that_has_not_begun_ends_as_it_begins(here, good):
    good(f"{ISSUE} --start 2027-01-16T06:30 -o later.order")
    said = good("order end later.order -o ended.order")
    assert content("ended.order").not_after == content("later.order").not_before + 1
    assert "it had not begun: it ends as it begins, at 2027-01-16 06:30 UTC" in said


def test_an_order_that_ends_as_it_begins_is_not_ended_again(here, good, zegel):
    good(f"{ISSUE} --start 2027-01-16T06:30 -o later.order")
    good("order end later.order -o ended.order")
    before = Path("agency/signer/state.json").read_bytes()
    assert zegel("order end ended.order -o again.order").error == "the order ends at 2027-01-16 06:30 UTC already"
    assert Path("agency/signer/state.json").read_bytes() == before


def test_no_clock_of_the_past_ends_an_operation(here, zegel, monkeypatch):
    monkeypatch.setattr("time.time", lambda: NOW - 365 * 24 * HOUR)
    assert zegel("order end op.order -o ended.order").code == 6
    assert not Path("ended.order").exists()


def test_an_end_comes_after_a_new_signer_that_was_made_in_the_same_second(here, good, monkeypatch):
    monkeypatch.setattr("time.time", lambda: NOW + HOUR)
    good("agency new-signer agency")
    good("order end op.order -o ended.order")
    assert content("ended.order").not_after == content("ended.order").not_before + 1


# --- change ---


def test_change_gives_a_listed_station_other_roles(here, good):
    said = good("order change op.order --station visitor:telemetry,command --station pilot:telemetry,command -o new.order")
    old, new = content("op.order"), content("new.order")
    roles = Role.TELEMETRY | Role.COMMAND
    assert new.stations == tuple(dataclasses.replace(station, roles=roles, guard="pilot") for station in old.stations)
    assert (new.devices, new.not_after, new.previous) == (old.devices, old.not_after, old.hash())
    assert "pilot: roles removed, as soon as the aircraft has this order: video\n" in said
    lines = "roles added: telemetry, command; roles removed, as soon as the aircraft has this order: video"
    assert f"visitor: {lines}; guard policy pilot, before observer\n" in said


def test_change_keeps_the_guard_policy_that_is_not_named(here, good):
    """What is not said is not widened."""
    good("order change op.order --station pilot:telemetry,video,command:observer -o 2.order")
    good("order change 2.order --station pilot:telemetry,command -o 3.order")
    assert [content(f"{n}.order").stations[0].guard for n in (2, 3)] == ["observer", "observer"]
    good("order change 3.order --station pilot:telemetry -o 4.order")
    good("order change 4.order --station pilot:command -o 5.order")
    assert [content(f"{n}.order").stations[0].guard for n in (4, 5)] == ["observer", "pilot"]


def test_change_refuses_what_changes_nothing(here, zegel):
    answer = zegel("order change op.order --station visitor:video -o new.order")
    assert (answer.code, answer.error) == (1, "'visitor' has these roles already")


@pytest.mark.parametrize(
    "words",
    [
        "change op.order --station pilot:telemetry --station pilot:telemetry,command",
        "systems op.order --device drone-7:1 --device drone-7:2",
    ],
)
def test_no_station_is_changed_twice_by_one_command(here, zegel, words):
    """The last word would count, and between the two a guard policy that none of them names would become the default."""
    answer = zegel(f"order {words} -o changed.order")
    assert (answer.code, Path("changed.order").exists()) == (2, False)
    assert "is named twice" in answer.error


def test_a_change_is_taken_by_aircraft_and_stations(here, good):
    station = StationFolder.open(Path("visitor"))
    first = station.accept_order(Path("op.order").read_bytes(), NOW)
    good("order change op.order --station visitor:telemetry,video -o new.order")
    good("device load-order drone new.order")
    new = station.accept_order(Path("new.order").read_bytes(), NOW)
    assert amendment.succeeds(new, first)
    assert not amendment.drops(new.content, first.content)


def test_add_lists_the_station_and_shows_its_fingerprint(here, good):
    fingerprint = good("station init late --name late --root agency/root/root.crt").split("fingerprint ")[1].split()[0]
    said = good("order add op.order --station late/station.pub:telemetry -o new.order")
    late = content("new.order").stations[-1]
    assert (late.index, late.name, late.roles, late.guard) == (3, "late", Role.TELEMETRY, "observer")
    assert fingerprint in said


def test_a_device_and_a_station_take_each_amendment(here, good):
    good("order revoke op.order --station visitor -o 2.order")
    good("order extend 2.order --hours 1 -o 3.order")
    good("device load-order drone 2.order")
    good("device load-order drone 3.order")


def test_an_order_that_was_amended_is_not_amended_again(here, good, zegel):
    """A station that was revoked in between would be listed again."""
    good("order revoke op.order --station visitor -o 2.order")
    answer = zegel("order extend op.order --hours 1 -o 3.order")
    assert answer.code == OlderOrder.exit_code
    assert answer.error == "the order is number 1, and number 2 of its operation was issued after it"
    assert not Path("3.order").exists()
    good("order extend 2.order --hours 1 -o 3.order")


def test_two_copies_of_the_signer_are_found_out(here, good, zegel):
    """Two officers with a copy each: one takes the visitor out, the other lets the operation last."""
    shutil.copytree("agency/signer", "copy/signer")
    good("order revoke op.order --station visitor -o ours.order")
    good("order extend op.order --agency copy --hours 1 -o theirs.order")
    good("order extend theirs.order --agency copy --hours 1 -o later.order")
    good("device load-order drone ours.order")
    good("order verify op.order ours.order --root agency/root/root.crt")
    for theirs in ("theirs.order", "later.order"):
        for line in (f"device load-order drone {theirs}", f"order verify {theirs} ours.order --root agency/root/root.crt"):
            answer = zegel(line)
            assert (answer.code, "the agency's signer is in use twice" in answer.error) == (7, True), line
            assert "CUSTODY.md" in answer.hint
        answer = zegel(f"order extend {theirs} --hours 1 -o new.order")
        assert (answer.code, "agency/signer has not issued it" in answer.error) == (7, True)
    assert zegel("order extend ours.order --agency copy --hours 1 -o new.order").code == 7
    assert not Path("new.order").exists()


def test_a_new_signer_ends_two_copies_of_the_old_one(here, good, zegel, monkeypatch):
    shutil.copytree("agency/signer", "copy/signer")
    good("order revoke op.order --station visitor -o ours.order")
    good("device load-order drone ours.order")
    monkeypatch.setattr("time.time", lambda: NOW + HOUR)
    good("agency new-signer agency")
    good("order extend ours.order --hours 1 -o new.order")
    good("device load-order drone new.order")
    answer = zegel("order extend new.order --agency copy --hours 1 -o last.order")
    assert (answer.code, "by signer 2, and copy/signer has not issued it" in answer.error) == (7, True)


def test_an_older_copy_of_the_signer_amends_nothing_that_it_does_not_know(here, good, zegel):
    shutil.copytree("agency/signer", "older/signer")
    good("order extend op.order --hours 1 -o new.order")
    assert zegel("order extend new.order --agency older --hours 1 -o newer.order").code == 7
    write_state("older/signer", '{"serial": 2}')
    good("order extend new.order --agency older --hours 1 -o newer.order")
    good("device load-order drone newer.order")


def write_state(folder: str, text: str) -> None:
    """As CUSTODY.md says."""
    for name in ("state.json", "state-copy.json"):
        Path(f"{folder}/{name}").write_text(text)


FORGOTTEN = "does not know the operation of order 1 by signer 1, or whether one was issued after it"


def test_a_restored_folder_amends_the_newest_order_alone(here, good, zegel):
    """Else who was revoked by it would be back."""
    two_aircraft(good)
    good("order revoke two.order --device drone-8 -o void.order")
    write_state("agency/signer", '{"serial": 3}')
    for _ in range(2):
        answer = zegel("order extend two.order --hours 1 -o back.order")
        assert (answer.code, answer.error) == (7, f"agency/signer {FORGOTTEN.replace('order 1', 'order 2')}")
        assert "CUSTODY.md" in answer.hint
        good(f"{ISSUE} -o 4.order" if not Path("4.order").exists() else "order extend 4.order --hours 1 -o 5.order")
    good("order extend void.order --hours 1 -o later.order")
    assert [device.void for device in content("later.order").devices] == [False, True]
    assert zegel("order extend void.order --hours 1 -o again.order").code == OlderOrder.exit_code


@pytest.mark.parametrize(
    "mistake",
    [
        "order revoke op.order --station visitor -o op.order",  # the name is taken
        "order revoke op.order --station visitor -o away/new.order",
        "order revoke op.order --station nobody -o new.order",
        "order revoke op.order --station visitor --device drone-7 -o new.order",  # no aircraft is left
    ],
)
def test_a_mistake_does_not_make_a_restored_folder_forget_the_newest_order(here, good, zegel, mistake):
    write_state("agency/signer", '{"serial": 1}')
    for _ in range(3):
        assert zegel(mistake).code == 1
    good("order revoke op.order --station visitor -o right.order")
    assert [station.name for station in content("right.order").stations] == ["pilot"]


@pytest.mark.parametrize("line", [f"{ISSUE} -o", "order extend op.order --hours 1 -o"])
@pytest.mark.parametrize("output", ["op.order", "drone", "away/new.order"])
def test_no_number_is_spent_where_nothing_can_be_written(here, zegel, line, output):
    before = Path("agency/signer/state.json").read_bytes()
    assert zegel(f"{line} {output}").code == 1
    assert Path("agency/signer/state.json").read_bytes() == before


def test_no_number_is_spent_on_an_order_that_has_ended(here, zegel, monkeypatch):
    before = Path("agency/signer/state.json").read_bytes()
    monkeypatch.setattr("time.time", lambda: NOW + 10 * HOUR)
    assert zegel("order revoke op.order --station visitor -o new.order").code == 3
    assert Path("agency/signer/state.json").read_bytes() == before


def test_the_number_of_a_restored_folder_is_of_its_own_signer(here, good, zegel, monkeypatch):
    """Another signer had counted from 1 too: its order of that number was amended, and whom that revoked would be back."""
    good("order revoke op.order --station visitor -o 2.order")
    shutil.rmtree("agency/signer")
    monkeypatch.setattr("time.time", lambda: NOW + HOUR)
    good("agency new-signer agency")
    good(f"{ISSUE} -o day.order")
    write_state("agency/signer", '{"serial": 1}')
    answer = zegel("order extend op.order --hours 1 -o back.order")
    assert (answer.code, answer.error) == (7, f"agency/signer {FORGOTTEN}")
    good("order extend day.order --hours 1 -o day-2.order")
    assert zegel("order extend op.order --hours 1 -o back.order").error == f"agency/signer {FORGOTTEN}"
    write_state("agency/signer", '{"serial": 2, "newest": [[1, 2]]}')
    assert zegel("order extend op.order --hours 1 -o back.order").error == f"agency/signer {FORGOTTEN}"
    good("order extend 2.order --hours 1 -o 3.order")
    good("order extend day-2.order --hours 1 -o day-3.order")


def test_a_folder_made_again_amends_what_it_is_told_is_the_newest(here, good, zegel, monkeypatch):
    """Of several operations, and also after it has issued orders of its own."""
    good(f"{ISSUE} -o day.order")
    good("order revoke op.order --station visitor -o 3.order")
    shutil.rmtree("agency/signer")
    monkeypatch.setattr("time.time", lambda: NOW + HOUR)
    good("agency new-signer agency")
    for name in ("op", "day", "3"):
        assert "does not know the operation" in zegel(f"order extend {name}.order --hours 1 -o new.order").error
    write_state("agency/signer", '{"serial": 0, "newest": [[1, 2], [1, 3]]}')
    good(f"{ISSUE} -o more.order")
    good("order extend day.order --hours 1 -o day-2.order")
    assert zegel("order extend op.order --hours 1 -o new.order").error == f"agency/signer {FORGOTTEN}"
    good("order extend 3.order --hours 1 -o 4.order")
    assert zegel("order extend day.order --hours 1 -o new.order").code == OlderOrder.exit_code


def test_what_a_folder_remembers_of_its_orders_is_bounded(here, good, monkeypatch):
    monkeypatch.setattr("keys.folders.signer_state.ISSUED_MAX", 2)
    for number in range(2, 6):
        good(f"{ISSUE} -o {number}.order")
    assert list(json.loads(Path("agency/signer/state.json").read_text())["issued"]) == ["4", "5"]
    good("order extend 2.order --hours 1 -o 6.order")


def test_a_folder_forgets_the_operation_of_which_it_has_issued_nothing_for_longest(here, good, zegel, monkeypatch):
    """An order of it is then refused like one that the folder never knew, also if it was once named as the newest."""
    write_state("agency/signer", '{"serial": 1}')
    good("order extend op.order --hours 1 -o 2.order")
    monkeypatch.setattr("keys.folders.signer_state.ISSUED_MAX", 2)
    monkeypatch.setattr("keys.folders.signer_state.OPERATIONS_MAX", 3)
    for number in range(3, 6):
        good(f"{ISSUE} -o {number}.order")
    assert list(json.loads(Path("agency/signer/state.json").read_text())["operations"].values()) == [[1, 3], [1, 4], [1, 5]]
    for number, name in ((1, "op.order"), (2, "2.order")):
        answer = zegel(f"order extend {name} --hours 1 -o new.order")
        assert answer.error == f"agency/signer {FORGOTTEN.replace('order 1', f'order {number}')}"
    good("order extend 3.order --hours 1 -o 6.order")


def test_a_folder_is_read_however_many_operations_it_has_had(here, good):
    """Numbers as large as they may be. A folder that could not read its own state would never sign again."""
    known = json.loads(Path("agency/signer/state.json").read_text())
    most = 2**32 - 9
    known |= {
        "serial": most,
        "operations": {f"{number:032x}": [1, most - number] for number in range(signer_state.OPERATIONS_MAX)},
    }
    known["issued"] = {str(most - number): "f" * 64 for number in range(signer_state.ISSUED_MAX)}
    write_state("agency/signer", json.dumps(known))
    for number in range(2):
        good(f"{ISSUE} -o more-{number}.order")
    state = Path("agency/signer/state.json")
    operations = json.loads(state.read_text())["operations"]
    assert len(operations) == signer_state.OPERATIONS_MAX
    assert state.stat().st_size < store.SIZE_MAX / 2
    good("order extend more-1.order --hours 1 -o longer.order")


def test_an_amendment_that_was_never_written_blocks_nothing(here, good, zegel):
    assert zegel("order extend op.order --hours 1 -o op.order").error == "op.order exists already"
    good("order extend op.order --hours 1 -o new.order")


def test_a_new_signer_amends_what_the_old_one_signed(here, good, monkeypatch):
    monkeypatch.setattr("time.time", lambda: NOW + HOUR)
    good("agency new-signer agency")
    good("order extend op.order --hours 1 -o new.order")
    assert content("new.order").not_before > content("op.order").not_before
    good("device load-order drone new.order")


def test_another_agencys_order_is_not_amended(here, zegel):
    answer = zegel("order revoke op.order --agency coast --station visitor -o new.order")
    assert answer.code == 5
    assert "under a root that is not trusted here" in answer.error


def test_no_amendment_revives_an_order_that_has_ended(here, zegel, good, monkeypatch):
    monkeypatch.setattr("time.time", lambda: NOW + 10 * HOUR)
    assert zegel("order revoke op.order --station visitor -o new.order").code == 3
    good("order extend op.order --hours 3 -o new.order")


def test_the_agency_may_stand_elsewhere(here, good):
    shutil.move("agency", "office")
    good("order extend op.order --agency office --hours 1 -o new.order")
    good(f"{ISSUE.replace('agency', 'office', 1)} -o other.order")


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("revoke op.order --station pilto", "did you mean pilot? it lists pilot, visitor"),
        ("revoke op.order --station ''", "it lists pilot, visitor"),
        ("revoke op.order --device drone7", "did you mean drone-7? it lists drone-7"),
        ("systems op.order --device dron-7:1", "did you mean drone-7? it lists drone-7"),
        ("change op.order --station vistor:video", "did you mean visitor? it lists pilot, visitor"),
    ],
)
def test_a_wrong_name_changes_no_station_and_the_nearest_one_is_named(here, zegel, line, hint):
    answer = zegel(f"order {line} -o new.order")
    assert (answer.code, answer.hint) == (1, hint)
    assert not Path("new.order").exists()


def test_an_order_that_was_written_and_not_recorded_is_the_newest(here, good, zegel, monkeypatch):
    """The power failed in between."""

    def cut(*_: object) -> None:
        raise RuntimeError("the power is gone")

    with monkeypatch.context() as power:
        power.setattr(AgencyFolder, "published", cut)
        with pytest.raises(RuntimeError):
            zegel("order extend op.order --hours 1 -o new.order")
    again = zegel("order extend op.order --hours 2 -o third.order")
    assert again.code != 0
    assert not Path("third.order").exists()
    assert "order 3" in good("order extend new.order --hours 2 -o third.order")


def test_an_order_of_another_operation_forgets_no_interrupted_command(here, good, zegel, monkeypatch):
    """A revocation was written and not recorded: the revoked station does not come back after another order was issued."""

    def cut(*_: object) -> None:
        raise RuntimeError("the power is gone")

    with monkeypatch.context() as power:
        power.setattr(AgencyFolder, "published", cut)
        with pytest.raises(RuntimeError):
            zegel("order revoke op.order --station visitor -o new.order")
    good(f"{ISSUE} -o other.order")
    answer = zegel("order extend op.order --hours 1 -o back.order")
    assert (answer.code, Path("back.order").exists()) == (OlderOrder.exit_code, False)
    assert "station 'visitor'" not in good("order extend new.order --hours 1 -o longer.order")


# --- guard policies ---


@pytest.mark.parametrize("guard", GUARDS)
def test_the_guard_policy_is_chosen_when_an_order_is_issued(here, good, guard):
    said = good(f"{ISSUE}:{guard} --station visitor/station.pub:telemetry -o other.order")
    assert [station.guard for station in content("other.order").stations] == [guard, "observer"]
    assert f"station 'pilot': telemetry, video, command, guard policy {guard};" in said
    assert "station 'visitor': telemetry; key" in said


def test_the_guard_policy_is_chosen_when_a_station_is_added(here, good):
    good("station init late --name late --root agency/root/root.crt")
    good("order add op.order --station late/station.pub:command:camera-operator -o new.order")
    late = content("new.order").stations[-1]
    assert (late.roles, late.guard) == (Role.TELEMETRY | Role.COMMAND, "camera-operator")


def test_a_file_may_have_colons_in_its_name(here, good):
    shutil.copy("visitor/station.pub", "12:30.pub")
    good(f"{ISSUE} --station 12:30.pub:video:observer -o other.order")
    good(f"{ISSUE} --station 12:30.pub:video -o another.order")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            "pilot.pub:command:captain",
            "'captain' is not a guard policy; they are observer, camera-operator, pilot, maintainer",
        ),
        ("pilot.pub:command:", "'' is not a guard policy"),
        ("pilot.pub:telemetry:pilot", "has the guard policy 'pilot', but not the role command"),
        ("pilot.pub:pilot", "is not FILE:ROLES"),
        (":command:pilot", "is not FILE:ROLES"),
    ],
)
def test_a_guard_policy_that_cannot_be_is_refused(here, zegel, words, says):
    answer = zegel(f"{ISSUE} --station {words} -o other.order")
    assert answer.code == 2
    assert says in answer.error


# --- what a quantum computer will open ---


def test_issue_and_add_say_what_one_classical_station_opens(here, good):
    note = "a quantum computer will open today's video and orders, for all readers, by the keys of visitor"
    assert note in good(f"{ISSUE} --station visitor/station.pub:video -o other.order")
    assert "quantum" not in good(f"{ISSUE} -o alone.order")
    assert note in good("order add alone.order --station visitor/station.pub:video -o joined.order")


@pytest.mark.parametrize("line", [f"{ISSUE} --class confidential --station", "order add alone.order --station"])
def test_a_confidential_order_to_a_classical_station_is_refused(here, zegel, good, line):
    good(f"{ISSUE} --class confidential -o alone.order")
    answer = zegel(f"{line} visitor/station.pub:video -o other.order")
    assert answer.code == 1
    assert answer.error == "the order is confidential, and these keys are not post-quantum: visitor (x25519)"
    assert "--profile x-wing" in answer.hint
    assert not Path("other.order").exists()
