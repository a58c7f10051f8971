"""What a person types and what is answered: the whole ceremony, and each mistake with its code, message and hint."""

from __future__ import annotations

import argparse
import dataclasses
import io
import re
import shlex
import shutil
import threading
import time
from pathlib import Path

import pytest

from gateway import cli
from keys import cose
from keys.commands.custody import agency, device, station
from keys.commands.order import order
from keys.folders import inbox
from keys.folders.device import DeviceFolder
from keys.grant import Profile
from keys.lanes import Role
from keys.order import parse_order
from keys.times import LATEST
from tests.unit.keys.disk import files_of, full_disk, process
from tests.unit.keys.folders.test_device import HOLDER

NOW = 1_800_000_000  # 2027-01-15 08:00 UTC
HOUR = 3600


@dataclasses.dataclass
class Answer:
    code: int
    out: str
    error: str
    hint: str


@pytest.fixture
def zegel(capsys, monkeypatch):
    """Run one command as a shell would, in the folder of the ceremony."""

    def run(line: str) -> Answer:
        capsys.readouterr()
        try:
            code = cli.main(shlex.split(line))
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = capsys.readouterr()
        error, _, hint = err.partition("\n  hint: ")
        return Answer(code, out, error.removeprefix("zegel: ").strip(), hint.strip())

    return run


@pytest.fixture
def good(zegel):
    def run(line: str) -> str:
        answer = zegel(line)
        assert answer.code == 0, answer
        assert not answer.error, answer
        return answer.out

    return run


ISSUE = (
    "order issue agency --operation 'Night Watch' --device drone-7.crt --hours 8"
    " --station pilot/station.pub:telemetry,video,command"
)


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """Two agencies, an enrolled aircraft, a pilot, a foreign visitor, two recording keys, an order in force."""
    folder = tmp_path_factory.mktemp("ceremony")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(time, "time", lambda: NOW)
        for line in (
            "agency init agency --name 'Harbour Police'",
            "agency init coast --name 'Coast Guard'",
            "device init drone --name drone-7",
            "agency certify-device agency drone/device.csr -o drone-7.crt",
            "device enrol drone drone-7.crt --root agency/root/root.crt",
            "station init pilot --name pilot --root agency/root/root.crt",
            "station init visitor --name visitor --root coast/root/root.crt --root agency/root/root.crt --profile x25519",
            "recording keygen archive --name archive",
            "recording keygen court --name court --profile p-384",
            f"{ISSUE} --station visitor/station.pub:video -o op.order",
            "device load-order drone op.order",
        ):
            assert cli.main(shlex.split(line)) == 0
    return folder


