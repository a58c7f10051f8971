"""Autopilot: whether a flight controller sends, and at which baud rate. It only listens, and never writes.

Frames are read as in `zegel air` (gateway.loop.frame_reader), so both find the same frames.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from firmware_shims import heartbeat, shim
from gateway import config
from gateway.board import holder, port
from gateway.board.finding import Finding, do, ok, unknown
from gateway.board.holder import Holder
from gateway.board.subject import Subject
from gateway.endpoint_state import State
from gateway.endpoints import open_endpoint
from gateway.endpoints.address import Address
from gateway.loop.frame_reader import FrameReader, together
from gateway.report.role_status import AirStatus, Use

LISTEN_S = 2.5  # heartbeats come once a second
TRY_S = 1.4  # each other baud rate: long enough for one
BAUDS = (57_600, 115_200, 921_600, 1_500_000, 460_800, 230_400)
LOOK_EVERY_S = 0.005
USUAL_BAUD = 921_600  # at a companion computer
PORTS_MAX = 4  # tried if no configuration names a port
PARAMETERS = (
    "SERIAL2_PROTOCOL = 2, SERIAL2_BAUD = {kbaud} (ArduPilot); MAV_1_CONFIG = TELEM 2, SER_TEL2_BAUD = {baud} (PX4)"
)


@dataclasses.dataclass
class Heard:
    """What came from one endpoint of a flight controller while the check listened."""

    received: int = 0  # bytes
    frames: int = 0
    autopilot: heartbeat.Heartbeat | None = None
    others: int = 0  # heartbeats of ground stations, cameras and the like
    error: str = ""

    def is_of(self, system: int | None) -> bool:
        """Whether an autopilot of this system sent a heartbeat; of any, for None."""
        return self.autopilot is not None and system in (None, self.autopilot.sysid)


def look(subject: Subject) -> Iterator[Finding]:
    """The endpoint of the configuration; without one, every serial port of this computer."""
    if subject.air and subject.air.no_fc:
        yield ok("flight controller", f"{subject.path} says that there is none (no_fc)")
    elif subject.running and subject.role == "air":
        yield _from_status(subject)
    elif subject.air:
        yield from _told(config.endpoint(subject.air.fc), subject)
    elif subject.role == "air":
        yield from _anywhere(subject)


def _from_status(subject: Subject) -> Finding:
    assert isinstance(subject.running, AirStatus)
    (fc,), source = subject.running.of_use(Use.FC), subject.running.aircraft.fc
    text = f"zegel air has {fc.endpoint}: {fc.state}, {fc.rx_per_s:g} reads/s"
    if source and not source.silent:
        return ok("flight controller", f"{text}, vehicles {', '.join(subject.running.frames)}")
    since = "yet" if source is None or source.age_s is None else f"for {source.age_s:.0f} s"
    return do("flight controller", f"{text}, and no frame {since}", "zegel status says what is wrong")


def _anywhere(subject: Subject) -> Iterator[Finding]:
    found = port.present()[:PORTS_MAX]
    if not found:
        yield unknown("flight controller", "there is no configuration and no serial port", "zegel setup air")
        return
    addresses = [config.endpoint(f"serial:{name}:{USUAL_BAUD}") for name in found]
    with ThreadPoolExecutor(len(found)) as pool:
        for answer in pool.map(lambda address: list(_told(address, subject)), addresses):
            yield from answer


def _told(address: Address, subject: Subject) -> Iterator[Finding]:
    if live := subject.having(address):
        yield ok("flight controller", f"{live} has {address}: {live.traffic(address)}")
        return
    if address.kind == "udpout":
        yield unknown(
            "flight controller",
            f"{address} sends only after it has received something, and this check does not send",
            "zegel status, in flight",
        )
        return
    if address.msp:
        yield unknown(
            "flight controller",
            f"{address} speaks MSP, which answers only what it is asked, and this check does not send",
            "zegel status, in flight",
        )
        return
    if others := _taken(address):
        if address.kind == "serial":  # port.py has said who has it, and what to do
            names = ", ".join(map(str, others))
            yield unknown("flight controller", f"{address} is in use by {names}, so it is not listened to")
        else:
            yield holder.taken("flight controller", address, others, subject, "name another port in fc")
        return
    heard = listen(address, LISTEN_S, subject.air.system_id if subject.air else None)
    if heard.autopilot or address.kind != "serial" or not heard.received or heard.others:
        yield _judged(address, heard)
        if heard.autopilot and subject.air:
            yield from _number(heard.autopilot.sysid, subject)
        return
    for baud in (baud for baud in BAUDS if baud != address.baud):
        other = dataclasses.replace(address, baud=baud)
        again = listen(other, TRY_S)
        if again.autopilot:
            yield do(
                "flight controller",
                f"it sends at {baud} baud on {address.device}, and {subject.path.name} says {address.baud}",
                f'fc = "{other}" in {subject.path}; or, faster, at the flight controller: {_parameters(address.baud)}',
                interrupts=True,
            )
            return
    yield do(
        "flight controller",
        f"bytes come from {address}, but no MAVLink at any of {', '.join(map(str, (address.baud, *BAUDS)))} baud",
        f"set {_parameters(address.baud)}; check the ground wire",
        interrupts=True,
    )


def _number(heard: int, subject: Subject) -> Iterator[Finding]:
    assert subject.air
    if heard != subject.air.system_id:
        said = f"the vehicle is system {heard}, and {subject.path.name} says {subject.air.system_id}"
        yield do(
            "flight controller",
            f"{said}: it counts as another aircraft",
            f"if it is this one: system_id = {heard} in {subject.path}",
        )


def _taken(address: Address) -> list[Holder]:
    if address.kind == "serial":
        return holder.of_device(address.device)
    listens = {"udpin": "udp", "tcpin": "tcp"}
    return holder.of_port(address.port, listens[address.kind]) if address.kind in listens else []


def _judged(address: Address, heard: Heard) -> Finding:
    what = "flight controller"
    if heard.autopilot:
        name = f"{heard.autopilot.sysid}/{heard.autopilot.compid}"
        armed = "armed" if heard.autopilot.armed else "disarmed"
        return ok(what, f"heartbeat of vehicle {name}, {armed}, at {address}{_firmware(heard.autopilot)}")
    if heard.error:
        return do(what, heard.error, f"correct that, then run this again; zegel air tries {address} without end")
    if heard.others:
        return do(
            what, f"only others' heartbeats at {address}: a ground station, a camera", "connect the flight controller"
        )
    if heard.frames:
        return do(
            what,
            f"MAVLink at {address}, but no heartbeat in {LISTEN_S:g} s",
            "SERIAL2_OPTIONS = 0 (ArduPilot), MAV_1_MODE = Onboard (PX4)",
            interrupts=True,
        )
    if heard.received:
        return do(what, f"data comes to {address}, but no MAVLink", "send only MAVLink there, or name another port in fc")
    if address.kind != "serial":
        return do(
            what,
            f"nothing comes to {address} in {LISTEN_S:g} s",
            f"let the flight controller or its router send to port {address.port}",
        )
    cross = "cross TX and RX, join the grounds (zegel setup air shows the pins)"
    cure = f"{cross}; set {_parameters(address.baud)}"
    return do(what, f"nothing comes from {address} in {LISTEN_S:g} s", cure, interrupts=True)


def _firmware(heard: heartbeat.Heartbeat) -> str:
    found = shim.sender_of(heard)
    return f": {', '.join(filter(None, (found.NAME, found.mode(heard))))}" if found else ""


def _parameters(baud: int) -> str:
    return PARAMETERS.format(kbaud=baud // 1000, baud=baud)


def listen(address: Address, seconds: float, system: int | None = None) -> Heard:
    """Received heartbeats, until an autopilot of this system, or of any, is found or the time is over. Never writes."""
    endpoint, heard = open_endpoint(address, large=True), Heard()
    reader, until = FrameReader(endpoint), time.monotonic() + seconds
    try:
        while (now := time.monotonic()) < until and not heard.is_of(system):
            endpoint.tick(now)
            for frame in together(reader.read(now)):
                _regard(frame, heard, system)
            time.sleep(LOOK_EVERY_S)
        heard.received = endpoint.counters.rx_bytes
        if endpoint.state is State.RECONNECTING:
            heard.error = endpoint.last_error or f"{address} does not answer"
    finally:
        endpoint.close()
    return heard


def _regard(frame: bytes, heard: Heard, system: int | None) -> None:
    heard.frames += 1
    if found := heartbeat.read(frame):
        if found.from_autopilot:
            heard.autopilot = heard.autopilot if heard.is_of(system) else found
        else:
            heard.others += 1
