"""`zegel recording play`, as a program: what the ports get, and what the keys of a terminal do."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import termios
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.demo.stage import drain
from gateway.recording import opened
from gateway.recording.export import originals
from gateway.recording.group import Group, Port
from gateway.recording.keyboard import Keyboard
from gateway.recording.outlets import Outlets
from gateway.recording.play import Player, event
from gateway.recording.segment_keys import OfKey
from gateway.video.nal import AccessUnit
from gateway.video.packetiser import Packetiser
from keys.folders.recording import RecordingFolder
from keys.grant import Profile
from tests import cards
from tests.cards import EVENT, FLIGHT, UPLINK, VIDEO_A, S

WITHIN_S = 60
PORTS = (14550, 5600, 5604)
SPS, PPS = b"\x67\x42\x00\x1e" + b"s" * 8, b"\x68" + b"p" * 4


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """The folder of the recording key."""
    RecordingFolder.init(tmp_path / "archive", "archive", Profile.X_WING)
    return tmp_path / "archive"


def key_of(folder: Path) -> cards.Key:
    return cards.Key(Profile.X_WING, RecordingFolder.open(folder).seed)


def pictures(seconds: int, key_each_s: float = 2.0, fps: int = 10) -> list[cards.Entry]:
    """RTP of H.264 of which no decoder is needed: parameter sets, a key picture, pictures."""
    packetiser, found = Packetiser("h264", 1, 0), []
    for number in range(seconds * fps):
        key = number % round(key_each_s * fps) == 0
        slices = [SPS, PPS, b"\x65\x88" + b"k" * 3000] if key else [b"\x41\x9a" + number.to_bytes(4, "big") + b"x" * 500]
        unit = AccessUnit(slices, key, number / fps, "h264")
        packets = packetiser.packets(unit, number * 90_000 // fps)
        found += [(number * 10**9 // fps + place, 5600, packet) for place, packet in enumerate(packets)]
    return found


def card_with(folder: Path, archive: Path, held: dict[int, list[cards.Entry]], seconds: int) -> cards.Session:
    """One epoch, cut every 2 s."""
    session = cards.Session(folder, cards.order_with(key_of(archive)))
    recordings = {session.recording(group): entries for group, entries in held.items()}
    for start in range(0, seconds * S, 2 * S):
        begin, end = start * 1000, (start + 2 * S) * 1000
        parts = {recording: [e for e in entries if begin <= e[0] < end] for recording, entries in recordings.items()}
        if held_now := {recording: part for recording, part in parts.items() if part}:
            session.cut(start, start + 2 * S, held_now)
    return session


class Played:
    """A running `zegel recording play`, the programs that listen, and what the terminal shows."""

    def __init__(self, card: Path, *words: object, terminal: bool = False, listening: bool = True) -> None:
        self.sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in PORTS]
        for each in self.sockets:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
            each.bind(("127.0.0.1", 0))
            each.setblocking(False)
        places = [f"udpout:127.0.0.1:{each.getsockname()[1]}" for each in self.sockets]
        if not listening:
            for each in self.sockets:
                each.close()
        options = ["--gcs", places[0], "--video", places[1], "--video", places[2]]
        command = [sys.executable, "-m", "gateway.cli", "recording", "play", card, *options, *words]
        self.output, self._changed = "", threading.Condition()
        self._far, self.near = pty.openpty()
        self.before = termios.tcgetattr(self.near)
        near = {"stdin": self.near, "stdout": self.near, "stderr": self.near}
        far = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        # A group of its own: the system stops no program of a group whose parents are gone, as this test's may be.
        self.process = subprocess.Popen([*map(str, command)], process_group=0, **(near if terminal else far))
        shown = self._far if terminal else self.process.stdout.fileno()
        threading.Thread(target=self._read, args=(shown,), daemon=True).start()
        self._got: list[list[bytes]] = [[] for _ in PORTS]
        self._listening = threading.Event()
        if listening:
            self._listening.set()
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()

    def _read(self, handle: int) -> None:
        while True:
            try:
                data = os.read(handle, 4096)
            except OSError:
                return
            if not data:
                return
            with self._changed:
                self.output += data.decode()
                self._changed.notify_all()

    def shows(self, pattern: str, behind: int = 0) -> int:
        """Wait until it is shown; where it ends."""
        with self._changed:
            assert self._changed.wait_for(lambda: re.search(pattern, self.output[behind:]), WITHIN_S), self.output[-1000:]
            return behind + re.search(pattern, self.output[behind:]).end()

    def press(self, keys: bytes) -> None:
        os.write(self._far, keys)

    def _listen(self) -> None:
        """The buffer of a socket holds little; what is in it is read at once."""
        while self._listening.is_set():
            for made in select.select(self.sockets, [], [], 0.1)[0]:
                with self._changed:
                    self._got[self.sockets.index(made)] += drain(made)

    def received(self, place: int) -> list[bytes]:
        """What one of the programs has got since the last time."""
        with self._changed:
            found, self._got[place] = self._got[place] + drain(self.sockets[place]), []
        return found

    def ended(self) -> int:
        code = self.process.wait(WITHIN_S)
        if self.process.stdout:
            self.process.stdout.close()
        return code

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._listening.clear()
        self._listener.join()
        for each in self.sockets:
            each.close()
        os.close(self.near)
        os.close(self._far)


@pytest.fixture
def play(archive: Path):
    """Starts one."""
    started = []

    def start(card: Path, *words: object, key: Path | None = archive, **how: bool) -> Played:
        started.append(Played(card, *(("--key", key) if key else ()), *words, **how))
        return started[-1]

    yield start
    for each in started:
        each.close()


Play = Callable[..., Played]


def telemetry(seconds: int) -> list[cards.Entry]:
    return [(at * 100_000_000, 14550, b"\xfd frame %d" % at) for at in range(seconds * 10)]


def test_the_ports_get_what_entered_the_aircraft(tmp_path, archive, play: Play):
    said = json.dumps({"event": "command refused", "station": 2, "why": "guarded"}).encode()
    more = [(500_000_000, UPLINK, b"\xfd a command"), (600_000_000, EVENT, said)]
    frames, video = telemetry(6), pictures(6)
    card_with(tmp_path / "card", archive, {FLIGHT: sorted([*frames, *more]), VIDEO_A: video}, 6)
    played = play(tmp_path / "card", "--speed", 20)
    assert played.ended() == 0
    assert played.received(0) == [content for *_, content in frames]
    assert played.received(1) == [content for *_, content in video]
    played.shows("08:00:00 command refused: station 2, why guarded\n")
    played.shows(
        rf"played:\n  telemetry: {len(frames)} datagrams to udpout:.*\n  video-a: {len(video)} datagrams to udpout:.*\n"
    )
    played.shows("  not played: 1 commands that the aircraft accepted\n")
    assert "\r" not in played.output  # no terminal: no line that says how far it is


def test_a_start_within_video_is_moved_back_to_a_key_picture(tmp_path, archive, play: Play):
    frames, video = telemetry(8), pictures(8, key_each_s=2.0)
    card_with(tmp_path / "card", archive, {FLIGHT: frames, VIDEO_A: video}, 8)
    played = play(tmp_path / "card", "--speed", 20, "--from", "+5.5", "--to", "08:00:07")
    assert played.ended() == 0
    wanted = [content for at, _, content in video if 4 * 10**9 <= at < 7 * 10**9]
    assert played.received(1) == wanted
    assert SPS in wanted[0]
    assert played.received(0) == [content for at, _, content in frames if 5.5e9 <= at < 7 * 10**9]
    played.shows("video-a begins 1.5 s earlier, with a key picture\n")


def test_another_key_is_refused_and_nothing_is_sent(tmp_path, archive, play: Play):
    card_with(tmp_path / "card", archive, {FLIGHT: telemetry(2)}, 2)
    RecordingFolder.init(tmp_path / "other", "other", Profile.X_WING)
    played = play(tmp_path / "card", key=tmp_path / "other")
    assert played.ended() == 1
    played.shows("this key opens nothing of session")
    assert played.received(0) == []


def test_disclosed_keys_of_video_play_video_alone(tmp_path, archive, play: Play):
    video = pictures(4)
    card_with(tmp_path / "card", archive, {FLIGHT: telemetry(4), VIDEO_A: video}, 4)
    command = [sys.executable, "-m", "gateway.cli", "recording", "disclose", tmp_path / "card", "--key", archive]
    subprocess.run([*command, "--lanes", "video-a", "-o", tmp_path / "keys"], check=True, timeout=WITHIN_S)
    played = play(tmp_path / "card", "--segment-keys", tmp_path / "keys", "--speed", 20, key=None)
    assert played.ended() == 0
    assert played.received(1) == [content for *_, content in video]
    assert played.received(0) == []


def test_a_long_silence_is_skipped_and_its_reason_told(tmp_path, archive, play: Play):
    frames = [entry for entry in telemetry(600) if not 3 * 10**9 <= entry[0] < 597 * 10**9]
    session = card_with(tmp_path / "card", archive, {FLIGHT: frames}, 600)
    session.gap([FLIGHT], 3 * S, 597 * S, 1)
    played = play(tmp_path / "card", "--speed", 10)
    assert played.ended() == 0
    assert len(played.received(0)) == len(frames)
    played.shows(
        "NOT RECORDED: flight 08:00:03 to 08:09:57: the card was full\nnothing from 08:00:02 to 08:09:57: skipped\n"
    )


def test_times_that_go_back_and_on_again_keep_nothing_waiting(tmp_path, archive, play: Play):
    """An attacker who had control of the recorder may have sealed any times."""
    day = 86_400 * 10**9
    times = [0, day, 10**8, 40 * day, 2 * 10**8, day, 3 * 10**8]
    frames = [(at, 14550, b"frame %d" % place) for place, at in enumerate(times)]
    session = cards.Session(tmp_path / "card", cards.order_with(key_of(archive)))
    session.cut(0, 2 * S, {session.recording(FLIGHT): frames})
    played = play(tmp_path / "card")
    assert played.ended() == 0
    assert played.received(0) == [frame for *_, frame in frames]


def test_all_recordings_of_a_session_play_as_one(tmp_path, archive, play: Play):
    """Epochs, of which each has recordings and keys of its own, and a change of arming, which is a cut."""
    session, held = cards.flight(tmp_path / "card", cards.order_with(key_of(archive)), seconds=12, epoch_s=4)
    session.armed(5 * S, True)
    played = play(tmp_path / "card", "--speed", 20)
    assert played.ended() == 0
    for place, port in enumerate(PORTS[:2]):
        assert played.received(place) == [content for _, to, content in held if to == port]
    assert "DAMAGED" not in played.output
    assert "skipped" not in played.output


def test_another_session_of_the_card_is_named_and_played_when_asked_for(tmp_path, archive, play: Play):
    content = cards.order_with(key_of(archive))
    first, held = cards.flight(tmp_path / "card", content, seconds=2)
    cards.flight(tmp_path / "card", content, seconds=2, boot=2)
    played = play(tmp_path / "card", "--speed", 20, "--session", first.id.hex()[:8])
    assert played.ended() == 0
    assert played.received(0) == [entry for *at, entry in held if at[1] == 14550]
    played.shows(f"session {first.id.hex()[:8]}, began .*\n.*\n  not played: 1 other sessions of the card")


def test_a_segment_that_is_missing_is_told_and_skipped(tmp_path, archive, play: Play):
    session, held = cards.flight(tmp_path / "card", cards.order_with(key_of(archive)), seconds=12, epoch_s=12)
    for folder in session.folder.glob("rec-*"):
        (folder / "00000002.cbl").unlink()
    played = play(tmp_path / "card")  # at its own pace, of which the skipped two seconds are no part
    assert played.ended() == 0
    left = [entry for entry in held if not 4 * 10**9 <= entry[0] < 6 * 10**9]
    for place, port in enumerate(PORTS[:2]):
        assert played.received(place) == [content for _, to, content in left if to == port]
    at = played.shows("DAMAGED: flight 08:00:04 to 08:00:06, 1 segment: not on the card\n")
    at = played.shows("nothing from 08:00:03 to 08:00:06: skipped\n", at)
    played.shows("played:\n(  .*\n)+  DAMAGED: segments of the log that are not on the card: 2\n", at)
    assert "DAMAGED: video-a 08:00:04 to 08:00:06, 1 segment: not on the card" in played.output


def test_a_long_part_that_is_missing_is_told_in_one_line_for_each_lane(tmp_path, archive, play: Play):
    session, held = cards.flight(tmp_path / "card", cards.order_with(key_of(archive)), seconds=60, epoch_s=20)
    for folder in session.folder.glob("rec-*"):
        for path in folder.glob("*.cbl"):
            if path.name != "00000000.cbl":
                path.unlink()
    played = play(tmp_path / "card", "--speed", 20)
    assert played.ended() == 0
    left = [entry for entry in held if entry[0] % (20 * 10**9) < 2 * 10**9]
    assert played.received(0) == [content for _, to, content in left if to == 14550]
    told = [line for line in played.output.splitlines() if line.startswith("DAMAGED: flight")]
    assert told == [
        "DAMAGED: flight 08:00:02 to 08:00:20, 9 segments: not on the card",
        "DAMAGED: flight 08:00:22 to 08:00:40, 9 segments: not on the card",
        "DAMAGED: flight 08:00:42 to 08:01:00, 9 segments: not on the card",
    ]


def test_a_segment_of_one_lane_that_is_changed_is_told_and_hinders_no_other(tmp_path, archive, play: Play):
    session, held = cards.flight(tmp_path / "card", cards.order_with(key_of(archive)), seconds=6, epoch_s=6)
    (video,) = (folder for folder in session.folder.glob("rec-*") if (folder / "00000001.cbl").stat().st_size > 60_000)
    sealed = bytearray((video / "00000001.cbl").read_bytes())
    sealed[40_000] ^= 1
    (video / "00000001.cbl").write_bytes(sealed)
    played = play(tmp_path / "card", "--speed", 20)
    assert played.ended() == 0
    assert played.received(0) == [content for _, to, content in held if to == 14550]
    pictures_held, got = [content for _, to, content in held if to == 5600], played.received(1)
    assert got == [content for content in pictures_held if content in set(got)]
    assert 0 < len(pictures_held) - len(got) < 100
    played.shows("DAMAGED: video-a 08:00:02 to 08:00:04, 1 segment: opened only up to a broken place\n")
    played.shows("  DAMAGED: segments that open only up to a broken place: 1\n")


def test_a_part_that_was_disclosed_plays_and_the_rest_is_not_called_damaged(tmp_path, archive, play: Play):
    video = pictures(20)
    card_with(tmp_path / "card", archive, {FLIGHT: telemetry(20), VIDEO_A: video}, 20)
    command = [sys.executable, "-m", "gateway.cli", "recording", "disclose", tmp_path / "card", "--key", archive]
    words = ["--lanes", "video-a", "--from", "+8.1", "--to", "+12", "-o", tmp_path / "keys"]
    subprocess.run([*command, *words], check=True, timeout=WITHIN_S)
    played = play(tmp_path / "card", "--segment-keys", tmp_path / "keys", "--speed", 20, key=None)
    assert played.ended() == 0
    assert played.received(1) == [content for at, _, content in video if 8 * 10**9 <= at < 12 * 10**9]
    assert played.received(0) == []
    played.shows("nothing from 08:00:00 to 08:00:08: skipped\n")
    played.shows("  not opened: segments that this key does not open: 8\n")
    assert "DAMAGED" not in played.output


def test_that_no_program_listens_is_told_once_and_hinders_nothing(tmp_path, archive, play: Play):
    card_with(tmp_path / "card", archive, {FLIGHT: telemetry(2)}, 2)
    played = play(tmp_path / "card", "--speed", 20, listening=False)
    assert played.ended() == 0
    played.shows(r"telemetry: 20 datagrams to udpout:\S+; no program took \d+ of them\n")
    assert len(re.findall("no program listens at udpout:", played.output)) == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--speed", "0"), "'0' is no speed from 0.1 to 100"),
        (("--lanes", "vido-a"), "there is no 'vido-a'; did you mean"),
        (("--gcs", "tcp:127.0.0.1:1"), "is not a place to send to"),
        (("--gcs", "udp:127.0.0.1:1"), "does not say whether to listen or to send"),
    ],
)
def test_what_cannot_be_is_an_error(tmp_path, archive, play: Play, words, says):
    card_with(tmp_path / "card", archive, {FLIGHT: telemetry(2)}, 2)
    played = play(tmp_path / "card", *words)
    assert played.ended() == 2
    played.shows(says)


def test_an_event_is_one_line():
    assert event(b'{"event": "rekey", "epoch": 3}') == "rekey: epoch 3"
    assert event(b'{"event": "armed"}') == "armed"
    assert "\x1b" not in event(json.dumps({"event": "alarm", "text": "\x1b[2J"}).encode())
    assert len(event(json.dumps({"event": "x" * 5000}).encode())) <= 200
    for wrong in (b"", b"[]", b"\xff", b'{"event": {}}', b'{"event": "' + b"[" * 100_000):
        assert event(wrong) == "an event that cannot be read"


# --- with a terminal ---


def test_space_pauses_and_goes_on(tmp_path, archive, play: Play):
    card_with(tmp_path / "card", archive, {FLIGHT: telemetry(20)}, 20)
    played = play(tmp_path / "card", "--speed", 4, terminal=True)
    played.shows(r"\+0:01 of \+0:20")
    played.press(b" ")
    at = played.shows("paused")
    first = len(played.received(0))
    for _ in range(5):
        at = played.shows("paused", at)
    assert 0 < first < 200
    assert played.received(0) == []
    played.press(b" ")
    assert played.ended() == 0
    assert first + len(played.received(0)) == 200


def test_arrows_go_on_and_back(tmp_path, archive, play: Play):
    card_with(tmp_path / "card", archive, {FLIGHT: telemetry(60)}, 60)
    played = play(tmp_path / "card", terminal=True)
    played.shows(r"\+0:00 of \+1:00")
    played.press(b" \x1b[C\x1bOC\x1b[C")
    at = played.shows(r"\+0:3\d of \+1:00  paused")
    played.press(b"\x1b[D")
    at = played.shows(r"\+0:2\d of \+1:00  paused", at)
    played.press(b"\x1b[Dnonsense\x1b[D\x1b[D\x1b[D")
    played.shows(r"\+0:00 of \+1:00  paused", at)
    played.press(b"q")
    assert played.ended() == 0


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ("q", 0),
        ("end", 0),
        (signal.SIGINT, 130),
        (signal.SIGTERM, 130),
        (signal.SIGQUIT, 130),
        (signal.SIGHUP, 130),
    ],
)
def test_the_terminal_is_left_as_it_was(tmp_path, archive, play: Play, how, code):
    card_with(tmp_path / "card", archive, {FLIGHT: telemetry(4)}, 4)
    played = play(tmp_path / "card", "--speed", 8 if how == "end" else 0.1, terminal=True)
    played.shows(r" of \+0:04")
    assert not termios.tcgetattr(played.near)[3] & (termios.ICANON | termios.ECHO)
    if how == "q":
        played.press(b"q")
    elif how != "end":
        played.process.send_signal(how)
    assert played.ended() == code
    assert termios.tcgetattr(played.near) == played.before
    played.shows("played:")


def test_a_stopped_program_gives_the_terminal_back_and_takes_it_again(tmp_path, archive, play: Play):
    card_with(tmp_path / "card", archive, {FLIGHT: telemetry(4)}, 4)
    played = play(tmp_path / "card", "--speed", "0.1", terminal=True)
    played.shows(r" of \+0:04")
    played.process.send_signal(signal.SIGTSTP)
    os.waitpid(played.process.pid, os.WUNTRACED)
    assert termios.tcgetattr(played.near) == played.before
    at = len(played.output)
    played.process.send_signal(signal.SIGCONT)
    played.shows(r" of \+0:04", at)
    assert not termios.tcgetattr(played.near)[3] & termios.ICANON
    played.press(b"q")
    assert played.ended() == 0


def test_pictures_that_cannot_be_read_are_played_all_the_same(tmp_path, archive, monkeypatch, capsys):
    """The program that looks for key pictures reads what a camera sent: that it fails ends nothing."""
    video = pictures(4)
    card_with(tmp_path / "card", archive, {VIDEO_A: video}, 4)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    monkeypatch.setattr(originals, "started", lambda _name: subprocess.Popen(["false"], **pipes))
    (session,), key = opened.sessions(tmp_path / "card"), OfKey(RecordingFolder.open(archive))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as player:
        player.bind(("127.0.0.1", 0))
        player.setblocking(False)
        outlets = Outlets({Port.VIDEO_A: f"udpout:127.0.0.1:{player.getsockname()[1]}"})
        Player(session, key, [Group.VIDEO_A], outlets, Keyboard(None), 100.0).run(3 * 10**9, 1 << 63)
        outlets.close()
        assert drain(player) == [content for at, _, content in video if at >= 3 * 10**9]
    assert "video-a begins without a key picture: the program that looks for key pictures ended" in capsys.readouterr().out