@pytest.fixture
def here(made, tmp_path, monkeypatch):
    """A copy of it to work in, at the time when the order was issued."""
    folder = tmp_path / "here"
    shutil.copytree(made, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(time, "time", lambda: NOW)
    return folder


def listed(name: str):
    return next(s for s in parse_order(Path("op.order").read_bytes()).stations if s.name == name)


# --- the ceremony ---


def test_the_order_says_what_was_asked_for(here):
    content = parse_order(Path("op.order").read_bytes())
    assert (content.agency, content.operation, content.classification) == ("Harbour Police", "Night Watch", "regular")
    assert (content.not_before, content.not_after, content.serial) == (NOW, NOW + 8 * HOUR, 1)
    pilot, visitor = listed("pilot"), listed("visitor")
    assert (pilot.index, pilot.profile, pilot.roles) == (1, Profile.X_WING, Role.TELEMETRY | Role.VIDEO | Role.COMMAND)
    assert (visitor.index, visitor.profile, visitor.roles) == (2, Profile.X25519, Role.VIDEO)
    assert (pilot.guard, visitor.guard) == ("pilot", "observer")
    assert (pilot.agency, visitor.agency) == (None, "Coast Guard")


def test_every_fingerprint_is_shown_at_both_ends(here, good):
    """What people compare by phone must be the same words."""
    mark = re.compile(r"\b[0-9a-f]{4}(?:-[0-9a-f]{4}){7}\b")
    init = mark.findall(good("station init second --name second --root agency/root/root.crt"))
    enrol = mark.findall(good("device enrol drone drone-7.crt --root agency/root/root.crt"))
    certify = mark.findall(good("agency certify-device agency drone/device.csr -o again.crt"))
    issue = mark.findall(good(f"{ISSUE} --station second/station.pub:telemetry -o second.order"))
    show = mark.findall(good("order show second.order"))
    assert init[0] == issue[1]
    assert init[1] == enrol[0]
    assert certify[0] in show
    assert set(issue) <= set(show)


def test_no_secret_is_ever_printed(here, good):
    out = "".join(
        good(line)
        for line in (
            "agency init third --name Third",
            "device init other --name other",
            "station init other-station --name other --root third/root/root.crt",
            f"{ISSUE} -o other.order",
            "order show other.order",
        )
    )
    for path in (*here.rglob("*.key"), *here.rglob("seed")):
        secret = path.read_bytes()
        assert secret.hex() not in out
        assert not [line for line in secret.decode("latin-1").splitlines() if len(line) > 30 and line in out]


def test_the_root_may_be_away(here, good, zegel):
    shutil.move("agency/root", "safe")
    good(f"{ISSUE} -o second.order")
    good("order verify second.order --root safe/root.crt")
    answer = zegel("agency certify-device agency drone/device.csr -o again.crt")
    assert answer.code == 1
    assert answer.error == "agency/root does not exist, and the root key certifies devices and signers"
    assert answer.hint == "bring that folder back as agency/root"
    shutil.move("agency/signer", "office")
    answer = zegel(f"{ISSUE} -o third.order")
    assert answer.error == "agency/signer does not exist, and the signer's key signs orders"
    shutil.move("safe", "agency/root")
    good("agency certify-device agency drone/device.csr -o again.crt")


def test_a_new_signer_outranks_the_old_one(here, good, zegel):
    good("device load-order drone op.order")
    good(f"{ISSUE} -o late.order")
    shutil.copytree("agency/signer", "stolen/signer")
    assert "generation 2" in good("agency new-signer agency")
    good(f"{ISSUE} -o newest.order")
    assert "generation 2" in good("order verify newest.order --root agency/root/root.crt")
    good("device load-order drone newest.order")
    good(f"{ISSUE.replace('issue agency', 'issue stolen')} -o forged.order")
    for older in ("late.order", "forged.order"):
        assert zegel(f"device load-order drone {older}").code == 7


def test_a_lost_signer_is_made_again_and_the_root_is_needed_for_it(here, good, zegel):
    shutil.rmtree("agency/signer")
    shutil.move("agency/root", "safe")
    assert zegel("agency new-signer agency").error.startswith("agency/root does not exist")
    shutil.move("safe", "agency/root")
    good("device load-order drone op.order")
    good("agency new-signer agency")
    good(f"{ISSUE} -o next.order")
    good("device load-order drone next.order")
    for name in ("state.json", "state-copy.json"):
        Path("agency/root", name).unlink()
    answer = zegel("agency new-signer agency")
    assert answer.error == "agency/root/state.json and its copy are damaged or gone"
    assert '{"generation": N}' in answer.hint


def test_serials_rise_and_a_failed_issue_only_leaves_a_gap(here, good, zegel):
    good(f"{ISSUE} -o 2.order")
    assert zegel(f"{ISSUE} --class confidential --station visitor/station.pub:video -o 3.order").code == 1
    good(f"{ISSUE} -o 4.order")
    assert [parse_order(Path(f"{n}.order").read_bytes()).serial for n in (2, 4)] == [2, 4]
    assert parse_order(Path("2.order").read_bytes()).op_id != parse_order(Path("4.order").read_bytes()).op_id


def test_an_order_for_later(here, good, zegel):
    out = good(f"{ISSUE} --start 2027-01-16T06:30 -o later.order")
    assert "8 hours until 2027-01-16 14:30 UTC" in out
    assert "begins at 2027-01-16 06:30 UTC, ends at 2027-01-16 14:30 UTC" in good(
        "order verify later.order --root agency/root/root.crt"
    )
    good(f"{ISSUE} --start 2027-01-16T07:30+01:00 -o zone.order")
    assert (
        parse_order(Path("zone.order").read_bytes()).not_before == parse_order(Path("later.order").read_bytes()).not_before
    )
    answer = zegel(f"{ISSUE} --start tomorrow -o x.order")
    assert answer.code == 2
    assert "'tomorrow' is not a time such as" in answer.error


def test_command_brings_telemetry_and_every_role_has_a_name(here, good):
    good(f"{ISSUE} --station visitor/station.pub:command,witness,control -o all.order")
    roles = next(s for s in parse_order(Path("all.order").read_bytes()).stations if s.name == "visitor").roles
    assert roles == Role.TELEMETRY | Role.COMMAND | Role.WITNESS | Role.CONTROL


def test_load_order_and_verify_say_whom_they_believed(here, good):
    assert "signed for 'Harbour Police'" in good("device load-order drone op.order")
    out = good("order verify op.order --root agency/root/root.crt")
    assert out.startswith("op.order: good, signed for 'Harbour Police'")
    assert out.count("\n") == 1


def test_load_order_tells_of_a_lost_state(here, good):
    for name in ("state.json", "state-copy.json"):
        Path("drone", name).write_bytes(b"")
    assert "note: the state in drone was lost" in good("device load-order drone op.order")


def test_trust_and_destroy(here, good, zegel, monkeypatch):
    assert "now also trusts orders of 'Coast Guard'" in good("station trust pilot --root coast/root/root.crt")
    assert "already trusted orders of 'Coast Guard'" in good("station trust pilot --root coast/root/root.crt")
    for said in ("", "yes\n", "visitor\n"):
        monkeypatch.setattr("sys.stdin", io.StringIO(said))
        answer = zegel("station destroy pilot")
        assert (answer.code, answer.error) == (1, "nothing was destroyed")
        assert Path("pilot/seed").exists()
    monkeypatch.setattr("sys.stdin", io.StringIO("pilot\n"))
    good("station destroy pilot")
    good("station destroy visitor --yes")
    assert {seed.parent.name for seed in here.rglob("seed")} == {"archive", "court"}
    assert "has been destroyed" in zegel("station destroy pilot").error


# --- what is where ---


def test_agency_show_tells_the_keys_that_are_here_and_no_secret(here, good, zegel, monkeypatch):
    fingerprint = good("agency init third --name Third").split("fingerprint ")[1].split()[0]
    assert f"agency 'Third' in third\n  root key fingerprint {fingerprint}\n" in good("agency show third")
    said = good("agency show agency")
    assert "agency/signer: signer 1, certificate until 2029-01-14 08:00 UTC: 730 days from now\n" in said
    assert "orders: 1 so far; operations that the folder remembers: 1\n" in said
    good(f"{ISSUE} -o 2.order")
    assert "orders: 2 so far; operations that the folder remembers: 2\n" in good("agency show agency")
    assert content_id("2.order") not in good("agency show agency")
    shutil.move("agency/root", "safe")
    assert "agency/root: not here" in good("agency show agency")
    shutil.move("safe", "agency/root")
    shutil.move("agency/signer", "office")
    assert "agency/signer: not here" in good("agency show agency")
    shutil.move("office", "agency/signer")
    good("agency new-signer agency")
    assert "agency/signer: signer 2" in good("agency show agency")
    monkeypatch.setattr(time, "time", lambda: NOW + 3 * 365 * 24 * HOUR)
    assert "signer 2, certificate until 2029-01-14 08:00 UTC: EXPIRED" in good("agency show agency")
    assert zegel("agency show drone").hint == "name the agency's folder: the one that zegel agency init made"


def content_id(name: str) -> str:
    return parse_order(Path(name).read_bytes()).op_id.hex()


def test_device_show_tells_under_which_order_it_flies(here, good, monkeypatch):
    said = good("device show drone")
    assert said.startswith("device 'drone-7' in drone\n  key fingerprint ")
    assert "  enrolled with 'Harbour Police', root key fingerprint " in said
    assert "  starts so far: 0\n  order 1 for operation 'Night Watch' of 'Harbour Police', no system ids listed\n" in said
    assert said.endswith("from 2027-01-15 08:00 UTC to 2027-01-15 16:00 UTC: in force, ends in 8 hours\n")
    monkeypatch.setattr(time, "time", lambda: NOW + 9 * HOUR)
    assert good("device show drone").endswith("16:00 UTC: ENDED 1 hour ago\n")
    monkeypatch.setattr(time, "time", lambda: 1_000)  # an aircraft may have no clock
    assert good("device show drone").endswith("to 2027-01-15 16:00 UTC\n")


def test_device_show_tells_what_is_missing_and_changes_nothing(here, good):
    good("device init other --name drone-8")
    assert "not enrolled: zegel device enrol other device.crt --root root.crt" in good("device show other")
    good("agency certify-device agency other/device.csr -o drone-8.crt")
    good("device enrol other drone-8.crt --root agency/root/root.crt")
    assert "order: no order is loaded in other" in good("device show other")
    Path("drone/state.json").write_bytes(b"")
    before = files_of(here)
    assert "note: a state file in drone was damaged" in good("device show drone")
    with process(HOLDER, here / "drone") as holder:
        assert f"in drone, in use by process {holder.pid}\n" in good("device show drone")
    assert files_of(here) == before


def test_station_list_tells_each_key_once(here, good, zegel):
    shutil.copy("pilot/station.pub", "mailed.pub")
    said = good("station list .")
    assert [line for line in said.splitlines() if not line.startswith("  ")] == [
        "pilot, of 'Harbour Police', x-wing: mailed.pub",
        "visitor, of 'Coast Guard', x25519: visitor/station.pub",
    ]
    fingerprint = good("station init late --name late --root agency/root/root.crt").split("fingerprint ")[1].split()[0]
    assert f"late, of 'Harbour Police', x-wing: late/station.pub\n  key fingerprint {fingerprint}\n" in good(
        "station list ."
    )
    assert zegel("station list agency").error == "there is no station's public file in agency"
    assert zegel("station list no").error == "no does not exist"


def test_what_an_agency_is_sent_is_shown_as_the_file_has_it(here, good):
    assert good("device request drone") == Path("drone/device.csr").read_text()
    assert good("station public pilot") == Path("pilot/station.pub").read_text()


def test_an_order_for_an_aircraft_that_flies_is_handed_over(here, good):
    good(f"{ISSUE} -o next.order")
    done = threading.Event()
    with DeviceFolder.open(Path("drone")) as running:

        def fly() -> None:
            while not done.wait(0.01):
                inbox.serve(running.path, lambda data: running.load_order(data, NOW))

        flight = threading.Thread(target=fly)
        flight.start()
        try:
            said = good("device load-order drone next.order")
        finally:
            done.set()
            flight.join()
        assert "the running zegel air has accepted the order for operation 'Night Watch' of 'Harbour Police'" in said
        assert running.order().content.serial == 2


# --- mistakes ---


def test_the_three_answers_of_order_verify(here, zegel, monkeypatch):
    verify = "order verify {} --root {}/root/root.crt"
    wrong_root = zegel(verify.format("op.order", "coast"))
    data = Path("op.order").read_bytes()
    Path("changed.order").write_bytes(data.replace(b"Night Watch", b"Light Watch"))
    changed = zegel(verify.format("changed.order", "agency"))
    monkeypatch.setattr(time, "time", lambda: NOW + 9 * HOUR)
    expired = zegel(verify.format("op.order", "agency"))
    assert (wrong_root.code, changed.code, expired.code) == (5, 5, 3)
    assert "signed for 'Harbour Police', under a root that is not trusted here" in wrong_root.error
    assert "root.crt" in wrong_root.hint
    assert "not verify" in changed.error
    assert "changed after it was signed" in changed.hint
    assert expired.error == "the order ended at 2027-01-15 16:00 UTC, and it is 2027-01-15 17:00 UTC"
    assert "new order" in expired.hint


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("order show drone-7.crt", "drone-7.crt is a certificate, not an operation order"),
        ("order show drone/device.csr", "drone/device.csr is a certificate request, not an operation order"),
        ("order show pilot/station.pub", "pilot/station.pub is a station's public file, not an operation order"),
        ("order show pilot/seed", "pilot/seed is not an operation order"),
        ("order verify op.order --root op.order", "op.order is an operation order, not a certificate"),
        ("order verify op.order --root agency/root/root.key", "agency/root/root.key is a private key, not a certificate"),
        ("order verify op.order --root drone-7.crt", "the certificate of 'drone-7' is not an agency root"),
        ("device load-order drone drone-7.crt", "drone-7.crt is a certificate, not an operation order"),
        ("device load-order pilot op.order", "pilot is not a device's folder: it holds no device.key"),
        ("device load-order op.order op.order", "op.order is not a folder"),
        ("device enrol drone op.order --root agency/root/root.crt", "op.order is an operation order, not a certificate"),
        (
            "device enrol drone agency/root/root.crt --root agency/root/root.crt",
            "the certificate of 'Harbour Police' is not for the",
        ),
        ("device enrol drone drone-7.crt --root drone-7.crt", "the certificate of 'drone-7' is not an agency root"),
        (
            "device enrol drone drone-7.crt --root coast/root/root.crt",
            "the certificate was issued by 'Harbour Police', with a root",
        ),
        ("agency certify-device agency drone-7.crt -o x", "drone-7.crt is a certificate, not a certificate request"),
        (
            "agency certify-device agency drone/device.key -o x",
            "drone/device.key is a private key, not a certificate request",
        ),
        ("station init x --name x --root op.order", "op.order is an operation order, not a certificate"),
        ("station init x --name x --root drone-7.crt", "the certificate of 'drone-7' is not an agency root"),
        ("station trust drone --root coast/root/root.crt", "drone is not a station's folder: it holds no station.pub"),
        (f"{ISSUE} --station op.order:video -o x", "op.order is an operation order, not a station's public file"),
        (f"{ISSUE} --device pilot/station.pub -o x", "pilot/station.pub is a station's public file, not a certificate"),
        (f"{ISSUE} --device agency/root/root.crt -o x", "the certificate of 'Harbour Police' is for something else"),
    ],
)
def test_a_wrong_file_is_called_by_its_name(here, zegel, line, error):
    before = files_of(here)
    answer = zegel(line)
    assert answer.code in (1, 5)
    assert answer.error.startswith(error)
    assert answer.hint
    assert "never give a private key away" in answer.hint or "is a private key" not in answer.error
    assert files_of(here) == before


