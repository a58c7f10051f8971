from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from gateway.batch import ROOM
from gateway.core import wire
from gateway.core.drop_reason import DropReason
from gateway.core.wire import Control, ControlHeader, Evidence, Kind, parse_control

SPEC = Path(wire.__file__).parents[1] / "SPEC.md"
IDENTITY = b"8 octets"


def control(kind: int = 3, index: int = 0, count: int = 1, first: int = 1, part: bytes = b"part") -> bytes:
    return bytes([first, kind, index, count]) + IDENTITY + part


def test_sizes_add_up():
    assert wire.LINK_MTU == 1500 - 20 - 8
    assert wire.DOWNLINK_OVERHEAD == 1 + 2 + 4 + 16
    narrowest, widest = wire.MTU_RANGE
    assert wire.CONTROL_MAX == 1 + 1 + 1 + 1 + 8 + 1180 + 16 == 1208 <= narrowest
    assert narrowest <= wire.LINK_MTU <= widest <= ROOM


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize(("index", "count"), [(0, 1), (0, 16), (15, 16)])
def test_a_header_is_read_as_it_was_written(kind: Kind, index: int, count: int):
    header = ControlHeader(kind, index, count, IDENTITY)
    assert header.encode() == control(kind, index, count, part=b"")
    for part in (b"x", bytes(wire.FRAGMENT_MAX)):
        assert parse_control(header.encode() + part) == (header, part)


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        control()[:11],
        control(part=b""),
        control(part=bytes(wire.FRAGMENT_MAX + 1)),
        control(first=0),
        control(first=2),
        control(first=0x3F),
        control(kind=0),
        control(kind=4),
        control(kind=255),
        control(index=1, count=1),
        control(index=0, count=0),
        control(index=16, count=17),
        control(index=0, count=17),
        control(index=255, count=255),
    ],
    ids=lambda datagram: datagram[:5].hex() + f"+{max(0, len(datagram) - 5)}",
)
def test_what_is_not_of_the_form(datagram: bytes):
    assert parse_control(datagram) is None


@pytest.mark.parametrize(
    ("datagram", "fits"),
    [
        (b"", False),
        (b"\1" * 28, False),
        (b"\1" * 29, True),
        (b"\1" * 1208, True),
        (b"\1" * 1209, False),
        (b"\2" * 29, False),
    ],
    ids=lambda value: str(value if isinstance(value, bool) else len(value)),
)
def test_the_form_of_a_control_datagram_on_the_air(datagram: bytes, fits: bool):
    assert wire.is_sealed_control(datagram) is fits


def test_a_message_is_named_by_its_hash():
    assert wire.message_id(b"message") == hashlib.sha256(b"message").digest()[:8]


def test_the_specification_explains_every_reason_to_drop():
    """SPEC.md section 12 is what an operator looks a counter up in."""
    (section,) = re.findall(r"^## 12\..*?(?=^## )", SPEC.read_text(), re.MULTILINE | re.DOTALL)
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("|")][2:]
    explained = [name.strip() for row in rows for name in row.split(",")]
    assert sorted(explained) == sorted(reason.value for reason in DropReason)


def test_kinds_are_the_numbers_of_the_specification():
    assert [int(kind) for kind in (Kind.STATEMENT, Kind.ANNOUNCEMENT, Kind.BEAT)] == [1, 2, 3]
    kinds = (Evidence.BEAT, Evidence.CHECKPOINT, Evidence.CONSISTENCY, Evidence.ORDER_FRAGMENT)
    assert [int(kind) for kind in kinds] == [1, 2, 3, 4]
    assert [kind.name for kind in Control] == [
        "CHALLENGE",
        "ORDER_FRAGMENT",
        "RECORD",
        "EVIDENCE",
        "ORDER_HELD",
        "REPAIR",
    ]
    assert [int(kind) for kind in Control] == [1, 2, 3, 4, 5, 6]
