"""The station's folder: one ground station's secret for an operation, and what the station remembers. SPEC.md section 2.

    seed          private seed of its grants (keys.grant)     station.pub   its public half, for the agency
    roots.crt     the agency roots that it trusts             state.json    `StationState`, with a copy
    order-*       the newest order of an operation

The state is kept separately for each agency: two that are trusted here may use one op_id. A station is made for one
operation and its seed is destroyed after it. Several processes may read the folder; it is locked while its state is
written. A station has an operator, so a state that is damaged in both files is an error and not an alarm: the state
distinguishes a new start of an aircraft from a recording of an old one.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec
from cryptography import x509

from keys import amendment, certificate, fields, grant
from keys.certificate import Roots
from keys.errors import (
    ClockWrong,
    FolderError,
    KeysError,
    MissingFile,
    NotListed,
    NumberTwice,
    OlderOrder,
)
from keys.folders import files, roots, seed, state, station_public, store
from keys.folders.files import Kind
from keys.folders.state import Count
from keys.folders.station_public import StationPublic
from keys.grant import Profile
from keys.order import Order, VerifiedOrder, verify_order
from keys.times import DAY_S, LATEST, utc

SERVICE = Path("/var/lib/zegel/ground")  # the folder of the service
PUBLIC, ORDER = "station.pub", "order"
OPERATION_KEY_SIZE = 32  # hexadecimal digits

Value = TypeVar("Value")


class Accepted(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The newest order of an operation."""

    generation: Count
    serial: Count
    order_hash: str  # hexadecimal
    void: list[str] = []  # keys of its void devices, hexadecimal: used when the order's file is not whole


