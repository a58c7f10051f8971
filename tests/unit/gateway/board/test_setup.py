from __future__ import annotations

import os
import pty
import shlex
import subprocess
import sys
from importlib.metadata import entry_points

import pytest

from gateway import cli, config
from gateway.board import wiring
from gateway.config import AirConfig, GroundConfig
from keys.commands.account import Account
from tests.system.users import as_user
from tests.unit.keys.disk import only_root

SERVICE = Account("zegel", 4711, 4711)
LINK = ("--link", "udpout:10.1.1.2:14600")


def setup(path, role: str, *words: str) -> int:
    return cli.main(["setup", role, "--config", str(path), "--yes", *words])


def test_what_it_writes_is_what_air_reads(tmp_path, capsys):
    path = tmp_path / "air.toml"
    words = ("--device", str(tmp_path / "d"), "--fc", "/dev/ttyACM0,115200", "--video", "none", *LINK, "--autopilot", "px4")
    assert setup(path, "air", *words) == 0
    found = config.load_file(AirConfig, path)
    assert (found.fc, found.video, found.link) == ("/dev/ttyACM0,115200", (), ("udpout:10.1.1.2:14600",))
    # `zegel air` reads it too, and misses only the folder that it names.
    assert cli.main(["air", "--config", str(path)]) == 1
    assert f"{tmp_path}/d does not exist" in capsys.readouterr().err


def test_what_it_writes_is_what_ground_and_the_doctor_read(tmp_path, capsys):
    path = tmp_path / "ground.toml"
    assert setup(path, "ground", "--station", str(tmp_path / "s"), "--order", "op.order", "--video", "none") == 0
    assert config.load_file(GroundConfig, path).gcs == ("udpout:127.0.0.1:14550",)
    told = capsys.readouterr().out
    for name in ("QGroundControl", "Mission Planner", "mavproxy.py --master=udpin:127.0.0.1:14550"):
        assert name in told
    assert cli.main(["ground", "--config", str(path)]) == 1
    capsys.readouterr()
    cli.main(["doctor", "--config", str(path)])
    assert f"configuration: {path} is good, for zegel ground" in capsys.readouterr().out.replace("\n", " ")


@pytest.mark.parametrize(
    ("fc", "autopilot", "words"),
    [
        ("/dev/ttyAMA0,921600", "ardupilot", ["pin 8 ", "SERIAL2_BAUD = 921 ", "BRD_SER2_RTSCTS = 0", "SYSID_THISMAV"]),
        ("/dev/ttyAMA0,57600", "px4", ["pin 10 ", "MAV_1_MODE = Onboard Low Bandwidth", "SER_TEL2_BAUD = 57600 8N1"]),
        ("/dev/ttyACM0,115200", "ardupilot", ["USB cable", "SERIAL0_PROTOCOL = 2"]),
        (
            "msp+serial:/dev/ttyAMA0:115200",
            "betaflight",
            ["pin 8 ", "RX of a free UART", 'fc = "msp+serial:/dev/ttyAMA0:115200"'],
        ),
        ("/dev/ttyACM0", "inav", ["USB cable", "(iNav)", 'fc = "msp+serial:/dev/ttyACM0:115200"', "renumber = true"]),
        ("udpin:0.0.0.0:14560", "px4", ["MAV_2_CONFIG = Ethernet"]),
    ],
)
def test_wires_and_parameters_are_those_of_the_flight_controller(tmp_path, capsys, fc, autopilot, words):
    assert setup(tmp_path / "air.toml", "air", "--fc", fc, "--autopilot", autopilot, *LINK) == 0
    told = capsys.readouterr().out
    for word in (*words, "zegel device init", "zegel order issue", "zegel doctor air"):
        assert word in told


