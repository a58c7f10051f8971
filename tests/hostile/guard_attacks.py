"""Attacks by commanders against the guard policy that the order gives them, sent by a ground that judges nothing."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path

from gateway.air.uplink import AirUplink
from gateway.guards import Guards
from gateway.report.alarms import Alarms
from tests.guarded import command, file_operation, filled, frame, parameter, tunnel
from tests.hostile.row import Row, only
from tests.memory_link import PILOT, World, verified
from tests.memory_link import command as join
from tests.unit.gateway.plain_end import PlainEnd

WELL = frame("PING")


class Scene:
    """A station that may command under this policy, and the gate of the aircraft that it commands."""

    def __init__(self, policy: str, guards: Guards | None = None) -> None:
        world = World(1, roles=(PILOT,))
        listed = dataclasses.replace(world.order.content.stations[0], guard=policy)
        own = {"guards": bytes(32)} if guards else {}
        world.order = verified(dataclasses.replace(world.order.content, stations=(listed,), **own))
        aircraft = world.aircraft()
        self.fc, self.link, self.said = PlainEnd(), PlainEnd(), list[str]()
        self.uplink = AirUplink(aircraft.announcer, self.fc, Alarms(self.said.append), guards=guards)
        self.station = world.station(1)
        self.now = join(world, self.station, aircraft, 0.0)

    def sends(self, *frames: bytes) -> list[bytes]:
        """What of these, sealed and sent, reaches the flight controller."""
        for sent in frames:
            self.link.put(*self.station.seal([sent], self.now))
            self.uplink.receive(self.link, self.now)
        arrived, self.fc.drained = self.fc.drained, []
        return arrived


def held(attack: str, sent: str, frames: Sequence[bytes], names: Sequence[str], *by: str) -> Row:
    """None of these frames arrives under any of these policies, each is named, and what may pass still does."""
    guarded = 0
    for policy in by:
        scene = Scene(policy)
        assert scene.sends(*frames, WELL) == [WELL], f"{policy}: {attack}"
        assert scene.uplink.kept_back() == {"station-1": dict.fromkeys(names, len(frames) // len(names))}
        guarded += scene.uplink.drops()["guarded"]
    happened = f"none reached the flight controller; named: {'; '.join(names[:3])}{' and so on' if len(names) > 3 else ''}"
    return Row(
        attack, f"{len(frames)} frames as {' and '.join(by)}: {sent}", happened, only({"guarded": guarded}, "guarded")
    )


def failsafe_kept_quiet() -> Row:
    names = ("HEARTBEAT", "MANUAL_CONTROL", "RC_CHANNELS_OVERRIDE")
    return held(
        "the pilot's ground is gone, and another station feeds the failsafe that should bring the aircraft home",
        "what ArduPilot and PX4 count as a ground control station, with its system id",
        [frame(name) for name in names],
        names,
        *("observer", "camera-operator"),
    )


def copter_turned() -> Row:
    names = ["MOUNT_CONTROL"]
    frames = [frame("MOUNT_CONTROL")]
    for name in ("DO_MOUNT_CONTROL", "DO_MOUNT_CONTROL_QUAT", "DO_SET_ROI_LOCATION", "PANORAMA_CREATE", "CONDITION_YAW"):
        for by in ("COMMAND_LONG", "COMMAND_INT"):
            frames.append(command(name, 0, 0, 90, by=by))
            names.append(f"{by} {name}")
    return held(
        "a copter whose mount has no pan is turned by its camera",
        "mount angles, regions of interest, a panorama",
        frames,
        names,
        "camera-operator",
    )


def reboot_magic() -> Row:
    tries = {
        "param1": ((42, 24, 71, 93), (42, 24, 71, 94), (42, 24, 71, 100), (3,), (2,)),
        "param2": ((1, 3), (0, 2)),
        "param6": ((1, 0, 0, 0, 0, 20190226), (1, 0, 0, 0, 0, 1)),
    }
    name = "PREFLIGHT_REBOOT_SHUTDOWN"
    scene = Scene("pilot")
    frames = {which: [command(name, *given) for given in all_given] for which, all_given in tries.items()}
    assert scene.sends(*(sent for sents in frames.values() for sent in sents), WELL) == [WELL]
    counts = {f"COMMAND_LONG {name} {which}": len(sents) for which, sents in frames.items()}
    assert scene.uplink.kept_back() == {"station-1": counts}
    reboot = [command(name, 1), command(name, 1, 1, 1, 1)]
    assert scene.sends(*reboot) == reboot
    return Row(
        "the autopilot is crashed, stopped or left in its bootloader by the command that reboots it",
        f"{sum(counts.values())} frames as pilot: 42/24/71 with 93, 94 and 100, 2, 3, and a reboot in flight",
        "none reached the flight controller; two reboots that MAVLink documents did",
        only(scene.uplink.drops(), "guarded"),
    )


def ports_and_radios() -> Row:
    names = [
        *("TUNNEL MODALAI_ESC_UART_PASSTHRU", "TUNNEL MODALAI_IO_UART_PASSTHRU", "TUNNEL type 40000", "GPS_INJECT_DATA"),
        *("GPS_RTCM_DATA not RTCM", "AIRLINK_AUTH", "WIFI_CONFIG_AP", "ESC_EEPROM", "DATA96", "SERIAL_CONTROL"),
        "COMMAND_LONG CONTROL_HIGH_LATENCY",
    ]
    setting = b"\xb5\x62\x06\x09"
    frames = [
        *(tunnel("MODALAI_ESC_UART_PASSTHRU"), tunnel("MODALAI_IO_UART_PASSTHRU"), tunnel(40000)),
        frame("GPS_INJECT_DATA"),
        filled("GPS_RTCM_DATA", {"len": len(setting), "data": setting}),
        *(frame(name) for name in ("AIRLINK_AUTH", "WIFI_CONFIG_AP", "ESC_EEPROM", "DATA96", "SERIAL_CONTROL")),
        command("CONTROL_HIGH_LATENCY", 1),
    ]
    what = "tunnels to an ESC and an I/O board, bytes for the GPS receiver, other radios, the end of telemetry"
    return held("ports and radios behind the autopilot are reached", what, frames, names, "pilot")


def logs_removed() -> Row:
    log = b"/APM/LOGS/00000042.BIN"
    names = ("REMOVEFILE", "TRUNCATEFILE", "CREATEFILE", "OPENFILEWO", "WRITEFILE", "RENAME", "REMOVEDIRECTORY")
    frames = [file_operation(name, log) for name in names]
    frames += [frame("LOG_ERASE"), command("PREFLIGHT_STORAGE", 0, 0, -1), command("DO_AUX_FUNCTION", 164, 2)]
    others = ("LOG_ERASE", "COMMAND_LONG PREFLIGHT_STORAGE param3", "COMMAND_LONG DO_AUX_FUNCTION param1")
    return held(
        "the logs of the flight are removed, cut off, written over or ended",
        "by file transfer, by message and by command",
        frames,
        [*(f"FILE_TRANSFER_PROTOCOL {name}" for name in names), *others],
        "pilot",
    )


def scripts_and_keys_by_file() -> Row:
    written = [file_operation(name, b"/APM/scripts/a.lua") for name in ("CREATEFILE", "WRITEFILE")]
    read = [
        file_operation("OPENFILERO", path)
        for path in (
            b"@SYS/storage.bin",
            b"/fs/microsd/mavlink/mavlink-signing-key.bin",
            b"/APM/STRG_BAK./STRG0.bak",
            b"/APM/ArduCopter.stg",
            b"/var/lib/zegel/air/device.key",
        )
    ]
    held_files = ("@sys/storage.bin*", "fs/microsd/mavlink/*", "*strg_bak/*", "*.stg", "var/lib/zegel/*")
    names = ("CREATEFILE", "WRITEFILE", *(f"OPENFILERO {pattern}" for pattern in held_files))
    return held(
        "a script is put aboard by file, the signing key that SETUP_SIGNING set is read back, and on a Linux that is the"
        " autopilot too the key of zegel",
        "two operations that write, five that read",
        [*written, *read],
        [f"FILE_TRANSFER_PROTOCOL {name}" for name in names],
        "pilot",
    )


def signing_behind_flags() -> Row:
    """A C parser gives a frame up at flags that it does not know, and goes on at the next byte."""
    inner = frame("SETUP_SIGNING")
    frames = [frame("FILE_TRANSFER_PROTOCOL", inner.ljust(251, b"\0"), flags=flags) for flags in (2, 0x80)]
    names = ["FILE_TRANSFER_PROTOCOL, unknown flags"]
    what = "SETUP_SIGNING is hidden in a frame at whose flags the flight controller gives up"
    return held(what, "two kinds of flags", frames, names, "maintainer")


def by_mission() -> Row:
    commands = ("FLASH_BOOTLOADER", "STORAGE_FORMAT", "CONTROL_HIGH_LATENCY", "SCRIPTING", "DO_SET_PARAMETER")
    frames, names = [], []
    for by in ("MISSION_ITEM", "MISSION_ITEM_INT"):
        frames += [*(command(name, by=by) for name in commands), command("PREFLIGHT_REBOOT_SHUTDOWN", 3, by=by)]
        names += [*(f"{by} {name}" for name in commands), f"{by} PREFLIGHT_REBOOT_SHUTDOWN param1"]
    return held("what a pilot may not command is made an item of a mission", "both kinds of item", frames, names, "pilot")


def by_parameter() -> Row:
    held_names = {
        "BRD_OPTIONS": "BRD_*",
        "RC8_OPTION": "RC*_OPTION",
        "MAV1_OPTIONS": "MAV*_OPTIONS",
        "SYS_BL_UPDATE": "SYS_*",
        "SERIAL_PASS2": "SERIAL*",
        "MAV_0_CONFIG": "MAV_?_*",
        "LOG_BACKEND_TYPE": "LOG_*",
        "SDLOG_MODE": "SDLOG_*",
        "SCR_ENABLE": "SCR_[!U]*",
    }
    frames = [parameter(name.encode(), by) for name in held_names for by in ("PARAM_SET", "PARAM_EXT_SET")]
    names = [f"{by} {pattern}" for pattern in held_names.values() for by in ("PARAM_SET", "PARAM_EXT_SET")]
    frames.append(parameter(b"WPNAV_SPEED", "PARAM_MAP_RC", param_index=7))
    return held(
        "bootloader, passthrough, ports, scripts and logs are set by parameter",
        f"{len(held_names)} names, and one parameter by its number",
        frames,
        [*names, "PARAM_MAP_RC by number"],
        "pilot",
    )


def not_defined() -> Row:
    carriers = ("COMMAND_LONG", "COMMAND_INT", "MISSION_ITEM_INT")
    frames = [command(number, by=by) for number in (40001, 54321) for by in carriers]
    names = [f"{by} MAV_CMD {number}" for number in (40001, 54321) for by in carriers]
    what = "two numbers, in three messages"
    return held("a command that MAVLink does not define, and its firmware does", what, frames, names, "pilot")


def hidden_in_a_longer_frame() -> Row:
    inside = command("FLASH_BOOTLOADER")
    frames = [frame("PING", bytes(14) + inside), frame("PING", inside), frame("PING", bytes(14) + inside[:20])]
    return held(
        "a command is hidden in a frame that is longer than its definition",
        "a whole one, and the beginning of one that the next frame would finish",
        frames,
        ["PING, a frame inside"],
        *("camera-operator", "pilot"),
    )


def blocked_parameter() -> Row:
    """Of an agency's own policy, which a ground that judges nothing does not have."""
    frames = [
        *(parameter(b"FS_THR_ENABLE", by) for by in ("PARAM_SET", "PARAM_EXT_SET")),
        parameter(b"fs_thr_enable", "PARAM_MAP_RC", param_index=-1),
        parameter(b"", "PARAM_MAP_RC", param_index=7),
        *(command("DO_SET_PARAMETER", 7, 0, by=by) for by in ("COMMAND_LONG", "MISSION_ITEM_INT")),
        *(file_operation(name, b"@PARAM/param.pck") for name in ("createfile", "openfilewo", "writefile")),
        file_operation("createfile", b"APM/scripts/fs.lua"),
        frame("SERIAL_CONTROL"),
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "guard.toml")
        path.write_text('[guard.technician]\nbase = "pilot"\nblock_param = ["FS_*"]\n')
        scene = Scene("technician", Guards.of(str(path)))
    assert scene.sends(*frames, WELL) == [WELL]
    names = [*scene.uplink.kept_back()["station-1"]]
    return Row(
        "a parameter that the agency's own policy blocks is set in another way",
        f"{len(frames)} frames as technician (guard.toml): other messages, by number, in a mission, by file, script, shell",
        f"none reached the flight controller; named: {'; '.join(names[:3])} and so on",
        only(scene.uplink.drops(), "guarded"),
    )


