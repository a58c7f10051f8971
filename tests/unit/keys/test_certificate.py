"""X.509 as Zegel uses it: one root, one level, one usage each."""

from __future__ import annotations

import datetime
import hashlib
import socket
import sys

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, mldsa, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import AttributeOID, ExtendedKeyUsageOID, ExtensionOID, NameOID

from keys import certificate, cose
from keys.certificate import GENERATION, Usage
from keys.errors import BadName, BadSignature, CertificateError, ExpiredCertificate, ForeignRoot, WrongUsage
from tests.agency import HOUR, NAME, NOW, Agency, harbour, harbour_later, p256, p384

ED25519 = Ed25519PrivateKey.generate()
USAGE = x509.ExtendedKeyUsage


def common_name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def leaf(*extensions: tuple[x509.ExtensionType, bool], name: str = "leaf", agency: Agency | None = None, key=None):
    """A certificate signed by the agency's root with just these extensions and the key identifier."""
    issuer = (agency or harbour()).issuer
    key = key or p384()
    builder = x509.CertificateBuilder(issuer.certificate.subject, common_name(name), key.public_key(), 1)
    at = datetime.datetime.fromtimestamp(NOW, datetime.UTC)
    builder = builder.not_valid_before(at).not_valid_after(at + datetime.timedelta(days=1))
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(issuer.key, hashes.SHA384())


def signer_certificate(agency: Agency) -> x509.Certificate:
    return certificate.load_certificate(agency.signer.chain[0])


# --- what is issued ---


@pytest.mark.parametrize("agency", [harbour, harbour_later])
def test_a_root_certifies_its_signer_and_its_devices(agency):
    agency = agency()
    signer, device = signer_certificate(agency), agency.device("drone-7", ED25519)
    assert certificate.validate(signer, [agency.root], Usage.ORDER_SIGNING, NOW) == agency.root
    assert certificate.validate(device, [harbour().root, agency.root], Usage.DEVICE, NOW) == agency.root
    assert (certificate.name_of(signer), certificate.name_of(device)) == (NAME, "drone-7")
    assert certificate.issuer_name(device) == NAME
    assert certificate.generation(signer) == 1


def test_the_private_identifiers_never_change():
    assert Usage.ORDER_SIGNING.value.dotted_string == "2.25.130260396448799629227494575833457795004"
    assert Usage.DEVICE.value.dotted_string == "2.25.308606647135973093736547833537571264825"
    assert GENERATION.dotted_string == "2.25.288910420542120748702300077869726358269"


def test_usages_are_critical_and_only_a_root_may_issue():
    for issued in (signer_certificate(harbour()), harbour().device("drone-7", ED25519)):
        assert issued.extensions.get_extension_for_class(USAGE).critical
        assert not issued.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        assert not issued.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    assert harbour().root.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0


@pytest.mark.parametrize("key", [p256(), ED25519])
def test_a_root_key_is_p384_or_ml_dsa(key):
    with pytest.raises(WrongUsage, match="is no root key"):
        certificate.issue_root(NAME, key, NOW)


def test_a_signer_has_the_algorithm_of_its_root():
    for key in (p256(), ED25519, mldsa.MLDSA65PrivateKey.generate()):
        with pytest.raises(WrongUsage, match="same algorithm"):
            certificate.issue_signer(harbour().issuer, key.public_key(), 1, NOW)


@pytest.mark.parametrize("generation", [0, -1, 1 << 32])
def test_a_generation_that_would_be_refused_is_not_issued(generation):
    with pytest.raises(CertificateError, match="generation"):
        certificate.issue_signer(harbour().issuer, p384().public_key(), generation, NOW)


def test_an_issuer_is_a_root_with_its_own_key():
    with pytest.raises(WrongUsage, match="does not belong"):
        certificate.Issuer(harbour().root, p384())
    with pytest.raises(WrongUsage, match="not an agency root"):
        certificate.Issuer(signer_certificate(harbour()), harbour().signer.key)


