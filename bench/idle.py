"""Idle: the cost of air and ground when there is little to do, and the share of announcements on the link.

What lives here: a flight's telemetry without video, and a link with only control datagrams. What must not:
loads of video (bench.measures.link).
"""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from typing import NamedTuple

from bench.clock import cpu_of, sleeps_of
from bench.fixture import House
from bench.relay import free_ports
from bench.result import Cell, Table
from bench.workspace import Scene, end
from bench.zegel_pair import ZEGEL, ZegelPair, stations
from gateway.config import WIDE_BPS
from gateway.core.control_cipher import ControlCipher
from gateway.core.sframe import decode_header
from gateway.core.wire import Kind, is_sealed_control, parse_control
from gateway.demo.flight import FlightController, Log, recorded_flight
from gateway.demo.stage import drain, port_of, udp_socket
from keys.lanes import Lane
from keys.order import parse_order

EVERY = 4  # of the recorded flight's 267 frames a second, which is more than 57,600 baud carry: 67
TICK_S = 0.002
JOIN_S = 2.0  # the requests and announcements of the start are over by then
SETTLE_S = 0.05  # datagrams on their way arrive
IP_UDP = 28  # bytes of headers around a datagram
WHAT = ("announcements", "beats", "padding", "order")  # statements are among the first
SEALED = {
    Lane.EVIDENCE: "beats",
    Lane.TELEMETRY: "padding",  # a bundle without frames, twice a second
    Lane.OBSERVER_TELEMETRY: "padding",
    Lane.ORDER: "order",  # only under an order that amends one
}
LINKS = ((1, WIDE_BPS // 1000), (15, WIDE_BPS // 1000), (15, 64))  # stations in the order, kbit/s


class Quiet(NamedTuple):
    """Of one process: CPU seconds, and how often it went to sleep."""

    cpu_s: float
    sleeps: int


def telemetry(scene: Scene, seconds: float) -> Table:
    """A recorded flight through a serial line, and no video: CPU share and wake-ups of both processes."""
    flight = FlightController(thin(recorded_flight()))
    scene.undo.callback(flight.close)
    peer = ZegelPair(air=("--fc", f"serial:{flight.path}:57600"))
    relay = peer.start(scene)
    relay.wait_ready()
    with udp_socket(peer.telemetry.leave) as gcs:
        play(flight, JOIN_S)
        time.sleep(SETTLE_S)
        drain(gcs)
        sent, before = len(flight.sent), [_now(pid) for pid in (relay.sealing, relay.opening)]
        began = time.monotonic()
        play(flight, seconds)
        passed = time.monotonic() - began
        time.sleep(SETTLE_S)
        after = [_now(pid) for pid in (relay.sealing, relay.opening)]
        got, sent = len(drain(gcs)), len(flight.sent) - sent
    rows = tuple(
        (name, 100 * (now.cpu_s - then.cpu_s) / passed, (now.sleeps - then.sleeps) / passed)
        for name, then, now in zip(("air", "ground"), before, after, strict=True)
    )
    note = f"{sent / passed:.0f} frames a second of a recorded flight for {passed:.0f} s; {got} of {sent} came out"
    columns = ("process", "CPU (% of a core)", "goes to sleep (times/s)")
    return Table("Telemetry of 57,600 baud, no video", columns, rows, (note,))


def announcements(scene: Scene, links: Sequence[tuple[int, int]], seconds: float) -> Table:
    """The datagrams of a link with only control, with few and many stations, wide and narrow."""
    rows: list[tuple[Cell, ...]] = []
    for listed, kbit in links:
        sizes = control(scene, listed, kbit, seconds)
        rows.append((listed, kbit, *(100 * sizes[what] * 8 / seconds / 1000 / kbit for what in WHAT)))
    columns = ("stations", "link (kbit/s)", *(f"{what} (%)" for what in WHAT))
    note = f"share of the link over {seconds:g} s, with {IP_UDP} bytes of IP and UDP around each datagram"
    return Table("A link that carries neither frames nor video", columns, tuple(rows), (note,))


def control(scene: Scene, listed: int, kbit: int, seconds: float) -> dict[str, int]:
    """Bytes of each of `WHAT` that an aircraft sends in this time after its start, if it has nothing to seal."""
    folder = scene.folder / f"control-{listed}-{kbit}"
    folder.mkdir()
    house = House(folder, stations(listed))
    fc, camera = free_ports(2)
    with udp_socket() as link:
        words = house.air(fc, camera, port_of(link), ("--link-kbit", str(kbit)))
        air = scene.start((*ZEGEL, *words), f"{folder.name}/air")
        _collect(link, JOIN_S)
        sent = _collect(link, seconds)
        end(air)
    sizes, cipher = dict.fromkeys(WHAT, 0), ControlCipher(parse_order(house.order.read_bytes()).op_id)
    for datagram in sent:
        sizes[what_of(datagram, cipher)] += len(datagram) + IP_UDP
    return sizes


def what_of(datagram: bytes, cipher: ControlCipher) -> str:
    """Which of `WHAT` a datagram is, on a link without telemetry and video; KeyError if it is none of them."""
    if is_sealed_control(datagram) and (parsed := parse_control(cipher.open(datagram) or b"")):
        return "beats" if parsed[0].kind is Kind.BEAT else "announcements"
    kid, _, _ = decode_header(datagram)
    return SEALED[Lane(kid >> 8)]


def thin(log: Log) -> Log:
    """Every `EVERY`th frame of a recorded flight."""
    return log[::EVERY]


def _collect(link: socket.socket, seconds: float) -> list[bytes]:
    sent, until = [], time.monotonic() + seconds
    while time.monotonic() < until:
        sent += drain(link)
        time.sleep(TICK_S)
    return sent


def play(flight: FlightController, seconds: float) -> None:
    until = time.monotonic() + seconds
    while (now := time.monotonic()) < until:
        flight.play(now)
        time.sleep(TICK_S)


def _now(pid: int) -> Quiet:
    return Quiet(cpu_of(pid), sleeps_of(pid))
