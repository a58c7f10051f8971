"""Known answers for what is Zegel's own, and so has no vectors of anybody else.

Every answer is a constant, and stands beside the formula of SPEC.md that it was computed with: tests/vectors/independent.py
has the HKDF and the CBOR, written with the standard library alone. A change of one byte on the wire, in a derivation or
in an info string fails here.
"""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.core import bundle, fragment, sframe, wire
from gateway.core.sealer import Sealer
from gateway.core.wire import ControlHeader, Kind
from keys import cose, grant, keyring
from keys.announcement import Announcement
from keys.beat import Beat
from keys.grant import Profile
from keys.keyring import SendKey
from keys.lanes import Lane, Role, downlink_kid, uplink_kid
from keys.order import Order
from keys.order_device import OrderDevice
from keys.order_station import OrderRecording, OrderStation
from keys.policy import Policy
from keys.ratchet import Ratchet
from keys.recording_header import RecordingHeader
from keys.statement import Statement
from tests.vectors.independent import cbor, hkdf_expand, hkdf_extract

BASE_KEY = bytes(range(32))
ORDER_HASH = bytes(range(32, 64))
SESSION_ID = bytes.fromhex("a7") + bytes(range(1, 16))
EPOCH = 0x1234
KID = 0x01A4  # lane 1, first nibble of the session_id, epoch mod 16
SESSION_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))  # for this file's answers and nothing else
SESSION_PUBLIC = SESSION_KEY.public_key().public_bytes_raw()


# --- keys: SPEC.md section 2 and 5.3 ---


def test_traffic_keys_of_a_32_byte_base_key():
    """RFC 9605's vector has a base_key of 16 bytes; ours have 32."""
    context = KID.to_bytes(8, "big") + (5).to_bytes(2, "big")
    secret = hkdf_extract("sha512", b"", BASE_KEY)
    key = hkdf_expand("sha512", secret, b"SFrame 1.0 Secret key " + context, 32)
    salt = hkdf_expand("sha512", secret, b"SFrame 1.0 Secret salt " + context, 12)
    assert key.hex() == "f9e6bf2ca9d39719b9a3975881117873fc937538038d66439959485142052d3c"
    assert salt.hex() == "bbb8e6c429115ad07f27ea7f"
    assert keyring.derive(BASE_KEY, KID) == (key, salt)


def test_key_commitment():
    context = KID.to_bytes(8, "big") + (5).to_bytes(2, "big")
    secret = hkdf_extract("sha512", b"", BASE_KEY)
    commitment = hkdf_expand("sha512", secret, b"Zegel 1.0 Key commitment " + context, 32)
    assert commitment.hex() == "b824948ba4e2229ccbd009b12050535fabf8a1c0e288c223ef652db7a565d400"
    assert grant.commitment(BASE_KEY, KID) == commitment


def test_the_instance_that_follows_from_another():
    """HKDF-Expand(HKDF-Extract("", uplink_key), "Zegel 1.0 Instance " || instance, 5)."""
    secret = hkdf_extract("sha512", b"", BASE_KEY)
    instance = hkdf_expand("sha512", secret, b"Zegel 1.0 Instance " + bytes.fromhex("d1d2d3d4d5"), 5)
    assert instance.hex() == "167ffe2407"
    assert keyring.instance_after(BASE_KEY, bytes.fromhex("d1d2d3d4d5")) == instance


def test_grant_info():
    """CBOR ["zegel/1 grant", order_hash, session_id, epoch, station, suite]."""
    info = b"\x86\x6dzegel/1 grant" + b"\x58\x20" + ORDER_HASH + b"\x50" + SESSION_ID + b"\x19\x12\x34" + b"\x03" + b"\x05"
    assert grant.grant_info(ORDER_HASH, SESSION_ID, EPOCH, 3) == info
    assert hashlib.sha256(info).hexdigest() == "6e299a8bb4a27c9a38f034897fa5d19063e53d900a38084a46918d366c966aad"


def test_the_ratchet_of_a_recording():
    """HKDF-Expand(rk_0, "Zegel 1.0 Record ratchet", 64) = segment_key_0 || rk_1: SPEC.md section 8."""
    derived = hkdf_expand("sha512", BASE_KEY, b"Zegel 1.0 Record ratchet", 64)
    rk = bytearray(BASE_KEY)
    assert Ratchet(rk).turn() + rk == derived
    assert derived[:32].hex() == "619092b9d59bcf90f01deda76ceabe60be6688b354dd55b13e4a8507547c119e"
    assert derived[32:].hex() == "bc6182a96a6b92016ced98ae0efde2c1b761f33a73586f0bcfb9e13aa047baf5"


def test_the_info_of_a_recording_key():
    """CBOR ["zegel/1 recording", order_hash, session_id, rec_id, key id]."""
    header = RecordingHeader(bytes(16), ORDER_HASH, SESSION_ID, (), 1, 0)
    info = (
        b"\x85\x71zegel/1 recording" + b"\x58\x20" + ORDER_HASH + b"\x50" + SESSION_ID + b"\x50" + bytes(16) + b"\x18\x2a"
    )
    assert header._info(42) == info


