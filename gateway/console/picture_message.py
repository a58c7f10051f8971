"""Picture message: one picture as a browser gets it over the socket. Little endian; pages/live.js reads it.

u8   version, 1
u8   flags: 1 a decoder can begin here, 2 damaged, 4 catching up: one of those since the last key picture
u16  number of the stream
u32  number of the picture in it
f64  when its last datagram came to this computer, in seconds of Unix time
u32  when it is shown, in 1/90,000 s, the low 32 bits
u32  packets that are missing in it, or just before it
     the access unit, as Annex B
"""

from __future__ import annotations

import struct

from gateway.view.pictures import Picture

VERSION = 1
KEY, DAMAGED, CATCHING_UP = 1, 2, 4
_HEAD = struct.Struct("<BBHIdII")
SIZE = _HEAD.size
LOST_MAX = (1 << 32) - 1


def encode(stream_id: int, number: int, picture: Picture, *, catching_up: bool = False) -> bytes:
    """The message of this picture."""
    flags = KEY * picture.key | DAMAGED * picture.damaged | CATCHING_UP * catching_up
    lost = min(picture.lost, LOST_MAX)
    place = (VERSION, flags, stream_id, number % (1 << 32), picture.arrived, picture.timestamp, lost)
    return _HEAD.pack(*place) + picture.annexb
