"""Datagrams that arrive as one: if sender and system allow it, a link's datagrams of one size arrive in one piece.

What lives here: `Gro`, which splits such pieces (UDP_GRO, udp(7)); this costs a tenth of the system time that they save.
What must not: how pieces become slots (pieces.py).
"""

from __future__ import annotations

import socket

from gateway.batch import Batch
from gateway.endpoints.mmsg import SOL_UDP, Mmsg, Mover, new_mover
from gateway.endpoints.pieces import Pieces
from gateway.endpoints.vector import CMSG, CMSG_DATA

UDP_GRO = 104


class Gro(Pieces):
    """A Mover that receives many datagrams as one piece. OSError if the system has no UDP_GRO."""

    _more_control = CMSG.itemsize  # the size of the datagrams in a piece

    def __init__(self, sock: socket.socket) -> None:
        sock.setsockopt(SOL_UDP, UDP_GRO, 1)
        super().__init__(sock)

    def _read(self, batch: Batch, most: int) -> list[int] | None:
        told, at, row = self._stamps.told, CMSG_DATA + self._stamps.told_at, self._stamps.row
        for used in range(at, self._count * row, row):
            told[used] = 0
        sizes = told[at : self._receive(batch, most) * row : row]
        return sizes.tolist() if any(sizes) else None


def new_link_mover(sock: socket.socket) -> Mover:
    """`Gro` if the system supports it."""
    try:
        return Gro(sock) if new_mover is Mmsg else new_mover(sock)
    except OSError:
        return new_mover(sock)
