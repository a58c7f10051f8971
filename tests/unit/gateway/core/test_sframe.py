"""The batch functions against the scalar reference that the RFC 9605 vectors check."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.core import sframe

STARTS = [0, 5, 250, 65_530, (1 << 24) - 3, (1 << 28) - 64]


@pytest.mark.parametrize("first", STARTS)
def test_batch_headers_nonces_and_parsing_agree_with_the_reference(first):
    ctrs = np.arange(first, first + 64)
    salt = bytes(range(200, 212))
    nonces = sframe.nonces(salt, ctrs)
    assert [nonces[i : i + 12] for i in range(0, len(nonces), 12)] == [sframe.nonce(salt, c) for c in ctrs.tolist()]
    headers = [bytes(row) for _, rows in sframe.downlink_headers(0x01A4, ctrs) for row in rows]
    assert headers == [sframe.encode_header(0x01A4, c) for c in ctrs.tolist()]
    heads = np.full((64, 7), 0xEE, np.uint8)  # what follows a header is not the header's
    for row, header in enumerate(headers):
        heads[row, : len(header)] = list(header)
    kids, parsed, sizes, good = sframe.parse_downlink(heads)
    assert good.all()
    assert (kids == 0x01A4).all()
    assert (parsed == ctrs).all()
    assert sizes.tolist() == [len(header) for header in headers]


def test_batch_parsing_refuses_what_the_reference_refuses():
    rng = np.random.default_rng(1)
    heads = rng.integers(0, 256, (20_000, 7), np.uint8)
    heads[:, 0] = 0x90 | heads[:, 0] & 0x0F
    kids, ctrs, sizes, good = sframe.parse_downlink(heads)
    for row in range(len(heads)):
        raw = bytes(heads[row]) + bytes(8)
        try:
            expected = sframe.decode_header(raw)
        except ValueError:
            assert not good[row]
            continue
        if expected[2] > sframe.DOWNLINK_HEADER_MAX:  # a CTR of five bytes and more: no key lives that long
            assert not good[row]
        else:
            assert good[row]
            assert (kids[row], ctrs[row], sizes[row]) == expected


def test_the_worked_example_of_the_specification():
    """session_id a7..., epoch 0x1234, video off, commander telemetry, CTR 1000: SPEC.md section 4."""
    assert sframe.encode_header(0x01A4, 1000) == bytes.fromhex("9901a403e8")
