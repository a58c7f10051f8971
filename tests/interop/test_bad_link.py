"""Both processes over the seeded relay: a third lost, the rest doubled, swapped, cut and damaged, both ways."""

from __future__ import annotations

import random
import select
import socket
import time

from pymavlink.dialects.v20 import common

from gateway.demo.stage import DATAGRAM_MAX, HOST, drain, udp_socket
from tests.interop.chain import Sealed, ending
from tests.memory_link import mavlink_frame
from tests.relay import Weather

STORM = Weather(loss=0.3, reorder=0.1, duplicate=0.1, truncate=0.05, flip=0.05)
FRAMES = 1_000
EVERY_S = 0.004


def commands() -> list[bytes]:
    mav = common.MAVLink(None, srcSystem=255, srcComponent=190)
    made = (common.MAVLink_command_long_message(1, 1, 512, 0, number, 0, 0, 0, 0, 0, 0) for number in range(FRAMES))
    return [bytes(message.pack(mav)) for message in made]


def test_a_storm_loses_frames_and_does_nothing_else(house, figure):
    rng = random.Random(9)
    greeting, *down = (mavlink_frame(rng, seq) for seq in range(FRAMES + 1))
    up = commands()
    chain = Sealed(house, STORM)
    with ending(chain), udp_socket() as aboard, udp_socket(chain.gcs_port) as ashore:
        aboard.sendto(greeting, (HOST, chain.fc_port))
        chain.wait_open()
        to_ground = until_heard(ashore, aboard, greeting, chain.fc_port)
        for made in (ashore, aboard):
            drain(made)
        for frame, command in zip(down, up, strict=True):
            aboard.sendto(frame, (HOST, chain.fc_port))
            ashore.sendto(command, to_ground)
            time.sleep(EVERY_S)
        time.sleep(0.5)
        got_down, got_up = [frame for frame in drain(ashore) if frame != greeting], drain(aboard)
    for got, sent, what in ((got_down, down, "frames down"), (got_up, up, "commands up")):
        assert set(got) <= set(sent), "something came that was never sent"
        assert len(set(got)) == len(got), "something came twice"
        assert len(got) > FRAMES / 3
        figure(f"a storm (30 % lost, 10 % cut or damaged): {len(got)} of {FRAMES} {what}, none changed, none twice")


def until_heard(ashore: socket.socket, aboard: socket.socket, frame: bytes, fc_port: int) -> tuple[str, int]:
    """Where the ground sends from, to which a ground control station answers."""
    for _ in range(100):
        aboard.sendto(frame, (HOST, fc_port))
        if select.select([ashore], [], [], 0.2)[0]:
            return ashore.recvfrom(DATAGRAM_MAX)[1]
    raise AssertionError("the ground control station heard nothing")
