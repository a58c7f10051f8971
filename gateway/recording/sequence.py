"""CBOR sequences (RFC 8742), as headers.cbor and leaves.cbor are. SPEC.md section 8. Pure: the bytes are an argument."""

from __future__ import annotations

import io
from collections.abc import Iterator

import cbor2

from keys import cose


def items(data: bytes) -> Iterator[tuple[object, int]]:
    """The items, each with the offset behind it, up to the first that `cose.loads` refuses: never an exception."""
    stream, at = io.BytesIO(data), 0
    decoder = cbor2.CBORDecoder(
        stream,
        semantic_decoders=cose.NO_TAG,
        max_depth=cose.DEPTH_MAX,
        allow_indefinite=False,
        allow_duplicate_keys=False,
    )
    while at < len(data):
        try:
            decoder.decode()
            end = stream.tell()
            value = cose.loads(data[at:end])
        except Exception:  # any exception of the decoder: what is no item ends the sequence
            return
        yield value, end
        at = end
