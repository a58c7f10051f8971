from __future__ import annotations

import pytest

from keys.lanes import DOWNLINK_LANES, Lane, Role, downlink_kid, lanes_for, uplink_kid

A7 = bytes.fromhex("a7") + bytes(15)


def test_the_examples_of_the_specification():
    """SPEC.md section 4.2: session_id a7..., epoch 0x1234, lane 1; an uplink of station 3."""
    assert downlink_kid(Lane.TELEMETRY, A7, 0x1234) == 0x01A4
    instance = bytes.fromhex("0102030405")
    assert uplink_kid(Lane.UPLINK, 3, A7, 0x1234, instance) == 0x13_34_A7_01_02_03_04_05
    assert uplink_kid(Lane.CONTROL, 15, A7, 0x1200, bytes(5)) == 0x2F_00_A7_00_00_00_00_00


def test_downlink_kids_need_two_bytes_and_name_their_lane():
    for lane in DOWNLINK_LANES:
        for first in (0x00, 0x0F, 0xF0, 0xFF):
            for epoch in (0, 15, 16, 1 << 31):
                kid = downlink_kid(lane, bytes([first]) + bytes(15), epoch)
                assert 256 <= kid < 1 << 16
                assert Lane(kid >> 8) is lane
                assert (kid >> 4 & 0xF, kid & 0xF) == (first >> 4, epoch % 16)


def test_uplink_kids_need_eight_bytes():
    for lane in (Lane.UPLINK, Lane.CONTROL):
        for station in (1, 15):
            kid = uplink_kid(lane, station, bytes(16), 0, bytes(5))
            assert kid >> 56
            assert kid < 1 << 64
            assert kid >> 60 == lane - 15


@pytest.mark.parametrize(
    ("roles", "lanes"),
    [
        (Role.TELEMETRY, {Lane.OBSERVER_TELEMETRY}),
        (Role.TELEMETRY | Role.COMMAND, {Lane.TELEMETRY}),
        (Role.VIDEO, {Lane.VIDEO_A, Lane.VIDEO_B}),
        (Role.TELEMETRY | Role.VIDEO, {Lane.OBSERVER_TELEMETRY, Lane.VIDEO_A, Lane.VIDEO_B}),
        (Role.TELEMETRY | Role.VIDEO | Role.COMMAND, {Lane.TELEMETRY, Lane.VIDEO_A, Lane.VIDEO_B}),
        (Role.WITNESS, set()),
        (Role.CONTROL, set()),
        (Role(0), set()),
    ],
)
def test_roles_decide_the_lanes_and_all_hear_orders_and_evidence(roles: Role, lanes: set[Lane]):
    assert set(lanes_for(roles)) == lanes | {Lane.ORDER, Lane.EVIDENCE}


def test_no_station_reads_both_telemetry_lanes():
    """Else an observer's key would forge telemetry to a commander who listens to both."""
    for bits in range(32):
        lanes = lanes_for(Role(bits))
        assert not {Lane.TELEMETRY, Lane.OBSERVER_TELEMETRY} <= set(lanes)
        assert len(lanes) == len(set(lanes))
