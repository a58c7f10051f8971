"""Subject of the doctor: a role, its configuration if there is one, its user, and its running process."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from gateway import config
from gateway.board.live import Live
from gateway.config import AirConfig, GroundConfig
from gateway.endpoints.address import Address
from gateway.report.role_status import Status
from keys.commands import account
from keys.commands.account import Account

Role = Literal["air", "ground"]
FOLDER = Path("/etc/zegel")  # where the services read ROLE.toml


@dataclasses.dataclass(frozen=True, kw_only=True)
class Subject:
    """`live` are the roles that run on this computer, of any user; `running` is the status of the one with this
    role and these endpoints, None if none answers; `root` is the root of the file system."""

    role: Role
    path: Path
    settings: AirConfig | GroundConfig | None
    user: Account
    live: Sequence[Live] = ()
    running: Status | None = None
    root: Path = Path("/")

    @property
    def air(self) -> AirConfig | None:
        return self.settings if isinstance(self.settings, AirConfig) else None

    @property
    def ground(self) -> GroundConfig | None:
        return self.settings if isinstance(self.settings, GroundConfig) else None

    def having(self, address: Address) -> Live | None:
        """The live role of this kind that has this endpoint, as its status says."""
        return next((live for live in self.live if live.role == self.role and live.traffic(address)), None)

    def account_of(self, service: str) -> Account:
        """The user of another service of this role: the one that a package made, or who runs it by hand."""
        return (account.of_service(service) if self.path == default_path(self.role) else None) or self.user

    def addresses(self) -> list[Address]:
        """Every endpoint of the configuration."""
        if self.settings is None:
            return []
        ends = [*self.settings.link, *self.settings.video]
        ends += [self.settings.fc] if isinstance(self.settings, AirConfig) else self.settings.gcs
        return [config.endpoint(text) for text in ends]


def default_path(role: Role) -> Path:
    return FOLDER / f"{role}.toml"
