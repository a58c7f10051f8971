"""What is asked of an autopilot, read by pymavlink; its answers are pymavlink's too."""

from __future__ import annotations

from typing import Any

import pytest
from pymavlink.dialects.v20 import common

from firmware_shims.definitions import NUMBER_OF
from firmware_shims.rates import ANSWER_WITHIN_S, AWAY_AFTER_S, TRIES, Rates

FC, GCS = common.MAVLink(None, 4, 1), common.MAVLink(None, 255, 190)
WANTED = {"ATTITUDE": 20.0, "GLOBAL_POSITION_INT": 5.0, "VFR_HUD": 4.0}
ACCEPTED, DENIED, UNSUPPORTED = 0, 2, 3
OURS = (4, 191)
INTERVAL = common.MAV_CMD_SET_MESSAGE_INTERVAL


def beat(firmware: int = 3, source: tuple[int, int] = (4, 1)) -> bytes:
    sender = common.MAVLink(None, *source)
    return bytes(sender.heartbeat_encode(2, firmware, 0, 0, 4).pack(sender))


def ack(result: int, to: tuple[int, int] = OURS, command: int = INTERVAL, by: common.MAVLink = FC) -> bytes:
    return bytes(common.MAVLink_command_ack_message(command, result, 0, 0, *to).pack(by))


def decoded(frames: list[bytes]) -> list[Any]:
    return [common.MAVLink(None).decode(bytearray(frame)) for frame in frames]


def by_station(name: str, hertz: float = 1) -> bytes:
    message = common.MAVLink_command_long_message(4, 1, INTERVAL, 0, NUMBER_OF[name], 1e6 / hertz, 0, 0, 0, 0, 0)
    return bytes(message.pack(GCS))


@pytest.fixture
def rates() -> Rates:
    return Rates(4, WANTED)


@pytest.mark.parametrize("by", [(4, 154), (2, 1)], ids=["gimbal", "another aircraft"])
@pytest.mark.parametrize("result", [ACCEPTED, DENIED, UNSUPPORTED])
def test_another_component_answers_for_the_autopilot(rates: Rates, by: tuple[int, int], result: int):
    """Its answers stay here, as they are for this component, and say nothing about what the autopilot sends."""
    rates.hear([beat()], 0.0)
    wrong, old = ack(result, by=common.MAVLink(None, *by)), ack(result, (0, 0), by=common.MAVLink(None, *by))
    for name in WANTED:
        (request,) = decoded(rates.requests(0.0))
        assert (request.get_type(), request.param1) == ("COMMAND_LONG", NUMBER_OF[name])
        assert rates.hear([wrong, old] * 100, 0.1) == [old] * 100
        assert rates.requests(0.1) == []
        assert rates.hear([ack(ACCEPTED)], 0.2) == []
    assert rates.notes == []


def test_one_message_after_another(rates: Rates):
    assert rates.requests(0.0) == []
    assert rates.next_due() == float("inf")
    assert rates.hear([beat()], 1.0) == [beat()]
    asked = []
    for step in range(3):
        (request,) = decoded(rates.requests(1.0 + step / 10))
        assert rates.requests(1.0 + step / 10) == []
        assert (request.get_srcSystem(), request.get_srcComponent()) == OURS
        assert (request.target_system, request.target_component, request.command) == (4, 1, INTERVAL)
        asked.append((request.param1, request.param2))
        assert rates.hear([ack(ACCEPTED)], 1.05 + step / 10) == []
    assert asked == [(NUMBER_OF[name], 1e6 / hertz) for name, hertz in WANTED.items()]
    for now in range(2, 100):
        rates.hear([beat()], now)
        assert rates.requests(now) == []
    assert rates.notes == []


def test_without_that_command_by_streams(rates: Rates):
    rates.hear([beat()], 0.0)
    rates.requests(0.0)
    assert rates.hear([ack(UNSUPPORTED)], 0.1) == []
    requests = decoded(rates.requests(0.1))
    streams = {(each.req_stream_id, each.req_message_rate, each.start_stop) for each in requests}
    assert streams == {(10, 20, 1), (6, 5, 1), (11, 4, 1)}
    assert {each.get_type() for each in requests} == {"REQUEST_DATA_STREAM"}
    assert rates.requests(10.0) == []


def test_the_fastest_of_a_stream_and_what_is_in_none():
    rates = Rates(4, {"GLOBAL_POSITION_INT": 2.5, "LOCAL_POSITION_NED": 1, "ODOMETRY": 5})
    rates.hear([beat()], 0.0)
    rates.requests(0.0)
    rates.hear([ack(UNSUPPORTED)], 0.1)
    assert [(each.req_stream_id, each.req_message_rate) for each in decoded(rates.requests(0.1))] == [(6, 3)]
    assert rates.notes == ["rates: it has no SET_MESSAGE_INTERVAL, and ODOMETRY is in no stream that is known here"]


