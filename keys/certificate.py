"""Certificates (X.509, RFC 5280): the agency's root, its order signers, its devices. CUSTODY.md says who holds which key.

An agency root is P-384; a hybrid agency also has one of ML-DSA-65. A root signs only certificates, one level deep: a
certificate of ours is issued directly by a pinned root, and has one critical extended key usage, so that no device or
time-stamping certificate signs an order. Pure: no file and no clock; every time is an argument, in Unix seconds.
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import hashlib
import uuid
import warnings
from collections.abc import Iterable, Iterator

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store

from keys import cose, extensions, fields
from keys.cose import Alg
from keys.errors import BadSignature, CertificateError, ExpiredCertificate, ForeignRoot, KeysError, WrongUsage
from keys.times import DAY_S, moment, utc

ROOT_ALGS = frozenset({Alg.ESP384, Alg.ML_DSA_65})
DEVICE_ALGS = frozenset({Alg.ED25519, Alg.ESP256})
ROOT_LIFETIME_S = 20 * 365 * DAY_S
DEVICE_LIFETIME_S = 10 * 365 * DAY_S
SIGNER_LIFETIME_S = 2 * 365 * DAY_S
CERTIFICATE_MAX = 1 << 16
CERTIFICATE_HINT = "a file with a certificate is named .crt and begins with BEGIN CERTIFICATE"
PEM_BEGIN = b"-----"
GENERATIONS = range(1, 1 << 32)
FINGERPRINT_SIZE = 16

Roots = tuple[x509.Certificate, ...]  # of one agency: the P-384 root, and for a hybrid agency the ML-DSA-65 root after it
RootKey = ec.EllipticCurvePrivateKey | mldsa.MLDSA65PrivateKey
DeviceKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey


def _private_oid(text: str) -> x509.ObjectIdentifier:
    """2.25.<the UUID as an integer>, which needs no registration (ITU-T X.667). The UUIDs were drawn at random."""
    return x509.ObjectIdentifier(f"2.25.{uuid.UUID(text).int}")


class Usage(enum.Enum):
    """What a certificate is for: its one extended key usage."""

    ORDER_SIGNING = _private_oid("61ff3d64-1cde-4ee2-a2a0-55758f8a9fbc")
    DEVICE = _private_oid("e82b7a70-453e-4993-9216-60554f9b1939")
    TIME_STAMPING = ExtendedKeyUsageOID.TIME_STAMPING

    @property
    def label(self) -> str:
        return self.name.lower().replace("_", " ")


GENERATION = _private_oid("d95a1f7e-06b8-4553-ac41-4a3ab5b6dafd")  # of an order signer: an ASN.1 INTEGER, from 1

# All extensions that a certificate of ours may have: those that are issued below.
EXTENSIONS = frozenset(
    {
        ExtensionOID.SUBJECT_KEY_IDENTIFIER,
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        GENERATION,
    }
)

# --- reading ---


def load_certificate(data: bytes) -> x509.Certificate:
    """A certificate from PEM or DER; CertificateError for anything else."""
    if not data.startswith(PEM_BEGIN):
        return load_der(data)
    with _library("certificate", CERTIFICATE_HINT):
        return _judged(x509.load_pem_x509_certificate(data[:CERTIFICATE_MAX]))


def load_der(data: bytes) -> x509.Certificate:
    """A certificate as a message carries it: DER alone. CertificateError for anything else."""
    with _library("certificate", CERTIFICATE_HINT):
        return _judged(x509.load_der_x509_certificate(data[:CERTIFICATE_MAX]))


def _judged(certificate: x509.Certificate) -> x509.Certificate:
    """Each field that is read later is read here once: the library parses late, and a bad field must be found now."""
    extensions.require_only(EXTENSIONS, certificate)
    for part in ("subject", "issuer", "extensions", "signature_hash_algorithm"):
        getattr(certificate, part)
    certificate.public_key()
    _require_whole_signature(certificate)
    return certificate


def load_request(data: bytes) -> x509.CertificateSigningRequest:
    """A device's request (PKCS #10, RFC 2986) from PEM or DER; BadSignature unless the key that it is for signed it.

    Only its name, its key and its signature are read. Attributes, which requests of other programs may have, are not
    decoded.
    """
    load = x509.load_pem_x509_csr if data.startswith(PEM_BEGIN) else x509.load_der_x509_csr
    with _library("certificate request", "the file is device.csr, which zegel device init makes"):
        request = load(data[:CERTIFICATE_MAX])
        request.subject, request.public_key()
        _require_whole_signature(request)
        signed = request.is_signature_valid
    if not signed:
        raise BadSignature("the request is not signed by the key that it asks a certificate for")
    return request


def _require_whole_signature(thing: x509.Certificate | x509.CertificateSigningRequest) -> None:
    if not der(thing).endswith(b"\0" + thing.signature):
        raise ValueError("its signature claims unused bits")  # otherwise one bit could change under a good signature


@contextlib.contextmanager
def _library(what: str, hint: str) -> Iterator[None]:
    """Each exception or warning of the X.509 library becomes a CertificateError, a panic of its Rust code included."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a certificate that the library warns about is not one of ours
            warnings.simplefilter("ignore", ResourceWarning)  # of what Python's garbage collector finds meanwhile
            yield
    except (KeysError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        raise CertificateError(f"not a {what}: {error}", hint=hint) from None


def pem(thing: x509.Certificate | x509.CertificateSigningRequest) -> bytes:
    return thing.public_bytes(serialization.Encoding.PEM)


def der(thing: x509.Certificate | x509.CertificateSigningRequest) -> bytes:
    return thing.public_bytes(serialization.Encoding.DER)


def name_of(thing: x509.Certificate | x509.CertificateSigningRequest) -> str:
    """The common name of the subject: an agency's for roots and signers, a device's for devices."""
    return _common_name(thing.subject)


def issuer_name(certificate: x509.Certificate) -> str:
    """The name of the agency that issued it."""
    return _common_name(certificate.issuer)


def _common_name(name: x509.Name) -> str:
    names = [attribute.value for attribute in name.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if len(names) != 1 or not fields.NAME(names[0]):
        raise CertificateError("the certificate does not have one plain name")
    return str(names[0])


def generation(certificate: x509.Certificate) -> int:
    """The generation of an order signer, from 1; it rises when the agency replaces the signer."""
    try:
        extension = certificate.extensions.get_extension_for_oid(GENERATION)
        assert isinstance(extension.value, x509.UnrecognizedExtension)
        number = asn1.decode_der(int, extension.value.value)
    except (x509.ExtensionNotFound, ValueError):
        number = 0
    if number not in GENERATIONS:
        raise CertificateError(f"the certificate of {name_of(certificate)!r} does not say which generation of signer it is")
    return number


def fingerprint(key: x509.Certificate | x509.CertificateSigningRequest | cose.PublicKey | bytes) -> str:
    """A public key in the form that people compare: eight groups of SHA-256 over the bytes that an order holds."""
    if isinstance(key, (x509.Certificate, x509.CertificateSigningRequest)):
        key = cose_key(key)
    raw = key if isinstance(key, bytes) else cose.raw_public(key)[1]
    return groups(hashlib.sha256(raw).digest())


def agency_id(roots: Iterable[x509.Certificate]) -> bytes:
    """Which agency this is, 32 bytes: SHA-256 over the keys of its roots, P-384 first. SPEC.md section 3."""
    return hashlib.sha256(b"".join(cose.raw_public(cose_key(root))[1] for root in sorted(roots, key=alg_of))).digest()


def groups(digest: bytes) -> str:
    """The first 16 bytes of a hash in groups of four hexadecimal digits."""
    return digest[:FINGERPRINT_SIZE].hex("-", 2)


def cose_key(thing: x509.Certificate | x509.CertificateSigningRequest) -> cose.PublicKey:
    """The public key inside; WrongUsage if no message of ours is signed with this kind of key."""
    key = thing.public_key()
    if not isinstance(key, cose.PublicKey):
        raise WrongUsage(f"the key of {name_of(thing)!r} is of a kind that signs nothing here")
    return key


def alg_of(thing: x509.Certificate) -> Alg:
    """The algorithm of the key inside."""
    return cose.algorithm(cose_key(thing))


# --- issuing ---


@dataclasses.dataclass(frozen=True, slots=True)
class Issuer:
    """An agency root with its private key; WrongUsage unless they belong together."""

    certificate: x509.Certificate
    key: RootKey = dataclasses.field(repr=False)

    def __post_init__(self) -> None:
        require_root(self.certificate)
        if cose.raw_public(self.key.public_key()) != cose.raw_public(cose_key(self.certificate)):
            raise WrongUsage("the root key does not belong to the root certificate")


def issue_root(name: str, key: RootKey, now: int, *, lifetime_s: int = ROOT_LIFETIME_S) -> x509.Certificate:
    """A self-signed agency root; WrongUsage unless the key is P-384 or ML-DSA-65."""
    if cose.algorithm(key) not in ROOT_ALGS:
        raise WrongUsage(f"a key of {cose.algorithm(key).name} is no root key", hint="a root key is P-384 or ML-DSA-65")
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, fields.require_name(name))])
    builder = _builder(subject, subject, key.public_key(), (now, lifetime_s))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_key_usage(certificates=True), critical=True)
    return builder.sign(key, _digest(key))


