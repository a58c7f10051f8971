"""The device's folder: enrolment, orders that only rise, limits, and a state that survives."""

from __future__ import annotations

import dataclasses
import datetime
import random
import time

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from keys import certificate, cose
from keys.errors import (
    AlreadyExists,
    BadName,
    BadSignature,
    CertificateError,
    ExpiredCertificate,
    FolderError,
    FolderInUse,
    ForeignRoot,
    MissingFile,
    NoOrder,
    NotListed,
    NumberTwice,
    OlderOrder,
    OrderExpired,
    RevokedAgain,
    WrongFile,
    WrongMode,
    WrongUsage,
)
from keys.folders import private_key, state
from keys.folders.device import DeviceFolder, DeviceState
from keys.order import issue_order
from keys.order_device import OrderDevice
from keys.policy import Policy
from keys.times import LATEST
from tests.agency import HOUR, NOW, Agency, harbour, order, p384
from tests.unit.keys.disk import files_of, full_disk, process

NO_CLOCK = 1_000  # a board without a clock wakes in 1970


@pytest.fixture
def path(tmp_path):
    """A device's folder, not enrolled."""
    DeviceFolder.init(tmp_path / "drone-7", "drone-7")
    return tmp_path / "drone-7"


@pytest.fixture
def device(path):
    """An open, enrolled device."""
    with DeviceFolder.open(path) as folder:
        folder.enrol(certified(path), (harbour().root,))
        yield folder


def certified(path, agency: Agency | None = None):
    request = certificate.load_request((path / "device.csr").read_bytes())
    return certificate.certify_device((agency or harbour()).issuer, request, NOW)


def signed(device: DeviceFolder, serial: int = 7, signer=None, systems=(), **changes) -> bytes:
    """An order of Harbour Police for this device, which has these system ids."""
    raw = cose.raw_public(device.key.public_key())
    devices = (order().devices[0], OrderDevice("drone-7", *raw, systems))
    return issue_order(order(devices=devices, serial=serial, **changes), [signer or harbour().signer])


def test_a_view_ends_without_a_lock(device):
    with DeviceFolder.view(device.path) as view:
        assert view.name == "drone-7"
    assert device._lock is not None, "and the flight keeps its own"


def reopened(device: DeviceFolder) -> DeviceFolder:
    device.close()
    return DeviceFolder.open(device.path)


# --- the folder ---


def test_a_new_folder_holds_a_key_and_a_request_for_it(path):
    with DeviceFolder.open(path) as device:
        request = certificate.load_request((path / "device.csr").read_bytes())
        assert request.public_key() == device.key.public_key()
        assert device.name == certificate.name_of(request) == "drone-7"
        assert device.roots == []
    assert b"PRIVATE KEY" not in b"".join(data for name, data in files_of(path).items() if name != "device.key")


def test_init_never_touches_what_is_there(path):
    before = files_of(path)
    with pytest.raises(AlreadyExists):
        DeviceFolder.init(path, "drone-8")
    assert files_of(path) == before


def test_a_name_that_cannot_be_shown_makes_no_folder(tmp_path):
    with pytest.raises(BadName):
        DeviceFolder.init(tmp_path / "drone", "dr\none")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("device.key", b"", "is not a private key"),
        ("device.key", b"-----BEGIN CERTIFICATE-----\n", "is a certificate, not a private key"),
        (
            "device.key",
            b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            "no private key that can be read",
        ),
        ("device.csr", b"", "is not a certificate request"),
    ],
)
def test_a_wrong_file_in_the_folder_is_named(path, name, data, message):
    (path / name).write_bytes(data)
    with pytest.raises(WrongFile, match=f"{name} {message}|{name} holds {message}"):
        DeviceFolder.open(path)


def test_an_agencys_key_is_no_devices_key(path):
    (path / "device.key").unlink()
    private_key.write(path / "device.key", p384())
    with pytest.raises(WrongFile, match="not a device's key"):
        DeviceFolder.open(path)


