"""Issuing an order: by options and by a file to the same order, what no order can be, and every typo by its word."""

from __future__ import annotations

import dataclasses
import hashlib
import shlex
from pathlib import Path

import msgspec
import pytest

from keys import order_limits
from keys.certificate import fingerprint
from keys.commands import order_form
from keys.errors import WrongToml
from keys.folders import store
from keys.grant import Profile
from keys.lanes import STATIONS_MAX, Role
from keys.order import DEVICES_MAX, LINK_MAX, RECORDING_MAX, parse_order
from keys.policy import PolicyFlag
from keys.times import LATEST
from tests.unit.keys.commands.test_custody import HOUR, ISSUE, NOW, good, here, made, zegel

__all__ = ["good", "here", "made", "zegel"]

FORM = """
operation = "Night Watch"
hours = 8
start = 2027-01-15T09:00:00+00:00
classification = "regular"
pad_video = true
record_on_request = true

[[device]]
file = "drone-7.crt"
systems = [51, 1]

[[station]]
file = "pilot/station.pub"
roles = ["telemetry", "video", "command"]
policy = "camera-operator"

[[station]]
file = "visitor/station.pub"
roles = ["video"]

[[recording]]
file = "archive/rec.pub"

[[recording]]
file = "court/rec.pub"
"""
RECORDED = "--recording archive/rec.pub --recording court/rec.pub --record-on-request"
BY_FILE = "order issue agency --file order.toml -o new.order"


def content(name: str):
    return parse_order(Path(name).read_bytes())


def without_numbers(name: str):
    return dataclasses.replace(content(name), serial=0, op_id=bytes(16))


def test_a_file_and_options_ask_for_the_same_order(here, good):
    Path("order.toml").write_text(FORM)
    said = good(BY_FILE)
    options = (
        "order issue agency --operation 'Night Watch' --device drone-7.crt:1,51 --hours 8 --start 2027-01-15T09:00"
        " --station pilot/station.pub:telemetry,video,command:camera-operator --station visitor/station.pub:video"
        f" --pad-video {RECORDED} -o typed.order"
    )
    assert good(options).replace("typed.order", "new.order").replace("order 3", "order 2") == said
    assert without_numbers("new.order") == without_numbers("typed.order")
    assert content("new.order").devices[0].systems == (1, 51)
    assert "it begins at 2027-01-15 09:00 UTC" in said


def test_recording_keys_are_listed_and_said(here, good):
    said = good(f"{ISSUE} {RECORDED} -o new.order")
    order, court = content("new.order"), Path("court/rec.pub").read_text()
    assert [(key.id, key.name, key.profile) for key in order.recording] == [
        (1, "archive", Profile.X_WING),
        (2, "court", Profile.P_384),
    ]
    assert order.policy.flags == PolicyFlag.VIDEO_ON_REQUEST
    assert f"recording key 'court'; key fingerprint {fingerprint(order.recording[1].pub)}" in said
    assert f"fingerprint: {fingerprint(order.recording[1].pub)}\n" in court
    assert "video is recorded only while a station asks for it" in said
    assert "today's recordings on board, for all readers, by the keys of court (p-384); zegel recording keygen" in said
    shown = good("order show new.order")
    assert "RECORDINGS on board are sealed to: 2" in shown
    assert "      video is recorded only while a station asks for it" in shown


def test_without_a_recording_key_it_is_said_that_nothing_is_recorded(here, good, zegel):
    assert "  nothing is recorded aboard: no recording key is listed" in good(f"{ISSUE} -o new.order")
    assert "RECORDINGS: nothing is recorded on board, the order holds no recording key" in good("order show new.order")
    assert "video is recorded" not in good(f"{ISSUE} --recording archive/rec.pub -o another.order")
    Path("order.toml").write_text(FORM.partition("[[recording]]")[0])
    for line in (f"{ISSUE} --record-on-request -o x", "order issue agency --file order.toml -o x"):
        answer = zegel(line)
        assert (answer.code, answer.error) == (
            1,
            "video would be recorded on request, and the order lists no recording key",
        )
        assert answer.hint.startswith("list one, which zegel recording keygen makes")


