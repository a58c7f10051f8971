"""The extensions of a certificate by their identifiers, checked before any of them is decoded. SPEC.md section 3, Trust.

The X.509 library decodes all extensions of a certificate at once, and can raise any exception if it cannot decode one.
Therefore their list is read here first, by the library's own strict DER, and each value stays a string of bytes.
"""

from __future__ import annotations

from typing import Annotated

from cryptography import x509
from cryptography.hazmat import asn1

from keys.errors import CertificateError


@asn1.sequence
class Extension:
    """RFC 5280 section 4.1."""

    identifier: x509.ObjectIdentifier
    critical: Annotated[bool, asn1.Default(False)]
    value: bytes


@asn1.sequence
class TbsCertificate:
    """The part that an issuer signs: version 3, and none of the unique identifiers that RFC 5280 forbids."""

    version: Annotated[int, asn1.Explicit(0)]
    serial_number: int
    signature: asn1.TLV
    issuer: asn1.TLV
    validity: asn1.TLV
    subject: asn1.TLV
    public_key: asn1.TLV
    extensions: Annotated[list[Extension] | None, asn1.Explicit(3)]


def require_only(known: frozenset[x509.ObjectIdentifier], certificate: x509.Certificate) -> None:
    """CertificateError for an extension that is not of `known`, or comes twice; ValueError if there is no list of them."""
    found = asn1.decode_der(TbsCertificate, certificate.tbs_certificate_bytes).extensions or []
    seen: set[x509.ObjectIdentifier] = set()
    for extension in found:
        name = extension.identifier.dotted_string
        if extension.identifier not in known:
            raise CertificateError(f"the certificate has the extension {name}, which none of an agency's has")
        if extension.identifier in seen:
            raise CertificateError(f"the certificate has the extension {name} twice")
        seen.add(extension.identifier)