@pytest.mark.parametrize("name", ["", " pilot", "pilot\n", "\x1b[2J", "a" * 65, "\u202elive", "\udc80", "é" * 33])
def test_a_name_that_cannot_be_shown_is_refused(name):
    with pytest.raises(BadName):
        certificate.issue_root(name, p384(), NOW)
    with pytest.raises(BadName):
        certificate.make_request(name, ED25519)


# --- devices ---


@pytest.mark.parametrize("key", [ED25519, p256()])
def test_a_device_is_certified_on_its_request(key):
    request = certificate.load_request(certificate.pem(certificate.make_request("drone-7", key)))
    device = certificate.certify_device(harbour().issuer, request, NOW, lifetime_s=HOUR)
    assert certificate.cose_key(device) == key.public_key()
    assert certificate.validate(device, [harbour().root], Usage.DEVICE, NOW + HOUR) == harbour().root


@pytest.mark.parametrize(
    ("key", "name"), [(p384(), "ESP384"), (mldsa.MLDSA65PrivateKey.generate(), "ML_DSA_65")], ids=["p-384", "ml-dsa"]
)
def test_a_key_of_an_agency_is_not_certified_as_a_device(key, name):
    request = certificate.make_request("drone-7", key)
    with pytest.raises(WrongUsage, match=name):
        certificate.certify_device(harbour().issuer, request, NOW)


def test_a_key_of_a_foreign_kind_is_not_certified():
    key = rsa.generate_private_key(65537, 2048)
    request = x509.CertificateSigningRequestBuilder().subject_name(common_name("drone-7")).sign(key, hashes.SHA256())
    with pytest.raises(WrongUsage, match="signs nothing here"):
        certificate.certify_device(harbour().issuer, certificate.load_request(certificate.pem(request)), NOW)


def test_of_a_request_only_name_and_key_are_taken():
    builder = x509.CertificateSigningRequestBuilder().subject_name(common_name("drone-7"))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    builder = builder.add_extension(USAGE([Usage.ORDER_SIGNING.value]), critical=True)
    device = certificate.certify_device(harbour().issuer, builder.sign(ED25519, None), NOW)
    certificate.require_usage(device, Usage.DEVICE)
    assert not device.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_what_else_a_request_asks_for_is_not_even_decoded():
    """As openssl may make it; and one that the library would throw at."""
    for asked in (b"\x30\x0f\x82\x0dzegel.example", bytes.fromhex("3002a300")):
        names = x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, asked)
        builder = x509.CertificateSigningRequestBuilder().subject_name(common_name("drone-7"))
        builder = builder.add_extension(names, critical=True).add_attribute(AttributeOID.CHALLENGE_PASSWORD, b"secret")
        request = certificate.load_request(certificate.pem(builder.sign(ED25519, None)))
        device = certificate.certify_device(harbour().issuer, request, NOW)
        assert {extension.oid for extension in device.extensions} <= certificate.EXTENSIONS


def test_a_request_is_signed_by_the_key_in_it():
    request = certificate.make_request("drone-7", ED25519).public_bytes(serialization.Encoding.DER)
    with pytest.raises(BadSignature, match="not signed by the key"):
        certificate.load_request(request[:-1] + bytes([request[-1] ^ 1]))


@pytest.mark.parametrize("names", [[], ["one", "two"], ["a\x07b"]])
def test_a_request_has_one_plain_name(names):
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in names])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(ED25519, None)
    with pytest.raises(CertificateError, match="one plain name"):
        certificate.certify_device(harbour().issuer, request, NOW)


# --- what is refused ---


def test_a_foreign_root_of_the_same_name_is_foreign():
    with pytest.raises(ForeignRoot, match="not pinned here") as caught:
        certificate.validate(signer_certificate(harbour()), [Agency().root], Usage.ORDER_SIGNING, NOW)
    assert "compare the fingerprint" in caught.value.hint
    with pytest.raises(ForeignRoot, match=NAME):
        certificate.validate(signer_certificate(harbour()), [], Usage.ORDER_SIGNING, NOW)


