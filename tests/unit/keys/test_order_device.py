"""A device in an order: its system ids, and whether its key is void. SPEC.md section 3."""

from __future__ import annotations

import dataclasses

import cbor2
import pytest

from keys import order_device
from keys.errors import MalformedMessage, MalformedOrder
from keys.order import parse_order
from keys.order_device import OrderDevice
from tests.agency import Agency, device, order

ONE, TWO, THREE = (device(place) for place in (1, 2, 3))


def entry(**more) -> dict:
    return {1: ONE.name, 2: ONE.alg, 3: ONE.pub, **{int(key[1:]): value for key, value in more.items()}}


def with_(listed: OrderDevice, *systems: int, void: bool = False) -> OrderDevice:
    return dataclasses.replace(listed, systems=systems, void=void)


@pytest.mark.parametrize(
    ("listed", "written"),
    [
        (ONE, entry()),
        (with_(ONE, 1), entry(_4=[1])),
        (with_(ONE, *range(240, 256)), entry(_4=list(range(240, 256)))),
        (with_(ONE, void=True), entry(_5=1)),
        (with_(ONE, 1, 51, void=True), entry(_4=[1, 51], _5=1)),
    ],
)
def test_what_is_written_is_read(listed, written):
    content = order(devices=(listed, TWO))
    assert cbor2.loads(content.payload())[8][0] == written
    assert parse_order(Agency().sign(content.payload())) == content


@pytest.mark.parametrize(
    "more",
    [
        {"_4": []},
        {"_4": [0]},
        {"_4": [256]},
        {"_4": [True]},
        {"_4": [2, 1]},
        {"_4": [1, 1]},
        {"_4": list(range(1, 18))},
        {"_4": 1},
        {"_4": None},
        {"_5": 0},
        {"_5": 2},
        {"_5": True},
        {"_6": 1},
    ],
)
def test_there_is_one_form(more):
    with pytest.raises(MalformedMessage, match="a device of the order"):
        order_device.read(entry(**more))


def test_an_id_is_of_one_device_unless_the_other_is_void():
    with pytest.raises(MalformedOrder, match="system id 7 is listed for 'drone-1' and for 'drone-2'"):
        order_device.require_consistent((with_(ONE, 1, 7), with_(TWO, 7), THREE))
    order_device.require_consistent((with_(ONE, 1, 7, void=True), with_(TWO, 7), THREE))


def test_one_device_at_least_may_fly():
    with pytest.raises(MalformedOrder, match="every device"):
        order_device.require_consistent((with_(ONE, void=True), with_(TWO, void=True)))
    order_device.require_consistent((with_(ONE, void=True), TWO))
