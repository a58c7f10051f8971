"""One picture as a browser gets it."""

from __future__ import annotations

import pytest

from gateway.console import picture_message
from gateway.console.picture_message import CATCHING_UP, DAMAGED, KEY, SIZE, encode
from gateway.view.pictures import Picture


def test_the_head_is_that_of_the_page():
    """The same bytes as pages/live.js reads: offsets 0, 1, 2, 4, 8, 16, 20, 24."""
    picture = Picture([b"\x67\x42", b"\x65\x88"], "h264", True, 0x01020304, 0, 1.5)
    assert encode(0x0A0B, 0x11121314, picture).hex(" ", 4) == bytes.fromhex(
        "01010b0a 14131211 00000000 0000f83f 04030201 00000000 00000001 6742 00000001 6588"
    ).hex(" ", 4)
    assert SIZE == 24


@pytest.mark.parametrize(
    ("key", "lost", "catching_up", "flags"),
    [(False, 0, False, 0), (True, 0, False, KEY), (False, 3, False, DAMAGED), (True, 1, True, KEY | DAMAGED | CATCHING_UP)],
)
def test_each_flag_has_its_bit(key, lost, catching_up, flags):
    message = encode(1, 2, Picture([b"\x41\x9a"], "h264", key, 0, lost, 0.0), catching_up=catching_up)
    assert message[1] == flags
    assert int.from_bytes(message[20:24], "little") == lost


def test_numbers_that_grow_without_end_begin_again():
    message = encode(1, (1 << 32) + 7, Picture([b"\x41\x9a"], "h264", False, 0, 1 << 40, 0.0))
    assert int.from_bytes(message[4:8], "little") == 7
    assert int.from_bytes(message[20:24], "little") == picture_message.LOST_MAX
