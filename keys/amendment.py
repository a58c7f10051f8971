"""Amendment: how an order in force becomes the next one of the same operation. SPEC.md section 3.

What lives here: what may change and what must stay. folders/agency.py signs an amendment, and the folders accept it. Pure.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from keys import typo
from keys.certificate import groups
from keys.errors import MalformedOrder, NotListed, NumberTwice, OrderExpired, RevokedAgain
from keys.lanes import STATIONS_MAX, Role
from keys.order import Order, VerifiedOrder
from keys.order_device import TO_END, OrderDevice
from keys.order_station import GUARDS, OrderRecording, OrderStation, default_guard
from keys.times import utc


def revoked(order: Order, name: str) -> Order:
    """`order` without the station of this name; NotListed, MalformedOrder if no station is left."""
    left = tuple(station for station in order.stations if station.name != name)
    if len(left) == len(order.stations):
        raise _not_listed("station", name, [station.name for station in left])
    if not left:
        raise MalformedOrder(f"{name!r} is the only station of the order", hint=TO_END)
    return dataclasses.replace(order, stations=left)


def voided(order: Order, name: str) -> Order:
    """`order` with the device of this name void; NotListed. The order's own rules check that another one may fly."""
    place = _place(order, name)
    device = order.devices[place]
    if device.void:
        raise MalformedOrder(f"{name!r} is revoked already", hint="leave its name out of the command")
    return _with(order, place, dataclasses.replace(device, void=True))


def relisted(order: Order, name: str, systems: tuple[int, ...]) -> Order:
    """`order` with these system ids for the device of this name; NotListed."""
    place = _place(order, name)
    return _with(order, place, dataclasses.replace(order.devices[place], systems=systems))


def _place(order: Order, name: str) -> int:
    names = [device.name for device in order.devices]
    if name not in names:
        raise _not_listed("aircraft", name, names)
    return names.index(name)


def _not_listed(what: str, name: str, names: list[str]) -> NotListed:
    return NotListed(
        f"the order lists no {what} {name!r}", hint=f"{typo.meant(name, names)}it lists {', '.join(names) or 'none'}"
    )


def _with(order: Order, place: int, device: OrderDevice) -> Order:
    return dataclasses.replace(order, devices=(*order.devices[:place], device, *order.devices[place + 1 :]))


def extended(order: Order, seconds: int) -> Order:
    """`order` with a later end."""
    return dataclasses.replace(order, not_after=order.not_after + seconds)


def ended(order: Order, now: int) -> Order:
    """`order` with its end now, or as soon as it begins; OrderExpired if that is not before its end."""
    end = max(now, order.not_before + 1)
    if end >= order.not_after:
        when = f"ended at {utc(order.not_after)}" if now > order.not_after else f"ends at {utc(order.not_after)} already"
        raise OrderExpired(f"the order {when}", hint="there is nothing left to end")
    return dataclasses.replace(order, not_after=end)


def changed(order: Order, name: str, roles: Role, guard: str | None) -> Order:
    """`order` with these roles for the station of this name. NotListed; MalformedOrder if it has them already.

    Without a guard policy a station that could command keeps its own: what is not said is not widened.
    """
    names = [station.name for station in order.stations]
    if name not in names:
        raise _not_listed("station", name, names)
    place = names.index(name)
    old = order.stations[place]
    kept = old.guard if old.roles & roles & Role.COMMAND else default_guard(roles)
    new = dataclasses.replace(old, roles=roles, guard=guard or kept)
    if new == old:
        raise MalformedOrder(f"{name!r} has these roles already", hint="take its name out of what you asked for")
    return dataclasses.replace(order, stations=(*order.stations[:place], new, *order.stations[place + 1 :]))


def joined(order: Order, stations: Iterable[OrderStation]) -> Order:
    """`order` with `stations` too, under indexes that it does not use; their own indexes are ignored."""
    listed = list(order.stations)
    for station in stations:
        free = set(range(1, STATIONS_MAX + 1)) - {other.index for other in listed}
        if not free:
            raise MalformedOrder(f"the order has {STATIONS_MAX} stations, and there are no more", hint="revoke one first")
        listed.append(dataclasses.replace(station, index=min(free)))
    return dataclasses.replace(order, stations=tuple(listed))


def unrecorded(order: Order, name: str) -> Order:
    """`order` without the recording key of this name; NotListed."""
    left = tuple(key for key in order.recording if key.name != name)
    if len(left) == len(order.recording):
        raise _not_listed("recording key", name, [key.name for key in left])
    return dataclasses.replace(order, recording=left)


