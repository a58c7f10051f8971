"""`zegel share` and other people's TAK: taky as the server, with TLS, and pytak as the client that reads there.

What the client reads is what the aircraft said: place, time and name of each event.
"""

from __future__ import annotations

import asyncio
import configparser
import contextlib
import lzma
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from pymavlink.dialects.v20 import ardupilotmega as dialect

from firmware_shims import mavlink, tlog
from gateway.demo.flight import LOG
from gateway.demo.stage import HOST, free_port
from gateway.endpoints.feed import Origin
from gateway.endpoints.feed_reader import Published
from gateway.share import cot
from gateway.share.sightings import Sightings
from gateway.share.tak import TakOutput
from gateway.share.tak_settings import Tak
from gateway.view.messages import GLOBAL_POSITION_INT, HEARTBEAT
from tests.rtsp_stage import until
from tests.system.namespaces import Cable, two_hosts
from tests.tak_stage import Signer
from tests.unit.gateway.report.statuses import ground

TAKY = shutil.which("taky", path=str(Path(sys.executable).parent))
SYSTEM = 4  # of the recorded flight
POSITIONS = 10
IN_FLIGHT_MM = 3000
TAKY_ROUNDS_E7 = 5.01  # it writes six decimals of a degree, 11 cm; what it is sent has seven
ROOT = Path(__file__).parents[2]
VIDEO = "rtsp://192.168.10.2:8554/drone-7/a"


