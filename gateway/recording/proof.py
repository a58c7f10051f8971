"""Proof: who signed the recordings of a session, as far as the files of the card show it.

    root of the agency  ──order.cose──>  device key  ──ss.cose──>  session key  ──header.cose──>  a recording

What lives here: checking that chain, and saying in words how far it holds. What must not: files. A card whose order or
statement a bad block took is still opened, and what is then not proved is said. Pure.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Sequence

from cryptography import x509

from keys import cose, order, order_text, recording_header, statement
from keys.errors import KeysError, MalformedMessage
from keys.order import Order
from keys.recording_header import RecordingHeader
from keys.statement import Statement


@dataclasses.dataclass(frozen=True, slots=True)
class Proof:
    """`stated` and `order` may be unproved: `missing` says, one sentence each, what is not proved and why."""

    session_id: bytes
    stated: Statement | None = None
    order: Order | None = None
    signed_by: str = ""  # who signed the order, if that is proved; otherwise empty
    missing: tuple[str, ...] = ()

    @property
    def device(self) -> str:
        """The name of the aircraft; empty if it is not known."""
        if self.stated is None or self.order is None or self.stated.device_index >= len(self.order.devices):
            return ""
        return self.order.devices[self.stated.device_index].name

    def header(self, message: bytes) -> RecordingHeader:
        """The header, if this session signed it. Without a statement nothing can be checked but its form. KeysError."""
        if self.stated is None:
            found = recording_header.claimed(message)
        else:
            found = recording_header.verify(message, self.stated.session_key())
        if found.session_id != self.session_id or (self.stated and found.order_hash != self.stated.order_hash):
            raise MalformedMessage("the recording header is of another session")
        return found


def prove(session_id: bytes, order_file: bytes, message: bytes, roots: Sequence[x509.Certificate]) -> Proof:
    """`message` is the statement. A file that is not there is given as no bytes; without `roots` no order is checked."""
    content, signed_by, no_order = _order(order_file, roots)
    stated, no_statement = _statement(session_id, message, content)
    return Proof(session_id, stated, content, signed_by, tuple(filter(None, (no_order, no_statement))))


def _order(data: bytes, roots: Sequence[x509.Certificate]) -> tuple[Order | None, str, str]:
    """(its content, who signed it, what is not proved)."""
    if not data:
        return None, "", "the order is not on the card"
    try:
        content = order.parse_order(data)
    except KeysError as error:
        return None, "", f"the order is damaged: {error}"
    if not roots:
        return content, "", "whether the agency signed the order was not checked: --root root.crt"
    try:
        return content, order_text.signed_by(order.verify_order(data, roots, 0)), ""
    except KeysError as error:
        return content, "", f"the order is not of this agency: {error}"


def _statement(session_id: bytes, message: bytes, content: Order | None) -> tuple[Statement | None, str]:
    """(it, what is not proved). One whose id is not the session's is none: the id is the hash of the statement."""
    if not message:
        return None, "the statement is not on the card"
    try:
        signed = cose.parse_sign1(message)
        stated = statement.claimed(signed.payload)
    except KeysError as error:
        return None, f"the statement is damaged: {error}"
    if stated.session_id() != session_id:
        return None, "the statement is of another session"
    if content is None:
        return stated, "which aircraft recorded this is not proved without the order"
    with contextlib.suppress(KeysError, IndexError):
        device = content.devices[stated.device_index]
        statement.verify(signed, cose.load_public(device.alg, device.pub))
        return stated, "" if stated.order_hash == content.hash() else "the statement is of another order than the card's"
    return stated, "no aircraft of the order signed the statement"
