"""An agency of paper: a root, its order signer, and orders that are right in everything, to be broken by tests."""

from __future__ import annotations

import functools
import itertools

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, mldsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from keys import certificate, cose, grant
from keys.grant import Profile
from keys.lanes import Role
from keys.order import TYP, Order
from keys.order_device import OrderDevice
from keys.order_station import OrderRecording, OrderStation
from keys.policy import Policy

NOW = 1_800_000_000
HOUR = 3600
NAME = "Harbour Police"


def p384() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP384R1())


def p256() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


class Agency:
    """`make` draws the keys of its root and its signer: P-384 unless told."""

    def __init__(self, name: str = NAME, make=p384, generation: int = 1) -> None:
        self.make = make
        self.issuer = certificate.Issuer(certificate.issue_root(name, key := make(), NOW - HOUR), key)
        self.root = self.issuer.certificate
        self.signer = self.new_signer(generation)

    def new_signer(self, generation: int = 1, begin: int = NOW - HOUR, lifetime_s: int = 365 * 24 * HOUR) -> cose.Signer:
        key = self.make()
        issued = certificate.issue_signer(self.issuer, key.public_key(), generation, begin, lifetime_s=lifetime_s)
        return cose.Signer(key, (certificate.der(issued),))

    def device(self, name: str, key) -> x509.Certificate:
        return certificate.certify_device(self.issuer, certificate.make_request(name, key), NOW - HOUR)

    def sign(self, payload: bytes) -> bytes:
        """Any payload as an order of this agency, however wrong."""
        return cose.sign(payload, TYP, [self.signer])


@functools.cache
def harbour() -> Agency:
    return Agency()


@functools.cache
def harbour_later() -> Agency:
    """The same agency's second root, for hybrid orders."""
    return Agency(make=mldsa.MLDSA65PrivateKey.generate)


@functools.cache
def public(profile: Profile, place: int) -> bytes:
    seed = bytes([place]) * (grant.P384_SCALAR_SIZE if profile is Profile.P_384 else grant.SEED_SIZE)
    return grant.public_bytes(profile, seed)


def station(index: int, profile: Profile = Profile.X25519, **changes) -> OrderStation:
    values = {"name": f"station-{index}", "roles": Role.TELEMETRY | Role.VIDEO, "guard": "observer", **changes}
    return OrderStation(index, profile=profile, pub=public(profile, index), **values)


def device(place: int) -> OrderDevice:
    return OrderDevice(
        f"drone-{place}", *cose.raw_public(Ed25519PrivateKey.from_private_bytes(bytes([place]) * 32).public_key())
    )


def order(**changes) -> Order:
    """Two devices, a pilot, an observer of a second agency, two recording keys; the same bytes every time."""
    pilot = Role.TELEMETRY | Role.VIDEO | Role.COMMAND
    values = {
        "op_id": bytes(range(16)),
        "serial": 7,
        "not_before": NOW,
        "not_after": NOW + 8 * HOUR,
        "agency": NAME,
        "operation": "Night Watch",
        "classification": "regular",
        "devices": (device(1), device(2)),
        "stations": (station(1, name="pilot", roles=pilot, guard="pilot"), station(2, agency="Coast Guard")),
        "recording": tuple(OrderRecording(n, f"archive-{n}", Profile.P_384, public(Profile.P_384, n)) for n in (1, 2)),
        "previous": None,
        "policy": Policy(announce_s=2),
    }
    return Order(**{**values, **changes})


def flips(data: bytes):
    """`data` with one byte changed, once for each place: its lowest bit, its highest bit, all of its bits."""
    for place, mask in itertools.product(range(len(data)), (0x01, 0x80, 0xFF)):
        yield data[:place] + bytes([data[place] ^ mask]) + data[place + 1 :]
