"""Endpoint strings as people type them: one parser for the forms of five programs, and one canonical form.

    serial:/dev/ttyAMA0:921600   /dev/ttyACM0,115200   /dev/ttyACM0:115200   serial:///dev/ttyACM0?baudrate=115200
    COM3:57600                   serial:COM3:57600
    udpin:0.0.0.0:14550          udps:  udpserver:            listens, and answers each sender of the last minute
    udpout:192.168.10.2:14550    udpc:  udpclient:            sends there, and reads what that address answers
    tcp:192.168.10.2:5760        tcpc:  tcpclient:  tcpout:   connects
    tcpin:127.0.0.1:5760         tcps:  tcpserver:            accepts connections
    msp+serial:/dev/ttyS0:115200   msp+tcp:127.0.0.1:5761     the same, and MSP is spoken there instead of MAVLink

Each network form may be written as a URL (udpin://0.0.0.0:14550), IPv6 is in brackets ([::1]:14550), and a listener
without a host (udps::14550) listens on every interface. Plain udp: is refused: half of the programs listen, half send.

What must not live here: name resolution, opening.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import re
from typing import Literal, NoReturn
from urllib.parse import parse_qsl

Kind = Literal["serial", "udpin", "udpout", "tcp", "tcpin"]

DEFAULT_BAUD = 115_200  # as in pymavlink; a USB port has no rate and accepts any
BAUD_RANGE = (300, 12_000_000)
PORT_MAX = 65_535
DIGITS_MAX = 20  # of a number; Python refuses to read thousands with an error of its own
EVERY_INTERFACE = "0.0.0.0"  # noqa: S104 - only for those who ask to listen and name no host, as mavp2p and MAVSDK do

_SPELLINGS: dict[str, Kind] = {
    "serial": "serial",
    **dict.fromkeys(("udpin", "udps", "udpserver"), "udpin"),
    **dict.fromkeys(("udpout", "udpc", "udpclient"), "udpout"),
    **dict.fromkeys(("tcp", "tcpc", "tcpclient", "tcpout"), "tcp"),
    **dict.fromkeys(("tcpin", "tcps", "tcpserver"), "tcpin"),
}
_EXAMPLES: dict[Kind, str] = {
    "serial": "serial:/dev/ttyAMA0:921600",
    "udpin": "udpin:0.0.0.0:14550",
    "udpout": "udpout:192.168.10.2:14550",
    "tcp": "tcp:192.168.10.2:5760",
    "tcpin": "tcpin:127.0.0.1:5760",
}
_MSP = "msp+"
_MSP_KINDS: tuple[Kind, ...] = ("serial", "tcp")  # where one end asks and the other answers
_DEVICE = re.compile(r"/|com\d+(?![\w.])", re.IGNORECASE)
_PLACE = re.compile(r"(?:\[(?P<v6>[^\]]+)\]|(?P<host>[^:\[\]]*))(?::(?P<port>[^:]*))?")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")
_SCOPE = re.compile(r"[A-Za-z0-9_.@-]{1,15}")  # an interface's name or number
_DOTTED = re.compile(r"[0-9.]+")


class AddressError(ValueError):
    """A string that names no endpoint; `hint` says how to write it."""

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclasses.dataclass(frozen=True, slots=True)
class Address:
    """The place of an endpoint: `device` and `baud` if it is serial, else `host` (a name or a number) and `port`.

    `msp`: MSP is spoken there, and not MAVLink.
    """

    kind: Kind
    host: str = ""
    port: int = 0
    device: str = ""
    baud: int = 0
    msp: bool = False

    def __str__(self) -> str:
        """The canonical form; `parse` of it gives an equal Address."""
        if self.msp:
            return f"{_MSP}{dataclasses.replace(self, msp=False)}"
        if self.kind == "serial":
            return f"serial:{self.device}:{self.baud}"
        return f"{self.kind}:{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def leaves_computer(self) -> bool:
        """Whether another computer can be at its other end."""
        return self.kind != "serial" and not on_this_computer(self.host)


def on_this_computer(host: str) -> bool:
    """Whether a host is loopback: a number, or localhost. No other name counts, because its address may change."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        number = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return (getattr(number, "ipv4_mapped", None) or number).is_loopback


def parse(text: str) -> Address:
    """The Address that `text` names; AddressError if it names none."""
    text = text.strip()
    if text.lower().startswith(_MSP):
        return _by_msp(text, parse(text[len(_MSP) :]))
    if _DEVICE.match(text):
        return _serial(text, text)
    scheme, colon, body = text.partition(":")
    kind = _SPELLINGS.get(scheme.lower())
    if not colon or kind is None:
        _refuse_scheme(text, scheme.lower())
    body = body.removeprefix("//")
    return _serial(text, body) if kind == "serial" else _network(text, kind, body)