@pytest.mark.parametrize(
    ("line", "missing"),
    [
        ("order show no.order", "no.order"),
        ("order verify op.order --root no.crt", "no.crt"),
        ("device load-order no op.order", "no"),
        ("station trust no --root agency/root/root.crt", "no"),
        ("agency certify-device agency no.csr -o x", "no.csr"),
        (f"{ISSUE} --station no.pub:video -o x", "no.pub"),
        ("order issue no --operation x --device drone-7.crt --station pilot/station.pub:video --hours 1 -o x", "no/signer"),
        (f"{ISSUE} -o no/op.order", "the folder no"),
    ],
)
def test_what_is_not_there_is_named(here, zegel, line, missing):
    answer = zegel(line)
    assert answer.code == 1
    assert answer.error.startswith(f"{missing} does not exist")
    assert answer.hint


CERTIFY, EXTEND = "agency certify-device {} drone/device.csr -o x", "order extend op.order --agency {} --hours 1 -o x"
ISSUE_BY = ISSUE.replace("issue agency", "issue {}") + " -o x"


@pytest.mark.parametrize(
    ("line", "given", "error", "hint"),
    [
        (ISSUE_BY, "agency/signer", "agency/signer/signer does not exist", "name the agency's folder: agency"),
        (
            ISSUE_BY,
            "agency/signer/signer.key",
            "agency/signer/signer.key/signer does not",
            "name the agency's folder: agency",
        ),
        (ISSUE_BY, "agency/root", "agency/root/signer does not exist", "name the agency's folder: agency"),
        (CERTIFY, "agency/root", "agency/root/root does not exist", "name the agency's folder: agency"),
        (CERTIFY, "agency/root/root.key", "agency/root/root.key/root does not exist", "name the agency's folder: agency"),
        ("agency new-signer {}", "agency/signer", "agency/signer/root does not", "name the agency's folder: agency"),
        (EXTEND, "agency/signer", "agency/signer/signer does not", "name the agency's folder, by --agency DIR: agency"),
        (
            EXTEND,
            "no",
            "no/signer does not exist",
            "the agency's folder, by --agency DIR: the one that zegel agency init made",
        ),
        (ISSUE_BY, "pilot", "pilot/signer does not exist", "name the agency's folder: the one that zegel agency init made"),
    ],
)
def test_another_folder_than_the_agencys_is_answered_with_that_one(here, zegel, line, given, error, hint):
    answer = zegel(line.format(given))
    assert (answer.code, answer.error.startswith(error), answer.hint.endswith(hint)) == (1, True, True), answer