def camera_around_the_seal() -> Row:
    scene = Scene("pilot")
    fields = {"VIDEO_STREAM_INFORMATION": "uri", "CAMERA_INFORMATION": "cam_definition_uri", "COMPONENT_METADATA": "uri"}
    addresses = (
        b"rtsp://192.168.1.10:8554/1",
        b"HTTP://192.168.1.10/cam.xml",
        b" rtsp://192.168.1.10",
        b"192.168.1.10:5600",
    )
    frames = [filled(name, {field: address}) for name, field in fields.items() for address in addresses]
    well = [WELL, filled("VIDEO_STREAM_INFORMATION", {"uri": b"5600"}), filled("CAMERA_INFORMATION", {})]
    assert scene.uplink.may_leave([*frames, *well], scene.now) == well
    assert scene.uplink.kept_aboard.counts == dict.fromkeys(fields, len(addresses))
    assert all("192.168" not in line for line in scene.said)
    return Row(
        "a camera tells the stations by MAVLink to fetch its picture past the gateway, in clear",
        f"{len(frames)} frames from the flight controller's side: {', '.join(fields)}",
        f"none left the aircraft; named: {'; '.join(fields)}; the addresses are in no alarm",
        only(scene.uplink.drops(), "guarded"),
    )


def what_must_pass() -> Row:
    frames = [
        *(frame(name) for name in ("REQUEST_EVENT", "COMMAND_CANCEL", "PLAY_TUNE_V2", "HEARTBEAT")),
        *(
            frame(name, b"\1" * size)
            for name, size in (("TIMESYNC", 18), ("MISSION_COUNT", 9), ("SET_ATTITUDE_TARGET", 51))
        ),
        *(frame(name, b"\1" * size) for name, size in (("SET_MODE", 9), ("HEARTBEAT", 20))),
        *(command("DO_REPOSITION", by=by) for by in ("COMMAND_LONG", "COMMAND_INT")),
        *(command("NAV_WAYPOINT", by=by) for by in ("MISSION_ITEM", "MISSION_ITEM_INT")),
        *(parameter(b"WPNAV_SPEED"), file_operation("burstreadfile"), command("PREFLIGHT_REBOOT_SHUTDOWN", 1)),
    ]
    scene = Scene("pilot")
    assert scene.sends(*frames) == frames
    assert scene.uplink.kept_back() == {}
    return Row(
        "no attack: messages that MAVLink has, and a library of last year does not have",
        f"{len(frames)} frames as pilot: REQUEST_EVENT, COMMAND_CANCEL, PLAY_TUNE_V2, new extension fields, fields to come",
        f"all {len(frames)} reached the flight controller, byte for byte",
        {},
    )


ATTACKS = (
    failsafe_kept_quiet,
    copter_turned,
    reboot_magic,
    ports_and_radios,
    logs_removed,
    scripts_and_keys_by_file,
    signing_behind_flags,
    by_mission,
    by_parameter,
    not_defined,
    hidden_in_a_longer_frame,
    blocked_parameter,
    camera_around_the_seal,
    what_must_pass,
)
