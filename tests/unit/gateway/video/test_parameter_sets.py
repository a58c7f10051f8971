"""Parameter sets that a stream brings, and what a hostile one cannot have repeated."""

from __future__ import annotations

import pytest

from gateway.video.parameter_sets import SETS_MAX, SIZE_MAX, ParameterSets

SPS, PPS, IDR, P = b"\x67\x42\x00\x1f", b"\x68\xce\x38", b"\x65\x88\x80", b"\x41\x9a\x02"


def test_a_key_picture_gets_those_that_it_lacks():
    sets = ParameterSets("h264")
    assert sets.completed([SPS, PPS, IDR]) == [SPS, PPS, IDR]
    assert sets.completed([IDR]) == [SPS, PPS, IDR]
    assert sets.completed([P]) == [P]
    assert sets.completed([b"\x09\xf0", SPS + b"\1", IDR]) == [b"\x09\xf0", PPS, SPS + b"\1", IDR]


@pytest.mark.parametrize("hostile", [[SPS] * SETS_MAX, [SPS + bytes(SIZE_MAX)]])
def test_few_bytes_of_a_stream_do_not_become_many(hostile):
    sets = ParameterSets("h264")
    sets.completed([SPS, PPS, IDR])
    assert sets.completed([*hostile, IDR]) == [PPS, *hostile, IDR]
    assert sets.completed([IDR]) == [SPS, PPS, IDR]