def test_a_folder_of_another_kind(tmp_path):
    (tmp_path / "station").mkdir(0o700)
    with pytest.raises(WrongFile, match="not a device's folder"):
        DeviceFolder.open(tmp_path / "station")


@pytest.mark.parametrize("name", ["device.key", "roots.crt", "order"])
def test_modes_are_checked_before_anything_is_believed(device, name):
    device.load_order(signed(device), NOW)
    device.close()
    (device.path / name).chmod(0o644)
    with pytest.raises(WrongMode, match=f"{name} is open to others"), DeviceFolder.open(device.path) as again:
        again.order()


@pytest.mark.parametrize("name", ["state.json", "state-copy.json"])
@pytest.mark.parametrize("how", ["open to others", "not readable", "a link", "a folder"])
def test_a_state_file_that_is_no_file_any_more_stops_no_aircraft(device, name, how):
    """As fsck or a careless hand may leave it: the other one is whole."""
    device.load_order(signed(device), NOW)
    assert device.next_boot() == (1, None)
    device.close()
    path = device.path / name
    if how in ("open to others", "not readable"):
        path.chmod(0o644 if how == "open to others" else 0)
    else:
        path.rename(device.path / "elsewhere")
        path.symlink_to("elsewhere") if how == "a link" else path.mkdir()
    with DeviceFolder.open(device.path) as again:
        assert how == "not readable" or "card may be failing" in again.damage()  # root reads everything
        assert again.next_boot()[0] == 2


def test_an_order_for_a_later_day_shuts_out_none_for_today(device):
    later = signed(device, serial=1, not_before=NOW + 100 * HOUR, not_after=NOW + 108 * HOUR)
    device.load_order(later, NOW)
    assert device.load_order(signed(device, serial=2), NOW).content.serial == 2


HOLDER = """
import sys, time
from pathlib import Path
from keys.folders.device import DeviceFolder
with DeviceFolder.open(Path(sys.argv[1])):
    print("ready", flush=True)
    time.sleep(60)
"""


def test_in_use_by_another_process(path):
    with process(HOLDER, path) as holder, pytest.raises(FolderInUse, match=f"process {holder.pid}"):
        DeviceFolder.open(path)
    DeviceFolder.open(path).close()


def test_a_folder_that_fails_to_open_is_not_left_locked(path):
    key = (path / "device.key").read_bytes()
    (path / "device.key").write_bytes(b"")
    with pytest.raises(WrongFile):
        DeviceFolder.open(path)
    (path / "device.key").write_bytes(key)
    DeviceFolder.open(path).close()


# --- enrolment ---


def test_enrolment_pins_the_root_and_may_be_renewed(device):
    device.enrol(certified(device.path), (harbour().root,))
    with reopened(device) as again:
        assert again.roots == [harbour().root]


def test_a_certificate_for_another_key(path):
    stranger = harbour().device("drone-7", Ed25519PrivateKey.generate())
    with DeviceFolder.open(path) as device, pytest.raises(WrongFile, match="not for the key of this device") as caught:
        device.enrol(stranger, (harbour().root,))
    assert "device.csr" in caught.value.hint
    assert not (path / "device.crt").exists()


def test_a_root_that_did_not_issue_the_certificate(path):
    with DeviceFolder.open(path) as device:
        with pytest.raises(ForeignRoot):
            device.enrol(certified(path), (Agency("Coast Guard").root,))
        with pytest.raises(WrongUsage, match="not an agency root"):
            device.enrol(certified(path), (certified(path),))


def test_a_device_does_not_change_its_agency(device):
    coast = Agency("Coast Guard")
    with pytest.raises(AlreadyExists, match="enrolled with another root, of 'Harbour Police'") as caught:
        device.enrol(certified(device.path, coast), (coast.root,))
    assert "device init" in caught.value.hint
    assert device.roots == [harbour().root]


def test_not_enrolled(path):
    with DeviceFolder.open(path) as device:
        for use in (device.order, lambda: device.load_order(signed(device), NOW)):
            with pytest.raises(MissingFile, match="not enrolled") as caught:
                use()
            assert "zegel device enrol" in caught.value.hint


