"""Guards: the guard policies that the stations of an order have, listed ones or an agency's own. For both roles.

What lives here: from guard.toml and the names in an order to a guard with its rate. What must not: what a policy allows
(firmware_shims), the form of the file and which order it is for (keys.folders.guard_file).
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from firmware_shims import guard_policy
from firmware_shims.guard import Guard
from firmware_shims.guard_policy import GuardPolicy, PolicyError
from gateway.core.budget import Budget
from gateway.errors import ConfigError
from keys.errors import NoOrder
from keys.folders import guard_file
from keys.folders.device import DeviceFolder
from keys.folders.guard_file import GuardFile
from keys.order import Order
from keys.order_station import GUARDS

OVER_RATE = "frames over the rate"  # the name of those that only the rate keeps back


class Guards:
    """Those of one `guard.toml`, or without it the listed ones. ConfigError names a policy that cannot be."""

    def __init__(self, file: GuardFile | None = None) -> None:
        self._file = file
        self._own = {name: _own(file, name) for name in file.policies} if file else {}

    @classmethod
    def of(cls, path: str | None) -> Guards:
        """Of the file that the configuration names. WrongToml, ConfigError."""
        return cls(guard_file.read(Path(path)) if path else None)

    @classmethod
    def aboard(cls, path: str | None, device: DeviceFolder) -> Guards:
        """The same; and from now on that folder loads no order whose policies they are not. Also of the present order."""
        guards = cls.of(path)
        device.require_also = guards.require_for
        with contextlib.suppress(NoOrder):
            guards.require_for(device.order().content)
        return guards

    def require_for(self, order: Order) -> None:
        """WrongGuardFile or UnknownGuard unless these are the policies that the order names."""
        guard_file.require_for(order, self._file)

    @property
    def names(self) -> list[str]:
        """Of all policies that are here."""
        return [*GUARDS, *self._own]

    def of_station(self, name: str, waited_s: float = 0.0) -> StationGuard:
        """By the name of its policy. `waited_s`: frames may have waited so long on the way, and come at once."""
        policy = self._file.policies.get(name) if self._file else None
        budget = Budget(policy.rate, policy.rate * (1 + waited_s)) if policy and policy.rate else None
        return StationGuard(Guard(self._own.get(name, name)), budget)


class StationGuard:
    """What one station may send: by its policy, and by the rate of that, if it has one: a second's frames at once."""

    def __init__(self, guard: Guard, budget: Budget | None) -> None:
        self._guard, self._budget, self.policy = guard, budget, guard.policy

    def held(self, frame: bytes, now: float) -> str | None:
        """As Guard.held; OVER_RATE if only the rate keeps it back. What is held by the policy costs none of the rate."""
        held = self._guard.held(frame)
        return OVER_RATE if held is None and self._budget and not self._budget.spend(now) else held


def _own(file: GuardFile, name: str) -> GuardPolicy:
    asked = file.policies[name]
    lists = (asked.allow, asked.block, asked.allow_param, asked.block_param)
    try:
        return guard_policy.own(name, asked.base, *lists)
    except PolicyError as error:
        raise ConfigError(
            f"{file.path}, guard.{name}: {error}", hint="firmware_shims/POLICIES.md lists all names"
        ) from None