def recorded(order: Order, keys: Iterable[OrderRecording]) -> Order:
    """`order` with these recording keys too, under ids above those that it uses; their own ids are ignored."""
    first = 1 + max((key.id for key in order.recording), default=0)
    more = (dataclasses.replace(key, id=number) for number, key in enumerate(keys, first))
    return dataclasses.replace(order, recording=(*order.recording, *more))


def succeeds(new: VerifiedOrder, old: VerifiedOrder) -> bool:
    """Whether the link may bring `new` to a holder of `old`: a later one that moves no station or device."""
    indexes = {station.pub: station.index for station in new.content.stations}
    return (
        new.operation == old.operation
        and new.rank > old.rank
        and _keeps_devices(new.content, old.content)
        and all(indexes.get(station.pub, station.index) == station.index for station in old.content.stations)
        and new.content.policy.flags == old.content.policy.flags
        and new.content.guards == old.content.guards
    )


def within(new: VerifiedOrder, old: VerifiedOrder) -> bool:
    """Whether `new` succeeds `old` and lasts no longer: those who have that one take it also when its end has passed."""
    begins, end = old.content.not_before, old.content.not_after
    return succeeds(new, old) and begins <= new.content.not_before and new.content.not_after <= end


def require_one_signer(new: VerifiedOrder, known: VerifiedOrder) -> None:
    """NumberTwice if both cannot come from one folder of the agency: it counts its orders, and amends the newest.

    Therefore each number has one order, and the next number of the same operation amends that one (field 12).
    """
    if {signature.root for signature in new.signatures}.isdisjoint(signature.root for signature in known.signatures):
        return  # each agency counts its own orders
    if new.rank == known.rank and new.order_hash != known.order_hash:
        raise NumberTwice(
            f"two orders are number {new.content.serial} by signer {new.generation}, {groups(known.order_hash)} and"
            f" {groups(new.order_hash)}: the agency's signer is in use twice"
        )
    follows = new.content.op_id == known.content.op_id and new.rank == (known.generation, known.content.serial + 1)
    if follows and new.content.previous not in (None, known.order_hash):
        raise NumberTwice(
            f"the order is number {new.content.serial} by signer {new.generation} and does not amend number"
            f" {known.content.serial}, {groups(known.order_hash)}: the agency's signer is in use twice"
        )


def require_devices_kept(new: VerifiedOrder, known: VerifiedOrder) -> None:
    """RevokedAgain if `new` comes later in the same operation and does not keep the devices and their revocations.

    This holds for a file and for the link: an agency that lost the record of a revocation signs such an order.
    """
    if new.operation == known.operation and new.rank > known.rank and not _keeps_devices(new.content, known.content):
        void = {device.pub for device in known.content.devices if device.void}
        raise _revoked_again(new.content, void, known.content.serial)


def require_void_kept(new: Order, void: AbstractSet[bytes], serial: int) -> None:
    """RevokedAgain unless all of these keys are void in `new`, as they are in order `serial`, which was accepted before."""
    listed = {device.pub for device in new.devices if device.void}
    if not void <= listed or any(device.pub in void for device in new.devices if not device.void):
        raise _revoked_again(new, void, serial)


def _revoked_again(new: Order, void: AbstractSet[bytes], serial: int) -> RevokedAgain:
    back = [device.name for device in new.devices if device.pub in void and not device.void]
    what = f"lists {', '.join(back)}, revoked by" if back else "does not have the aircraft, in their places, of"
    return RevokedAgain(f"order {new.serial} {what} order {serial} of the same operation, which was accepted before")


def _keeps_devices(new: Order, old: Order) -> bool:
    """Each device keeps its place and its key, and a void device stays void."""
    return len(new.devices) >= len(old.devices) and all(
        after.identity == before.identity and after.void >= before.void
        for after, before in zip(new.devices, old.devices, strict=False)
    )


def drops(new: Order, old: Order) -> bool:
    """Whether a station of `old` is not in `new`, has lost a role there, or commands under a lesser guard policy."""
    kept = {station.pub: station for station in new.stations}
    return any(station.pub not in kept or _loses(kept[station.pub], station) for station in old.stations)


def _loses(new: OrderStation, old: OrderStation) -> bool:
    listed = new.guard in GUARDS and old.guard in GUARDS  # another policy can have less only in a file that is not here
    demoted = GUARDS.index(new.guard) < GUARDS.index(old.guard) if listed else new.guard != old.guard
    return bool(old.roles & ~new.roles) or (demoted and bool(old.roles & Role.COMMAND))
