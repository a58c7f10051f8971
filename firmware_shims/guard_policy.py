"""Guard policy: what one policy allows, of the listed ones or of an agency's own. SPEC.md section 4.7.

What lives here: a policy as sets, and how one is made from its base and the names in guard.toml. What must not: the listed
policies (policies.py), reading a frame (guard.py, contents.py), the file itself (keys).
"""

from __future__ import annotations

import dataclasses
import difflib
import fnmatch
import re
from collections.abc import Iterable, Sequence

from firmware_shims.definitions import COMMAND_NUMBER_OF, COMMANDS, MESSAGES, NUMBER_OF
from firmware_shims.policies import LISTED, MAY_COMMAND, MAY_SEND

Patterns = tuple[tuple[re.Pattern[str], str], ...]

# Not under any policy but maintainer: the signing key, and a parameter whose name is not in the command.
_NEVER = {
    "SETUP_SIGNING": "no policy lets it cross",
    "DO_SET_PARAMETER": "it names no parameter, so no rule could judge it",
}
_SHELL = "SERIAL_CONTROL"  # sets any parameter by a text
_SETS = NUMBER_OF["PARAM_SET"]


class PolicyError(ValueError):
    """A policy that cannot be, in words."""


@dataclasses.dataclass(frozen=True, slots=True)
class GuardPolicy:
    """`base`: the listed policy by which contents are judged. `only_allowed`: PARAM_SET has only the allowed names."""

    name: str
    base: str
    may_send: frozenset[int]
    may_command: frozenset[int]
    allow_param: Patterns = ()
    block_param: Patterns = ()
    only_allowed: bool = False


def compiled(patterns: Iterable[str]) -> Patterns:
    return tuple((re.compile(fnmatch.translate(pattern)), pattern) for pattern in patterns)


def match(patterns: Patterns, text: str) -> str | None:
    """The first of the patterns that a text has."""
    return next((pattern for each, pattern in patterns if each.match(text)), None)


BY_NAME = {name: GuardPolicy(name, name, MAY_SEND[name], MAY_COMMAND[name]) for name in LISTED}


def own(
    name: str,
    base: str,
    allow: Sequence[str] = (),
    block: Sequence[str] = (),
    allow_param: Sequence[str] = (),
    block_param: Sequence[str] = (),
) -> GuardPolicy:
    """A policy of an agency's own; PolicyError names what cannot be. What is blocked is blocked, allowed or not."""
    if base not in BY_NAME:
        why = "is not inspected, so no rule of it would hold" if base == "maintainer" else "is none of the listed policies"
        raise PolicyError(f"the base {base!r} {why}: it can be {', '.join(LISTED)}")
    for word in allow:
        if word in _NEVER:
            raise PolicyError(f"{word} cannot be allowed: {_NEVER[word]}")
    if block_param and _SHELL in allow:
        raise PolicyError(f"{_SHELL} cannot be allowed with block_param: a shell sets any parameter")
    old = BY_NAME[base]
    may_send = (old.may_send | _numbers(allow, NUMBER_OF)) - _numbers(block, NUMBER_OF)
    only_allowed = bool(allow_param) and _SETS not in old.may_send and "PARAM_SET" not in allow
    if only_allowed and "PARAM_SET" not in block:
        may_send |= {_SETS}
    return GuardPolicy(
        name,
        base,
        may_send,
        (old.may_command | _numbers(allow, COMMAND_NUMBER_OF)) - _numbers(block, COMMAND_NUMBER_OF),
        compiled(map(str.upper, allow_param)),
        compiled(map(str.upper, block_param)),
        only_allowed,
    )


def _numbers(words: Sequence[str], number_of: dict[str, int]) -> frozenset[int]:
    """Those of the words that are in this table. PolicyError for one that is in neither; no word is in both."""
    known = [*NUMBER_OF, *COMMAND_NUMBER_OF]
    for word in words:
        if word not in NUMBER_OF and word not in COMMAND_NUMBER_OF:
            near = difflib.get_close_matches(word.removeprefix("MAV_CMD_"), known, 1)
            meant = f"; is {near[0]} meant?" if near else ""
            raise PolicyError(f"{word!r} is no message and no command of MAVLink{meant}")
    return frozenset(number_of[word] for word in words if word in number_of)


assert not {message.name for message in MESSAGES.values()} & {*COMMANDS.values()}, "a word would name two things"
