"""That both derive as RFC 9605 says is held by tests/vectors; here is what they guard."""

from __future__ import annotations

import numpy as np
import pytest
from cryptography.exceptions import InvalidTag

from keys import keyring
from keys.keyring import REJECT_AFTER_PACKETS, KeyExhausted, ReceiveKey, SendKey
from keys.replay import DOWNLINK_WINDOW


def test_every_counter_is_handed_out_once():
    key = SendKey(bytes(32), 0x1A4)
    assert [key.reserve(count) for count in (1, 64, 1, 0, 3)] == [0, 1, 65, 66, 66]
    assert key.next_ctr == 69


def test_an_exhausted_key_hands_out_nothing_and_keeps_what_is_left():
    key = SendKey(bytes(32), 0x1A4)
    key.next_ctr = REJECT_AFTER_PACKETS - 10
    with pytest.raises(KeyExhausted, match="0x01a4"):
        key.reserve(11)
    assert key.next_ctr == REJECT_AFTER_PACKETS - 10
    assert key.reserve(10) == REJECT_AFTER_PACKETS - 10
    with pytest.raises(KeyExhausted):
        key.reserve(1)


def test_the_two_ends_agree_and_a_kid_or_key_apart_they_do_not():
    sender = SendKey(b"k" * 32, 0x1A4)
    sealed = sender.cipher.encrypt(sender.salt, b"plain", b"aad")
    receiver = ReceiveKey(b"k" * 32, 0x1A4)
    assert receiver.salt == sender.salt
    assert receiver.cipher.decrypt(receiver.salt, sealed, b"aad") == b"plain"
    for other in (ReceiveKey(b"k" * 32, 0x1A5), ReceiveKey(b"K" * 32, 0x1A4)):
        assert other.salt != sender.salt
        with pytest.raises(InvalidTag):
            other.cipher.decrypt(sender.salt, sealed, b"aad")


def test_key_and_salt_have_the_sizes_of_suite_5():
    key, salt = keyring.derive(bytes(32), 0x1A4)
    assert (len(key), len(salt)) == (32, 12)
    assert keyring.derive(bytes(32), 0x1A4, suite=5) == (key, salt)
    with pytest.raises(KeyError):
        keyring.derive(bytes(32), 0x1A4, suite=3)  # there is nothing to negotiate


def test_a_receive_key_has_its_own_window():
    one, two = ReceiveKey(bytes(32), 0x1A4), ReceiveKey(bytes(32), 0x1A4)
    one.window.accept(np.array([7], np.int64))
    assert (one.window.top, two.window.top) == (7, -1)
    assert one.window.size == DOWNLINK_WINDOW
