"""`zegel source` between real cameras and `zegel air`: what was pulled comes back, and costs only that time."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.demo.stage import HOST, Program, free_port, port_of, run_until
from gateway.sources import tables
from gateway.sources.feeder import FOLDER, NAME
from tests.system import camera
from tests.system.endurance import FC_BAUD, SerialFc
from tests.system.house import Flight, House, zegel
from tests.system.source_stage import ROOT, Player, Stage, command_lines, of_source, prepared, staged, table
from tests.system.users import socket_of

CAMERA = (sys.executable, "-m", "tests.system.camera")
FEWEST, AWAY_S = 20, 2.0
MBIT_4 = 4_000_000 // 8 // camera.PER_S  # bytes of a picture
ROGUE = 4712
FEEDER = '[vendor.psdk]\nrun = ["/opt/psdk"]\n'
SENDS_RTP = """
import socket, sys, time
made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True:
    made.sendto(bytes(50), ("127.0.0.1", int(sys.argv[1])))
    time.sleep(0.03)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    return prepared(tmp_path, monkeypatch)


class InTheAir:
    """A flight with a camera on lane A, a vendor's process on lane B, and a flight controller on USB."""

    def __init__(self, house: House, fly: Callable[..., Flight]) -> None:
        self.house = house
        self.device, self.feed_at = house.folder / "video0", house.folder / "run/zegel" / FOLDER / "psdk" / NAME
        self.device.touch()
        self.fc, lane_b = SerialFc(house.folder / "usb-fc"), free_port()
        self.front, self.vendor = self.players = Player(), Player()
        self.flight = fly(fc=f"serial:{self.fc.path}:{FC_BAUD}", more=("--video", f"udpin:{HOST}:{lane_b}"))
        self.flight.wait_open()
        self.pilot = self.flight.stations["pilot"]
        self.pilot.program.end()
        ends = ("--gcs", f"udpout:{HOST}:{port_of(self.pilot.gcs)}")
        video = [word for player in self.players for word in ("--video", f"udpout:{HOST}:{player.port}")]
        self.pilot.program = Program((*self.pilot._words, *ends, *video), house.folder, "ground-pilot")
        run = [*CAMERA, str(self.device)]
        text = table("front", "a", run=run, gives="h264") + table("psdk", "b", socket="psdk", gives="h264")
        self.stage = staged(house.folder, text + FEEDER, (self.flight.camera_port, lane_b))
        self.flight.step_more = self._step
        self._feeder: subprocess.Popen[bytes] | None = None

    def _step(self) -> None:
        self.fc.step()
        for player in self.players:
            player.take()

    def feed(self) -> None:
        """Start the vendor's process."""
        self._feeder = subprocess.Popen([*CAMERA, str(self.house.folder), str(self.feed_at)], cwd=ROOT)

    def kill_feeder(self) -> None:
        assert self._feeder
        self._feeder.kill()
        self._feeder.wait()

    def signal_child(self, number: signal.Signals) -> None:
        (child,) = [pid for pid in of_source(self.house.folder) if self._feeder and pid != self._feeder.pid]
        os.kill(child, number)

    def come(self, player: Player, more: int = FEWEST) -> None:
        before = len(player.numbers)
        assert self.flight.until(lambda: len(player.numbers) >= before + more), self.flight.logs()

    def back(self, what: str, player: Player) -> None:
        """It is there again: pictures come, and go on."""
        at, before = time.monotonic(), player.numbers[-1]
        assert self.flight.until(lambda: player.numbers[-1] > before + 2), self.flight.logs()
        first = player.times[player.numbers.index(player.gaps()[-1][1])]
        print(f"{what}: pictures {first - at:.2f} s after it was back")
        self.come(player)