# --- datagrams: SPEC.md section 4 ---


def test_kids():
    """Down: lane, four bits of session_id, epoch mod 16. Up: lane - 15, station, epoch mod 256, session_id[0], instance."""
    assert downlink_kid(Lane.TELEMETRY, SESSION_ID, EPOCH) == KID
    assert downlink_kid(Lane.EVIDENCE, SESSION_ID, EPOCH + 11) == 0x07AF
    kid = uplink_kid(Lane.UPLINK, 3, SESSION_ID, EPOCH, bytes.fromhex("d1d2d3d4d5"))
    assert sframe.encode_header(kid, 0) == bytes.fromhex("f0 1334a7 d1d2d3d4d5")
    control = uplink_kid(Lane.CONTROL, 3, SESSION_ID, EPOCH, bytes.fromhex("d1d2d3d4d5"))
    assert control.to_bytes(8, "big") == bytes.fromhex("2334a7d1d2d3d4d5")


def test_a_sealed_datagram():
    """header || AES-256-GCM(sframe_key, sframe_salt XOR CTR, plaintext, AAD = header || session_id): 22 bytes become 43."""
    key = SendKey(BASE_KEY, KID)
    key.next_ctr = 1000
    sealed = Sealer(SESSION_ID).seal_one(key, b"22 bytes of telemetry.")
    header = bytes.fromhex("99 01a4 03e8")
    nonce = bytes.fromhex("bbb8e6c429115ad07f27e997")
    cipher = AESGCM(bytes.fromhex("f9e6bf2ca9d39719b9a3975881117873fc937538038d66439959485142052d3c"))
    assert sealed == header + cipher.encrypt(nonce, b"22 bytes of telemetry.", header + SESSION_ID)
    assert sealed.hex() == "9901a403e8c1dd61e49aa9701a0fa68a3b4e5a068e4d91690cfad6657d4ffe28e8ff6b37c35d651deb8297"
    assert len(sealed) == 43


def test_control_header_message_id_and_listed_hash():
    """0x01 || kind || index || count || SHA-256(message)[0:8] || fragment; listed: SHA-256(control datagram)[0:16]."""
    message = b"m" * 1181
    first, second = fragment.split(Kind.ANNOUNCEMENT, message)
    identity = hashlib.sha256(message).digest()[:8]
    assert identity.hex() == "bfe251704059334f"
    assert first == bytes.fromhex("01020002") + identity + b"m" * 1180
    assert second == bytes.fromhex("01020102") + identity + b"m"
    assert fragment.listed_hash(second) == hashlib.sha256(second).digest()[:16]
    assert fragment.listed_hash(second).hex() == "42afa88f4990ebb3b4edb7beb5f26e34"
    assert wire.parse_control(second) == (ControlHeader(Kind.ANNOUNCEMENT, 1, 2, identity), b"m")


@pytest.mark.parametrize(
    ("size", "pad", "limit", "padded"),
    [
        (7, (16, 32), 64, 16),
        (15, (16, 32), 64, 16),
        (16, (16, 32), 64, 32),  # the marker needs a byte of its own
        (32, (16, 32), 64, 64),  # larger than any pad size: up to the limit
        (63, (16, 32), 64, 64),
        (0, (16, 32), 64, 16),
    ],
)
def test_video_padding(size: int, pad: tuple[int, ...], limit: int, padded: int):
    """datagram || 80 || 00... to the next pad size: ISO/IEC 7816-4."""
    datagram = b"v" * size
    expected = datagram + b"\x80" + b"\0" * (padded - size - 1)
    assert bundle.pad_video(datagram, pad, limit) == expected
    assert bundle.video_length(expected) == size


# --- control messages: SPEC.md section 5 ---


def sign1(typ: str, unprotected: dict[object, object], payload: bytes) -> bytes:
    """COSE_Sign1 by the session key: tag 18, [protected, unprotected, payload, signature over Sig_structure]."""
    protected = cbor({1: -19, 16: typ})
    signature = SESSION_KEY.sign(cbor(["Signature1", protected, b"", payload]))
    return b"\xd2" + cbor([protected, unprotected, payload, signature])


def test_statement_and_session_id():
    """session_id = SHA-256(payload)[0:16]."""
    payload = cbor({2: ORDER_HASH, 3: 1, 4: SESSION_PUBLIC, 5: 300, 6: 1_700_000_000})
    stated = Statement(ORDER_HASH, 1, SESSION_PUBLIC, 300, 1_700_000_000)
    assert stated.payload() == payload
    assert stated.session_id() == hashlib.sha256(payload).digest()[:16]
    assert stated.session_id().hex() == "6bd91bbe2e523ecb8bbb59394d9b1f3d"
    message = sign1("zegel-ss", {4: b"\1"}, payload)  # kid: the device's index
    assert stated.sign(SESSION_KEY) == message
    assert hashlib.sha256(message).hexdigest() == "d50b96b034f21ccb02bcb5ba84337bb97e907c463c272127e86e2ad10b0c2d57"


