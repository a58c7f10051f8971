"""`[tak]` of share.toml: where Cursor on Target goes, with which certificate. What must not live here: sockets."""

from __future__ import annotations

import re
import ssl
from ipaddress import IPv4Address, ip_address
from typing import NamedTuple

import msgspec

from gateway.errors import ConfigError
from gateway.share import certificates

_URL = re.compile(r"(udp|tls)://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\]):(\d{1,5})/?", re.ASCII)
_VIDEO = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\]):\d{1,5}", re.ASCII)
_PORT_MAX = 65_535


class Place(NamedTuple):
    tls: bool
    host: str  # with TLS it may be a name
    port: int

    @property
    def is_multicast(self) -> bool:
        return not self.tls and ip_address(self.host).is_multicast


class Tak(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[tak]`: events for a TAK network, by UDP to all who listen, or to a TAK server."""

    url: str  # udp://239.2.3.1:6969, udp://HOST:PORT or tls://SERVER:8089
    interface: str | None = None  # of this computer: what multicast leaves by
    certificate: str | None = None  # PEM files: ours, its key, and who signs that of the server
    private_key: str | None = None
    authority: str | None = None
    server_name: str | None = None  # in the server's certificate, if it is not that of the url
    video_address: str | None = None  # HOST:PORT at which clients reach [rtsp]; without it, that of [rtsp]

    def place(self) -> Place:
        """ConfigError."""
        found = _URL.fullmatch(self.url)
        if found is None or not 0 < int(found[3]) <= _PORT_MAX:
            raise ConfigError(
                f"url is {self.url!r}",
                hint="udp://239.2.3.1:6969 for a network, or tls://SERVER:8089; TCP without TLS is not offered",
            )
        place = Place(found[1] == "tls", found[2].strip("[]"), int(found[3]))
        if not place.tls:
            _number(place.host, "url")
        return place

    def check(self) -> None:
        """ConfigError says what does not fit."""
        place = self.place()
        files = (self.certificate, self.private_key, self.authority)
        if place.tls and None in files:
            raise ConfigError(
                f"{self.url} needs certificate, private_key and authority",
                hint="the administrator of the TAK server has them; docs/share.md says how to make PEM files of a .p12",
            )
        if not place.tls and any((*files, self.server_name)):
            raise ConfigError(f"{self.url} uses no certificate", hint="leave out the certificate, or use tls://SERVER:8089")
        self._check_interface(place)
        if self.video_address is not None and not _VIDEO.fullmatch(self.video_address):
            raise ConfigError(f"video_address is {self.video_address!r}", hint='such as "192.168.10.2:8554"')
        self.context()

    def context(self) -> ssl.SSLContext | None:
        """None without TLS. ConfigError names the file that cannot be used."""
        if self.certificate is None or self.private_key is None or self.authority is None:
            return None
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            made.load_verify_locations(self.authority)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                f"authority {self.authority}: {error.strerror or error}",
                hint="a PEM file with the certificate of who signs",
            ) from None
        certificates.load_own(made, self.certificate, self.private_key, "")
        return made

    def _check_interface(self, place: Place) -> None:
        if not place.is_multicast:
            if self.interface is not None:
                raise ConfigError(f"interface is for multicast, and {self.url} is none", hint="leave it out")
            return
        if not isinstance(ip_address(place.host), IPv4Address):
            raise ConfigError(f"{self.url} is multicast of IPv6", hint="TAK uses 239.2.3.1")
        if self.interface is None:
            raise ConfigError(
                f"{self.url} needs interface",
                hint='the address of this computer in the network where it may go: interface = "192.168.10.2"',
            )
        if not isinstance(_number(self.interface, "interface"), IPv4Address):
            raise ConfigError(f"interface is {self.interface!r}", hint="an address such as 192.168.10.2")


def _number(text: str, where: str) -> object:
    try:
        return ip_address(text)
    except ValueError:
        raise ConfigError(
            f"{where}: {text!r} is not a number such as 192.168.10.2", hint="names are looked up for tls:// only"
        ) from None