def test_a_refusal_is_said_and_the_rest_is_asked(rates: Rates):
    rates.hear([beat()], 0.0)
    for result in (ACCEPTED, DENIED, ACCEPTED):
        assert len(rates.requests(0.0)) == 1
        rates.hear([ack(result)], 0.0)
    assert rates.notes == ["rates: it refuses to send GLOBAL_POSITION_INT 5 times a second (result 2)"]
    assert rates.requests(9.0) == []


def test_no_answer_ends_it(rates: Rates):
    """An autopilot that accepts only signed frames answers nothing."""
    rates.hear([beat()], 0.0)
    sent, now = [], 0.0
    while now < 20:
        rates.hear([beat()], now)
        sent += decoded(rates.requests(now))
        now += 0.1
    assert [each.confirmation for each in sent] == list(range(TRIES))
    assert rates.notes == ["rates: it does not answer SET_MESSAGE_INTERVAL for ATTITUDE: no rate is set"]


def test_only_the_autopilot_of_this_aircraft(rates: Rates):
    for other in (beat(source=(5, 1)), beat(source=(4, 100)), beat(firmware=8)):
        rates.hear([other], 1.0)
        assert rates.requests(1.0) == []


def test_one_that_was_away_is_asked_again(rates: Rates):
    rates.hear([beat()], 0.0)
    for _ in WANTED:
        rates.requests(0.0)
        rates.hear([ack(ACCEPTED)], 0.0)
    rates.hear([beat()], AWAY_AFTER_S)
    assert rates.requests(AWAY_AFTER_S) == []
    rates.hear([beat()], 2.1 * AWAY_AFTER_S)
    assert len(rates.requests(2.1 * AWAY_AFTER_S)) == 1


def test_what_a_station_has_set_is_its_own(rates: Rates):
    rates.hear([beat()], 0.0)
    rates.requests(0.0)
    rates.sent_up([by_station("ATTITUDE"), by_station("VFR_HUD")])
    (request,) = decoded(rates.requests(0.1))
    assert request.param1 == NUMBER_OF["GLOBAL_POSITION_INT"]
    rates.hear([ack(ACCEPTED)], 0.2)
    assert rates.requests(9.0) == []
    rates.hear([beat()], 100.0)
    assert [each.param1 for each in decoded(rates.requests(100.0))] == [NUMBER_OF["GLOBAL_POSITION_INT"]]


@pytest.mark.parametrize(("stream", "left"), [(0, set()), (10, {"GLOBAL_POSITION_INT", "VFR_HUD"}), (3, set(WANTED))])
def test_a_station_that_sets_streams(rates: Rates, stream: int, left: set[str]):
    rates.hear([beat()], 0.0)
    request = common.MAVLink_request_data_stream_message(4, 1, stream, 1, 1)
    rates.sent_up([bytes(request.pack(GCS))])
    asked = set()
    for _ in WANTED:
        asked |= {each.param1 for each in decoded(rates.requests(0.0))}
        rates.hear([ack(ACCEPTED)], 0.0)
    assert asked == {NUMBER_OF[name] for name in left}


def test_other_commands_of_a_station_change_nothing(rates: Rates):
    rates.hear([beat()], 0.0)
    arm = common.MAVLink_command_long_message(4, 1, 400, 0, NUMBER_OF["ATTITUDE"], 0, 0, 0, 0, 0, 0)
    rates.sent_up([bytes(arm.pack(GCS)), bytes(common.MAVLink_ping_message(1, 1, 4, 1).pack(GCS))])
    assert [each.param1 for each in decoded(rates.requests(0.0))] == [NUMBER_OF["ATTITUDE"]]


def test_the_answer_to_a_station_reaches_it(rates: Rates):
    rates.hear([beat()], 0.0)
    rates.requests(0.0)
    for theirs in (
        ack(ACCEPTED, (255, 190)),
        ack(ACCEPTED, (4, 190)),
        ack(ACCEPTED, command=400),
        ack(ACCEPTED, (0, 0), 400),
    ):
        assert rates.hear([theirs], 0.1) == [theirs]
    assert rates.requests(0.2) == []  # ours is still awaited


def test_old_firmware_does_not_say_whom_it_answers(rates: Rates):
    """Without a target it is ours if we wait, unless a station has sent the same command since."""
    old = ack(ACCEPTED, (0, 0))
    assert rates.hear([old], 0.0) == [old]
    rates.hear([beat()], 0.0)
    rates.requests(0.0)
    assert rates.hear([old], 0.1) == []
    rates.requests(0.2)
    rates.sent_up([by_station("RAW_IMU")])
    assert rates.hear([old], 0.3) == [old]
    assert len(rates.requests(0.2 + ANSWER_WITHIN_S)) == 1


def test_an_answer_that_comes_late_goes_no_further(rates: Rates):
    rates.hear([beat()], 0.0)
    rates.requests(0.0)
    rates.hear([ack(UNSUPPORTED)], 0.0)
    rates.requests(0.0)
    assert rates.hear([ack(UNSUPPORTED)], 5.0) == []
