"""The device's folder: what an aircraft knows between flights; no key that opens its traffic. SPEC.md section 2.

    device.key      private signing key, Ed25519          device.csr   the request for its certificate
    device.crt      its certificate, once enrolled        roots.crt    the agency root that it was enrolled with
    order           the order in force                    state.json   `DeviceState`, with a copy
    order.new       an order for the running aircraft     order.answer the answer to it: keys/folders/inbox.py

Only one process uses the folder at a time (flock). Two rules bind the order and the state. The order is written before the
state, and a state that is older than a valid order is updated from it: so power may fail between the two. And no start
returns to an order that is older than the state says.

In flight nothing here is fatal. A state that cannot be written raises an alarm. If both of its files are damaged, the order
in force supplies what it proves. Only the boot counter is then unknown, so it begins again at 1 with an
alarm, and stations refuse that start, as they refuse that of a rolled-back card, until they are told to accept it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from keys import amendment, certificate, cose
from keys.certificate import DEVICE_ALGS, Roots, Usage, fingerprint
from keys.errors import (
    AlreadyExists,
    CertificateError,
    DeviceRevoked,
    FolderError,
    KeysError,
    MissingFile,
    NoOrder,
    NotListed,
    NumberTwice,
    OlderOrder,
    OrderExpired,
    WrongFile,
)
from keys.folders import files, private_key, roots, state, store
from keys.folders.files import Kind
from keys.folders.state import Count
from keys.order import Order, VerifiedOrder, verify_order
from keys.order_device import OrderDevice
from keys.times import EARLIEST, HOUR_S, LATEST, duration, utc

KEY, REQUEST, CERTIFICATE, ORDER = "device.key", "device.csr", "device.crt", "order"
SERVICE = Path("/var/lib/zegel/air")  # the folder of the service


class DeviceState(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The values that only rise, and the used part of the order's limits."""

    lower_bound: Count = 0  # newest not_before of all orders accepted, Unix seconds: the time is later than this
    generation: Count = 0  # of the signer of the newest order
    serial: Count = 0  # of the newest order
    boot_counter: Count = 0
    order_hash: str = ""  # of the order in force, hexadecimal
    order_boots: Count = 0  # starts under this order
    order_seconds: Count = 0  # flown under this order
    restarted: bool = False  # the boot counter was lost, and no start has reported it yet

    @property
    def rank(self) -> tuple[int, int]:
        return self.generation, self.serial


