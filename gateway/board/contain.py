"""Contain: the network of a vendor's controller is a dead end. Its rules, and what they let in.

`[[contain]]` in egress.toml names the interface. What arrives there comes to the ports of the sources in air.toml, or
nowhere: no other port of this computer, nothing forwarded in either direction, no IPv6, no bridge. What this computer sends
there answers the controller, or is a source that fetches its pictures (RTSP).

Two tables. `inet` judges arriving IP before any NAT, and again where it would be forwarded, in case another table has
changed its address. `bridge` drops everything, so that a bridge does not go around the first one. Both use the names of
interfaces, so one that does not exist yet is contained when it appears.

What lives here: the table of the configuration, and text of rules. What must not: `nft` (nftables.py), tries (pretend.py).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from gateway import config
from gateway.config import AirConfig
from gateway.endpoints.address import Address
from gateway.errors import ConfigError
from gateway.local_users import SOURCE_USER
from gateway.sources import tables

TABLE = "zegel_contain"
FAMILIES = ("inet", "bridge")
BEFORE_NAT = -150  # priority in prerouting: connections are known at -200, destinations are changed at -100
BEFORE_BRIDGING = -300
AFTER_NAT = 300
DHCP_SIZE_MAX = 600
RTSP_PORT = 554


class Contain(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One [[contain]] of egress.toml."""

    interface: str
    dhcp: bool = False  # whether this computer gives the controller its address
    user: str = SOURCE_USER  # whose programs may fetch pictures there


class Ports(msgspec.Struct, frozen=True, kw_only=True):
    """What the sources of an aircraft need: ports where controllers push pictures, and servers that they fetch from."""

    tcp: tuple[int, ...] = ()
    udp: tuple[int, ...] = ()
    servers: tuple[tuple[str, int], ...] = ()  # host and port of RTSP


class Contained(msgspec.Struct, frozen=True, kw_only=True):
    """A contained interface. `uid` None: no program fetches anything there."""

    interface: str
    ports: Ports = Ports()
    dhcp: bool = False
    uid: int | None = None


def ports_of(path: Path) -> tuple[Ports, str]:
    """Those of an air.toml, and a note on why there are none. A file with a mistake opens no port."""
    if not config.is_there(path):
        return Ports(), f"{path} does not exist: the contained networks reach no port"
    try:
        air = config.load_file(AirConfig, path)
    except ConfigError as error:
        return Ports(), f"{error}: the contained networks reach no port"
    found = ports(air)
    return found, "" if found.tcp or found.udp or found.servers else f"{path} has no source that needs a network"


def ports(air: AirConfig) -> Ports:
    """Plain endpoints on loopback alone need nothing: what arrives at an interface does not reach them."""
    pushed = [at.port for at in map(tables.rtmp_address, air.source) if at and not _is_loopback(at.host)]
    plain = [config.endpoint(text) for text in (air.fc, *air.video)]
    fetched = [urlsplit(source.rtsp) for source in air.source if source.rtsp is not None]
    return Ports(
        tcp=tuple(sorted({*pushed, *_open(plain, "tcpin")})),
        udp=tuple(sorted({*_open(plain, "udpin")})),
        servers=tuple(sorted({(url.hostname or "", url.port or RTSP_PORT) for url in fetched})),
    )


def _open(endpoints: Sequence[Address], kind: str) -> list[int]:
    return [end.port for end in endpoints if end.kind == kind and not _is_loopback(end.host)]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def told(each: Contained, *, there: bool) -> str:
    """What it lets in, in words."""
    reached = [*(f"TCP {port}" for port in each.ports.tcp), *(f"UDP {port}" for port in each.ports.udp)]
    absent = "" if there else ", which does not exist yet"
    return f"{each.interface}{absent}: contained; it reaches {', '.join(reached) or 'nothing'} here, and no other network"


# --- the rules ---


