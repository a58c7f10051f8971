"""The page of aircraft: what each firmware and each source of pictures can, and who sees it before the seal.

    python -m tests.aircraft          writes docs/aircraft.md

The tables are made of answers: each firmware's heartbeat, its MAVLink or its replies by MSP go through the code that
`zegel air` uses, and each source is read as a part of air.toml.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from pymavlink.dialects.v10 import common as v1
from pymavlink.dialects.v20 import common as v2

from firmware_shims import ardupilot, betaflight, inav, mavlink, px4, shim
from firmware_shims.definitions import name_of
from firmware_shims.heartbeat import read
from firmware_shims.msp_session import RATE_MAX, RATES, MspSession
from gateway.air import flight_controller
from gateway.air.flight_controller import FlightController
from gateway.batch import Batch
from gateway.config import AirConfig
from gateway.core.barrier import Barrier
from gateway.endpoint_state import State
from gateway.endpoints.address import parse
from gateway.loop.frame_reader import together
from gateway.sources import tables
from tests.msp_peer import BETAFLIGHT, INAV, MspPeer
from tests.unit.gateway.plain_end import PlainEnd

PAGE = Path(__file__).parents[1] / "docs/aircraft.md"
SYSTEM = 4
GCS, FC = v2.MAVLink(None, 255, 190), v2.MAVLink(None, SYSTEM, 1)
ARM = bytes(v2.MAVLink_command_long_message(SYSTEM, 1, 400, 0, 1, 0, 0, 0, 0, 0, 0).pack(GCS))
WANTED = {"ATTITUDE": 10.0}
YES, NO = "yes", "-"


@dataclasses.dataclass(frozen=True)
class Way:
    """A firmware and what it speaks. `fc`: in air.toml. `beat`: a heartbeat of its own; `says`: its replies by MSP."""

    title: str
    shim: shim.Shim
    fc: str
    beat: bytes = b""
    says: dict[int, bytes] | None = None

    def controller(self, **more: object) -> tuple[PlainEnd, FlightController]:
        end = PlainEnd()
        end.address, end.state = parse(self.fc), State.CONNECTED
        settings = AirConfig(device="d", link=("udpout:192.0.2.1:14600",), system_id=SYSTEM, fc=self.fc, **more)  # type: ignore[arg-type]
        return end, flight_controller.of(end, settings, Barrier())


def beat(firmware: int, source: tuple[int, int] = (SYSTEM, 1), *, version1: bool = False, signed: bool = False) -> bytes:
    sender = (v1 if version1 else v2).MAVLink(None, *source)
    if signed:
        sender.signing.secret_key, sender.signing.sign_outgoing, sender.signing.timestamp = bytes(32), True, 1
    return bytes(sender.heartbeat_encode(2, firmware, 0, 0, 4).pack(sender))


SERIAL = "serial:/dev/ttyAMA0:921600"
MSP = "msp+serial:/dev/ttyS0:115200"
WAYS = (
    Way("ArduPilot", ardupilot, SERIAL, beat(3)),
    Way("PX4", px4, SERIAL, beat(12)),
    Way("Betaflight, MSP", betaflight, MSP, says=BETAFLIGHT),
    Way("Betaflight, its MAVLink", betaflight, SERIAL, beat(0, (0, 200), version1=True)),
    Way("iNav, MSP", inav, MSP, says=INAV),
    Way("iNav, its MAVLink", inav, SERIAL, beat(0)),
)


# --- what a firmware can, by trying it ---


def through(way: Way, *frames: bytes, **more: object) -> list[bytes]:
    end, controller = way.controller(**more)
    end.put(*frames)
    return together(controller.read(0.0))


def made_by_msp(way: Way) -> set[str]:
    session, peer, made = MspSession(SYSTEM, {}), MspPeer(way.says or {}), set[str]()
    for tick in range(300):
        for reply in peer.take(b"".join(session.requests(tick / 100))):
            made |= {name_of(mavlink.message_id(frame)) for frame in session.receive(reply, tick / 100)}
    return made


def telemetry(way: Way) -> str:
    if way.says:
        return f"made of its answers: {', '.join(sorted(made_by_msp(way)))}"
    assert through(way, way.beat) == [way.beat]
    return "its MAVLink, byte for byte"


def signing(way: Way) -> str:
    if way.says or mavlink.V1 in way.beat[:1]:
        return NO
    signed = beat(0, signed=True)
    assert through(way, signed) == [signed]
    return "passes unchanged"


def commands(way: Way) -> str:
    batch = Batch()
    batch.hold([ARM])
    end, controller = way.controller()
    taken = controller.send(batch, 0.0)
    assert (taken, end.drained) == ((0, []) if way.says else (1, [ARM]))
    if way.says:
        return "none: dropped and counted"
    return "as the guard policy of the station allows" if way.shim.LISTENS else "it reads none (up to 4.6)"


def rates(way: Way) -> str:
    if way.says:
        return f"Zegel's own questions: {', '.join(sorted(RATES))}, up to {RATE_MAX:g} a second"
    end, controller = way.controller(rates=WANTED)
    end.put(way.beat)
    controller.read(0.0)
    asked = bool(end.drained)
    if not asked or not way.shim.LISTENS:
        return NO
    streams = f", or REQUEST_DATA_STREAM for {len(way.shim.STREAMS)} messages" if way.shim.STREAMS else ""
    return f"SET_MESSAGE_INTERVAL{streams}"


def recognized(way: Way) -> str:
    if way.says:
        return f"by the name `{next(name for name, each in shim.BY_VARIANT.items() if each is way.shim)}` that it answers"
    heard = read(way.beat)
    assert heard is not None
    return "by its heartbeat" if shim.sender_of(heard) is way.shim else "no: its heartbeat is like others'"


def modes(way: Way) -> str:
    if way.says:
        return f"{len(shim.BY_VARIANT[way.says[2].decode()].MODES)}, as STATUSTEXT when they change"
    heard = read(way.beat)
    assert heard is not None
    numbers = [*range(64), *(main << 16 | sub << 24 for main in range(1, 9) for sub in range(9))]
    found = {name for number in numbers if (name := way.shim.mode(heard._replace(mode=number)))}
    return str(len(found)) if found else NO


def number(way: Way) -> str:
    if way.says:
        return "`system_id` of air.toml"
    before = (way.beat[5], way.beat[6]) if way.beat[0] == mavlink.V2 else (way.beat[3], way.beat[4])
    (after,) = through(way, way.beat, renumber=True)
    if after == way.beat:
        return "its own"
    return f"{before[0]}/{before[1]}; with `renumber = true` that of air.toml"


def held(way: Way) -> str:
    count = len(way.shim.PARAMETERS_HELD), len(way.shim.FILES_HELD)
    return f"{count[0]} patterns of parameters, {count[1]} of files" if any(count) else NO


ROWS: dict[str, Callable[[Way], str]] = {
    "`fc` in air.toml": lambda way: f"`{way.fc}`",
    "telemetry at the stations": telemetry,
    "commands of the stations": commands,
    "`[rates]` asks by": rates,
    "doctor recognizes it": recognized,
    "names of its flight modes": modes,
    "number at the stations": number,
    "time of day": lambda way: way.shim.TIME if way.shim.TIME and not way.says else NO,
    "MAVLink's own signing": signing,
    "[held](../firmware_shims/POLICIES.md) for a maintainer": held,
    "tested against": lambda way: way.shim.TESTED if way.says or way.shim is not inav else "nothing",
}


# --- sources of pictures ---


class Picture(msgspec.Struct, frozen=True):
    """A row: what it is, its part of air.toml, who else has it in plain."""

    what: str
    table: str
    seen_by: str
    before: str


_RTSP, _RTMP = "rtsp://192.168.1.10:8554/live", "0.0.0.0:1935/live/front"
PICTURES = (
    Picture("a camera at this computer (CSI, USB, HDMI)", 'run = ["rpicam-vid", ...]', "", "no one"),
    Picture("an encoder that sends RTP or MPEG-TS to `video`", "", "", "no one, if it is on this computer"),
    Picture("a network camera of the payload", f'rtsp = "{_RTSP}"', "", "that network, and the camera's maker"),
    Picture(
        "a controller that pushes RTMP (DJI, Autel)",
        f'rtmp = "{_RTMP}"',
        "dji",
        "its vendor's aircraft, radio link and controller",
    ),
    Picture(
        "a vendor's program aboard (PSDK, Olympe)",
        'socket = "front"',
        "dji",
        "its vendor: the same picture also goes by its radio",
    ),
)
_TABLES: dict[str, dict[str, object]] = {
    "run": {"run": ("rpicam-vid", "-o", "-"), "gives": "h264"},
    "rtmp": {"rtmp": _RTMP},
    "rtsp": {"rtsp": _RTSP},
    "socket": {"socket": "front", "gives": "h264"},
}


def seen(picture: Picture) -> str:
    """The value of seen_by, in a table that `zegel air` accepts."""
    if picture.table:
        way = picture.table.split()[0]
        source = msgspec.convert({"name": "front", "lane": "a", "seen_by": picture.seen_by, **_TABLES[way]}, tables.Source)
        vendors = {"front": tables.Vendor(run=("/opt/vendor/feeder",))} if way == "socket" else {}
        tables.check((source,), vendors, 2, "air.toml", "air.toml")
        assert source.way == way
        assert tables.seen_by([source]) == ([picture.seen_by] if picture.seen_by else [])
    return f'`"{picture.seen_by}"`, or the vendor that it is' if picture.seen_by else '`""`'


# --- the page ---

HEAD = """\
# Aircraft

