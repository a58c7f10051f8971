"""Orders: the order that a role would use, its end, and whether another follows. Changes nothing."""

from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Iterator
from pathlib import Path

from gateway.air import vendors
from gateway.air.vendors import Vendors
from gateway.board import folder
from gateway.board.finding import Finding, do, ok
from gateway.board.subject import Subject
from gateway.config import AirConfig, GroundConfig
from gateway.errors import ConfigError
from gateway.ground import order_file
from gateway.guards import Guards
from keys import order_text
from keys.commands.account import Account
from keys.errors import FolderError, KeysError
from keys.folders import files, inbox, store
from keys.folders.device import DeviceFolder
from keys.folders.files import Kind
from keys.folders.station import StationFolder, require_in_force
from keys.order import Order, verify_order
from keys.times import duration, utc

SOON_S = 3600


def look(subject: Subject) -> Iterator[Finding]:
    """Enrolment and order aboard; the order's file at a station. Nothing if the folder cannot be entered."""
    found = folder.place(subject)
    if found is None:
        return
    with subject.user.acting(), contextlib.suppress(FolderError):  # folder.py has reported the reason
        store.check_folder(found.path, found.holding, found.kind)
        try:
            if subject.ground:
                yield from _at_station(found.path, subject.ground)
            else:
                yield from _aboard(found.path, subject.user, subject.air)
        except KeysError as error:
            yield do("order", str(error), error.hint)


def recording_keys(subject: Subject) -> list[str] | None:
    """The names of the recording keys of the order aboard; None if no order can be read."""
    found = folder.place(subject)
    if found is not None and subject.air:
        with subject.user.acting(), contextlib.suppress(KeysError):
            return [key.name for key in DeviceFolder.view(found.path).order().content.recording]
    return None


def _aboard(path: Path, user: Account, air: AirConfig | None = None) -> Iterator[Finding]:
    load = folder.as_user(user, f"zegel device load-order {shlex.quote(str(path))} op.order", path)
    flying = store.holder(path)  # its start is counted already, and no limit ends a flight
    device = DeviceFolder.view(path)
    order = device.order().content
    listed = order.devices[device.device_index(order)]
    both = ", whose orders need two signatures (hybrid)" if len(device.roots) > 1 else ""
    yield ok("enrolled", f"as {device.name!r} with {order.agency!r}{both}")
    if flying:
        yield ok("order", f"{_until(order)}; in use by a running zegel air, {flying}")
    elif reason := device.limits(int(time.time())):
        yield do("order", f"{_named(order)} {reason}", f"load a newer one: {load}")
    else:
        yield ok("order", _until(order))
    if air and (wrong := _guards(air.guard, order)):
        yield wrong
    if air and (seen := Vendors(air.vendors()).breach(order)):
        yield do("seal", f"{seen}: zegel air does not start on the ground", vendors.CURE, interrupts=True)
    system = air.system_id if air else None
    if system and listed.systems and system not in listed.systems:
        yield do(
            "system id",
            f"this aircraft is system {system}, and its order lists {order_text.systems(listed)}: no station shows it",
            "set SYSID_THISMAV (MAV_SYS_ID) and system_id to a listed one, or ask for another list: zegel order systems"
            f" op.order --device {listed.name}:{system} -o new.order",
            interrupts=True,
        )
    if damage := device.damage():
        yield do("state", damage, "keep a copy of the card, and replace it", interrupts=True)
    if (path / inbox.ORDER).exists():
        yield ok("next order", "another one is in the inbox; zegel air loads it when it runs")


def _guards(file: str | None, order: Order) -> Finding | None:
    """Whether the guard policies that the order names are here."""
    try:
        Guards.of(file).require_for(order)
    except (KeysError, ConfigError) as error:
        return do("guard", str(error), error.hint, interrupts=True)
    return None


def _at_station(path: Path, ground: GroundConfig) -> Iterator[Finding]:
    station = StationFolder.open(path)
    data = order_file.read(ground.order)
    files.expect(Kind.ORDER, data, "the file")
    order = verify_order(data, station.roots, 0).content
    station.index_in(order)
    require_in_force(order, int(time.time()))
    yield ok("order", f"{_until(order)}; it lists {station.name!r}")
    if wrong := _guards(ground.guard, order):
        yield wrong


def _named(order: Order) -> str:
    return f"{order.operation!r}, number {order.serial}:"


def _until(order: Order) -> str:
    left = order.not_after - int(time.time())
    soon = ", soon: zegel order extend makes it longer" if 0 < left < SOON_S else ""
    return f"{_named(order)} until {utc(order.not_after)}, {duration(max(0, left))} from now{soon}"