def test_an_agency_that_is_not_here_is_named_by_its_option(here, zegel):
    shutil.move("agency", "office")
    answer = zegel("order extend op.order --hours 1 -o x")
    assert answer.hint == "name the agency's folder, by --agency DIR: the one that zegel agency init made"


@pytest.mark.parametrize("folder", ["signer", "root"])
def test_a_person_in_a_subfolder_of_the_agency_is_told_so(here, zegel, monkeypatch, folder):
    monkeypatch.chdir(here / "agency" / folder)
    assert zegel("order extend ../../op.order --agency . --hours 1 -o x").hint.endswith(": ..")


@pytest.mark.parametrize(
    ("line", "error", "hint"),
    [
        ("device load-order drone/device.key op.order", "drone/device.key is not a folder", "that it is in: drone"),
        ("station trust pilot/station.pub --root coast/root/root.crt", "pilot/station.pub is not", "that it is in: pilot"),
        (
            "device load-order . op.order",
            ". is not a device's folder: it holds no device.key",
            "that zegel device init made",
        ),
        ("device enrol drone drone-7.crt --root agency", "agency is a folder, not a", "in it: agency/root/root.crt"),
        ("device enrol drone drone-7.crt --root agency/root", "agency/root is a folder", "in it: agency/root/root.crt"),
        ("agency certify-device agency drone -o x", "drone is a folder, not a", "in it: drone/device.csr"),
        (f"{ISSUE} --device drone -o x", "drone is a folder, not a certificate", "in it: drone/device.crt"),
        (f"{ISSUE} --station visitor:video -o x", "visitor is a folder, not a", "in it: visitor/station.pub"),
        ("order show drone", "drone is a folder, not an operation order", "zegel order issue makes it: op.order"),
    ],
)
def test_a_file_in_place_of_its_folder_and_a_folder_in_place_of_its_file(here, zegel, line, error, hint):
    Path().chmod(0o755)
    answer = zegel(line)
    assert (answer.code, answer.error.startswith(error), answer.hint.endswith(hint)) == (1, True, True), answer


