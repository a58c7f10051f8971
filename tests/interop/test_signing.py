"""MAVLink signing both ways: pymavlink signs and checks, zegel passes every signature on untouched."""

from __future__ import annotations

import select
import socket
import statistics
import time

from pymavlink.dialects.v20 import ardupilotmega as mavlink

from gateway.demo.stage import DATAGRAM_MAX, HOST
from tests.interop.chain import Chain, Sealed, Straight, ending

KEY, OTHER_KEY = bytes(range(32)), bytes(32)
NOW = 35_000_000_000_000  # of signatures: 10 microseconds since 2015; fixed, as pymavlink counts on from it
COMMANDS = 300
WAIT_S = 10.0


class Peer:
    """Signs all it sends with `key`, and believes only what is signed with it. `to` or `at` is a loopback port."""

    def __init__(self, system: int, key: bytes, to: int = 0, at: int = 0) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((HOST, at))
        self._to = (HOST, to)
        self.mav = mavlink.MAVLink(self, srcSystem=system, srcComponent=1)
        self.mav.robust_parsing = True
        self.mav.signing.secret_key, self.mav.signing.sign_outgoing, self.mav.signing.timestamp = key, True, NOW
        self.refused = 0

    def write(self, frame: bytes) -> None:
        if self._to[1]:
            self.socket.sendto(frame, self._to)

    def take(self, wait_s: float) -> list[mavlink.MAVLink_message]:
        """The messages of the next datagram that are believed; none if none comes in time."""
        if not select.select([self.socket], [], [], wait_s)[0]:
            return []
        datagram, self._to = self.socket.recvfrom(DATAGRAM_MAX)
        found = self.mav.parse_buffer(datagram) or []
        believed = [message for message in found if message.get_type() != "BAD_DATA"]
        self.refused += len(found) - len(believed)
        return believed

    def end(self) -> None:
        self.socket.close()


def command(number: int) -> mavlink.MAVLink_command_long_message:
    return mavlink.MAVLink_command_long_message(1, 1, mavlink.MAV_CMD_REQUEST_MESSAGE, 0, number, 0, 0, 0, 0, 0, 0)


def hears(peer: Peer, other: Peer, kind: str) -> None:
    """Until `peer` believes a heartbeat of `other`."""
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until:
        other.mav.heartbeat_send(kind, mavlink.MAV_AUTOPILOT_GENERIC, 0, 0, 0)
        if any(message.get_type() == "HEARTBEAT" for message in peer.take(0.1)):
            return
    raise AssertionError("no signed heartbeat was believed")


def exchange(chain: Chain) -> float:
    """Signed commands, each acknowledged by a signed answer; the median of their round trips in seconds."""
    controller, gcs = Peer(1, KEY, to=chain.fc_port), Peer(255, KEY, at=chain.gcs_port)
    with ending(controller, gcs, chain):
        chain.wait_open()
        hears(gcs, controller, mavlink.MAV_TYPE_QUADROTOR)
        hears(controller, gcs, mavlink.MAV_TYPE_GCS)
        took = [round_trip(controller, gcs, number) for number in range(COMMANDS)]
        impostor_is_refused(controller, gcs, chain)
        assert controller.refused == 0
        assert min(peer.mav.signing.sig_count for peer in (controller, gcs)) > COMMANDS
    return statistics.median(took)


def round_trip(controller: Peer, gcs: Peer, number: int) -> float:
    began = time.monotonic()
    gcs.mav.send(command(number))
    asked = wait_for(controller, "COMMAND_LONG")
    assert asked.param1 == number
    controller.mav.command_ack_send(asked.command, mavlink.MAV_RESULT_ACCEPTED, number % 100)
    assert wait_for(gcs, "COMMAND_ACK").progress == number % 100
    return time.monotonic() - began


def wait_for(peer: Peer, kind: str) -> mavlink.MAVLink_message:
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until:
        for message in peer.take(0.5):
            if message.get_type() == kind:
                return message
    raise AssertionError(f"no {kind} was believed")


def impostor_is_refused(controller: Peer, gcs: Peer, chain: Chain) -> None:
    """A frame signed with another key reaches the peer as it is, and the peer refuses it: that check is not zegel's."""
    impostor = Peer(1, OTHER_KEY, to=chain.fc_port)
    with ending(impostor):
        before = gcs.refused
        impostor.mav.command_ack_send(mavlink.MAV_CMD_COMPONENT_ARM_DISARM, mavlink.MAV_RESULT_ACCEPTED)
        until = time.monotonic() + WAIT_S
        while gcs.refused == before:
            assert time.monotonic() < until, "the impostor's frame did not come"
            assert not [m for m in gcs.take(0.5) if m.get_type() == "COMMAND_ACK"]
        assert gcs.mav.signing.badsig_count == 1


def test_signed_through_zegel(house, figure):
    straight, sealed = exchange(Straight()), exchange(Sealed(house))
    figure(
        f"pymavlink with signing: command and acknowledgement: {1000 * straight:.2f} ms straight,"
        f" {1000 * sealed:.2f} ms through zegel, {1000 * (sealed - straight):.2f} ms added"
    )
