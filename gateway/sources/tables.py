"""The tables [[source]] and [vendor.NAME] of air.toml: which pictures come aboard, how, and who else has them in plain.

What lives here: the tables as values, and their checks. `zegel air` reads them too, for `seen_by`, so this module parses no
media, opens no file and starts nothing: it is the only one of gateway/sources that a process with keys may load.

    [[source]]
    name = "front"
    lane = "a"                    # video A or B: the first or the second endpoint of `video`
    seen_by = ""                  # no one else; or who holds the picture in plain before it is sealed: "dji", "autel"
    run = ["rpicam-vid", "-n", "-t", "0", "--inline", "--flush", "-o", "-"]
    gives = "h264"                # h264 | h265 | rtp | ts

In place of `run` one of:

    rtmp = "0.0.0.0:1935/live/front"                       a controller pushes it
    rtsp = "rtsp://192.168.1.10:8554/streaming/live/1"     it is fetched; user and password in the file of `credentials`
    socket = "front"                                       the program of [vendor.front] feeds it
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple, TypeAlias
from urllib.parse import urlsplit

import msgspec

from gateway.errors import ConfigError
from keys import typo
from keys.printable import printable

Gives: TypeAlias = Literal["h264", "h265", "rtp", "ts"]
ELEMENTARY = ("h264", "h265")  # Annex B, which our packetiser makes RTP of
WAYS = ("run", "rtmp", "rtsp", "socket")
PORT_WORD = "{port}"  # in `run`: the UDP port of 127.0.0.1 where the command sends its RTP
WORDS_MAX, WORD_MAX = 200, 4096
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
RTMP_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
DEVICE = re.compile(r"/dev/[A-Za-z0-9][A-Za-z0-9_.:/-]{0,99}")
INTERFACE = re.compile(r"[A-Za-z0-9_.:@-]{1,15}")
NAME_HINT = "small letters, digits and -, 32 at most, such as front"
SHOWN = 100  # characters of a wrong value


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One [[source]]. Exactly one of `run`, `rtmp`, `rtsp` and `socket` is given."""

    name: str
    lane: Literal["a", "b"]
    seen_by: str  # who has the picture in plain before it is sealed; empty: no one
    run: tuple[str, ...] | None = None
    rtmp: str | None = None
    rtsp: str | None = None
    socket: str | None = None
    gives: Gives | None = None
    credentials: str | None = None  # a file of mode 0600

    @property
    def way(self) -> str:
        """Which of the four ways it comes by."""
        return next(way for way in WAYS if getattr(self, way) is not None)