def test_announcement():
    commitment = bytes.fromhex("b824948ba4e2229ccbd009b12050535fabf8a1c0e288c223ef652db7a565d400")
    payload = cbor({1: SESSION_ID, 2: ORDER_HASH, 3: EPOCH, 4: 3, 5: 5, 6: {KID: commitment}, 7: b"sealed"})
    announced = Announcement(SESSION_ID, ORDER_HASH, EPOCH, 3, 5, {KID: commitment}, b"sealed")
    message = sign1("zegel-ka", {4: SESSION_ID[:8]}, payload)
    assert announced.sign(SESSION_KEY) == message
    assert hashlib.sha256(message).hexdigest() == "3ff7055d8e1f149e3dd88da78a63f23bcf309818e514adba20f5cf05ac1daec1"


def test_beat():
    values = (
        SESSION_ID,
        7,
        b"8 octets",
        EPOCH,
        {KID: 1000},
        0,
        {3: b"answered"},
        {3: [bytes(16)]},
        4_000,
        5,
        1_500,
        {1: 2},
    )
    message = sign1("zegel-beat", {4: SESSION_ID[:8]}, cbor(dict(enumerate(values, 1))))
    assert Beat(*values).sign(SESSION_KEY) == message
    assert hashlib.sha256(message).hexdigest() == "9311cb4e2c478364c702d181ed307973faf2908c884973d794b77c3006e08893"


# --- the order: SPEC.md section 3 ---

STATION_SEED = bytes(range(32))
STATION = grant.public_bytes(Profile.X25519, STATION_SEED)
ORDER = Order(
    op_id=bytes(range(16)),
    serial=3,
    not_before=1_700_000_000,
    not_after=1_700_028_800,
    agency="Harbour Police",
    operation="Quay 7",
    classification="regular",
    devices=(OrderDevice("drone7", -19, SESSION_PUBLIC),),
    stations=(
        OrderStation(1, "pilot", Profile.X25519, STATION, Role.TELEMETRY | Role.COMMAND, "pilot"),
        OrderStation(15, "guest", Profile.X25519, STATION[::-1], Role.VIDEO, "observer", "Fire Brigade", "witness"),
    ),
    recording=(OrderRecording(9, "archive", Profile.X25519, STATION),),
    previous=ORDER_HASH,
    policy=Policy(announce_s=2),
)
ORDER_PAYLOAD = cbor(
    {
        1: bytes(range(16)),
        2: 3,
        3: 1_700_000_000,
        4: 1_700_028_800,
        5: "Harbour Police",
        6: "Quay 7",
        7: "regular",
        8: [{1: "drone7", 2: -19, 3: SESSION_PUBLIC}],
        9: [
            {1: 1, 2: "pilot", 3: 2, 4: STATION, 5: 5, 6: "pilot"},
            {1: 15, 2: "guest", 3: 2, 4: STATION[::-1], 5: 2, 6: "observer", 7: "Fire Brigade", 8: "witness"},
        ],
        10: [{1: 9, 2: "archive", 3: 2, 4: STATION}],
        11: {
            1: 5,
            2: 600,
            3: 5,
            4: 2,
            5: 3000,
            6: 2,
            7: 8_388_608,
            8: [128, 256, 512, 1200],
            9: 0,
            10: 0,
            11: 0,
            12: 0,
        },
        12: ORDER_HASH,
    }
)


def test_order_payload():
    assert ORDER.payload() == ORDER_PAYLOAD
    assert hashlib.sha256(ORDER_PAYLOAD).hexdigest() == "73acb28824cf82a3e523519c0956bc5b85fcec2e8c14cbaf448752b1b6832435"


def test_order_hash():
    """SHA-256(protected || payload), each as a CBOR byte string with its head."""
    protected = cbor({16: "zegel-order"})
    order_hash = hashlib.sha256(cbor(protected) + cbor(ORDER_PAYLOAD)).digest()
    assert order_hash.hex() == "fd6313b8aa65d8ca96ad11e31d5c2bc2719f9b4bf0c18ac6c922ad3ded3ad6b5"
    assert ORDER.hash() == order_hash


def test_what_a_signer_of_an_order_signs():
    """Sig_structure of RFC 9052 section 4.4 with "Signature", the body's protected header and the signature's."""
    protected, head = cbor({16: "zegel-order"}), cbor({1: -19})
    message = cose.parse_sign(cose.sign(ORDER_PAYLOAD, "zegel-order", [cose.Signer(SESSION_KEY, (b"certificate",))]))
    (signature,) = message.signatures
    assert (message.protected, signature.protected) == (protected, head)
    structure = cbor(["Signature", protected, head, b"", ORDER_PAYLOAD])
    assert signature.signature == SESSION_KEY.sign(structure)
    assert hashlib.sha256(structure).hexdigest() == "e9c4e71879aa5c8d56aab4e12e0aaa51570916824b3b384cbbc072edc7b3ed2e"
