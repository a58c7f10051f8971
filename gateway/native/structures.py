"""The structures of turn.c and wait.c, in the same order. `library.py` compares their sizes."""

from __future__ import annotations

import ctypes
from ctypes import c_double, c_int32, c_size_t, c_uint8, c_uint64, c_void_p

from gateway.batch import CAPACITY

NOT_READ, READ, FAILED, UNSENT = -1, -2, -3, -4  # instead of a number of datagrams; see turn.c
SPARE, TARGETS, LANES, PLAYERS, ENDS = 256, 4, 4, 2, 4
NAME_SIZE, SALT_SIZE, SESSION_ID_SIZE, KEY_SIZE = 32, 12, 16, 32
MESSAGE_SIZE, CONTROL_SIZE = 64, 24  # struct mmsghdr, and struct cmsghdr with a size


class Source(ctypes.Structure):
    """struct source: one socket, and the place for one batch of its datagrams."""

    _fields_ = (
        ("messages", c_void_p),
        ("name", c_void_p),
        ("since", c_double),
        ("until", c_double),
        ("received", c_uint64),
        ("received_bytes", c_uint64),
        ("late", c_uint64),
        ("failed", c_uint64),
        ("fd", c_int32),
        ("name_size", c_int32),
        ("most", c_int32),
        ("count", c_int32),
        ("capacity", c_int32),
        ("error", c_int32),
        ("row", c_int32),
        ("at", c_int32),
        ("control", c_int32),
        ("split", c_int32),
    )


class Target(ctypes.Structure):
    """struct target: one socket and one address."""

    _fields_ = (
        ("sent", c_uint64),
        ("sent_bytes", c_uint64),
        ("dropped", c_uint64),
        ("longest", c_uint64),
        ("fd", c_int32),
        ("name_size", c_int32),
        ("error", c_int32),
        ("opening", c_int32),
        ("name", c_uint8 * NAME_SIZE),
    )


class Part(ctypes.Structure):
    """struct iovec."""

    _fields_ = (("at", c_void_p), ("size", c_size_t))


class Out(ctypes.Structure):
    """struct out: what goes to some targets in a turn. `parts` are valid until the next turn."""

    _fields_ = (
        ("targets", Target * TARGETS),
        ("targets_count", c_int32),
        ("count", c_int32),
        ("parts", Part * SPARE),
        ("messages", c_uint8 * (MESSAGE_SIZE * SPARE)),
        ("lanes", c_uint8 * SPARE),
        ("controls", c_uint8 * (CONTROL_SIZE * SPARE)),
    )


class Cipher(ctypes.Structure):
    """struct cipher: of one key."""

    _fields_ = (
        ("context", c_void_p),
        ("kid", c_int32),
        ("spare", c_int32),
        ("salt", c_uint8 * SALT_SIZE),
        ("session_id", c_uint8 * SESSION_ID_SIZE),
        ("pad", c_uint8 * 4),
    )


class Seal(ctypes.Structure):
    """struct seal: one camera and its lane."""

    _fields_ = (
        ("source", Source),
        ("cipher", Cipher),
        ("counter", c_void_p),
        ("reject_after", c_uint64),
        ("largest", c_uint64),
        ("stages", c_void_p),
        ("group", c_int32),
        ("port", c_int32),
        ("to", Out),
    )


class Lane(ctypes.Structure):
    """struct lane: one that one session may open."""

    _fields_ = (
        ("cipher", Cipher),
        ("top", c_void_p),
        ("seen", c_void_p),
        ("mask", c_uint64),
        ("below", c_uint64),
        ("opened", c_uint64),
        ("bad_tag", c_uint64),
        ("player", c_int32),
        ("spare", c_int32),
    )


class Open(ctypes.Structure):
    """struct open: one link, and the players of its lanes."""

    _fields_ = (
        ("source", Source),
        ("rows", c_void_p),
        ("row_size", c_uint64),
        ("stages", c_void_p),
        ("group", c_int32),
        ("port", c_int32),
        ("lanes_count", c_int32),
        ("spare", c_int32),
        ("sizes", c_int32 * CAPACITY),
        ("lanes", Lane * LANES),
        ("to", Out * PLAYERS),
    )


class End(ctypes.Structure):
    """struct end: a descriptor that has turns."""

    _fields_ = (
        ("take", c_void_p),
        ("turn", c_void_p),
        ("rest_s", c_double),
        ("rest_until", c_double),
        ("began", c_double),
        ("came_at", c_double),
        ("cluster_at", c_double),
        ("messages", c_uint64),
        ("clusters", c_uint64),
        ("place", c_int32),
        ("capacity", c_int32),
    )


class Wait(ctypes.Structure):
    """struct wait: what a loop waits for."""

    _fields_ = (
        ("descriptors", c_void_p),
        ("ends", ctypes.POINTER(End) * ENDS),
        ("descriptors_count", c_int32),
        ("ends_count", c_int32),
        ("ended_by", c_int32),
        ("spare", c_int32),
    )
