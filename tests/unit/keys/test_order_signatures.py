"""The signatures of Operation Orders: every rule of who may sign, with what, and until when, broken once."""

from __future__ import annotations

import cbor2
import pytest
from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, mldsa, utils

from keys import certificate, cose
from keys.certificate import Usage
from keys.errors import (
    BadSignature,
    CertificateError,
    ExpiredCertificate,
    ForeignRoot,
    KeysError,
    MalformedMessage,
    MalformedOrder,
    WrongType,
    WrongUsage,
)
from keys.order import issue_order, parse_order, verify_order
from tests import tagged
from tests.agency import HOUR, NAME, NOW, Agency, flips, harbour, harbour_later, order, p256, p384
from tests.unit.keys.test_certificate import STAMPING, leaf
from tests.unit.keys.test_order import issued, verified

HYBRID_ROOTS = [harbour().root, harbour_later().root]


def hybrid() -> bytes:
    return issue_order(order(), [harbour().signer, harbour_later().signer])


def resigned(protected: bytes, payload: bytes, *signatures: object) -> bytes:
    return cose.dumps(cbor2.CBORTag(98, [protected, {}, payload, list(signatures)]))


def parts(data: bytes) -> tuple[bytes, bytes, list]:
    protected, _, payload, signatures = tagged.parts(data).value
    return protected, payload, signatures


def signature_by(key, chain: object, typ: str = "zegel-order", context: str = "Signature", alg: int | None = None) -> list:
    head = cose.dumps({1: int(cose.algorithm(key)) if alg is None else alg})
    data = cose.sig_structure(context, cose.dumps({16: typ}), head, order().payload())
    return [head, {33: chain}, cose._sign(key, data)]


def test_a_foreign_agency_is_foreign_even_by_the_same_name():
    data = issue_order(order(), [Agency().signer])
    with pytest.raises(ForeignRoot, match="not trusted here"):
        verified(data)
    with pytest.raises(ForeignRoot):
        verify_order(issued(), [], 0)


def test_an_agency_does_not_speak_for_another():
    other = Agency("Coast Guard")
    data = other.sign(order().payload())
    with pytest.raises(WrongUsage, match="is of 'Harbour Police', but signed by 'Coast Guard'"):
        verify_order(data, [harbour().root, other.root], 0)
    with pytest.raises(WrongUsage, match="the signer of 'Coast Guard'"):
        issue_order(order(), [other.signer])


def test_a_signer_of_another_name_does_not_sign_for_the_agency():
    """Also under the agency's own root, and with the right usage and generation."""
    key = p384()
    number = x509.UnrecognizedExtension(certificate.GENERATION, asn1.encode_der(1))

    def signed_as(name: str) -> bytes:
        usage = x509.ExtendedKeyUsage([Usage.ORDER_SIGNING.value])
        issued_to = leaf((usage, True), (number, False), key=key, name=name)
        return cose.sign(order().payload(), "zegel-order", [cose.Signer(key, (certificate.der(issued_to),))])

    assert verified(signed_as(NAME)).content == order()
    with pytest.raises(WrongUsage, match="is of 'Harbour Police', but signed by 'Somebody else'"):
        verified(signed_as("Somebody else"))


@pytest.mark.parametrize("kind", ["device", "time stamping", "none"])
def test_a_certificate_for_another_use_signs_no_order(kind):
    key = p384()
    usages = {
        "device": [(x509.ExtendedKeyUsage([Usage.DEVICE.value]), True)],
        "time stamping": [(STAMPING, True)],
        "none": [],
    }
    signer = cose.Signer(key, (certificate.der(leaf(*usages[kind], key=key, name=NAME)),))
    with pytest.raises(WrongUsage, match="not for order signing"):
        issue_order(order(), [signer])
    with pytest.raises(WrongUsage, match="not for order signing"):
        verified(cose.sign(order().payload(), "zegel-order", [signer]))


