"""Certificates of any content, alone and in an order: a KeysError, or accepted. No extension is read but an agency's own.

`make soak` tries a million damaged ones; what the agency's own root signed, so that nothing stops it early, is among them.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Callable

import cbor2
import pytest
from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from keys import certificate, cose
from keys.certificate import Usage
from keys.errors import CertificateError, KeysError
from keys.order import verify_order
from tests import tagged
from tests.agency import NOW, harbour, order
from tests.hostile.certificates import (
    CONTENTS,
    IDENTIFIERS,
    OURS,
    Extension,
    Odd,
    all_odd,
    doubled,
    odd,
    signed,
    signer_tbs,
    with_extension,
    with_extensions,
)
from tests.hostile.mutation import mutated

MUTATIONS = 1_000_000
ROOTS = [harbour().root]
ORDER = harbour().sign(order().payload())
PROTECTED, _, PAYLOAD, [[HEAD, CHAIN, SIGNATURE]] = tagged.parts(ORDER).value


def in_an_order(der: bytes) -> bytes:
    """The signed order, which does not cover its signer's certificate, with another one in it."""
    return cose.dumps(cbor2.CBORTag(98, [PROTECTED, {}, PAYLOAD, [[HEAD, {**CHAIN, 33: der}, SIGNATURE]]]))


READINGS: tuple[Callable[[x509.Certificate], object], ...] = (
    certificate.name_of,
    certificate.issuer_name,
    certificate.fingerprint,
    certificate.generation,
    certificate.require_root,
    certificate.pem,
    lambda found: certificate.require_valid_at(found, NOW),
    lambda found: certificate.find_root(found, ROOTS),
    *(lambda found, usage=usage: certificate.validate(found, ROOTS, usage, NOW) for usage in Usage),
)


def accepted(read: Callable[[object], object], data: object) -> bool:
    """Anything but a KeysError fails the test."""
    try:
        read(data)
    except KeysError:
        return False
    return True


def reads_alone(der: bytes) -> bool:
    """Whether it loads; if so, all that anybody ever reads of a certificate is read."""
    try:
        loaded = certificate.load_certificate(der)
    except KeysError:
        return False
    for read in READINGS:
        accepted(read, loaded)
    return True


def reads_in_an_order(der: bytes) -> bool:
    return accepted(lambda data: verify_order(data, ROOTS, 0), in_an_order(der))


@pytest.fixture(scope="module")
def corpus() -> list[Odd]:
    """Each extension with each content, critical or not by turns."""
    critical = itertools.cycle([False, True])
    return [odd(oid, what, critical=next(critical)) for oid in IDENTIFIERS for what in CONTENTS]


def test_a_real_signers_certificate_is_read():
    assert reads_alone(harbour().signer.chain[0])
    assert reads_in_an_order(harbour().signer.chain[0])


def test_no_extension_but_an_agencys_is_let_in(corpus):
    for bad in corpus:
        if bad.identifier not in OURS:
            with pytest.raises(CertificateError, match=f"extension {bad.identifier.dotted_string}, which none"):
                certificate.load_certificate(bad.der)
            assert not reads_in_an_order(bad.der), bad


def test_an_agencys_extensions_with_any_content(corpus):
    ours = [bad for bad in corpus if bad.identifier in OURS]
    assert len(ours) > 1_000
    assert sum(reads_alone(bad.der) for bad in ours) > 0
    assert sum(reads_in_an_order(bad.der) for bad in ours) > 0


def test_no_extension_comes_twice():
    for bad in doubled():
        with pytest.raises(CertificateError, match="certificate"):
            certificate.load_certificate(bad.der)


def test_the_whole_list_is_judged_before_the_library_reads_one():
    """The foreign one stands last, behind one of an agency's that the library throws at."""
    own, key = signer_tbs().extensions, ExtensionOID.AUTHORITY_KEY_IDENTIFIER
    thrown_at = Extension(identifier=key, critical=False, value=CONTENTS["authority key: x400Address"])
    foreign = Extension(identifier=x509.ObjectIdentifier("2.25.1"), critical=False, value=b"")
    others = [extension for extension in own if extension.identifier != key]
    with pytest.raises(CertificateError, match=r"extension 2\.25\.1, which none"):
        certificate.load_certificate(with_extensions([thrown_at, *others, foreign]))
    with pytest.raises(CertificateError, match="x400Address"):
        certificate.load_certificate(with_extensions([thrown_at, *others]))


class Attempts:
    """Damaged certificates, tried in one of three ways; `counts` says how many of each were accepted."""

    def __init__(self, seed: int, samples: list[bytes]) -> None:
        self.rng = random.Random(seed)
        self.samples = [*samples, *[harbour().signer.chain[0]] * (len(samples) // 4)]
        self.algorithm = signer_tbs().algorithm
        self.tbs = [x509.load_der_x509_certificate(der).tbs_certificate_bytes for der in self.samples]
        self.tried: Counter[str] = Counter()
        self.accepted: Counter[str] = Counter()

    def one(self) -> None:
        way = self.rng.choices(("alone", "in an order", "signed again", "signed again, in an order"), (70, 20, 5, 5))[0]
        der = self._signed_again() if way.startswith("signed") else mutated(self.rng, self.samples)
        self.tried[way] += 1
        self.accepted[way] += reads_in_an_order(der) if way.endswith("order") else reads_alone(der)

    def _signed_again(self) -> bytes:
        """By the agency's root: a damaged extension of ours, or damage anywhere that left a DER element."""
        if self.rng.random() < 0.5:
            value = mutated(self.rng, list(CONTENTS.values()))
            return with_extension(self.rng.choice(sorted(OURS, key=str)), value, critical=self.rng.random() < 0.5)
        while True:
            try:
                return signed(mutated(self.rng, self.tbs), self.algorithm)
            except ValueError:
                continue


def test_damaged(corpus):
    attempts = Attempts(1, [bad.der for bad in corpus])
    for _ in range(3_000):
        attempts.one()
    assert attempts.accepted["signed again"] > 0


@pytest.mark.soak
def test_soak(figure):
    attempts = Attempts(2, [bad.der for critical in (False, True) for bad in all_odd(critical)])
    for _ in range(MUTATIONS):
        attempts.one()
    ways = "; ".join(
        f"{way}: {count:,}, {attempts.accepted[way]:,} of them accepted" for way, count in attempts.tried.items()
    )
    kinds = f"{len(IDENTIFIERS)} extensions with {len(CONTENTS)} contents each"
    figure(f"certificates: {MUTATIONS:,} mutations of {kinds}, a KeysError or accepted. {ways}")