class DeviceFolder:
    """An open, locked folder; a context manager. `open` makes one. `view` makes one without the lock, to read only."""

    def __init__(self, path: Path, lock: store.FolderLock | None) -> None:
        self.path = path
        self.key = private_key.read(path / KEY)
        if cose.algorithm(self.key) not in DEVICE_ALGS:
            raise WrongFile(f"{path / KEY} is not a device's key", hint="a device's key is Ed25519 or P-256")
        self.roots: list[x509.Certificate] = []
        if (path / CERTIFICATE).exists():
            self.roots = roots.read(path)
            self.name = certificate.name_of(_read_certificate(path / CERTIFICATE))
        else:
            self.name = certificate.name_of(certificate.load_request(files.read(Kind.REQUEST, path / REQUEST)))
        self.require_also: Callable[[Order], None] = lambda _: None  # what else an order needs here, such as its guard.toml
        self._lock = lock
        self._order: VerifiedOrder | None = None
        self._counted = False  # whether order_boots includes this start
        self.unsaved = ""  # why the state on the disk differs from this one; each write tries again
        found, self._damaged = state.read(path, DeviceState, forgiving=True)
        self._state = found or DeviceState(restarted=self._damaged or (path / ORDER).exists())

    @classmethod
    def init(cls, path: Path, name: str) -> x509.CertificateSigningRequest:
        """Make the folder with a new key, and the request that the agency certifies. BadName, AlreadyExists."""
        key = Ed25519PrivateKey.generate()
        request = certificate.make_request(name, key)
        with store.new_folder(path) as folder:
            private_key.write(folder / KEY, key)
            store.write(folder / REQUEST, certificate.pem(request), store.PUBLIC_MODE)
            state.write(folder, DeviceState())
        return request

    @classmethod
    def open(cls, path: Path) -> DeviceFolder:
        """FolderInUse if another process has it open; MissingFile, WrongMode, WrongFile."""
        store.check_folder(path, KEY, "device")
        lock = store.FolderLock(path)
        try:
            return cls(path, lock)
        except BaseException:
            lock.release()
            raise

    @classmethod
    def view(cls, path: Path) -> DeviceFolder:
        """For a program that only reads, so that a flight that starts at this moment gets the lock. Errors as of `open`."""
        store.check_folder(path, KEY, "device")
        return cls(path, None)

    def _require_lock(self) -> None:
        assert self._lock is not None, "a view writes nothing"

    def close(self) -> None:
        if self._lock:
            self._lock.release()

    def __enter__(self) -> DeviceFolder:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # --- on the ground ---

    def enrol(self, issued: x509.Certificate, of_agency: Roots) -> None:
        """Take the certificate that the agency issued for this device's key, and pin the agency's roots.

        The board may have no clock, so the certificate is checked at the date of its own beginning. A renewed
        certificate of the same agency is accepted. A device does not change its agency, and no root is ever unpinned:
        otherwise it would accept orders of a hybrid agency that lack one signature.
        """
        self._require_lock()
        roots.require_agency(of_agency, "what was given")
        if cose.raw_public(certificate.cose_key(issued)) != cose.raw_public(self.key.public_key()):
            raise WrongFile(
                f"the certificate of {certificate.name_of(issued)!r} is not for the key of this device",
                hint=f"certify this one: zegel agency certify-device AGENCY {self.path / REQUEST} -o device.crt",
            )
        certificate.validate(issued, of_agency, Usage.DEVICE, int(issued.not_valid_before_utc.timestamp()))
        if lost := [root for root in self.roots if root not in of_agency]:
            raise AlreadyExists(
                f"{self.path} is enrolled with another root, of {certificate.name_of(lost[0])!r}",
                hint="an aircraft that changes its agency needs a new folder: zegel device init NEWDIR --name NAME",
            )
        roots.write(self.path, of_agency)
        store.write(self.path / CERTIFICATE, certificate.pem(issued), store.PUBLIC_MODE)
        self.roots, self.name = list(of_agency), certificate.name_of(issued)

    def load_order(self, data: bytes, unix_now: int) -> VerifiedOrder:
        """Put an order in force. `unix_now` is the time of the board's clock; 1970 or beyond 2100 is ignored.

        Untrusted, MalformedMessage, NotListed, DeviceRevoked, OlderOrder, NumberTwice, RevokedAgain, OrderExpired,
        FolderError. To load the order in force again is no error: it repairs a damaged file. That one, and an order that
        succeeds it and lasts no longer, is accepted also after its end: no flight begins under it, and none is cut.
        """
        self._require_lock()
        files.expect(Kind.ORDER, data, "the file")
        with contextlib.suppress(KeysError):  # a state that is older than the order in force is updated from it first
            self.order()
        verified = verify_order(data, self._pinned(), self._state.lower_bound)
        self.device_index(verified.content)
        self.require_also(verified.content)
        self._require_newer(verified)
        known = verified.order_hash.hex() == self._state.order_hash
        if not known and (self._order is None or not amendment.within(verified, self._order)):
            self._require_not_expired(verified.content, unix_now)
        store.write(self.path / ORDER, data)
        self._adopt(verified, unix_now)
        try:
            state.write(self.path, self._state)
        except FolderError as error:
            self.unsaved = str(error)
            raise
        return verified

    def _require_newer(self, verified: VerifiedOrder) -> None:
        """OlderOrder, NumberTwice or RevokedAgain, unless it is the newest loaded order or may follow it."""
        if verified.order_hash.hex() == self._state.order_hash:
            return
        if self._order is not None:
            amendment.require_one_signer(verified, self._order)
            amendment.require_devices_kept(verified, self._order)
        if verified.rank == self._state.rank:
            raise NumberTwice(f"the order is {_rank(verified.rank)}, and another order of that number was loaded before")
        if verified.rank < self._state.rank:
            raise OlderOrder(f"the order is {_rank(verified.rank)}, and {_rank(self._state.rank)} was loaded before")

    def _require_not_expired(self, order: Order, unix_now: int) -> None:
        """OrderExpired. Without a clock, only a lower bound of the time is known: the beginning of the newest order."""
        bound = self._state.lower_bound
        if order.not_after < bound and not bound < unix_now < LATEST:
            raise OrderExpired(
                f"the order ends at {utc(order.not_after)}, before an order begins that was loaded here: {utc(bound)}",
                hint="ask for an order that ends later, or make a new device folder: zegel device init",
            )
        order.require_not_expired(self._believed(unix_now))

    def _pinned(self) -> list[x509.Certificate]:
        if not self.roots:
            raise MissingFile(
                f"{self.path} is not enrolled with an agency",
                hint=f"zegel device enrol {self.path} device.crt --root root.crt",
            )
        return self.roots

    # --- the order in force ---

    def order(self) -> VerifiedOrder:
        """The order in force, verified again from the disk once per open folder; NoOrder, OlderOrder, Untrusted."""
        if self._order is None:
            pinned = self._pinned()
            try:
                data = store.read_secret(self.path / ORDER)
            except MissingFile:
                raise NoOrder(f"no order is loaded in {self.path}") from None
            try:
                verified = verify_order(data, pinned, self._state.lower_bound)
            except KeysError as error:
                again = f"load it again: zegel device load-order {self.path} op.order"
                raise type(error)(f"{self.path / ORDER}: {error}", hint=again) from None
            if verified.rank < self._state.rank:
                raise OlderOrder(
                    f"the order in {self.path} is {_rank(verified.rank)}, but {_rank(self._state.rank)} was loaded"
                )
            if verified.rank == self._state.rank and verified.order_hash.hex() != self._state.order_hash:
                raise NumberTwice(
                    f"the order in {self.path} is {_rank(verified.rank)}, but another order of that number was loaded"
                )
            self._adopt(verified)
        assert self._order is not None
        return self._order

    def _adopt(self, verified: VerifiedOrder, unix_now: int = 0) -> None:
        """Make it the order in force; if it is newer than the state, the state is updated.

        An order that begins later proves nothing about today. A board's clock may be slow, so a plausible clock is itself a
        lower bound; without one, the order's beginning is the only bound.
        """
        self._order, old = verified, self._state
        if verified.rank > old.rank:
            begun = verified.content.not_before
            bound = min(begun, unix_now) if EARLIEST <= unix_now < LATEST else begun
            self._state = DeviceState(
                lower_bound=max(old.lower_bound, bound),
                generation=verified.generation,
                serial=verified.content.serial,
                order_hash=verified.order_hash.hex(),
                boot_counter=old.boot_counter,
                restarted=old.restarted,
            )

    def device_index(self, order: Order) -> int:
        """This device's place in the order's list, from 0; NotListed, DeviceRevoked."""
        mine = cose.raw_public(self.key.public_key())
        for index, device in enumerate(order.devices):
            if (device.alg, device.pub) == mine:
                if device.void:
                    raise DeviceRevoked(f"the order says that the key of this device, {self.name!r}, is lost")
                return index
        names = ", ".join(device.name for device in order.devices)
        raise NotListed(
            f"the order is not for this device, {self.name!r} with key {fingerprint(mine[1])}; it is for {names}",
            hint="ask the agency for an order with this device's certificate",
        )

    @property
    def boot_counter(self) -> int:
        """Starts so far."""
        return self._state.boot_counter

    def listed(self) -> OrderDevice:
        """This device as the order in force lists it; NotListed, DeviceRevoked, and what `order` raises."""
        order = self.order().content
        return order.devices[self.device_index(order)]

    def limits(self, unix_now: int) -> str | None:
        """Why the order in force is past its dates or limits, to follow "the order", or None if it is not.

        Before `next_boot` the coming start counts, after it the present one.
        """
        order, used = self.order().content, self._state
        if self._believed(unix_now) > order.not_after:
            return f"ended at {utc(order.not_after)}"
        boots, hours = order.policy.max_boots, order.policy.max_hours
        if boots and used.order_boots + (not self._counted) > boots:
            return f"has used up its starts, which were {boots}"
        if hours and used.order_seconds >= hours * HOUR_S:
            return f"has used up its time in flight, which was {duration(hours * HOUR_S)}"
        return None

    def order_left_s(self, unix_now: int, flown_s: float = 0.0) -> float | None:
        """Seconds until the order in force ends or its hours are used up; None if neither is known.

        `flown_s`: flown under it and not stored yet.
        """
        order, known = self.order().content, []
        if self.claim(unix_now):
            known.append(float(order.not_after - unix_now))
        if hours := order.policy.max_hours:
            known.append(hours * HOUR_S - self._state.order_seconds - flown_s)
        return min(known, default=None)

    def _believed(self, unix_now: int) -> int:
        """The board's clock if it is plausible, otherwise the newest date that is known for certain."""
        return unix_now if self._state.lower_bound < unix_now < LATEST else self._state.lower_bound

    def claim(self, unix_now: int) -> int:
        """The board's time for the stations, or 0 if it is not plausible."""
        return unix_now if self._state.lower_bound <= unix_now < LATEST else 0

    # --- in flight ---

    def next_boot(self) -> tuple[int, str | None]:
        """(the boot counter of this start, stored before it is sent; why it could not be stored, or None).

        `damage` belongs to the first start; read it before this call.
        """
        self._state.boot_counter += 1
        self._state.order_boots += 1
        self._counted = True
        self._state.restarted = False
        return self._state.boot_counter, self._save("this start is not counted, and stations may refuse the next one")

    def add_seconds(self, seconds: int) -> str | None:
        """Count time flown under this order; why it cannot be stored, or None."""
        self._state.order_seconds += seconds
        return self._save("the time flown is not counted")

    def damage(self) -> str | None:
        """What was wrong with the state when the folder was opened."""
        if self._state.restarted:
            return (
                f"the state in {self.path} was lost: the boot counter begins again at 1, and stations refuse that start"
                " until they are run with --accept-older-session NAME:1"
            )
        if self._damaged:
            return f"a state file in {self.path} was damaged and its copy was used: the card may be failing"
        return None

    def _save(self, consequence: str) -> str | None:
        self._require_lock()
        try:
            state.write(self.path, self._state)
        except FolderError as error:
            self.unsaved = str(error)
            return f"{error}: {consequence}"
        self.unsaved = ""
        return None


def _read_certificate(path: Path) -> x509.Certificate:
    try:
        return certificate.load_certificate(files.read(Kind.CERTIFICATE, path))
    except CertificateError as error:
        raise CertificateError(f"{path}: {error}", hint="copy the file that the agency issued here again") from None


def _rank(rank: tuple[int, int]) -> str:
    return f"number {rank[1]} by signer {rank[0]}"