def test_amendments_keep_the_recording_keys_and_that_video_is_recorded_on_request(here, good):
    good(f"{ISSUE} --recording archive/rec.pub --record-on-request -o first.order")
    good("order extend first.order --hours 1 -o second.order")
    assert content("second.order").recording == content("first.order").recording
    assert content("second.order").policy == content("first.order").policy


def test_recording_keys_are_added_and_revoked(here, good, zegel):
    """A key that someone else may have opens nothing that is recorded from then on."""
    good(f"{ISSUE} --recording archive/rec.pub -o first.order")
    said = good("order add first.order --recording court/rec.pub -o second.order")
    assert [(key.id, key.name) for key in content("second.order").recording] == [(1, "archive"), (2, "court")]
    assert "recording key 'court'; key fingerprint" in said
    assert content("second.order").stations == content("first.order").stations
    said = good("order revoke second.order --recording archive -o third.order")
    assert [(key.id, key.name) for key in content("third.order").recording] == [(2, "court")]
    assert "archive: opens no recording that begins after the aircraft has this order" in said
    answer = zegel("order revoke third.order --recording archiv -o fourth.order")
    assert answer.error == "the order lists no recording key 'archiv'"
    said = good("order revoke third.order --recording court -o fourth.order")
    assert "nothing is recorded aboard" in said
    assert zegel("order revoke fourth.order --recording court -o fifth.order").hint == "it lists none"
    assert "--recording rec.pub" in zegel("order add fourth.order -o fifth.order").error


def test_a_confidential_order_refuses_a_classical_recording_key(here, good, zegel):
    issue = f"{ISSUE} --classification confidential --recording"
    answer = zegel(f"{issue} court/rec.pub -o new.order")
    assert "court (p-384)" in answer.error
    assert "zegel recording keygen" in answer.hint
    good(f"{issue} archive/rec.pub -o new.order")


def test_a_seventeenth_recording_key(here, zegel, good):
    names = [f"r{number}" for number in range(RECORDING_MAX + 1)]
    for name in names:
        good(f"recording keygen {name} --name {name} --profile p-384")
    files = [f"--recording {name}/rec.pub" for name in names]
    good(f"{ISSUE} {' '.join(files[:-1])} -o full.order")
    for line in (f"{ISSUE} {' '.join(files)} -o x", "order add full.order --recording r16/rec.pub -o x"):
        answer = zegel(line)
        assert (answer.code, answer.error) == (1, "the order would list 17 recording keys")
        assert answer.hint == "an order lists at most 16 recording keys"


GUARD = '[guard.technician]\nbase = "pilot"\nblock_param = ["FS_*"]\n'


def test_an_order_has_the_hash_of_the_file_of_its_guard_policies(here, good, zegel):
    Path("guard.toml").write_text(GUARD)
    Path("order.toml").write_text(
        FORM.replace("hours", 'guard = "guard.toml"\nhours').replace("camera-operator", "technician")
    )
    said = good(BY_FILE)
    typed = (
        "order issue agency --operation 'Night Watch' --device drone-7.crt:1,51 --hours 8 --start 2027-01-15T09:00"
        " --station pilot/station.pub:command,video:technician --station visitor/station.pub:video --pad-video"
    )
    good(f"{typed} {RECORDED} --guard guard.toml -o typed.order")
    assert without_numbers("new.order") == without_numbers("typed.order")
    assert content("new.order").guards == hashlib.sha256(GUARD.encode()).digest()
    assert content("new.order").stations[0].guard == "technician"
    assert "with the guard policies of guard.toml: aircraft and stations need the same file" in said
    assert "guard policies  of a file whose SHA-256 begins with" in good("order show new.order")
    answer = zegel(f"{typed} -o other.order")
    assert answer.code == 2
    assert "argument --station: 'technician' is not a guard policy; they are observer, camera-operator" in answer.error