def rule_set(contained: Sequence[Contained], links: Sequence[str] = ()) -> str:
    """A script for `nft -f` that replaces the loaded rules in one step; without a contained interface it removes them.

    `links`: the interfaces of the ground links, on which no answer to a controller may leave.
    """
    gone = [f"table {family} {TABLE}\ndelete table {family} {TABLE}" for family in FAMILIES]
    if not contained:
        return "\n".join(gone) + "\n"
    names = "{ " + ", ".join(f'"{each.interface}"' for each in contained) + " }"
    inet, hooks = list[str](), {"arriving": list[str](), "leaving": list[str]()}
    for uid in dict.fromkeys(each.uid for each in contained if each.uid is not None):
        inet += _chain(f"fetching_{uid}", _fetching([each for each in contained if each.uid == uid]))
        hooks["leaving"].append(f"meta skuid {uid} meta l4proto tcp ct state new jump fetching_{uid}")
    for number, each in enumerate(contained):
        inet += _chain(f"from_{number}", _from(each))
        inet += _chain(f"to_{number}", _to(each))
        hooks["arriving"].append(f'iifname "{each.interface}" jump from_{number}')
        hooks["leaving"].append(f'oifname "{each.interface}" jump to_{number}')
    through = (
        "type filter hook forward priority 0; policy accept;",
        f'iifname {names} counter drop comment "from a contained network to another one"',
        f'oifname {names} counter drop comment "from another network to a contained one"',
    )
    inet += _chain("arriving", (_hook("prerouting", BEFORE_NAT), *hooks["arriving"]))
    inet += _chain("through", through)
    inet += _chain("leaving", (_hook("postrouting", AFTER_NAT), *hooks["leaving"], *_astray(contained, links)))
    bridge = [
        *_chain("arriving", (_hook("prerouting", BEFORE_BRIDGING), f"iifname {names} counter drop")),
        *_chain("leaving", (_hook("postrouting", BEFORE_BRIDGING), f"oifname {names} counter drop")),
    ]
    made = [line for family, chains in zip(FAMILIES, (inet, bridge), strict=True) for line in _table(family, chains)]
    return "\n".join([*gone, *made]) + "\n"


def _table(family: str, chains: Sequence[str]) -> Iterator[str]:
    yield f"table {family} {TABLE} {{"
    yield from chains
    yield "}"


def _hook(place: str, priority: int) -> str:
    return f"type filter hook {place} priority {priority}; policy accept;"


def _chain(name: str, rules: Sequence[str] | Iterator[str]) -> list[str]:
    return [f"    chain {name} {{", *(f"        {rule}" for rule in rules), "    }"]


def _from(each: Contained) -> Iterator[str]:
    """What arrives from the controller. The order matters: a question for an address is a broadcast."""
    yield 'meta nfproto ipv6 counter drop comment "IPv6"'
    if each.dhcp:
        yield f'udp sport 68 udp dport 67 meta length <= {DHCP_SIZE_MAX} counter accept comment "DHCP"'
    yield 'fib daddr . iif type != local counter drop comment "for another computer, or for all"'
    # Otherwise the answer would leave by another interface, to an address of the controller's choice.
    yield f'fib saddr oifname != "{each.interface}" counter drop comment "from an address that is not in its network"'
    yield 'ct direction reply ct state established counter accept comment "answers to a source"'
    for protocol, numbers in (("tcp", each.ports.tcp), ("udp", each.ports.udp)):
        if numbers:
            yield f'{protocol} dport {_set(numbers)} counter accept comment "a source"'
    yield 'counter drop comment "another port of this computer"'


def _to(each: Contained) -> Iterator[str]:
    """What this computer sends to the controller."""
    yield 'meta nfproto ipv6 counter drop comment "IPv6"'
    for protocol, numbers in (("tcp", each.ports.tcp), ("udp", each.ports.udp)):
        if numbers:
            answers = f"{protocol} sport {_set(numbers)} ct direction reply ct state established"
            yield f'{answers} counter accept comment "answers to the controller"'
    if each.dhcp:
        yield f'udp sport 67 udp dport 68 meta length <= {DHCP_SIZE_MAX} counter accept comment "DHCP"'
    if each.uid is not None:
        yield from (f'meta skuid {each.uid} {to} counter accept comment "a source that fetches"' for to in _servers(each))
    yield 'counter drop comment "anything else"'


def _fetching(contained: Sequence[Contained]) -> Iterator[str]:
    """Where the programs that fetch may connect to: a server can send them elsewhere (RTSP 302), with the password."""
    yield from (f"{to} return" for to in dict.fromkeys(to for each in contained for to in _servers(each)))
    yield 'counter drop comment "to another place than the server of a source"'


def _servers(each: Contained) -> Iterator[str]:
    for host, port in each.ports.servers:
        yield f"{f'ip daddr {host} ' if _is_ipv4(host) else ''}tcp dport {port}"


def _astray(contained: Sequence[Contained], links: Sequence[str]) -> Iterator[str]:
    """Answers to a controller whose network is gone, such as a pulled cable: they take the route of the ground link."""
    names = "{ " + ", ".join(f'"{name}"' for name in links) + " }"
    for protocol in ("tcp", "udp"):
        numbers = sorted({port for each in contained for port in getattr(each.ports, protocol)})
        if numbers and links:
            answers = f"oifname {names} {protocol} sport {_set(numbers)}"
            yield f'{answers} counter drop comment "in clear, for a contained network"'


def _set(numbers: Sequence[int]) -> str:
    return "{ " + ", ".join(map(str, numbers)) + " }"


def _is_ipv4(host: str) -> bool:
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return True