STAMPING = USAGE([ExtendedKeyUsageOID.TIME_STAMPING])
BOTH = USAGE([Usage.ORDER_SIGNING.value, Usage.DEVICE.value])


@pytest.mark.parametrize(
    ("extensions", "says"),
    [
        ([], "for something else, not for order signing"),
        ([(STAMPING, True)], "for time stamping, not"),
        ([(USAGE([Usage.DEVICE.value]), True)], "for device, not"),
        ([(BOTH, True)], "for order signing and device, not"),
        ([(USAGE([Usage.ORDER_SIGNING.value]), False)], "for something else, not"),
        ([(USAGE([ExtendedKeyUsageOID.CLIENT_AUTH]), True)], "for something else, not"),
    ],
    ids=["none", "time stamping", "device", "two", "not critical", "tls"],
)
def test_another_usage_is_refused(extensions, says):
    with pytest.raises(WrongUsage, match=says):
        certificate.validate(leaf(*extensions), [harbour().root], Usage.ORDER_SIGNING, NOW)


def test_a_critical_extension_that_is_not_known_is_refused():
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.25.1"), b"\x05\x00")
    issued = leaf((USAGE([Usage.DEVICE.value]), True), (unknown, True))
    with pytest.raises(CertificateError, match="critical"):
        certificate.validate(issued, [harbour().root], Usage.DEVICE, NOW)


def test_dates_hold_to_the_second_for_leaf_and_root():
    signer = certificate.load_certificate(harbour().new_signer(begin=NOW, lifetime_s=HOUR).chain[0])
    for at in (NOW, NOW + HOUR):
        certificate.validate(signer, [harbour().root], Usage.ORDER_SIGNING, at)
    for at in (NOW - 1, NOW + HOUR + 1, 0):
        with pytest.raises(ExpiredCertificate, match=r"valid from 2027-01-15 08:00 to 2027-01-15 09:00 UTC, not at"):
            certificate.validate(signer, [harbour().root], Usage.ORDER_SIGNING, at)
    key = p384()
    short = certificate.Issuer(certificate.issue_root(NAME, key, NOW, lifetime_s=HOUR), key)
    device = certificate.certify_device(short, certificate.make_request("drone-7", ED25519), NOW)
    with pytest.raises(ExpiredCertificate, match=f"certificate of '{NAME}'"):
        certificate.validate(device, [short.certificate], Usage.DEVICE, NOW + HOUR + 1)


def test_a_device_issues_nothing():
    key = p384()
    middle = leaf((USAGE([Usage.DEVICE.value]), True), key=key, name=NAME)
    below = certificate.Issuer(certificate.issue_root(NAME, key, NOW), key)
    device = certificate.certify_device(below, certificate.make_request("drone-7", ED25519), NOW)
    with pytest.raises(CertificateError, match="not acceptable"):
        certificate.validate(device, [middle], Usage.DEVICE, NOW)


@pytest.mark.parametrize("key", [p256(), ED25519], ids=["p-256", "ed25519"])
def test_only_an_agency_root_is_pinned(key):
    certificate.require_root(harbour().root)
    certificate.require_root(harbour_later().root)
    name = common_name(NAME)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1)
    at = datetime.datetime.fromtimestamp(NOW, datetime.UTC)
    builder = builder.not_valid_before(at).not_valid_after(at + datetime.timedelta(days=1))
    weak = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    digest = hashes.SHA256() if isinstance(key, ec.EllipticCurvePrivateKey) else None
    crossed = leaf(
        (x509.BasicConstraints(ca=True, path_length=0), True), name=NAME, key=p384(), agency=Agency("Coast Guard")
    )
    for wrong in (weak.sign(key, digest), builder.sign(key, digest), signer_certificate(harbour()), crossed):
        with pytest.raises(WrongUsage, match="not an agency root"):
            certificate.require_root(wrong)


