"""Which frames a guard policy lets through, and that no parser finds in them what was not judged."""

from __future__ import annotations

import random

import pytest
from pymavlink.dialects.v20 import all as dialect

from firmware_shims import guard, mavlink
from firmware_shims.guard import Guard
from keys.order import GUARDS

POLICIES = ("observer", "camera-operator", "pilot", "maintainer")  # each may all that the one before may
SENDER = dialect.MAVLink(None, srcSystem=255, srcComponent=190)


def packed(message: dialect.MAVLink_message, *, v1: bool = False) -> bytes:
    return bytes(message.pack(SENDER, force_mavlink1=v1))


def command(name: str, *, as_int: bool = False, v1: bool = False) -> bytes:
    number = getattr(dialect, f"MAV_CMD_{name}")
    if as_int:
        made = dialect.MAVLink_command_int_message(1, 1, 0, number, 0, 0, 0.5, 0, 0, 0, 1, 2, 0)
    else:
        made = dialect.MAVLink_command_long_message(1, 1, number, 0, 0.5, 0, 0, 0, 0, 0, 0)
    return packed(made, v1=v1)


def message(name: str) -> bytes:
    """One of its kind, with ones in it."""
    kind = dialect.mavlink_map[getattr(dialect, f"MAVLINK_MSG_ID_{name}")]
    payload = bytes([1]) * kind.unpacker.size
    return framed(kind.id, payload, kind.crc_extra)


def framed(number: int, payload: bytes, crc_extra: int, incompat: int = 0, tail: bytes = b"") -> bytes:
    head = bytes([len(payload), incompat, 0, 9, 255, 190]) + number.to_bytes(3, "little")
    checksum = guard.mcrf4xx(head + payload + bytes([crc_extra]), 0xFFFF)
    return b"\xfd" + head + payload + checksum.to_bytes(2, "little") + tail


def allowed(frame: bytes) -> tuple[bool, ...]:
    return tuple(Guard(policy).allows(frame) for policy in POLICIES)


def from_(policy: str) -> tuple[bool, ...]:
    return tuple(POLICIES.index(policy) <= place for place in range(len(POLICIES)))


def test_the_policies_are_those_that_an_order_may_name():
    assert set(POLICIES) == set(GUARDS)
    with pytest.raises(KeyError):
        Guard("captain")


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("HEARTBEAT", "observer"),
        ("PARAM_REQUEST_LIST", "observer"),
        ("MISSION_REQUEST_INT", "observer"),
        ("GIMBAL_MANAGER_SET_PITCHYAW", "camera-operator"),
        ("SYSTEM_TIME", "pilot"),
        ("SET_MODE", "pilot"),
        ("PARAM_SET", "pilot"),
        ("MISSION_ITEM_INT", "pilot"),
        ("MISSION_CLEAR_ALL", "pilot"),
        ("RC_CHANNELS_OVERRIDE", "pilot"),
        ("MANUAL_CONTROL", "pilot"),
        ("SET_POSITION_TARGET_GLOBAL_INT", "pilot"),
        ("FILE_TRANSFER_PROTOCOL", "pilot"),
        ("SERIAL_CONTROL", "maintainer"),
        ("LOG_ERASE", "maintainer"),
        ("SECURE_COMMAND", "maintainer"),
        ("CAN_FRAME", "maintainer"),
    ],
)
def test_messages(name: str, least: str):
    assert allowed(message(name)) == from_(least)


@pytest.mark.parametrize("v1", [False, True])
@pytest.mark.parametrize("as_int", [False, True])
@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("REQUEST_MESSAGE", "observer"),
        ("IMAGE_START_CAPTURE", "camera-operator"),
        ("DO_GIMBAL_MANAGER_PITCHYAW", "camera-operator"),
        ("DO_SET_ROI_LOCATION", "pilot"),
        ("COMPONENT_ARM_DISARM", "pilot"),
        ("NAV_TAKEOFF", "pilot"),
        ("SET_MESSAGE_INTERVAL", "pilot"),
        ("DO_FLIGHTTERMINATION", "pilot"),
        ("FLASH_BOOTLOADER", "maintainer"),
        ("STORAGE_FORMAT", "maintainer"),
        ("START_RX_PAIR", "maintainer"),
    ],
)
def test_commands(name: str, least: str, as_int: bool, v1: bool):
    assert allowed(command(name, as_int=as_int, v1=v1)) == from_(least)


