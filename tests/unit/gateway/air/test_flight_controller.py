from __future__ import annotations

from pathlib import Path

import pytest
from pymavlink.dialects.v10 import common as v1
from pymavlink.dialects.v20 import common as v2

from gateway.air import flight_controller
from gateway.air.flight_controller import AskedController, MavlinkController
from gateway.batch import Batch
from gateway.config import AirConfig
from gateway.core.barrier import Barrier
from gateway.endpoint_state import State
from gateway.endpoints.address import parse
from gateway.loop.frame_reader import together
from gateway.loop.msp_reader import MspReader
from tests.msp_peer import reply
from tests.unit.gateway.plain_end import PlainEnd

FC, GCS = v2.MAVLink(None, 4, 1), v2.MAVLink(None, 255, 190)
BEAT = bytes(v2.MAVLink_heartbeat_message(2, 3, 0, 0, 4, 3).pack(FC))
ACK = bytes(v2.MAVLink_command_ack_message(511, 0, 0, 0, 4, 191).pack(FC))
ATTITUDE = bytes(v2.MAVLink_attitude_message(1, 0, 0, 0, 0, 0, 1).pack(FC))
SET_ATTITUDE = bytes(v2.MAVLink_command_long_message(4, 1, 511, 0, 30, 1e6, 0, 0, 0, 0, 0).pack(GCS))
BETAFLIGHT = bytes(v1.MAVLink_heartbeat_message(2, 0, 64, 1, 0, 3).pack(v1.MAVLink(None, 0, 200)))


def settings(**more) -> AirConfig:
    return AirConfig(device=str(Path("x")), link=("udpout:192.0.2.1:14600",), system_id=4, **more)


def of(**more) -> tuple[PlainEnd, flight_controller.FlightController]:
    end = PlainEnd()
    end.state = State.CONNECTED
    return end, flight_controller.of(end, settings(**more), Barrier())


def batch(*frames: bytes) -> Batch:
    out = Batch()
    out.hold(frames)
    return out


def test_what_was_not_asked_for_costs_nothing():
    end, plain = of()
    assert type(plain) is MavlinkController
    end.put(BETAFLIGHT, ACK, BEAT)
    assert together(plain.read(0.0)) == [BETAFLIGHT, ACK, BEAT]
    assert plain.send(batch(SET_ATTITUDE), 0.0) == 1
    assert (end.drained, plain.refused) == ([SET_ATTITUDE], 0)


def test_rates_are_asked_for_and_the_answer_stays_aboard():
    end, asked = of(rates={"ATTITUDE": 10.0})
    assert type(asked) is AskedController
    assert asked.next_due() == float("inf")
    end.put(BEAT, ATTITUDE)
    assert together(asked.read(0.0)) == [BEAT, ATTITUDE]
    (request,) = end.drained
    assert v2.MAVLink(None).decode(bytearray(request)).command == 511
    assert asked.next_due() == 1.0
    end.put(ACK, ATTITUDE)
    assert together(asked.read(0.1)) == [ATTITUDE]
    assert asked.next_due() == float("inf")


def test_a_station_that_sets_a_rate_keeps_it():
    end, asked = of(rates={"ATTITUDE": 10.0})
    assert asked.send(batch(SET_ATTITUDE), 0.0) == 1
    end.put(BEAT)
    asked.read(0.0)
    assert end.drained == [SET_ATTITUDE]


def test_a_line_that_is_away_is_not_asked(monkeypatch):
    said = list[str]()
    monkeypatch.setattr(flight_controller, "say", lambda _, text: said.append(text))
    end, asked = of(rates={"ATTITUDE": 10.0})
    end.put(BEAT)
    asked.read(0.0)
    end.state = State.RECONNECTING
    assert asked.next_due() == float("inf")
    for now in range(1, 5):  # the upkeep reads it nevertheless
        asked.read(float(now))
    assert (len(end.drained), said) == (1, [])
    end.state = State.CONNECTED
    asked.read(4.5)
    assert len(end.drained) == 2


def test_what_no_answer_came_to_is_said(monkeypatch):
    said = list[str]()
    monkeypatch.setattr(flight_controller, "say", lambda _, text: said.append(text))
    end, asked = of(rates={"ATTITUDE": 10.0})
    end.put(BEAT)
    for now in range(5):
        asked.read(float(now))
    assert said == ["rates: it does not answer SET_MESSAGE_INTERVAL for ATTITUDE: no rate is set"]


def test_a_firmware_that_no_shim_reads_is_said_once(monkeypatch):
    said, end = list[str](), PlainEnd()
    monkeypatch.setattr(flight_controller, "say", lambda _, text: said.append(text))
    end.address, end.state = parse("msp+tcp:127.0.0.1:5761"), State.CONNECTED
    fc = flight_controller.of(end, settings(), Barrier())
    for now in range(3):
        fc.read(float(now))
        end.put(reply(2, b"CL\x1bF"))
    assert said == ["the flight controller calls itself 'CL\\x1bF' by MSP: only BTFL, INAV are read"]


@pytest.mark.parametrize("renumber", [False, True])
def test_betaflight_is_renumbered_only_if_asked_for(renumber: bool):
    end, fc = of(renumber=renumber)
    end.put(BETAFLIGHT, ATTITUDE)
    first, second = together(fc.read(0.0))
    assert second == ATTITUDE
    assert (first == BETAFLIGHT) is not renumber
    assert (first[3], first[4]) == ((4, 1) if renumber else (0, 200))


def test_an_msp_address_is_asked_by_msp():
    end = PlainEnd()
    end.address = parse("msp+tcp:127.0.0.1:5761")
    assert isinstance(flight_controller.of(end, settings(), Barrier()), MspReader)
