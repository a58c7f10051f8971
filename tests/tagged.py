"""COSE messages taken apart for tests: what cbor2 decodes under a tag is frozen, and Zegel's own reader takes no tag."""

from __future__ import annotations

import cbor2


def parts(message: bytes) -> cbor2.CBORTag:
    """The message with lists and dicts that can be changed; `cbor2.dumps` puts it together again."""
    frozen = cbor2.loads(message)
    if not isinstance(frozen, cbor2.CBORTag):
        return frozen
    head = cbor2.dumps(cbor2.CBORTag(frozen.tag, 0))[:-1]
    return cbor2.CBORTag(frozen.tag, cbor2.loads(message[len(head) :]))
