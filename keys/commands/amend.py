"""`zegel order revoke`, `extend`, `add`, `change`, `systems` and `end`: an order that replaces another.

What lives here: arguments and sentences. What must not: a rule about orders (keys.amendment) or files.
"""

from __future__ import annotations

import argparse
import functools
import math
from collections.abc import Callable
from pathlib import Path

from keys import amendment, order_text
from keys.certificate import fingerprint
from keys.commands import account, arguments, issued
from keys.commands.arguments import COMPARE
from keys.commands.terminal import show
from keys.errors import Denied, FolderError, OrderExpired, WrongGuardFile
from keys.folders import files, guard_file, store
from keys.folders.agency import AgencyFolder
from keys.folders.files import Kind
from keys.folders.guard_file import GuardFile
from keys.lanes import role_names
from keys.order import Order
from keys.order_station import OrderStation
from keys.times import HOUR_S, duration

NAMED_BY = "--agency DIR"


def add_commands(add: arguments.Add) -> None:
    what = "remove stations or recording keys from an order, or revoke the keys of lost aircraft"
    revoke = add("revoke", _revoke, what, "op.order --station observer -o new.order")
    revoke.add_argument("--station", default=[], action="append", metavar="NAME", help="by its name; repeatable")
    revoke.add_argument("--device", default=[], action="append", metavar="NAME", help="an aircraft; repeatable")
    revoke.add_argument("--recording", default=[], action="append", metavar="NAME", help="a recording key; repeatable")
    extend = add("extend", _extend, "extend the validity of an order", "op.order --hours 2 -o new.order")
    extend.add_argument("--hours", required=True, type=arguments.hours, help="how much later it ends")
    end = add("end", _end, "end an operation now; a flight in the air is not cut", "op.order -o ended.order")
    what = "add stations or recording keys to an order"
    join = add("add", _join, what, "op.order --station late.pub:video -o new.order")
    arguments.add_stations(join, required=False)
    arguments.add_recording(join)
    what = "give stations other roles, or another guard policy"
    change = add("change", _change, what, "op.order --station observer:telemetry,video,command:pilot -o new.order")
    arguments.add_stations(change, "NAME:ROLES[:POLICY]", "a station of the order; all roles that it has from now on")
    systems = add("systems", _systems, "list MAVLink system ids", "op.order --device drone-7:1,51 -o new.order")
    arguments.add_devices(systems, "NAME[:IDS]", "an aircraft", required=True)
    for given in (join, change):
        arguments.add_guard(given, "the file that the order was issued with, for a guard policy of your own")
    for amend in (revoke, extend, end, join, change, systems):
        amend.add_argument("order", type=Path, metavar="op.order", help="the newest order of the operation")
        amend.add_argument(
            "--agency", type=Path, default=Path("agency"), metavar="DIR", help="the agency's folder; default ./agency"
        )
        arguments.add_output(amend, "new.order")


def _revoke(args: argparse.Namespace) -> int:
    if not args.station and not args.device and not args.recording:
        args.parser.error("name what is revoked: --station NAME or --device NAME or --recording NAME")
    amended = _amend(args, lambda old: _revoked(old, args))
    if args.station:
        show(f"{', '.join(args.station)}: can open nothing that is sealed after the aircraft has this order")
    if args.device:
        show(f"{', '.join(args.device)}: no station that has this order believes it or sends to it")
    if args.recording:
        show(f"{', '.join(args.recording)}: opens no recording that begins after the aircraft has this order")
        _say_recording(amended)
    return 0


def _revoked(old: Order, args: argparse.Namespace) -> Order:
    without = functools.reduce(amendment.revoked, args.station, old)
    without = functools.reduce(amendment.voided, args.device, without)
    return functools.reduce(amendment.unrecorded, args.recording, without)


def _say_recording(order: Order) -> None:
    for line in issued.said_of_recording(order):
        show(f"  {line}")


def _require_named_once(args: argparse.Namespace, names: list[str]) -> None:
    """The last word would count, and what was said before it would be lost."""
    for name in names:
        if names.count(name) > 1:
            args.parser.error(f"{name!r} is named twice")


def _systems(args: argparse.Namespace) -> int:
    _require_named_once(args, [given.name for given in args.device])

    def relisted(old: Order) -> Order:
        return functools.reduce(lambda order, given: amendment.relisted(order, given.name, given.systems), args.device, old)

    amended = _amend(args, relisted)
    for device in amended.devices:
        show(f"  {device.name}: {order_text.systems(device)}")
    return 0


def _extend(args: argparse.Namespace) -> int:
    now, had_ended = arguments.now(), list[int]()

    def later(old: Order) -> Order:
        extended = amendment.extended(old, args.hours)
        if now > old.not_after:
            had_ended.append(old.not_after)
        if now > extended.not_after:
            ago, more = now - old.not_after, duration(args.hours)
            end = f"{arguments.when(old.not_after)}, {duration(ago)} ago"
            raise OrderExpired(
                f"the order ended at {end}, and {more} from then are over too",
                hint=f"the hours count from that end: give at least {math.floor(ago / HOUR_S) + 1}",
            )
        return extended

    _amend(args, later)
    for end in had_ended:
        show(f"  note: it had ended at {arguments.when(end)}, and is in force again")
    return 0


