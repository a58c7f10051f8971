"""Subject of the doctor: a role, its configuration if there is one, its user, and its running process."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal

from gateway import config
from gateway.config import AirConfig, GroundConfig
from gateway.endpoints.address import Address
from gateway.report.role_status import Status
from keys.commands.account import Account

Role = Literal["air", "ground"]
FOLDER = Path("/etc/zegel")  # where the services read ROLE.toml


@dataclasses.dataclass(frozen=True, kw_only=True)
class Subject:
    """`running` is the status of the process of this role, None if none answers; `root` is the root of the file system."""

    role: Role
    path: Path
    settings: AirConfig | GroundConfig | None
    user: Account
    running: Status | None = None
    root: Path = Path("/")

    @property
    def air(self) -> AirConfig | None:
        return self.settings if isinstance(self.settings, AirConfig) else None

    @property
    def ground(self) -> GroundConfig | None:
        return self.settings if isinstance(self.settings, GroundConfig) else None

    def addresses(self) -> list[Address]:
        """Every endpoint of the configuration."""
        if self.settings is None:
            return []
        ends = [*self.settings.link, *self.settings.video]
        ends += [self.settings.fc] if isinstance(self.settings, AirConfig) else self.settings.gcs
        return [config.endpoint(text) for text in ends]


def default_path(role: Role) -> Path:
    return FOLDER / f"{role}.toml"