# --- loading orders ---


@pytest.mark.parametrize("clock", [NO_CLOCK, NOW + HOUR, LATEST, LATEST * 50], ids=["1970", "good", "2100", "far"])
def test_an_order_is_in_force_after_loading_and_reopening(device, clock):
    with pytest.raises(NoOrder) as caught:
        device.order()
    assert "load-order" in caught.value.hint
    data = signed(device)
    loaded = device.load_order(data, clock)
    with reopened(device) as again:
        assert again.order() == loaded
        assert again.order().raw == data
        assert again.device_index(again.order().content) == 1
        assert again.limits(clock) is None


def test_an_order_for_other_devices(device):
    with pytest.raises(NotListed, match=r"not for this device, 'drone-7' with key .*; it is for drone-1, drone-2"):
        device.load_order(issue_order(order(), [harbour().signer]), NOW)
    with pytest.raises(NoOrder):
        device.order()


def test_an_order_of_another_agency(device):
    coast = Agency("Coast Guard")
    with pytest.raises(ForeignRoot):
        device.load_order(signed(device, signer=coast.signer, agency="Coast Guard"), NOW)


def test_an_order_that_was_changed(device):
    data = signed(device)
    with pytest.raises(BadSignature):
        device.load_order(data.replace(b"Night Watch", b"Light Watch"), NOW)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"-----BEGIN CERTIFICATE-----", "is a certificate, not"),
        (b"", "is not"),
        (b"-----BEGIN PRIVATE KEY-----", "is a private"),
    ],
)
def test_another_file_in_place_of_an_order(device, data, found):
    with pytest.raises(WrongFile, match=f"the file {found}"):
        device.load_order(data, NOW)


def test_generation_counts_before_serial(device):
    second = harbour().new_signer(generation=2)
    device.load_order(signed(device, serial=7), NOW)
    with pytest.raises(OlderOrder, match="number 6 by signer 1, and number 7 by signer 1 was loaded before"):
        device.load_order(signed(device, serial=6), NOW)
    device.load_order(signed(device, serial=8), NOW)
    device.load_order(signed(device, serial=1, signer=second), NOW)
    with reopened(device) as again, pytest.raises(OlderOrder, match="number 9 by signer 1, and number 1 by signer 2"):
        again.load_order(signed(again, serial=9), NOW)


def test_an_older_order_of_another_operation_is_refused_too(device):
    device.load_order(signed(device, serial=7), NOW)
    with pytest.raises(OlderOrder, match="number 6 by signer 1, and number 7"):
        device.load_order(signed(device, serial=6, op_id=bytes(16)), NOW)
    device.load_order(signed(device, serial=8, op_id=bytes(16)), NOW)


def test_another_order_of_the_same_number_is_told_apart(device):
    """Two copies of the agency's signer folder count from the same number."""
    device.load_order(signed(device, serial=7), NOW)
    other = signed(device, serial=7, operation="Other")
    with pytest.raises(NumberTwice, match=r"two orders are number 7 by signer 1, .* in use twice") as caught:
        device.load_order(other, NOW)
    assert caught.value.exit_code == 7
    assert "tell the agency" in caught.value.hint
    with reopened(device) as again:
        with pytest.raises(NumberTwice, match="in use twice"):
            again.load_order(other, NOW)
        again.load_order(signed(again, serial=1, operation="Other", signer=harbour().new_signer(generation=2)), NOW)


def test_an_amendment_of_another_order_than_the_one_here_is_told_apart(device):
    """The other copy revoked nobody when this one did, and goes on from there."""
    in_force = device.load_order(signed(device, serial=8), NOW)
    with pytest.raises(NumberTwice, match="number 9 by signer 1 and does not amend number 8"):
        device.load_order(signed(device, serial=9, previous=bytes(32)), NOW)
    device.load_order(signed(device, serial=9, previous=in_force.order_hash), NOW)
    device.load_order(signed(device, serial=20, previous=bytes(32)), NOW)  # what came between was not for this aircraft