@pytest.mark.parametrize("role", ["air", "ground"])
def test_each_line_that_it_says_to_type_is_a_command(tmp_path, capsys, role):
    """For a service, with sudo, and for a person's own folder."""
    words = ("--fc", "udpin:127.0.0.1:14560", *LINK) if role == "air" else ()
    assert setup(tmp_path / f"{role}.toml", role, *words) == 0
    known = {command.name: command for command in entry_points(group=cli.GROUP)}
    typed = [line.strip().removeprefix("agency: ") for line in capsys.readouterr().out.replace("\\\n", "").splitlines()]
    lines = [line.partition(" > ")[0] for line in typed if line.startswith("zegel ")]
    assert len(lines) >= 5
    for line in lines:
        given = shlex.split(line)[1:]
        assert callable(cli._parser(known, given).parse_args(given).run), line


def test_a_service_is_told_to_use_sudo_alone():
    values = {"device": "/var/lib/zegel/air", "station": "/var/lib/zegel/ground", "order": "/var/lib/zegel/op.order"}
    told = wiring.keys_aboard(values, SERVICE) + wiring.keys_at_station(values, SERVICE)
    assert "sudo zegel device request /var/lib/zegel/air > drone-7.csr" in told
    assert "sudo install -o zegel -m 600 op.order /var/lib/zegel/op.order" in told
    assert "-u zegel" not in told


def test_a_file_that_is_there_stays_as_it_is_and_its_answers_are_the_defaults(tmp_path, capsys):
    path, written = tmp_path / "air.toml", tmp_path / "air.d/50-setup.toml"
    before = 'device = "/keys"\nlink = ["udpout:10.9.9.9:14600"]\nmtu = 1400\n'
    path.write_text(before)
    assert setup(path, "air", "--fc", "udpin:127.0.0.1:14560") == 0
    assert f"wrote {written}" in capsys.readouterr().out
    assert path.read_text() == before
    assert "mtu" not in written.read_text(), "what it did not ask for is not its own"
    found = config.load_file(AirConfig, path)
    assert (found.device, found.link, found.mtu) == ("/keys", ("udpout:10.9.9.9:14600",), 1400)


def test_its_own_file_is_kept_with_what_a_person_wrote_into_it(tmp_path, capsys):
    path, written = tmp_path / "air.toml", tmp_path / "air.d/50-setup.toml"
    assert setup(path, "air", *LINK) == 0
    first = written.read_text()
    written.write_text(first + 'plain_users = ["root"]\n')
    assert setup(path, "air", "--fc", "udpin:127.0.0.1:14560") == 0
    assert f"{written} existed already: it is now {written}.old" in capsys.readouterr().out
    assert (tmp_path / "air.d/50-setup.toml.old").read_text() == first + 'plain_users = ["root"]\n'
    found = config.load_file(AirConfig, path)
    assert (found.fc, found.plain_users, found.link) == ("udpin:127.0.0.1:14560", ("root",), (LINK[1],))
    assert setup(path, "air") == 0
    assert f"{written} has these values already" in capsys.readouterr().out


def test_a_later_file_that_counts_more_is_told(tmp_path, capsys):
    path, later = tmp_path / "air.toml", tmp_path / "air.d/60-mine.toml"
    later.parent.mkdir()
    later.write_text('fc = "udpin:127.0.0.1:14570"\n')
    assert setup(path, "air", "--fc", "udpin:127.0.0.1:14560", *LINK) == 0
    assert f"note: {later} sets fc too, and overrides it" in capsys.readouterr().out


def test_a_configuration_that_cannot_be_read_is_said_before_anything_is_asked(tmp_path, capsys):
    path = tmp_path / "air.toml"
    path.write_text("=\n")
    assert setup(path, "air", *LINK) == 2
    assert "is not TOML" in capsys.readouterr().err
    assert not (tmp_path / "air.d").exists()


