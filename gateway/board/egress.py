"""`zegel egress`: nothing leaves on the ground links but Zegel's own datagrams. Show, apply, check and remove the rules.

What lives here: the choice of interfaces, the exceptions, and the command. nftables.py makes the rules, and leak.py the
attempts of `check`.
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import os
import pwd
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
from rich.console import Console
from rich.table import Table

from gateway import config
from gateway.board import contain, leak, nftables, pretend
from gateway.board.contain import Contain, Contained
from gateway.board.nftables import Guard, Hole
from gateway.endpoints.address import EVERY_INTERFACE, Address
from gateway.errors import ConfigError, NotGuarded
from keys.commands.terminal import json_text, show
from keys.printable import printable

CONFIG = Path("/etc/zegel/egress.toml")
ROLES = (Path("/etc/zegel/air.toml"), Path("/etc/zegel/ground.toml"))
USER = "zegel"
_NAME = re.compile(r"[A-Za-z0-9_.:@-]{1,15}")  # of an interface, as people name them; Linux allows more
_WHY = re.compile(r"[A-Za-z0-9 ,.:;()/_-]{1,100}")
PORTS = range(1, 65_536)
NAME_SHOWN = 40


class Allow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One exception in egress.toml. A missing key matches everything."""

    why: str
    user: str | None = None
    interface: str | None = None
    fwmark: int | None = None
    to: str | None = None
    protocol: Literal["tcp", "udp", "ping"] | None = None
    from_port: int | None = None
    to_port: int | None = None


class EgressConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`egress.toml`."""

    interface: tuple[str, ...] = ()  # of the ground links; if none is named, those of the routes to the roles' links
    port: tuple[int, ...] = ()  # UDP ports of this computer at which a radio's program (wfb_tx) receives
    user: str = USER
    setup: bool = True  # DHCP, router solicitations, WPA: at most 10 short packets a minute each
    allow: tuple[Allow, ...] = ()
    contain: tuple[Contain, ...] = ()  # networks of vendors' controllers


def read(path: Path, given: argparse.Namespace) -> tuple[Guard, list[str]]:
    """The guard from `path`, if it exists, with the command line over it; and notes for a person. ConfigError."""
    values = config.read(path) if path.exists() or path != CONFIG else {}
    for field in ("interface", "user"):
        if getattr(given, field, None):
            values[field] = getattr(given, field)
    config.require_known(EgressConfig, values, path)
    for key, kind in (("allow", Allow), ("contain", Contain)):
        tables = values.get(key)
        for place, table in enumerate(tables if isinstance(tables, list) else [], 1):
            config.require_known(kind, table if isinstance(table, dict) else {}, f"{path}: {key} {place}")
    try:
        asked = msgspec.convert(values, EgressConfig)
    except msgspec.ValidationError as error:
        known = ", ".join(EgressConfig.__struct_fields__)
        raise ConfigError(
            f"{path}: {error}",
            hint=f"the keys are {known}; of [[allow]] {', '.join(Allow.__struct_fields__)};"
            f" of [[contain]] {', '.join(Contain.__struct_fields__)}",
        ) from None
    interfaces, ports, notes = asked.interface, asked.port, list[str]()
    if not interfaces and not ports:
        interfaces, ports, notes = _derived(needed=not asked.contain)
    for name in interfaces:
        check_interface(name)
    if not all(port in PORTS for port in ports):
        raise ConfigError(f"{path}: a port is a number from 1 to {PORTS[-1]}", hint="port = [14600]")
    holes = tuple(_hole(allow, path) for allow in asked.allow)
    contained, more = _contained(asked, path, interfaces)
    guard = Guard(
        uid=_uid(asked.user), interfaces=interfaces, ports=ports, setup=asked.setup, holes=holes, contained=contained
    )
    return guard, [*notes, *more]


def _contained(asked: EgressConfig, path: Path, links: Sequence[str]) -> tuple[tuple[Contained, ...], list[str]]:
    """The contained networks, with the ports of the air.toml next to `path`; and notes. ConfigError."""
    if not asked.contain:
        return (), []
    ports, note = contain.ports_of(path.with_name("air.toml"))
    found = list[Contained]()
    for each in asked.contain:
        check_interface(each.interface)
        if each.interface in {*links, *(other.interface for other in found)}:
            raise ConfigError(
                f"{path}: contain {each.interface!r} is a ground link, or is named twice",
                hint="the controller's network is one of its own: a second Ethernet, or a USB adapter",
            )
        uid = _uid(each.user) if ports.servers else None
        found.append(Contained(interface=each.interface, ports=ports, dhcp=each.dhcp, uid=uid))
    return tuple(found), [note] if note else []


def check_interface(name: str) -> None:
    """ConfigError if it is no name of a network interface."""
    if name == "lo":
        raise ConfigError(
            "lo is no ground link", hint="for a radio's program on this computer name its UDP port: port = [14600]"
        )
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{name!r} is no interface", hint="such as usb0 or wlan1; ip link lists them")


def _uid(user: str) -> int:
    if user.isascii() and user.isdigit():
        return int(user)
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        raise ConfigError(
            f"there is no user {user} on this computer", hint="sudo make install makes it; or --user NAME"
        ) from None


def _hole(allow: Allow, path: Path) -> Hole:
    where = f"{path}: allow {allow.why!r}"
    if not _WHY.fullmatch(allow.why):
        raise ConfigError(f"{where}: why is a line of letters and digits, 100 at most", hint='why = "SSH for maintenance"')
    if allow.protocol is None and allow.user is None and allow.fwmark is None:
        raise ConfigError(f"{where} would permit everything", hint="give it a protocol, a user or a fwmark")
    if (allow.from_port or allow.to_port) and allow.protocol not in {"tcp", "udp"}:
        raise ConfigError(f"{where} names a port but not whether tcp or udp", hint='protocol = "tcp"')
    if allow.protocol in {"tcp", "udp"} and not (allow.from_port or allow.to_port or allow.user or allow.fwmark):
        raise ConfigError(
            f"{where} would permit all {allow.protocol}", hint="give it a from_port, a to_port, a user or a fwmark"
        )
    if not all(port in PORTS for port in (allow.from_port, allow.to_port) if port is not None):
        raise ConfigError(f"{where}: a port is a number from 1 to {PORTS[-1]}", hint="from_port = 22")
    if allow.protocol == "ping" and (allow.user or allow.fwmark):
        raise ConfigError(f"{where}: the kernel answers pings, it has no user and no mark", hint="leave them out")
    if allow.interface:
        check_interface(allow.interface)
    if allow.to:
        _check_network(allow.to, where)
    values = msgspec.structs.asdict(allow) | {"uid": _uid(allow.user) if allow.user else None}
    del values["user"]
    return Hole(**values)


def _check_network(to: str, where: str) -> None:
    """An address, also without a scope, which could be any text and would get into a rule unchanged."""
    if "%" in to:
        address, _, interface = to.partition("%")
        raise ConfigError(
            f"{where}: a rule takes no address with an interface, {to!r}",
            hint=f'two keys: to = "{printable(address, NAME_SHOWN)}" and interface = "{printable(interface, NAME_SHOWN)}"',
        )
    try:
        ipaddress.ip_network(to, strict=False)
    except ValueError:
        raise ConfigError(f"{where}: {to!r} is no address and no network", hint='to = "192.168.10.0/24"') from None


# --- which interfaces ---


def _derived(*, needed: bool) -> tuple[tuple[str, ...], tuple[int, ...], list[str]]:
    """The interfaces and local ports that the links of the roles lead to, and notes.

    ConfigError if there are none and they are needed; a note if a contained network must not wait for them.
    """
    links = [(path, config.endpoint(text)) for path in ROLES if path.exists() for text in _links(path)]
    found = [(path, link, *_leads_to(link)) for path, link in links]
    interfaces = tuple(dict.fromkeys(way for *_, way, _ in found if way not in {"", "lo"}))
    ports = tuple(dict.fromkeys(link.port for _, link, way, _ in found if way == "lo"))
    notes = [f"{path}: {link}: {note}" for path, link, _, note in found]
    if not interfaces and not ports:
        said = f" ({'; '.join(notes)})" if notes else ""
        if not needed:
            return (), (), [f"no ground link is known{said}: none is guarded"]
        raise ConfigError(f"no ground link is known{said}", hint=f'--interface usb0, or interface = ["usb0"] in {CONFIG}')
    if interfaces:
        named = ", ".join(f'"{name}"' for name in interfaces)
        notes.append(
            f"taken from the routes of now; before the network is up there are none: interface = [{named}] in {CONFIG}"
        )
    return interfaces, ports, notes


def _links(path: Path) -> list[str]:
    values = {key: value for file in config.files(path) for key, value in config.read(file).items()}
    links = values.get("link", [])
    return [text for text in links if isinstance(text, str)] if isinstance(links, list) else []


def _leads_to(link: Address) -> tuple[str, str]:
    """The interface, or none, and a note on why."""
    if link.kind == "serial":
        return "", f"a serial line is not a network: any user that may open {link.device} may send there"
    if link.host in {EVERY_INTERFACE, "::"}:
        return "", "it listens on every interface: name those of the ground links"
    if "%" in link.host:
        return link.host.partition("%")[2], "by the interface that it names"
    try:
        host = str(socket.getaddrinfo(link.host, link.port, type=socket.SOCK_DGRAM)[0][4][0])
    except OSError:
        return "", f"the name {link.host} cannot be looked up now"
    if link.kind == "udpin":
        rows = [row for row in _ip("address", "show", "to", host) if row.get("addr_info")]
        name = str(rows[0]["ifname"]) if rows else ""
    else:
        rows = _ip("route", "get", host)
        name = str(rows[0].get("dev", "")) if rows else ""
    if name == "lo":
        return (
            name,
            f"goes to a program on this computer: its port {link.port} is guarded. Name the interface of its radio too",
        )
    return name, f"by {name}" if name else f"no route to {link.host} now"


def _ip(*words: str) -> list[dict[str, Any]]:
    try:
        done = subprocess.run(["ip", "-json", *words], capture_output=True, text=True, check=False)  # noqa: S603, S607
    except FileNotFoundError:
        raise ConfigError(
            "there is no ip on this computer", hint="sudo apt install iproute2, or name them: --interface usb0"
        ) from None
    found: list[dict[str, Any]] = json.loads(done.stdout) if done.returncode == 0 and done.stdout.strip() else []
    return found


# --- the command ---


def command(parser: argparse.ArgumentParser) -> None:
    """let only Zegel's user send on the ground links, by nftables; and test it"""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        "example:\n  zegel egress show --interface usb0\n  sudo zegel egress apply\n  sudo zegel egress check\n"
        f"\nWithout --interface, those of {CONFIG}, or the routes of the links in air.toml and ground.toml."
    )
    parser.add_argument(
        "do",
        choices=("show", "apply", "check", "remove"),
        help="show the rules; load them into the kernel; try to send past them, as others and as root; remove them",
    )
    parser.add_argument("--interface", metavar="IF", action="append", help="of a ground link, such as usb0; repeatable")
    parser.add_argument(
        "--user", metavar="USER", help=f"the user of zegel air or ground, by name or number; default {USER}"
    )
    parser.add_argument("--config", metavar="egress.toml", default=str(CONFIG), help=f"default {CONFIG}")
    parser.add_argument("--json", action="store_true", help="the attempts of check and their results, as JSON objects")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    if sys.platform != "linux":
        raise NotGuarded("nftables is Linux's", hint="use the firewall of this system")
    if args.do == "remove":
        nftables.remove()
        show("the egress guard is off: every program may send on every interface")
        return 0
    guard, notes = read(Path(args.config), args)
    if args.do == "show":
        contained = contain.rule_set(guard.contained, guard.interfaces) if guard.contained else ""
        rules = nftables.rule_set(guard, guard.interfaces) + contained
        show("\n".join([*(f"# {printable(note)}" for note in notes), rules]), end="")
        return 0
    for note in notes:
        show(printable(note), errors=True)
    return _apply(guard) if args.do == "apply" else _check(guard, as_json=args.json)


