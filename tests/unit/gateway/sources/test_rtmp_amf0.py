"""AMF 0: the examples that publishers send, and the bounds."""

from __future__ import annotations

import pytest

from gateway.sources import rtmp_amf0 as amf0
from gateway.sources.rtmp_refusal import Refusal, Refused

# By ffmpeg 5.1: connect.
CONNECT = bytes.fromhex("020007636f6e6e656374 003ff0000000000000 03 0003617070 0200046c697665 0000 09")


def test_a_command_of_ffmpeg():
    values = ["connect", 1.0, {"app": "live"}]
    assert amf0.decode(CONNECT) == values
    assert amf0.encode(*values) == CONNECT


def test_all_that_is_written_is_read():
    values: list[amf0.Value] = [None, True, False, -1.5, "Ünicode", {}, {"a": {"b": [1.0, [], {"c": None}]}}, []]
    assert amf0.decode(amf0.encode(*values)) == values


@pytest.mark.parametrize(
    ("data", "value"),
    [
        ("06", None),
        ("08 00000000 0001 61 0101 0000 09", {"a": True}),  # an array whose count is wrong, as by most senders
        ("0b 4270000000000000 0000", 2.0**40),
        ("0c 00000002 6162", "ab"),
        ("03 0000 0101 0000 09", {"": True}),  # an empty name
    ],
)
def test_the_other_types(data, value):
    assert amf0.decode(bytes.fromhex(data)) == [value]


@pytest.mark.parametrize(
    "data",
    [
        *(
            "00",
            "02 0003 6162",
            "02 0001 ff",
            "03",
            "03 0001 61",
            "03 0001 61 05",
            "0a 00000001",
            "0a ffffffff",
            "0c ffffffff 61",
        ),
        *("04", "07 0000", "0d", "0f 00000000", "10 0001 61 0000 09", "11 01", "ff"),
    ],
)
def test_what_is_refused(data):
    with pytest.raises(Refused) as caught:
        amf0.decode(bytes.fromhex(data))
    assert caught.value.refusal is Refusal.COMMAND


def test_depth_and_number_have_bounds():
    deep: amf0.Value = 1.0
    for _ in range(amf0.DEPTH_MAX):
        deep = [deep]
    assert amf0.decode(amf0.encode(deep)) == [deep]
    many: list[amf0.Value] = [None] * (amf0.VALUES_MAX - 1)
    assert amf0.decode(amf0.encode(many)) == [many]
    for too_much in ([deep], [*many, None], [many, None]):
        with pytest.raises(Refused):
            amf0.decode(amf0.encode(*too_much) if too_much == [many, None] else amf0.encode(too_much))