@pytest.mark.parametrize(
    "line",
    [
        "agency init agency --name x",
        "device init drone --name x",
        "station init pilot --name x --root agency/root/root.crt",
        "agency certify-device agency drone/device.csr -o drone-7.crt",
        f"{ISSUE} -o op.order",
        "agency init op.order --name x",
    ],
)
def test_nothing_is_written_over_a_key_or_an_order(here, zegel, line):
    kept = {name: data for name, data in files_of(here).items() if "state" not in name}
    answer = zegel(line)
    assert answer.code == 1
    assert answer.error.endswith(" exists already")
    assert "choose another name" in answer.hint
    assert {name: data for name, data in files_of(here).items() if "state" not in name} == kept


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("drone", "device load-order drone op.order"),
        ("drone/device.key", "device load-order drone op.order"),
        ("pilot", "station trust pilot --root coast/root/root.crt"),
        ("pilot/seed", "station trust pilot --root coast/root/root.crt"),
        ("agency/root", "agency certify-device agency drone/device.csr -o x"),
        ("agency/root/root.key", "agency certify-device agency drone/device.csr -o x"),
        ("agency/signer", f"{ISSUE} -o x"),
        ("agency/signer/signer.key", f"{ISSUE} -o x"),
    ],
)
def test_modes_that_let_others_in(here, zegel, good, path, line):
    right = "700" if Path(path).is_dir() else "600"
    Path(path).chmod(0o755)
    answer = zegel(line)
    assert answer.code == 1
    assert answer.error == f"{path} is open to others (mode 0755)"
    assert answer.hint.startswith(f"chmod {right} {path};")
    Path(path).chmod(int(right, 8))
    good(line)