def test_a_command_whose_bytes_are_cut_off_is_the_command_that_a_receiver_reads():
    """MAVLink 2 leaves zeros at the end out: a payload of 29 bytes holds the low byte of the command."""
    extra = dialect.mavlink_map[76].crc_extra
    assert allowed(framed(76, bytes(28) + b"\x90", extra)) == from_("pilot")  # 0x90: none that is listed
    assert allowed(framed(76, bytes(28) + b"\x00\x02", extra)) == from_("observer")  # REQUEST_MESSAGE
    assert allowed(framed(76, b"\1", extra)) == from_("pilot")


def test_setup_signing_never_crosses():
    frame = message("SETUP_SIGNING")
    assert allowed(frame) == (False,) * 4
    assert not guard.may_cross(frame)
    assert guard.may_cross(message("HEARTBEAT"))
    assert guard.may_cross(b"\xfe\x00\x00\x01\x01\x00\x00\x00"), "MAVLink 1 has no such message"


def test_a_signed_frame_is_judged_as_any_other():
    kind = dialect.mavlink_map[0]
    frame = framed(0, bytes(9), kind.crc_extra, incompat=1, tail=bytes(13))
    assert allowed(frame) == from_("observer")


INSIDE = command("COMPONENT_ARM_DISARM")


@pytest.mark.parametrize(
    "frame",
    [
        framed(0, INSIDE, dialect.mavlink_map[0].crc_extra),
        framed(0, INSIDE[:9], 1),
        framed(0, INSIDE[:9], dialect.mavlink_map[0].crc_extra, incompat=2),
        framed(0, INSIDE[:9], dialect.mavlink_map[0].crc_extra, incompat=0x81, tail=bytes(13)),
        framed(0, bytes(9), 1, incompat=1, tail=INSIDE[:13]),
        framed(17_000_000 % (1 << 24) | 0x0F0000, INSIDE, 7),
    ],
    ids=["too long", "wrong checksum", "unknown flag", "unknown flag, signed", "wrong checksum, signed", "unknown message"],
)
def test_what_a_parser_may_give_up_inside_is_for_maintainers_only(frame: bytes):
    assert allowed(frame) == from_("maintainer")


def test_no_parser_finds_a_forbidden_command_in_what_a_camera_operator_may_send():
    """pymavlink's parser, which gives up and goes on as the C parser does, over mutations that hide a whole frame."""
    rng, gate = random.Random(1), Guard("camera-operator")
    carriers = [
        message("HEARTBEAT"),
        message("MOUNT_CONTROL"),
        message("PARAM_REQUEST_READ"),
        command("IMAGE_START_CAPTURE"),
    ]
    passed = 0
    for _ in range(20_000):
        frame = bytearray(rng.choice(carriers))
        for _ in range(rng.randrange(3)):
            frame[rng.choice((2, 2, rng.randrange(1, len(frame))))] = rng.choice(
                (0, 1, 2, 3, 0xFD, 0xFE, rng.randrange(256))
            )
        if rng.random() < 0.5:
            at = rng.randrange(3, len(frame))
            frame[at : at + len(INSIDE)] = INSIDE
        spans = [] if len(frame) > mavlink.FRAME_MAX else mavlink.Framer().datagrams([bytes(frame)])
        for whole in filter(gate.allows, spans):
            passed += 1
            parser = dialect.MAVLink(None)
            parser.robust_parsing = True
            found = parser.parse_buffer(bytearray(whole)) or []
            assert [bytes(m.get_msgbuf()) for m in found] == [whole]
    assert passed > 100


def test_whatever_stands_in_a_frame_the_answer_is_yes_or_no():
    rng = random.Random(2)
    gates = [Guard(policy) for policy in POLICIES]
    for _ in range(20_000):
        size = rng.randrange(40)
        number = rng.choice((0, 75, 76, 256, rng.randrange(1 << 24)))
        frame = framed(number, rng.randbytes(size), rng.randrange(256), rng.choice((0, 1)))
        frame += bytes(13) if frame[2] & 1 else b""
        answers = [gate.allows(frame) for gate in gates]
        assert answers == sorted(answers), "who may more may all of it"
        assert not (number == guard.SETUP_SIGNING and any(answers))
