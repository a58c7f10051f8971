from __future__ import annotations

import json
import re
import socket
import stat
import subprocess
import sys
from pathlib import Path

from gateway.demo.stage import HOST, free_port
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