def issue_signer(
    issuer: Issuer, public_key: cose.PublicKey, generation: int, now: int, *, lifetime_s: int = SIGNER_LIFETIME_S
) -> x509.Certificate:
    """The certificate of an order signer in the name of the agency; its key is of the root's own algorithm."""
    if cose.algorithm(public_key) != cose.algorithm(issuer.key):
        raise WrongUsage("an order signer has a key of the same algorithm as its root")
    if generation not in GENERATIONS:
        raise CertificateError(f"{generation} is not the generation of a signer: the first is 1")
    number = x509.UnrecognizedExtension(GENERATION, asn1.encode_der(generation))
    builder = _leaf(issuer, name_of(issuer.certificate), public_key, Usage.ORDER_SIGNING, (now, lifetime_s))
    return builder.add_extension(number, critical=False).sign(issuer.key, _digest(issuer.key))


def make_request(name: str, key: DeviceKey) -> x509.CertificateSigningRequest:
    """A device's request for its certificate (PKCS #10, RFC 2986)."""
    subject = _subject(fields.require_name(name), Usage.DEVICE)
    return x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, _digest(key))


def certify_device(
    issuer: Issuer, request: x509.CertificateSigningRequest, now: int, *, lifetime_s: int = DEVICE_LIFETIME_S
) -> x509.Certificate:
    """The certificate that a device asks for. Only the name and the key of the request are used.

    WrongUsage unless the key is Ed25519 or P-256: a P-384 key is an agency's.
    """
    public_key = cose_key(request)
    if cose.algorithm(public_key) not in DEVICE_ALGS:
        raise WrongUsage(
            f"{name_of(request)!r} asks for a certificate for a key of {cose.algorithm(public_key).name}",
            hint="a device has an Ed25519 or a P-256 key: zegel device init makes one",
        )
    builder = _leaf(issuer, name_of(request), public_key, Usage.DEVICE, (now, lifetime_s))
    return builder.sign(issuer.key, _digest(issuer.key))


