"""Configuration: TOML to frozen, strict structures. An unknown key is an error that names it.

    air.toml      the file that --config names
    air.d/*.toml  files over it, in order of name: a later file overrides an earlier one, and the command line all

What lives here: the keys, with their defaults and ranges. An error names the file that holds the mistake.
"""

from __future__ import annotations

import argparse
import contextlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias, TypeVar

import msgspec

from firmware_shims.heartbeat import SYSTEM
from gateway import rate_table
from gateway.batch import CAPACITY, FEW
from gateway.core import wire
from gateway.core.bundle import FLUSH_MAX_S, FLUSH_S
from gateway.endpoints.address import Address, AddressError, parse
from gateway.endpoints.endpoint import BUFFER
from gateway.endpoints.feed import parse_feed
from gateway.errors import ConfigError
from gateway.recording import settings
from gateway.recording.settings import Record
from gateway.sources import tables
from gateway.sources.tables import Source, Vendor
from keys.errors import WrongToml
from keys.folders import toml
from keys.folders.toml import Values
from keys.lanes import VIDEO_LANES

LINK_KBIT = (10, 1_000_000)
SYSTEM_IDS = (1, 255)
WIDE_BPS = 8_000_000  # assumed for a link that is not serial
LINK_KINDS = ("udpin", "udpout", "serial")
SETUP_FILE = "50-setup.toml"
UID_MAX = 2**32 - 2
USER_NAME_MAX = 256  # characters; LOGIN_NAME_MAX of Linux
NOBODY = ("nobody", "65534", 65_534)
BITS_ON_THE_LINE = 10  # per byte: a serial line adds a start and a stop bit


