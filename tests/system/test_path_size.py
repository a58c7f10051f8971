"""A network in between whose MTU is smaller than it says: what a station says of it, and that the advice is a cure."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

import pytest

from gateway.demo.stage import HOST, Program, free_port
from gateway.report.advice import advise
from gateway.report.role_status import GroundStatus, Use
from gateway.report.status_socket import read_all
from tests.system.house import House
from tests.system.namespaces import Cable, Host, two_hosts
from tests.system.test_doctor import camera, flight_controller

PATH = 1280  # bytes of a packet
LARGE, ADVISED = 1400, 1200  # pkt_size of the encoder
LINK = 14600
WITHIN_S = 60.0
FORWARD = f"""
echo 1 > /proc/sys/net/ipv4/ip_forward || exit
nft add table ip path && nft add chain ip path forward '{{ type filter hook forward priority 0; }}' &&
nft add rule ip path forward meta length gt {PATH} drop
"""


@pytest.fixture
def hosts():
    """An aircraft and a station, and between them a router that drops packets of more than PATH and says nothing."""
    with two_hosts() as (aboard, router):
        station = Host(beside=aboard)
        try:
            near, far = Cable("near", 7, (aboard, router)), Cable("far", 8, (router, station))
            done = subprocess.run([*router.within, "sh", "-c", FORWARD], capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"no router can be made here: {done.stderr.strip()}")
            aboard.ip("route", "add", "10.8.0.0/24", "via", near.addresses[1])
            station.ip("route", "add", "10.7.0.0/24", "via", far.addresses[0])
            aboard.ip("link", "set", "near", "gso_max_segs", "1")  # datagrams of one call leave it one by one, as on a wire
            yield aboard, station, far.addresses[1]
        finally:
            station.end()


def of_station(is_so: Callable[[GroundStatus], bool]) -> GroundStatus:
    """The status of the station, as soon as that is so."""
    until = time.monotonic() + WITHIN_S
    while True:
        found = {status.name: status for status in read_all()}
        pilot = found.get("pilot")
        if isinstance(pilot, GroundStatus) and is_so(pilot):
            return pilot
        assert time.monotonic() < until, [(advise(each), each.of_use(Use.LINK), each) for each in found.values()]
        time.sleep(0.5)


def test_a_path_that_swallows_large_datagrams_is_named_and_the_advice_mends_it(house: House, hosts):
    aboard, station, address = hosts
    fc, video, plain = free_port(), free_port(), free_port()
    folder = house.folder
    words = {
        "ground": ("--station", folder / "pilot", "--order", house.order, "--link", f"udpin:0.0.0.0:{LINK}"),
        "air": ("--device", folder / "drone-7", "--fc", f"udpin:{HOST}:{fc}", "--video", f"udpin:{HOST}:{video}"),
    }
    more = {"ground": ("--gcs", f"udpout:{HOST}:{plain}"), "air": ("--link", f"udpout:{address}:{LINK}")}
    where = {"ground": station, "air": aboard}
    programs = [
        Program([name, *map(str, (*words[name], *more[name]))], folder, name, where[name].within)
        for name in ("ground", "air")
    ]
    try:
        with flight_controller(fc, aboard.within):
            with camera(video, LARGE, aboard.within):
                status = of_station(lambda said: "carries no datagram of more than" in advise(said))
                (link,) = status.of_use(Use.LINK)
                assert PATH - 100 < (link.carries_up_to or 0) < PATH
                assert "set the encoder to 1200 bytes (pkt_size), and mtu = 1232 in air.toml" in advise(status)
            with camera(video, ADVISED, aboard.within):
                mended = of_station(lambda said: not advise(said))
        assert mended.opened["video_a"] > status.opened["video_a"]
    finally:
        for program in programs:
            program.end()