def test_an_amendment_keeps_the_hash_and_takes_policies_from_the_same_file(here, good, zegel):
    Path("guard.toml").write_text(GUARD)
    good(f"{ISSUE} --station visitor/station.pub:video --guard guard.toml -o first.order")
    good("order change first.order --station visitor:command:technician --guard guard.toml -o second.order")
    assert content("second.order").guards == content("first.order").guards
    assert content("second.order").stations[1].guard == "technician"
    good("order extend second.order --hours 1 -o third.order")
    assert content("third.order").guards == content("first.order").guards
    Path("guard.toml").write_text(GUARD + "rate = 5\n")
    answer = zegel("order change third.order --station visitor:command:technician --guard guard.toml -o fourth.order")
    assert "guard.toml is not the file whose guard policies the order names" in answer.error
    good(f"{ISSUE} -o plain.order")
    answer = zegel("order change plain.order --station pilot:command:technician --guard guard.toml -o fourth.order")
    assert "was issued without a file of guard policies" in answer.error
    assert not Path("fourth.order").exists()


def test_what_a_file_names_is_found_in_the_same_folder(here, good):
    """And a time without a zone is UTC, as on the command line."""
    Path("form").mkdir()
    text = FORM.replace('file = "', 'file = "../').replace("09:00:00+00:00", "09:00:00")
    Path("form/order.toml").write_text(text)
    good("order issue agency --file form/order.toml -o new.order")
    assert content("new.order").not_before == NOW + HOUR


