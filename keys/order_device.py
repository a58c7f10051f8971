"""The devices of an order: their keys, their MAVLink system ids, and which of them are void. SPEC.md section 3.

What lives here: the form of one entry, and the rules between entries. Pure.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

from cryptography import x509

from keys import certificate, cose, fields
from keys.certificate import Usage
from keys.errors import MalformedOrder

SYSTEMS_MAX = 16  # MAVLink system ids of one device
SYSTEM_MAX = 255  # they are one byte, and 0 means all
TO_END = "to end an operation: zegel order end, and destroy the seeds of its stations"


@dataclasses.dataclass(frozen=True, slots=True)
class OrderDevice:
    """One aircraft of an order."""

    name: str
    alg: int  # COSE: -19 Ed25519, -9 ESP256
    pub: bytes  # 32 bytes, or an uncompressed point of 65
    systems: tuple[int, ...] = ()  # MAVLink system ids, rising; empty: it has no list
    void: bool = False  # the key is lost: no session of it is accepted

    @classmethod
    def of(cls, device: x509.Certificate) -> OrderDevice:
        """The device of this certificate; WrongUsage if it is not a device's. The issuer is not checked here."""
        certificate.require_usage(device, Usage.DEVICE)
        return cls(certificate.name_of(device), *cose.raw_public(certificate.cose_key(device)))

    @property
    def identity(self) -> tuple[str, int, bytes]:
        """The part that a succeeding order must not change."""
        return self.name, self.alg, self.pub

    def parts(self) -> tuple[object, ...]:
        """The values of keys 1 to 5; None is left out."""
        return *self.identity, self.systems or None, 1 if self.void else None


_LIST = fields.listing(fields.between(1, SYSTEM_MAX), SYSTEMS_MAX, 1)
_REQUIRED: Mapping[int, fields.Check] = {
    1: fields.NAME,
    2: lambda alg: type(alg) is int and alg in certificate.DEVICE_ALGS,
    3: fields.some_bytes,
}
_MORE: Mapping[int, fields.Check] = {
    4: lambda systems: _LIST(systems) and all(before < after for before, after in itertools.pairwise(systems)),
    5: fields.between(1, 1),
}


def read(value: object) -> OrderDevice:
    """One entry from decoded CBOR. MalformedOrder."""
    name, alg, pub, systems, void = fields.read_map(value, "a device of the order", _REQUIRED, _MORE)
    device = OrderDevice(name, alg, pub, tuple(systems or ()), bool(void))
    if cose.raw_public(cose.load_public(device.alg, device.pub)) != (device.alg, device.pub):
        raise MalformedOrder(f"the key of device {device.name!r} is not in its one form")
    return device


def require_consistent(devices: Sequence[OrderDevice]) -> None:
    """MalformedOrder if no device may fly, or if two that may fly have one system id."""
    flying = [device for device in devices if not device.void]
    if not flying:
        raise MalformedOrder("every device of the order is void", hint=TO_END)
    owners: dict[int, str] = {}
    for device in flying:
        for system in device.systems:
            if owners.setdefault(system, device.name) != device.name:
                raise MalformedOrder(f"system id {system} is listed for {owners[system]!r} and for {device.name!r}")
