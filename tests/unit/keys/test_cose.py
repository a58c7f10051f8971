from __future__ import annotations

import contextlib
import dataclasses

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa

from keys import cose
from keys.cose import Alg, Signer
from keys.errors import BadSignature, MalformedMessage, WrongType

KEYS = {
    Alg.ED25519: ed25519.Ed25519PrivateKey.generate(),
    Alg.ESP256: ec.generate_private_key(ec.SECP256R1()),
    Alg.ESP384: ec.generate_private_key(ec.SECP384R1()),
    Alg.ML_DSA_65: mldsa.MLDSA65PrivateKey.generate(),
}
SIGNATURE_SIZES = {Alg.ED25519: 64, Alg.ESP256: 64, Alg.ESP384: 96, Alg.ML_DSA_65: 3309}

# --- CBOR ---

SPELLINGS = {
    "nothing": "",
    "0 in two bytes": "1800",
    "255 in three bytes": "1900ff",
    "2^32 - 1 in nine bytes": "1b00000000ffffffff",
    "a length in two bytes": "5800",
    "a list of indefinite length": "9fff",
    "a byte string of indefinite length": "5f4161ff",
    "a map of indefinite length": "bf0000ff",
    "keys not in order": "a202000100",
    "a key twice": "a201000100",
    "a key twice, in two spellings": "a2010018010000",
    "bytes behind the end": "0000",
    "cut short": "82",
    "a byte string cut short": "44aabbcc",
    "a reserved length": "1c",
    "a break that breaks nothing": "ff",
    "a float": "f97e00",
    "1.0": "fb3ff0000000000000",
    "undefined": "f7",
    "a simple value": "e0",
    "a bignum cut short": "c249010000000000000000ff",
    "a bignum that is a small integer": "c24100",
    "a date": "c11a514b67b0",
    "a date that is none": "c06a323031332d39392d3231",
    "a decimal fraction": "c482201b7fffffffffffffff",
    "a bigfloat of 2^2^63": "c5821b7fffffffffffffff01",
    "a rational with the denominator 0": "d81e820100",
    "a regular expression that is none": "d823622828",
    "a set": "d9010280",
    "a list that holds itself": "d81c81d81d00",
    "text that is not UTF-8": "62c328",
    "a tagged list as a key": "a1c68000",
    "a tag that messages of ours begin with": "d28441a0a04100",
    "a tag that nobody knows": "d9ffff00",
    "a map as a key": "a1a00000",
    "too deep": "81" * 9 + "00",
}


@pytest.mark.parametrize(
    "value",
    [
        0,
        -1,
        23,
        24,
        (1 << 64) - 1,
        -(1 << 64),
        b"",
        b"bytes",
        "text",
        "\N{GREEK SMALL LETTER ALPHA}",
        [],
        [1, [2, [b"3"]]],
        {},
        {1: b"a", -1: {"deep": [True, False, None]}, "z": 0},
    ],
)
def test_what_messages_are_made_of_comes_back(value: object):
    assert cose.loads(cose.dumps(value)) == value


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_every_other_spelling_is_refused(spelling: str):
    with pytest.raises(MalformedMessage):
        cose.loads(bytes.fromhex(spelling))


def test_references_do_not_unfold():
    """Seven nested lists of thirty references to the next are 611 bytes, and 30^7 items."""
    bomb = "d81d00"
    for level in range(7):
        bomb = "981e" + (f"d81c{bomb}" if level else "d81c80") + f"d81d{level:02x}" * 29
    for data in (bytes.fromhex(bomb), b"\xd2" + bytes.fromhex(bomb)):
        with pytest.raises(MalformedMessage):
            cose.loads(data)
        with pytest.raises(MalformedMessage):
            cose.parse_sign1(data)


def test_a_message_has_a_largest_size():
    largest = cose.MESSAGE_MAX - 5  # the head of a byte string this long
    assert cose.loads(cose.dumps(bytes(largest))) == bytes(largest)
    with pytest.raises(MalformedMessage, match="a message of 1048577 bytes"):
        cose.loads(cose.dumps(bytes(largest + 1)))


def test_maps_are_encoded_by_key_whatever_their_order():
    assert cose.dumps({2: 0, 1: 0}) == cose.dumps({1: 0, 2: 0}) == bytes.fromhex("a201000200")


# --- keys ---


@pytest.mark.parametrize("alg", Alg)
def test_a_key_has_one_algorithm(alg: Alg):
    assert cose.algorithm(KEYS[alg]) is cose.algorithm(KEYS[alg].public_key()) is alg


@pytest.mark.parametrize("key", [ed448.Ed448PrivateKey.generate(), ec.generate_private_key(ec.SECP521R1())])
def test_other_keys_sign_nothing(key: object):
    with pytest.raises(WrongType, match="signs nothing here"):
        cose.algorithm(key)  # type: ignore[arg-type]


