"""`[positions]` of share.toml: where a GIS on this computer asks for positions, with which token."""

from __future__ import annotations

import re

import msgspec

from gateway.errors import ConfigError

TOKEN = re.compile(r"[A-Za-z0-9_-]{20,128}", re.ASCII)
_PORTS = range(1024, 65_536)


class Positions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[positions]`: an HTTP server on 127.0.0.1, and nowhere else."""

    port: int
    token: str  # any user of this computer can reach the port

    def check(self, where: str) -> None:
        """ConfigError, which begins with `where`."""
        if self.port not in _PORTS:
            raise ConfigError(f"{where}: port is {self.port}", hint="a number from 1024 to 65535")
        if not TOKEN.fullmatch(self.token):
            raise ConfigError(
                f"{where}: the token has {len(self.token)} characters",
                hint="20 to 128 letters and digits: openssl rand -hex 16",
            )