def test_an_aircraft_that_was_revoked_does_not_come_back(device):
    raw = cose.raw_public(device.key.public_key())
    flying = (order().devices[0], OrderDevice("drone-7", *raw))
    void = (dataclasses.replace(flying[0], void=True), flying[1])

    def listing(serial: int, devices: tuple[OrderDevice, ...]) -> bytes:
        return issue_order(order(devices=devices, serial=serial), [harbour().signer])

    device.load_order(listing(8, void), NOW)
    for devices in (flying, flying[1:]):
        with pytest.raises(RevokedAgain):
            device.load_order(listing(10, devices), NOW)
    assert device.order().content.serial == 8
    device.load_order(listing(10, void), NOW)


def test_another_order_of_the_same_number_put_on_the_card_is_refused(device):
    device.load_order(signed(device, serial=7), NOW)
    (device.path / "order").write_bytes(signed(device, serial=7, operation="Other"))
    with reopened(device) as again, pytest.raises(NumberTwice, match="another order of that number was loaded"):
        again.order()


def test_without_the_order_itself_its_number_still_tells(device):
    device.load_order(signed(device, serial=7), NOW)
    (device.path / "order").unlink()
    with reopened(device) as again, pytest.raises(NumberTwice, match="another order of that number was loaded before"):
        again.load_order(signed(again, serial=7, operation="Other"), NOW)


def test_an_older_order_put_back_on_the_card_is_refused(device):
    old = signed(device, serial=7)
    device.load_order(signed(device, serial=8), NOW)
    (device.path / "order").write_bytes(old)
    with reopened(device) as again, pytest.raises(OlderOrder, match="is number 7 by signer 1, but number 8"):
        again.order()


def test_loading_the_order_in_force_again_mends_its_file(device):
    data = signed(device)
    device.load_order(data, NOW)
    device.add_seconds(50)
    (device.path / "order").write_bytes(b"\xd8\x62rubbish")
    with reopened(device) as again:
        again.load_order(data, NOW)
    with reopened(device) as again:
        assert again.order().raw == data
        assert state.read(device.path, DeviceState)[0].order_seconds == 50


@pytest.mark.parametrize(
    ("clock", "ends"),
    [(NOW + 9 * HOUR, "clock"), (LATEST - 1, "clock"), (NO_CLOCK, "lower bound"), (LATEST, "lower bound")],
)
def test_an_expired_order(device, clock, ends):
    if ends == "lower bound":  # what a later order proves counts where the clock says nothing
        device.load_order(signed(device, serial=1, not_before=NOW + 10 * HOUR, not_after=NOW + 11 * HOUR), NO_CLOCK)
    why = "ended at 2027-01-15 16:00 UTC, and it is" if ends == "clock" else "before an order begins that was loaded here"
    with pytest.raises(OrderExpired, match=why):
        device.load_order(signed(device), clock)
    assert ends == "lower bound" or not (device.path / "order").exists()


def test_a_later_order_judges_the_signer_at_the_lower_bound(device):
    """A signer whose certificate has ended could write an old date into an order."""
    retired = harbour().new_signer(begin=NOW - HOUR, lifetime_s=2 * HOUR)
    device.load_order(signed(device, serial=1, not_before=NOW + 5 * HOUR), NO_CLOCK)
    with pytest.raises(ExpiredCertificate):
        device.load_order(signed(device, serial=2, signer=retired), NO_CLOCK)


def test_a_full_disk_leaves_the_old_order_in_force(device):
    first = device.load_order(signed(device, serial=1), NOW)
    with full_disk(), pytest.raises(FolderError, match="cannot be written"):
        device.load_order(signed(device, serial=2), NOW)
    with reopened(device) as again:
        assert again.order() == first


def test_power_fails_between_the_order_and_the_state(device):
    device.load_order(signed(device, serial=1), NOW)
    device.next_boot()
    newer = signed(device, serial=2)
    (device.path / "order").write_bytes(newer)
    with reopened(device) as again:
        assert again.order().raw == newer
        assert again.next_boot() == (2, None)
        with pytest.raises(OlderOrder):
            again.load_order(signed(again, serial=1), NOW)


