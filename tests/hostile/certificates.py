"""Certificates that no agency makes: every extension that X.509 knows, with contents that are right, odd and wrong.

Each is signed by the agency's root, and all else in it is a real order signer's. So nothing but the extension is wrong,
and a reader that looks further than its identifier looks into what was put there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Annotated

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtensionOID

from keys.certificate import GENERATION
from tests.agency import harbour

KNOWN = {value for name, value in vars(ExtensionOID).items() if isinstance(value, x509.ObjectIdentifier)}
UNKNOWN = {x509.ObjectIdentifier(text) for text in ("2.25.1", "1.2.3.4", "2.5.29.99", "1.3.6.1.4.1.311.20.2", "2.999.1")}
OURS = {
    ExtensionOID.SUBJECT_KEY_IDENTIFIER,
    ExtensionOID.BASIC_CONSTRAINTS,
    ExtensionOID.KEY_USAGE,
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
    ExtensionOID.EXTENDED_KEY_USAGE,
    GENERATION,
}
IDENTIFIERS = sorted(KNOWN | UNKNOWN | OURS, key=lambda oid: oid.dotted_string)


# --- DER by hand ---


@asn1.sequence
class Extension:
    identifier: x509.ObjectIdentifier
    critical: Annotated[bool, asn1.Default(False)]
    value: bytes


@asn1.sequence
class Tbs:
    version: Annotated[int, asn1.Explicit(0)]
    serial: int
    algorithm: asn1.TLV
    issuer: asn1.TLV
    validity: asn1.TLV
    subject: asn1.TLV
    key: asn1.TLV
    extensions: Annotated[list[Extension], asn1.Explicit(3)]


@asn1.sequence
class Signed:
    tbs: asn1.TLV
    algorithm: asn1.TLV
    signature: asn1.BitString


def tlv(tag: int, *parts: bytes) -> bytes:
    """One DER element of a one-byte tag."""
    content = b"".join(parts)
    size = len(content)
    length = bytes([size]) if size < 128 else b"\x82" + size.to_bytes(2, "big")
    return bytes([tag]) + length + content


def seq(*parts: bytes) -> bytes:
    return tlv(0x30, *parts)


def signed(tbs: bytes, algorithm: asn1.TLV) -> bytes:
    """Any DER element as a certificate by the agency's root; ValueError if it is none."""
    element = asn1.decode_der(asn1.TLV, tbs)
    signature = harbour().issuer.key.sign(tbs, ec.ECDSA(hashes.SHA384()))
    return asn1.encode_der(Signed(tbs=element, algorithm=algorithm, signature=asn1.BitString(signature, 0)))


def signer_tbs() -> Tbs:
    """Of the agency's real order signer."""
    return asn1.decode_der(Tbs, x509.load_der_x509_certificate(harbour().signer.chain[0]).tbs_certificate_bytes)


def with_extensions(extensions: list[Extension]) -> bytes:
    """The order signer's certificate with these extensions and no other."""
    tbs = signer_tbs()
    tbs.extensions = extensions
    return signed(asn1.encode_der(tbs), tbs.algorithm)


# --- contents ---

