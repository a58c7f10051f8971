"""The kinds of file that people exchange, recognised by their first bytes.

So an error can say, for example, that a certificate was given instead of an order. What lives here: names and marks. The
content of a file belongs to its own module.
"""

from __future__ import annotations

import contextlib
import enum
from pathlib import Path

from keys.errors import WrongFile
from keys.folders import store


class Kind(enum.Enum):
    """The kind of a file, in the words of a message."""

    ORDER = "an operation order"
    CERTIFICATE = "a certificate"
    REQUEST = "a certificate request"
    PRIVATE_KEY = "a private key"
    STATION = "a station's public file"
    RECORDING = "a recording key's public file"


_MARKS = {
    b"\xd8\x62": Kind.ORDER,  # CBOR tag 98, COSE_Sign
    b"-----BEGIN CERTIFICATE-----": Kind.CERTIFICATE,
    b"-----BEGIN CERTIFICATE REQUEST-----": Kind.REQUEST,
    b"-----BEGIN PRIVATE KEY-----": Kind.PRIVATE_KEY,
    b"-----BEGIN ZEGEL STATION-----": Kind.STATION,
    b"-----BEGIN ZEGEL RECORDING KEY-----": Kind.RECORDING,
}
MARK_MAX = 256  # bytes at the beginning of a file that tell its kind, with blanks before them
_ORIGINS = {
    Kind.ORDER: "zegel order issue makes it: op.order",
    Kind.CERTIFICATE: "root.crt is in the agency's folder root/; zegel agency certify-device makes a device's",
    Kind.REQUEST: "zegel device init makes it: device.csr",
    Kind.PRIVATE_KEY: "zegel makes it, and it stays in the folder where it was made",
    Kind.STATION: "zegel station init makes it: station.pub",
    Kind.RECORDING: "zegel recording keygen makes it: rec.pub",
}

_NAMES = {  # the names in our folders
    Kind.CERTIFICATE: ("root.crt", "root/root.crt", "device.crt"),
    Kind.REQUEST: ("device.csr",),
    Kind.STATION: ("station.pub",),
    Kind.RECORDING: ("rec.pub",),
}


def _kind(data: bytes) -> Kind | None:
    return next((known for mark, known in _MARKS.items() if data.lstrip().startswith(mark)), None)


def begins_like(kind: Kind, path: Path) -> bytes | None:
    """The bytes of a file that begins as this kind does; None of any other file, and of what is none. OSError."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        head = file.read(MARK_MAX)
        return head + file.read(store.SIZE_MAX - MARK_MAX) if _kind(head) is kind else None


def expect(kind: Kind, data: bytes, name: object) -> bytes:
    """`data`, if it begins like this kind of file; otherwise WrongFile says what kind it is."""
    found = _kind(data)
    if found is kind:
        return data
    other = f"is {found.value}, not {kind.value}" if found else f"is not {kind.value}"
    hint = _ORIGINS[kind]
    if found is Kind.PRIVATE_KEY:
        hint = f"never give a private key away; {hint}"
    raise WrongFile(f"{name} {other}", hint=hint)


def read(kind: Kind, path: Path) -> bytes:
    """The bytes of a public file of this kind; for a folder, WrongFile names the file in it."""
    folder = False
    with contextlib.suppress(OSError):  # this user may not go there: reading says so
        folder = path.is_dir()
    if folder:
        inside = next((path / name for name in _NAMES.get(kind, ()) if (path / name).is_file()), None)
        hint = f"name the file in it: {inside}" if inside else _ORIGINS[kind]
        raise WrongFile(f"{path} is a folder, not {kind.value}", hint=hint)
    return expect(kind, store.read_public(path), path)