class Tuning(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`tuning.toml`: the settings that suit one board, from `zegel bench tune`. The keys are those of the roles."""

    batch: int = CAPACITY  # the most datagrams handled together
    few: int = FEW  # up to so many of them are handled by a loop of Python, more by NumPy
    flush_ms: float = FLUSH_S * 1000  # how long a frame may wait for others
    buffer_kib: int = BUFFER >> 10  # datagrams that a socket is asked to keep, in each direction


PlainUser: TypeAlias = str | int  # a user of this computer, by name or uid

TUNING_RANGES = {
    "batch": (2, CAPACITY),
    "few": (0, CAPACITY),
    "flush_ms": (0, FLUSH_MAX_S * 1000),
    "buffer_kib": (64, 65_536),
}


class _Role(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    link: tuple[str, ...]
    mtu: int = wire.LINK_MTU  # largest UDP payload that the link carries whole
    tuning: str | None = None  # a tuning.toml; other given keys override it
    batch: int = Tuning().batch
    few: int = Tuning().few
    buffer_kib: int = Tuning().buffer_kib
    guard: str | None = None  # guard.toml, if the order was issued with one
    native: bool = True  # let code in C do what it can, where it is built
    plain_users: tuple[PlainUser, ...] = ()  # users whose programs may use the plain endpoints, besides root and our own


class AirConfig(_Role, frozen=True, kw_only=True):
    """`air.toml`. Endpoints as strings, see docs/operate.md."""

    device: str
    fc: str = "udpin:127.0.0.1:14560"
    video: tuple[str, ...] = ("udpin:127.0.0.1:5602", "udpin:127.0.0.1:5606")
    link_kbit: int | None = None  # rate of the narrowest link; announcements take at most 5 % of it
    flush_ms: float = Tuning().flush_ms
    system_id: int = SYSTEM  # MAVLink system id of this aircraft
    renumber: bool = False  # give the frames of system 0, component 200 (Betaflight) this aircraft's number
    rates: dict[str, float] = {}  # messages of the flight controller, and how often a second it is asked to send each
    rewrite: bool = False  # a video stream's address becomes each station's own port, instead of staying aboard
    source: tuple[Source, ...] = ()  # what `zegel source` brings to the lanes; air needs to know who else sees it
    vendor: dict[str, Vendor] = {}
    no_fc: bool = False  # there is no flight controller, as at a vendor's controller: its silence is no fault
    record: Record = Record()
    seen_by: tuple[str, ...] = ()  # vendors that hold what comes to `video` without a source, such as RTP of an app

    def vendors(self) -> list[str]:
        """Who else holds a picture before it is sealed; each once, sorted."""
        return sorted({*tables.seen_by(self.source), *self.seen_by})

    def link_bps(self) -> int:
        """Rate of the narrowest link in bits a second: as given, otherwise that of a serial link by its baud rate."""
        if self.link_kbit is not None:
            return self.link_kbit * 1000
        return min((WIDE_BPS, *(serial_bps(endpoint(text)) for text in self.link)))


class GroundConfig(_Role, frozen=True, kw_only=True):
    """`ground.toml`."""

    station: str
    order: str
    link: tuple[str, ...] = ("udpin:0.0.0.0:14600",)
    gcs: tuple[str, ...] = ("udpout:127.0.0.1:14550",)
    video: tuple[str, ...] = ("udpout:127.0.0.1:5600", "udpout:127.0.0.1:5604")
    feed: str | None = None  # the feed of opened data by TCP, in addition to that in the runtime folder
    notices: bool = False  # tell the ground control stations what is wrong aboard, as STATUSTEXT
    record: str | None = None  # the folder in which what comes by the links is kept, sealed; off by default
    accept_older_session: str | None = None  # one start, as NAME:COUNTER, although a later one is known


Config = TypeVar("Config", AirConfig, GroundConfig)
Kind = TypeVar("Kind", AirConfig, GroundConfig, Tuning)
Where: TypeAlias = defaultdict[str, str]  # key -> its source, for errors


def load(kind: type[Config], args: argparse.Namespace) -> Config:
    """The file named by `--config`, if any, overridden by the command line."""
    command_line = "command line"
    values, where = _gathered(kind, Path(args.config)) if args.config else ({}, _from(command_line))
    for field in kind.__struct_fields__:
        given = getattr(args, field, None)
        if given is not None:
            values[field], where[field] = given, command_line
    missing = [f"--{name}" for name in _required(kind) if name not in values]
    if missing:
        raise ConfigError(
            f"{' and '.join(missing)} must be given",
            hint="on the command line, or without the dashes as a key of the file that --config names",
        )
    return _checked(kind, values, where)


def add_plain_users(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--plain-user",
        dest="plain_users",
        metavar="USER",
        action="append",
        help="a user whose programs may use the plain endpoints, besides this user and root; repeatable",
    )


def load_file(kind: type[Config], path: Path) -> Config:
    """A whole file with its overrides; ConfigError names the file and the key that is wrong."""
    return _checked(kind, *_gathered(kind, path))


def files(path: Path) -> list[Path]:
    """The file itself, and what is put over it: air.toml, then air.d/*.toml in order of name, which may be all there is."""
    beside = path.with_suffix(".d")
    try:
        over = sorted(one for one in beside.iterdir() if one.suffix == ".toml") if beside.is_dir() else []
        return [path, *over] if path.exists() or not over else over
    except OSError as error:
        raise ConfigError(f"{beside}: {error.strerror}", hint="check its permissions") from None


def is_there(path: Path) -> bool:
    """Whether there is any file of this configuration."""
    return any(file.exists() for file in files(path))


def file_for(path: Path, key: str) -> Path:
    """Where in the configuration to write `key`: the file that decides now, or the override that setup writes."""
    said = [file for file in files(path) if key in read(file)]
    return said[-1] if said else setup_file(path)


def setup_file(path: Path) -> Path:
    """Where `zegel setup` writes: never in `path`, which a package may own."""
    return path.with_suffix(".d") / SETUP_FILE


def given(args: argparse.Namespace) -> Path | None:
    """The file that `--config` names."""
    return Path(args.config) if args.config else None


def _gathered(kind: type[Config], path: Path) -> tuple[Values, Where]:
    values: Values = {}
    where = _from(str(path))
    for file in files(path):
        found = _of(kind, file)
        values |= found
        where |= dict.fromkeys(found, str(file))
    return values, where


def _from(somebody: str) -> Where:
    """All keys from this source, unless stated otherwise; also the missing ones."""
    return defaultdict(lambda: somebody)


def _required(kind: type[Config]) -> list[str]:
    return [field.name for field in msgspec.structs.fields(kind) if field.required]


def read(path: Path) -> Values:
    """The keys of a file; - and _ are equal in them."""
    with _as_config_error():
        return toml.read(path)


@contextlib.contextmanager
def _as_config_error() -> Iterator[None]:
    try:
        yield
    except WrongToml as error:
        raise ConfigError(str(error), hint=error.hint) from None


def _of(kind: type[Config], path: Path) -> Values:
    """The keys of a file that is for this role."""
    values, known = read(path), kind.__struct_fields__
    other = GroundConfig if kind is AirConfig else AirConfig
    for key in values.keys() - set(known):
        if key in other.__struct_fields__:
            role = "air" if other is AirConfig else "ground"
            raise ConfigError(f"{path} is for zegel {role}: it has the key {key}", hint=f"zegel {role} --config {path}")
    require_known(kind, values, path)
    if "record" in values and kind is AirConfig:
        values["record"] = tables.keys_of(Record, values["record"], f"{path}: record")
    return tables.spelled(values, str(path)) if kind is AirConfig else values


def require_known(kind: type[msgspec.Struct], values: Values, where: object, what: str = "") -> None:
    """ConfigError names a key that `kind` does not have, and the nearest one that it has."""
    with _as_config_error():
        toml.require_known(kind, values, where, what)


def tuning(path: Path) -> Tuning:
    """A tuning.toml; ConfigError names the key that is wrong."""
    values = read(path)
    require_known(Tuning, values, path, "is no tuning")
    where = _from(str(path))
    found = _converted(Tuning, values, where)
    _check_tuning(where, found)
    return found


def _tuned(kind: type[Config], values: Values) -> Values:
    """`values` over those of the named tuning, as far as this role has them."""
    name = values.get("tuning")
    if not isinstance(name, str):
        return values
    found = msgspec.structs.asdict(tuning(Path(name)))
    return {**{key: value for key, value in found.items() if key in kind.__struct_fields__}, **values}


def _converted(kind: type[Kind], values: Values, where: Where) -> Kind:
    try:
        return toml.convert(kind, values, where)
    except WrongToml as error:
        raise ConfigError(str(error), hint=_hint(str(error))) from None


def _checked(kind: type[Config], values: Values, where: Where) -> Config:
    config = _converted(kind, _tuned(kind, values), where)
    _check_range(where, "mtu", config.mtu, *wire.MTU_RANGE)
    _check_plain_users(where["plain_users"], config)
    _check_links(where["link"], config)
    _check_video(where["video"], config)
    plain, texts = ("fc", (config.fc,)) if isinstance(config, AirConfig) else ("gcs", config.gcs)
    for text in texts:
        if endpoint(text, where[plain]).msp and plain != "fc":
            raise ConfigError(f"{where[plain]}: {text} is no flight controller", hint="msp+ is for the key fc alone")
    _check_distinct(where[plain], plain, texts)
    if isinstance(config, GroundConfig) and config.feed is not None:
        feed(config.feed)
    if isinstance(config, AirConfig):
        settings.check(config.record, where["record"])
        if config.link_kbit is not None:
            _check_range(where, "link_kbit", config.link_kbit, *LINK_KBIT)
        rate_table.check(where["rates"], config.rates, by_msp=endpoint(config.fc).msp)
        _check_range(where, "system_id", config.system_id, *SYSTEM_IDS)
        tables.check(config.source, config.vendor, len(config.video), where["source"], where["vendor"])
        _check_vendors(where["seen_by"], config.seen_by)
    _check_tuning(where, config)
    return config


def _hint(error: str) -> str:
    if "`$.source" in error or "`$.vendor" in error:
        return "see docs/sources.md"
    return (
        'several endpoints may be given, so it is a list: ["udpout:192.168.10.2:14600"]'
        if "array" in error
        else "see docs/operate.md"
    )


def _check_range(where: Where, name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ConfigError(f"{where[name]}: {name} is {value}", hint=f"it can be {low:g} to {high:g}")


def _check_plain_users(where: str, config: AirConfig | GroundConfig) -> None:
    for user in config.plain_users:
        if not _may_be_named(user):
            raise ConfigError(
                f"{where}: plain_users names {user!r}, which is no user",
                hint='names or numbers of users, such as plain_users = ["alice", 1001]',
            )
        if user in NOBODY:
            raise ConfigError(
                f"{where}: plain_users names {user!r}, which can be any user",
                hint="Linux shows this user wherever it cannot show the right one",
            )


def _check_vendors(where: str, names: tuple[str, ...]) -> None:
    for name in names:
        if not tables.NAME.fullmatch(name):
            raise ConfigError(f"{where}: seen_by names {name!r}, which is no vendor", hint='such as seen_by = ["dji"]')


def _may_be_named(user: PlainUser) -> bool:
    if isinstance(user, int):
        return 0 <= user <= UID_MAX
    return 0 < len(user) <= USER_NAME_MAX and user.isprintable() and user == user.strip()


def _check_tuning(where: Where, found: Tuning | AirConfig | GroundConfig) -> None:
    for name, (low, high) in TUNING_RANGES.items():
        if name in found.__struct_fields__:
            _check_range(where, name, getattr(found, name), low, high)


def _check_links(where: str, config: AirConfig | GroundConfig) -> None:
    if not config.link:
        raise ConfigError(f"{where}: no link", hint="name at least one, such as udpout:192.168.10.2:14600")
    kinds = ["msp" if (link := endpoint(text, where)).msp else link.kind for text in config.link]
    for text, kind in zip(config.link, kinds, strict=True):
        if kind not in LINK_KINDS:
            raise ConfigError(
                f"{where}: {text} is not a link: a lost packet would delay all packets after it",
                hint="a link is udpout:HOST:14600, udpin:0.0.0.0:14600 or serial:/dev/ttyUSB0:57600",
            )
    if isinstance(config, AirConfig) and set(kinds) == {"udpin"}:
        raise ConfigError(
            f"{where}: no link says where to send",
            hint="the aircraft sends only to configured or verified stations: add udpout:HOST:14600",
        )
    _check_distinct(where, "link", config.link)


def _check_video(where: str, config: AirConfig | GroundConfig) -> None:
    if len(config.video) > len(VIDEO_LANES):
        raise ConfigError(f"{where}: {len(config.video)} video endpoints", hint="there are two video lanes, A and B")
    aboard = isinstance(config, AirConfig)
    allowed = ("udpin",) if aboard else ("udpout", "udpin")
    texts = (*config.video, *config.record.video) if isinstance(config, AirConfig) else config.video
    for text in texts:
        if endpoint(text, where).kind not in allowed:
            way = "cameras send to the aircraft, by UDP" if aboard else "a player is reached by UDP"
            example = "udpin:127.0.0.1:5602" if aboard else "udpout:127.0.0.1:5600"
            raise ConfigError(f"{where}: {text} is no endpoint for video: {way}", hint=f"such as {example}")
    _check_distinct(where, "video", texts)


def _check_distinct(where: str, name: str, endpoints: tuple[str, ...]) -> None:
    if len({str(endpoint(text)) for text in endpoints}) < len(endpoints):
        raise ConfigError(f"{where}: {name} names one endpoint twice", hint="name each endpoint once")


def feed(text: str) -> str:
    try:
        return parse_feed(text)
    except ValueError as error:
        raise ConfigError(str(error), hint="write it like tcp://127.0.0.1:5700, or 5700 for the same") from None


def serial_bps(address: Address) -> int:
    """The rate of a serial line, in bits a second of payload; for any other endpoint, the assumed rate."""
    return address.baud * 8 // BITS_ON_THE_LINE if address.kind == "serial" else WIDE_BPS


def endpoint(text: str, where: str = "") -> Address:
    """The address that `text` names; ConfigError, which begins with `where`, its place."""
    try:
        return parse(text)
    except AddressError as error:
        raise ConfigError(f"{where}: {error}" if where else str(error), hint=error.hint) from None