def test_a_real_device_signs_no_order():
    key = p256()
    signer = cose.Signer(key, (certificate.der(harbour().device("drone-7", key)),))
    with pytest.raises(WrongUsage, match="is for device"):
        verified(cose.sign(order().payload(), "zegel-order", [signer]))


def test_a_root_signs_no_order_itself():
    signer = cose.Signer(harbour().issuer.key, (certificate.der(harbour().root),))
    with pytest.raises(WrongUsage, match="not for order signing"):
        verified(cose.sign(order().payload(), "zegel-order", [signer]))


def test_a_signer_has_the_algorithm_of_its_root():
    key = p256()
    issued_to = leaf((x509.ExtendedKeyUsage([Usage.ORDER_SIGNING.value]), True), key=key, name=NAME)
    with pytest.raises(WrongUsage, match="another algorithm"):
        verified(cose.sign(order().payload(), "zegel-order", [cose.Signer(key, (certificate.der(issued_to),))]))


def test_a_signer_is_judged_at_the_newest_certain_date():
    signer = harbour().new_signer(begin=NOW, lifetime_s=HOUR)
    data = issue_order(order(), [signer])
    for certain in (0, NOW - 1, NOW, NOW + HOUR):
        verify_order(data, [harbour().root], certain)
    with pytest.raises(ExpiredCertificate, match="not at 2027-01-15 09:00"):
        verify_order(data, [harbour().root], NOW + HOUR + 1)


def test_the_begin_of_the_order_counts_when_nothing_later_is_known():
    signer = harbour().new_signer(begin=NOW, lifetime_s=HOUR)
    for begin in (NOW - 1, NOW + HOUR + 1):
        content = order(not_before=begin)
        with pytest.raises(ExpiredCertificate):
            verify_order(cose.sign(content.payload(), "zegel-order", [signer]), [harbour().root], 0)
        with pytest.raises(ExpiredCertificate):
            issue_order(content, [signer])


def test_the_wrong_key_with_the_right_certificate():
    signer = cose.Signer(p384(), harbour().signer.chain)
    with pytest.raises(BadSignature, match="does not verify"):
        verified(cose.sign(order().payload(), "zegel-order", [signer]))
    with pytest.raises(WrongUsage, match="does not belong to its certificate"):
        issue_order(order(), [signer])


def test_a_signature_of_another_order_does_not_fit():
    protected, _, signatures = parts(issued())
    with pytest.raises(BadSignature, match="does not verify"):
        verified(resigned(protected, order(serial=8).payload(), *signatures))


@pytest.mark.parametrize("typ", ["zegel-ss", "zegel-ka", "zegel-beat", "zegel-rec", ""])
def test_another_type_of_message_is_no_order(typ):
    data = cose.sign(order().payload(), typ, [harbour().signer])
    for attempt in (lambda: verified(data), lambda: parse_order(data)):
        with pytest.raises(WrongType, match="not an order"):
            attempt()


@pytest.mark.parametrize(
    "protected", [b"", b"\xa0", cose.dumps({16: "zegel-order", 1: -51}), cose.dumps({16: "zegel-orders"})]
)
def test_the_protected_header_is_a_constant(protected):
    _, payload, signatures = parts(issued())
    with pytest.raises(WrongType, match="not an order"):
        verified(resigned(protected, payload, *signatures))


def test_the_algorithm_is_that_of_the_key():
    protected, payload, _ = parts(issued())
    signer = harbour().signer
    for alg in (-35, -7, -19, 0):
        with pytest.raises(WrongType, match="ESP384"):
            verified(resigned(protected, payload, signature_by(signer.key, signer.chain[0], alg=alg)))


def test_a_signature_of_a_cose_sign1_is_none_of_an_order():
    protected, payload, _ = parts(issued())
    signer = harbour().signer
    transplanted = signature_by(signer.key, signer.chain[0], context="Signature1")
    with pytest.raises(BadSignature, match="does not verify"):
        verified(resigned(protected, payload, transplanted))
    with pytest.raises(MalformedMessage, match="tag 98"):
        verified(cose.sign1(payload, "zegel-order", signer.key, {33: signer.chain[0]}))


