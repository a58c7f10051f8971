"""Rubbish in signed messages and certificates: accepted, or a KeysError, and nothing else.

Half of the cases are signed properly after they were broken, so that the rubbish reaches the readers behind the signature.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from keys import announcement, beat, certificate, cose, statement
from keys.announcement import Announcement
from keys.beat import Beat
from keys.errors import KeysError
from keys.order import parse_order, verify_order
from keys.order_text import describe
from keys.statement import Statement
from tests import tagged
from tests.agency import NOW, harbour, harbour_later, order

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
ROOTS = [harbour().root, harbour_later().root]
STATEMENT = Statement(bytes(32), 0, KEY.public_key().public_bytes_raw(), 3, NOW)
ANNOUNCEMENT = Announcement(bytes(16), bytes(32), 9, 1, 5, {0x100: bytes(32), 0x200: bytes(32)}, bytes(80))
BEAT = Beat(bytes(16), 7, bytes(8), 9, {0x100: 5, 0x700: 0}, NOW, {1: bytes(8)}, {1: [bytes(16)] * 2}, 0, 0, 60_000, {})


def survives(read: Callable[[bytes], object], data: bytes) -> bool:
    """Whether it was accepted; any exception but a KeysError fails the test."""
    try:
        read(data)
    except KeysError:
        return False
    return True


def read_order(data: bytes) -> None:
    describe(verify_order(data, ROOTS[:1], 0))


def read_certificate(data: bytes) -> None:
    """All that anybody asks of a certificate."""
    loaded = certificate.load_certificate(data)
    certificate.fingerprint(loaded)
    certificate.generation(loaded)
    certificate.issuer_name(loaded)
    certificate.require_root(loaded)


def read_request(data: bytes) -> None:
    certificate.certify_device(harbour().issuer, certificate.load_request(data), NOW)


def reader_of(message) -> Callable[[bytes], object]:
    return lambda data: message.verify(cose.parse_sign1(data), KEY.public_key())


READERS = {
    "parse_order": parse_order,
    "verify_order": read_order,
    "hybrid": lambda data: verify_order(data, ROOTS, 0),
    "certificate": read_certificate,
    "request": read_request,
    "statement": reader_of(statement),
    "announcement": reader_of(announcement),
    "beat": reader_of(beat),
}
ORDER = harbour().sign(order().payload())
WHOLE = {
    "parse_order": ORDER,
    "verify_order": ORDER,
    "hybrid": cose.sign(order().payload(), "zegel-order", [harbour().signer, harbour_later().signer]),
    "certificate": certificate.der(harbour().root),
    "request": certificate.pem(certificate.make_request("drone-7", KEY)),
    "statement": STATEMENT.sign(KEY),
    "announcement": ANNOUNCEMENT.sign(KEY),
    "beat": BEAT.sign(KEY),
}


def damaged(rng: random.Random, data: bytes) -> bytes:
    """A few bits flipped, bytes put in, taken out or doubled."""
    broken = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        at, size = rng.randrange(len(broken)), rng.randrange(1, 9)
        kind = rng.randrange(4)
        if kind == 0:
            broken[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            broken[at:at] = rng.randbytes(size)
        elif kind == 2 and len(broken) > size:
            del broken[at : at + size]
        else:
            broken[at:at] = broken[at : at + size]
    return bytes(broken) if broken != data else damaged(rng, data)


@pytest.mark.parametrize("kind", READERS)
def test_the_whole_message_is_accepted(kind):
    assert survives(READERS[kind], WHOLE[kind]) or kind == "certificate"  # a root has no generation


@pytest.mark.parametrize("kind", READERS)
def test_random_bytes(kind):
    rng = random.Random(kind)
    for size in (0, 1, 2, 3, 10, 100, 2000):
        for _ in range(30):
            assert not survives(READERS[kind], rng.randbytes(size))


@pytest.mark.parametrize("kind", READERS)
def test_damaged_messages(kind):
    rng = random.Random(kind)
    for _ in range(400):
        survives(READERS[kind], damaged(rng, WHOLE[kind]))


@pytest.mark.parametrize("kind", READERS)
def test_messages_cut_at_each_byte(kind):
    for size in range(0, len(WHOLE[kind]) - 1, 1 + len(WHOLE[kind]) // 1000):
        assert not survives(READERS[kind], WHOLE[kind][:size])


@pytest.mark.parametrize("kind", READERS)
def test_every_message_read_as_every_other(kind):
    for other, data in WHOLE.items():
        if data != WHOLE[kind] and (kind, other) != ("parse_order", "hybrid"):
            assert not survives(READERS[kind], data)


# --- rubbish behind a good signature ---

TAGGED = [  # values that a decoder makes objects of (dates, fractions, patterns, sets, shared references), and broken heads
    bytes.fromhex(spelled)
    for line in (
        "c11b7fffffffffffffff c1fb7ff0000000000000 c0613a d8236128 d82540 c4821a7fffffff01 c5821a7fffffff01",
        "d81e820100 d81c80 d81d00 d81c81d81d00 d9010280 d90102818101 d9d9f700 d81841a0 d8641b7fffffffffffffff",
        "c24100 c249010000000000000000 d901048141ff a1c68000 a1c6a000 ff 9fff 5fff a201000100",
        "9bffffffffffffffff bb00000000ffffffff 7affffffff 61ff 1800",
    )
    for spelled in line.split()
]
TAGGED.append(b"\x81" * 200 + b"\0")


def nodes(value: object) -> list[tuple[object, object]]:
    """(container, key) of everything inside."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [node for key, item in list(items) for node in ((value, key), *nodes(item))]


