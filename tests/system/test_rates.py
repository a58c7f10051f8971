"""Rates and numbers by a real `zegel air`: a flight controller in this test answers what it is asked."""

from __future__ import annotations

from typing import Any

import pytest
from pymavlink.dialects.v10 import common as v1
from pymavlink.dialects.v20 import common as v2

from gateway.demo.stage import HOST, udp_socket
from tests.system.house import Flight

FC, GIMBAL, GCS = v2.MAVLink(None, 1, 1), v2.MAVLink(None, 1, 154), v2.MAVLink(None, 255, 190)
INTERVAL = v2.MAV_CMD_SET_MESSAGE_INTERVAL
HEARTBEAT, BETAFLIGHT = 0, bytes(v1.MAVLink_heartbeat_message(2, 0, 64, 1, 0, 3).pack(v1.MAVLink(None, 0, 200)))
BEAT = bytes(v2.MAVLink_heartbeat_message(2, 3, 0, 0, 3, 3).pack(FC))


class Autopilot:
    """Beats, and answers each SET_MESSAGE_INTERVAL with `result`, after a gimbal on the line that was not asked.

    `asked`: what has come, decoded.
    """

    def __init__(self, flight: Flight, result: int) -> None:
        self.socket, self.flight, self._result = udp_socket(), flight, result
        self.asked: list[Any] = []
        self.steps = 0

    def step(self) -> None:
        if self.steps % 50 == 0:
            self.send(BEAT)
        self.steps += 1
        while True:
            try:
                data = self.socket.recv(2048)
            except OSError:
                return
            message = v2.MAVLink(None).decode(bytearray(data))
            self.asked.append(message)
            if message.get_type() == "COMMAND_LONG":
                source = message.get_srcSystem(), message.get_srcComponent()
                for result, by in ((v2.MAV_RESULT_UNSUPPORTED, GIMBAL), (self._result, FC)):
                    answer = v2.MAVLink_command_ack_message(message.command, result, 0, 0, *source)
                    self.send(bytes(answer.pack(by)))

    def send(self, data: bytes) -> None:
        self.socket.sendto(data, (HOST, self.flight.fc_port))


def flight_of(fly, tmp_path, text: str) -> Flight:
    settings = tmp_path / "air.toml"
    settings.write_text(text)
    return fly(more=("--config", str(settings)))


def acknowledged(flight: Flight) -> list[Any]:
    frames = [v2.MAVLink(None).decode(bytearray(frame)) for frame in flight.stations["pilot"].frames if frame[0] == 0xFD]
    return [message for message in frames if message.get_type() == "COMMAND_ACK"]


@pytest.mark.parametrize("result", [v2.MAV_RESULT_ACCEPTED, v2.MAV_RESULT_UNSUPPORTED])
def test_rates_are_asked_for_and_only_a_station_gets_the_answer_to_its_own(fly, tmp_path, result: int):
    flight = flight_of(fly, tmp_path, "[rates]\nATTITUDE = 20\nVFR_HUD = 4\n")
    fc, pilot = Autopilot(flight, result), flight.stations["pilot"]
    flight.step_more = fc.step
    flight.wait_open()
    assert flight.until(lambda: len(fc.asked) >= (2 if result == v2.MAV_RESULT_ACCEPTED else 3))
    ours = [message for message in fc.asked if message.get_srcComponent() == 191]
    assert {message.get_srcSystem() for message in ours} == {1}
    if result == v2.MAV_RESULT_ACCEPTED:
        assert [(message.command, message.param1, message.param2) for message in ours] == [
            (INTERVAL, 30, 50_000),
            (INTERVAL, 74, 250_000),
        ]
    else:
        assert [message.get_type() for message in ours] == ["COMMAND_LONG", "REQUEST_DATA_STREAM", "REQUEST_DATA_STREAM"]
        assert {(message.req_stream_id, message.req_message_rate) for message in ours[1:]} == {(10, 20), (11, 4)}
    command = v2.MAVLink_command_long_message(1, 1, INTERVAL, 0, 30, 1e6, 0, 0, 0, 0, 0)
    theirs = bytes(command.pack(GCS))
    assert flight.until(lambda: pilot.frames)

    def both() -> None:
        fc.step()
        if fc.steps % 200 == 0:
            pilot.command(theirs)

    flight.step_more = both
    assert flight.until(lambda: acknowledged(flight))
    flight.run(1.0)
    assert {(ack.target_system, ack.target_component) for ack in acknowledged(flight)} == {(255, 190)}


@pytest.mark.parametrize("renumber", [False, True])
def test_betaflights_number_changes_only_if_asked_for(fly, tmp_path, renumber: bool):
    flight = flight_of(fly, tmp_path, f"renumber = {str(renumber).lower()}\n")
    flight.wait_open()
    out, frames = udp_socket(), flight.stations["pilot"].frames
    flight.step_more = lambda: out.sendto(BETAFLIGHT, (HOST, flight.fc_port)) and None
    assert flight.until(lambda: frames)
    assert (frames[-1] == BETAFLIGHT) is not renumber
    assert frames[-1][3:5] == (bytes([1, 1]) if renumber else bytes([0, 200]))
