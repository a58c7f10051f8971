"""`zegel status` on both sides during real faults: one line that says what is wrong and what to do."""

from __future__ import annotations

import json
import random
import socket
import subprocess
import sys

from gateway.demo.stage import HOST, Listener
from gateway.report.advice import advise
from gateway.report.role_status import decoded
from tests.memory_link import mavlink_frame
from tests.system.house import Flight, House, zegel


class Cockpit:
    """A flight with traffic on all its plain ends, and what its status advises."""

    def __init__(self, flight: Flight, *, opens: bool = True) -> None:
        """`opens`: every station is to open before it goes on."""
        self.flight, self._rng, self._seq = flight, random.Random(5), 0
        self._out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.fc_speaks, self.fc_rubbish, self.camera_size = True, b"", 800
        flight.step_more = self.feed
        if opens:
            flight.wait_open()
        flight.run(6.0)  # until a young process's silence counts

    def feed(self) -> None:
        if self._rng.random() > 0.1:
            return
        if self.fc_speaks:
            self._out.sendto(mavlink_frame(self._rng, self._seq), (HOST, self.flight.fc_port))
            self._seq += 1
        elif self.fc_rubbish:
            self._out.sendto(self.fc_rubbish, (HOST, self.flight.fc_port))
        self._out.sendto(bytes(self.camera_size), (HOST, self.flight.camera_port))

    def advice(self) -> dict[str, str]:
        """The line of each process, as `zegel status` prints it."""
        return {status.name: advise(status) for status in map(decoded, json.loads(self._status("--json")))}

    def _status(self, *words: str) -> str:
        """`zegel status` while everything flies on."""
        command = [sys.executable, "-m", "gateway.cli", "status", *words]
        asked = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.flight.until(lambda: asked.poll() is not None)
        return asked.communicate()[0]

    def says(self, name: str, text: str) -> bool:
        for _ in range(10):
            self.flight.run(1.0)
            if text in self.advice().get(name, ""):
                assert text in " ".join(self._status().split()), "the screen divides it over lines"
                return True
        return False

    def says_nothing(self, name: str) -> bool:
        for _ in range(20):
            self.flight.run(1.0)
            if self.advice().get(name) == "":
                return True
        return False

    def close(self) -> None:
        self.flight.step_more = lambda: None
        self._out.close()


def test_each_fault_is_named_on_the_side_that_can_mend_it(house: House, fly):
    flight = fly(("pilot", "observer"))
    cockpit = Cockpit(flight)
    assert cockpit.advice() == {"drone-7": "", "pilot": "", "observer": ""}
    cockpit.fc_speaks = False
    assert cockpit.says("drone-7", "nothing comes from the flight controller"), cockpit.advice()
    cockpit.fc_rubbish = b"no MAVLink at all"
    assert cockpit.says("drone-7", "but no MAVLink: is the baud rate right"), cockpit.advice()
    cockpit.fc_speaks = True
    flight.run(3.0)
    assert not cockpit.advice()["drone-7"]
    flight.radio.listeners.remove(flight.stations["pilot"].port)
    assert cockpit.says("pilot", "the link is silent"), cockpit.advice()
    assert not cockpit.advice()["observer"]
    flight.radio.listeners.append(flight.stations["pilot"].port)
    flight.stations["observer"].command(mavlink_frame(random.Random(1), 0))
    assert cockpit.says("observer", "may not command by the order"), cockpit.advice()
    cockpit.camera_size = 1900
    assert cockpit.says("drone-7", "too large for the link"), cockpit.advice()
    cockpit.camera_size = 800
    assert cockpit.says_nothing("drone-7"), "what is over is told no more"
    zegel(
        "order",
        "revoke",
        house.order,
        "--station",
        "observer",
        "--agency",
        house.folder / "agency",
        "-o",
        house.folder / "n",
    )
    flight.air.kill()
    zegel("device", "load-order", house.folder / "drone-7", house.folder / "n")
    flight.start_air()
    assert cockpit.says("observer", "does not list this station"), cockpit.advice()
    flight.air.kill()
    assert cockpit.says("pilot", "the link is silent"), cockpit.advice()
    cockpit.close()


def test_a_station_with_another_operations_order_is_told_to_load_the_right_one(house: House, fly):
    """The same agency, aircraft and station: nothing but the operation is another, and nothing of it is looked into."""
    house.issue(house.folder / "other.order", ("pilot", "observer"))
    flight = fly(("pilot",))
    lost = Listener("observer", house.folder, house.folder / "other.order")
    flight.stations["observer"] = lost
    flight.radio.listeners.append(lost.port)
    cockpit = Cockpit(flight, opens=False)
    assert cockpit.says("observer", "control of another operation, or forgeries: load the right order"), cockpit.advice()
    (status,) = (status for status in json.loads(cockpit._status("--json")) if status["name"] == "observer")
    assert status["sessions"] == []
    assert status["drops"]["unopened_control"] > 0
    assert cockpit.advice()["pilot"] == ""
    cockpit.close()
