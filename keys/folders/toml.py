"""TOML as people write it, read strictly: a key that does not exist is an error that names it and the nearest one.

What lives here: the one reader of such files, for keys and gateway. What must not: what a key means.
"""

from __future__ import annotations

import re
import tomllib  # not by msgspec, which imports it late: a process may then act as a person who cannot read it
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from keys import typo
from keys.errors import WrongToml
from keys.folders import store

INTEGER_END = 1 << 63
Values = dict[str, object]
Kind = TypeVar("Kind", bound=msgspec.Struct)


def read(path: Path) -> Values:
    """The keys of a file, spelled with - or _ as their writer likes, but each of them once. WrongToml."""
    return parse(data(path), path)


def data(path: Path) -> bytes:
    """The bytes of a file. WrongToml."""
    try:
        with path.open("rb") as file:
            found = file.read(store.SIZE_MAX + 1)
    except OSError as error:
        raise WrongToml(f"{path}: {error.strerror}", hint="check the path") from None
    if len(found) > store.SIZE_MAX:
        raise WrongToml(f"{path} is larger than {store.SIZE_MAX} bytes", hint="no file of zegel is that large")
    return found


def parse(found: bytes, path: Path) -> Values:
    """The keys in the bytes of a file. WrongToml."""
    try:
        values = tomllib.loads(found.decode())
        fault = _fault(values)
    except (ValueError, RecursionError) as error:  # tomllib's own, and what Python says of 5,000 digits or brackets
        raise WrongToml(f"{path} is not TOML: {error}", hint='a line reads: key = "value"') from None
    if fault:
        raise WrongToml(f"{path} has {fault}", hint="remove it")
    return _spelled(values, path)


def _fault(value: object) -> str:
    """What Python refuses later with an error of its own: to name it to the system, to print it."""
    if isinstance(value, dict | list):
        values = value.values() if isinstance(value, dict) else value
        return next(filter(None, map(_fault, values)), "")
    if isinstance(value, str) and "\0" in value:
        return "a text with the character U+0000, which no name has"
    too_large = isinstance(value, int) and not -INTEGER_END <= value < INTEGER_END
    return "a number of more than 64 bits, which TOML does not have" if too_large else ""


def _spelled(values: Values, path: Path) -> Values:
    """With _ alone. Two spellings of one key are a key twice, which tomllib could not see."""
    spelled: Values = {}
    for key, value in values.items():
        name = key.replace("-", "_")
        if name in spelled:
            raise WrongToml(f"{path} has the key {name} twice", hint="write it once, with - or with _")
        spelled[name] = value
    return spelled


def require_known(kind: type[msgspec.Struct], values: Mapping[str, object], where: object, what: str = "") -> None:
    """WrongToml for the first key that `kind` has not; `what` follows it: "does not exist"."""
    known = kind.__struct_fields__
    for key in sorted(values.keys() - set(known)):
        raise WrongToml(
            f"{where} has the key {key}, which {what or 'does not exist'}",
            hint=f"{typo.meant(key, known)}the keys are {', '.join(known)}",
        )


def convert(kind: type[Kind], values: Mapping[str, object], where: Mapping[str, str], hint: str = "") -> Kind:
    """`values` as `kind`; WrongToml names the key, and by `where` who gave it."""
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        text = str(error)
        key = re.search(r"\$\.(\w+)", text)  # msgspec ends with: - at `$.link[0]`
        missing = re.search(r"missing required field `(\w+)`", text)
        cure = f"the keys are {', '.join(kind.__struct_fields__)}" if missing else hint
        raise WrongToml(f"{where[key[1] if key else '']}: {text}", hint=cure) from None
