from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.board import live
from gateway.board.live import Live, role_of
from gateway.endpoints.address import parse
from gateway.report.role_status import Use
from tests.unit.gateway.report.statuses import end, ground

MANY = 1_000


@pytest.mark.parametrize(
    ("words", "role"),
    [
        (["zegel", "air", "--device", "d"], "air"),
        (["/opt/zegel/bin/python3", "/usr/local/bin/zegel", "ground"], "ground"),
        (["/usr/bin/python3.11", "-m", "gateway.cli", "air"], "air"),
        (["python3", "-I", "-m", "gateway.cli", "ground"], "ground"),
        (["python3", "-m", "pytest", "gateway.cli", "air"], ""),
        (["zegel", "doctor", "air"], ""),
        (["zegel"], ""),
        (["sudo", "zegel", "air"], ""),
        (["vim", "zegel", "air"], ""),
        ([""], ""),
        (["python3"], ""),
    ],
)
def test_a_role_is_known_by_its_command_line(words, role):
    assert role_of(b"\0".join(map(str.encode, words)) + b"\0") == role


def test_a_command_line_of_any_bytes_is_no_role():
    rubbish = [os.urandom(size) for size in range(MANY)]
    assert {role_of(line) for line in rubbish} == {""}


@pytest.mark.skipif(sys.platform != "linux", reason="by the table of processes")
def test_a_role_that_publishes_nothing_is_found_all_the_same(tmp_path):
    (tmp_path / "zegel").write_text("import time\nprint(flush=True)\ntime.sleep(600)\n")
    with subprocess.Popen([sys.executable, tmp_path / "zegel", "ground"], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        (found,) = (role for role in live.roles() if role.pid == process.pid)
        process.kill()
    assert (found.role, found.status) == ("ground", None)
    assert str(found).endswith(f"(process {process.pid})")
    assert found.traffic(parse("udpin:0.0.0.0:14600")) == ""


def test_only_a_socket_of_the_process_own_user_is_believed(tmp_path, monkeypatch):
    (tmp_path / "7").mkdir()
    (tmp_path / "7/environ").write_bytes(b"XDG_RUNTIME_DIR=" + bytes(tmp_path) + b"\0no variable\0")
    monkeypatch.setattr(live, "PROC", tmp_path)
    (tmp_path / "zegel").mkdir()
    (tmp_path / "zegel/air-x.7").symlink_to("/run/another.sock")
    (tmp_path / "zegel/air-y.7").write_text("no socket")
    assert list(live._sockets(7, "air", os.geteuid())) == []


HOSTILE = {
    "a name that is too long for a socket": (b"x" * 100, "bound(b'ground-x')"),
    "a name that is not UTF-8": (b"\xff", "bound(b'ground-x')"),
    "more sockets than ZeroMQ opens": (b"x", "for n in range(2000): bound(b'ground-%d' % n).close()"),
}


@pytest.mark.skipif(sys.platform != "linux", reason="by the table of processes")
@pytest.mark.parametrize("case", HOSTILE)
def test_no_socket_of_another_process_stops_the_search(tmp_path, case):
    """`sudo zegel doctor` looks at processes of all users, and any of them can call itself zegel."""
    name, script = HOSTILE[case]
    folder = bytes(tmp_path) + b"/" + name
    Path(os.fsdecode(folder), "zegel").mkdir(parents=True)
    (tmp_path / "zegel").write_text(
        "import os, socket, time\n"
        "def bound(name):\n"
        "    made = socket.socket(socket.AF_UNIX)\n"
        "    made.bind(name + b'.%d' % os.getpid())\n"
        "    return made\n"
        f"os.chdir(os.environb[b'XDG_RUNTIME_DIR'] + b'/zegel')\n{script}\nprint(flush=True)\ntime.sleep(600)\n"
    )
    environment = {**os.environb, b"XDG_RUNTIME_DIR": folder}
    command = [sys.executable, tmp_path / "zegel", "ground"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        process.stdout.readline()
        try:
            assert [role.status for role in live.roles() if role.pid == process.pid] == [None]
        finally:
            process.kill()


DIGITS = "1" * 5000


@pytest.mark.parametrize("text", [f"udpin:0.0.0.0:{DIGITS}", f"serial:/dev/x:{DIGITS}", "serial:/a\0b", "serial:{}"])
def test_no_endpoint_of_another_process_stops_the_search(tmp_path, text):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    ends = [end(Use.LINK, endpoint=text.format(tmp_path / "loop"))]
    assert Live(5, "ground", "mallory", ground(endpoints=ends)).traffic(parse("udpin:0.0.0.0:14600")) == ""


def test_a_long_name_does_not_fill_the_terminal():
    assert len(str(Live(5, "ground", "mallory", ground(name="x" * 100_000)))) < 200


def test_traffic_is_that_of_the_same_port_device_or_address():
    ends = [end(Use.LINK, endpoint="udpin:127.0.0.1:14600"), end(Use.GCS, endpoint="tcp:10.0.0.1:5760", rx_per_s=1.0)]
    role = Live(5, "ground", "alex", ground(endpoints=ends))
    assert str(role) == "zegel ground pilot of user alex (process 5)"
    assert role.traffic(parse("udpin:0.0.0.0:14600")) == "connected, 9 datagrams/s, 0 kbit/s"
    assert role.traffic(parse("tcp:10.0.0.1:5760")).startswith("connected, 1 ")
    assert not role.traffic(parse("tcp:10.0.0.2:5760"))
    assert not role.traffic(parse("udpin:0.0.0.0:14601"))
    assert Path(live.PROC) == Path("/proc")
