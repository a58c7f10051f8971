"""`zegel doctor` on real machines: one that is well, and one on which real things are wrong, each named with its cure."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from pymavlink.dialects.v20 import common as dialect

from gateway.demo.stage import HOST, Program, free_port
from tests.system.house import House, zegel
from tests.system.namespaces import Cable, two_hosts
from tests.system.users import as_user
from tests.unit.gateway.board.test_cures import HARMS

CLIP = Path(__file__).parents[2] / "gateway/demo/data/clip.h264"
TOLD_S = 1.2  # a role tells its status twice a second
GIVEN_UP_AFTER_S = 60  # it promises ten or so; a stuck one must not hold up the tests
SMALL_BUFFER_KIB = 100  # less than any Linux gives
TOO_LARGE, FITS = 1472, 1200  # pkt_size of ffmpeg
HOUR_S = 3600
SHORT_HOURS = 0.001
TIMES = 100  # the clip lasts 10 s
PILOT = 4713  # a user without a name
FC = dialect.MAVLink(None, srcSystem=1, srcComponent=1)


def heartbeat_frame() -> bytes:
    """A copter under ArduPilot, disarmed."""
    return bytes(FC.heartbeat_encode(dialect.MAV_TYPE_QUADROTOR, dialect.MAV_AUTOPILOT_ARDUPILOTMEGA, 81, 0, 3).pack(FC))


def doctor(*words: object, within: Sequence[str] = ()) -> tuple[int, list[dict[str, str]]]:
    """(exit code, findings)."""
    command = [*within, sys.executable, "-m", "gateway.cli", "doctor", *map(str, words), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=GIVEN_UP_AFTER_S, check=False)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def to_do(findings: list[dict[str, str]]) -> str:
    """One line each: what, what is wrong, what to do. Another test's flight on this computer makes no difference."""
    found = [(f, f["cure"].removeprefix("after the flight: ")) for f in findings if f["state"] == "do this"]
    return "\n".join(f"{f['what']}: {f['text']} -> {cure}" for f, cure in found)


def says(findings: list[dict[str, str]], what: str) -> str:
    return "\n".join(f"{f['state']}: {f['text']}" for f in findings if f["what"] == what)


def configure(path: Path, **keys: object) -> Path:
    lines = {"buffer_kib": SMALL_BUFFER_KIB, **keys}
    path.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in lines.items()))
    return path


