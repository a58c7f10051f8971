"""The station's folder: one seed, the roots it trusts, what it remembers, and its end."""

from __future__ import annotations

import dataclasses
import functools
import os

import pytest

from keys import cose, grant
from keys.errors import (
    AlreadyExists,
    BadName,
    BadSignature,
    ClockWrong,
    ExpiredCertificate,
    FolderError,
    FolderInUse,
    ForeignRoot,
    MissingFile,
    NotListed,
    NumberTwice,
    OlderOrder,
    OrderExpired,
    OrderNotYetValid,
    RevokedAgain,
    WrongFile,
    WrongMode,
    WrongUsage,
)
from keys.folders import state, station_public
from keys.folders.station import StationFolder, require_in_force
from keys.grant import Profile
from keys.order import issue_order
from keys.order_station import OrderStation
from keys.times import LATEST
from tests.agency import HOUR, NAME, NOW, Agency, device, harbour, order, p256
from tests.unit.keys.disk import files_of, full_disk, process

DAY = 24 * HOUR
AGENCY = bytes(32)


@functools.cache
def coast() -> Agency:
    return Agency("Coast Guard")


@pytest.fixture
def path(tmp_path):
    StationFolder.init(tmp_path / "pilot", "pilot", Profile.X25519, [harbour().root])
    return tmp_path / "pilot"


@pytest.fixture
def station(path):
    return StationFolder.open(path)


def signed(path, signer=None, **changes) -> bytes:
    """An order that lists the station after another one."""
    public = station_public.parse((path / "station.pub").read_bytes(), "station.pub")
    first = order().stations[0]
    listed = OrderStation(5, "pilot here", public.profile, public.pub, first.roles, "pilot")
    return issue_order(order(stations=(first, listed), **changes), [signer or harbour().signer])


# --- the folder ---


@pytest.mark.parametrize("profile", Profile)
def test_the_public_file_is_the_other_half_of_the_seed(tmp_path, profile):
    made = StationFolder.init(tmp_path / "pilot", "pilot", profile, [harbour().root])
    station = StationFolder.open(tmp_path / "pilot")
    assert station_public.parse((tmp_path / "pilot/station.pub").read_bytes(), "") == made
    assert (station.name, station.profile, made.agency) == ("pilot", profile, NAME)
    assert grant.unseal(profile, station.seed, b"info", grant.seal(profile, made.pub, b"info", b"key")) == b"key"
    assert station.roots == [harbour().root]


def test_no_bit_of_a_seed_is_always_the_same(tmp_path):
    seeds = []
    for number in range(40):
        StationFolder.init(tmp_path / f"{number}", "pilot", Profile.X_WING, [harbour().root])
        seeds.append(int.from_bytes((tmp_path / f"{number}/seed").read_bytes(), "big"))
    size = len((tmp_path / "0/seed").read_bytes())
    ever, always = functools.reduce(int.__or__, seeds), functools.reduce(int.__and__, seeds)
    assert (ever, always) == ((1 << 8 * size) - 1, 0)


def test_the_owner_of_a_station(tmp_path):
    roots = [coast().root, harbour().root]
    assert StationFolder.init(tmp_path / "a", "a", Profile.X25519, roots).agency == "Coast Guard"
    assert StationFolder.init(tmp_path / "b", "b", Profile.X25519, roots, "Customs").agency == "Customs"


def test_only_the_seed_is_secret(path, station):
    others = [data for name, data in files_of(path).items() if name != "seed"]
    assert not [data for data in others if station.seed in data or station.seed.hex().encode() in data]


def test_init_never_touches_what_is_there(path):
    before = files_of(path)
    with pytest.raises(AlreadyExists):
        StationFolder.init(path, "pilot", Profile.X25519, [harbour().root])
    assert files_of(path) == before


