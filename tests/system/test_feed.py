from __future__ import annotations

import json
import re
import resource
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.demo.stage import HOST, free_port
from gateway.report import runtime_folder
from tests.system.house import zegel
from tests.system.test_air import heartbeat

ROOT = Path(__file__).parents[2]


def test_the_client_of_the_manual_hears_the_flight(fly, tmp_path):
    port = free_port(socket.SOCK_STREAM)
    flight = fly(more_ground=("--feed", str(port)))
    flight.wait_open()
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/integrate.md").read_text(), re.DOTALL)
    heard = tmp_path / "heard.txt"
    with heard.open("wb") as out, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as fc:
        client = subprocess.Popen([sys.executable, "-u", "-c", code.replace("5700", str(port))], stdout=out)
        flight.step_more = lambda: fc.sendto(heartbeat(armed=True), (HOST, flight.fc_port))
        try:
            said = re.compile(r"^drone-7 \d{16} \{'mavpackettype': 'HEARTBEAT'", re.MULTILINE)
            assert flight.until(lambda: said.search(heard.read_text())), heard.read_text()
            flight.run(1.0)
            ground = next(s for s in json.loads(zegel("status", "--json")) if s["role"] == "ground")
        finally:
            client.kill()
            client.wait()
    assert ground["feed_tcp"]["state"] == "connected"
    assert ground["feed_tcp"]["subscriptions"] == {"telemetry": 1}
    assert "in clear" not in flight.stations["pilot"].program.output()


def test_without_the_option_no_port_listens_and_the_feed_is_next_to_the_status(fly):
    flight = fly()
    flight.wait_open()
    flight.run(1.0)
    ground = next(s for s in json.loads(zegel("status", "--json")) if s["role"] == "ground")
    assert ground["feed_tcp"] is None
    assert ground["feed"]["state"] == "idle"
    assert ground["feed"]["published"] == {}, "no program has subscribed"
    place = Path(ground["feed"]["address"].removeprefix("ipc://"))
    assert place.is_socket()
    assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700


CROWD = """
import socket, sys, time
made = []
while True:
    made.append(socket.socket(socket.AF_UNIX))
    try:
        made[-1].connect(sys.argv[1])
    except OSError:
        time.sleep(0.01)
    if len(made) > 3000:
        del made[:1500]
"""


@pytest.fixture
def descriptors_of_a_service():
    """1,024, which a process may raise itself."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("descriptors_of_a_service")
@pytest.mark.parametrize("ending", ["pilot", "feed"])
def test_a_crowd_at_the_sockets_of_the_viewers_does_not_end_a_ground(fly, ending):
    """libzmq ends a process that has no descriptor for a connection by `ipc:`."""
    flight = fly()
    flight.wait_open()
    program = flight.stations["pilot"].program
    (place,) = (path for path in runtime_folder.of_user().glob("ground-*") if path.stem.endswith(ending))
    with subprocess.Popen(["prlimit", "--nofile=8000:8000", sys.executable, "-c", CROWD, str(place)]) as crowd:
        try:
            flooded = flight.until(lambda: not program.running or "flooded" in program.output(), 10)
            flight.run(2.0)
        finally:
            crowd.kill()
    assert program.running, program.output()
    assert flooded or ending == "feed"  # which has it in the status
