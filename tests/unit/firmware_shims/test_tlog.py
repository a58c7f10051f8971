from __future__ import annotations

import struct

import pytest

from firmware_shims import tlog
from firmware_shims.tlog import TlogError
from tests.guarded import frame

SENT = [frame("HEARTBEAT"), frame("PING", v1=True), frame("PING", flags=1)]
LOG = b"".join(struct.pack(">Q", 1_000_000 * number) + each for number, each in enumerate(SENT, 1))


def test_versions_and_signatures():
    assert list(tlog.frames(LOG)) == [(1.0, SENT[0]), (2.0, SENT[1]), (3.0, SENT[2])]
    assert list(tlog.frames(b"")) == []


def test_a_log_that_is_cut_anywhere_gives_what_is_whole_before():
    ends = [0]
    for each in SENT:
        ends.append(ends[-1] + 8 + len(each))
    for stop in range(len(LOG)):
        assert [each for _, each in tlog.frames(LOG[:stop])] == SENT[: sum(end <= stop for end in ends) - 1]


def test_what_is_no_log_is_an_error():
    with pytest.raises(TlogError, match="no MAVLink frame begins at byte 8"):
        list(tlog.frames(b"a text that is no log"))
    with pytest.raises(TlogError, match=f"at byte {len(LOG) + 8}"):
        list(tlog.frames(LOG + bytes(20)))


def test_what_is_written_is_read():
    assert b"".join(tlog.entry(1_000_000 * number, each) for number, each in enumerate(SENT, 1)) == LOG