@pytest.fixture
def taky(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The server; what a client of it needs."""
    if TAKY is None:
        pytest.skip("needs taky (pip install '.[interop]')")
    signer = Signer(tmp_path)
    certificate, key = signer.give("server")
    port = free_port(socket.SOCK_STREAM)
    (tmp_path / "cert-db.txt").touch()
    (tmp_path / "taky.conf").write_text(
        f"[taky]\nhostname = localhost\nbind_ip = {HOST}\nroot_dir = {tmp_path}\n[cot_server]\nport = {port}\n"
        f"[ssl]\nenabled = true\nca = {signer.certificate}\ncert = {certificate}\nkey = {key}\n"
        f"cert_db = {tmp_path}/cert-db.txt\n"
    )
    with (tmp_path / "taky.log").open("wb") as log:
        process = subprocess.Popen([TAKY, "-c", tmp_path / "taky.conf"], stdout=log, stderr=log, cwd=tmp_path)
        yield {"url": f"tls://{HOST}:{port}", "authority": signer.certificate, **_files(signer, "client")}
        process.terminate()
        process.wait(10)


def _files(signer: Signer, name: str) -> dict[str, str]:
    certificate, key = signer.give(name)
    return {"certificate": certificate, "private_key": key}


@contextlib.asynccontextmanager
async def client(server: dict[str, str]) -> AsyncIterator[list[ET.Element]]:
    """pytak; the events that it read."""
    pytak = pytest.importorskip("pytak", reason="needs pytak (pip install '.[interop]')")
    config = configparser.ConfigParser()
    words = {"CLIENT_CERT": "certificate", "CLIENT_KEY": "private_key", "CLIENT_CAFILE": "authority"}
    config["tak"] = {"COT_URL": server["url"], **{f"PYTAK_TLS_{word}": server[key] for word, key in words.items()}}
    reader, writer = await _connected(pytak, config["tak"])
    queue: asyncio.Queue[bytes] = asyncio.Queue()
    worker = asyncio.create_task(pytak.RXWorker(queue, config["tak"], reader).run())
    found: list[ET.Element] = []

    async def gather() -> None:
        while True:
            found.append(ET.fromstring(await queue.get()))  # noqa: S314 - our own

    gathering = asyncio.create_task(gather())
    try:
        yield found
    finally:
        for task in (worker, gathering):
            task.cancel()
        await asyncio.gather(worker, gathering, return_exceptions=True)
        writer.close()


async def _connected(pytak: Any, config: configparser.SectionProxy) -> Any:
    ends = time.monotonic() + 20
    while True:
        try:
            return await pytak.protocol_factory(config)
        except OSError:  # it does not listen yet
            assert time.monotonic() < ends
            await asyncio.sleep(0.1)


def flown() -> Iterator[tuple[list[bytes], Any]]:
    """Positions of the recorded flight, each with the frames that came with it."""
    decoder, heart = dialect.MAVLink(None), b""
    frames = [data for _, data in tlog.frames(lzma.decompress(LOG.read_bytes()))]
    for data in frames:
        if mavlink.message_id(data) == HEARTBEAT and mavlink.key(data)[0] == SYSTEM:
            heart = data
        if mavlink.message_id(data) == GLOBAL_POSITION_INT and heart:
            said = decoder.decode(bytearray(data))
            if said.relative_alt > IN_FLIGHT_MM:
                yield [heart, data], said


@pytest.mark.peers
def test_a_client_of_a_server_reads_what_the_aircraft_said(taky):
    async def test() -> None:
        seen, sent = Sightings(), []
        seen.take_status("pilot", ground(agency="Harbour Police"))
        async with client(taky) as read:
            output = TakOutput(Tak(**taky), seen, lambda _: VIDEO)
            task = asyncio.create_task(output.run())
            await until(lambda: output.report().up, 20)
            await asyncio.sleep(1.1)  # taky takes a client in once its handshake is over
            positions = flown()
            for _ in range(POSITIONS):
                frames, said = next(positions)
                at = time.time_ns() // 1000
                origin = Origin(device="drone-7", systems=[SYSTEM], session="a", lane="telemetry", time_us=at)
                seen.take("pilot", Published("telemetry", frames, origin))
                output.send_new()
                sent.append((said, at))
                await asyncio.sleep(0.2)
            await until(lambda: len(read) >= POSITIONS)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        _are_equal(read, sent)

    asyncio.run(test())


def _are_equal(read: list[ET.Element], sent: list[tuple[Any, int]]) -> None:
    assert len(read) == len(sent)
    for event, (said, at) in zip(read, sent, strict=True):
        assert event.attrib["uid"] == cot.uid("Harbour Police", "drone-7")
        assert event.attrib["type"] == "a-f-A-M-H-Q"
        point, video = event.find("point"), event.find("detail/__video")
        assert point is not None
        for name, truth in (("lat", said.lat), ("lon", said.lon)):
            assert abs(float(point.attrib[name]) * 1e7 - truth) <= TAKY_ROUNDS_E7
        assert abs(datetime.fromisoformat(event.attrib["time"]).timestamp() - at / 1e6) < 0.002
        assert datetime.fromisoformat(event.attrib["stale"]) > datetime.fromisoformat(event.attrib["time"])
        assert video is not None
        assert video.attrib["url"] == VIDEO
    print(f"{len(read)} events, all equal to the telemetry")


SEND = """
import asyncio, contextlib, sys, time
from gateway.share.tak import TakOutput
from gateway.share.tak_settings import Tak
from tests.tak_stage import position, sightings

async def main():
    seen = sightings(position(), time_us=time.time_ns() // 1000)
    output = TakOutput(Tak(url=sys.argv[1], interface=sys.argv[2]), seen, lambda _: "")
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(output.run(), 1.5)

asyncio.run(main())
"""
LISTEN = """
import socket, sys
group, port, interface = sys.argv[1], int(sys.argv[2]), sys.argv[3]
made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
made.bind((group, port))
made.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + socket.inet_aton(interface))
made.settimeout(2)
print("ready", flush=True)
count = 0
try:
    while True:
        data, (host, _) = made.recvfrom(65536)
        count += 1
        print(host, data.decode(), flush=True)
except TimeoutError:
    print("heard", count, flush=True)
"""


def test_multicast_goes_by_its_interface_and_ends_with_the_telemetry():
    with two_hosts() as hosts:
        wall = Cable("wall", 71, hosts)
        words = [*hosts[1].within, sys.executable, "-c", LISTEN, "239.2.3.1", "6969", wall.addresses[1]]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as listener:
            assert listener.stdout
            assert listener.stdout.readline() == "ready\n"
            send = [*hosts[0].within, sys.executable, "-c", SEND, "udp://239.2.3.1:6969", wall.addresses[0]]
            subprocess.run(send, check=True, timeout=30, cwd=ROOT)
            heard = listener.stdout.read().splitlines()
    assert heard[0].startswith(wall.addresses[0])
    assert 'uid="zegel.Harbour Police.drone-7"' in "".join(heard)
    assert heard[-1] == "heard 1", "one position, one event, though a second went by"
