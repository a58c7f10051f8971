"""Paper: an order of an agency that exists only in memory, for measurements without the agency's commands.

What lives here: one aircraft, one station, any recording keys. What must not: files (bench/fixture.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from keys import certificate, cose, grant
from keys.grant import Profile
from keys.lanes import Role
from keys.order import Order, VerifiedOrder, issue_order
from keys.order_device import OrderDevice
from keys.order_station import OrderRecording, OrderStation
from keys.policy import Policy

AGENCY = "bench"
PILOT = Role.TELEMETRY | Role.VIDEO | Role.COMMAND
STARTS = 1_700_000_000  # Unix seconds
LASTS_S = 8 * 3600
USUAL = Policy()


def order(
    device: Ed25519PrivateKey,
    station_seed: bytes,
    recording: Sequence[OrderRecording] = (),
    policy: Policy = USUAL,
) -> Order:
    public = grant.public_bytes(Profile.X25519, station_seed)
    return Order(
        op_id=bytes(16),
        serial=1,
        not_before=STARTS,
        not_after=STARTS + LASTS_S,
        agency=AGENCY,
        operation="bench",
        classification="regular",
        devices=(OrderDevice("aircraft", *cose.raw_public(device.public_key())),),
        stations=(OrderStation(1, "station", Profile.X25519, public, PILOT, "pilot"),),
        recording=tuple(recording),
        previous=None,
        policy=policy,
    )


def verified(content: Order) -> VerifiedOrder:
    """As if its signature had been checked."""
    payload = content.payload()
    return VerifiedOrder(content, hashlib.sha256(payload).digest(), 1, payload)


def issued(content: Order) -> bytes:
    """The file, signed by a new agency."""
    root, key = ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP384R1())
    issuer = certificate.Issuer(certificate.issue_root(AGENCY, root, STARTS), root)
    signer = certificate.issue_signer(issuer, key.public_key(), 1, STARTS)
    return issue_order(content, [cose.Signer(key, (certificate.der(signer),))])