def test_what_is_pulled_and_put_back_costs_only_the_time_it_was_away(house, fly, monkeypatch):
    """Show 5: a camera, the child that brings it, a vendor's process and the flight controller, in mid-stream."""
    monkeypatch.chdir(ROOT)
    air = InTheAir(house, fly)
    with air.stage as stage:
        assert air.flight.until(air.feed_at.exists), stage.program.output()
        air.feed()
        air.come(air.front)
        air.come(air.vendor)
        air.device.unlink()
        air.flight.run(AWAY_S)
        air.device.touch()
        air.back("camera", air.front)
        air.signal_child(signal.SIGKILL)
        air.flight.run(0.2)
        air.back("child, killed", air.front)
        air.signal_child(signal.SIGSTOP)
        air.flight.run(0.2)
        air.back("child, stopped", air.front)
        air.kill_feeder()
        air.flight.run(AWAY_S)
        air.feed()
        air.back("vendor's process", air.vendor)
        air.fc.unplug()
        air.flight.run(AWAY_S)
        air.fc.plug()
        at, before = time.monotonic(), len(air.pilot.frames)
        assert air.flight.until(lambda: len(air.pilot.frames) > before + FEWEST), air.flight.logs()
        print(f"flight controller: frames {time.monotonic() - at:.2f} s after it was back")
        said = stage.status()
        air.kill_feeder()
    air.fc.unplug()
    gaps = [air.front.gaps(), air.vendor.gaps()]
    print("missing, in seconds:", [[round((end - begin - 1) / camera.PER_S, 2) for begin, end in each] for each in gaps])
    assert [len(each) for each in gaps] == [3, 1], gaps
    assert (said["front"]["state"], said["psdk"]["state"], said["psdk"]["restarts"]) == ("bringing", "bringing", 1)
    assert int(str(said["front"]["restarts"])) >= 3


def test_each_source_goes_on_whatever_happens_to_another(folder):
    device = folder / "video0"
    device.touch()
    text = table("bad", "b", run=["/nonexistent"], gives="ts") + table(
        "front", "a", run=[*CAMERA, str(device)], gives="h264"
    )
    player = Player()
    with staged(folder, text, (player.port, free_port())) as stage:
        assert run_until(lambda: len(player.numbers) > FEWEST, player.take, [player.socket], 20), stage.program.output()
        # A status can be half a second old.
        assert run_until(lambda: stage.status()["front"]["state"] == "bringing", player.take, [player.socket], 20)
        said = stage.status()
        assert said["bad"]["last_error"] == "there is no program /nonexistent"
        assert said["front"]["damage"] == {}
        shown = zegel("status")
        assert "source air: 1 of 2 bring pictures" in shown
        assert "source bad brings no picture: there is no program /nonexistent" in shown
    assert player.gaps() == []


def test_that_no_zegel_air_takes_the_pictures_is_said(folder):
    device, port = folder / "video0", free_port()
    device.touch()
    with staged(folder, table("front", "a", run=[*CAMERA, str(device)], gives="h264"), (port, free_port())) as stage:
        assert run_until(lambda: any((folder / "run/zegel").glob("source-*")), lambda: None, [], 20), stage.program.output()
        assert run_until(lambda: "no zegel air takes the pictures" in zegel("status"), lambda: None, [], 20)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as air:
            air.bind((HOST, port))
            assert run_until(lambda: stage.status()["front"]["taken"] is True, lambda: None, [air], 20)


def test_a_second_program_of_a_vendor_and_a_wrong_record_are_turned_away(folder):
    text = table("psdk", "a", socket="psdk", gives="h264", seen_by="dji") + FEEDER
    player, at = Player(), folder / "run/zegel" / FOLDER / "psdk" / NAME
    device = folder / "usb"
    device.touch()
    with staged(folder, text, (player.port, free_port())) as stage:
        assert run_until(at.exists, player.take, [player.socket], 20), stage.program.output()
        feeder = subprocess.Popen([*CAMERA, str(device), str(at)], cwd=ROOT)
        assert run_until(lambda: len(player.numbers) > FEWEST, player.take, [player.socket], 20)
        second = subprocess.run([*CAMERA, str(device), str(at)], cwd=ROOT, capture_output=True, timeout=20, check=False)
        assert b"Broken pipe" in second.stderr or b"reset" in second.stderr
        before = len(player.numbers)
        assert run_until(lambda: len(player.numbers) > before + FEWEST, player.take, [player.socket], 20)
        device.unlink()
        assert feeder.wait(20) == 1
        assert player.gaps() == []


