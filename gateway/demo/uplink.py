"""The demo's commands: one that is allowed, one that is not, and one that an attacker held back.

What lives here: the three attempts and their expected results. stage.py has the stage, flight.py the line.
"""

from __future__ import annotations

from collections.abc import Callable

from pymavlink.dialects.v20 import all as dialect

from firmware_shims import command_ack
from gateway.core import sframe
from gateway.core.drop_reason import DropReason
from gateway.demo.flight import FlightController
from gateway.demo.ledger import Ledger
from gateway.demo.stage import Listener, Radio
from gateway.report.alarms import Reason
from gateway.report.role_status import AirStatus
from gateway.report.status_socket import read_all
from gateway.report.wording import READY
from keys.lanes import Lane

READY_WITHIN_S = 10.0
ARRIVES_WITHIN_S = 2.0
HELD_BACK_S = 3.5  # longer than the echo of a beat is valid
STATUS_WITHIN_S = 1.2

Until = Callable[[Callable[[], bool], float], bool]  # (done, limit in seconds) -> whether it was


def arm(number: int) -> bytes:
    """COMMAND_LONG, arm, as QGroundControl sends it; the number distinguishes several."""
    gcs = dialect.MAVLink(None, srcSystem=255, srcComponent=190)
    command = dialect.MAV_CMD_COMPONENT_ARM_DISARM
    return bytes(dialect.MAVLink_command_long_message(1, 1, command, 0, 1, number, 0, 0, 0, 0, 0).pack(gcs))


COMMANDS = [arm(number) for number in range(1, 5)]
ACCEPTED = [COMMANDS[0], COMMANDS[3]]  # of these; the others are the observer's, and the one that is held back


class Uplink:
    """`until` runs the stage until a condition is true; `sessions` is the number of starts of the aircraft."""

    def __init__(
        self, radio: Radio, flight: FlightController, ledger: Ledger, until: Until, say: Callable[[str], None]
    ) -> None:
        self.radio, self.flight, self.ledger, self._until, self._say = radio, flight, ledger, until, say

    def run(self, pilot: Listener, observer: Listener, sessions: int) -> None:
        ready = self._until(lambda: pilot.says(READY) >= sessions, READY_WITHIN_S)
        self.ledger.expect("a challenge of the pilot's station came back from the aircraft: it may command", ready)
        self._pilot(pilot)
        self._observer(observer)
        self._delayed(pilot)

    def _pilot(self, pilot: Listener) -> None:
        sent = COMMANDS[0]
        exact = self._arrives(pilot, sent)
        self._say(f"   the pilot arms: {sent[:16].hex(' ')} ... {len(sent)} bytes;")
        came = bytes(self.flight.heard)
        self._say(f"   on the flight controller's line: {came[:16].hex(' ')} ... {len(came)} bytes")
        self.ledger.expect("a pilot's command arrived byte-exact on the flight controller's line", exact)

    def _observer(self, observer: Listener) -> None:
        observer.command(COMMANDS[1])
        said = self._until(lambda: observer.says(Reason.MAY_NOT_COMMAND.value.words) > 0, ARRIVES_WITHIN_S)
        said = said and self._until(lambda: observer.leave_out(command_ack.denied(COMMANDS[1])), ARRIVES_WITHIN_S)
        self._say("   the observer arms, and its own station says: it may not command by the order; the answer is DENIED")
        self.ledger.expect("an observer's command was refused at its own station", said and not self._commands_of(observer))

    def _delayed(self, pilot: Listener) -> None:
        """An attacker records a command, jams it, and sends it later."""
        before, counted = len(self._commands_of(pilot)), self._stale()
        self.radio.jammed = True
        pilot.command(COMMANDS[2])
        self._until(lambda: len(self._commands_of(pilot)) > before, ARRIVES_WITHIN_S)
        self.radio.jammed = False
        self._until(lambda: False, HELD_BACK_S)
        for datagram in self._commands_of(pilot)[before:]:
            self.radio.send_up(datagram)
        fresh = self._arrives(pilot, COMMANDS[3])
        self._until(lambda: False, STATUS_WITHIN_S)
        refused = self._stale() - counted
        self._say(f"   a command that was held back for {HELD_BACK_S:g} s: refused by the aircraft, stale_echo {refused}")
        self.ledger.expect("a delayed command was refused and counted; the next one passed", fresh and refused == 1)

    def _arrives(self, pilot: Listener, frame: bytes) -> bool:
        """Whether only this frame arrives on the line."""
        self.flight.heard.clear()
        pilot.command(frame)
        self._until(lambda: len(self.flight.heard) >= len(frame), ARRIVES_WITHIN_S)
        return bytes(self.flight.heard) == frame

    def _commands_of(self, station: Listener) -> list[bytes]:
        """The datagrams that it sent in the lane of commands."""
        head = Lane.UPLINK - 15
        return [d for port, d in self.radio.up if port == station.port and sframe.decode_header(d)[0] >> 60 == head]

    def _stale(self) -> int:
        return sum(status.drops.get(DropReason.STALE_ECHO, 0) for status in read_all() if isinstance(status, AirStatus))
