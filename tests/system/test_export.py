"""`zegel recording export` of a card that a real aircraft and its recorder wrote: all of it, a part, and by other keys."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pymavlink import mavutil

from gateway.recording.export import film, pcap_file
from gateway.recording.group import Group, Port
from keys.folders.recording import RecordingFolder
from keys.grant import Profile
from tests.films import joined
from tests.system.filmed import PICTURES, FilmedFlight

FLOWN_S = 8.0
LANES = ("flight", "video-a", "camera-c")
STREAM = b"".join(joined(unit.nals, b"\0\0\0\1") for unit in PICTURES * 3)


class Flown:
    """A card, the key to it, and what was sent."""

    def __init__(self, folder: Path) -> None:
        flight = FilmedFlight(folder)
        try:
            flight.wait_open()
            flight.wait_recorded("flight", "video_a", "camera_c")
            self.before = {group: len(sent) for group, sent in flight.sent.items()}
            flight.run(FLOWN_S)
            self.until = {group: len(sent) for group, sent in flight.sent.items()}
            flight.run(0.5)
        finally:
            flight.end()
        (self.found,) = flight.ended()
        self.folder, self.card, self.key, self.sent = folder, flight.card, folder / "archive", flight.sent

    def command(self, *words: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "gateway.cli", "recording", *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=self.folder)

    def export(self, name: str, *words: object, by: tuple[object, ...] = ()) -> Path:
        done = self.command("export", self.card, *(by or ("--key", self.key)), "-o", name, *words)
        assert done.returncode == 0, done.stderr
        return self.folder / name

    def all_but_ends(self, group: Group) -> list[bytes]:
        """What was certainly recorded: all that came since the aircraft said so, and half a second before its end."""
        return self.sent[group][self.before[group] : self.until[group]]


@pytest.fixture(scope="module")
def flown(tmp_path_factory):
    folder = tmp_path_factory.mktemp("flown")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(folder))
        yield Flown(folder)


@pytest.fixture(scope="module")
def whole(flown) -> Path:
    return flown.export("whole")


def recorded(path: Path, port: int) -> list[bytes]:
    return [record.content for record in pcap_file.records(path) if record.port == port]


def place_in(whole: list[bytes], part: list[bytes]) -> int:
    """The index in `whole` at which all of `part` stands, unchanged."""
    places = [at for at, each in enumerate(whole) if each == part[0] and whole[at : at + len(part)] == part]
    assert places, f"{len(part)} datagrams are not there as they were sent"
    return places[0]


def test_each_datagram_is_in_its_pcap_as_it_was_sent(flown, whole):
    for lane, group, port in zip(
        LANES, (Group.FLIGHT, Group.VIDEO_A, Group.CAMERA_C), (Port.TELEMETRY, Port.VIDEO_A, Port.CAMERA_C), strict=True
    ):
        got = recorded(whole / f"{lane}.pcap", port)
        place_in(flown.sent[group], got)
        place_in(got, flown.all_but_ends(group))


def test_pymavlink_reads_each_frame_of_the_log(flown, whole):
    log = mavutil.mavlink_connection(str(whole / "flight.tlog"), dialect="ardupilotmega")
    got, times = [], []
    while (message := log.recv_match()) is not None:
        assert message.get_type() != "BAD_DATA"
        got.append(bytes(message.get_msgbuf()))
        times.append(message._timestamp)
    log.close()
    place_in(got, flown.all_but_ends(Group.FLIGHT))
    assert times == sorted(times)
    assert abs(times[0] - flown.found.session.times.offset_us / 1e6) < 60.0


def test_the_streams_are_exact(flown, whole):
    assert (whole / "camera-c.ts").read_bytes() == b"".join(recorded(whole / "camera-c.pcap", Port.CAMERA_C))
    got = (whole / "video-a.h264").read_bytes()
    assert got in STREAM + STREAM
    assert len(got) > len(STREAM) / 3 / len(PICTURES) * 25 * FLOWN_S / 2


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="needs ffprobe (apt-get install ffmpeg)")
@pytest.mark.skipif(not film.writer(), reason="neither PyAV nor ffmpeg is on this computer")
@pytest.mark.parametrize("lane", ["video-a", "camera-c"])
def test_ffprobe_counts_each_picture_of_the_film(whole, lane):
    words = ("ffprobe", "-loglevel", "error", "-count_frames", "-select_streams", "v", "-show_streams", "-of", "json")
    shown = subprocess.run((*words, whole / f"{lane}.mp4"), capture_output=True, text=True, check=True)
    assert shown.stderr == ""
    count = int(json.loads(shown.stdout)["streams"][0]["nb_read_frames"])
    assert count > 25 * FLOWN_S * 0.9
    assert f"{count} pictures, not encoded again" in (whole / "README.txt").read_text()


def test_what_is_known_of_the_flight_is_on_its_page(flown, whole):
    told = (whole / "README.txt").read_text()
    for line in ("Aircraft        drone-7", "Operation       Night Watch of Harbour Police", "End             ended as it"):
        assert f"\n{line}" in told
    assert "DAMAGED" not in flown.command("list", flown.card, "--check").stdout
    assert subprocess.run(["sha256sum", "-c", "--strict", "--quiet", "SHA256SUMS"], cwd=whole, check=False).returncode == 0


def test_a_part(flown):
    part = flown.export("part", "--from", "+4", "--to", "+6", "--lanes", "video-a")
    got = (part / "video-a.h264").read_bytes()
    starts = [at for at, unit in enumerate(PICTURES) if unit.key]
    assert any(got.startswith(joined(PICTURES[at].nals, b"\0\0\0\1")) for at in starts), "a key picture"
    assert got in STREAM + STREAM
    assert [name for name in LANES if (part / f"{name}.pcap").exists()] == ["video-a"]


@pytest.mark.parametrize("after_s", [0.4, 0.8, 1.2, 1.6, 2.0])
def test_an_export_that_was_killed_goes_on_when_it_is_called_again(flown, whole, after_s):
    out = flown.folder / f"killed-{after_s}"
    words = [sys.executable, "-m", "gateway.cli", "recording", "export", flown.card, "--key", flown.key, "-o", out]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(after_s)
        process.kill()
    said = flown.command(*words[4:])
    while said.returncode and "in use by" in said.stderr:  # the other process of the one that was killed
        said = flown.command(*words[4:])
    if (out / "SHA256SUMS").exists() and said.returncode:
        assert "holds an export" in said.stderr, "it was complete"
    else:
        assert said.returncode == 0, said.stderr
    assert (out / "SHA256SUMS").read_bytes() == (whole / "SHA256SUMS").read_bytes()
    assert {path.name for path in out.iterdir()} == {path.name for path in whole.iterdir()}


def test_a_wrong_key_opens_nothing_and_the_segment_keys_of_video_a_open_it_alone(flown, whole):
    RecordingFolder.init(flown.folder / "other", "other", Profile.X_WING)
    done = flown.command("export", flown.card, "--key", flown.folder / "other", "-o", "nothing")
    assert (done.returncode, done.stdout, (flown.folder / "nothing").exists()) == (1, "", False)
    assert "this key opens nothing of session" in done.stderr

    said = flown.command("disclose", flown.card, "--key", flown.key, "--lanes", "video-a", "-o", "video-a.keys")
    assert said.returncode == 0, said.stderr
    alone = flown.export("alone", by=("--segment-keys", "video-a.keys"))
    assert [name for name in LANES if (alone / f"{name}.pcap").exists()] == ["video-a"]
    assert (alone / "video-a.pcap").read_bytes() == (whole / "video-a.pcap").read_bytes()