def test_rtp_of_a_command_comes_by_a_port_that_is_made_for_it(folder):
    text = table("front", "a", run=[sys.executable, "-c", SENDS_RTP, tables.PORT_WORD], gives="rtp")
    player = Player()
    with staged(folder, text, (player.port, free_port())) as stage:
        assert run_until(lambda: player.packets > FEWEST, player.take, [player.socket], 20), stage.program.output()
        assert stage.status()["front"]["state"] == "bringing"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_what_another_user_sends_to_that_port_is_no_picture(folder):
    """Its command writes down the port, and sends nothing itself."""
    note = folder / "port"
    script = f"import sys, time; open({str(note)!r}, 'w').write(sys.argv[1]); time.sleep(60)"
    text = table("front", "a", run=[sys.executable, "-c", script, tables.PORT_WORD], gives="rtp")
    player = Player()
    with staged(folder, text, (player.port, free_port())) as stage, socket_of(ROGUE) as rogue, socket_of(0) as own:
        assert run_until(lambda: note.exists() and note.read_text() != "", player.take, [player.socket], 20)
        port = int(note.read_text())
        for _ in range(FEWEST):
            rogue.sendto(b"rogue", (HOST, port))
            run_until(lambda: False, player.take, [player.socket], 0.05)
        said = stage.status()["front"]
        assert (player.packets, said["state"], said["damage"]) == (0, "starting", {"of_other_users": FEWEST})
        own.sendto(b"own", (HOST, port))
        assert run_until(lambda: player.packets == 1, player.take, [player.socket], 20)


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is missing: apt install ffmpeg")
def test_a_controller_pushes_by_rtmp(folder):
    port, player = free_port(), Player()
    text = table("box", "b", rtmp=f"{HOST}:{port}/live/front", seen_by="dji")
    film = ("-f", "lavfi", "-i", "testsrc=size=320x240:rate=30", "-c:v", "libx264", "-preset", "ultrafast", "-g", "15")
    words = ("ffmpeg", "-nostdin", "-loglevel", "error", "-re", *film, "-f", "flv", f"rtmp://{HOST}:{port}/live/front")
    with staged(folder, text, (free_port(), player.port)) as stage:
        assert run_until(lambda: "waits for a publisher" in stage.program.output(), player.take, [player.socket], 20)
        for _ in range(2):  # the second time as one that comes back
            before = player.packets
            with subprocess.Popen(words) as pushing:
                assert run_until(lambda at=before: player.packets > at + FEWEST, player.take, [player.socket], 20)
                said = stage.status()["box"]
                pushing.kill()
        assert (said["state"], said["seen_by"], said["damage"]) == ("bringing", "dji", {})
        assert int(str(said["pictures"])) >= FEWEST // 2


def test_what_a_start_that_was_killed_left_is_ended_by_the_next(folder):
    """Nothing reads what it sends, so no broken pipe ends it. A start of another test may be the next one."""
    text = table("front", "a", run=[sys.executable, "-c", f"{SENDS_RTP}# {folder}", tables.PORT_WORD], gives="rtp")
    player = Player()

    def children() -> list[int]:
        return [pid for pid, words in command_lines() if f"# {folder}" in words]

    first = Stage(folder, text, (player.port, free_port()))
    assert run_until(lambda: player.packets > FEWEST, player.take, [player.socket], 20), first.program.output()
    left = children()
    first.program.kill()
    assert children() == left
    with staged(folder, text, (player.port, free_port())) as stage:
        gone = run_until(lambda: not {*left} & {*children()}, player.take, [player.socket], 20)
        assert gone, stage.program.output()
        before = player.packets
        assert run_until(lambda: player.packets > before + FEWEST, player.take, [player.socket], 20)