# --- limits ---


def test_the_date_by_a_clock_that_can_be_true(device):
    device.load_order(signed(device), NOW)
    for good in (NOW + 8 * HOUR, NO_CLOCK, 0, LATEST, LATEST * 2):
        assert device.limits(good) is None
    assert device.limits(NOW + 8 * HOUR + 1) == "ended at 2027-01-15 16:00 UTC"


def test_starts_are_counted_for_each_order(device):
    device.load_order(signed(device, policy=Policy(max_boots=2)), NOW)
    for _ in range(2):
        assert device.limits(NOW) is None
        device.next_boot()
        assert device.limits(NOW) is None  # the last start that is allowed is allowed to its end
        device = reopened(device)
    assert device.limits(NOW) == "has used up its starts, which were 2"
    device.load_order(signed(device, serial=8, policy=Policy(max_boots=2)), NOW)
    assert device.limits(NOW) is None
    assert device.next_boot() == (3, None)
    device.close()


def test_hours_are_counted_for_each_order(device):
    device.load_order(signed(device, policy=Policy(max_hours=1)), NOW)
    device.add_seconds(HOUR - 1)
    device = reopened(device)
    assert device.limits(NOW) is None
    assert device.add_seconds(1) is None
    assert device.limits(NOW) == "has used up its time in flight, which was 1 hour"
    device.load_order(signed(device, serial=8, policy=Policy(max_hours=1)), NOW)
    assert device.limits(NOW) is None
    device.close()


# --- in flight ---


def test_boots_are_counted(device):
    device.load_order(signed(device), NOW)
    for count in (1, 2, 3):
        device = reopened(device)
        assert device.next_boot() == (count, None)
    device.close()


def test_a_full_disk_is_an_alarm_and_no_more(device):
    device.load_order(signed(device), NOW)
    device.next_boot()
    with full_disk():
        counter, trouble = device.next_boot()
        assert counter == 2
        assert "cannot be written" in trouble
        assert "stations may refuse the next one" in trouble
        assert "the time flown is not counted" in device.add_seconds(60)
    assert device.add_seconds(60) is None
    with reopened(device) as again:
        assert state.read(again.path, DeviceState)[0].order_seconds == 120
        assert again.next_boot() == (3, None)


DAMAGE = {
    "empty": b"",
    "cut": b'{"lower_bound": 12',
    "zeroes": bytes(100),
    "no utf-8": b'{"order_hash": "\xff"}',
    "unknown": b'{"boots": 1}',
    "negative": b'{"boot_counter": -1}',
    "a list": b"[]",
}


@pytest.mark.parametrize("rubbish", DAMAGE.values(), ids=DAMAGE)
def test_one_damaged_state_file_costs_nothing(device, rubbish):
    device.load_order(signed(device), NOW)
    for expected in range(1, 4):
        (device.path / "state.json").write_bytes(rubbish)
        device = reopened(device)
        assert "damaged and its copy was used" in device.damage()
        assert device.next_boot() == (expected, None)
    device = reopened(device)
    assert device.next_boot() == (4, None)
    device.close()


def test_the_copy_is_never_behind(device):
    """Power may fail between the two writes: the file that stands in for the other must hold the newer counter."""
    device.load_order(signed(device), NOW)
    before = (device.path / state.NAME).read_bytes()
    (device.path / state.COPY).unlink()
    (device.path / state.COPY).mkdir()
    assert "state-copy.json cannot be written" in device.next_boot()[1]
    assert (device.path / state.NAME).read_bytes() == before


