"""Limits: what no order can be, in words for the person who asks for one. SPEC.md section 3.

What lives here: sentences. What must not: the rules themselves. order.py holds those against every order that it reads, and
calls a broken one damage; here it is what somebody asked for. Pure.
"""

from __future__ import annotations

from keys import fields
from keys.errors import MalformedOrder
from keys.lanes import STATIONS_MAX
from keys.order import DEVICES_MAX, LINK_MAX, RECORDING_MAX, Order
from keys.order_device import SYSTEMS_MAX
from keys.times import EARLIEST, LATEST, utc

SAID = f"""\
Limits: 1 to {DEVICES_MAX} aircraft, each with at most {SYSTEMS_MAX} system ids, 1 to {STATIONS_MAX} stations and
at most {RECORDING_MAX} recording keys. Names have 1 to 64 bytes. An order file of more than {LINK_MAX:,} bytes does not
go by the link and is carried to the aircraft and each station: with x-wing keys from 14 stations on, in
a hybrid agency from 7. A recording key counts as a station here."""


def require_possible(order: Order) -> None:
    """MalformedOrder, before a number is spent on it."""
    if not fields.NAME(order.operation):
        what = f"{order.operation!r} cannot be the name of an operation" if order.operation else "the operation has no name"
        raise MalformedOrder(what, hint="a name has 1 to 64 bytes of printable text, and no blank at either end")
    _require_count("aircraft", len(order.devices), DEVICES_MAX)
    _require_count("stations", len(order.stations), STATIONS_MAX)
    if len(order.recording) > RECORDING_MAX:
        what = f"the order would list {len(order.recording)} recording keys"
        raise MalformedOrder(what, hint=f"an order lists at most {RECORDING_MAX} recording keys")
    if order.not_before < EARLIEST or order.not_after > LATEST:
        dates = f"would last from {utc(order.not_before)} to {utc(order.not_after)}"
        raise MalformedOrder(f"the order {dates}", hint=f"it can lie between {utc(EARLIEST)} and {utc(LATEST)}")


def _require_count(what: str, count: int, most: int) -> None:
    if not 1 <= count <= most:
        raise MalformedOrder(f"the order would list {count or 'no'} {what}", hint=f"an order lists 1 to {most} {what}")