Made by `python -m tests.aircraft`, which tries each answer in these tables. Do not edit this page.

What differs between flight controllers has one file for each in [firmware_shims](../firmware_shims/README.md). Options
and endpoints are explained in [operate](operate.md).

## Flight controllers
"""
MIDDLE = """
By MSP there are no turn rates and no throttle, which are 0; airspeed is NaN; heights count from the place of the start.
A message is made only of an answer that has just come: while the flight controller is silent, so are the stations.

`[rates]` never sets a parameter. What a ground control station sets later is left to it. A flight controller that
accepts only signed MAVLink answers no request of Zegel's, and the log says so.

## Pictures

How each comes aboard is in [sources](sources.md), and what to do at a vendor's controller in [box](box.md).
"""
TAIL = """
A source that a vendor sees is named in `seen_by`, in its `[[source]]` or for all of `video`. The aircraft says so in
every beat, and `zegel ground` and `zegel status` show that the seal begins at the controller. Under an order of class
confidential `zegel air` does not start on the ground with such a source.

## What stays outside

- **What a vendor's radio sends.** The link between a DJI aircraft and its controller is DJI's and stays DJI's, and we
  know of no API that switches it off; from the controller on, the pictures can be the agency's alone. Expect the same
  of Autel, Parrot and Skydio.
