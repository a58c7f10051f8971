"""Operation Order: the agency's decisions before a flight, in one signed file. SPEC.md section 3.

It lists the devices, the stations with their keys and roles, the recording keys, the dates and the policy.
What lives here: its form, the rules of its content, issuing and verifying. The folder that loads an order checks whether it
is newer than the last one and lists this device. Pure: no file and no clock; every time is an argument.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping, Sequence

from cryptography import x509

from keys import certificate, cose, fields, order_device, order_station
from keys.certificate import Usage, alg_of
from keys.errors import (
    BadSignature,
    CertificateError,
    ClassicalKey,
    ForeignRoot,
    MalformedOrder,
    OrderExpired,
    OrderNotYetValid,
    WrongType,
    WrongUsage,
)
from keys.lanes import STATIONS_MAX
from keys.order_device import OrderDevice
from keys.order_station import OrderRecording, OrderStation
from keys.policy import Policy, read_policy
from keys.times import EARLIEST, LATEST, utc

TYP = "zegel-order"
REGULAR, CONFIDENTIAL = CLASSIFICATIONS = ("regular", "confidential")
OP_ID_SIZE = 16
ORDER_HASH_SIZE = 32
GUARDS_SIZE = 32  # SHA-256 of guard.toml
DEVICES_MAX = 256  # a statement names its device in one byte
RECORDING_MAX = 16
LINK_MAX = 16 * 1100  # bytes: the capacity of sixteen order fragments (SPEC.md section 4.6)
HALF_TRUSTED = (
    "another root of that name is trusted here. Fetch root.crt again, compare its fingerprint, and enrol or trust it:"
    " of a hybrid agency it holds two certificates"
)


@dataclasses.dataclass(frozen=True, slots=True)
class Order:
    """The content of an order. Built by hand it is unchecked; `issue_order` and `parse_order` check every rule."""

    op_id: bytes = dataclasses.field(repr=False)  # 16 bytes
    serial: int
    not_before: int  # Unix seconds
    not_after: int
    agency: str
    operation: str
    classification: str
    devices: tuple[OrderDevice, ...]
    stations: tuple[OrderStation, ...]
    recording: tuple[OrderRecording, ...]
    previous: bytes | None  # order_hash, 32 bytes
    policy: Policy
    guards: bytes | None = None  # SHA-256 of guard.toml, 32 bytes: its policies may be those of stations

    def payload(self) -> bytes:
        """Deterministic CBOR (RFC 8949 section 4.2.1); a None is left out."""
        values = (getattr(self, field.name) for field in dataclasses.fields(self))
        named = dict(zip(_KEYS, values, strict=True))
        return cose.dumps({key: _encodable(value) for key, value in named.items() if value is not None})

    def hash(self) -> bytes:
        """order_hash, 32 bytes: a session is bound to it."""
        return _hash(_PROTECTED, self.payload())

    def require_begun(self, unix_time: int) -> None:
        """OrderNotYetValid before its first second."""
        if unix_time < self.not_before:
            raise OrderNotYetValid(f"the order begins at {utc(self.not_before)}, and it is {utc(unix_time)}")

    def require_not_expired(self, unix_time: int) -> None:
        """OrderExpired after its last second."""
        if unix_time > self.not_after:
            raise OrderExpired(f"the order ended at {utc(self.not_after)}, and it is {utc(unix_time)}")


_PROTECTED = cose.dumps({cose.HEADER_TYP: TYP})


def _hash(protected: bytes, payload: bytes) -> bytes:
    """The hash over the part that every signature covers; all other bytes can change while the signatures verify."""
    return hashlib.sha256(cose.dumps(protected) + cose.dumps(payload)).digest()


def _encodable(value: object) -> object:
    if isinstance(value, tuple):
        return [_encodable(item) for item in value]
    if isinstance(value, (OrderDevice, OrderStation, OrderRecording, Policy)):
        named = (getattr(value, field.name) for field in dataclasses.fields(value))
        values = value.parts() if isinstance(value, OrderDevice) else named
        return {key: _encodable(item) for key, item in enumerate(values, 1) if item is not None}
    return int(value) if isinstance(value, int) else value


@dataclasses.dataclass(frozen=True, slots=True)
class Signature:
    """One signature of an order that verified."""

    signer: x509.Certificate
    root: x509.Certificate  # the pinned root that issued the signer's certificate


@dataclasses.dataclass(frozen=True, slots=True)
class VerifiedOrder:
    """An order of which every signature verified under a pinned root."""

    content: Order
    order_hash: bytes  # 32 bytes
    generation: int  # of its signer
    raw: bytes = dataclasses.field(repr=False)  # the file
    signatures: tuple[Signature, ...] = ()

    @property
    def rank(self) -> tuple[int, int]:
        """(generation, serial): the newer of two orders of one agency id has the greater one."""
        return self.generation, self.content.serial

    @property
    def agency_id(self) -> bytes:
        """The agency of the order, 32 bytes: a hash over the keys of the pinned roots, since anyone can use a name."""
        return certificate.agency_id(signature.root for signature in self.signatures)

    @property
    def operation(self) -> tuple[bytes, bytes]:
        """(agency id, op_id): an op_id alone identifies nothing, because anyone who knows it can sign an order with it."""
        return self.agency_id, self.content.op_id

    def require_signers(self, lower_bound: int) -> None:
        """CertificateError unless each signer's certificate was valid at max(not_before, lower_bound).

        That is the newest date that is known for certain: with not_before alone an expired signer could back-date.
        """
        _require_signers(self.content, self.signatures, lower_bound)


def _require_signers(order: Order, signatures: Iterable[Signature], lower_bound: int) -> None:
    at = max(order.not_before, lower_bound)
    for signature in signatures:
        certificate.validate(signature.signer, [signature.root], Usage.ORDER_SIGNING, at)


# --- rules of the content ---

_KEYS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 11, 13)  # of the fields of Order
_DATE = fields.between(EARLIEST, LATEST)
_REQUIRED: Mapping[int, fields.Check] = {
    1: fields.byte_string(OP_ID_SIZE),
    2: fields.U64,
    3: _DATE,
    4: _DATE,
    5: fields.NAME,
    6: fields.NAME,
    7: lambda value: value in CLASSIFICATIONS,
    8: fields.listing(fields.anything, DEVICES_MAX, 1),
    9: fields.listing(fields.anything, STATIONS_MAX, 1),
    10: fields.listing(fields.anything, RECORDING_MAX),
    11: fields.anything,
}
_MORE: Mapping[int, fields.Check] = {12: fields.byte_string(ORDER_HASH_SIZE), 13: fields.byte_string(GUARDS_SIZE)}


def _content(payload: bytes) -> Order:
    *head, devices, stations, recording, policy, previous, guards = fields.read_map(
        cose.loads(payload), "the order", _REQUIRED, _MORE
    )
    lists = (
        tuple(order_device.read(item) for item in devices),
        tuple(order_station.read_station(item) for item in stations),
        tuple(order_station.read_recording(item) for item in recording),
    )
    order = Order(*[*head, *lists, previous, read_policy(policy), guards])
    if order.not_after <= order.not_before:
        raise MalformedOrder(f"the order ends at {utc(order.not_after)}, not after it begins")
    order_station.require_guards(order.stations, own=guards is not None)
    _require_distinct("devices", "name", (device.name for device in order.devices))
    _require_distinct("devices", "key", (device.pub for device in order.devices))
    order_device.require_consistent(order.devices)
    _require_distinct("stations", "index", (station.index for station in order.stations))
    _require_distinct("stations", "name", (station.name for station in order.stations))
    _require_distinct("stations", "key", (station.pub for station in order.stations))
    _require_distinct("recording keys", "id", (recording.id for recording in order.recording))
    _require_distinct("recording keys", "name", (recording.name for recording in order.recording))
    _require_distinct("recording keys", "key", (recording.pub for recording in order.recording))
    _require_class(order)
    return order


def _require_class(order: Order) -> None:
    """Confidential data must stay so when there are quantum computers: an attacker can record it today and wait."""
    classical = [f"{key.name} ({key.profile.label})" for key in classical_keys(order)]
    if order.classification == CONFIDENTIAL and classical:
        raise ClassicalKey(f"the order is confidential, and these keys are not post-quantum: {', '.join(classical)}")


def classical_keys(order: Order) -> list[OrderStation | OrderRecording]:
    """The stations and recording keys whose grants a quantum computer opens, in the sequence of the order."""
    keys: list[OrderStation | OrderRecording] = [*order.stations, *order.recording]
    return [key for key in keys if not key.profile.post_quantum]


def _require_distinct(what: str, part: str, values: Iterable[object]) -> None:
    seen: set[object] = set()
    for value in values:
        if value in seen:
            which = certificate.fingerprint(value) if isinstance(value, bytes) else repr(value)
            raise MalformedOrder(f"two {what} of the order have the same {part}, {which}")
        seen.add(value)


# --- issuing ---


def issue_order(order: Order, signers: Sequence[cose.Signer]) -> bytes:
    """The signed file: COSE_Sign (RFC 9052 section 4.1), one signature of each algorithm that the agency has.

    Refuses an order that no device would load: MalformedOrder, or WrongUsage or ExpiredCertificate for a signer.
    """
    _content(order.payload())
    generations = set()
    _require_distinct("signers", "algorithm", (cose.algorithm(signer.key) for signer in signers))
    for signer in signers:
        signed_by = _alone(signer.chain)
        certificate.require_usage(signed_by, Usage.ORDER_SIGNING)
        certificate.require_valid_at(signed_by, order.not_before)
        if cose.raw_public(signer.key.public_key()) != cose.raw_public(certificate.cose_key(signed_by)):
            raise WrongUsage("the signer's key does not belong to its certificate")
        if certificate.name_of(signed_by) != order.agency:
            raise WrongUsage(f"the order is of {order.agency!r}, the signer of {certificate.name_of(signed_by)!r}")
        generations.add(certificate.generation(signed_by))
    _require_one_generation(generations)
    return cose.sign(order.payload(), TYP, signers)


def _require_one_generation(generations: set[int]) -> None:
    if len(generations) != 1:
        raise CertificateError(f"an order has signers of one generation, not {sorted(generations)}")


# --- verifying ---


def parse_order(data: bytes) -> Order:
    """The content of an order file, checked against every rule but not trusted: no signature is verified."""
    return _content(_message(data).payload)


def _message(data: bytes) -> cose.Sign:
    message = cose.parse_sign(data)
    if message.protected != _PROTECTED:
        raise WrongType("the file is signed, but is not an order")
    if not message.signatures:
        raise BadSignature("the order is not signed")
    if len({signature.alg for signature in message.signatures}) < len(message.signatures):
        # Checked before any is verified: one good signature, repeated up to the size limit, would take a tenth of a second.
        raise BadSignature("the order has two signatures of one algorithm")
    message.require_unprotected()
    return message


def claimed_hash(data: bytes) -> bytes | None:
    """The order_hash of the bytes of a file, if it is an order; None if it does not begin like one.

    Nothing is parsed or verified: this costs a comparison and a SHA-256.
    """
    payload = cose.claimed_payload(data, TYP)
    return None if payload is None else hashlib.sha256(cose.dumps(_PROTECTED) + payload).digest()


def verify_order(data: bytes, roots: Sequence[x509.Certificate], lower_bound: int) -> VerifiedOrder:
    """The order, if every signature verifies under one of the pinned `roots` and its content keeps every rule.

    Signers are checked as by `VerifiedOrder.require_signers`. An agency whose roots are pinned in both kinds must have
    signed with both.
    The order's own end is not checked here: see `Order.require_not_expired`.
    """
    message = _message(data)
    signatures = tuple(_verified(message, place, roots) for place in range(len(message.signatures)))
    order = _content(message.payload)
    _require_signers(order, signatures, lower_bound)
    _require_complete(order.agency, signatures, roots)
    generations = {certificate.generation(signature.signer) for signature in signatures}
    _require_one_generation(generations)
    return VerifiedOrder(order, _hash(message.protected, message.payload), generations.pop(), data, signatures)


def _verified(message: cose.Sign, place: int, roots: Sequence[x509.Certificate]) -> Signature:
    """Signature `place`, by a signer whose certificate a pinned root of the same algorithm issued."""
    signer = _alone(message.signatures[place].chain)
    try:
        root = certificate.find_root(signer, roots)
    except ForeignRoot:
        issuer = certificate.issuer_name(signer)
        raise ForeignRoot(
            f"the order was signed for {issuer!r}, under a root that is not trusted here",
            hint=HALF_TRUSTED if issuer in map(certificate.name_of, roots) else "",
        ) from None
    certificate.require_usage(signer, Usage.ORDER_SIGNING)
    if alg_of(signer) != alg_of(root):
        raise WrongUsage("the order's signer has a key of another algorithm than its root")
    try:
        message.verify(TYP, place, certificate.cose_key(signer))
    except BadSignature:
        raise BadSignature("the order was changed: its signature does not verify") from None
    return Signature(signer, root)


def _alone(chain: Sequence[bytes]) -> x509.Certificate:
    """The signer's certificate. Its pinned root issued it directly, so there is no other certificate."""
    if len(chain) != 1:
        raise CertificateError("a signature of the order carries more than its signer's certificate")
    return certificate.load_der(chain[0])


def _require_complete(agency: str, signatures: Sequence[Signature], roots: Sequence[x509.Certificate]) -> None:
    """Check that all signatures are of one agency, one per algorithm, in every algorithm that is pinned for it."""
    for signature in signatures:
        for name in map(certificate.name_of, (signature.root, signature.signer)):
            if name != agency:
                raise WrongUsage(f"the order is of {agency!r}, but signed by {name!r}")
    signed = {alg_of(signature.root) for signature in signatures}
    missing = {alg_of(root) for root in roots if certificate.name_of(root) == agency} - signed
    if missing:
        names = " and ".join(alg.label for alg in sorted(missing))
        raise BadSignature(
            f"the order lacks the {names} signature that the pinned roots of {agency!r} ask for",
            hint="the agency must sign with a signer of each of its roots",
        )


def fits_link(data: bytes) -> bool:
    """Whether the link can carry an order file; a larger one is delivered as a file."""
    return len(data) <= LINK_MAX
