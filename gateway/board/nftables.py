"""nftables: the rules by which only Zegel's user sends on the ground links, and their loading into the kernel.

Two tables, one list of rules. `inet`, at the end of postrouting, sees all outgoing IP: of programs, forwarded, after any
NAT. It uses the names of interfaces, so an interface that does not exist yet is guarded when it appears. `netdev`, at the
device itself (Linux 5.16), sees every frame, raw ones (AF_PACKET) too; before 6.16 a kernel accepts it only for existing
devices.

What lives here: text of rules, and `nft`. What must not: the choice of interfaces (egress.py).
"""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from gateway.board import contain
from gateway.board.contain import Contained
from gateway.errors import NotGuarded

TABLE = "zegel_egress"
AFTER_NAT = 300  # priority in postrouting; source NAT is at 100
DHCP_SIZE_MAX = 600  # a client's message has at most 576 bytes, plus the frame's header
EAPOL, EAPOL_SIZE_MAX = 0x888E, 512
PLACES = ("inet", "netdev")


class Hole(msgspec.Struct, frozen=True, kw_only=True):
    """An exception that may leave; None matches everything. `uid` None: any program, and the kernel."""

    why: str
    uid: int | None = None
    interface: str | None = None
    fwmark: int | None = None
    to: str | None = None  # an address or a network
    protocol: str | None = None  # tcp, udp or ping
    from_port: int | None = None
    to_port: int | None = None

    def rule(self) -> str:
        words = [f'oifname "{self.interface}"'] if self.interface else []
        if self.uid is not None:
            words.append(f"meta skuid {self.uid}")
        if self.fwmark is not None:
            words.append(f"meta mark {self.fwmark:#x}")
        if self.to:
            words.append(f"{'ip6' if ':' in self.to else 'ip'} daddr {self.to}")
        if self.protocol in {"tcp", "udp"}:
            words.append(f"meta l4proto {self.protocol}")
            ports = (("sport", self.from_port), ("dport", self.to_port))
            words += [f"{self.protocol} {side} {port}" for side, port in ports if port is not None]
        return f'{" ".join(words)} counter accept comment "{self.why}"'

    def pings(self) -> tuple[str, str]:
        where = f'oifname "{self.interface}" ' if self.interface else ""
        to = f"{'ip6' if ':' in self.to else 'ip'} daddr {self.to} " if self.to else ""
        return f"{where}{to}icmp type echo-reply counter accept", f"{where}{to}icmpv6 type echo-reply counter accept"


class Guard(msgspec.Struct, frozen=True, kw_only=True):
    """The guarded interfaces of the ground links, and guarded UDP ports of a radio's program on this computer."""

    uid: int
    interfaces: tuple[str, ...]
    ports: tuple[int, ...] = ()
    setup: bool = True  # whether DHCP, router solicitations and WPA's keys may pass, within limits
    holes: tuple[Hole, ...] = ()
    contained: tuple[Contained, ...] = ()  # networks of vendors' controllers: contain.py


def rule_set(guard: Guard, devices: Sequence[str] | None) -> str:
    """A script for `nft -f` that replaces the loaded rules in one step.

    `devices` get the rules of the netdev table; None: the kernel has no such table.
    """
    lines = [line for place in PLACES[: 1 if devices is None else 2] for line in _gone(place)]
    names = ", ".join(f'"{name}"' for name in guard.interfaces)
    hook = [f"type filter hook postrouting priority {AFTER_NAT}; policy accept;"]
    if guard.interfaces:
        hook.append(f"oifname {{ {names} }} jump only_zegel")
    to_radio = (
        f'udp dport {{ {", ".join(map(str, guard.ports))} }} meta skuid != {guard.uid} counter drop comment "to the radio"'
    )
    if guard.ports:
        hook.append(f'oifname "lo" {to_radio}')
    lines += _table("inet", {"only_zegel": _only_zegel(guard), "leaving": hook})
    chains: dict[str, Iterable[str]] = {}
    if guard.ports and devices is not None:
        chains["to_radio"] = [_egress("lo"), to_radio]
    if devices:
        chains |= {"only_zegel": _only_zegel(guard), "leaving": [_egress(*devices), "jump only_zegel"]}
    return "\n".join([*lines, *(_table("netdev", chains) if chains else ())]) + "\n"


def _egress(*devices: str) -> str:
    names = ", ".join(f'"{name}"' for name in devices)
    return f"type filter hook egress devices = {{ {names} }} priority 0; policy accept;"


def _gone(place: str) -> tuple[str, str]:
    """Delete a table whether it exists or not: `destroy` needs nft 1.0.7."""
    return f"table {place} {TABLE}", f"delete table {place} {TABLE}"


