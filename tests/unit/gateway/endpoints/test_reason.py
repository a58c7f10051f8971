from __future__ import annotations

import errno
import os
import socket

import pytest

from gateway.endpoints.address import parse
from gateway.endpoints.reason import reason

SERIAL, NETWORK = parse("serial:/dev/ttyACM0:115200"), parse("tcp:10.0.0.9:5760")


@pytest.mark.parametrize(
    ("address", "number", "words"),
    [
        (SERIAL, errno.EACCES, "no permission for /dev/ttyACM0: add the user to the group dialout"),
        (SERIAL, errno.ENOENT, "/dev/ttyACM0 does not exist"),
        (SERIAL, errno.EBUSY, "/dev/ttyACM0 is in use by another program"),
        (SERIAL, errno.EIO, "/dev/ttyACM0 is gone"),
        (NETWORK, errno.ECONNREFUSED, "no program listens at 10.0.0.9 port 5760"),
        (NETWORK, errno.EADDRINUSE, "port 5760 is in use by another program"),
        (NETWORK, errno.ETIMEDOUT, "10.0.0.9 does not answer"),
        (NETWORK, errno.ENETUNREACH, "no route to 10.0.0.9"),
    ],
)
def test_in_words_that_say_what_to_look_at(address, number, words):
    assert words in reason(OSError(number, os.strerror(number)), address)


def test_every_error_has_some_words():
    for address in (SERIAL, NETWORK):
        for number in errno.errorcode:
            assert reason(OSError(number, os.strerror(number)), address)
        assert "odd" in reason(OSError("odd"), address)


def test_a_name_that_is_not_known():
    assert "10.0.0.9 cannot be looked up" in reason(socket.gaierror(socket.EAI_NONAME, "x"), NETWORK)