def something(rng: random.Random) -> object:
    """A value that most places do not ask for, made anew: it may be changed in its turn."""
    numbers = [0, -1, 1 << 64, -(1 << 70), 1.5, float("nan")]
    strings = ["", "\x1b[2J", "a" * 300, b"", bytes(32), bytes(3000)]
    nests = [[], {}, [[[[]]]], {0: {1: {2: {}}}}, {(1, 2): 3}, {None: None}]
    others = [None, True, False, cbor2.undefined, cbor2.CBORSimpleValue(99), cbor2.CBORTag(98, [b"", {}, b"", []])]
    return rng.choice(numbers + strings + nests + others)


def strange(rng: random.Random, payload: bytes) -> bytes:
    """`payload` with one or two of its values, at any depth, replaced, removed or joined by another."""
    content = cose.loads(payload)
    for _ in range(rng.randrange(1, 3)):
        container, key = rng.choice(nodes(content))
        kind = rng.randrange(4)
        if kind == 0 and isinstance(container, dict):
            container[rng.choice((0, 13, -1, "key", b"key", 1 << 40))] = something(rng)
        elif kind == 1:
            del container[key]
        elif kind == 2 and isinstance(container[key], int):
            container[key] += rng.choice((-1, 1, 256, 1 << 32))
        else:
            container[key] = something(rng)
    return cbor2.dumps(content, canonical=True)


SIGNED = {
    "verify_order": (order().payload(), harbour().sign),
    "statement": (STATEMENT.payload(), lambda payload: cose.sign1(payload, statement.TYP, KEY)),
    "announcement": (cose.parse_sign1(WHOLE["announcement"]).payload, lambda p: cose.sign1(p, announcement.TYP, KEY)),
    "beat": (cose.parse_sign1(WHOLE["beat"]).payload, lambda payload: cose.sign1(payload, beat.TYP, KEY)),
}


@pytest.mark.parametrize("kind", SIGNED)
def test_strange_content_under_a_good_signature(kind):
    rng = random.Random(kind)
    payload, sign = SIGNED[kind]
    accepted = sum(survives(READERS[kind], sign(strange(rng, payload))) for _ in range(600))
    assert accepted < 300  # some changes are harmless; most are not


@pytest.mark.parametrize("kind", SIGNED)
def test_damaged_content_under_a_good_signature(kind):
    rng = random.Random(kind)
    payload, sign = SIGNED[kind]
    for _ in range(300):
        survives(READERS[kind], sign(damaged(rng, payload)))


@pytest.mark.parametrize("kind", SIGNED)
@pytest.mark.parametrize("thing", TAGGED, ids=lambda thing: thing[:8].hex())
def test_objects_of_the_decoder_have_no_place(kind, thing):
    sign = SIGNED[kind][1]
    assert not survives(READERS[kind], sign(thing))
    assert not survives(READERS[kind], thing)
    assert not survives(READERS[kind], sign(b"\xa1\x01" + thing))


def test_strange_envelopes():
    protected, unprotected, payload, signatures = tagged.parts(ORDER).value
    rng = random.Random(5)
    for _ in range(1500):
        envelope = cose.loads(cose.dumps([protected, unprotected, payload, signatures]))
        container, key = rng.choice(nodes(envelope))
        container[key] = something(rng)
        survives(read_order, cbor2.dumps(cbor2.CBORTag(98, envelope), canonical=True))


def test_strange_certificates_in_an_order():
    """A signer's certificate in which one byte differs is no longer the agency's, or no certificate."""
    protected, _, payload, [[head, chain, signature]] = tagged.parts(ORDER).value
    rng = random.Random(6)
    for _ in range(500):
        signatures = [[head, {33: damaged(rng, chain[33])}, signature]]
        assert not survives(read_order, cose.dumps(cbor2.CBORTag(98, [protected, {}, payload, signatures])))
