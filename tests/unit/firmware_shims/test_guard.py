"""Which frames a guard policy lets through, and that no parser finds in them what was not judged."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator

import pytest
from pymavlink.dialects.v20 import all as dialect

from firmware_shims import guard, mavlink
from firmware_shims.definitions import COMMAND_NUMBER_OF, MESSAGES, NUMBER_OF
from firmware_shims.guard import POLICIES, Guard
from firmware_shims.policies import MAY_COMMAND, MAY_SEND
from keys.order_station import GUARDS
from tests.guarded import command, filled, frame, framed

EXTRA = {message.name: message.crc_extra for message in MESSAGES.values()}


def allowed(frame: bytes) -> tuple[bool, ...]:
    return tuple(Guard(policy).held(frame) is None for policy in POLICIES)


def from_(policy: str) -> tuple[bool, ...]:
    return tuple(POLICIES.index(policy) <= place for place in range(len(POLICIES)))


def test_the_policies_are_those_that_an_order_may_name():
    assert set(POLICIES) == set(GUARDS)
    with pytest.raises(KeyError):
        Guard("captain")


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("PARAM_REQUEST_LIST", "observer"),
        ("MISSION_REQUEST_INT", "observer"),
        ("REQUEST_EVENT", "observer"),
        ("TIMESYNC", "observer"),
        ("GIMBAL_MANAGER_SET_PITCHYAW", "camera-operator"),
        ("HEARTBEAT", "pilot"),
        ("MANUAL_CONTROL", "pilot"),
        ("RC_CHANNELS_OVERRIDE", "pilot"),
        ("MOUNT_CONTROL", "pilot"),
        ("SYSTEM_TIME", "pilot"),
        ("SET_MODE", "pilot"),
        ("PARAM_SET", "pilot"),
        ("MISSION_CLEAR_ALL", "pilot"),
        ("MISSION_COUNT", "pilot"),
        ("COMMAND_CANCEL", "pilot"),
        ("PLAY_TUNE_V2", "pilot"),
        ("SET_ATTITUDE_TARGET", "pilot"),
        ("SET_POSITION_TARGET_GLOBAL_INT", "pilot"),
        ("FILE_TRANSFER_PROTOCOL", "pilot"),
        ("SERIAL_CONTROL", "maintainer"),
        ("LOG_ERASE", "maintainer"),
        ("GPS_INJECT_DATA", "maintainer"),
        ("AIRLINK_AUTH", "maintainer"),
        ("SECURE_COMMAND", "maintainer"),
        ("CAN_FRAME", "maintainer"),
        ("ESC_EEPROM", "maintainer"),
        ("DATA96", "maintainer"),
        ("CELLULAR_CONFIG", "maintainer"),
        ("V2_EXTENSION", "maintainer"),
        ("REMOTE_LOG_BLOCK_STATUS", "maintainer"),
        ("ATTITUDE", "maintainer"),
    ],
)
def test_messages(name: str, least: str):
    assert allowed(frame(name)) == from_(least)


@pytest.mark.parametrize("v1", [False, True])
@pytest.mark.parametrize("by", ["COMMAND_LONG", "COMMAND_INT"])
@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("REQUEST_MESSAGE", "observer"),
        ("IMAGE_START_CAPTURE", "camera-operator"),
        ("DO_GIMBAL_MANAGER_PITCHYAW", "camera-operator"),
        ("DO_MOUNT_CONTROL", "pilot"),
        ("PANORAMA_CREATE", "pilot"),
        ("DO_SET_ROI_LOCATION", "pilot"),
        ("COMPONENT_ARM_DISARM", "pilot"),
        ("NAV_TAKEOFF", "pilot"),
        ("SET_MESSAGE_INTERVAL", "pilot"),
        ("DO_FLIGHTTERMINATION", "pilot"),
        ("REQUEST_OPERATOR_CONTROL", "pilot"),
        ("FLASH_BOOTLOADER", "maintainer"),
        ("STORAGE_FORMAT", "maintainer"),
        ("START_RX_PAIR", "maintainer"),
        ("CONTROL_HIGH_LATENCY", "maintainer"),
        ("DO_SET_PARAMETER", "maintainer"),
        ("USER_1", "maintainer"),
        ("GIMBAL_FULL_RESET", "maintainer"),
        (54321, "maintainer"),
        (0, "maintainer"),
    ],
)
def test_commands(name: str | int, least: str, by: str, v1: bool):
    assert allowed(command(name, 1, by=by, v1=v1)) == from_(least)


def test_nothing_is_in_a_policy_and_not_in_those_above_it():
    assert MAY_SEND["observer"] < MAY_SEND["camera-operator"] < MAY_SEND["pilot"] < MESSAGES.keys()
    assert MAY_COMMAND["observer"] < MAY_COMMAND["camera-operator"] < MAY_COMMAND["pilot"]


def test_a_command_whose_bytes_are_cut_off_is_the_command_that_a_receiver_reads():
    """MAVLink 2 leaves zeros at the end out: a payload of 29 bytes holds the low byte of the command."""
    extra = EXTRA["COMMAND_LONG"]
    assert allowed(framed(76, bytes(28) + b"\xc0", extra)) == from_("pilot")  # 192: DO_REPOSITION
    assert allowed(framed(76, bytes(28) + b"\x00\x02", extra)) == from_("observer")  # REQUEST_MESSAGE
    assert allowed(framed(76, b"\1", extra)) == from_("maintainer")  # 0: none


def test_setup_signing_never_crosses():
    signing = frame("SETUP_SIGNING")
    assert allowed(signing) == (False,) * 4
    assert not guard.may_cross(signing)
    assert guard.may_cross(frame("HEARTBEAT"))
    assert guard.may_cross(b"\xfe\x00\x00\x01\x01\x00\x00\x00"), "MAVLink 1 has no such message"


def test_a_signed_frame_is_judged_as_any_other():
    assert allowed(frame("PING", flags=1)) == from_("observer")


# --- what is held has a name ---


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        (frame("LOG_ERASE"), "LOG_ERASE"),
        (command("FLASH_BOOTLOADER"), "COMMAND_LONG FLASH_BOOTLOADER"),
        (command(54321, by="MISSION_ITEM_INT"), "MISSION_ITEM_INT MAV_CMD 54321"),
        (framed(0x0F0000, b"", 7), "message 983040"),
        (framed(0, bytes(9), 1), "HEARTBEAT, wrong checksum"),
    ],
)
def test_what_is_held_has_a_name(sent: bytes, name: str):
    assert Guard("pilot").held(sent) == name
    assert Guard("maintainer").held(sent) is None


def test_setup_signing_is_named_for_a_maintainer_too():
    assert {Guard(policy).held(frame("SETUP_SIGNING")) for policy in POLICIES} == {"SETUP_SIGNING"}


def test_no_sender_makes_up_names():
    """Random contents under every message: as many names as MAVLink has, and a number where it has none."""
    rng, pilot, names = random.Random(3), Guard("pilot"), set()
    for number, message in MESSAGES.items():
        for _ in range(20):
            names.add(pilot.held(framed(number, rng.randbytes(message.length), message.crc_extra)))
    words = {word for name in names if name for word in name.replace(",", "").split()}
    assert all(word.isascii() and word.isprintable() for word in words)
    known = {*EXTRA, *COMMAND_NUMBER_OF}
    assert {word for word in words if word.isupper()} - known <= {"MAV_CMD", "RTCM"}


# --- frames as a whole ---

INSIDE = command("COMPONENT_ARM_DISARM", 1)


@pytest.mark.parametrize(
    "sent",
    [
        framed(4, INSIDE, EXTRA["PING"]),
        framed(0, INSIDE[:9], 1),
        framed(4, bytes(14) + INSIDE[:20], EXTRA["PING"]),
        framed(4, bytes(14) + b"\xfe", EXTRA["PING"]),
        framed(4, b"\xfd\x21\0\0\0\xff\xbe\x4c\0\0", EXTRA["PING"], v1=True),
        framed(0x0F0000, INSIDE, 7),
    ],
    ids=[
        "a frame inside",
        "wrong checksum",
        "a frame begins inside",
        "the last byte may begin a frame",
        "MAVLink 1, too short, a frame begins inside",
        "unknown message",
    ],
)
def test_what_a_parser_may_give_up_inside_is_for_maintainers_only(sent: bytes):
    assert allowed(sent) == from_("maintainer")


def test_a_frame_that_is_longer_than_its_definition_passes():
    """Extension fields that a newer definition has: those who do not know them take the rest. The checksum is the same."""
    for name, least in (("PING", "observer"), ("GIMBAL_MANAGER_SET_PITCHYAW", "camera-operator"), ("SET_MODE", "pilot")):
        length = MESSAGES[NUMBER_OF[name]].length
        for more in (1, 7, 200):
            payload = bytes([0x7F]) * (length + more)
            longer = frame(name, payload)
            if not {0xFD, 0xFE} & {*longer[10:]}:
                assert allowed(longer) == from_(least)
            wrong = bytes([*longer[:-1], longer[-1] ^ 1])
            assert allowed(wrong) == from_("maintainer")


def test_nearly_every_longer_frame_passes_whatever_is_in_it():
    rng, pilot = random.Random(4), Guard("pilot")
    passed = sum(pilot.held(frame("SET_ATTITUDE_TARGET", rng.randbytes(60))) is None for _ in range(2000))
    assert passed > 1800  # a start byte near its end might begin a frame that the next one finishes


def test_a_longer_frame_is_judged_by_what_is_known_of_it():
    longer = frame("COMMAND_LONG", command("FLASH_BOOTLOADER")[10:-2].ljust(40, b"\1"))
    assert Guard("pilot").held(longer) == "COMMAND_LONG FLASH_BOOTLOADER"


def test_no_parser_finds_a_forbidden_command_in_what_a_camera_operator_may_send():
    """pymavlink's parser, which gives up and goes on as the C parser does, over mutations that hide a whole frame."""
    rng, gate = random.Random(1), Guard("camera-operator")
    carriers = [
        frame("PING"),
        frame("GIMBAL_MANAGER_SET_MANUAL_CONTROL"),
        frame("PARAM_REQUEST_READ"),
        command("IMAGE_START_CAPTURE"),
    ]
    passed = 0
    for _ in range(20_000):
        sent = bytearray(rng.choice(carriers))
        for _ in range(rng.randrange(3)):
            sent[rng.choice((2, 2, rng.randrange(1, len(sent))))] = rng.choice((0, 1, 2, 3, 0xFD, 0xFE, rng.randrange(256)))
        if rng.random() < 0.5:
            at = rng.randrange(3, len(sent))
            sent[at : at + len(INSIDE)] = INSIDE
        spans = [] if len(sent) > mavlink.FRAME_MAX else mavlink.Framer().datagrams([bytes(sent)])
        for whole in spans:
            if gate.held(whole) is not None:
                continue
            passed += 1
            parser = dialect.MAVLink(None)
            parser.robust_parsing = True
            found = parser.parse_buffer(bytearray(whole)) or []
            assert [bytes(m.get_msgbuf()) for m in found] == [whole]
    assert passed > 100


