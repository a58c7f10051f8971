"""`zegel order`: issue, amend, read and verify operation orders.

What lives here: arguments and sentences. What must not: a rule about keys, orders or files.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import itertools
from collections.abc import Callable
from pathlib import Path

from keys import amendment, cose, order_text
from keys.certificate import fingerprint, utc
from keys.commands import account, arguments
from keys.commands.arguments import COMPARE, Listing
from keys.commands.terminal import show
from keys.errors import FolderError
from keys.folders import files, roots, station_public, store
from keys.folders.agency import AgencyFolder
from keys.folders.files import Kind
from keys.folders.station_public import StationPublic
from keys.lanes import Role, role_names
from keys.order import (
    CLASSIFICATIONS,
    Order,
    OrderStation,
    VerifiedOrder,
    fits_link,
    parse_order,
    verify_order,
)
from keys.policy import Policy, PolicyFlag

NAMED_BY = "--agency DIR"


def order(parser: argparse.ArgumentParser) -> None:
    """issue, read and verify operation orders"""
    add = arguments.commands(parser)
    issue = add(
        "issue",
        _order_issue,
        "sign an order: which aircraft, which stations with which roles, how long",
        'agency --operation "Night Watch" --device device.crt:1 \\\n    --station pilot.pub:telemetry,video,command'
        " --station observer.pub:telemetry,video --hours 8 -o op.order",
    )
    issue.add_argument("dir", type=Path, metavar="AGENCY", help="the agency's folder, with signer/ in it")
    issue.add_argument("--operation", required=True, metavar="NAME", help="the name that people use")
    arguments.add_devices(issue, "FILE[:IDS]", "an aircraft's certificate")
    arguments.add_stations(issue)
    issue.add_argument("--classification", choices=CLASSIFICATIONS, default=CLASSIFICATIONS[0], help="default regular")
    issue.add_argument("--hours", required=True, type=arguments.hours, help="how long it is in force")
    issue.add_argument(
        "--pad-video", action="store_true", help="hide the sizes of video datagrams, at the price of bandwidth"
    )
    issue.add_argument("--start", type=arguments.start, metavar="TIME", help="UTC, such as 2031-05-09T18:00; default now")
    arguments.add_output(issue, "op.order")
    _add_amendments(add)
    show = add("show", _order_show, "explain in words what an order allows; needs no key", "op.order")
    show.add_argument("order", type=Path, metavar="op.order")
    verify = add(
        "verify", _order_verify, "check who signed an order, and that it has not ended", "op.order --root root.crt"
    )
    verify.add_argument(
        "orders", nargs="+", type=Path, metavar="op.order", help="for several, also whether one signer made them"
    )
    arguments.add_root(verify)
    for public in (show, verify):
        public.set_defaults(holds_key=False)


def _add_amendments(add: arguments.Add) -> None:
    what = "remove stations from an order, or revoke the keys of lost aircraft"
    revoke = add("revoke", _order_revoke, what, "op.order --station observer -o new.order")
    revoke.add_argument("--station", default=[], action="append", metavar="NAME", help="by its name; repeatable")
    revoke.add_argument("--device", default=[], action="append", metavar="NAME", help="an aircraft; repeatable")
    extend = add("extend", _order_extend, "extend the validity of an order", "op.order --hours 2 -o new.order")
    extend.add_argument("--hours", required=True, type=arguments.hours, help="how much later it ends")
    join = add("add", _order_add, "add stations to an order", "op.order --station late.pub:video -o new.order")
    arguments.add_stations(join)
    systems = add("systems", _order_systems, "list MAVLink system ids", "op.order --device drone-7:1,51 -o new.order")
    arguments.add_devices(systems, "NAME[:IDS]", "an aircraft")
    for amend in (revoke, extend, join, systems):
        amend.add_argument("order", type=Path, metavar="op.order", help="the newest order of the operation")
        amend.add_argument(
            "--agency", type=Path, default=Path("agency"), metavar="DIR", help="the agency's folder; default ./agency"
        )
        arguments.add_output(amend, "new.order")


def _order_issue(args: argparse.Namespace) -> int:
    store.require_free(args.output)
    publics = _publics(args.station)
    certificates = [arguments.read_certificate(Path(given.name)) for given in args.device]
    now = arguments.now()
    begin = args.start or now
    with account.owner(args.dir).acting():
        folder = AgencyFolder(args.dir)
        folder.require_clock(now)
        stations = _listed(args.station, publics, folder.name)
        devices = [folder.device(certificate, now) for certificate in certificates]
        draft = Order(
            op_id=b"",
            serial=0,
            not_before=begin,
            not_after=begin + args.hours,
            agency=folder.name,
            operation=args.operation,
            classification=args.classification,
            devices=tuple(
                dataclasses.replace(device, systems=given.systems)
                for given, device in zip(args.device, devices, strict=True)
            ),
            stations=tuple(stations),
            recording=(),
            previous=None,
            policy=Policy(flags=PolicyFlag.PAD_VIDEO if args.pad_video else 0),
        )
        issued = folder.issue(draft)
    store.write(args.output, issued.raw, new=True)
    length = order_text.duration(args.hours)
    show(
        f"{args.output}: order {issued.content.serial} for {arguments.title(draft)}, {length} until {utc(draft.not_after)}"
    )
    for listed in stations:
        show(f"  {_said(listed)}; key fingerprint {fingerprint(listed.pub)}")
    _say_weaknesses(issued)
    show(f"read it: zegel order show {arguments.word(args.output)}. With each station, {COMPARE}")
    show(f"next, aboard: {_load(args.output)}; and a copy of the order to each station")
    return 0


def _publics(given: list[Listing]) -> list[StationPublic]:
    return [station_public.parse(files.read(Kind.STATION, listing.path), listing.path) for listing in given]


def _listed(given: list[Listing], publics: list[StationPublic], issuer: str) -> list[OrderStation]:
    """Stations as the order lists them."""
    return [
        OrderStation(
            *(index, public.name, public.profile, public.pub, listing.roles, listing.guard),
            public.agency if public.agency != issuer else None,
        )
        for index, (listing, public) in enumerate(zip(given, publics, strict=True), 1)
    ]


def _said(station: OrderStation) -> str:
    policy = f", guard policy {station.guard}" if station.roles & Role.COMMAND else ""
    return f"station {station.name!r}: {', '.join(role_names(station.roles))}{policy}"


def _say_weaknesses(issued: VerifiedOrder) -> None:
    if without := order_text.unlisted(issued.content):
        show(f"  note: {without}; --device drone.crt:1 lists them, in an order that exists zegel order systems")
    if weak := order_text.classical(issued.content):
        show(f"  note: {weak}; zegel station init --profile x-wing makes a key that holds")
    if not fits_link(issued.raw):
        show(f"  note: {order_text.TOO_LARGE}")


def _load(order_file: Path) -> str:
    return f"zegel device load-order DIR {arguments.word(order_file)}"


def _order_revoke(args: argparse.Namespace) -> int:
    if not args.station and not args.device:
        args.parser.error("name what is revoked: --station NAME or --device NAME")
    _amend(args, lambda old: _revoked(old, args.station, args.device))
    if args.station:
        show(f"{', '.join(args.station)}: can open nothing that is sealed after the aircraft has this order")
    if args.device:
        show(f"{', '.join(args.device)}: no station that has this order believes it or sends to it")
    return 0


def _revoked(old: Order, stations: list[str], devices: list[str]) -> Order:
    return functools.reduce(amendment.voided, devices, functools.reduce(amendment.revoked, stations, old))


def _order_systems(args: argparse.Namespace) -> int:
    def relisted(old: Order) -> Order:
        return functools.reduce(lambda order, given: amendment.relisted(order, given.name, given.systems), args.device, old)

    amended = _amend(args, relisted)
    for device in amended.devices:
        show(f"  {device.name}: {order_text.systems(device)}")
    return 0


def _order_extend(args: argparse.Namespace) -> int:
    _amend(args, lambda old: amendment.extended(old, args.hours))
    return 0


def _order_add(args: argparse.Namespace) -> int:
    publics = _publics(args.station)
    with account.owner(args.agency).acting():
        issuer = AgencyFolder(args.agency, NAMED_BY).name
    stations = _listed(args.station, publics, issuer)
    amended = _amend(args, lambda old: amendment.joined(old, stations))
    for listed in amended.stations[-len(stations) :]:
        show(f"  {listed.name}: key fingerprint {fingerprint(listed.pub)}; {COMPARE}")
    return 0


def _amend(args: argparse.Namespace, change: Callable[[Order], Order]) -> Order:
    """Write the order that replaces the named one, and say what it is."""
    store.require_free(args.output)
    data = files.read(Kind.ORDER, args.order)
    folder, now, owner = AgencyFolder(args.agency, NAMED_BY), arguments.now(), account.owner(args.agency)

    def in_time(old: Order) -> Order:
        changed = change(old)
        changed.require_not_expired(now)
        return changed

    with owner.acting():
        lock = folder.hold()
    with lock:
        with owner.acting():
            interrupted = folder.interrupted
        written = _written(interrupted)
        with owner.acting():
            folder.record_interrupted(written)
            issued = folder.amend(data, in_time, args.output)
        store.write(args.output, issued.raw, new=True)
        with owner.acting():
            folder.published(issued)
    order = issued.content
    show(f"{args.output}: order {order.serial} for {arguments.title(order)}, until {utc(order.not_after)}")
    for listed in order.stations:
        show(f"  {_said(listed)}")
    _say_weaknesses(issued)
    show(f"next, aboard, also in flight: {_load(args.output)}; and a copy of the order to each station")
    return order


def _written(output: Path | None) -> bytes:
    """What an interrupted command has written there; empty if nothing."""
    if output is None:
        return b""
    try:
        return store.read_public(output)
    except FolderError:
        return b""


def _order_show(args: argparse.Namespace) -> int:
    data = files.read(Kind.ORDER, args.order)
    show(order_text.describe(parse_order(data), [signature.alg for signature in cose.parse_sign(data).signatures]))
    return 0


def _order_verify(args: argparse.Namespace) -> int:
    now, of_agency = arguments.now(), roots.of_agency(args.root)
    found = [verify_order(files.read(Kind.ORDER, path), of_agency, 0) for path in args.orders]
    for known, new in itertools.permutations(found, 2):
        amendment.require_one_signer(new, known)
    for path, verified in zip(args.orders, found, strict=True):
        verified.content.require_not_expired(now)
        begins = f"begins at {utc(verified.content.not_before)}, " if verified.content.not_before > now else ""
        show(f"{path}: good, {order_text.signed_by(verified)}; {begins}ends at {utc(verified.content.not_after)}")
    return 0