@pytest.mark.parametrize(
    ("right", "wrong", "error", "hint"),
    [
        (
            "operation =",
            "operatoin =",
            "order.toml has the key operatoin, which does not exist",
            "did you mean operation? ",
        ),
        ("pad_video", "pad-vidoe", "order.toml has the key pad_vidoe, which does not exist", "did you mean pad_video? "),
        ("[[station]]", "[[statoin]]", "order.toml has the key statoin, which does not exist", "did you mean station? "),
        ("systems", "system", "order.toml, device 1 has the key system, which does not", "did you mean systems? "),
        ('roles = ["video"]', 'rolls = ["video"]', "order.toml, station 2 has the key rolls", "did you mean roles? "),
        ('["video"]', '["vidoe"]', "order.toml, station 2: 'vidoe' is not a role; did you mean video? roles are", ""),
        ('["video"]', "[]", "order.toml, station 2: 'visitor/station.pub' has no role; roles are telemetry", ""),
        ('["video"]', '"video"', "order.toml, station 2: Expected `array`, got `str`", "zegel order draft writes a file"),
        ('"camera-operator"', '"camera"', "order.toml, station 1: 'camera' is not a guard policy", ""),
        (', "command"]', "]", "order.toml, station 1: 'pilot/station.pub' has the guard policy 'camera-operator', but", ""),
        ("[51, 1]", "[51, 0]", "order.toml, device 1: '51,0' are not different system ids from 1 to 255", ""),
        ('file = "court', 'fiel = "court', "order.toml, recording key 2 has the key fiel", "did you mean file? "),
        (
            "court/rec.pub",
            "pilot/station.pub",
            "pilot/station.pub is a station's public file, not a recording key's",
            "zegel",
        ),
        ("[51, 1]", '["51"]', "order.toml, device 1: Expected `int`, got `str`", "zegel order draft"),
        ("hours = 8", "hours = 0", "order.toml: '0.0' is not a number of hours up to 8784", "zegel order issue --help"),
        ("hours = 8", "hours = true", "order.toml: Expected `float`, got `bool`", "zegel order draft"),
        ("hours = 8", "", "order.toml: Object missing required field `hours`", "the keys are operation, hours, start"),
        ("2027-01-15T09:00:00+00:00", '"tomorrow"', "order.toml: Invalid RFC3339 encoded datetime", "zegel order draft"),
        ('"regular"', '"secret"', "order.toml: the classification is 'secret'", "it is regular or confidential"),
        ('"Night Watch"', '""', "the operation has no name", "a name has 1 to 64 bytes"),
        ("drone-7.crt", "drone-8.crt", "drone-8.crt does not exist", "check the path"),
        ("hours = 8", "hours: 8", "order.toml is not TOML", "a line reads: key"),
        ("hours = 8", "hours = 8\nhours = 9", "order.toml is not TOML", "a line reads: key"),
        ("pad_video", "pad-video = false\npad_video", "order.toml has the key pad_video twice", "write it once"),
        ("hours = 8", "hours = " + "9" * 5000, "order.toml is not TOML", "a line reads: key"),
        ("hours = 8", f"x = {'[' * 5000}{']' * 5000}", "order.toml is not TOML", "a line reads: key"),
        ("hours = 8", "hours = 8" + " " * store.SIZE_MAX, "order.toml is larger than 1048576 bytes", "no file"),
        ("drone-7.crt", "drone\\u0000.crt", "order.toml has a text with the character U+0000", "remove it"),
        ("hours = 8", "hours = 0x" + "f" * 5000, "order.toml has a number of more than 64 bits", "remove it"),
        (
            "2027-01-15T09:00:00+00",
            "9999-12-31T23:59:59-12",
            "order.toml: 9999-12-31 23:59:59-12:00 is not between",
            "zegel",
        ),
        ("2027-01-15T09:00:00+00", "0001-01-01T00:00:00+14", "order.toml: 0001-01-01 00:00:00+14:00 is not between", ""),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_place_and_the_nearest_word(here, zegel, right, wrong, error, hint):
    assert FORM.count(right) >= 1
    before = Path("agency/signer/state.json").read_bytes()
    Path("order.toml").write_text(FORM.replace(right, wrong))
    answer = zegel(BY_FILE)
    assert answer.code in (1, 2)
    assert answer.error.startswith(error)
    assert answer.hint.startswith(hint)
    assert answer.hint
    assert not Path("new.order").exists()
    assert Path("agency/signer/state.json").read_bytes() == before


def test_a_file_that_is_cut_anywhere_is_refused_in_words_or_asks_for_less(here):
    """And one with a bit that is wrong."""
    whole = FORM.encode()
    damaged = [whole[:end] for end in range(len(whole))]
    damaged += [whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :] for at in range(len(whole))]
    hints = []
    for data in damaged:
        Path("order.toml").write_bytes(data)
        try:
            order_form.read(Path("order.toml"))
        except WrongToml as error:
            hints.append(error.hint)
    assert all(hints)
    assert len(hints) > len(damaged) / 2


def test_a_file_that_is_not_there_and_one_that_is_no_text(here, zegel):
    assert (zegel(BY_FILE).code, zegel(BY_FILE).error) == (2, "order.toml: No such file or directory")
    Path("order.toml").write_bytes(b"\xff\xfe")
    assert zegel(BY_FILE).error.startswith("order.toml is not TOML")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (f"{BY_FILE} --hours 8 --pad-video", "--file holds the whole order: write --hours, --pad-video there"),
        ("order issue agency --hours 8 -o x", "give --operation, --device, --station, or --file order.toml"),
        (f"{ISSUE} --operatoin x -o x", "there is no --operatoin x here; did you mean --operation?"),
        ("order verify op.order --roots x --root x", "there is no --roots"),
        (f"{ISSUE} --start 9999-12-31T23:59 -o x", "9999-12-31 23:59:00+00:00 is not between 1970 and 2100"),
        (f"{ISSUE} --station pilot/station.pub:telemtry,video -o x", "did you mean telemetry? roles are telemetry, video,"),
        (f"{ISSUE} --station pilot/station.pub:command:pilto -o x", "did you mean pilot? they are observer,"),
    ],
)
def test_options_that_are_missing_too_many_or_misspelled(here, zegel, line, says):
    answer = zegel(line)
    assert answer.code == 2
    assert says in answer.error


# --- draft ---