@pytest.mark.parametrize(
    "value", [b"", b"\x02\x01\x00", b"\x02\x01\xff", b"\x02\x02\x00\x01", b"\x04\x01\x01", b"\x02\x01\x01\x00"]
)
def test_a_generation_is_one_positive_integer(value):
    issued = leaf((x509.UnrecognizedExtension(GENERATION, value), False))
    with pytest.raises(CertificateError, match="generation"):
        certificate.generation(issued)
    with pytest.raises(CertificateError, match="generation"):
        certificate.generation(leaf())


# --- files and fingerprints ---


def test_pem_and_der_are_the_same_certificate():
    root = harbour().root
    assert certificate.load_certificate(certificate.pem(root)) == root
    assert certificate.load_certificate(certificate.der(root)) == root


@pytest.mark.parametrize("data", [b"", b"-----BEGIN CERTIFICATE-----\n", b"zegel-station 1\n", bytes(100)])
def test_what_is_no_certificate_is_called_so(data):
    with pytest.raises(CertificateError, match="not a certificate"):
        certificate.load_certificate(data)
    with pytest.raises(CertificateError, match="not a certificate request"):
        certificate.load_request(data)


def test_a_certificate_in_a_message_is_der():
    assert certificate.load_der(certificate.der(harbour().root)) == harbour().root
    with pytest.raises(CertificateError, match="not a certificate"):
        certificate.load_der(certificate.pem(harbour().root))


class Panic(BaseException):
    """As the library's Rust code raises it: no Exception."""


@pytest.mark.parametrize("thrown", [KeyError(99), RuntimeError("anything"), RecursionError(), Panic("unwrap on None")])
@pytest.mark.parametrize("load", [certificate.load_certificate, certificate.load_request])
def test_whatever_the_library_throws_is_a_certificate_error(load, thrown, monkeypatch):
    def throws(_: bytes) -> None:
        raise thrown

    for name in ("load_der_x509_certificate", "load_der_x509_csr"):
        monkeypatch.setattr(x509, name, throws)
    with pytest.raises(CertificateError, match="not a certificate"):
        load(certificate.der(harbour().root))


def test_what_the_library_only_warns_of_is_refused():
    version_and_serial = bytes.fromhex("a003020102020101")
    before, after = certificate.der(leaf()).split(version_and_serial, 1)
    with pytest.raises(CertificateError, match="serial number"):
        certificate.load_certificate(before + version_and_serial[:-1] + b"\0" + after)


def test_a_socket_that_is_collected_meanwhile_is_no_fault_of_the_certificate(monkeypatch):
    read, ignored = x509.load_der_x509_certificate, []

    def reads(data: bytes) -> x509.Certificate:
        socket.socket()  # nothing holds it
        return read(data)

    monkeypatch.setattr(x509, "load_der_x509_certificate", reads)
    monkeypatch.setattr(sys, "unraisablehook", ignored.append)
    certificate.load_certificate(certificate.der(harbour().root))
    assert ignored == []


def test_not_even_the_count_of_unused_bits_may_change():
    """The library reads 1 unused bit, a 0, as it reads none; the signature over the rest still fits."""
    while True:
        data = certificate.der(signed := leaf())
        if not data[-1] & 1:
            break
    changed = data[: -len(signed.signature) - 1] + b"\x01" + signed.signature
    x509.load_der_x509_certificate(changed).verify_directly_issued_by(harbour().root)
    with pytest.raises(CertificateError, match="unused bits"):
        certificate.load_certificate(changed)


def test_a_fingerprint_is_of_the_bytes_that_are_in_an_order():
    device = harbour().device("drone-7", ED25519)
    raw = cose.raw_public(ED25519.public_key())[1]
    expected = hashlib.sha256(raw).digest()[:16].hex("-", 2)
    for same in (device, certificate.make_request("other", ED25519), ED25519.public_key(), raw):
        assert certificate.fingerprint(same) == expected
    assert certificate.fingerprint(bytes(32)) == "6668-7aad-f862-bd77-6c8f-c18b-8e9f-8e20"