def test_what_is_wrong_makes_no_folder(tmp_path):
    with pytest.raises(BadName):
        StationFolder.init(tmp_path / "x", "", Profile.X25519, [harbour().root])
    with pytest.raises(BadName):
        StationFolder.init(tmp_path / "x", "x", Profile.X25519, [harbour().root], "a\x1b[2Jb")
    device = harbour().device("drone", p256())
    with pytest.raises(WrongUsage, match="not an agency root"):
        StationFolder.init(tmp_path / "x", "x", Profile.X25519, [device])
    assert not list(tmp_path.iterdir())


def test_a_seed_that_is_not_this_stations(path, tmp_path):
    StationFolder.init(tmp_path / "other", "other", Profile.X25519, [harbour().root])
    for seed in ((tmp_path / "other/seed").read_bytes(), b"", bytes(31)):
        (path / "seed").write_bytes(seed)
        with pytest.raises(WrongFile, match=r"seed does not belong to .*station\.pub"):
            StationFolder.open(path)


def test_a_station_that_trusts_no_agency(path):
    (path / "roots.crt").write_bytes(b"")
    with pytest.raises(WrongFile, match=r"roots\.crt holds no certificate"):
        StationFolder.open(path)


def test_a_symbolic_link_in_place_of_the_seed(path, tmp_path):
    (path / "seed").rename(tmp_path / "seed")
    (path / "seed").symlink_to(tmp_path / "seed")
    with pytest.raises(WrongMode, match="symbolic link"):
        StationFolder.open(path)


@pytest.mark.parametrize("name", ["seed", "roots.crt", ""])
def test_modes_are_checked(path, name):
    (path / name).chmod(0o755)
    with pytest.raises(WrongMode, match=r"open to others .mode 0755."):
        StationFolder.open(path)


def test_a_folder_of_another_kind(tmp_path):
    (tmp_path / "device").mkdir(0o700)
    with pytest.raises(WrongFile, match=r"not a station's folder: it holds no station\.pub"):
        StationFolder.open(tmp_path / "device")


# --- accepting orders ---


def test_an_order_is_accepted_from_its_first_second_to_its_last(station):
    data = signed(station.path)
    for now in (NOW, NOW + HOUR, NOW + 8 * HOUR):
        verified = station.accept_order(data, now)
        assert station.index_in(verified.content) == 5


def test_dates_and_clocks(station):
    data = signed(station.path)
    with pytest.raises(OrderNotYetValid, match="begins at 2027-01-15 08:00 UTC, and it is 2027-01-15 07:59 UTC") as early:
        station.accept_order(data, NOW - 1)
    with pytest.raises(OrderExpired, match="ended at 2027-01-15 16:00 UTC") as late:
        station.accept_order(data, NOW + 8 * HOUR + 1)
    assert (early.value.exit_code, late.value.exit_code) == (3, 3)
    for clock, said in (
        (0, "1970-01-01"),
        (NOW - DAY - 1, "2027-01-14"),
        (LATEST, "2100-01-01"),
        (LATEST * 2, "2230-01-02"),
    ):
        with pytest.raises(ClockWrong, match=f"clock says {said}") as caught:
            station.accept_order(data, clock)
        assert "set the clock" in caught.value.hint
        assert caught.value.exit_code == 6


def test_an_order_that_does_not_list_it(station):
    data = issue_order(order(), [harbour().signer])
    with pytest.raises(
        NotListed, match=r"does not list this station, 'pilot' with key .*; it lists pilot, station-2"
    ) as caught:
        station.accept_order(data, NOW)
    assert "station.pub to the agency" in caught.value.hint


def test_orders_that_no_trusted_agency_signed(station):
    with pytest.raises(ForeignRoot):
        station.accept_order(signed(station.path, coast().signer, agency="Coast Guard"), NOW)
    data = signed(station.path)
    with pytest.raises(BadSignature):
        station.accept_order(data.replace(b"Night Watch", b"Light Watch"), NOW)
    with pytest.raises(WrongFile, match="the file is a certificate, not an operation order"):
        station.accept_order((station.path / "roots.crt").read_bytes(), NOW)