def test_a_draft_lists_what_is_here_and_is_issued_once_it_is_filled_in(here, good, zegel):
    """No root, no signer, no key twice: drone/device.crt is drone-7.crt."""
    said = good("order draft . -o order.toml")
    assert "with 1 aircraft, 2 stations and 2 recording keys of ." in said
    text = Path("order.toml").read_text()
    drafted = msgspec.toml.decode(text)
    assert [device["file"] for device in drafted["device"]] == ["drone-7.crt"]
    assert [station["file"] for station in drafted["station"]] == ["pilot/station.pub", "visitor/station.pub"]
    assert [key["file"] for key in drafted["recording"]] == ["archive/rec.pub", "court/rec.pub"]
    assert zegel(BY_FILE).error == "the operation has no name"
    Path("order.toml").write_text(text.replace('operation = ""', 'operation = "Day Watch"'))
    good(BY_FILE)
    order = content("new.order")
    assert (order.operation, order.not_after - order.not_before) == ("Day Watch", 8 * HOUR)
    assert {station.roles for station in order.stations} == {Role.TELEMETRY | Role.VIDEO}
    assert zegel("order draft . -o order.toml").error == "order.toml exists already"


def test_each_line_of_a_draft_that_is_a_comment_can_be_used(here, good):
    good("order draft . -o order.toml")
    text = Path("order.toml").read_text().replace('operation = ""', 'operation = "x"')
    for line in ("start", "pad_video", "record_on_request", "policy"):
        assert f"# {line} = " in text
        text = text.replace(f"# {line} = ", f"{line} = ").replace('["telemetry", "video"]', '["telemetry", "command"]')
    Path("order.toml").write_text(text.replace("2031-05-09", "2027-05-09"))
    good(BY_FILE)
    assert {station.guard for station in content("new.order").stations} == {"pilot"}
    assert '\n# classification = "confidential"' in text


def test_a_draft_for_another_folder_names_files_from_there(here, good):
    Path("form").mkdir()
    good("order draft . -o form/order.toml")
    text = Path("form/order.toml").read_text().replace('operation = ""', 'operation = "x"')
    Path("form/order.toml").write_text(text)
    good("order issue agency --file form/order.toml -o new.order")


def test_a_draft_in_a_folder_that_a_symbolic_link_names_says_where_the_files_are(here, good):
    """From such a folder, two dots lead to where the link points: there may be another station's file of this name."""
    Path("forms/deep").mkdir(parents=True)
    Path("link").symlink_to("forms/deep")
    good("order draft . -o link/order.toml")
    text = Path("link/order.toml").read_text().replace('operation = ""', 'operation = "x"')
    Path("link/order.toml").write_text(text)
    good("order issue agency --file link/order.toml -o new.order")


def test_a_draft_without_a_folder_has_examples(here, good):
    good("order draft -o order.toml")
    drafted = msgspec.toml.decode(Path("order.toml").read_text())
    assert [drafted[part][0]["file"] for part in ("device", "station")] == ["drone-7.crt", "pilot/station.pub"]


def test_names_in_a_draft_stay_strings_and_comments(here, good):
    """A name that others chose; it ends no string and no line."""
    name = 'x"\\n[[device]]#'
    good(f"station init {shlex.quote(name)} --name 'a # b = \"c\"' --root agency/root/root.crt")
    good(f"recording keygen {shlex.quote(name + 'r')} --name 'a # b = \"c\"'")
    good("order draft . -o order.toml")
    drafted = msgspec.toml.decode(Path("order.toml").read_text())
    assert f"{name}/station.pub" in [station["file"] for station in drafted["station"]]
    assert f"{name}r/rec.pub" in [key["file"] for key in drafted["recording"]]
    assert len(drafted["device"]) == 1


def test_a_damaged_file_is_left_out_and_named(here, good):
    text = Path("visitor/station.pub").read_text()
    Path("visitor/station.pub").write_text(text.replace("fingerprint: ", "fingerprint: 0"))
    assert "note: visitor/station.pub is left out: the key in visitor/station.pub does not have" in good(
        "order draft . -o order.toml"
    )
    assert "note: visitor/station.pub is left out" in good("station list .")


# --- limits ---