@pytest.mark.parametrize("flags", [2, 3, 0x80])
def test_no_key_hides_behind_flags_that_a_receiver_does_not_know(flags: int):
    hidden = frame("SETUP_SIGNING")
    first = frame("FILE_TRANSFER_PROTOCOL", hidden.ljust(251, b"\0"), flags=flags)
    assert hidden in list(strict(first)), "the C parser gives up at the flags, and finds it"
    for policy in guard.POLICIES:
        assert Guard(policy).held(first) is not None
    assert Guard("maintainer").held(framed(60000, b"", 1, flags=flags)) == "message 60000, unknown flags"
    assert Guard("maintainer").held(framed(60000, b"", 1, flags=mavlink.SIGNED)) is None


def strict(stream: bytes) -> Iterator[bytes]:
    """A parser that gives a frame up for its flags, message or length as soon as it has the header, and for its checksum;
    it goes on at the next byte, so that it finds whatever any parser may find."""
    at = 0
    while at + mavlink.V2_HEADER <= len(stream):
        data = stream[at:]
        version2 = data[0] == mavlink.V2
        message = MESSAGES.get(mavlink.message_id(data)) if data[0] in (mavlink.V1, mavlink.V2) else None
        stop = (mavlink.V2_HEADER if version2 else mavlink.V1_HEADER) + data[1]
        fits = message and data[1] <= message.length and (version2 or data[1] >= message.least)
        if fits and not (version2 and data[2] & ~mavlink.SIGNED):
            whole = data[: stop + 2 + (13 if version2 and data[2] & mavlink.SIGNED else 0)]
            if guard._flaw(whole, data[stop - data[1] : stop], message) is None:
                yield whole
                at += len(whole)
                continue
        at += 1


