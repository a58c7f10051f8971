"""The reader of the integer-keyed CBOR maps of our signed messages: every key known, every value checked, nothing else.

What lives here: one strict reader and the checks that the messages share. What must not: any message's own rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from keys import cose
from keys.errors import BadName, MalformedMessage

Check = Callable[[Any], bool]


def read(payload: bytes, what: str, required: Mapping[int, Check]) -> list[Any]:
    """The values of the map in `payload`, which holds exactly the keys of `required`, in that order.

    MalformedMessage names what is wrong.
    """
    return read_map(cose.loads(payload), what, required)


def read_map(
    value: object, what: str, required: Mapping[int, Check], optional: Mapping[int, Check] | None = None
) -> list[Any]:
    """The values of a decoded map: those of `required`, then those of `optional`, None where one is absent."""
    checks = {**required, **(optional or {})}
    if not isinstance(value, dict):
        raise MalformedMessage(f"{what} is not a map")
    if not (required.keys() <= value.keys() <= checks.keys() and all(type(key) is int for key in value)):
        raise MalformedMessage(f"{what} has the keys {sorted(map(str, value))}, not {sorted(checks)}")
    for key, check in checks.items():
        if key in value and not check(value[key]):
            raise MalformedMessage(f"{what} has a bad value under key {key}")
    return [value.get(key) for key in checks]


def uint(limit: int) -> Check:
    """An unsigned integer below `limit`; True and False are not integers here."""
    return lambda value: type(value) is int and 0 <= value < limit


def between(low: int, high: int) -> Check:
    """An integer of `low` to `high`, both included."""
    return lambda value: type(value) is int and low <= value <= high


def byte_string(size: int) -> Check:
    """A byte string of exactly `size` bytes."""
    return lambda value: type(value) is bytes and len(value) == size


def text(longest: int) -> Check:
    """1 to `longest` bytes of UTF-8 that print unchanged: no control or direction characters, no blanks at the ends.

    These strings are shown on terminals and compared by eye.
    """
    return lambda value: (
        type(value) is str
        and 0 < len(value.encode("utf-8", "replace")) <= longest
        and value.isprintable()
        and value == value.strip()
    )


def mapping(key: Check, value: Check) -> Check:
    """A map whose every key and value passes."""
    return lambda items: type(items) is dict and all(key(k) and value(v) for k, v in items.items())


def listing(item: Check, longest: int, shortest: int = 0) -> Check:
    """A list of `shortest` to `longest` items that all pass."""
    return lambda items: type(items) is list and shortest <= len(items) <= longest and all(map(item, items))


def some_bytes(value: object) -> bool:
    """A byte string; its size is known to another check."""
    return type(value) is bytes


def anything(_: object) -> bool:
    """For a value that has a reader of its own, which checks it."""
    return True


U8, U16, U32, U64 = uint(1 << 8), uint(1 << 16), uint(1 << 32), uint(1 << 64)
STATION = uint(16)
DOWNLINK_KID = U16
NAME = text(64)  # also the longest common name of X.520


def require_name(name: str) -> str:
    """The name of an agency, operation, device or station, unchanged; BadName if it cannot be shown unchanged."""
    if not NAME(name):
        raise BadName(f"{name!r} is not a name")
    return name