OID = bytes.fromhex("06082b06010505073001")
NAMES = {
    "otherName": tlv(0xA0, OID, tlv(0xA0, b"\x05\x00")),
    "rfc822Name": tlv(0x81, b"a@b.c"),
    "rfc822Name, not ASCII": tlv(0x81, "é@b.c".encode()),
    "dNSName": tlv(0x82, b"zegel.example"),
    "dNSName, not ASCII": tlv(0x82, "zegel.é".encode()),
    "x400Address": tlv(0xA3),
    "directoryName": tlv(0xA4, seq()),
    "directoryName, no name": tlv(0xA4, b"\x02\x01\x00"),
    "ediPartyName": tlv(0xA5),
    "URI": tlv(0x86, b"http://zegel.example"),
    "URI, not ASCII": tlv(0x86, b"\xff\xfe"),
    "iPAddress": tlv(0x87, bytes(4)),
    "iPAddress of one byte": tlv(0x87, b"\x01"),
    "registeredID": tlv(0x88, b"\x2a\x03"),
    "registeredID, empty": tlv(0x88),
    "a tag beyond the last": tlv(0x89, b"x"),
}
AROUND_A_NAME = {
    "names": seq,
    "authority key": lambda name: seq(tlv(0xA1, name), tlv(0x82, b"\x01")),
    "distribution point": lambda name: seq(seq(tlv(0xA0, tlv(0xA0, name)))),
    "CRL issuer": lambda name: seq(seq(tlv(0xA2, name))),
    "issuing point": lambda name: seq(tlv(0xA0, tlv(0xA0, name))),
    "access": lambda name: seq(seq(OID, name)),
    "permitted": lambda name: seq(tlv(0xA0, seq(name))),
    "excluded": lambda name: seq(tlv(0xA1, seq(name))),
    "admissions": lambda name: seq(name, seq(seq(tlv(0xA0, name), seq()))),
}
OTHERS = {
    "nothing": b"",
    "NULL": b"\x05\x00",
    "an empty sequence": seq(),
    "TRUE": b"\x01\x01\xff",
    "a BOOLEAN of 2": b"\x01\x01\x02",
    "0": b"\x02\x01\x00",
    "-1": b"\x02\x01\xff",
    "1, and more": b"\x02\x01\x01\x00",
    "a number of 300 bytes": tlv(0x02, b"\x01" + bytes(299)),
    "a length beyond the end": b"\x30\x7f",
    "an indefinite length": b"\x30\x80\x00\x00",
    "an OCTET STRING": tlv(0x04, bytes(20)),
    "no bits": b"\x03\x01\x00",
    "unused bits of nothing": b"\x03\x01\x07",
    "nine unused bits": b"\x03\x02\x09\x00",
    "all key usages": b"\x03\x03\x07\xff\x80",
    "only decipher": b"\x03\x03\x07\x00\x80",
    "an agency, 0 levels": seq(b"\x01\x01\xff", b"\x02\x01\x00"),
    "an agency, -1 levels": seq(b"\x01\x01\xff", b"\x02\x01\xff"),
    "an agency, 2^64 levels": seq(b"\x01\x01\xff", tlv(0x02, b"\x01" + bytes(8))),
    "no agency, 0 levels": seq(b"\x02\x01\x00"),
    "FALSE, spelled out": seq(b"\x01\x01\x00"),
    "one use": seq(OID),
    "one use, twice": seq(OID, OID),
    "a use without arcs": seq(b"\x06\x00"),
    "a use of 100 arcs": seq(tlv(0x06, b"\x81\x01" * 100)),
    "a key identifier": seq(tlv(0x80, bytes(20))),
    "an empty key identifier": seq(tlv(0x80)),
    "a serial without an issuer": seq(tlv(0x82, b"\x01")),
    "features": seq(b"\x02\x01\x05", b"\x02\x01\x11"),
    "an unknown feature": seq(b"\x02\x01\x63"),
    "a feature of 2^31": seq(tlv(0x02, b"\x00\x80\x00\x00\x00")),
    "a policy": seq(seq(OID)),
    "a policy without a name": seq(seq(b"\x06\x00")),
    "a policy with a notice": seq(seq(OID, seq(seq(OID, seq(tlv(0x0C, b"notice")))))),
    "a policy with a broken notice": seq(seq(OID, seq(seq(OID, tlv(0x16, b"\xff"))))),
    "policy constraints": seq(tlv(0x80, b"\x00"), tlv(0x81, b"\xff")),
    "policy mappings": seq(seq(OID, OID)),
    "timestamps": tlv(0x04, b"\x00\x00"),
    "timestamps beyond the end": b"\x04\x02\xff\xff",
    "a template": seq(OID, b"\x02\x01\x01", b"\x02\x01\x00"),
    "a template without a name": seq(b"\x02\x01\x01"),
    "a usage period": seq(tlv(0x80, b"20200101000000Z"), tlv(0x81, b"20100101000000Z")),
    "a usage period, no date": seq(tlv(0x80, b"yesterday")),
    "300 levels": b"\x30\x80" * 300,
    "2,000 bytes": bytes(2000),
}
CONTENTS = {
    **OTHERS,
    **{f"{around}: {name}": build(data) for around, build in AROUND_A_NAME.items() for name, data in NAMES.items()},
}


@dataclasses.dataclass(frozen=True)
class Odd:
    """A certificate (DER), and which extension makes it odd."""

    der: bytes
    identifier: x509.ObjectIdentifier
    what: str


def odd(identifier: x509.ObjectIdentifier, what: str, *, critical: bool) -> Odd:
    return Odd(with_extension(identifier, CONTENTS[what], critical=critical), identifier, what)


def with_extension(identifier: x509.ObjectIdentifier, value: bytes, *, critical: bool) -> bytes:
    """The signer's certificate with this extension last, in the place of its own if it has one."""
    own = [extension for extension in signer_tbs().extensions if extension.identifier != identifier]
    return with_extensions([*own, Extension(identifier=identifier, critical=critical, value=value)])


def all_odd(critical: bool) -> Iterator[Odd]:
    """Every identifier with every content."""
    return (odd(identifier, what, critical=critical) for identifier in IDENTIFIERS for what in CONTENTS)


def doubled() -> Iterator[Odd]:
    """Every extension of the signer's certificate twice; and a foreign one twice, which no list of names holds."""
    own = signer_tbs().extensions
    for extension in own:
        yield Odd(with_extensions([*own, extension]), extension.identifier, "twice")
    for identifier in sorted(UNKNOWN | {ExtensionOID.SUBJECT_ALTERNATIVE_NAME}, key=str):
        foreign = Extension(identifier=identifier, critical=False, value=CONTENTS["names: x400Address"])
        yield Odd(with_extensions([*own, foreign, foreign]), identifier, "twice")