def test_a_signer_whose_certificate_has_ended_signs_no_more(station):
    retired = harbour().new_signer(begin=NOW - HOUR, lifetime_s=2 * HOUR)
    station.accept_order(signed(station.path, signer=retired), NOW + HOUR // 2)
    with pytest.raises(ExpiredCertificate):
        station.accept_order(signed(station.path, signer=retired, serial=2, op_id=bytes(16)), NOW + 2 * HOUR)


@pytest.mark.parametrize("take", [StationFolder.accept_order, StationFolder.newest_order])
def test_the_signature_of_a_new_order_is_verified_once(station, monkeypatch, take):
    verify, verified = cose.Sign.verify, list[object]()
    monkeypatch.setattr(cose.Sign, "verify", lambda message, *args: verified.append(message) or verify(message, *args))
    assert take(station, signed(station.path), NOW).content.serial == 7
    assert len(verified) == 1


def test_an_order_that_was_accepted_in_time_outlives_its_end_and_a_clock_that_falls_back(station):
    """The aircraft flies on, and a station that restarts must not be blind."""
    data = signed(station.path)
    station.accept_order(data, NOW)
    again = StationFolder.open(station.path)
    for clock in (NOW + 99 * HOUR, 0):
        assert again.accept_order(data, clock).raw == data
    with pytest.raises(OrderExpired):
        again.accept_order(signed(station.path, serial=2, not_after=NOW + 9 * HOUR), NOW + 99 * HOUR)


def test_an_older_order_of_the_same_operation(station):
    old, new = signed(station.path, serial=7), signed(station.path, serial=8)
    station.accept_order(old, NOW)
    station.accept_order(new, NOW)
    station.accept_order(new, NOW)
    again = StationFolder.open(station.path)
    with pytest.raises(OlderOrder, match="is number 7 by signer 1, and number 8 by signer 1 of the same") as caught:
        again.accept_order(old, NOW)
    assert caught.value.exit_code == 7
    again.accept_order(signed(station.path, serial=3, op_id=bytes(16)), NOW)  # another operation has its own order
    again.accept_order(signed(station.path, serial=1, signer=harbour().new_signer(generation=2)), NOW)
    with pytest.raises(OlderOrder):
        again.accept_order(new, NOW)


@pytest.mark.parametrize("whole", [True, False])
def test_a_power_cut_between_the_order_and_the_state_shuts_no_station_out(path, station, whole):
    """Orders 8 and 9 came by the link, and 9 revokes an aircraft; the power failed when it was stored."""
    given, first = signed(path, serial=7), order().devices[0]
    revoked = (dataclasses.replace(first, void=True), *order().devices[1:])
    station.newest_order(given, NOW)
    station.accept_order(signed(path, serial=8), NOW)
    before = {name: (path / name).read_bytes() for name in (state.NAME, state.COPY)}
    station.accept_order(signed(path, serial=9, devices=revoked), NOW)
    for name in before if whole else [state.NAME]:
        (path / name).write_bytes(before[name])
    again = StationFolder.open(path)
    assert again.newest_order(given, NOW + 99 * HOUR).content.serial == 9
    assert not again.unsaved_order
    next(path.glob("order-*")).unlink()  # by then the state has followed
    with pytest.raises(RevokedAgain):
        StationFolder.open(path).newest_order(signed(path, serial=10), NOW)


def test_an_order_for_which_the_disk_had_no_room_is_stored_when_it_is_asked_for_again(path, station):
    given = signed(path, serial=7)
    station.newest_order(given, NOW)
    with full_disk():
        station.newest_order(signed(path, serial=8), NOW)
        assert station.newest_order(given, NOW).content.serial == 8
        assert station.unsaved_order
    assert station.newest_order(given, NOW).content.serial == 8
    assert not station.unsaved_order
    assert StationFolder.open(path).newest_order(given, NOW).content.serial == 8


def test_another_order_of_the_same_number(station):
    """Two copies of the agency's signer folder count from the same number."""
    in_force = station.accept_order(signed(station.path, serial=7), NOW)
    other = signed(station.path, serial=7, operation="Other")
    for take in (station.accept_order, station.newest_order, StationFolder.open(station.path).newest_order):
        with pytest.raises(NumberTwice, match=r"two orders are number 7 by signer 1, .* in use twice"):
            take(other, NOW)
    next(station.path.glob("order-*")).unlink()
    with pytest.raises(NumberTwice, match="another order of number 7 of the same operation"):
        station.accept_order(other, NOW)
    newest = station.accept_order(signed(station.path, serial=8, previous=in_force.order_hash), NOW)
    with pytest.raises(NumberTwice, match="number 9 by signer 1 and does not amend number 8"):
        station.accept_order(signed(station.path, serial=9, previous=bytes(32)), NOW)
    station.accept_order(signed(station.path, serial=9, previous=newest.order_hash), NOW)


def test_the_root_of_another_agency(station):
    data = signed(station.path, coast().signer, agency="Coast Guard")
    assert station.trust((coast().root,))
    assert not station.trust((coast().root,))
    again = StationFolder.open(station.path)
    assert again.roots == station.roots == [harbour().root, coast().root]
    assert again.accept_order(data, NOW).content.agency == "Coast Guard"
    with pytest.raises(WrongUsage):
        station.trust((harbour().device("drone", p256()),))
    assert StationFolder.open(station.path).roots == station.roots


# --- memory ---


def remember(
    station: StationFolder,
    device: bytes,
    counter: int,
    session_id: bytes = b"session",
    seq: int = 1,
    *,
    named: bool = False,
) -> str | None:
    station.record_boot(AGENCY, device, counter, session_id, seq, named=named)
    return station.store_heard()


def test_two_agencies_that_use_one_op_id_are_kept_apart(station):
    """A station that trusts two roots: neither takes the other's operation over, nor shuts it out."""
    station.trust((coast().root,))
    ours = station.newest_order(signed(station.path, serial=5), NOW)
    theirs = signed(station.path, coast().new_signer(generation=9), serial=5, agency="Coast Guard")
    assert station.newest_order(theirs, NOW).content.agency == "Coast Guard"
    again = StationFolder.open(station.path)
    assert again.newest_order(ours.raw, NOW).order_hash == ours.order_hash
    assert again.accept_order(signed(station.path, serial=6), NOW).content.serial == 6


def test_starts_and_system_ids_are_kept_apart_by_agency(station):
    remember(station, b"device", 3)
    station.record_system(AGENCY, b"device", 7)
    assert station.store_heard() is None
    assert station.boot(bytes([1]) * 32, b"device") is None
    assert station.system(bytes([1]) * 32, b"device") is None


def test_the_first_system_id_of_a_device_is_remembered_with_its_start(station):
    assert station.system(AGENCY, b"device") is None
    station.record_system(AGENCY, b"device", 7)
    assert station.unsaved
    assert station.store_heard() is None
    assert not station.unsaved
    again = StationFolder.open(station.path)
    assert (again.system(AGENCY, b"device"), again.boot(AGENCY, b"device")) == (7, None)
    remember(again, b"device", 3)
    assert (again.system(AGENCY, b"device"), again.boot(AGENCY, b"device")) == (7, (3, b"session", 1))


def test_no_file_of_the_folder_says_an_op_id(station):
    """It is half a secret."""
    verified = station.newest_order(signed(station.path), NOW)
    assert not [path for path in station.path.iterdir() if verified.content.op_id.hex() in path.name]
    assert verified.content.op_id.hex() not in (station.path / state.NAME).read_text()


def test_starts_are_remembered(station):
    assert station.boot(AGENCY, b"device") is None
    assert remember(station, b"device", 3) is None
    assert remember(station, b"other", 9, b"another") is None
    again = StationFolder.open(station.path)
    assert again.boot(AGENCY, b"device") == (3, b"session", 1)
    assert again.boot(AGENCY, b"other") == (9, b"another", 1)


def test_an_earlier_start_does_not_take_the_place_of_a_later_one(station):
    """Two grounds of one folder, one of them fed with a recording."""
    remember(station, b"device", 7)
    assert remember(StationFolder.open(station.path), b"device", 6) is None
    assert station.boot(AGENCY, b"device") == (7, b"session", 1)


def test_the_newest_beat_of_a_start_is_remembered(station):
    remember(station, b"device", 7, seq=40)
    remember(station, b"device", 7, seq=50)
    remember(StationFolder.open(station.path), b"device", 7, seq=45)
    assert station.boot(AGENCY, b"device") == (7, b"session", 50)
    remember(station, b"device", 8, b"next", seq=1)
    assert station.boot(AGENCY, b"device") == (8, b"next", 1)


def test_another_start_of_the_same_number_does_not_take_the_place_of_the_first(station):
    remember(station, b"device", 7, b"first", seq=40)
    remember(station, b"device", 7, b"copy", seq=50)
    assert station.boot(AGENCY, b"device") == (7, b"first", 40)


def test_a_start_that_the_operator_named_takes_the_place_of_a_later_one(station):
    remember(station, b"device", 1007, b"of another hand", seq=40)
    remember(station, b"device", 8, b"real", seq=9, named=True)
    assert station.boot(AGENCY, b"device") == (8, b"real", 9)
    remember(station, b"device", 9, b"next", seq=1)
    assert StationFolder.open(station.path).boot(AGENCY, b"device") == (9, b"next", 1)


def test_a_named_start_that_could_not_be_stored_is_not_forgotten_over_the_next_one(station):
    remember(station, b"device", 1007, b"of another hand", seq=40)
    with full_disk():
        assert remember(station, b"device", 8, b"real", seq=9, named=True)
        assert remember(station, b"device", 9, b"next")
    assert station.store_heard() is None
    assert station.boot(AGENCY, b"device") == (9, b"next", 1)


def test_a_full_disk_is_an_alarm_and_the_order_in_use_goes_on(station):
    data = signed(station.path)
    station.accept_order(data, NOW)
    with full_disk():
        alarm = remember(station, b"device", 3)
        station.accept_order(data, NOW)
        assert not station.unsaved_order
        station.accept_order(signed(station.path, serial=8), NOW)
        assert "a restart after the order's end will not be possible" in station.unsaved_order
    station.accept_order(signed(station.path, serial=9), NOW)
    assert not station.unsaved_order
    assert "cannot be written" in alarm
    assert "could pass for new" in alarm
    assert station.boot(AGENCY, b"device") is None
    assert station.unsaved
    assert station.store_heard() is None  # the disk has room again
    assert station.boot(AGENCY, b"device") == (3, b"session", 1)
    assert not station.unsaved


@pytest.mark.parametrize(
    "rubbish", [b"", b"{", b'{"boots": {"aa": [1, "bb"]}}', b'{"devices": {"aa": 1}}', b'{"more": 1}', bytes(9)]
)
def test_a_damaged_state(station, rubbish):
    remember(station, b"device", 3)
    (station.path / state.NAME).write_bytes(rubbish)
    assert station.boot(AGENCY, b"device") == (3, b"session", 1)  # by the copy
    (station.path / state.COPY).write_bytes(rubbish)
    with pytest.raises(FolderError, match=r"state\.json and its copy are damaged") as caught:
        station.boot(AGENCY, b"device")
    assert "remove both to go on" in caught.value.hint
    assert "damaged" in remember(station, b"device", 4)
    for name in (state.NAME, state.COPY):
        (station.path / name).unlink()
    assert station.boot(AGENCY, b"device") is None


RECORDER = """
import sys, time
from pathlib import Path
from keys.folders.station import StationFolder
station, name, go = StationFolder.open(Path(sys.argv[1])), sys.argv[2].encode(), Path(sys.argv[3])
print("ready", flush=True)
while not go.exists():
    time.sleep(0.001)
for counter in range(1, 21):
    station.record_boot(bytes(32), name + bytes([counter]), counter, b"session", 1)
    assert station.store_heard() is None
"""


def test_two_processes_forget_nothing_of_each_other(station, tmp_path):
    go = tmp_path / "go"
    with process(RECORDER, station.path, "one", go) as one, process(RECORDER, station.path, "two", go) as two:
        go.touch()
        assert (one.wait(), two.wait()) == (0, 0)
    for name in (b"one", b"two"):
        assert [station.boot(AGENCY, name + bytes([counter])) for counter in range(1, 21)] == [
            (n, b"session", 1) for n in range(1, 21)
        ]


# --- end ---


def test_a_seed_in_use_is_not_destroyed(station):
    others = StationFolder.open(station.path)
    with station.hold(), others.hold(), pytest.raises(FolderInUse, match="seed is in use by"):
        others.destroy()
    others.destroy()


def test_a_destroyed_seed_is_gone(station):
    os.link(station.path / "seed", station.path.parent / "same-blocks")
    station.destroy()
    assert (station.path.parent / "same-blocks").read_bytes() == bytes(32)
    with pytest.raises(MissingFile, match="the seed of station 'pilot' has been destroyed") as caught:
        StationFolder.open(station.path)
    assert "zegel station init" in caught.value.hint


# --- orders that came by the link ---


def test_the_newest_order_of_an_operation_is_kept_and_replaces_an_older_file(path, station):
    old, new = signed(path), signed(path, serial=8, not_after=NOW + 9 * HOUR)
    assert station.newest_order(old, NOW).content.serial == 7
    assert station.newest_order(new, NOW).content.serial == 8
    assert StationFolder.open(path).newest_order(old, NOW).content.serial == 8
    with pytest.raises(OlderOrder):
        station.accept_order(old, NOW)


def test_an_aircraft_that_was_revoked_does_not_come_back_by_a_file(path, station):
    """The agency restored an older copy of its folder, and amended the order before."""
    lost = dataclasses.replace(device(3), name="lost")
    flying, void = (*order().devices, lost), (*order().devices, dataclasses.replace(lost, void=True))
    station.newest_order(signed(path, devices=flying), NOW)
    revoked = station.newest_order(signed(path, serial=8, devices=void), NOW)
    for devices in (flying, order().devices):
        for take in (station.accept_order, StationFolder.open(path).newest_order):
            with pytest.raises(RevokedAgain, match=r"order 10 .*order 8 of the same operation"):
                take(signed(path, serial=10, devices=devices), NOW)
    assert StationFolder.open(path).newest_order(signed(path, devices=flying), NOW).order_hash == revoked.order_hash
    assert station.newest_order(signed(path, serial=10, op_id=bytes(16), devices=flying), NOW).content.serial == 10
    assert station.newest_order(signed(path, serial=10, devices=(*void, device(4))), NOW).content.serial == 10


@pytest.mark.parametrize(
    "lose", [lambda kept: kept.chmod(0o644), lambda kept: kept.unlink(), lambda kept: kept.write_bytes(b"?")]
)
def test_a_revoked_aircraft_does_not_come_back_where_the_kept_order_is_not_whole(path, station, lose):
    lost = dataclasses.replace(device(3), name="lost")
    flying, void = (*order().devices, lost), (*order().devices, dataclasses.replace(lost, void=True))
    station.newest_order(signed(path, devices=flying), NOW)
    station.newest_order(signed(path, serial=8, devices=void), NOW)
    (kept,) = path.glob("order-*")
    lose(kept)
    for devices in (flying, order().devices, (*order().devices, dataclasses.replace(lost, name="found"))):
        with pytest.raises(RevokedAgain, match=r"order 10 .*order 8 of the same operation"):
            StationFolder.open(path).newest_order(signed(path, serial=10, devices=devices), NOW)
    kept.unlink(missing_ok=True)
    again = StationFolder.open(path)
    assert again.newest_order(signed(path, serial=10, devices=(*void, device(4))), NOW).content.serial == 10
    assert again.newest_order(signed(path, serial=11, op_id=bytes(16), devices=flying), NOW).content.serial == 11


def test_a_revocation_that_the_disk_had_no_room_for_counts_while_the_station_runs(path, station):
    """Else the agency's forgetful order would be stored, and the aircraft back after a restart."""
    lost = dataclasses.replace(device(3), name="lost")
    flying, void = (*order().devices, lost), (*order().devices, dataclasses.replace(lost, void=True))
    station.newest_order(signed(path, devices=flying), NOW)
    with full_disk():
        revoked = station.newest_order(signed(path, serial=8, devices=void), NOW)
    assert station.unsaved_order
    assert station.newest_order(signed(path, devices=flying), NOW).order_hash == revoked.order_hash
    with pytest.raises(RevokedAgain):
        station.newest_order(signed(path, serial=9, devices=flying), NOW)
    assert station.newest_order(revoked.raw, NOW).order_hash == revoked.order_hash
    assert not station.unsaved_order
    with pytest.raises(RevokedAgain):
        StationFolder.open(path).newest_order(signed(path, serial=9, devices=flying), NOW)


def test_it_replaces_a_file_that_has_ended(path, station):
    old = signed(path)
    station.newest_order(signed(path, serial=8, not_after=NOW + 20 * HOUR), NOW)
    assert station.newest_order(old, NOW + 10 * HOUR).content.serial == 8


def test_a_kept_order_that_was_changed_is_not_used(path, station):
    old = signed(path)
    station.newest_order(signed(path, serial=8), NOW)
    (kept,) = path.glob("order-*")
    assert kept.stat().st_mode & 0o777 == 0o600
    others = [{"serial": 8, "operation": "Other"}, {"serial": 7}, {"serial": 9, "op_id": bytes(16)}]
    for data in (
        *(signed(path, **other) for other in others),
        signed(path, coast().signer, serial=9, agency="Coast Guard"),
    ):
        kept.write_bytes(data)
        with pytest.raises(OlderOrder):
            station.newest_order(old, NOW)


def test_a_newer_file_is_accepted_like_any_other(path, station):
    station.newest_order(signed(path), NOW)
    with pytest.raises(OrderExpired):
        station.newest_order(signed(path, serial=8, not_after=NOW + 9 * HOUR), NOW + DAY)


def test_a_start_that_comes_while_one_is_stored_is_stored_next(station, monkeypatch):
    write = state.write

    def meanwhile(path, known):
        write(path, known)
        station.record_boot(AGENCY, b"device", 4, b"session", 2)

    station.record_boot(AGENCY, b"device", 3, b"session", 1)
    with monkeypatch.context() as slow:
        slow.setattr(state, "write", meanwhile)
        assert station.store_heard() is None
    assert station.unsaved
    assert station.store_heard() is None
    assert StationFolder.open(station.path).boot(AGENCY, b"device") == (4, b"session", 2)


def test_an_order_in_force_has_begun_and_not_ended(station):
    content = station.newest_order(signed(station.path), NOW).content
    require_in_force(content, NOW)
    with pytest.raises(OrderExpired):
        require_in_force(content, content.not_after + 1)
    with pytest.raises(ClockWrong):
        require_in_force(content, 0)


def test_a_damaged_root_is_none(station):
    path = station.path / "roots.crt"
    path.write_bytes(path.read_bytes().replace(b"MII", b"AII"))
    with pytest.raises(WrongFile, match=r"roots\.crt is damaged"):
        StationFolder.open(station.path)