def over_two_frames(carried: int) -> tuple[bytes, bytes, bytes]:
    """A frame that is longer than its definition, the next one, and a command to arm that begins in one and ends in the
    other: what lies between, a checksum and a header, is inside its parameters. `carried` of those lie in the first."""
    head = INSIDE[: mavlink.V2_HEADER]
    first = frame("PING", bytes(14) + head + bytes(carried))
    between = first[-2:] + frame("PARAM_REQUEST_READ", seq=1)[: mavlink.V2_HEADER]
    start = bytes(28 - carried - len(between)) + COMMAND_NUMBER_OF["COMPONENT_ARM_DISARM"].to_bytes(2, "little") + bytes(3)
    inside = framed(76, bytes(carried) + between + start, EXTRA["COMMAND_LONG"])
    assert inside[: mavlink.V2_HEADER] == head
    second = frame("PARAM_REQUEST_READ", (start + inside[-2:]).ljust(20, b"\0"), seq=1)
    return first, second, inside


@pytest.mark.parametrize("carried", range(3, 16))
def test_a_command_that_begins_in_a_longer_frame_and_ends_in_the_next_is_held(carried: int):
    first, second, inside = over_two_frames(carried)
    assert inside in list(strict(first + second)), "a parser that checks lengths finds it"
    gate = Guard("camera-operator")
    assert gate.held(first) == "PING, a frame inside"
    assert gate.held(second) is None
    assert list(strict(second)) == [second]