@pytest.mark.parametrize("rubbish", [*DAMAGE.values(), None], ids=[*DAMAGE, "gone"])
def test_a_state_that_is_lost_flies_on_with_an_alarm(device, rubbish):
    device.load_order(signed(device, serial=7), NOW)
    device.next_boot()
    for name in (state.NAME, state.COPY):
        if rubbish is None:
            (device.path / name).unlink()
        else:
            (device.path / name).write_bytes(rubbish)
    device = reopened(device)
    assert device.limits(NOW) is None
    assert "the boot counter begins again at 1" in device.damage()
    assert "--accept-older-session" in device.damage()
    assert device.next_boot() == (1, None)
    device = reopened(device)
    assert device.next_boot() == (2, None)
    with pytest.raises(OlderOrder):  # the order in force has said which orders are older
        device.load_order(signed(device, serial=6), NOW)
    assert device.limits(NOW + 9 * HOUR)
    device.close()


def test_a_lost_state_is_still_an_alarm_after_another_order_was_loaded(device):
    device.load_order(signed(device, serial=7), NOW)
    device.next_boot()
    for name in (state.NAME, state.COPY):
        (device.path / name).write_bytes(b"")
    device = reopened(device)
    with pytest.raises(OlderOrder):
        device.load_order(signed(device, serial=6), NOW)
    device.load_order(signed(device, serial=8), NOW)
    device = reopened(device)
    assert "begins again" in device.damage()
    assert device.next_boot() == (1, None)
    assert device.damage() is None
    device.close()


BOOTER = """
import sys
from pathlib import Path
from keys.folders.device import DeviceFolder
with DeviceFolder.open(Path(sys.argv[1])) as device:
    device.order()
    print("ready", flush=True)
    while True:
        print(device.next_boot()[0], flush=True)
"""


def test_no_kill_brings_a_boot_counter_back(device):
    device.load_order(signed(device), NOW)
    device.close()
    rng, newest = random.Random(3), 0
    for _ in range(10):
        with process(BOOTER, device.path) as booter:
            time.sleep(rng.random() * 0.03)
            booter.kill()
            heard = [int(line) for line in booter.stdout.read().split("\n")[:-1]]
        assert heard == list(range(heard[0], heard[0] + len(heard))) if heard else True
        with DeviceFolder.open(device.path) as again:
            counter, alarm = again.next_boot()
        assert alarm is None
        assert counter > max([newest, *heard])
        newest = counter


def test_the_state_reads_as_people_would_expect(device):
    """An investigator reads it without the program."""
    device.load_order(signed(device), NOW)
    text = msgspec.json.decode((device.path / "state.json").read_bytes())
    assert datetime.datetime.fromtimestamp(text["lower_bound"], datetime.UTC).year == 2027
    assert (text["generation"], text["serial"]) == (1, 7)
    assert text["order_hash"] == dataclasses.asdict(device.order())["order_hash"].hex()


def test_how_long_the_order_is_still_in_force_by_its_date_and_by_its_hours(device):
    device.load_order(signed(device), NOW)
    until = device.order().content.not_after
    assert device.order_left_s(NOW) == until - NOW
    assert device.order_left_s(until + 5) == -5
    assert device.order_left_s(0) is None, "a clock that cannot be right tells nothing"
    device.load_order(signed(device, serial=8, policy=Policy(max_hours=1)), NOW)
    device.add_seconds(600)
    assert device.order_left_s(0) == device.order_left_s(NOW) == 3000
    assert device.order_left_s(0, flown_s=100) == 2900


def test_a_damaged_certificate_is_named(device):
    path = device.path / "device.crt"
    path.write_bytes(path.read_bytes()[:-60] + b"\n-----END CERTIFICATE-----\n")
    device.close()
    with pytest.raises(CertificateError, match=r"device\.crt: ") as caught:
        DeviceFolder.open(device.path)
    assert "copy the file" in caught.value.hint


def test_an_order_whose_state_found_no_room_is_in_force_and_said_to_be_unsaved(device, monkeypatch):
    write = state.write
    with monkeypatch.context() as broken:
        broken.setattr(state, "write", lambda *_: write(device.path / "nowhere", DeviceState()))
        with pytest.raises(FolderError):
            device.load_order(signed(device, serial=3), NOW)
    assert device.order().content.serial == 3
    assert device.unsaved