class Heard(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What the station remembers of a device."""

    boot_counter: Count = 0  # of its newest session that lasted
    session_id: str = ""  # of that session, hexadecimal; empty: none lasted
    seq: Count = 0  # of the newest beat of that session
    system: Count = 0  # the MAVLink system id that it owns without a list; 0: none


class Start(NamedTuple):
    """A start of a device that is to be stored."""

    boot_counter: int
    session_id: str  # hexadecimal
    seq: int
    named: bool  # by the operator: it replaces a later one

    def follows(self, heard: Heard) -> bool:
        """Whether this is a later start than the stored one, or a later state of the same one."""
        if self.named or not heard.session_id:
            return True
        if self.session_id == heard.session_id:
            return self.seq > heard.seq
        return self.boot_counter > heard.boot_counter


class StationState(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    operations: dict[str, Accepted] = {}  # by `_operation_key`
    devices: dict[str, Heard] = {}  # by `_device_key`


class StationFolder:
    """`open` makes one. The seed is never in a repr."""

    def __init__(self, path: Path) -> None:
        store.check_folder(path, PUBLIC, "station")
        self.path = path
        self._public = station_public.parse(store.read_public(path / PUBLIC), path / PUBLIC)
        self.roots = roots.read(path)
        self.seed = self._read_seed()
        self._unsaved_boots: dict[str, Start] = {}
        self._unsaved_systems: dict[str, int] = {}
        self.unsaved_order = ""  # why the newest order that was accepted is not stored
        self._unsaved_orders: dict[str, VerifiedOrder] = {}  # by `_operation_key`: in force although not stored

    @property
    def name(self) -> str:
        return self._public.name

    @property
    def profile(self) -> Profile:
        return self._public.profile

    @classmethod
    def init(
        cls, path: Path, name: str, profile: Profile, trusted: list[x509.Certificate], agency: str | None = None
    ) -> StationPublic:
        """Make the folder with a new seed. `agency` owns the station; by default the agency of the first root.

        BadName, WrongUsage for a certificate that is not a root, AlreadyExists.
        """
        secret = grant.generate(profile, os.urandom)
        agency = fields.require_name(agency) if agency else certificate.name_of(trusted[0])
        public = StationPublic(fields.require_name(name), agency, profile, grant.public_bytes(profile, secret))
        with store.new_folder(path) as folder:
            store.write(folder / seed.NAME, secret)
            store.write(folder / PUBLIC, public.encode(), store.PUBLIC_MODE)
            roots.write(folder, trusted)
        return public

    @classmethod
    def open(cls, path: Path) -> StationFolder:
        """MissingFile, WrongMode, WrongFile; MissingFile too if the seed has been destroyed."""
        return cls(path)

    def _read_seed(self) -> bytes:
        restore = "restore both as zegel station init made them, or make a new station"
        try:
            return seed.read(self.path, PUBLIC, self.profile, self._public.pub, restore)
        except MissingFile:
            raise MissingFile(
                f"the seed of station {self.name!r} has been destroyed: it opens nothing any more",
                hint="make a station for the next operation: zegel station init NEWDIR --name NAME --root root.crt",
            ) from None

    # --- trust ---

    def trust(self, of_agency: Roots) -> bool:
        """Add the roots of an agency whose orders list this station; False if all were trusted before. WrongUsage."""
        roots.require_agency(of_agency, "what was given")
        with store.FolderLock(self.path, wait=True):
            self.roots = roots.read(self.path)
            more = [root for root in of_agency if root not in self.roots]
            if more:
                roots.write(self.path, [*self.roots, *more])
                self.roots += more
        return bool(more)

    def accept_order(self, data: bytes, unix_now: int) -> VerifiedOrder:
        """The order, if a trusted agency signed it, it lists this station and is in force now.

        An order that was accepted while it was in force is accepted after its end: a station that restarts in flight must
        still open the data of an aircraft that flies on. So is one that succeeds the newest one here and lasts no longer.
        Untrusted, MalformedMessage, NotListed, ClockWrong, OrderNotYetValid, OrderExpired, OlderOrder if a newer one of the
        same operation was accepted before, NumberTwice if another one of its number was, RevokedAgain if one had revoked an
        aircraft that this one does not revoke.
        """
        found = self.verify(data)
        return self._accepted(found, self._newest(_operation_key(found)), unix_now)

    def verify(self, data: bytes) -> VerifiedOrder:
        """The order in `data`, if a trusted agency signed it; whether it may be used here is checked later."""
        files.expect(Kind.ORDER, data, "the file")
        return verify_order(data, self.roots, 0)

    def _accepted(self, found: VerifiedOrder, newest: VerifiedOrder | None, unix_now: int) -> VerifiedOrder:
        self.index_in(found.content)
        operation = _operation_key(found)
        known = self._state().operations.get(operation)
        if known and known.order_hash == found.order_hash.hex():
            return found
        if newest:
            amendment.require_one_signer(found, newest)
            amendment.require_devices_kept(found, newest)
        if known and found.rank > (known.generation, known.serial):
            amendment.require_void_kept(found.content, {bytes.fromhex(key) for key in known.void}, known.serial)
        require_begun(found.content, unix_now)
        if newest is None or not amendment.within(found, newest):
            found.content.require_not_expired(unix_now)
        found.require_signers(unix_now)  # a signer that has expired since then could back-date
        self._keep(found)
        return found

    def _keep(self, verified: VerifiedOrder) -> None:
        """Store it; if the disk refuses, it is still in force while this process runs."""
        operation = _operation_key(verified)
        try:
            self._remember(verified)
        except FolderError as error:
            self.unsaved_order = f"{error}: a restart after the order's end will not be possible"
            self._unsaved_orders[operation] = verified
        else:
            self.unsaved_order = ""
            self._unsaved_orders.pop(operation, None)

    def newest_order(self, data: bytes, unix_now: int) -> VerifiedOrder:
        """The order in `data`, checked as by `accept_order`, or the newer one of its operation that was accepted before."""
        return self.newest_of(self.verify(data), unix_now)

    def newest_of(self, found: VerifiedOrder, unix_now: int) -> VerifiedOrder:
        """`newest_order` of one that `verify` has verified."""
        operation = _operation_key(found)
        newest, known = self._newest(operation), self._state().operations.get(operation)
        if newest is None or newest.rank <= found.rank:
            return self._accepted(found, newest, unix_now)
        if known is None or known.order_hash != newest.order_hash.hex():
            self._keep(newest)  # the power or the disk failed when it was accepted
        return newest

    def _newest(self, operation: str) -> VerifiedOrder | None:
        """The newest accepted order of this operation, if its file is whole."""
        here = [order for order in (self._stored(operation), self._unsaved_orders.get(operation)) if order]
        return max(here, key=lambda order: order.rank, default=None)

    def _stored(self, operation: str) -> VerifiedOrder | None:
        """The newest order of this operation, if its file is whole and not older than what the state names.

        A later one counts as accepted too: the file is written before the state, and power or disk may have failed in
        between.
        """
        known = self._state().operations.get(operation)
        try:
            found = verify_order(store.read_secret(self.path / f"{ORDER}-{operation}"), self.roots, 0)
            self.index_in(found.content)
        except KeysError:
            return None
        if _operation_key(found) != operation:
            return None
        if known and found.order_hash.hex() != known.order_hash and found.rank <= (known.generation, known.serial):
            return None
        return found

    def index_in(self, order: Order) -> int:
        """The index under which the order lists this station's key; NotListed."""
        for station in order.stations:
            if station.pub == self._public.pub:
                return station.index
        names = ", ".join(station.name for station in order.stations)
        raise NotListed(
            f"the order does not list this station, {self.name!r} with key {self._public.fingerprint}; it lists {names}",
            hint=f"send {self.path / PUBLIC} to the agency, and ask for an order that lists it",
        )

    def _remember(self, verified: VerifiedOrder) -> None:
        with store.FolderLock(self.path, wait=True):
            state_, operation = self._state(), _operation_key(verified)
            newest = state_.operations.get(operation)
            if newest and verified.rank == (newest.generation, newest.serial):
                raise NumberTwice(
                    f"another order of number {verified.content.serial} of the same operation was accepted before"
                )
            if newest and verified.rank < (newest.generation, newest.serial):
                raise OlderOrder(
                    f"the order is number {verified.content.serial} by signer {verified.generation},"
                    f" and number {newest.serial} by signer {newest.generation} of the same operation was accepted before"
                )
            store.write(self.path / f"{ORDER}-{operation}", verified.raw)
            state_.operations[operation] = Accepted(
                generation=verified.generation,
                serial=verified.content.serial,
                order_hash=verified.order_hash.hex(),
                void=[device.pub.hex() for device in verified.content.devices if device.void],
            )
            state.write(self.path, state_)

    # --- memory ---

    def boot(self, agency_id: bytes, device_pub: bytes) -> tuple[int, bytes, int] | None:
        """(boot counter, session_id, seq of its newest beat) of the newest start of this device that was stored."""
        known = self._heard(agency_id, device_pub)
        return (known.boot_counter, bytes.fromhex(known.session_id), known.seq) if known.session_id else None

    def system(self, agency_id: bytes, device_pub: bytes) -> int | None:
        """The first MAVLink system id that was received from this agency's device."""
        return self._heard(agency_id, device_pub).system or None

    def _heard(self, agency_id: bytes, device_pub: bytes) -> Heard:
        return self._state().devices.get(_device_key(agency_id, device_pub), Heard())

    def record_boot(
        self, agency_id: bytes, device_pub: bytes, counter: int, session_id: bytes, seq: int, *, named: bool = False
    ) -> None:
        """Remember a start of a device, and the seq of its newest beat, until `store_heard`; nothing is written yet.

        `named`: by the operator, so that it and the starts after it replace a later start.
        """
        device = _device_key(agency_id, device_pub)
        unsaved = self._unsaved_boots.get(device)
        named = named or (unsaved is not None and unsaved.named)
        self._unsaved_boots[device] = Start(counter, session_id.hex(), seq, named)

    def record_system(self, agency_id: bytes, device_pub: bytes, system: int) -> None:
        """Remember the id that a device owns until `store_heard`; nothing is written yet."""
        self._unsaved_systems[_device_key(agency_id, device_pub)] = system

    @property
    def unsaved(self) -> bool:
        return bool(self._unsaved_boots or self._unsaved_systems)

    def store_heard(self) -> str | None:
        """Write what was recorded, highest counters only. If the result is a reason why it failed, call again later.

        Call it where a delay does no harm: the disk may be slow, and another process may have the folder.
        """
        boots, systems = dict(self._unsaved_boots), dict(self._unsaved_systems)
        try:
            with store.FolderLock(self.path, wait=True):
                known = self._state()
                for device, start in boots.items():
                    heard = known.devices.setdefault(device, Heard())
                    if start.follows(heard):
                        heard.boot_counter, heard.session_id, heard.seq = start[:3]
                for device, system in systems.items():
                    known.devices.setdefault(device, Heard()).system = system
                state.write(self.path, known)
        except FolderError as error:
            return f"{error}: this start of the aircraft is not remembered, and a recording of it could pass for new"
        _forget(self._unsaved_boots, boots)
        _forget(self._unsaved_systems, systems)
        return None

    def _state(self) -> StationState:
        known, damaged = state.read(self.path, StationState)
        if known is None and damaged:
            raise FolderError(
                f"{self.path / state.NAME} and its copy are damaged, or not of this version",
                hint="remove both to go on; until it receives the aircraft again, this station cannot detect a recording",
            )
        return known or StationState()

    # --- end ---

    def hold(self) -> store.Lock:
        """Until the result is released, the seed cannot be destroyed; any number of programs may hold it."""
        return store.Lock(self.path / seed.NAME, shared=True)

    def destroy(self) -> None:
        """Overwrite and remove the seed: then no recording of the link can be opened with it.

        Flash memory keeps old blocks and journals keep copies; only the encryption of the disk protects those.
        FolderInUse while a program has the seed in memory.
        """
        with store.FolderLock(self.path), store.Lock(self.path / seed.NAME):
            store.wipe(self.path / seed.NAME)


def _operation_key(order: VerifiedOrder) -> str:
    """A hash of `VerifiedOrder.operation`, for files and the state: file names are shown and logged, op_id must not be."""
    return hashlib.sha256(b"".join(order.operation)).hexdigest()[:OPERATION_KEY_SIZE]


def _device_key(agency_id: bytes, device_pub: bytes) -> str:
    return f"{agency_id.hex()} {device_pub.hex()}"


def _forget(unsaved: dict[str, Value], stored: Mapping[str, Value]) -> None:
    """Mark `stored` as saved, unless something newer came meanwhile."""
    for device, value in stored.items():
        if unsaved.get(device) == value:
            del unsaved[device]


def require_in_force(order: Order, unix_now: int) -> None:
    """ClockWrong if the dates of a verified order show that the clock is wrong; OrderNotYetValid, OrderExpired."""
    require_begun(order, unix_now)
    order.require_not_expired(unix_now)


def require_begun(order: Order, unix_now: int) -> None:
    """ClockWrong, OrderNotYetValid."""
    if not order.not_before - DAY_S <= unix_now < LATEST:
        raise ClockWrong(
            f"this computer's clock says {utc(unix_now)}, and the order begins at {utc(order.not_before)}",
            hint="set the clock of this computer; if it is right, wait until the order begins",
        )
    order.require_begun(unix_now)
