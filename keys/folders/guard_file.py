"""guard.toml: guard policies of an agency's own, which an order names by the hash of this file. SPEC.md sections 3 and 4.7.

    [guard.technician]
    base = "pilot"                         a listed policy; all that follows may be left out
    allow = ["LOG_ERASE"]                  messages and commands by their names in MAVLink's definitions
    block = ["COMPONENT_ARM_DISARM"]       what is blocked is blocked, allowed or not
    allow_param = ["LOG_*"]                names of parameters
    block_param = ["FS_*", "SYSID_*"]
    rate = 50                              frames a second

What lives here: the form of the file, and whether an order is for it. What must not: what a name of MAVLink means
(firmware_shims.guard_policy), which keys does not know.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import defaultdict
from pathlib import Path

import msgspec

from keys import fields
from keys.errors import UnknownGuard, WrongGuardFile, WrongToml
from keys.folders import toml
from keys.order import Order
from keys.order_station import GUARDS

POLICIES_MAX = 16
RATE_MAX = 10_000
PATTERN_MAX = 16  # characters of a parameter's name
CURE = 'the file that the order was issued with: guard = "guard.toml" in air.toml and ground.toml, or --guard guard.toml'


class OwnGuard(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One policy, as it is written."""

    base: str
    allow: tuple[str, ...] = ()
    block: tuple[str, ...] = ()
    allow_param: tuple[str, ...] = ()
    block_param: tuple[str, ...] = ()
    rate: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class GuardFile:
    """A file: its path, the hash that an order has of it, and its policies by name."""

    path: Path
    hash: bytes
    policies: dict[str, OwnGuard]


def read(path: Path) -> GuardFile:
    """WrongToml names what is wrong and where."""
    return parse(toml.data(path), path)


def parse(data: bytes, path: Path) -> GuardFile:
    """What `read` gives, of the bytes of a file."""
    values = toml.parse(data, path)
    tables = values.get("guard")
    if values.keys() != {"guard"} or not isinstance(tables, dict) or not 1 <= len(tables) <= POLICIES_MAX:
        raise WrongToml(
            f"{path} is not a file of guard policies",
            hint=f"it has 1 to {POLICIES_MAX} tables [guard.NAME], and nothing else",
        )
    return GuardFile(path, hashlib.sha256(data).digest(), {name: _policy(path, name, tables[name]) for name in tables})


def _policy(path: Path, name: str, table: object) -> OwnGuard:
    where = f"{path}, guard.{name}"
    if name in GUARDS or not fields.NAME(name) or ":" in name:
        raise WrongToml(f"{where}: no name for a policy of one's own", hint=f"not {', '.join(GUARDS)}, and without a colon")
    if not isinstance(table, dict):
        raise WrongToml(f"{where} is no table", hint="each policy is a table [guard.NAME]")
    toml.require_known(OwnGuard, table, where)
    policy = toml.convert(OwnGuard, table, defaultdict(lambda: where))
    if policy.base not in GUARDS:
        raise WrongToml(f"{where}: the base is {policy.base!r}", hint=f"it is one of {', '.join(GUARDS)}")
    if policy.rate is not None and not 1 <= policy.rate <= RATE_MAX:
        raise WrongToml(f"{where}: rate is {policy.rate}", hint=f"it can be 1 to {RATE_MAX} frames a second")
    for pattern in (*policy.allow_param, *policy.block_param):
        if not (pattern.isascii() and pattern.isprintable() and 1 <= len(pattern) <= PATTERN_MAX):
            raise WrongToml(f"{where}: no parameter is named {pattern!r}", hint='a pattern is like "FS_*"')
    return policy


def require_for(order: Order, file: GuardFile | None) -> None:
    """WrongGuardFile unless `file` is the one that the order names, if it names one. UnknownGuard."""
    if order.guards is None:
        return
    if file is None:
        raise WrongGuardFile("the order has guard policies of the agency's own, and no file with them is here", hint=CURE)
    if file.hash != order.guards:
        raise WrongGuardFile(f"{file.path} is not the file whose guard policies the order names", hint=CURE)
    for station in order.stations:
        if station.guard not in GUARDS and station.guard not in file.policies:
            raise UnknownGuard(f"station {station.name!r} has the guard policy {station.guard!r}, not in {file.path}")