def test_a_signature_is_r_and_s_and_not_asn1():
    protected, payload, signatures = parts(issued())
    head, chain, raw = signatures[0]
    as_asn1 = utils.encode_dss_signature(int.from_bytes(raw[:48], "big"), int.from_bytes(raw[48:], "big"))
    harbour().signer.key.public_key().verify(
        as_asn1, cose.sig_structure("Signature", protected, head, payload), ec.ECDSA(hashes.SHA384())
    )
    with pytest.raises(BadSignature, match="does not verify"):
        verified(resigned(protected, payload, [head, chain, as_asn1]))


def test_the_certificate_stands_alone():
    protected, payload, _ = parts(issued())
    signer = harbour().signer
    for chain in ([*signer.chain, certificate.der(harbour().root)], [signer.chain[0]] * 2):
        with pytest.raises(CertificateError, match="more than its signer's certificate"):
            verified(resigned(protected, payload, signature_by(signer.key, chain)))
        with pytest.raises(CertificateError, match="more than its signer's certificate"):
            issue_order(order(), [cose.Signer(signer.key, tuple(chain))])
    for chain in ([], b"", "text", None, [None]):
        with pytest.raises(KeysError, match="certificate"):
            verified(resigned(protected, payload, signature_by(signer.key, chain)))


@pytest.mark.parametrize("outer", [{1: -51}, {4: b"kid"}, {33: b"certificate"}, {"note": "anything"}])
def test_nothing_is_in_the_outer_header(outer):
    """No signature covers it: of one order anybody could make any number of files."""
    protected, payload, signatures = parts(issued())
    with pytest.raises(MalformedMessage, match="unprotected headers"):
        verified(cose.dumps(cbor2.CBORTag(98, [protected, outer, payload, signatures])))


def test_nothing_is_in_the_header_but_the_certificate():
    protected, payload, [[head, chain, signature]] = parts(issued())
    for more in ({4: b"kid"}, {34: [-16, bytes(32)]}):
        with pytest.raises(MalformedMessage, match="unprotected headers"):
            verified(resigned(protected, payload, [head, {**chain, **more}, signature]))
    with pytest.raises(MalformedMessage, match="unprotected headers"):
        verified(resigned(protected, payload, [head, {33: [chain[33]]}, signature]))


def test_the_certificate_is_der():
    """PEM would be a second spelling of it."""
    protected, payload, [[head, chain, signature]] = parts(issued())
    as_pem = certificate.pem(certificate.load_certificate(chain[33]))
    with pytest.raises(CertificateError, match="not a certificate"):
        verified(resigned(protected, payload, [head, {33: as_pem}, signature]))


def test_a_certificate_without_generation_signs_no_order():
    key = p384()
    issued_to = leaf((x509.ExtendedKeyUsage([Usage.ORDER_SIGNING.value]), True), key=key, name=NAME)
    signer = cose.Signer(key, (certificate.der(issued_to),))
    with pytest.raises(CertificateError, match="generation"):
        issue_order(order(), [signer])
    with pytest.raises(CertificateError, match="generation"):
        verified(cose.sign(order().payload(), "zegel-order", [signer]))


def test_no_signature_and_one_too_many():
    protected, payload, signatures = parts(issued())
    with pytest.raises(BadSignature, match="not signed"):
        verified(resigned(protected, payload))
    with pytest.raises(BadSignature, match="two signatures of one algorithm"):
        verified(resigned(protected, payload, *signatures, *signatures))
    stranger = Agency().signer
    with pytest.raises(BadSignature, match="two signatures of one algorithm"):
        verified(resigned(protected, payload, *signatures, signature_by(stranger.key, stranger.chain[0])))


