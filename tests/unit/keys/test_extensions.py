"""Which extensions a certificate has. What becomes of every kind of them: tests/hostile/test_certificates.py."""

from __future__ import annotations

import pytest
from cryptography import x509

from keys import certificate, extensions
from keys.errors import CertificateError
from tests.agency import harbour, harbour_later
from tests.unit.keys.test_certificate import ED25519, leaf

UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.25.1"), b"")


@pytest.mark.parametrize("agency", [harbour, harbour_later])
def test_what_an_agency_issues_has_no_others(agency):
    signer = x509.load_der_x509_certificate(agency().signer.chain[0])
    for issued in (agency().root, signer, agency().device("drone-7", ED25519)):
        extensions.require_only(certificate.EXTENSIONS, issued)
    extensions.require_only(frozenset(extension.oid for extension in signer.extensions), signer)


@pytest.mark.parametrize("critical", [False, True])
def test_another_is_refused_by_its_name(critical):
    with pytest.raises(CertificateError, match=r"has the extension 2\.25\.1, which"):
        extensions.require_only(certificate.EXTENSIONS, leaf((UNKNOWN, critical)))


def test_one_of_ours_that_is_not_allowed_here_is_refused():
    with pytest.raises(CertificateError, match=r"2\.5\.29\.35"):
        extensions.require_only(frozenset(), leaf())