def _leaf(
    issuer: Issuer, name: str, public_key: cose.PublicKey, usage: Usage, life: tuple[int, int]
) -> x509.CertificateBuilder:
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
    builder = _builder(_subject(name, usage), issuer.certificate.subject, public_key, life)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_key_usage(certificates=False), critical=True)
    builder = builder.add_extension(authority, critical=False)
    return builder.add_extension(x509.ExtendedKeyUsage([usage.value]), critical=True)


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: cose.PublicKey, life: tuple[int, int]
) -> x509.CertificateBuilder:
    """The common part of all our certificates; `life` is (begin in Unix seconds, length in seconds)."""
    begin, length = life
    builder = x509.CertificateBuilder(issuer, subject, public_key, x509.random_serial_number())
    builder = builder.not_valid_before(moment(begin)).not_valid_after(moment(begin + length))
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)


def _subject(name: str, usage: Usage) -> x509.Name:
    unit = x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, usage.label)
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name), unit])


def _key_usage(*, certificates: bool) -> x509.KeyUsage:
    unused = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only"),
        False,
    )
    return x509.KeyUsage(digital_signature=not certificates, key_cert_sign=certificates, crl_sign=certificates, **unused)


def _digest(key: cose.PrivateKey) -> hashes.SHA256 | hashes.SHA384 | None:
    """The hash of a signature by this key; Ed25519 and ML-DSA define their own."""
    digests: dict[Alg, hashes.SHA256 | hashes.SHA384] = {Alg.ESP256: hashes.SHA256(), Alg.ESP384: hashes.SHA384()}
    return digests.get(cose.algorithm(key))


