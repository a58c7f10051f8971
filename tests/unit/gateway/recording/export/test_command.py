"""`zegel recording export`: which sessions, into which folder, from which cards; with both of its processes."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from firmware_shims import tlog
from gateway import cli
from gateway.demo.clip import CLIP, pictures
from gateway.demo.flight import recorded_flight
from gateway.recording.export import film, pcap_file, plan
from gateway.recording.export.wall_clock import WallClock
from gateway.video.nal import AccessUnit, kind
from gateway.video.packetiser import Packetiser
from keys.folders import store
from keys.folders.recording import RecordingFolder
from keys.grant import Profile
from tests import cards
from tests.agency import NOW
from tests.cards import EVENT, FLIGHT, TELEMETRY, VIDEO_A, VIDEO_B, S
from tests.films import joined

FILM = (pictures(CLIP.read_bytes()) * 4)[:500]  # 20 s
KEYS = [place for place, unit in enumerate(FILM) if unit.key]
SETS = [nal for nal in FILM[0].nals if kind("h264", nal) in (7, 8)]
LOG = [(at, frame) for at, frame in recorded_flight() if at < 20]
FILES = ["README.txt", "SHA256SUMS", "events.jsonl", "flight.pcap", "flight.tlog", "track.gpx", "track.kml"]
OF_VIDEO = ["video-a.h264", "video-a.pcap", *(["video-a.mp4", "video-a.srt"] if film.writer() else [])]


def exact(units: list[AccessUnit]) -> bytes:
    return b"".join(joined(unit.nals, b"\0\0\0\1") for unit in units)


def shot(units: list[AccessUnit] = FILM, port: int = 5600) -> list[cards.Entry]:
    packetiser = Packetiser("h264", 1, 1)
    return [
        (round(place * 4e7) + part, port, data)
        for place, unit in enumerate(units)
        for part, data in enumerate(packetiser.packets(unit, 3600 * place))
    ]


def flown() -> list[cards.Entry]:
    event = (3 * 10**9, EVENT, b'{"event": "rekey", "epoch": 2}')
    return sorted([*((round(at * 1e9), TELEMETRY, frame) for at, frame in LOG), event], key=lambda entry: entry[0])


class Made:
    """A card in tmp_path/card, a key in tmp_path/archive, and the command over both."""

    def __init__(self, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self.folder, self.card, self.out, self._capfd = folder, folder / "card", folder / "out", capfd
        RecordingFolder.init(folder / "archive", "archive", Profile.X_WING)
        self.key = cards.Key(Profile.X_WING, RecordingFolder.open(folder / "archive").seed)

    def session(self, held: dict[int, list[cards.Entry]], epoch_s: int = 8, utc: bool = True, **more) -> cards.Session:
        """20 s, cut every 2 s, in recordings of `epoch_s`."""
        session = cards.Session(self.card, cards.order_with(self.key), **more)
        for start in range(0, 20 * S, 2 * S):
            if start % (epoch_s * S) == 0:
                recordings = {group: session.recording(group, start) for group in held}
            parts = {
                recordings[group]: [entry for entry in entries if start * 1000 <= entry[0] < (start + 2 * S) * 1000]
                for group, entries in held.items()
            }
            session.cut(start, start + 2 * S, parts, (NOW * S + start + 2 * S) if utc else 0)
        session.close()
        return session

    def export(self, *words: object, out: Path | None = None, by: tuple[object, ...] = ()) -> tuple[int, str, str]:
        """(exit code, output, errors); the second process writes to the same."""
        key = by or ("--key", self.folder / "archive")
        code = cli.main(["recording", "export", *map(str, (self.card, *key, "-o", out or self.out, *words))])
        return code, *self._capfd.readouterr()

    def names(self, out: Path | None = None) -> list[str]:
        return sorted(path.name for path in (out or self.out).iterdir())

    def told(self) -> str:
        return (self.out / "README.txt").read_text()


@pytest.fixture
def made(tmp_path, capfd) -> Made:
    return Made(tmp_path, capfd)


def contents(path: Path) -> list[tuple[int, int, bytes]]:
    return [tuple(record) for record in pcap_file.records(path)]


def test_all_recordings_of_a_session_come_out_as_one(made):
    session = made.session({FLIGHT: flown(), VIDEO_A: shot()})
    assert len(list(session.folder.glob("rec-*"))) == 6
    before = {path: path.read_bytes() for path in made.card.rglob("*") if path.is_file()}
    code, said, err = made.export()
    assert (code, err) == (0, "")
    assert made.names() == sorted([*FILES, *OF_VIDEO])
    assert said.startswith(f"{made.out}: {', '.join(made.names())}\n")
    assert contents(made.out / "flight.pcap") == flown()
    assert contents(made.out / "video-a.pcap") == shot()
    assert [frame for _, frame in tlog.frames((made.out / "flight.tlog").read_bytes())] == [frame for _, frame in LOG]
    assert (made.out / "video-a.h264").read_bytes() == exact(FILM)
    assert json.loads((made.out / "events.jsonl").read_text())["time"] == "2027-01-15T08:00:03.000Z"
    assert made.out.stat().st_mode & 0o777 == store.FOLDER_MODE
    assert {path.stat().st_mode & 0o077 for path in made.out.iterdir() if not path.name.endswith(".mp4")} == {0}
    assert {path: path.read_bytes() for path in made.card.rglob("*") if path.is_file()} == before, "never written"


def test_the_page_says_what_is_known_of_the_session(made):
    session = made.session({FLIGHT: flown()})
    session.gap([VIDEO_A, VIDEO_B], 5 * S, 7 * S, 6, 120, station=1)
    session.gap([FLIGHT], 15 * S, 0, 1)
    assert made.export("--lanes", "flight")[0] == 0
    told = made.told()
    for line in (
        f"Session         {session.id.hex()}",
        "Aircraft        drone-1",
        "Operation       Night Watch of Harbour Police, order 7",
        "Not proved      whether the agency signed the order was not checked: --root root.crt",
        "End             ended as it was asked to",
        "flight: 2027-01-15 08:00:15 UTC (+00:15) to the end of the session: the card was full",
    ):
        assert f"{line}\n" in told
    assert "paused" not in told, "of video"


def test_a_part_begins_with_the_key_picture_before_it(made):
    made.session({FLIGHT: flown(), VIDEO_A: shot()})
    key = next(key for key in KEYS if key > 200 and key % 50)  # not at a cut
    from_s, to_s = (key + 5) / 25, (key + 30) / 25
    code, said, _ = made.export("--from", f"+{from_s:.2f}", "--to", f"+{to_s:.2f}")
    assert code == 0
    assert (made.out / "video-a.h264").read_bytes() == exact(FILM[key : key + 30])
    times = [time for time, *_ in contents(made.out / "flight.pcap")]
    assert from_s * 1e9 <= min(times)
    assert max(times) < to_s * 1e9
    sentence = f"video-a: begins at +00:{int(key / 25):02}, before the time that was asked for, with a key picture"
    assert sentence in said
    assert sentence in made.told()
    assert f"A part only     +00:{int(from_s):02} to +00:{int(to_s):02}\n" in made.told()


@pytest.mark.parametrize("words", [(), ("--sdp", "camera.sdp")])
def test_a_stream_without_parameter_sets_is_said_and_mended(made, words):
    bare = [AccessUnit([nal for nal in unit.nals if nal not in SETS], unit.key, 0.0, "h264") for unit in FILM]
    made.session({VIDEO_A: shot(bare)})
    sprop = ",".join(base64.b64encode(one).decode() for one in SETS)
    (made.folder / "camera.sdp").write_text(
        f"m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 sprop-parameter-sets={sprop}\r\n"
    )
    code, said, _ = made.export(*(made.folder / word if word == "camera.sdp" else word for word in words))
    assert code == 0
    if words:
        assert "2 parameter sets before the first key picture, which had none" in said
        assert ("video-a.mp4" in made.names()) == bool(film.writer())
    else:
        assert "there is no video-a.mp4: the recording has no parameter sets; --sdp FILE" in said
        assert (made.out / "video-a.h264").read_bytes() == exact(bare)


def test_a_file_that_is_no_description_is_refused_before_anything_is_written(made):
    made.session({VIDEO_A: shot()})
    (made.folder / "camera.sdp").write_text("v=0\n")
    code, _, err = made.export("--sdp", made.folder / "camera.sdp")
    assert (code, "describes no stream" in err, made.out.exists()) == (2, True, False)


# --- which session ---


def test_of_several_sessions_the_last_one_and_the_others_are_named(made):
    first = made.session({FLIGHT: flown()[:50]})
    last = made.session({FLIGHT: flown()[:60]}, boot=2)
    assert f"  not in it: session {first.id.hex()}, began 2027-01-15 08:00:00 UTC" in made.export()[1]
    assert f"Session         {last.id.hex()}" in made.told()
    assert f"    {first.id.hex()}, began 2027-01-15 08:00:00 UTC" in made.told()
    code, _, _ = made.export("--session", first.id.hex()[:8], out=made.folder / "first")
    assert (code, len(contents(made.folder / "first/flight.pcap"))) == (0, 50)


def test_all_sessions_each_in_a_folder_of_its_own(made):
    made.session({FLIGHT: flown()[:50]})
    made.session({FLIGHT: flown()[:60]}, boot=2)
    cards.flight(made.card, seconds=2, boot=3)  # of another key
    code, said, _ = made.export("--session", "all")
    assert code == 0
    assert "not exported: 1 other session, of which this key opens nothing" in said
    found = sorted(len(contents(folder / "flight.pcap")) for folder in made.out.iterdir())
    assert found == [50, 60]


# --- keys ---


def test_a_wrong_key_opens_nothing(made):
    made.session({FLIGHT: flown(), VIDEO_A: shot()})
    RecordingFolder.init(made.folder / "other", "other", Profile.X_WING)
    code, _, err = made.export(by=("--key", made.folder / "other"))
    assert (code, "this key opens nothing of session" in err, made.out.exists()) == (1, True, False)


def test_disclosed_segment_keys_of_video_a_open_video_a_alone(made):
    made.session({FLIGHT: flown(), VIDEO_A: shot(), VIDEO_B: shot(FILM, 5604)})
    file = made.folder / "video.keys"
    words = ("--key", made.folder / "archive", "--lanes", "video-a", "--from", "+5", "--to", "+9", "-o", file)
    assert cli.main(["recording", "disclose", str(made.card), *map(str, words)]) == 0
    code, said, _ = made.export(by=("--segment-keys", file))
    assert code == 0
    assert made.names() == sorted([name for name in FILES if name[:2].isupper()] + OF_VIDEO)
    assert contents(made.out / "video-a.pcap") == [entry for entry in shot() if 4e9 <= entry[0] < 10e9]
    first = next(key for key in KEYS if key >= 100)
    assert exact(FILM[first:250]) in (made.out / "video-a.h264").read_bytes()
    assert "video-a: segments that this key does not open: 7\n" in said
    assert made.export("--lanes", "flight", by=("--segment-keys", file), out=made.folder / "more")[0] == 1


# --- cards that are damaged, or written by an attacker ---


def test_a_damaged_card_gives_what_is_whole_and_says_what_is_not(made):
    session = made.session({FLIGHT: flown(), VIDEO_A: shot()}, epoch_s=20)
    video, flight = sorted(
        session.folder.glob("rec-*"), key=lambda folder: -sum(p.stat().st_size for p in folder.iterdir())
    )
    (video / "00000002.cbl").unlink()
    broken = flight / "00000004.cbl"
    broken.write_bytes(broken.read_bytes()[:-5])
    (flight / "header.cose").write_bytes(b"")
    code, said, _ = made.export()
    assert code == 0
    assert "session: headers that are damaged, and were taken from their copy: 1" in said
    assert "video-a: segments of the log that are not on the card: 1" in said
    assert "flight: segments that open only up to a broken place: 1" in said
    assert contents(made.out / "video-a.pcap") == [entry for entry in shot() if not 4e9 <= entry[0] < 6e9]
    assert [entry for entry in flown() if not 8e9 <= entry[0] < 10e9] == [
        entry for entry in contents(made.out / "flight.pcap") if not 8e9 <= entry[0] < 10e9
    ]


def test_times_in_a_changed_log_that_no_clock_shows_cost_nothing_else(made):
    """The log is not signed: a person who has the card can write any number into it."""
    session = made.session({FLIGHT: flown(), VIDEO_A: shot()})
    session.gap([FLIGHT], 15 * S, 2**64 - 1, 1)
    session.leaf({1: 2, 2: 0, 3: 2**63, 4: NOW * S, 5: [[FLIGHT, bytes(16), 0, 1, bytes(32)]]})
    code, _, err = made.export()
    assert (code, err) == (0, "")
    assert made.names() == sorted([*FILES, *OF_VIDEO])
    assert json.loads((made.out / "events.jsonl").read_text())["time"] == "2027-01-15T08:00:03.000Z"
    assert "flight: 2027-01-15 08:00:15 UTC (+00:15) to +" in made.told()


@pytest.mark.parametrize("claims", [[(100 * 365 * 86_400 * S, NOW * S)], [(0, 2**64 - 1)], [(2**64 - 1, NOW * S)]])
def test_a_claim_by_which_the_session_began_at_no_plausible_time_is_not_believed(claims):
    assert WallClock(claims).offset_us is None
    assert WallClock([(5, NOW * S), *claims]).offset_us == NOW * S - 5


def test_a_battery_that_was_pulled_leaves_the_beginning_of_a_segment(made):
    session = cards.Session(made.card, cards.order_with(made.key))
    recording = session.recording(VIDEO_A)
    session.tail(recording, shot(), 200_000)
    assert made.export()[0] == 0
    got = contents(made.out / "video-a.pcap")
    assert got == shot()[: len(got)]
    assert len(got) > 100
    assert "End             not ended: the power went" in made.told()
    assert "video-a: segments that were not finished when the power went: 1" in made.told()


@pytest.mark.parametrize("what", ["session-*", "session-*/rec-*", "session-*/rec-*/00000003.cbl"])
def test_no_link_on_a_card_is_followed(made, what):
    made.session({FLIGHT: flown()}, epoch_s=20)
    (linked,) = made.card.glob(what)
    elsewhere = made.folder / linked.name
    linked.rename(elsewhere)
    linked.symlink_to(elsewhere)
    code, said, err = made.export()
    if what == "session-*":
        assert (code, "holds no recording" in err, made.out.exists()) == (1, True, False)
    elif what == "session-*/rec-*":
        assert contents(made.out / "flight.pcap") == []
        assert "files that the card does not give back" in said
    else:
        assert not [entry for entry in contents(made.out / "flight.pcap") if 6e9 <= entry[0] < 8e9]
        assert "flight: files that the card does not give back: 1" in said


def test_a_flight_with_a_stream_that_is_none_has_all_else(made):
    made.session({FLIGHT: flown(), VIDEO_A: cards.entries(VIDEO_A, 0, 20 * S, 20_000)})
    assert made.export()[0] == 0
    assert made.names() == sorted([*FILES, "video-a.pcap"])
    assert "there is no video-a.mp4: video-a.pcap holds an unknown format" in made.told()


# --- the folder ---


def test_other_files_are_never_overwritten(made):
    made.session({FLIGHT: flown()[:50]})
    made.out.mkdir()
    (made.out / "flight.tlog").write_bytes(b"mine")
    code, _, err = made.export()
    assert (code, "holds an export" in err) == (2, True)
    assert made.names() == ["flight.tlog"]
    assert (made.out / "flight.tlog").read_bytes() == b"mine"
    assert made.export(out=made.card / "out")[0] == 2
    assert "on the card, where nothing is written" in made.export(out=made.card / "new/out")[2]
    assert sorted(path.name[:8] for path in made.card.iterdir()) == ["session-"]


def interrupted(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """The card is pulled once the first pcap is written."""
    from gateway.recording.export import originals  # noqa: PLC0415

    whole = originals.write

    def write(folder, lane, records, progress):
        if lane == "video-a":
            (folder / "video-a.pcap.part").write_bytes(b"begun")
            raise OSError(5, "Input/output error")
        return whole(folder, lane, records, progress)

    with monkeypatch.context() as patch:
        patch.setattr(originals, "write", write)
        assert made.export()[0] == 1


def test_an_export_that_was_interrupted_goes_on(made, monkeypatch):
    made.session({FLIGHT: flown(), VIDEO_A: shot()})
    interrupted(made, monkeypatch)
    assert made.names() == [plan.NAME, "flight.pcap", "video-a.pcap.part"]
    written = (made.out / "flight.pcap").stat().st_mtime_ns
    code, said, _ = made.export()
    assert code == 0
    assert said.startswith(f"{made.out}: the export that was interrupted goes on\n")
    assert made.names() == sorted([*FILES, *OF_VIDEO])
    assert (made.out / "flight.pcap").stat().st_mtime_ns == written
    assert contents(made.out / "video-a.pcap") == shot()
    assert made.export()[0] == 2, "it is complete: nothing goes on in this folder"


@pytest.mark.parametrize("what", ["a pcap is gone", "a link", "another file", "another question"])
def test_what_goes_on_is_this_export_and_nothing_else(made, monkeypatch, what):
    made.session({FLIGHT: flown(), VIDEO_A: shot()})
    interrupted(made, monkeypatch)
    precious = made.folder / "precious"
    precious.write_bytes(b"mine")
    if what == "a pcap is gone":
        (made.out / "flight.pcap").unlink()
        assert made.export()[0] == 0
        assert contents(made.out / "flight.pcap") == flown()
    elif what == "a link":
        for name in ("video-a.pcap.part", "flight.tlog.part", "video-a.mp4.part", ".video-a.index.part", "README.txt.part"):
            (made.out / name).unlink(missing_ok=True)
            (made.out / name).symlink_to(precious)
        assert made.export()[0] == 0
        assert made.names() == sorted([*FILES, *OF_VIDEO])
    elif what == "another file":
        (made.out / "notes.txt").write_bytes(b"mine")
        assert made.export()[2].startswith(f"zegel: {made.out} holds notes.txt\n")
    else:
        assert made.export("--from", "+5")[2].startswith(f"zegel: {made.out} holds the beginning of another export\n")
    assert precious.read_bytes() == b"mine"
