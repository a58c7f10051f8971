"""share.toml: what leaves this station in clear, to whom. An unknown key is an error that names it.

What lives here: the keys, with their ranges, and who may read the file. Nothing is on by default: a table that is not there
is an output that is off, and each has its address and its credentials.
"""

from __future__ import annotations

import re
import ssl
import stat
from ipaddress import ip_address
from pathlib import Path

import msgspec

from gateway import config
from gateway.errors import ConfigError
from gateway.share import certificates
from gateway.share.positions_settings import Positions
from gateway.share.tak_settings import Tak
from keys.errors import WrongToml
from keys.folders import toml

PASSWORD_MIN = 12  # characters: who overhears a login can try passwords at home
_TEXT_MAX = 128
_USER = re.compile(r"[A-Za-z0-9._-]{1,64}")
_PLACE = re.compile(r"(\[[0-9A-Fa-f:]+\]|[0-9.]+):(\d{1,5})", re.ASCII)
_OTHERS = stat.S_IRWXO | stat.S_IWGRP
_PORTS = range(1, 65_536)
EXAMPLE = "docs/share.md shows a whole file"


class Rtsp(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[rtsp]`: a server for video management systems, players and walls."""

    address: str  # HOST:PORT; HOST is a number
    user: str
    password: str
    certificate: str | None = None  # PEM files; with them it is rtsps, and nothing goes by UDP
    private_key: str | None = None
    udp_port: int = 8556  # packets come from this one, reports from the next; it is even
    md5: bool = True  # let in clients that know no SHA-256, as ffmpeg and VLC

    def place(self) -> tuple[str, int]:
        return place(self.address, "rtsp")

    def url(self, address: str | None = None) -> str:
        """For people, without the password. `address`: HOST:PORT at which they reach us, if it is another one."""
        return f"{'rtsps' if self.certificate else 'rtsp'}://{address or self.address}/"

    def context(self) -> ssl.SSLContext | None:
        """ConfigError if the certificate or its key cannot be used."""
        if self.certificate is None or self.private_key is None:
            return None
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        certificates.load_own(made, self.certificate, self.private_key, "rtsp: ")
        return made


class ShareConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`share.toml`."""

    confidential: bool = False  # share what is of a confidential order, too
    rtsp: Rtsp | None = None
    tak: Tak | None = None
    positions: Positions | None = None


def load(path: Path) -> ShareConfig:
    """ConfigError names the file and the key that is wrong, or says who else may read the file."""
    values = config.read(path)
    _require_private(path)
    config.require_known(ShareConfig, values, path)
    try:
        found = toml.convert(ShareConfig, _spelled(values), dict.fromkeys(("", *values), str(path)), hint=EXAMPLE)
    except WrongToml as error:
        raise ConfigError(str(error), hint=error.hint) from None
    if found == ShareConfig(confidential=found.confidential):
        raise ConfigError(f"{path} has no output, so nothing would be shared", hint=EXAMPLE)
    if found.rtsp:
        _check_rtsp(found.rtsp, f"{path}: rtsp")
    if found.tak:
        _check_tak(found, f"{path}: tak")
    if found.positions:
        found.positions.check(f"{path}: positions")
    return found


def place(text: str, where: str) -> tuple[str, int]:
    """The address and the port of HOST:PORT. ConfigError, which begins with `where`."""
    found = _PLACE.fullmatch(text)
    try:
        if found is not None and int(found[2]) in _PORTS:
            return str(ip_address(found[1].strip("[]"))), int(found[2])
    except ValueError:
        pass
    raise ConfigError(
        f"{where}: {text!r} is not an address with a port", hint='such as address = "192.168.10.2:8554", of this computer'
    )


def _spelled(values: toml.Values) -> toml.Values:
    """The keys of the tables, too, with - or _."""
    return {key: _with_underscores(value) for key, value in values.items()}


def _with_underscores(value: object) -> object:
    return {key.replace("-", "_"): item for key, item in value.items()} if isinstance(value, dict) else value


def _require_private(path: Path) -> None:
    """It holds passwords. A group may read it only if the file is root's, as that of the service."""
    info = path.stat()
    of_group = info.st_mode & stat.S_IRGRP and info.st_uid != 0
    if info.st_mode & _OTHERS or of_group:
        raise ConfigError(
            f"{path} holds passwords, and others may read or change it",
            hint=f"chmod 600 {path}; for the service: sudo chown root:zegel-view {path} && sudo chmod 640 {path}",
        )


def _check_rtsp(rtsp: Rtsp, where: str) -> None:
    place(rtsp.address, f"{where}: address")
    if not _USER.fullmatch(rtsp.user):
        raise ConfigError(f"{where}: user is {rtsp.user!r}", hint="letters, digits, dots, underscores and hyphens")
    if not PASSWORD_MIN <= len(rtsp.password) <= _TEXT_MAX or not rtsp.password.isprintable():
        raise ConfigError(
            f"{where}: the password has {len(rtsp.password)} characters, and needs {PASSWORD_MIN} to {_TEXT_MAX}",
            hint="a random one: openssl rand -base64 18",
        )
    if (rtsp.certificate is None) != (rtsp.private_key is None):
        raise ConfigError(f"{where}: certificate and private_key go together", hint="give both, or neither")
    if rtsp.udp_port % 2 or not 1024 <= rtsp.udp_port < 65_535:  # noqa: PLR2004
        raise ConfigError(f"{where}: udp_port is {rtsp.udp_port}", hint="an even number from 1024 to 65534")
    rtsp.context()


def _check_tak(found: ShareConfig, where: str) -> None:
    assert found.tak is not None
    try:
        found.tak.check()
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}", hint=error.hint) from None
    if found.tak.video_address is not None and found.rtsp is None:
        raise ConfigError(f"{where}: video_address is that of [rtsp], which is not there", hint="leave it out")
    if found.rtsp and found.tak.video_address is None and ip_address(found.rtsp.place()[0]).is_unspecified:
        raise ConfigError(
            f"{where}: [rtsp] is at every address of this computer, so clients cannot be told which one",
            hint='give the one that they reach: video_address = "192.168.10.2:8554"',
        )