# --- checking ---


def require_root(certificate: x509.Certificate) -> None:
    """WrongUsage unless this is a self-signed agency root, fit to be pinned."""
    usage = _extension(certificate, x509.BasicConstraints)
    kind = isinstance(usage, x509.BasicConstraints) and usage.ca and cose.algorithm(cose_key(certificate)) in ROOT_ALGS
    if not kind or not _issued(certificate, certificate):
        raise WrongUsage(f"the certificate of {name_of(certificate)!r} is not an agency root", hint="the file is root.crt")


def find_root(certificate: x509.Certificate, roots: Iterable[x509.Certificate]) -> x509.Certificate:
    """The root of `roots` whose key signed the certificate; ForeignRoot if none did."""
    for root in roots:
        if _issued(certificate, root):
            return root
    raise ForeignRoot(f"the certificate was issued by {issuer_name(certificate)!r}, with a root that is not pinned here")


def _issued(certificate: x509.Certificate, root: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(root)
    except Exception:  # a signature that does not verify, or one that the library cannot check
        return False
    return True


def require_usage(certificate: x509.Certificate, usage: Usage) -> None:
    """WrongUsage unless this is the certificate's only usage, and critical (RFC 5280 section 4.2.1.12)."""
    found = _extension(certificate, x509.ExtendedKeyUsage, critical=True)
    usages = list(found) if isinstance(found, x509.ExtendedKeyUsage) else []
    if usages != [usage.value]:
        known = " and ".join(each.label for each in Usage if each.value in usages) or "something else"
        raise WrongUsage(f"the certificate of {name_of(certificate)!r} is for {known}, not for {usage.label}")


def require_valid_at(certificate: x509.Certificate, unix_time: int) -> None:
    """ExpiredCertificate if the time lies outside its dates."""
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not begin <= moment(unix_time) <= end:
        dates = f"from {begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"
        early = "the clock is wrong here, or it was where the certificate was issued" if moment(unix_time) < begin else ""
        raise ExpiredCertificate(
            f"the certificate of {name_of(certificate)!r} is valid {dates}, not at {utc(unix_time)}", hint=early
        )


def validate(
    certificate: x509.Certificate, roots: Iterable[x509.Certificate], usage: Usage, unix_time: int
) -> x509.Certificate:
    """The root that issued the certificate, if it is valid at this time and for this usage.

    The library does the path validation (RFC 5280 section 6); the checks before it find a precise error message.
    ForeignRoot, WrongUsage, ExpiredCertificate, CertificateError.
    """
    root = find_root(certificate, roots)
    require_usage(certificate, usage)
    require_valid_at(certificate, unix_time)
    require_valid_at(root, unix_time)
    leaf_policy = ExtensionPolicy.permit_all().require_present(x509.ExtendedKeyUsage, Criticality.CRITICAL, None)
    policy = PolicyBuilder().store(Store([root])).time(moment(unix_time)).max_chain_depth(0)
    policy = policy.extension_policies(ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=leaf_policy)
    try:
        policy.build_client_verifier().verify(certificate, [])
    except Exception as error:  # VerificationError, or any other exception of the library
        raise CertificateError(f"the certificate of {name_of(certificate)!r} is not acceptable: {error}") from None
    return root


def _extension(
    certificate: x509.Certificate, kind: type[x509.ExtensionType], *, critical: bool = False
) -> x509.ExtensionType | None:
    """The extension of this kind, None if it is absent or not as critical as asked."""
    try:
        extension = certificate.extensions.get_extension_for_class(kind)
    except x509.ExtensionNotFound:
        return None
    return extension.value if extension.critical or not critical else None
