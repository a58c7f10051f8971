"""Which system a frame is for."""

from __future__ import annotations

import pytest
from pymavlink.dialects.v20 import all as dialect

from firmware_shims import mavlink, target
from firmware_shims.definitions import MESSAGES, NUMBER_OF

GCS = dialect.MAVLink(None, srcSystem=255, srcComponent=190)
M = dialect


def packed(message, version1: bool = False) -> bytes:
    return bytes(message.pack(GCS, force_mavlink1=version1))


def command(system: int, component: int = 1, last: float = 9.0) -> dialect.MAVLink_command_long_message:
    return M.MAVLink_command_long_message(system, component, 400, 0, 1, 0, 0, 0, 0, 0, last)


@pytest.mark.parametrize("version1", [False, True])
@pytest.mark.parametrize("system", [0, 1, 7, 255])
def test_the_field_of_the_message_whichever_version(system, version1):
    for message in (
        command(system),
        M.MAVLink_param_set_message(system, 1, b"X", 1.0, 9),
        M.MAVLink_mission_item_int_message(system, 1, 3, 3, 16, 0, 1, 0, 0, 0, 0, 1, 2, 3),
        M.MAVLink_file_transfer_protocol_message(0, system, 1, [0] * 251),
        M.MAVLink_set_mode_message(system, 1, 5),
        M.MAVLink_manual_control_message(system, 1, 2, 3, 4, 5),
        M.MAVLink_ping_message(1, 2, system, 1),
    ):
        assert target.system(packed(message, version1)) == system


@pytest.mark.parametrize("kind", sorted(dialect.mavlink_map))
def test_every_target_stands_where_pymavlink_puts_it(kind):
    """All messages with such a field, each with a target of 7 and all other fields 0."""
    message = dialect.mavlink_map[kind]
    field = next((name for name in ("target_system", "target") if name in message.fieldnames), None)
    if field is None or kind not in MESSAGES or (field == "target" and message.msgname != "MANUAL_CONTROL"):
        return
    assert message.fieldtypes[message.fieldnames.index(field)] == "uint8_t"
    arrays = [message.array_lengths[message.ordered_fieldnames.index(name)] for name in message.fieldnames]
    texts = [of == "char" for of in message.fieldtypes]
    zeros = [(b"" if text else [0] * size) if size else 0 for size, text in zip(arrays, texts, strict=True)]
    values = [7 if name == field else zero for name, zero in zip(message.fieldnames, zeros, strict=True)]
    assert target.system(packed(message(*values))) == 7


def test_zeros_that_were_left_out_are_zeros():
    """MAVLink 2 cuts a payload off behind its last byte that is not zero."""
    frame = packed(command(0, 0, 0.0))
    assert frame[1] <= MESSAGES[NUMBER_OF["COMMAND_LONG"]].fields["target_system"][0]
    assert target.system(frame) == target.EVERYBODY


def test_a_target_is_an_extension_field_too():
    timesync = packed(M.MAVLink_timesync_message(0, 1))
    assert target.system(timesync) == 0
    assert target.may_mean_all(timesync)
    extended = timesync[:1] + bytes([17]) + timesync[2:10] + bytes(8) + bytes([1] * 8) + bytes([7]) + b"\0\0"
    assert MESSAGES[NUMBER_OF["TIMESYNC"]].fields["target_system"][0] == 16
    assert target.system(extended) == 7


def test_a_frame_for_no_one_aircraft_and_a_message_that_is_not_known():
    heartbeat = packed(M.MAVLink_heartbeat_message(6, 8, 0, 0, 4, 3))
    assert target.system(heartbeat) is None
    unknown = bytes([mavlink.V2, 1, 0, 0, 0, 255, 190, 0xFF, 0xFF, 0x7F, 7, 0, 0])
    assert target.system(unknown) == target.EVERYBODY
    assert not target.may_mean_all(unknown)


def test_what_has_an_effect_does_not_mean_all():
    named = ("COMMAND_", "MISSION_", "PARAM_", "SET_", "FILE_TRANSFER_PROTOCOL", "RC_CHANNELS_OVERRIDE", "MANUAL_CONTROL")
    effects = [number for number, message in MESSAGES.items() if message.name.startswith(named)]
    assert len(effects) > 40
    assert not any(target.may_mean_all(bytes([mavlink.V2, 0, 0, 0, 0, 1, 1, *n.to_bytes(3, "little")])) for n in effects)
