from __future__ import annotations

import dataclasses

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from keys import beat, cose
from keys.beat import TYP, Beat
from keys.beat_flag import Flag
from keys.errors import BadSignature, MalformedMessage, WrongType

SESSION = Ed25519PrivateKey.generate()
SESSION_ID = bytes(range(16))


def fields() -> dict[int, object]:
    return {
        1: SESSION_ID,
        2: 7,
        3: b"8 octets",
        4: 3,
        5: {0x1A4: 1000, 0x2A4: 0},
        6: 1_700_000_000,
        7: {1: b"response"},
        8: {1: [bytes(16), b"f" * 16], 15: []},
        9: 4_900,
        10: int(Flag.ORDER_EXPIRED),
        11: 12_345,
        12: {1: 2},
    }


BEAT = Beat(*fields().values())  # type: ignore[arg-type]


def verified(values: object, typ: str = TYP) -> Beat:
    message = cose.sign1(cose.dumps(values), typ, SESSION)
    return beat.verify(cose.parse_sign1(message), SESSION.public_key())


def test_signed_by_the_session_and_read_back():
    message = cose.parse_sign1(BEAT.sign(SESSION))
    assert beat.verify(message, SESSION.public_key()) == BEAT
    assert message.unprotected == {4: SESSION_ID[:8]}
    assert cose.loads(message.payload) == fields()


def test_of_another_session_or_another_kind():
    with pytest.raises(BadSignature):
        beat.verify(cose.parse_sign1(BEAT.sign(SESSION)), Ed25519PrivateKey.generate().public_key())
    with pytest.raises(WrongType, match="not a zegel-beat"):
        verified(fields(), typ="zegel-ka")
    assert beat.of_session(BEAT.sign(SESSION), SESSION.public_key(), SESSION_ID) == BEAT
    with pytest.raises(BadSignature, match="of another session"):
        beat.of_session(BEAT.sign(SESSION), SESSION.public_key(), bytes(16))


def test_it_lists_the_fragments_of_all_stations():
    assert BEAT.lists(b"f" * 16)
    assert not BEAT.lists(b"g" * 16)
    assert not BEAT.lists(b"f" * 15)


def test_flags_are_the_bits_of_the_specification():
    assert (Flag.ORDER_EXPIRED, Flag.ORDER_CHANGE_AHEAD, Flag.SESSION_CLOSED) == (1, 2, 4)
    assert (Flag.VENDOR_HAS_PICTURE, Flag.VIDEO_RECORDED, Flag.RECORDING_FAILS, Flag.LITTLE_ROOM) == (8, 16, 32, 64)
    assert Flag.NARROW_LINK == 128


@pytest.mark.parametrize("state", [{}, {1 << 60: 0}, dict.fromkeys(range(9), (1 << 64) - 1)])
def test_a_state_of_whatever_keys_is_taken(state: dict[int, int]):
    """What a later version says there must not cost this one the beat."""
    message = cose.parse_sign1(dataclasses.replace(BEAT, state=state).sign(SESSION))
    assert beat.verify(message, SESSION.public_key()).state == state


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (1, bytes(15)),
        (2, 1 << 32),
        (3, bytes(9)),
        (4, -1),
        (5, []),
        (5, {1 << 16: 0}),
        (5, {0x1A4: 1 << 32}),
        (5, {"1": 0}),
        (6, -1),
        (7, {16: b"response"}),
        (7, {1: b"too long."}),
        (8, {16: []}),
        (8, {1: b""}),
        (8, {1: [bytes(15)]}),
        (8, {1: [bytes(16)] * 17}),
        (9, 1 << 32),
        (10, 256),
        (10, False),
        (11, 1 << 32),
        (12, None),
        (12, {"1": 0}),
        (12, {1: -1}),
        (12, {1: b""}),
        (12, dict.fromkeys(range(10), (1 << 64) - 1)),  # 101 bytes
    ],
)
def test_a_value_out_of_its_range(key: int, value: object):
    with pytest.raises(MalformedMessage, match=f"the beat has a bad value under key {key}"):
        verified({**fields(), key: value})


@pytest.mark.parametrize(
    "values", [None, {}, {**fields(), 13: 0}, *({k: v for k, v in fields().items() if k != key} for key in (10, 11, 12))]
)
def test_a_map_with_other_keys(values: object):
    with pytest.raises(MalformedMessage, match="the beat"):
        verified(values)


def test_the_fullest_beat_still_fits_one_datagram():
    """Fifteen X-Wing stations of two fragments each, all lanes: 1180 bytes are the most a control datagram carries."""
    hashes = {station: [bytes(16)] * 2 for station in range(1, 16)}
    kids = {lane << 8 | 0xFF: (1 << 28) for lane in (1, 2, 3, 4, 5, 7)}
    full = Beat(SESSION_ID, (1 << 32) - 1, bytes(8), (1 << 32) - 1, kids, 1 << 33, {}, hashes, 60_000, 7, 0, {})
    assert len(full.sign(SESSION)) <= 1180


@pytest.mark.parametrize("unprotected", [{}, {4: b"another."}, {4: bytes(range(8)), 5: b""}, {5: bytes(range(8))}])
def test_it_has_one_form_only(unprotected: dict[int, object]):
    message = cose.parse_sign1(cose.sign1(cose.dumps(fields()), TYP, SESSION, {4: bytes(range(8))}))
    beat.verify(message, SESSION.public_key())
    with pytest.raises(MalformedMessage, match="one form"):
        beat.verify(dataclasses.replace(message, unprotected=unprotected), SESSION.public_key())
