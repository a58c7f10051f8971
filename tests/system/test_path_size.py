"""A network in between whose MTU is smaller than it says: what a station says of it, and that the advice is a cure."""

from __future__ import annotations

import contextlib
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
ENOUGH, LOST_MAX = 600, 5  # datagrams
FORWARD = "echo 1 > /proc/sys/net/ipv4/ip_forward"
SWALLOW = f"""
nft add table ip path && nft add chain ip path forward '{{ type filter hook forward priority 0; }}' &&
nft add rule ip path forward meta length gt {PATH} drop
"""
DIVIDE = f"""
nft add table ip path && nft add chain ip path out '{{ type filter hook output priority 0; }}' &&
nft add rule ip path out icmp type destination-unreachable drop && ip link set far mtu {PATH}
"""


@contextlib.contextmanager
def routed(rules: str):
    """An aircraft and a station, and between them a router that tells nobody of its small packets."""
    with two_hosts() as (aboard, router):
        station = Host(beside=aboard)
        try:
            near, far = Cable("near", 7, (aboard, router)), Cable("far", 8, (router, station))
            done = subprocess.run(
                [*router.within, "sh", "-ec", FORWARD + rules], capture_output=True, text=True, check=False
            )
            if done.returncode:
                pytest.skip(f"no router can be made here: {done.stderr.strip()}")
            aboard.ip("link", "set", "near", "gso_max_segs", "1")  # datagrams of one call leave it one by one, as on a wire
            aboard.ip("route", "add", "10.8.0.0/24", "via", near.addresses[1])
            station.ip("route", "add", "10.7.0.0/24", "via", far.addresses[0])
            yield aboard, station, far.addresses[1]
        finally:
            station.end()


@contextlib.contextmanager
def flown(house: House, aboard: Host, station: Host, address: str):
    """Both roles, each on its host, with a flight controller; the camera's port."""
    fc, video, plain = free_port(), free_port(), free_port()
    folder = house.folder
    ground = ("--station", folder / "pilot", "--order", house.order, "--link", f"udpin:0.0.0.0:{LINK}")
    air = ("--device", folder / "drone-7", "--fc", f"udpin:{HOST}:{fc}", "--video", f"udpin:{HOST}:{video}")
    programs = [
        Program(["ground", *map(str, ground), "--gcs", f"udpout:{HOST}:{plain}"], folder, "ground", station.within),
        Program(["air", *map(str, air), "--link", f"udpout:{address}:{LINK}"], folder, "air", aboard.within),
    ]
    try:
        with flight_controller(fc, aboard.within):
            yield video
    finally:
        for program in programs:
            program.end()


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


def test_a_path_that_swallows_large_datagrams_is_named_and_the_advice_mends_it(house: House):
    with routed(SWALLOW) as (aboard, station, address), flown(house, aboard, station, address) as video:
        with camera(video, LARGE, aboard.within):
            status = of_station(lambda said: "carries no datagram of more than" in advise(said))
            (link,) = status.of_use(Use.LINK)
            assert PATH - 100 < (link.carries_up_to or 0) < PATH
            assert "set the encoder to 1200 bytes (pkt_size), and mtu = 1232 in air.toml" in advise(status)
        with camera(video, ADVISED, aboard.within):
            mended = of_station(lambda said: not advise(said))
    assert mended.opened["video_a"] > status.opened["video_a"]


def test_a_router_of_smaller_packets_may_divide_datagrams_and_swallows_none(house: House):
    with (
        routed(DIVIDE) as (aboard, station, address),
        flown(house, aboard, station, address) as video,
        camera(video, LARGE, aboard.within),
    ):
        status = of_station(lambda said: said.opened.get("video_a", 0) > ENOUGH)
    (link,) = status.of_use(Use.LINK)
    assert (link.rx_lost_est or 0) <= LOST_MAX
    assert not advise(status)