def test_no_parser_that_checks_lengths_finds_what_was_not_judged():
    rng, gate, stream = random.Random(5), Guard("camera-operator"), []
    for _ in range(4000):
        name = rng.choice(("PING", "PARAM_REQUEST_READ", "GIMBAL_MANAGER_SET_PITCHYAW"))
        payload = rng.randbytes(rng.randrange(60)) + rng.choice((b"", INSIDE, INSIDE[: rng.randrange(1, len(INSIDE))]))
        sent = frame(name, payload, v1=NUMBER_OF[name] < 256 and rng.random() < 0.3, seq=rng.randrange(256))
        stream += [sent] if gate.held(sent) is None else []
    longer = [each for each in stream if each[1] > MESSAGES[mavlink.message_id(each)].length]
    assert len(longer) > 500
    assert set(strict(b"".join(stream))) <= set(stream)


def test_whatever_is_in_a_frame_the_answer_is_yes_or_a_name():
    rng = random.Random(2)
    gates = [Guard(policy) for policy in POLICIES]
    judged = (0, 70, 75, 76, 256, *guard.QUESTIONS)
    for _ in range(20_000):
        number = rng.choice((*judged, rng.randrange(1 << 24)))
        payload = rng.randbytes(rng.choice((rng.randrange(40), rng.randrange(256))))
        extra = MESSAGES[number].crc_extra if number in MESSAGES else rng.randrange(256)
        sent = framed(number, payload, extra, flags=rng.choice((0, 1)))
        answers = [gate.held(sent) for gate in gates]
        passes = [answer is None for answer in answers]
        assert passes == sorted(passes), "who may more may all of it"
        assert not (number == guard.SETUP_SIGNING and any(passes))
        assert all(answers[place] for place, passed in enumerate(passes) if not passed)


def test_a_float_of_any_bits_is_judged():
    for bits in (0x7FC00000, 0x7F800000, 0xFF800000, 0x80000000, 1):
        value = struct.unpack("<f", struct.pack("<I", bits))[0]
        sent = filled("COMMAND_LONG", {"param1": value, "command": COMMAND_NUMBER_OF["PREFLIGHT_REBOOT_SHUTDOWN"]})
        assert allowed(sent) == from_("pilot" if bits in (0x7FC00000, 0x80000000) else "maintainer")
