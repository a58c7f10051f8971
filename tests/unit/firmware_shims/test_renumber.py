from __future__ import annotations

import pytest
from pymavlink.dialects.v10 import common as v1
from pymavlink.dialects.v20 import common as v2

from firmware_shims import mavlink
from firmware_shims.renumber import renumbered


def frame(dialect: object, source: tuple[int, int] = (0, 200), *, signed: bool = False) -> bytes:
    sender = dialect.MAVLink(None, *source)  # type: ignore[attr-defined]
    sender.seq = 77
    if signed:
        sender.signing.secret_key, sender.signing.sign_outgoing, sender.signing.timestamp = bytes(32), True, 1
    return bytes(sender.attitude_encode(1, 0.5, 0.25, 3, 4, 5, 0).pack(sender))


@pytest.mark.parametrize("dialect", [v1, v2], ids=["MAVLink 1", "MAVLink 2"])
def test_betaflights_frames_become_those_of_this_aircraft(dialect: object):
    before = frame(dialect)
    after = renumbered(before, 7)
    message = dialect.MAVLink(None).decode(bytearray(after))  # type: ignore[attr-defined]
    assert (message.get_srcSystem(), message.get_srcComponent(), message.get_seq()) == (7, 1, 77)
    assert (message.roll, mavlink.payload(after), len(after)) == (0.5, mavlink.payload(before), len(before))


def flipped(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize(
    "untouched",
    [
        frame(v2, signed=True),
        frame(v2, (1, 1)),
        frame(v2, (0, 1)),
        frame(v1, (1, 200)),
        flipped(frame(v1)),
        flipped(frame(v2)),
        frame(v1)[:5] + bytes([199]) + frame(v1)[6:],
        frame(v2)[:7] + bytes([0xFF, 0xFF, 0xFF]) + frame(v2)[10:],
        frame(v2)[:2] + bytes([0x02]) + frame(v2)[3:],
    ],
    ids=[
        *("signed", "of another system", "of another component", "of system 1", "wrong checksum, 1", "wrong checksum, 2"),
        *("unknown, 1", "unknown, 2", "unknown flag"),
    ],
)
def test_all_others_pass_as_they_are(untouched: bytes):
    assert renumbered(untouched, 7) == untouched