@pytest.mark.parametrize(("alg", "size"), [(Alg.ED25519, 32), (Alg.ESP256, 65)])
def test_a_device_key_is_in_an_order_as_raw_bytes(alg: Alg, size: int):
    public = KEYS[alg].public_key()
    named, raw = cose.raw_public(public)
    assert (named, len(raw)) == (alg, size)
    assert cose.raw_public(cose.load_public(named, raw)) == (alg, raw)
    with pytest.raises(MalformedMessage, match="not a public key"):
        cose.load_public(alg, raw[:-1])


@pytest.mark.parametrize("alg", [Alg.ESP384, Alg.ML_DSA_65, -7, 0])
def test_a_device_signs_with_no_other_algorithm(alg: int):
    with pytest.raises(WrongType, match="not one that a device signs with"):
        cose.load_public(alg, bytes(65))


def test_a_point_that_is_not_on_the_curve_is_no_key():
    with pytest.raises(MalformedMessage, match="not a public key"):
        cose.load_public(Alg.ESP256, b"\4" + bytes(63) + b"\1")


# --- one signature ---


@pytest.mark.parametrize("alg", Alg)
def test_sign1_verifies_as_its_own_kind_with_its_own_key_only(alg: Alg):
    key = KEYS[alg]
    signed = cose.parse_sign1(cose.sign1(b"payload", "zegel-beat", key, {4: b"hint"}))
    assert signed.verify("zegel-beat", key.public_key()) == b"payload"
    assert signed.unprotected == {4: b"hint"}
    assert len(signed.signature) == SIGNATURE_SIZES[alg]
    with pytest.raises(WrongType, match="not a zegel-ka"):
        signed.verify("zegel-ka", key.public_key())
    other_alg = Alg.ESP256 if alg is Alg.ED25519 else Alg.ED25519
    with pytest.raises(WrongType, match=f"signed with {other_alg.name}"):
        signed.verify("zegel-beat", KEYS[other_alg].public_key())


def test_a_signature_by_another_key_of_the_same_kind():
    signed = cose.parse_sign1(cose.sign1(b"payload", "zegel-beat", KEYS[Alg.ED25519]))
    with pytest.raises(BadSignature):
        signed.verify("zegel-beat", ed25519.Ed25519PrivateKey.generate().public_key())


@pytest.mark.parametrize("alg", Alg)
def test_no_bit_of_payload_or_signature_can_change(alg: Alg):
    key = KEYS[alg]
    signed = cose.parse_sign1(cose.sign1(b"payload", "zegel-ss", key))
    half = len(signed.signature) // 2
    for payload, signature in [
        (b"Payload", signed.signature),
        (b"payload\0", signed.signature),
        (b"payload", bytes(len(signed.signature))),
        (b"payload", signed.signature[:-1]),
        (b"payload", signed.signature + b"\0"),
        (b"payload", signed.signature[:half] + b"\0" + signed.signature[half:]),  # an ECDSA s of one byte more
        (b"payload", b""),
        (b"payload", signed.signature[:-1] + bytes([signed.signature[-1] ^ 1])),
    ]:
        changed = cose.Sign1(signed.protected, {}, payload, signature)
        with pytest.raises(BadSignature):
            changed.verify("zegel-ss", key.public_key())


def test_the_protected_header_is_compared_as_bytes():
    """A header that says the same and more, even under a right signature, is another kind of message."""
    key = KEYS[Alg.ED25519]
    protected = cose.dumps({1: -19, 3: 0, 16: "zegel-ss"})
    signature = key.sign(cose.sig_structure("Signature1", protected, None, b"payload"))
    with pytest.raises(WrongType):
        cose.Sign1(protected, {}, b"payload", signature).verify("zegel-ss", key.public_key())


def test_an_empty_protected_map_counts_as_an_empty_string():
    """RFC 9052 section 4.4."""
    assert cose.sig_structure("Signature1", b"\xa0", None, b"p") == cose.sig_structure("Signature1", b"", None, b"p")
    assert cose.sig_structure("Signature1", b"", None, b"p") == cose.dumps(["Signature1", b"", b"", b"p"])
    assert cose.sig_structure("Signature", b"\xa0", b"\xa0", b"p", b"x") == cose.dumps(["Signature", b"", b"", b"x", b"p"])


@pytest.mark.parametrize(
    "value",
    [
        [b"", {}, b"", b""],  # no tag
        cbor2.CBORTag(98, [b"", {}, b"", b""]),
        cbor2.CBORTag(18, [b"", {}, b""]),
        cbor2.CBORTag(18, [b"", {}, b"", b"", b""]),
        cbor2.CBORTag(18, [b"", {}, None, b""]),  # a detached payload
        cbor2.CBORTag(18, [{}, {}, b"", b""]),
        cbor2.CBORTag(18, ["", {}, b"", b""]),
        cbor2.CBORTag(18, b"bytes"),
        cbor2.CBORTag(18, {0: b"", 1: {}, 2: b"", 3: b""}),
        cbor2.CBORTag(18, cbor2.CBORTag(18, [b"", {}, b"", b""])),
    ],
)
def test_an_outer_form_that_is_not_sign1(value: object):
    with pytest.raises(MalformedMessage):
        cose.parse_sign1(cose.dumps(value))