def _apply(guard: Guard) -> int:
    raw = nftables.load(guard)
    for line in _told(guard, raw):
        show(printable(line))
    return 0


def _told(guard: Guard, raw: tuple[str, ...]) -> Iterator[str]:
    for name in guard.interfaces:
        there = "" if nftables.present(name) else ", which does not exist yet"
        yield f"{name}{there}: only the user {guard.uid} sends" + ("" if name in raw else "; raw frames are NOT guarded")
    away = [name for name in guard.interfaces if name not in raw and not nftables.present(name)]
    if away:
        yield f"before Linux 6.16 apply again when {' and '.join(away)} exists (the package's udev rule does it)"
    elif set(guard.interfaces) - set(raw):
        yield "this kernel has no netdev egress hook (Linux 5.16): a program with CAP_NET_RAW can send past the guard"
    for port in guard.ports:
        yield f"UDP port {port} of this computer: only the user {guard.uid} sends there"
    yield from (contain.told(each, there=nftables.present(each.interface)) for each in guard.contained)
    for hole in guard.holes:
        yield f"exception, may leave in clear: {hole.why}"


# --- check ---


def _check(guard: Guard, *, as_json: bool) -> int:
    if os.geteuid() != 0:
        raise NotGuarded("only root can try as others", hint="sudo zegel egress check")
    rules = nftables.loaded()
    places = [*(f'"{name}"' for name in guard.interfaces), *map(str, guard.ports)]
    unnamed = [place for place in places if place not in rules]
    unnamed += [f'"{each.interface}"' for each in guard.contained if not nftables.contains(rules, each.interface)]
    tries = [found for name in guard.interfaces for found in leak.try_interface(name, guard.uid)]
    tries += [found for port in guard.ports for found in leak.try_port(port, guard.uid)]
    tries += [found for each in guard.contained for found in pretend.try_contained(each)]
    if as_json:
        show(json_text([msgspec.structs.asdict(found) | {"well": found.well} for found in tries], 2))
    else:
        _print(tries)
    wrong = [found for found in tries if not found.well]
    if unnamed or wrong:
        said = [f"no rule names {', '.join(unnamed)}"] if unnamed else []
        said += [f"{len(wrong)} of {len(tries)} tries did not end as they should"] if wrong else []
        raise NotGuarded(
            f"the egress guard does not hold: {'; '.join(said)}", hint="sudo zegel egress apply, and check again"
        )
    return 0


def _print(tries: list[leak.Try]) -> None:
    table = Table(box=None, pad_edge=False)
    for head in ("where", "who", "tried", "outcome"):
        table.add_column(head)
    for found in tries:
        outcome = found.outcome if found.well else f"[bold red]{found.outcome}"
        table.add_row(*map(printable, (found.where, found.who, found.way, outcome)))
    Console().print(table)
    tried = sum(1 for found in tries if found.tried and not found.may)
    show(f"{tried} tries to send past Zegel, {sum(1 for f in tries if f.tried and not f.may and f.well)} of them stopped")
    show(f"forwarding: {leak.forwarding()}")