def test_a_device_in_use(here, zegel, monkeypatch):
    """By a program that takes no orders."""
    monkeypatch.setattr(inbox, "WAIT_S", 0.2)
    with process(HOLDER, here / "drone") as holder:
        for line in ("device load-order drone op.order", "device enrol drone drone-7.crt --root agency/root/root.crt"):
            answer = zegel(line)
            assert (answer.code, answer.error) == (8, f"drone is in use by process {holder.pid}")
            assert answer.hint


def test_orders_that_a_device_refuses(here, good, zegel, monkeypatch):
    good(f"{ISSUE} -o newer.order")
    good("device load-order drone newer.order")
    older = zegel("device load-order drone op.order")
    assert (older.code, older.error) == (7, "the order is number 1 by signer 1, and number 2 by signer 1 was loaded before")
    assert "newest order" in older.hint
    good("device init other --name drone-8")
    good("agency certify-device agency other/device.csr -o drone-8.crt")
    not_enrolled = zegel("device load-order other op.order")
    assert (not_enrolled.code, not_enrolled.hint) == (1, "zegel device enrol other device.crt --root root.crt")
    good("device enrol other drone-8.crt --root agency/root/root.crt")
    not_listed = zegel("device load-order other op.order")
    assert not_listed.error.startswith("the order is not for this device, 'drone-8'")
    assert "this device's certificate" in not_listed.hint
    good(f"{ISSUE} -o newest.order")
    monkeypatch.setattr(time, "time", lambda: NOW + 9 * HOUR)
    expired = zegel("device load-order drone newest.order")
    assert (expired.code, expired.error[:38]) == (3, "the order ended at 2027-01-15 16:00 UT")


