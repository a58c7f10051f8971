"""`zegel recording list` and `disclose`: what they say, and what they refuse."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from gateway import cli
from keys import certificate
from keys.folders import store
from keys.folders.recording import RecordingFolder
from keys.grant import Profile
from tests import cards
from tests.agency import Agency, harbour
from tests.cards import FLIGHT, VIDEO_A, VIDEO_B, S


@pytest.fixture
def zegel(capsys):
    """(exit code, output, errors) of a command; an answer to a wrong option is an exit."""

    def run(*words: object) -> tuple[int, str, str]:
        code = cli.main(["recording", *map(str, words)])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def key(tmp_path: Path) -> cards.Key:
    """In tmp_path/archive, and another in tmp_path/other."""
    RecordingFolder.init(tmp_path / "other", "other", Profile.X_WING)
    RecordingFolder.init(tmp_path / "archive", "archive", Profile.X_WING)
    return cards.Key(Profile.X_WING, RecordingFolder.open(tmp_path / "archive").seed)


def test_list_says_what_happened(tmp_path, zegel):
    written, _ = cards.flight(tmp_path / "card", cards.order_with(cards.KEY))
    written.armed(1 * S, True)
    written.gap([VIDEO_A, VIDEO_B], 5 * S, 7 * S, 6, 120, station=1)
    written.gap([FLIGHT], 15 * S, 0, 1)
    written.armed(19 * S, False)
    written.close()
    code, out, _ = zegel("list", tmp_path / "card", "--check")
    assert (code, out.splitlines()) == (
        0,
        [
            f"{tmp_path / 'card'}: 1 session",
            f"session {written.id.hex()}",
            "  began 2027-01-15 08:00:00 UTC, by the aircraft's clock; 20 seconds; ended as it was asked to",
            "  aircraft 'drone-1', start 1, operation 'Night Watch' of 'Harbour Police', order 7, zegel 0.1.0",
            "  not proved: whether the agency signed the order was not checked: --root root.crt",
            "  flight    08:00:00 to 08:00:20, 204.8 KiB in 10 segments",
            "  video-a   08:00:00 to 08:00:20, 1021.2 KiB in 10 segments",
            "  armed 08:00:01",
            "  NOT RECORDED: video-a, video-b 08:00:05 to 08:00:07: paused by station 'pilot', 120 datagrams",
            "  NOT RECORDED: flight 08:00:15 to the end: the card was full",
            "  disarmed 08:00:19",
            "  every file is as the log has it",
        ],
    )


def test_list_of_a_battery_that_was_pulled_and_no_clock(tmp_path, zegel):
    written, _ = cards.flight(tmp_path, unix_time=0)
    recording = written.recording(VIDEO_A, 20 * S)
    written.tail(recording, cards.entries(VIDEO_A, 20 * S, 21 * S, 20_000), 5000)
    out = zegel("list", tmp_path)[1]
    assert "  began +0:00 since the start; 20 seconds; not ended: the power went, or it is still recorded\n" in out
    assert "  video-a   +0:00 to +0:20, 1.0 MiB in 11 segments\n" in out
    assert "the files were not compared with the log: --check" in out


def test_list_proves_what_the_root_proves(tmp_path, zegel):
    cards.flight(tmp_path / "card", seconds=2)
    for name, agency in (("root.crt", harbour()), ("other.crt", Agency())):
        (tmp_path / name).write_bytes(certificate.pem(agency.root))
    assert "not proved" not in (out := zegel("list", tmp_path / "card", "--root", tmp_path / "root.crt")[1])
    assert "  the order is signed for 'Harbour Police' by its order signer of generation 1" in out
    assert (
        "not proved: the order is not of this agency"
        in zegel("list", tmp_path / "card", "--root", tmp_path / "other.crt")[1]
    )


def test_list_tells_damage_and_a_file_that_differs_is_no_success(tmp_path, zegel):
    written, _ = cards.flight(tmp_path)
    file = next(iter(written.folder.glob("rec-*/00000001.cbl")))
    file.write_bytes(file.read_bytes()[:-1])
    code, out, _ = zegel("list", tmp_path, "--check")
    assert code == 1
    assert "  DAMAGED: segments that are not as the log has them: 1\n" in out
    assert "  NOT every file is as the log has it\n" in out
    assert zegel("list", tmp_path)[0] == 0


def test_the_names_on_a_card_have_no_effect_on_a_terminal(tmp_path, zegel):
    written, _ = cards.flight(tmp_path, seconds=2)
    leaves = (written.folder / "leaves.cbor").read_bytes()
    assert b"0.1.0" in leaves
    (written.folder / "leaves.cbor").write_bytes(leaves.replace(b"0.1.0", b"\x1b]0;\a"))
    out = zegel("list", tmp_path)[1]
    assert ("0.1.0" in out, "\x1b" in out) == (False, False)


def test_list_for_programs(tmp_path, zegel):
    written, _ = cards.flight(tmp_path / "card")
    cards.flight(tmp_path / "card", boot=2, seconds=2)
    written.gap([VIDEO_A], 5 * S, 7 * S, 2, 12)
    first, second = json.loads(zegel("list", tmp_path / "card", "--json")[1])["sessions"]
    assert (first["id"], first["seconds"], first["ended"], first["start"]) == (written.id.hex(), 20.0, None, 1)
    assert first["began"] == "2027-01-15T08:00:00+00:00"
    assert first["gaps"] == [
        {"groups": ["video-a"], "from": 5.0, "to": 7.0, "reason": "card_slow", "lost": 12, "station": None}
    ]
    assert [(each["group"], each["segments"]) for each in first["groups"]] == [("flight", 10), ("video-a", 10)]
    assert (second["start"], second["files_match"]) == (2, None)


def test_what_is_no_card_is_an_error_with_a_hint(tmp_path, zegel):
    (tmp_path / "card.img").write_bytes(b"")
    code, _, err = zegel("list", tmp_path / "card.img")
    assert (code, "mount -o ro,loop,noload" in err) == (1, True)


def test_disclose_writes_keys_that_open_that_time_of_video_alone(tmp_path, zegel, key):
    written, _ = cards.flight(tmp_path / "card", cards.order_with(key))
    file = tmp_path / "video.keys"
    words = ("--lanes", "video-a", "--from", "+5", "--to", "08:00:09", "-o", file)
    code, out, err = zegel("disclose", tmp_path / "card", "--key", tmp_path / "archive", *words)
    assert (code, err) == (0, "")
    assert out.startswith(f"{file}: the keys of 3 segments of video-a\n")
    assert file.stat().st_mode & 0o777 == store.SECRET_MODE
    said = json.loads(file.read_bytes())
    assert (said["session"], said["group"]) == (written.id.hex(), "video-a")
    assert [sorted(indexes) for indexes in said["keys"].values()] == [["2", "3", "4"]]
    assert zegel("disclose", tmp_path / "card", "--key", tmp_path / "archive", *words)[0] == 1  # never over a file


def test_a_wrong_key_is_refused_in_words(tmp_path, zegel, key):
    cards.flight(tmp_path / "card", cards.order_with(key))
    words = ("disclose", tmp_path / "card", "-o", tmp_path / "keys", "--key")
    code, _, err = zegel(*words, tmp_path / "other")
    assert code == 1
    assert re.search(r"^zegel: this key opens nothing of session [0-9a-f]{8}$", err, re.MULTILINE)
    assert "sealed to 'archive-0'" in err
    err = zegel(*words, tmp_path / "nowhere")[2]
    assert ("does not exist" in err, "name the folder that zegel recording keygen made" in err) == (True, True)
    err = zegel(*words, tmp_path / "archive", "--lanes", "video-b")[2]
    assert re.search(
        "^zegel: session [0-9a-f]{8} has nothing of these lanes that this key opens\n  hint: it opens flight, video-a$",
        err,
        re.M,
    )
    assert not (tmp_path / "keys").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--session", "zz"), "'zz' is no id of a session"),
        (("--session", "f" * 32), "no sessions on the card begin with"),
        (("--from", "noon"), "--from: 'noon' is no time such as +12:30"),
        (("--from", "+9", "--to", "+9"), "--to +9 is not after --from +9"),
    ],
)
def test_what_cannot_be_is_an_error(tmp_path, zegel, key, words, says):
    cards.flight(tmp_path / "card", cards.order_with(key), seconds=2)
    code, _, err = zegel("disclose", tmp_path / "card", "--key", tmp_path / "archive", "-o", tmp_path / "keys", *words)
    assert code in (1, 2)
    assert says in err


def test_a_time_of_day_after_the_end_is_told_from_a_time_since_the_start(tmp_path, zegel, key):
    written, _ = cards.flight(tmp_path / "card", cards.order_with(key), seconds=4)
    written.close()
    words = ("disclose", tmp_path / "card", "--key", tmp_path / "archive", "-o", tmp_path / "keys", "--from")
    for begin in ("1:00", "+9:00"):
        code, _, err = zegel(*words, begin)
        assert (code, (tmp_path / "keys").exists()) == (2, False)
        assert f"--from {begin} is after the end of session {written.id.hex()[:8]}: it began 2027-01-15 08:00:00 UTC" in err
        assert "and ended at +0:04\n  hint: write +12:30 for a time since the start" in err
    assert zegel(*words, "+0:03", "--lanes", "video-a")[0] == 0


def test_of_several_sessions_the_last_or_the_one_that_is_named(tmp_path, zegel, key):
    first, _ = cards.flight(tmp_path / "card", cards.order_with(key), seconds=2)
    last, _ = cards.flight(tmp_path / "card", cards.order_with(key), seconds=2, boot=2)
    for number, (words, meant) in enumerate([((), last), (("--session", first.id.hex()[:6]), first)]):
        file = tmp_path / f"keys-{number}"
        assert zegel("disclose", tmp_path / "card", "--key", tmp_path / "archive", "-o", file, *words)[0] == 0
        assert json.loads(file.read_bytes())["session"] == meant.id.hex()


@pytest.mark.skipif(os.geteuid() != 0, reason="root reads everything; other users are made for this")
def test_a_card_that_this_user_may_not_read_is_told(tmp_path, zegel, monkeypatch):
    card = tmp_path / "card"
    cards.flight(card, seconds=2)
    card.chmod(0o700)
    for folder in (tmp_path, *tmp_path.parents):
        if folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o011)
    os.seteuid(65_534)
    try:
        code, _, err = zegel("list", card)
    finally:
        os.seteuid(0)
    assert (code, "cannot be read by this user" in err, "sudo" in err) == (1, True, True)
