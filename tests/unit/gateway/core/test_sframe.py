"""The batch functions against the scalar reference that the RFC 9605 vectors check."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.core import sframe

STARTS = [0, 5, 250, 65_530, (1 << 24) - 3, (1 << 28) - 64]
KIDS = {0x01A4: sframe.DOWNLINK_KID, 0x1334A70102030405: sframe.UPLINK_KID}


@pytest.mark.parametrize("kid", KIDS)
@pytest.mark.parametrize("first", STARTS)
def test_batch_headers_nonces_and_parsing_agree_with_the_reference(first: int, kid: int):
    ctrs = np.arange(first, first + 64)
    headers = [sframe.encode_header(kid, c) for c in ctrs.tolist()]
    heads = np.full((64, 1 + KIDS[kid] + 4), 0xEE, np.uint8)  # what follows a header is not the header's
    for row, header in enumerate(headers):
        heads[row, : len(header)] = list(header)
    kids, parsed, sizes, good = sframe.parse(heads, KIDS[kid])
    assert good.all()
    assert (kids == kid).all()
    assert (parsed == ctrs).all()
    assert sizes.tolist() == [len(header) for header in headers]
    for row in range(len(headers)):
        alike = heads[row : row + 1]
        found, size = sframe.counters(alike, KIDS[kid])
        assert (found.tolist(), size) == ([ctrs[row]], len(headers[row]))
        assert ctrs[row] >= sframe.least(alike)


@pytest.mark.parametrize("kid", KIDS)
@pytest.mark.parametrize("first", STARTS)
def test_strips_agree_with_the_reference(first: int, kid: int):
    salt, ctr = bytes(range(200, 212)), first
    while ctr < first + 600:
        block = sframe.HeaderBlock(kid, salt, b"session", ctr)
        headers = [sframe.encode_header(kid, ctr + i) for i in range(len(block.pairs))]
        assert headers, "a block holds at least its first counter"
        assert [bytes(row) for row in block.headers] == headers
        assert block.pairs == [(sframe.nonce(salt, ctr + i), header + b"session") for i, header in enumerate(headers)]
        assert block.holds(ctr)
        ctr += len(headers)
        assert block.holds(ctr - 1)
        assert not block.holds(ctr)


@pytest.mark.parametrize(
    ("first", "kid_size"), [(sframe.DOWNLINK_FIRST, sframe.DOWNLINK_KID), (sframe.UPLINK_FIRST, sframe.UPLINK_KID)]
)
def test_batch_parsing_refuses_what_the_reference_refuses(first: int, kid_size: int):
    rng = np.random.default_rng(1)
    longest = 1 + kid_size + sframe.CTR_BYTES_MAX
    heads = rng.integers(0, 256, (20_000, longest), np.uint8)
    heads[:, 0] = first | heads[:, 0] & 0x0F
    heads[::7, 1] = 0
    kids, ctrs, sizes, good = sframe.parse(heads, kid_size)
    for row in range(len(heads)):
        raw = bytes(heads[row]) + bytes(8)
        alike, _ = sframe.counters(heads[row : row + 1], kid_size)
        assert (alike[0] >= sframe.least(heads[row : row + 1])) == good[row]
        try:
            expected = sframe.decode_header(raw)
        except ValueError:
            assert not good[row]
            continue
        if expected[2] > longest:  # a CTR of five bytes and more: no key lives that long
            assert not good[row]
        else:
            assert good[row]
            assert (int(kids[row]) % (1 << 64), ctrs[row], sizes[row]) == expected


def test_the_worked_examples_of_the_specification():
    """SPEC.md section 4.2: session_id a7..., epoch 0x1234, lane 1, CTR 1000; and uplink of station 3."""
    assert sframe.encode_header(0x01A4, 1000) == bytes.fromhex("9901a403e8")
    assert sframe.encode_header(0x1334A70102030405, 0) == bytes.fromhex("f01334a70102030405")