@pytest.mark.parametrize("clock", [1_000, LATEST, LATEST * 2], ids=["1970", "2100", "far"])
def test_clocks_that_cannot_be_right(here, good, zegel, monkeypatch, clock):
    monkeypatch.setattr(time, "time", lambda: clock)
    for line in (
        "agency init x --name x",
        "agency certify-device agency drone/device.csr -o x",
        f"{ISSUE} -o x",
        "order verify op.order --root agency/root/root.crt",
    ):
        answer = zegel(line)
        assert answer.code == 6
        assert answer.error.startswith("this computer's clock says ")
        assert answer.hint == "set the clock of this computer, then try again"
    good("device load-order drone op.order")  # an aircraft may have no clock
    good("order show op.order")
    good("station init x --name x --root agency/root/root.crt")


@pytest.mark.parametrize(
    ("line", "whose"),
    [
        (f"{ISSUE} -o x", "its signer"),
        ("agency certify-device agency drone/device.csr -o x", "its root"),
        ("agency new-signer agency", "its root"),
    ],
)
def test_a_clock_in_the_past_is_called_wrong_and_not_the_certificate(here, zegel, monkeypatch, line, whose):
    """A signer's key that was made by such a clock took the place of the good one, and signed nothing."""
    before = files_of(here)
    monkeypatch.setattr(time, "time", lambda: NOW - 365 * 24 * HOUR)
    answer = zegel(line)
    assert answer.code == 6
    assert answer.error == (
        f"this computer's clock says 2026-01-15 08:00 UTC, and the agency made {whose} at 2027-01-15 08:00 UTC"
    )
    assert answer.hint.startswith("set the clock of this computer")
    assert files_of(here) == before


def test_a_certificate_of_a_later_day_is_blamed_on_a_clock(here, zegel, good, monkeypatch):
    """It was made where the clock was ahead, and the order is issued where it is right."""
    monkeypatch.setattr(time, "time", lambda: NOW + 48 * HOUR)
    good("agency certify-device agency drone/device.csr -o late.crt")
    monkeypatch.setattr(time, "time", lambda: NOW)
    answer = zegel(ISSUE.replace("drone-7.crt", "late.crt") + " -o x")
    assert answer.error.endswith("to 2037-01-14 08:00 UTC, not at 2027-01-15 08:00 UTC")
    assert answer.hint == "the clock is wrong here, or it was where the certificate was issued"


def test_an_order_that_outlives_its_signer(here, zegel, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: NOW + 2 * 365 * 24 * HOUR - HOUR)
    answer = zegel(f"{ISSUE} -o x")
    assert answer.code == 5
    assert answer.error == "the signer's certificate ends at 2029-01-14 08:00 UTC, before the order does"
    assert "CUSTODY.md" in answer.hint


def test_a_foreign_aircraft_is_certified_first(here, zegel, good):
    good("device init other --name other")
    good("agency certify-device coast other/device.csr -o other.crt")
    answer = zegel(f"{ISSUE} --device other.crt -o x")
    assert (answer.code, answer.error) == (5, "the certificate of 'other' was not issued by 'Harbour Police'")
    assert "certify-device" in answer.hint


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("--station pilot/station.pub", "is not FILE:ROLES such as pilot.pub:telemetry,video"),
        ("--station pilot/station.pub:", "roles are telemetry, video, command, witness, control"),
        ("--station pilot/station.pub:telemetry,fly", "roles are telemetry, video, command, witness, control"),
        ("--station :video", "is not FILE:ROLES"),
        ("--hours 0", "'0' is not a number of hours up to 8784"),
        ("--hours eight", "'eight' is not a number of hours"),
        ("--hours nan", "'nan' is not a number of hours"),
        ("--hours 8785", "'8785' is not a number of hours"),
        ("--classification secret", "invalid choice: 'secret'"),
    ],
)
def test_arguments_that_cannot_be(here, zegel, more, said):
    answer = zegel(f"{ISSUE} {more} -o x")
    assert answer.code == 2
    assert said in answer.error
    assert not Path("x").exists()