class Vendor(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One [vendor.NAME]: the program of a vendor that feeds `socket = "NAME"`, and all that it may reach."""

    run: tuple[str, ...]
    interface: str | None = None  # the network towards the vendor's device; never a ground link
    devices: tuple[str, ...] = ()  # device nodes


class RtmpAddress(NamedTuple):
    host: str
    port: int
    path: str
    key: str


def seen_by(sources: Iterable[Source]) -> list[str]:
    """Who holds a picture of any of them in plain before it is sealed, each once, sorted."""
    return sorted({source.seen_by for source in sources} - {""})


def spelled(values: Mapping[str, object], where: str) -> dict[str, object]:
    """The keys of an air.toml, in whose tables - and _ are equal too; ConfigError names a key that does not exist."""
    found = dict(values)
    if isinstance(tables := values.get("source"), list):
        found["source"] = [keys_of(Source, table, f"{where}: source {place}") for place, table in enumerate(tables, 1)]
    if isinstance(tables := values.get("vendor"), dict):
        found["vendor"] = {name: keys_of(Vendor, table, f"{where}: vendor.{name}") for name, table in tables.items()}
    return found


def keys_of(kind: type[msgspec.Struct], table: object, where: str) -> object:
    """The keys of one table with _ alone; ConfigError names a key that `kind` does not have."""
    if not isinstance(table, dict):
        return table
    found: dict[str, object] = {}
    for key, value in table.items():
        name = key.replace("-", "_")
        if name in found:
            raise ConfigError(f"{where} has the key {name} twice", hint="write it once, with - or with _")
        if name not in kind.__struct_fields__:
            known = kind.__struct_fields__
            raise ConfigError(
                f"{where} has the key {printable(name, SHOWN)}, which does not exist",
                hint=f"{typo.meant(name, known)}the keys are {', '.join(known)}",
            )
        found[name] = value
    return found


def check(sources: tuple[Source, ...], vendors: Mapping[str, Vendor], lanes: int, where: str, vendors_where: str) -> None:
    """ConfigError for the first table that cannot work. `lanes`: how many endpoints `video` has."""
    for source in sources:
        _check_source(source, f"{where}: source {printable(source.name, SHOWN)!r}")
    _check_once(where, "two sources have the name", (source.name for source in sources), "give each a name of its own")
    hint = "a lane carries one picture: lane a and lane b, or remove one source"
    _check_once(where, "two sources are on lane", (source.lane for source in sources), hint)
    for source in sources:
        if "ab".index(source.lane) >= lanes:
            cure = 'video = ["udpin:127.0.0.1:5602", "udpin:127.0.0.1:5606"]'
            raise ConfigError(
                f"{where}: source {source.name!r} is on lane {source.lane}, which video does not have", hint=cure
            )
        if source.socket is not None and source.socket not in vendors:
            raise ConfigError(
                f"{where}: source {source.name!r} has socket = {source.socket!r}, and there is no [vendor.{source.socket}]",
                hint=f"[vendor.{source.socket}] names the program that feeds it, and what it may use",
            )
    pushed = [at for at in map(rtmp_address, sources) if at]
    if len(set(pushed)) < len(pushed):
        raise ConfigError(f"{where}: two sources have the same rtmp", hint="give each another key")
    fed = (source.socket for source in sources if source.socket is not None)
    _check_once(where, "two sources have socket =", fed, "one vendor process feeds one source")
    for name, vendor in vendors.items():
        _check_vendor(name, vendor, f"{vendors_where}: vendor.{printable(name, SHOWN)}")


def _check_once(where: str, what: str, values: Iterable[str], hint: str) -> None:
    for value, count in Counter(values).items():
        if count > 1:
            raise ConfigError(f"{where}: {what} {value}", hint=hint)


def _check_source(source: Source, where: str) -> None:
    if not NAME.fullmatch(source.name):
        raise ConfigError(f"{where}: this is no name", hint=NAME_HINT)
    if source.seen_by and not NAME.fullmatch(source.seen_by):
        raise ConfigError(
            f"{where}: seen_by = {printable(source.seen_by, SHOWN)!r} names no one",
            hint=f'seen_by = "" if no one else has the picture; otherwise who: {NAME_HINT.replace("front", "dji")}',
        )
    ways = [way for way in WAYS if getattr(source, way) is not None]
    if len(ways) != 1:
        said = f"has {' and '.join(ways)}" if ways else f"has none of {', '.join(WAYS)}"
        raise ConfigError(f"{where} {said}", hint=f"a source has exactly one of {', '.join(WAYS)}")
    _CHECKS[ways[0]](source, where)
    if source.credentials is not None:
        _check_credentials(source, where)


def _check_run(source: Source, where: str) -> None:
    words = source.run or ()
    _check_words(words, where)
    if source.gives is None:
        raise ConfigError(f"{where} does not say what the command gives", hint='gives = "h264", "h265", "rtp" or "ts"')
    placed = sum(word.count(PORT_WORD) for word in words)
    if source.gives == "rtp" and not placed:
        raise ConfigError(
            f"{where} gives rtp, and no word of its command has {PORT_WORD}, the port where it is to send",
            hint=f'such as "rtp://127.0.0.1:{PORT_WORD}?pkt_size=1200"',
        )
    if source.gives != "rtp" and placed:
        raise ConfigError(
            f"{where} gives {source.gives}, which is read from the command's standard output: there is no {PORT_WORD}",
            hint='gives = "rtp", or let the command write to its standard output',
        )


def _check_words(words: tuple[str, ...], where: str) -> None:
    if not words or not words[0]:
        raise ConfigError(f"{where}: run names no program", hint='run = ["rpicam-vid", "-n", "-t", "0", "-o", "-"]')
    if len(words) > WORDS_MAX or any(len(word) > WORD_MAX for word in words):
        raise ConfigError(f"{where}: run is too long", hint=f"at most {WORDS_MAX} words of {WORD_MAX} characters")
    if len(words) == 1 and " " in words[0]:
        raise ConfigError(
            f"{where}: run is one word with spaces, and no shell takes it apart",
            hint='a list of words: run = ["rpicam-vid", "-n", "-t", "0"]',
        )


def _check_rtmp(source: Source, where: str) -> None:
    if source.gives is not None:
        raise ConfigError(f"{where}: what RTMP gives is said by its publisher", hint="remove gives")
    rtmp_address(source, where)


def rtmp_address(source: Source, where: str = "") -> RtmpAddress | None:
    """Where `rtmp` listens, and the path and stream key of its publisher; None if it is not such a source. ConfigError."""
    if source.rtmp is None:
        return None
    text = source.rtmp
    place, _, way = text.removeprefix("rtmp://").partition("/")
    path, _, key = way.rpartition("/")
    try:
        parts = urlsplit(f"//{place}")
        host, port = str(ipaddress.ip_address(parts.hostname or "")), parts.port or 0
    except ValueError:
        host, port = "", 0
    named = RTMP_NAME.fullmatch(path) and RTMP_NAME.fullmatch(key)
    if not host or not port or not named or "@" in place:  # the stream key is a secret, so the value is not shown
        raise ConfigError(
            f"{where}: rtmp is no address to listen at with a path and a stream key",
            hint='rtmp = "0.0.0.0:1935/live/front": address and port of this computer, path, stream key',
        )
    return RtmpAddress(host, port, path, key)


def _check_rtsp(source: Source, where: str) -> None:
    if source.gives not in (None, *ELEMENTARY):
        raise ConfigError(f"{where}: RTSP gives h264 or h265", hint='gives = "h265", or none for h264')
    text = source.rtsp or ""
    try:
        parts = urlsplit(text)
        good = parts.scheme == "rtsp" and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        parts, good = None, False
    if "@" in (parts.netloc if parts and parts.netloc else text):
        raise ConfigError(
            f"{where}: rtsp has a user or a password in it, which any program here could read",
            hint='put USER:PASSWORD into a file of mode 0600, and: credentials = "/etc/zegel/front.secret"',
        )
    if not good or not text.isprintable() or any(mark in text for mark in " '\\") or len(text) > WORD_MAX:
        raise ConfigError(
            f"{where}: rtsp = {printable(text, SHOWN)!r} is no address",
            hint='rtsp = "rtsp://192.168.1.10:8554/streaming/live/1"',
        )


def _check_socket(source: Source, where: str) -> None:
    if not NAME.fullmatch(source.socket or ""):
        raise ConfigError(f"{where}: socket names no vendor process", hint=NAME_HINT)
    if source.gives not in ELEMENTARY:
        raise ConfigError(f"{where} does not say what its process gives", hint='gives = "h264" or "h265"')


def _check_credentials(source: Source, where: str) -> None:
    if source.rtsp is None:
        raise ConfigError(f"{where}: {source.way} takes no credentials", hint="remove credentials; they are for rtsp")
    if not (source.credentials or "").startswith("/"):
        raise ConfigError(f"{where}: credentials is no full path", hint='credentials = "/etc/zegel/front.secret"')


_CHECKS = {"run": _check_run, "rtmp": _check_rtmp, "rtsp": _check_rtsp, "socket": _check_socket}


def _check_vendor(name: str, vendor: Vendor, where: str) -> None:
    if not NAME.fullmatch(name):
        raise ConfigError(f"{where}: this is no name", hint=NAME_HINT)
    _check_words(vendor.run, where)
    if not all(word.isprintable() for word in vendor.run):
        raise ConfigError(f"{where}: run has a word with a control character", hint="systemd takes words of one line")
    if not vendor.run[0].startswith("/"):
        raise ConfigError(f"{where}: run names its program without its folder", hint='run = ["/opt/vendor/bin/feeder"]')
    if vendor.interface is not None and (vendor.interface == "lo" or not INTERFACE.fullmatch(vendor.interface)):
        raise ConfigError(
            f"{where}: {printable(vendor.interface, SHOWN)!r} is no interface towards a device", hint='interface = "eth1"'
        )
    for device in vendor.devices:
        if not DEVICE.fullmatch(device) or ".." in device:
            raise ConfigError(f"{where}: {printable(device, SHOWN)!r} is no device node", hint='devices = ["/dev/ttyUSB0"]')
