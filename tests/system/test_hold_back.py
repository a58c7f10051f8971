"""A flight controller by TCP that has more to say than the link takes at once."""

from __future__ import annotations

import json
import socket
import threading

from pymavlink.dialects.v20 import all as dialect

from gateway.demo.stage import HOST, free_port
from tests.system.house import zegel

FRAMES = 6000


def test_a_backlog_comes_whole_and_in_order(fly):
    """As after a reconnection, or a parameter download that its sender has ready."""
    mav = dialect.MAVLink(None, srcSystem=1, srcComponent=1)
    sent = []
    for number in range(FRAMES):
        mav.seq = number % 256
        sent.append(bytes(dialect.MAVLink_param_value_message(b"P", number, 9, FRAMES, number).pack(mav)))
    port = free_port()
    flight = fly(("pilot",), fc=f"tcp:{HOST}:{port}")
    flight.wait_open()
    with socket.create_server((HOST, port)) as listening:  # not before: air gives up a connection that nobody accepts
        connection, _ = listening.accept()
        with connection:
            sender = threading.Thread(target=connection.sendall, args=(b"".join(sent),))
            sender.start()
            frames = flight.stations["pilot"].frames
            flight.until(lambda: len(frames) >= FRAMES)
            sender.join()
            assert frames == sent
    (air,) = (status for status in json.loads(zegel("status", "--json")) if status["role"] == "air")
    assert air["drops"]["late"] == 0
