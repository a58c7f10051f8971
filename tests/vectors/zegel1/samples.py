"""What is random in the constructions, so that it is recorded: read back from the files, or drawn once more."""

from __future__ import annotations

import dataclasses

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes

from keys import announcement, certificate, cose, recording_header
from keys.announcement import Announcement
from keys.order import TYP, issue_order
from tests.vectors.zegel1 import cast, read

OF_ANOTHER = "a signer of another name, under the agency's root"


@dataclasses.dataclass(frozen=True)
class Samples:
    root: bytes  # certificates of the agency's roots, DER
    root_ml_dsa: bytes
    order: bytes  # signed under the first
    order_hybrid: bytes  # the same payload, signed under both
    order_of_another: bytes  # the same payload, signed under the first by a signer of another name
    statement_p256: bytes
    sealed: dict[int, bytes]  # by station: HPKE's enc || ciphertext
    recording: bytes  # rk_0, sealed to the recording key

    @classmethod
    def drawn(cls) -> Samples:
        begin = cast.BEGIN - 3600
        roots = [certificate.issue_root(cast.ORDER.agency, key, begin) for key in (cast.ROOT_KEY, cast.ROOT_ML_DSA)]
        keys = ((cast.ROOT_KEY, cast.SIGNER_KEY), (cast.ROOT_ML_DSA, cast.SIGNER_ML_DSA))
        signers = []
        for root, (root_key, key) in zip(roots, keys, strict=True):
            issued = certificate.issue_signer(certificate.Issuer(root, root_key), key.public_key(), 1, begin)
            signers.append(cose.Signer(key, (certificate.der(issued),)))
        return cls(
            certificate.der(roots[0]),
            certificate.der(roots[1]),
            issue_order(cast.ORDER, signers[:1]),
            issue_order(cast.ORDER, signers),
            _signed_by_another(certificate.Issuer(roots[0], cast.ROOT_KEY)),
            cast.STATEMENT_P256.sign(cast.DEVICE_KEYS[1]),
            {station.index: _sealed(station.index) for station in cast.STATIONS},
            _sealed_recording(),
        )

    @classmethod
    def recorded(cls) -> Samples:
        order, statements = read("order"), read("statement")["statements"]
        of_another = next(each["order"] for each in read("hostile")["orders"] if each["why"] == OF_ANOTHER)
        return cls(
            *(bytes.fromhex(order[name]) for name in ("root", "root_ml_dsa", "order", "order_hybrid")),
            bytes.fromhex(of_another),
            bytes.fromhex(statements[1]["message"]),
            {grant["station"]: bytes.fromhex(grant["sealed"]) for grant in read("grant")["grants"]},
            bytes.fromhex(read("recording")["sealed"]),
        )


def _signed_by_another(issuer: certificate.Issuer) -> bytes:
    """The order, by a certificate that is right in everything but its name; `issue_order` would refuse to sign it."""
    life, public = (cast.BEGIN - 3600, certificate.SIGNER_LIFETIME_S), cast.SIGNER_KEY.public_key()
    builder = certificate._leaf(issuer, "Somebody else", public, certificate.Usage.ORDER_SIGNING, life)
    number = x509.UnrecognizedExtension(certificate.GENERATION, asn1.encode_der(1))
    issued = builder.add_extension(number, critical=False).sign(issuer.key, hashes.SHA384())
    return cose.sign(cast.ORDER.payload(), TYP, [cose.Signer(cast.SIGNER_KEY, (certificate.der(issued),))])


def _sealed(index: int) -> bytes:
    station = cast.STATIONS[index - 1]
    header = Announcement(cast.SESSION_ID, cast.ORDER.hash(), cast.EPOCH, index, announcement.SUITE, {}, b"")
    keys = cast.granted(station)
    return announcement.seal(header, station.profile, station.pub, keys, cast.UPLINK_KEYS[index]).sealed


def _sealed_recording() -> bytes:
    of = cast.RECORDING
    header = recording_header.seal(cast.ORDER, of.order_hash, of.session_id, of.rec_id, cast.RK_0, of.group, of.mono_us)
    return header.keys[0][1]
