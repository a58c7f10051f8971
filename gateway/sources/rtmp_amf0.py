"""AMF 0: the values in RTMP's commands (Adobe, "Action Message Format -- AMF 0", 2007).

What lives here: the types that publishers send. What must not: references, class instances and XML, which are refused.
"""

from __future__ import annotations

import struct
from typing import TypeAlias

from gateway.sources.rtmp_refusal import Refusal, Refused

Value: TypeAlias = "float | bool | str | dict[str, Value] | list[Value] | None"

DEPTH_MAX = 8
VALUES_MAX = 1024  # of one command, those inside of others included

NUMBER, BOOLEAN, STRING, OBJECT, NULL, UNDEFINED, ECMA_ARRAY, OBJECT_END = 0, 1, 2, 3, 5, 6, 8, 9
STRICT_ARRAY, DATE, LONG_STRING = 10, 11, 12

_NUMBER, _DATE, _U16, _U32 = struct.Struct(">d"), struct.Struct(">dh"), struct.Struct(">H"), struct.Struct(">I")


def decode(data: bytes) -> list[Value]:
    """The values that fill `data`, in a row. Undefined is None, and a date its milliseconds. Raises Refused."""
    reader = _Reader(data)
    values = []
    while not reader.done():
        values.append(reader.value(0))
    return values


def encode(*values: Value) -> bytes:
    """Strings and names shorter than 64 KiB."""
    return b"".join(map(_encoded, values))


def _encoded(value: Value) -> bytes:
    if value is None:
        return bytes((NULL,))
    if isinstance(value, bool):
        return bytes((BOOLEAN, value))
    if isinstance(value, float):
        return bytes((NUMBER,)) + _NUMBER.pack(value)
    if isinstance(value, str):
        return bytes((STRING,)) + _name(value)
    if isinstance(value, list):
        return bytes((STRICT_ARRAY,)) + _U32.pack(len(value)) + encode(*value)
    items = b"".join(_name(name) + _encoded(item) for name, item in value.items())
    return bytes((OBJECT,)) + items + _name("") + bytes((OBJECT_END,))


def _name(text: str) -> bytes:
    data = text.encode()
    return _U16.pack(len(data)) + data


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self._at, self._values = data, 0, 0

    def done(self) -> bool:
        return self._at == len(self._data)

    def value(self, depth: int) -> Value:
        self._values += 1
        if depth > DEPTH_MAX or self._values > VALUES_MAX:
            raise Refused(Refusal.COMMAND)
        which = self._bytes(1)[0]
        if which == STRICT_ARRAY:
            return [self.value(depth + 1) for _ in range(min(self._unpack(_U32), VALUES_MAX))]
        if which == ECMA_ARRAY:
            self._unpack(_U32)  # a count, which many senders leave at 0; the end is marked as in an object
        if which in (OBJECT, ECMA_ARRAY):
            return self._items(depth + 1)
        return self._simple(which)

    def _simple(self, which: int) -> Value:
        if which == NUMBER:
            return float(self._unpack(_NUMBER))
        if which == BOOLEAN:
            return self._bytes(1) != b"\0"
        if which in (STRING, LONG_STRING):
            return self._text(_U16 if which == STRING else _U32)
        if which == DATE:
            return float(self._unpack(_DATE))
        if which in (NULL, UNDEFINED):
            return None
        raise Refused(Refusal.COMMAND)

    def _items(self, depth: int) -> dict[str, Value]:
        items: dict[str, Value] = {}
        while True:
            name = self._text(_U16)
            if not name and self._data[self._at : self._at + 1] == bytes((OBJECT_END,)):
                self._at += 1
                return items
            items[name] = self.value(depth)

    def _text(self, size: struct.Struct) -> str:
        try:
            return self._bytes(self._unpack(size)).decode()
        except UnicodeDecodeError:
            raise Refused(Refusal.COMMAND) from None

    def _unpack(self, form: struct.Struct) -> int:
        return form.unpack(self._bytes(form.size))[0]  # type: ignore[no-any-return]

    def _bytes(self, size: int) -> bytes:
        taken = self._data[self._at : self._at + size]
        if len(taken) < size:
            raise Refused(Refusal.COMMAND)
        self._at += size
        return taken