@pytest.mark.parametrize(
    ("changes", "error", "hint"),
    [
        ("--operation ''", "the operation has no name", "a name has 1 to 64 bytes"),
        (f"--operation {'x' * 65}", f"'{'x' * 65}' cannot be the name of an operation", "a name has 1 to 64 bytes"),
        ("--operation ' x'", "' x' cannot be the name of an operation", "no blank at either end"),
        ("--start 1970-01-01", "the order would have ended at 1970-01-01 08:00 UTC already", "begin it later"),
        ("--start 2099-12-31T23:00", "the order would last from 2099-12-31 23:00 UTC to 2100-01-01", "2100-01-01"),
        ("--start 2027-01-14", "the order would have ended at 2027-01-14 08:00 UTC already", "begin it later"),
        ("--start 2027-01-15T07:00", "the order begins at 2027-01-15 07:00 UTC, and the signer's certificate at", "later"),
        ("--device drone-7.crt:2", "two devices of the order have the same name, 'drone-7'", "nothing was written"),
        (
            "--recording archive/rec.pub " * 2,
            "two recording keys of the order have the same name, 'archive'",
            "nothing was",
        ),
    ],
)
def test_what_no_order_can_be_is_said_in_words(here, zegel, changes, error, hint):
    before = Path("agency/signer/state.json").read_bytes()
    answer = zegel(f"{ISSUE} {changes} -o new.order")
    assert answer.code in (1, 3, 5)
    assert answer.error.startswith(error)
    assert hint in answer.hint
    assert "damaged" not in answer.hint
    assert not Path("new.order").exists()
    if "same name" not in error:  # a number is spent on that
        assert Path("agency/signer/state.json").read_bytes() == before


def test_a_sixteenth_station_and_none(here, zegel, good):
    names = [f"s{number}" for number in range(STATIONS_MAX + 1)]
    for name in names:
        good(f"station init {name} --name {name} --root agency/root/root.crt --profile x25519")
    stations = [f"--station {name}/station.pub:video" for name in names]
    form = ISSUE.partition(" --station")[0]
    good(f"{form} {' '.join(stations[:-1])} -o full.order")
    for line in (
        f"{form} {' '.join(stations)} -o new.order",
        "order add full.order --station s15/station.pub:video -o new.order",
    ):
        answer = zegel(line)
        assert (answer.code, "16 stations" in answer.error or "15 stations" in answer.error) == (1, True)
        assert "damaged" not in answer.hint
    empty = FORM.partition("record_on_request")[0] + "device = []\nstation = []\n"
    Path("order.toml").write_text(empty)
    assert zegel(BY_FILE).error == "the order would list no aircraft"


def test_an_order_that_is_too_large_for_the_link_is_told_so_from_the_station_on_that_help_says(here, zegel, good):
    """Thirteen x-wing stations fit. That a hybrid agency's seventh does not is test_hybrid.py's."""
    for number in range(14):
        good(f"station init s{number} --name s{number} --root agency/root/root.crt")
    assert "from 14 stations on" in " ".join(zegel("order issue --help").out.split())
    form = ISSUE.partition(" --station")[0]
    for count in (13, 14):
        stations = " ".join(f"--station s{number}/station.pub:telemetry,video,command" for number in range(count))
        said = good(f"{form} {stations} -o {count}.order")
        size = Path(f"{count}.order").stat().st_size
        assert ("too large for the link" in said) is (count == 14) is (size > LINK_MAX)
        assert (f"({size:,} bytes, at most {LINK_MAX:,})" in good(f"order show {count}.order")) is (count == 14)
    twelve = " ".join(f"--station s{number}/station.pub:telemetry,video,command" for number in range(12))
    assert "too large" not in good(f"{form} {twelve} --recording archive/rec.pub -o counts.order")
    assert "too large" in good(f"{form} {twelve} --station s12/station.pub:video --recording archive/rec.pub -o more.order")


def test_help_says_the_limits(zegel):
    shown = zegel("order issue --help").out
    assert order_limits.SAID in shown
    assert f"1 to {DEVICES_MAX} aircraft" in shown
    assert f"1 to {STATIONS_MAX} stations" in shown
    assert LATEST > NOW