def _table(place: str, chains: dict[str, Iterable[str]]) -> Iterator[str]:
    yield f"table {place} {TABLE} {{"
    for name, rules in chains.items():
        yield f"    chain {name} {{"
        yield from (f"        {rule}" for rule in rules)
        yield "    }"
    yield "}"


def _only_zegel(guard: Guard) -> Iterator[str]:
    """The order matters: packets of programs are judged first; the remaining ones have no program, the kernel made them."""
    yield f'meta skuid {guard.uid} counter accept comment "Zegel"'
    pings = [hole for hole in guard.holes if hole.protocol == "ping"]
    yield from (hole.rule() for hole in guard.holes if hole not in pings)
    if guard.setup:
        yield from _setup()
    # A packet without a program's socket has no user, neither this one nor another.
    yield f'meta skuid != {guard.uid} counter drop comment "another program"'
    yield 'meta protocol arp meta length <= 46 counter accept comment "who has this address: the kernel\'s"'
    types = "{ nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit }"
    yield f'ip6 hoplimit 255 icmpv6 type {types} ip6 length <= 32 counter accept comment "the same in IPv6"'
    for hole in pings:
        yield from hole.pings()
    yield 'counter drop comment "forwarded, or an answer of the kernel"'


def _setup() -> Iterator[str]:
    """Packets of other programs that set a link up: rare, short, and from ports or sockets that need privileges."""
    few = "limit rate 10/minute burst 10 packets counter accept"
    yield f'udp sport 68 udp dport 67 meta length <= {DHCP_SIZE_MAX} {few} comment "DHCP"'
    yield f'udp sport 546 udp dport 547 meta length <= {DHCP_SIZE_MAX} {few} comment "DHCPv6"'
    yield f'ip6 hoplimit 255 icmpv6 type nd-router-solicit ip6 length <= 24 {few} comment "is there a router"'
    yield f'meta protocol {EAPOL:#x} meta length <= {EAPOL_SIZE_MAX} {few} comment "WPA keys"'


# --- the kernel ---


def present(name: str) -> bool:
    return name in {known for _, known in socket.if_nameindex()}  # of this network namespace; /sys may show another one


def load(guard: Guard) -> tuple[str, ...]:
    """Load the rules into the kernel, all or nothing; the result is the interfaces whose raw frames are guarded too.

    NotGuarded if not even the inet table is accepted. The contained networks come first, in a step of their own.
    """
    contained = contain.rule_set(guard.contained, guard.interfaces)
    error = _nft("-f", "-", script=contained) if guard.contained or _contained() else ""
    if error:
        raise _refused(error)
    there = tuple(name for name in guard.interfaces if present(name))
    for devices in dict.fromkeys((guard.interfaces, there, None)):
        error = _nft("-f", "-", script=rule_set(guard, devices))
        if not error:
            return devices or ()
    raise _refused(error)


def _refused(error: str) -> NotGuarded:
    hint = "as root: sudo zegel egress apply"
    return NotGuarded(f"nft refuses the rules: {error}", hint=hint if "permitted" in error else "zegel egress show")


def remove() -> None:
    """Remove the rules, if there are any."""
    for place in PLACES:
        error = _nft("-f", "-", script="\n".join(_gone(place)) + "\n")
        if error and place in loaded():
            raise NotGuarded(f"nft does not remove the rules: {error}", hint="as root: sudo zegel egress remove")
    if _contained():
        _nft("-f", "-", script=contain.rule_set(()))


def loaded() -> str:
    """The rules of the guard and of contained networks in the kernel, with their counters; empty if there are none."""
    return "".join(_run("list", "table", place, TABLE).stdout for place in PLACES) + _contained()


def contains(rules: str, name: str) -> bool:
    """Whether these rules contain the network of an interface."""
    return f'iifname "{name}" jump from_' in rules


def _contained() -> str:
    return "".join(_run("list", "table", family, contain.TABLE).stdout for family in contain.FAMILIES)


def _nft(*words: str, script: str) -> str:
    """Empty, or the first line of its error."""
    done = _run(*words, script=script)
    return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[0]


def _run(*words: str, script: str = "") -> subprocess.CompletedProcess[str]:
    program = shutil.which("nft", path="/usr/sbin:/sbin:/usr/bin:/bin") or shutil.which("nft")
    if program is None:
        raise NotGuarded("there is no nft on this computer", hint="sudo apt install nftables")
    return subprocess.run([program, *words], input=script, capture_output=True, text=True, check=False)  # noqa: S603
