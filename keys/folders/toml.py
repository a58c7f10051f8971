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

Values = dict[str, object]
Kind = TypeVar("Kind", bound=msgspec.Struct)


def read(path: Path) -> Values:
    """The keys of a file, spelled with - or _ as their writer likes. WrongToml."""
    try:
        values = tomllib.loads(path.read_bytes().decode())
    except OSError as error:
        raise WrongToml(f"{path}: {error.strerror}", hint="check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise WrongToml(f"{path} is not TOML: {error}", hint='a line reads: key = "value"') from None
    return {key.replace("-", "_"): value for key, value in values.items()}


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