@only_root
@pytest.mark.parametrize("there", ["zegel", "zegel/air.d"])
def test_a_user_that_may_not_write_is_told_before_anything_is_asked(tmp_path, there):
    """By a process of another user: its answers would be lost."""
    for folder in (tmp_path / "zegel", tmp_path / there):
        folder.mkdir(exist_ok=True)
    tmp_path.chmod(0o755)
    words = [sys.executable, "-m", "gateway.cli", "setup", "air", "--config", str(tmp_path / "zegel/air.toml")]
    done = subprocess.run([*as_user(4712), *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "cannot be written: permission denied\n  hint: sudo zegel setup air, or for a file of your own" in done.stderr


def test_a_mistake_writes_nothing(tmp_path, capsys):
    path = tmp_path / "air.toml"
    assert setup(path, "air", "--fc", "/dev/ttyACM0,fast", *LINK) == 2
    assert setup(path, "air", "--order", "op.order", *LINK) == 2
    assert "--order is not for zegel air" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_somebody_at_a_terminal_is_asked_five_questions_and_a_wrong_answer_again(tmp_path):
    path = tmp_path / "air.toml"
    command = [sys.executable, "-m", "gateway.cli", "setup", "air", "--config", str(path)]
    master, slave = pty.openpty()
    with subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave) as process:
        os.close(slave)
        typed = [str(tmp_path / "d"), "udp:127.0.0.1:14560", "udpin:127.0.0.1:14560", "none", LINK[1], "px4"]
        os.write(master, "".join(f"{line}\n" for line in typed).encode())
        shown = b""
        try:
            while piece := os.read(master, 4096):
                shown += piece
        except OSError:  # Linux: the other side has closed
            pass
    os.close(master)
    assert process.returncode == 0, shown
    assert b"does not say whether to listen or to send" in shown
    found = config.load_file(AirConfig, path)
    assert (found.fc, found.video, found.link) == ("udpin:127.0.0.1:14560", (), (LINK[1],))


@pytest.mark.parametrize(
    ("words", "way", "seen_by"),
    [
        (("--video", "rpicam"), "run", ""),
        (("--video", "rtmp", "--seen-by", "dji"), "rtmp", "dji"),
        (("--video", "rtsp://192.168.1.10/live", "--seen-by", "none"), "rtsp", ""),
    ],
)
def test_a_source_that_is_named_for_a_camera_becomes_a_table(tmp_path, capsys, words, way, seen_by):
    path = tmp_path / "air.toml"
    assert setup(path, "air", "--video", "udpin:127.0.0.1:5700", *words, *LINK) == 0
    found = config.load_file(AirConfig, path)
    assert [(each.way, each.lane, each.seen_by) for each in found.source] == [(way, "b", seen_by)]
    assert found.video == ("udpin:127.0.0.1:5700", "udpin:127.0.0.1:5606")
    assert "zegel source --config" in capsys.readouterr().out
    assert setup(path, "air", *LINK) == 0, "a later setup keeps it"
    assert config.load_file(AirConfig, path) == found


def test_it_is_asked_who_else_has_the_picture_of_a_source(tmp_path, capsys, monkeypatch):
    path, typed = tmp_path / "air.toml", iter(["Nobody Else", "autel"])
    monkeypatch.setattr("builtins.input", lambda text: next(typed) if "who else" in text else "")
    words = ("--device", "d", "--fc", "udpin:127.0.0.1:14560", "--video", "rtmp", "--autopilot", "px4", *LINK)
    assert cli.main(["setup", "air", "--config", str(path), *words]) == 0
    assert config.load_file(AirConfig, path).source[0].seen_by == "autel"
    assert "names no one" in capsys.readouterr().out


def test_no_source_is_written_without_a_word_about_who_else_has_its_picture(tmp_path, capsys):
    path = tmp_path / "air.toml"
    assert setup(path, "air", "--video", "rtmp", *LINK) == 2
    assert "who else has the picture" in capsys.readouterr().err
    assert setup(path, "air", "--seen-by", "dji", *LINK) == 2
    assert not list(tmp_path.iterdir())