def _by_msp(text: str, address: Address) -> Address:
    if address.msp or address.kind not in _MSP_KINDS:
        raise AddressError(f"{text} is no line for MSP", hint="msp+serial:/dev/ttyS0:115200 or msp+tcp:127.0.0.1:5761")
    return dataclasses.replace(address, msp=True)


def _refuse_scheme(text: str, scheme: str) -> NoReturn:
    if scheme == "udp":
        place = text.partition(":")[2].removeprefix("//")
        raise AddressError(
            f"{text} does not say whether to listen or to send",
            hint=f"udpin:{place} listens there, udpout:{place} sends there",
        )
    if scheme in {"udpbcast", "udpb"}:
        raise AddressError(f"there is no {scheme}:", hint="udpout: sends to a broadcast address as well")
    kinds = ", ".join(_EXAMPLES.values())
    raise AddressError(f"{text!r} does not begin with a kind of endpoint", hint=f"write it like one of {kinds}")


# --- serial ---


def _serial(text: str, body: str) -> Address:
    body, mark, query = body.partition("?")
    device, rate = _split_rate(body)
    if mark:
        rate = _queried_rate(text, query)
    if not _DEVICE.match(device):
        raise AddressError(f"{text}: {device!r} is no device", hint=f"the whole path, such as {_EXAMPLES['serial']}")
    if rate is None:
        return Address("serial", device=device, baud=DEFAULT_BAUD)
    baud = _number(rate)
    if baud is None or not BAUD_RANGE[0] <= baud <= BAUD_RANGE[1]:
        raise AddressError(f"{text}: {rate!r} is no baud rate", hint=f"a number, such as {_EXAMPLES['serial']}")
    return Address("serial", device=device, baud=baud)


def _split_rate(body: str) -> tuple[str, str | None]:
    """Device and rate. A name under /dev/serial/by-path holds colons of its own, and ends in one and "1.0"."""
    device, mark, rate = body.rpartition("," if "," in body else ":")
    if not mark or ("/by-path/" in body and _number(rate) is None):
        return body, None
    return device, rate


def _queried_rate(text: str, query: str) -> str:
    pairs = parse_qsl(query, keep_blank_values=True)
    if len(pairs) != 1 or pairs[0][0] not in {"baudrate", "baud"}:
        raise AddressError(
            f"{text}: cannot use {query!r}", hint="only ?baudrate=, as in serial:///dev/ttyACM0?baudrate=115200"
        )
    return pairs[0][1]


# --- network ---


def _network(text: str, kind: Kind, body: str) -> Address:
    place = _PLACE.fullmatch(body)
    if place is None:
        raise AddressError(
            f"{text}: cannot tell the host from the port", hint=f"an IPv6 address needs brackets: {kind}:[::1]:14550"
        )
    if place["port"] is None:
        raise AddressError(f"{text} names no port", hint=f"write it like {_EXAMPLES[kind]}")
    port = _number(place["port"])
    if port is None or not 1 <= port <= PORT_MAX:
        raise AddressError(f"{text}: {place['port']!r} is no port", hint=f"a number from 1 to {PORT_MAX}")
    host = _version_6(text, place["v6"]) if place["v6"] else place["host"]
    if not host and kind in {"udpin", "tcpin"}:
        host = EVERY_INTERFACE
    _check_host(text, kind, host)
    return Address(kind, host=host, port=port)


def _version_6(text: str, host: str) -> str:
    try:
        number = ipaddress.IPv6Address(host)
        if number.scope_id and not _SCOPE.fullmatch(number.scope_id):
            raise ValueError(number.scope_id)
        return str(number)
    except ValueError:
        raise AddressError(f"{text}: {host!r} is no IPv6 address", hint="such as [::1] or [fe80::1%eth0]") from None


def _check_host(text: str, kind: Kind, host: str) -> None:
    if kind in {"udpout", "tcp"} and host in {"", EVERY_INTERFACE, "::"}:
        raise AddressError(f"{text} does not say where to send", hint=f"name the host, such as {_EXAMPLES[kind]}")
    if ":" in host:
        return
    if not _NAME.fullmatch(host):
        raise AddressError(f"{text}: {host!r} is no host", hint=f"a name or an address, such as {_EXAMPLES[kind]}")
    if _DOTTED.fullmatch(host):
        try:
            ipaddress.IPv4Address(host)
        except ValueError:
            raise AddressError(f"{text}: {host!r} is no IPv4 address", hint="four numbers, such as 192.168.10.2") from None


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX else None
