"""What is on a link that carries nothing but control is told apart by what it says, not by what it looks like."""

from __future__ import annotations

import random

import pytest

from bench import idle
from gateway.core.control_cipher import ControlCipher
from gateway.core.fragment import split
from gateway.core.sealer import Sealer
from gateway.core.wire import Kind
from keys.keyring import SendKey
from keys.lanes import Lane, downlink_kid

SESSION = bytes(range(16))
CIPHER = ControlCipher(SESSION)


def sealed(lane: Lane) -> bytes:
    key = SendKey(random.Random(7).randbytes(16), downlink_kid(lane, SESSION, 0))
    return Sealer(SESSION).seal_one(key, b"plain")


@pytest.mark.parametrize(
    ("kind", "what"), [(Kind.STATEMENT, "announcements"), (Kind.ANNOUNCEMENT, "announcements"), (Kind.BEAT, "beats")]
)
def test_a_control_datagram_is_known_by_its_kind(kind, what):
    assert {idle.what_of(CIPHER.seal(datagram), CIPHER) for datagram in split(kind, bytes(2000))} == {what}


@pytest.mark.parametrize(
    ("lane", "what"), [(Lane.EVIDENCE, "beats"), (Lane.OBSERVER_TELEMETRY, "padding"), (Lane.ORDER, "order")]
)
def test_control_in_a_lane_is_known_by_its_lane(lane, what):
    assert idle.what_of(sealed(lane), CIPHER) == what


def test_anything_else_is_no_control():
    with pytest.raises(KeyError):
        idle.what_of(sealed(Lane.VIDEO_A), CIPHER)
