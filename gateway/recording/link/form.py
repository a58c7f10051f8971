"""Form: the names and the records of a link recording. SPEC.md section 8.1.

What lives here: what writer and reader agree on. What must not: files, keys, what a datagram means. Pure.
"""

from __future__ import annotations

import re
from typing import NamedTuple, TypeAlias

import msgspec

from gateway.recording.group import Port

LINK_PORT = 14600  # and above: that of link 0
LINKS_MAX = 1000
FILE_MAX = 256 << 20  # bytes
START_SIZE = 8  # bytes: what tells the starts of grounds from one another
EVENT = int(Port.EVENT)
_ORDER = re.compile(r"order-[0-9a-f]{64}\.cose")
_FILE = re.compile(r"link-([0-9a-f]{16})-([0-9]{4,})\.pcap")


class Start(msgspec.Struct, frozen=True, tag_field="event", tag="start"):
    """The first record of each file."""

    unix_us: int  # of the time 0 of the records, by the clock of this computer
    links: int
    software: str
    known: list[tuple[str, int, str, int]]  # what the station remembered: device key, boot counter, session_id, seq
    named: tuple[str, int] | None  # the start that --accept-older-session named: device key, boot counter


class Order(msgspec.Struct, frozen=True, tag_field="event", tag="order"):
    """This order is in force from now on."""

    order_hash: str


class Lost(msgspec.Struct, frozen=True, tag_field="event", tag="lost"):
    """So many datagrams, which came since the record before, are not here."""

    count: int
    reason: int  # gateway.recording.reason.GapReason


Event: TypeAlias = Start | Order | Lost
_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


class Name(NamedTuple):
    """Of a file: which start of a ground, and which of its files."""

    start: str
    number: int


def encode(event: Event) -> bytes:
    """The content of its record, which has port `EVENT`."""
    return msgspec.json.encode(event)


def event(content: bytes) -> Event | None:
    """None for what is none of ours."""
    try:
        return _decoder.decode(content)
    except (msgspec.MsgspecError, ValueError):  # a text that is no UTF-8 is a ValueError
        return None


def link_of(port: int) -> int | None:
    """The number of the link; None for a record of another kind."""
    number = port - LINK_PORT
    return number if 0 <= number < LINKS_MAX else None


def file_name(start: str, number: int) -> str:
    return f"link-{start}-{number:04d}.pcap"


def parse_name(name: str) -> Name | None:
    """None for a name of another form."""
    found = _FILE.fullmatch(name)
    return Name(found[1], int(found[2])) if found and name == file_name(found[1], int(found[2])) else None


def order_name(order_hash: str) -> str:
    return f"order-{order_hash}.cose"


def is_order(name: str) -> bool:
    return _ORDER.fullmatch(name) is not None