def test_a_signature_that_is_repeated_is_not_even_looked_at(monkeypatch):
    """25 of them fit an order of the link, each takes two verifications, and the loop of an aircraft waits meanwhile."""
    protected, payload, signatures = parts(issued())
    monkeypatch.setattr(certificate, "load_der", lambda _: pytest.fail("looked at"))
    with pytest.raises(BadSignature, match="two signatures of one algorithm"):
        verified(resigned(protected, payload, *signatures * 25))
    with pytest.raises(CertificateError, match="generation"):
        issue_order(order(), [])
    with pytest.raises(MalformedOrder, match="two signers of the order have the same algorithm"):
        issue_order(order(), [harbour().signer, harbour().new_signer()])


def test_a_generation_outranks_any_serial():
    agency = Agency()
    ranks = []
    for generation, serial in ((1, 5), (1, 6), (2, 1)):
        data = issue_order(order(serial=serial), [agency.new_signer(generation)])
        ranks.append(verify_order(data, [agency.root], 0).rank)
    assert ranks == sorted(ranks)
    assert ranks[-1] == (2, 1)


# --- hybrid: P-384 and ML-DSA-65 ---


def test_a_hybrid_order_verifies_under_both_roots():
    result = verify_order(hybrid(), HYBRID_ROOTS, NOW)
    assert result.order_hash == order().hash()
    assert [signature.root for signature in result.signatures] == HYBRID_ROOTS
    protected, payload, signatures = parts(hybrid())
    assert verify_order(resigned(protected, payload, *reversed(signatures)), HYBRID_ROOTS, NOW).content == order()


@pytest.mark.parametrize(("place", "lacks"), [(0, "ML-DSA-65"), (1, "P-384")])
def test_an_agency_with_two_kinds_of_root_signs_with_both(place, lacks):
    data = issue_order(order(), [(harbour().signer, harbour_later().signer)[place]])
    assert verify_order(data, [HYBRID_ROOTS[place]], 0).content == order()
    with pytest.raises(BadSignature, match=f"lacks the {lacks} signature") as caught:
        verify_order(data, HYBRID_ROOTS, 0)
    assert "each of its roots" in caught.value.hint


@pytest.mark.parametrize("place", [0, 1])
def test_one_bad_signature_of_two_is_enough_to_refuse(place):
    protected, payload, signatures = parts(hybrid())
    signatures[place][2] = bytes(len(signatures[place][2]))
    with pytest.raises(BadSignature, match="does not verify"):
        verify_order(resigned(protected, payload, *signatures), HYBRID_ROOTS, 0)


@pytest.mark.parametrize("place", [0, 1])
def test_every_signature_needs_its_own_pinned_root(place):
    with pytest.raises(ForeignRoot):
        verify_order(hybrid(), [HYBRID_ROOTS[place]], 0)


def test_another_agency_with_one_kind_of_root_is_not_asked_for_two():
    guard = Agency("Coast Guard")
    data = issue_order(order(agency="Coast Guard"), [guard.signer])
    assert verify_order(data, [*HYBRID_ROOTS, guard.root], 0).content.agency == "Coast Guard"


def test_two_agencies_do_not_sign_one_order():
    guard = Agency("Coast Guard", mldsa.MLDSA65PrivateKey.generate)
    data = cose.sign(order().payload(), "zegel-order", [harbour().signer, guard.signer])
    with pytest.raises(WrongUsage, match="but signed by 'Coast Guard'"):
        verify_order(data, [harbour().root, guard.root], 0)


def test_the_signers_of_an_order_are_of_one_generation():
    signers = [harbour().signer, harbour_later().new_signer(generation=2)]
    with pytest.raises(CertificateError, match=r"one generation, not \[1, 2\]"):
        issue_order(order(), signers)
    with pytest.raises(CertificateError, match="one generation"):
        verify_order(cose.sign(order().payload(), "zegel-order", signers), HYBRID_ROOTS, 0)


def test_a_changed_byte_of_a_hybrid_order_is_refused():
    for number, data in enumerate(flips(hybrid())):
        if number % 23 == 0:
            with pytest.raises(KeysError):
                verify_order(data, HYBRID_ROOTS, 0)