# --- several signatures ---


def signer(alg: Alg, *chain: bytes) -> Signer:
    return Signer(KEYS[alg], chain)


def test_each_signature_stands_alone_and_carries_its_chain():
    message = cose.sign(b"order", "zegel-order", [signer(Alg.ESP384, b"leaf"), signer(Alg.ML_DSA_65, b"leaf", b"middle")])
    parsed = cose.parse_sign(message)
    assert parsed.payload == b"order"
    assert [(s.alg, s.chain) for s in parsed.signatures] == [(-51, (b"leaf",)), (-49, (b"leaf", b"middle"))]
    for index, alg in enumerate((Alg.ESP384, Alg.ML_DSA_65)):
        parsed.verify("zegel-order", index, KEYS[alg].public_key())
        with pytest.raises(WrongType):
            parsed.verify("zegel-beat", index, KEYS[alg].public_key())
        with pytest.raises(WrongType):
            parsed.verify("zegel-order", 1 - index, KEYS[alg].public_key())


def test_a_changed_order_fails_every_signature():
    parsed = cose.parse_sign(cose.sign(b"order", "zegel-order", [signer(Alg.ESP384, b"leaf")]))
    changed = dataclasses.replace(parsed, payload=b"Order")
    with pytest.raises(BadSignature):
        changed.verify("zegel-order", 0, KEYS[Alg.ESP384].public_key())


def test_a_signature_of_one_structure_is_none_of_the_other():
    """The context string keeps COSE_Sign and COSE_Sign1 apart."""
    key = KEYS[Alg.ESP384]
    one = cose.parse_sign1(cose.sign1(b"payload", "zegel-order", key))
    parsed = cose.parse_sign(cose.sign(b"payload", "zegel-order", [signer(Alg.ESP384, b"leaf")]))
    info = dataclasses.replace(parsed.signatures[0], signature=one.signature)
    with pytest.raises(BadSignature):
        dataclasses.replace(parsed, signatures=(info,)).verify("zegel-order", 0, key.public_key())


HEAD = cose.dumps({1: -51})


@pytest.mark.parametrize(
    "signature",
    [
        b"",
        [],
        [HEAD, {33: b"leaf"}],
        [HEAD, {}, b""],  # no certificate
        [HEAD, {33: []}, b""],
        [HEAD, {33: [b"leaf", "middle"]}, b""],
        [HEAD, {33: 1}, b""],
        [b"", {33: b"leaf"}, b""],  # no algorithm
        [b"\xff", {33: b"leaf"}, b""],
        [cose.dumps({1: "ESP384"}), {33: b"leaf"}, b""],
        [cose.dumps({1: True}), {33: b"leaf"}, b""],
        [cose.dumps([1, -51]), {33: b"leaf"}, b""],
        [HEAD, {33: b"leaf"}, "signature"],
    ],
)
def test_a_signature_that_is_not_of_its_form(signature: object):
    message = cose.dumps(cbor2.CBORTag(98, [b"", {}, b"", [signature]]))
    with pytest.raises(MalformedMessage):
        cose.parse_sign(message)


@pytest.mark.parametrize("size", [0, 1, 23, 24, 255, 256, 65_535, 65_536, 100_000])
def test_a_payload_is_found_in_its_place(size: int):
    message = cose.sign(bytes(size), "zegel-order", [signer(Alg.ESP384, b"leaf")])
    assert cose.claimed_payload(message, "zegel-order") == cose.dumps(bytes(size))
    assert cose.claimed_payload(message, "zegel-ordes") is None


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        ({1: -51}, {33: b"leaf"}),
        ({33: b"leaf"}, {33: b"leaf"}),
        ({"note": "anything"}, {33: b"leaf"}),
        ({}, {33: b"leaf", 4: b"kid"}),
        ({}, {33: b"leaf", "note": None}),
        ({}, {33: [b"leaf"]}),
    ],
)
def test_unprotected_headers_have_one_form(outer: dict, inner: dict):
    """They are not signed, and everybody who passes an order on could change them."""
    for headers, fits in ((({}, {33: b"leaf"}), True), (({}, {33: [b"leaf", b"middle"]}), True), ((outer, inner), False)):
        message = cose.parse_sign(cose.dumps(cbor2.CBORTag(98, [b"", headers[0], b"", [[HEAD, headers[1], b""]]])))
        with contextlib.nullcontext() if fits else pytest.raises(MalformedMessage, match="one form"):
            message.require_unprotected()