def _end(args: argparse.Namespace) -> int:
    now = arguments.now()
    with account.owner(args.agency).acting():
        AgencyFolder(args.agency, NAMED_BY).require_clock(now)
    order = _amend(args, lambda old: amendment.ended(old, now), ends=True)
    if order.not_after > now:
        show(f"it had not begun: it ends as it begins, at {arguments.when(order.not_after)}")
    show("no flight begins under it once the aircraft has it; a flight in the air continues, with all its stations")
    show("an aircraft without a clock cannot know that it has ended: do not start it")
    show("after the flight, at each station: zegel station destroy DIR")
    return 0


def _join(args: argparse.Namespace) -> int:
    given = args.station or []
    if not given and not args.recording:
        args.parser.error("name what is added: --station FILE:ROLES or --recording rec.pub")
    publics, recording = issued.publics(given), issued.recording_keys(args.recording)
    with account.owner(args.agency).acting():
        issuer = AgencyFolder(args.agency, NAMED_BY).name
    stations, guards = issued.listed(given, publics, issuer), arguments.guards_of(args)
    amended = _amend(args, lambda old: amendment.recorded(amendment.joined(_with_file(old, guards), stations), recording))
    for listed in amended.stations[len(amended.stations) - len(stations) :]:
        show(f"  {listed.name}: key fingerprint {fingerprint(listed.pub)}; {COMPARE}")
    if recording:
        _say_recording(amended)
    return 0


def _change(args: argparse.Namespace) -> int:
    _require_named_once(args, [given.name for given in args.station])
    guards = arguments.guards_of(args)
    before: dict[str, OrderStation] = {}

    def changed(old: Order) -> Order:
        before.update((station.name, station) for station in old.stations)
        return functools.reduce(
            lambda order, given: amendment.changed(order, given.name, given.roles, given.policy),
            args.station,
            _with_file(old, guards),
        )

    amended = _amend(args, changed)
    for station in amended.stations:
        if station != before[station.name]:
            show(f"{station.name}: {_difference(before[station.name], station)}")
    return 0


def _with_file(old: Order, guards: GuardFile | None) -> Order:
    """`old`, if its guard policies are those of this file; WrongGuardFile."""
    if guards and old.guards is None:
        raise WrongGuardFile(
            "the order was issued without a file of guard policies, and an amendment keeps that",
            hint=f"zegel order issue --guard {arguments.word(guards.path)} begins another operation",
        )
    if guards:
        guard_file.require_for(old, guards)
    return old


def _difference(old: OrderStation, new: OrderStation) -> str:
    gains, loses = role_names(new.roles & ~old.roles), role_names(old.roles & ~new.roles)
    parts = [f"roles added: {', '.join(gains)}"] * bool(gains)
    parts += [f"roles removed, as soon as the aircraft has this order: {', '.join(loses)}"] * bool(loses)
    parts += [f"guard policy {new.guard}, before {old.guard}"] * (old.guard != new.guard)
    return "; ".join(parts)


def _amend(args: argparse.Namespace, change: Callable[[Order], Order], *, ends: bool = False) -> Order:
    """Write the order that replaces the named one, and say what it is."""
    store.require_free(args.output)
    data = files.read(Kind.ORDER, args.order)
    folder, now, owner = AgencyFolder(args.agency, NAMED_BY), arguments.now(), account.owner(args.agency)

    def in_time(old: Order) -> Order:
        changed = change(old)
        if not ends:
            _require_not_expired(changed, now)
        return changed

    with owner.acting():
        lock = folder.hold()
    with lock:
        with owner.acting():
            interrupted = folder.interrupted
        written = _written(interrupted)
        with owner.acting():
            folder.record_interrupted(written)
            amended = folder.amend(data, in_time, args.output)
        store.write(args.output, amended.raw, new=True)
        with owner.acting():
            folder.published(amended)
    order = amended.content
    end = arguments.when(order.not_after)
    dates = f"ends at {end}" if ends else f"until {end}: {order_text.standing(order, now)}"
    show(f"{args.output}: order {order.serial} for {arguments.title(order)}, {dates}")
    for listed in order.stations:
        show(f"  {issued.said(listed)}")
    issued.say_weaknesses(amended)
    show(f"next, aboard, also in flight: {issued.load(args.output)}; and a copy of the order to each station")
    return order


def _written(output: Path | None) -> bytes:
    """What an interrupted command has written there; empty if nothing. Denied if this user cannot know.

    An order that is there and is not recorded would be left out: whom it revoked would be listed again.
    """
    if output is None:
        return b""
    try:
        return store.read_public(output)
    except Denied as error:
        cure = "amend an order once as a person who may read it, or remove it if no one has it"
        raise Denied(f"an interrupted command may have written an order, and {error}", hint=cure) from None
    except FolderError:
        return b""


def _require_not_expired(order: Order, now: int) -> None:
    try:
        order.require_not_expired(now)
    except OrderExpired as error:
        cure = "zegel order extend lets it go on, zegel order issue begins another operation"
        raise OrderExpired(str(error), hint=cure) from None