FILM = ("-f", "lavfi", "-i", "testsrc=size=320x240:rate=30")
FFMPEG = ("ffmpeg", "-nostdin", "-loglevel", "error", "-re", *FILM, "-preset", "ultrafast", "-g", "15")
GST = ("gst-launch-1.0", "-q", "videotestsrc", "is-live=true", "!", "x264enc", "tune=zerolatency", "key-int-max=15", "!")
COMMANDS = {
    "ffmpeg, H.264": ((*FFMPEG, "-c:v", "libx264", "-f", "h264", "-"), "h264"),
    "ffmpeg, H.265": ((*FFMPEG, "-c:v", "libx265", "-x265-params", "log-level=none", "-f", "hevc", "-"), "h265"),
    "ffmpeg, MPEG-TS": ((*FFMPEG, "-c:v", "libx264", "-f", "mpegts", "-"), "ts"),
    "ffmpeg, RTP": ((*FFMPEG, "-c:v", "libx264", "-f", "rtp", f"rtp://{HOST}:{tables.PORT_WORD}?pkt_size=1200"), "rtp"),
    "GStreamer, H.264": ((*GST, "video/x-h264,stream-format=byte-stream", "!", "fdsink"), "h264"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_commands_that_people_have(folder, name):
    """Pictures that a decoder takes come out: ffmpeg as the player, of what is RTP."""
    words, gives = COMMANDS[name]
    if shutil.which(words[0]) is None or shutil.which("ffmpeg") is None:
        pytest.skip(f"{words[0]} or ffmpeg is missing: apt install ffmpeg gstreamer1.0-tools gstreamer1.0-plugins-ugly")
    port = free_port()
    with staged(folder, table("front", "a", run=list(words), gives=gives), (port, free_port())) as stage:
        sdp = ["v=0", f"o=- 0 0 IN IP4 {HOST}", "s=-", f"c=IN IP4 {HOST}", "t=0 0", f"m=video {port} RTP/AVP 96"]
        sdp.append(f"a=rtpmap:96 {'H265' if gives == 'h265' else 'H264'}/90000")
        (folder / "front.sdp").write_text("\n".join((*sdp, "")))
        given = f"udp://{HOST}:{port}" if gives == "ts" else str(folder / "front.sdp")
        play = ("ffmpeg", "-nostdin", "-loglevel", "error", "-protocol_whitelist", "file,udp,rtp", "-i", given)
        seen = subprocess.run(
            [*play, "-frames:v", "20", "-f", "framemd5", "-"], capture_output=True, timeout=60, check=True
        )
        assert len({line.split(b",")[-1] for line in seen.stdout.splitlines() if not line.startswith(b"#")}) > 1
        said = stage.status()["front"]
    assert (said["state"], said["restarts"], said["damage"]) == ("bringing", 0, {})


@pytest.mark.soak
@pytest.mark.alone
def test_the_cost_of_8_mbit_s(folder, figure, monkeypatch):
    """Two lanes of 4 Mbit/s: a command that gives Annex B, and a vendor's process."""
    device = folder / "video0"
    device.touch()
    players = front, vendor = Player(), Player()
    run = [*CAMERA, str(device)]
    text = table("front", "a", run=run, gives="h264") + table("psdk", "b", socket="psdk", gives="h264") + FEEDER
    monkeypatch.setenv("CAMERA_SIZE", str(MBIT_4))
    with staged(folder, text, (front.port, vendor.port)) as stage:
        at = folder / "run/zegel" / FOLDER / "psdk" / NAME
        assert run_until(at.exists, front.take, [front.socket], 20), stage.program.output()
        feeder = subprocess.Popen([*CAMERA, str(device), str(at)], cwd=ROOT)
        sockets = [player.socket for player in players]

        def step() -> None:
            for player in players:
                player.take()

        run_until(lambda: False, step, sockets, 3)
        began, spent = time.monotonic(), processor_s(stage.program.process.pid)
        run_until(lambda: False, step, sockets, 10)
        share = (processor_s(stage.program.process.pid) - spent) / (time.monotonic() - began)
        rate = sum(float(str(each["kbit"])) for each in stage.status().values()) / 1000
        figure(f"zegel source: {share:.1%} of a core at {rate:.1f} Mbit/s, {stage.program.resident_mb():.0f} MB")
        feeder.kill()
        feeder.wait()
    assert front.gaps() == []


def processor_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