- **Other ports of the flight controller.** A second radio, Wi-Fi or USB at the flight controller sends what its
  parameters say, in clear. The guard keeps a pilot's station from changing these, but not a person at the aircraft.
- **The flight controller and its firmware** hold all telemetry in plain, and so does the camera its picture.
- **The line between them and this computer** is not encrypted: MAVLink, MSP, RTP and RTSP are in clear aboard.
- **Parameters that a firmware has not in its file.** Betaflight and iNav have none here: their MAVLink sets no
  parameter, and by MSP nothing is sent up.
"""


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def page() -> str:
    return f"{HEAD}\n{_table()}\n{MIDDLE}\n{_pictures()}\n{TAIL}"


def _lines() -> Iterator[str]:
    yield row("", *(way.title for way in WAYS))
    yield "|" + "---|" * (len(WAYS) + 1)
    for title, answer in ROWS.items():
        yield row(title, *map(answer, WAYS))


def _table() -> str:
    return "\n".join(_lines())


def _pictures() -> str:
    heads = ("the picture", "in air.toml", "`seen_by`", "who has it in plain before the seal")
    lines = [row(*heads), "|" + "---|" * len(heads)]
    for picture in PICTURES:
        table = f"`[[source]]` `{picture.table}`" if picture.table else "`video`"
        lines.append(row(picture.what, table, seen(picture), picture.before))
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page())