@pytest.mark.parametrize("name", ["''", "' pilot'", f"'{'x' * 65}'", "'a\x1b[31mb'", "'\u202elotip'"])
def test_names_that_cannot_be_shown(here, zegel, name):
    for line in (
        f"agency init x --name {name}",
        f"device init x --name {name}",
        f"station init x --name {name} --root agency/root/root.crt",
    ):
        answer = zegel(line)
        assert answer.code == 1
        assert "is not a name" in answer.error
        assert "1 to 64" in answer.hint
        assert not Path("x").exists()


def test_one_station_twice(here, zegel):
    answer = zegel(f"{ISSUE} --station pilot/station.pub:video -o x")
    assert answer.code == 1
    assert "two stations of the order have the same" in answer.error
    assert not Path("x").exists()


def test_the_signers_state_is_lost(here, zegel, good):
    for name in ("state.json", "state-copy.json"):
        Path("agency/signer", name).unlink()
    answer = zegel(f"{ISSUE} -o x")
    assert answer.error == "agency/signer/state.json and its copy are damaged or gone"
    assert '{"serial": N}' in answer.hint
    Path("agency/signer/state.json").write_text('{"serial": 41}')
    Path("agency/signer/state.json").chmod(0o600)
    good(f"{ISSUE} -o x")
    assert parse_order(Path("x").read_bytes()).serial == 42


def test_a_full_disk(here, zegel):
    before = files_of(here)
    for line in ("agency init x --name x", "device init x --name x", f"{ISSUE} -o x", "device load-order drone op.order"):
        with full_disk():
            answer = zegel(line)
        assert answer.code == 1
        assert "cannot be written: file too large" in answer.error
        assert "not full" in answer.hint
    assert files_of(here) == before


def test_a_signer_key_of_another_agency(here, zegel):
    shutil.copy("coast/signer/signer.key", "agency/signer/signer.key")
    answer = zegel(f"{ISSUE} -o x")
    assert answer.code == 5
    assert "does not belong to" in answer.error
    shutil.copy("drone/device.key", "agency/signer/signer.key")
    assert zegel(f"{ISSUE} -o x").error == "agency/signer/signer.key is not an agency's key"


# --- help ---

COMMANDS = {"agency": agency, "device": device, "station": station, "order": order}


def sub_commands() -> list[tuple[str, str, argparse.ArgumentParser]]:
    found = []
    for name, fill in COMMANDS.items():
        parser = argparse.ArgumentParser(prog=f"zegel {name}")
        fill(parser)
        group = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
        found += [(name, word, sub) for word, sub in group.choices.items()]
    return found


def test_the_commands_are_those_of_the_manual():
    assert sorted(f"{noun} {verb}" for noun, verb, _ in sub_commands()) == [
        "agency certify-device",
        "agency init",
        "agency new-signer",
        "agency show",
        "device enrol",
        "device init",
        "device load-order",
        "device request",
        "device show",
        "order add",
        "order change",
        "order draft",
        "order end",
        "order extend",
        "order issue",
        "order revoke",
        "order show",
        "order systems",
        "order verify",
        "station destroy",
        "station init",
        "station list",
        "station public",
        "station trust",
    ]


@pytest.mark.parametrize(("noun", "verb", "parser"), sub_commands(), ids=lambda part: part if isinstance(part, str) else "")
def test_every_help_shows_an_example_that_parses(zegel, noun, verb, parser):
    answer = zegel(f"{noun} {verb} --help")
    assert answer.code == 0
    example = answer.out.split("example:\n")[1].replace("\\\n", "")
    words = shlex.split(example.partition(" > ")[0])
    assert words[:3] == ["zegel", noun, verb]
    assert callable(parser.parse_args(words[3:]).run)
    assert answer.out.split("example:\n")[1].strip() in zegel(f"{noun} --help").out


def test_each_error_of_the_order_itself_reaches_the_person(here, zegel):
    """A COSE message of another kind, and bytes that only begin like an order."""
    Path("x").write_bytes(cose.dumps(0) * 3)
    assert zegel("order show x").error == "x is not an operation order"
    Path("x").write_bytes(b"\xd8\x62\x84")
    answer = zegel("order show x")
    assert (answer.code, answer.hint) == (1, "the file may have been damaged on its way: fetch it again")