@pytest.fixture
def kept():
    """A folder on a disk that outlives the power, which the temporary one may not be on."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        yield Path(folder)


@contextlib.contextmanager
def camera(port: int, size: int, within: Sequence[str] = ()):
    """A real encoder's packets: ffmpeg sends the clip as RTP."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("needs ffmpeg: apt install ffmpeg")
    source = ("-re", "-i", "concat:" + "|".join([str(CLIP)] * TIMES), "-c", "copy")  # it cannot be rewound
    words = ("ffmpeg", "-loglevel", "error", *source, "-f", "rtp", f"rtp://{HOST}:{port}?pkt_size={size}")
    with subprocess.Popen([*within, *words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.kill()


@contextlib.contextmanager
def flight_controller(port: int, within: Sequence[str] = ()):
    """Another process that sends a heartbeat ten times a second."""
    code = (
        "import socket, sys, time\nmade = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "while True:\n    made.sendto(bytes.fromhex(sys.argv[2]), ('127.0.0.1', int(sys.argv[1])))\n    time.sleep(0.1)"
    )
    with subprocess.Popen([*within, sys.executable, "-c", code, str(port), heartbeat_frame().hex()]) as process:
        try:
            yield
        finally:
            process.kill()


def test_a_machine_that_is_well_needs_no_hand(kept, figure):
    house = House(kept)
    fc, video, far = free_port(), free_port(), free_port()
    config = configure(
        kept / "air.toml",
        device=str(kept / "drone-7"),
        fc=f"udpin:{HOST}:{fc}",
        video=[f"udpin:{HOST}:{video}"],
        link=[f"udpout:{HOST}:{far}"],
    )
    with flight_controller(fc), camera(video, FITS):
        began = time.monotonic()
        code, findings = doctor("air", "--config", config)
    assert (code, to_do(findings)) == (0, "")
    figure(f"zegel doctor, all looks: {time.monotonic() - began:.1f} s")
    assert "heartbeat of vehicle 1/1, disarmed" in says(findings, "flight controller")
    assert "RTP (payload type 96)" in says(findings, "camera")
    assert "'Night Watch', number 1: until" in says(findings, "order")
    assert "datagrams of 1472 pass whole" in says(findings, "link")
    assert not [f for f in findings if "this check failed" in f["text"]]
    assert house.order.exists()


def short_order(house: House) -> float:
    """Load an order of a few seconds; when it has ended, in Unix seconds."""
    path = house.folder / "short.order"
    words = ("--device", house.folder / "drone-7.crt", "--station", f"{house.folder}/pilot/station.pub:telemetry")
    zegel("order", "issue", house.folder / "agency", "--operation", "Short", *words, "--hours", SHORT_HOURS, "-o", path)
    zegel("device", "load-order", house.folder / "drone-7", path)
    return time.time() + SHORT_HOURS * HOUR_S + 1


HOLD_PORT = (
    "import os, sys, time; os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY); print('held', flush=True); time.sleep(600)"
)
FULL_CARD = """
mount -t tmpfs -o size=256k,mode=700 zegel "$1" && cp -a "$2/." "$1" || exit
dd if=/dev/zero of="$1/log" bs=4k status=none 2>/dev/null
shift 2
exec "$@"
"""


@pytest.fixture
def lonely():
    """A computer with a cable of 1,000 bytes to a second one, and no other way out."""
    with two_hosts() as (here, there):
        cable = Cable("radio", 7, (here, there))
        here.ip("link", "set", "radio", "mtu", "1000")
        yield here, cable


def test_a_machine_with_seven_things_wrong_hears_of_all_and_of_their_cures(kept, lonely):
    here, cable = lonely
    house = House(kept)
    ended = short_order(house)
    card = kept / "card"
    card.mkdir()
    master, slave = os.openpty()
    device = os.ttyname(slave)
    os.close(slave)
    near = f"udpout:{cable.addresses[1]}:14600"
    config = configure(
        kept / "air.toml",
        device=str(card),
        fc=f"serial:{device}:57600",
        video=[f"udpin:{HOST}:5602", f"udpin:{HOST}:5604"],
        link=[near, "udpout:192.0.2.9:14600"],
    )
    holder = subprocess.Popen([*here.within, sys.executable, "-c", HOLD_PORT, device], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        with camera(5602, TOO_LARGE, here.within):
            time.sleep(max(0.0, ended - time.time()))
            full = ("unshare", "--mount", "sh", "-c", FULL_CARD, "sh", str(card), str(kept / "drone-7"))
            code, findings = doctor("--config", config, within=[*here.within, *full])
    finally:
        holder.kill()
        holder.communicate()
        os.close(master)
    todo = to_do(findings)
    print(todo)
    assert code == 9
    # 1: another program has the flight controller's port.
    assert f"serial port: serial:{device}:57600 is in use by python" in todo
    assert f"of user {getpass.getuser()} (process " in todo
    assert f"-> name another port than {device} in air.toml; or stop that program yourself if it is not needed" in todo
    # 2: the encoder's packets are too large.
    assert f"RTP (payload type 96) comes to udpin:{HOST}:5602" in todo
    assert f"pkt_size=1200 (ffmpeg -f rtp 'rtp://{HOST}:5602?pkt_size=1200')" in todo
    # 3: the second camera is not there.
    assert f"camera: no video comes to udpin:{HOST}:5604" in todo
    # 4: a cable that sealed datagrams do not pass whole.
    assert f"link: {near} leaves by radio, MTU 1000: sealed datagrams of 1472 need 1500" in todo
    assert "if what is behind it carries 1260: sudo ip link set radio mtu 1260, and mtu = 1232 in" in todo
    # 5: no way to the other station.
    assert "link: udpout:192.0.2.9:14600: no route to 192.0.2.9" in todo
    assert "ip route get 192.0.2.9" in todo
    # 6: the card is full, and in memory only.
    assert f"writing: {card} cannot be written: no space left on device -> make room" in todo
    assert f"disk: {card} is on tmpfs" in todo
    # 7: the order has ended.
    assert "order: 'Short', number 2: ended at" in todo
    assert f"-> load a newer one: zegel device load-order {card} op.order" in todo
    assert not [f for f in findings if "this check failed" in f["text"]]


def test_while_zegel_flies_it_is_asked_and_nothing_is_taken_from_it(house, fly):
    flight = fly()
    flight.wait_open()
    config = configure(
        house.folder / "air.toml",
        device=str(house.folder / "drone-7"),
        fc=flight.fc,
        video=[f"udpin:{HOST}:{flight.camera_port}"],
        link=[f"udpout:{HOST}:{flight.radio.port}"],
    )
    frame = heartbeat_frame()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as fc:
        flight.step_more = lambda: fc.sendto(frame, (HOST, flight.fc_port))
        flight.run(TOLD_S)
        command = [sys.executable, "-m", "gateway.cli", "doctor", "air", "--config", str(config), "--json"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as asked:
            came = len(flight.stations["pilot"].frames)
            flight.until(lambda: asked.poll() is not None)
            findings = json.loads(asked.stdout.read())
    assert len(flight.stations["pilot"].frames) > came
    assert f"process {flight.air.process.pid}" in says(findings, "running")
    assert f"zegel air has {flight.fc}: connected" in says(findings, "flight controller")
    assert "in use by a running zegel air" in says(findings, "order")
    assert "'Night Watch'" in says(findings, "order")


@pytest.fixture
def pilots_roles(house, tmp_path):
    """`zegel air` and `zegel ground` of another user, started by hand on this computer, and the ports that they have."""
    link, camera = free_port(), free_port()
    master, slave = os.openpty()
    device, run = os.ttyname(slave), tmp_path / "pilots"
    run.mkdir(mode=0o700)
    for path in (house.folder / "pilot", house.folder / "drone-7", run, device):
        subprocess.run(["chown", "-R", f"{PILOT}:{PILOT}", path], check=True)
    within = (*as_user(PILOT), "env", f"XDG_RUNTIME_DIR={run}")
    ground = ("ground", "--station", str(house.folder / "pilot"), "--order", str(house.order))
    air = ("air", "--device", str(house.folder / "drone-7"), "--fc", f"serial:{device}:57600")
    programs = [
        Program((*ground, "--link", f"udpin:{HOST}:{link}", "--gcs", f"udpout:{HOST}:9"), tmp_path, "ground", within),
        Program((*air, "--video", f"udpin:{HOST}:{camera}", "--link", f"udpout:{HOST}:{link}"), tmp_path, "air", within),
    ]
    try:
        until = time.monotonic() + GIVEN_UP_AFTER_S
        while ": open" not in programs[0].output():
            os.write(master, heartbeat_frame())
            assert time.monotonic() < until, [program.output() for program in programs]
            time.sleep(0.1)
        time.sleep(TOLD_S)
        os.close(slave)  # the aircraft alone has the line
        yield programs, device, link, camera
    finally:
        for program in programs:
            program.end()
        os.close(master)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root sees what other users' processes have open")
def test_a_pilots_own_roles_are_in_order_and_nothing_ends_them(house, kept, pilots_roles):
    (ground, air), device, link, camera = pilots_roles
    at_station = configure(
        kept / "ground.toml", station=str(kept / "none"), order=str(house.order), link=[f"udpin:0.0.0.0:{link}"]
    )
    aboard = configure(
        kept / "air.toml",
        device=str(kept / "none"),
        fc=f"serial:{device}:921600",
        video=[f"udpin:{HOST}:{camera}"],
        link=[f"udpout:{HOST}:9"],
    )
    (_, near), (_, there) = doctor("ground", "--config", at_station), doctor("air", "--config", aboard)
    who = f"of user {PILOT} (process"
    assert f"ok: zegel ground pilot {who} {ground.process.pid}) has udpin:0.0.0.0:{link}: connected, " in says(near, "link")
    flies = f"zegel air drone-7 {who} {air.process.pid}) has"
    for what in ("serial port", "flight controller"):
        assert f"ok: {flies} serial:{device}:921600: connected, " in says(there, what)
    assert f"ok: {flies} udpin:{HOST}:{camera}: " in says(there, "camera")
    for finding in (*near, *there):
        assert not HARMS.search(finding["cure"]) or finding["cure"].startswith("after the flight: "), finding
    assert ground.running
    assert air.running


def test_another_flight_on_the_same_computer_is_not_taken_for_this_one(house, fly):
    flight = fly()
    flight.wait_open()
    config = configure(
        house.folder / "other.toml", device=str(house.folder / "none"), link=["udpout:127.0.0.1:9"], video=[]
    )
    _, findings = doctor("air", "--config", config)
    assert not says(findings, "running")


def test_a_station_hears_what_is_wrong_at_a_station(house):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((HOST, 0))
        port = taken.getsockname()[1]
        config = configure(
            house.folder / "ground.toml",
            station=str(house.folder / "visitor"),
            order=str(house.order),
            link=[f"udpin:{HOST}:{port}"],
        )
        code, findings = doctor("--config", config)
    todo = to_do(findings)
    assert code == 9
    assert "order: the order does not list this station, 'visitor'" in todo
    assert f"link: udpin:{HOST}:{port} is in use by " in todo


def test_a_wrong_configuration_is_a_line_and_the_board_is_looked_at_all_the_same(tmp_path):
    path = tmp_path / "air.toml"
    path.write_text('device = "d"\nlink = ["udpout:192.0.2.1:14600"]\nbaud = 57600\n')
    code, findings = doctor("air", "--config", path)
    assert code == 9
    assert "has the key baud, which does not exist -> the keys are link" in to_do(findings)
    assert says(findings, "kernel")


def test_people_see_lines_with_the_cure_beneath_and_what_is_waited_for(tmp_path):
    config = configure(tmp_path / "air.toml", device=str(tmp_path / "none"), link=["udpout:127.0.0.1:9"], video=[])
    command = [sys.executable, "-m", "gateway.cli", "doctor", "air", "--config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=GIVEN_UP_AFTER_S, check=False)
    assert f"do this      folder: {tmp_path}/none does not exist\n" in done.stdout
    assert f"    zegel device init {tmp_path}/none --name NAME\n" in done.stdout
    assert "listening" in done.stderr
    assert "zegel: " in done.stderr.splitlines()[-2]
    assert done.returncode == 9
