"""Order fragments: an operation order in pieces that fit a sealed datagram, and back. SPEC.md section 4.6.

What lives here: the form of a piece and the collection of one order. Pieces are not authenticated by their sender: every
station holds the keys of the lanes that carry them, so a collected order is verified like a file of unknown origin. Nothing
is parsed either: gateway/core/order_intake.py decides when that is done.
"""

from __future__ import annotations

from keys.order import VerifiedOrder, claimed_hash

NAME_SIZE = 16  # of an order_hash, at the beginning of each piece
HEAD_SIZE = NAME_SIZE + 2
PIECE_MAX = 1100
PIECES_MAX = 16


def split(order: VerifiedOrder) -> list[bytes]:
    """The fragments that carry the file of `order`; it fits them by keys.order.fits_link."""
    pieces = [order.raw[at : at + PIECE_MAX] for at in range(0, len(order.raw), PIECE_MAX)]
    assert 0 < len(pieces) <= PIECES_MAX, "an order that does not fit the link goes by file"
    name = order.order_hash[:NAME_SIZE]
    return [name + bytes([index, len(pieces)]) + piece for index, piece in enumerate(pieces)]


def name_of(content: bytes) -> bytes:
    """Which order a fragment is of: the first 16 bytes of its order_hash."""
    return content[:NAME_SIZE]


class Gathering:
    """The pieces of one order at a time; a piece of another order replaces them, so the size is bounded."""

    __slots__ = ("_name", "_pieces")

    def __init__(self) -> None:
        self._name = b""  # of the order, and the count of its pieces
        self._pieces: dict[int, bytes] = {}

    def add(self, content: bytes) -> bytes | None:
        """The file, when its last piece has arrived. ValueError if it is no fragment, or the name is wrong."""
        index, count, piece = _parse(content)
        name = content[:NAME_SIZE] + bytes([count])
        if name != self._name:
            self._name, self._pieces = name, {}
        self._pieces[index] = piece
        if len(self._pieces) < count:
            return None
        whole = b"".join(self._pieces[place] for place in range(count))
        self._pieces = {}
        found = claimed_hash(whole)
        if found is None:
            raise ValueError("the pieces make no order")
        if found[:NAME_SIZE] != name_of(content):
            raise ValueError("the pieces make another order than their name says")
        return whole


def _parse(content: bytes) -> tuple[int, int, bytes]:
    """(index, count, piece) of a well-formed fragment; ValueError."""
    if not HEAD_SIZE < len(content) <= HEAD_SIZE + PIECE_MAX:
        raise ValueError("an order fragment has 1 to 1,100 bytes of its order")
    index, count, piece = content[NAME_SIZE], content[NAME_SIZE + 1], content[HEAD_SIZE:]
    if not index < count <= PIECES_MAX or (index < count - 1 and len(piece) < PIECE_MAX):
        raise ValueError("an order has at most 16 pieces, all of 1,100 bytes but the last")
    return index, count, piece
