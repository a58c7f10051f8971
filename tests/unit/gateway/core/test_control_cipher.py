"""Control datagrams on the air. Known answers are in tests/vectors/test_gcm_siv.py."""

from __future__ import annotations

import pytest

from gateway.core.control_cipher import OPERATIONS_MAX, ControlCipher, ControlCiphers
from gateway.core.fragment import split
from gateway.core.wire import CONTROL_MAX, Kind

OP_IDS = [bytes([number]) * 16 for number in range(1, OPERATIONS_MAX + 2)]
(DATAGRAM,) = split(Kind.BEAT, b"a beat")


def test_what_was_sealed_opens_and_is_16_bytes_longer():
    cipher = ControlCipher(OP_IDS[0])
    for datagram in (DATAGRAM, *split(Kind.ANNOUNCEMENT, bytes(2000))):
        sealed = cipher.seal(datagram)
        assert cipher.open(sealed) == datagram
        assert sealed[0] == 1
        assert len(sealed) == len(datagram) + 16 <= CONTROL_MAX
        assert cipher.seal(datagram) == sealed  # a repeat stays a repeat


def test_another_operation_or_a_changed_byte_opens_nothing():
    sealed = ControlCipher(OP_IDS[0]).seal(DATAGRAM)
    assert ControlCipher(OP_IDS[1]).open(sealed) is None
    for at in range(1, len(sealed)):
        assert ControlCipher(OP_IDS[0]).open(sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]) is None
        assert ControlCipher(OP_IDS[0]).open(sealed[:at]) is None


def test_four_operations_are_tried():
    ciphers = ControlCiphers([OP_IDS[0], *OP_IDS])
    opened = [ciphers.open(ControlCipher(op_id).seal(DATAGRAM)) for op_id in OP_IDS]
    assert opened == [DATAGRAM] * OPERATIONS_MAX + [None]


def test_the_key_that_opened_last_is_tried_first(monkeypatch: pytest.MonkeyPatch):
    tried: list[ControlCipher] = []
    really = ControlCipher.open

    def open_(cipher: ControlCipher, sealed: bytes) -> bytes | None:
        tried.append(cipher)
        return really(cipher, sealed)

    monkeypatch.setattr(ControlCipher, "open", open_)
    ciphers, sealed = ControlCiphers(OP_IDS[:3]), ControlCipher(OP_IDS[2]).seal(DATAGRAM)
    assert ciphers.open(sealed) == ciphers.open(sealed) == DATAGRAM
    assert len(tried) == 3 + 1


def test_nothing_of_a_plaintext_is_seen_twice():
    """Of the same kind, index, count and beginning, under the same nonce: no two ciphertexts have a part in common."""
    sealed = [ControlCipher(OP_IDS[0]).seal(DATAGRAM[:-1] + bytes([last])) for last in range(64)]
    parts = [datagram[at : at + 8] for datagram in sealed for at in range(1, len(datagram) - 7)]
    assert len(set(parts)) == len(parts)
