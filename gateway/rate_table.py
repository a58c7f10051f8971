"""Rate table: how often a second the flight controller is asked to send which message; [rates] in air.toml.

What lives here: whether the table can be carried out. What must not: asking (firmware_shims.rates, msp_session).
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.errors import ConfigError
from keys import typo

PER_S = (0.1, 400.0)


def check(where: str, rates: Mapping[str, float], *, by_msp: bool) -> None:
    """ConfigError names the first entry that cannot be. MAVLink's definitions are loaded only if there is one."""
    if not rates:
        return
    from firmware_shims.definitions import NUMBER_OF  # noqa: PLC0415
    from firmware_shims.msp_session import RATE_MAX, RATES  # noqa: PLC0415

    known, high = (RATES, RATE_MAX) if by_msp else (NUMBER_OF, PER_S[1])
    for name, per_s in rates.items():
        if name not in known:
            said = "is not made from MSP" if by_msp and name in NUMBER_OF else "is no message of MAVLink"
            hint = f"{typo.meant(name, known)}the name of a message, such as ATTITUDE = 10"
            raise ConfigError(f"{where}: rates has {name}, which {said}", hint=hint)
        if not PER_S[0] <= per_s <= high:
            raise ConfigError(f"{where}: {name} is {per_s:g} a second", hint=f"it can be {PER_S[0]:g} to {high:g}")
