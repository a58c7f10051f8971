"""order.toml: what a person asks for in an order, as a file: written to be filled in, and read strictly.

    operation = "Night Watch"
    hours = 8
    [[device]]                                   one for each aircraft
    file = "drone-7.crt"
    systems = [1, 51]
    [[station]]                                  one for each station
    file = "pilot/station.pub"
    roles = ["telemetry", "video", "command"]
    policy = "pilot"
    [[recording]]                                one for each recording key
    file = "archive/rec.pub"

What lives here: the form, both ways. What a role or a policy is, arguments.py knows: it is the same as on the command line.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec
from cryptography import x509

from keys import order_limits
from keys.certificate import fingerprint, name_of
from keys.commands import arguments
from keys.commands.arguments import ALL_ROLES, Devices, Listing
from keys.errors import WrongToml
from keys.folders import guard_file, toml
from keys.folders.guard_file import GuardFile
from keys.folders.recording_public import RecordingPublic
from keys.folders.station_public import StationPublic
from keys.lanes import role_names
from keys.order import CLASSIFICATIONS
from keys.order_station import GUARDS
from keys.printable import printable

Table = dict[str, object]
Kind = TypeVar("Kind", bound=msgspec.Struct)
Found = TypeVar("Found")


class _Device(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    file: str
    systems: tuple[int, ...] = ()


class _Station(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    file: str
    roles: tuple[str, ...]
    policy: str | None = None


class _Recording(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    file: str


class _Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    operation: str
    hours: float
    start: datetime.datetime | None = None
    classification: str = CLASSIFICATIONS[0]
    pad_video: bool = False
    record_on_request: bool = False
    guard: str | None = None
    device: tuple[Table, ...]
    station: tuple[Table, ...]
    recording: tuple[Table, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Form:
    """What is asked for, by a file or by the command line."""

    operation: str
    seconds: int
    start: int | None  # Unix seconds; None: now
    classification: str
    pad_video: bool
    record_on_request: bool
    guards: GuardFile | None
    devices: tuple[Devices, ...]  # names are paths
    stations: tuple[Listing, ...]
    recording: tuple[Path, ...]  # public files of recording keys


# --- reading ---


def read(path: Path) -> Form:
    """WrongToml names what is wrong and where. Files that it names are found from the folder in which it is."""
    asked = _table(_Order, toml.read(path), str(path))
    if asked.classification not in CLASSIFICATIONS:
        raise WrongToml(
            f"{path}: the classification is {asked.classification!r}", hint=f"it is {' or '.join(CLASSIFICATIONS)}"
        )
    guards = guard_file.read(path.parent / asked.guard) if asked.guard is not None else None
    return Form(
        operation=asked.operation,
        seconds=_said(str(path), arguments.hours, str(asked.hours)),
        start=None if asked.start is None else _said(str(path), arguments.unix, asked.start),
        classification=asked.classification,
        pad_video=asked.pad_video,
        record_on_request=asked.record_on_request,
        guards=guards,
        devices=tuple(_device(path, place, table) for place, table in enumerate(asked.device, 1)),
        stations=tuple(_station(path, place, table, guards) for place, table in enumerate(asked.station, 1)),
        recording=tuple(_recording(path, place, table) for place, table in enumerate(asked.recording, 1)),
    )


def _device(path: Path, place: int, table: Table) -> Devices:
    where = f"{path}, device {place}"
    entry = _table(_Device, table, where)
    return _said(where, arguments.device_listing, str(path.parent / entry.file), entry.systems)


def _station(path: Path, place: int, table: Table, guards: GuardFile | None) -> Listing:
    where = f"{path}, station {place}"
    entry = _table(_Station, table, where)
    _said(where, arguments.require_policy, entry.policy, guards)
    return _said(where, arguments.station_listing, str(path.parent / entry.file), entry.roles, entry.policy)


def _recording(path: Path, place: int, table: Table) -> Path:
    return path.parent / _table(_Recording, table, f"{path}, recording key {place}").file


def _table(kind: type[Kind], values: Table, where: str) -> Kind:
    toml.require_known(kind, values, where)
    cure = f"zegel order draft writes a file that shows how; the keys are {', '.join(kind.__struct_fields__)}"
    return toml.convert(kind, values, defaultdict(lambda: where), cure)


def _said(where: str, judge: Callable[..., Found], *values: object) -> Found:
    try:
        return judge(*values)
    except argparse.ArgumentTypeError as error:
        raise WrongToml(f"{where}: {error}", hint="zegel order issue --help explains each") from None


# --- writing ---

LINE = "\n"
HEAD = f"""\
# What an order is to say. Fill it in, then: zegel order issue AGENCY --file {{name}} -o op.order
# What follows # is a comment. Files are found from the folder of this one.
#
# {order_limits.SAID.replace(LINE, LINE + "# ")}

operation = ""    # its name, as people call it
hours = 8    # how long it is in force; zegel order extend lets it last longer, zegel order end ends it early
# start = 2031-05-09T18:00:00Z    # when it begins: UTC, or with a zone (+02:00); without this line it begins now
# classification = "confidential"    # refuses keys that are not post-quantum; without this line: regular
# guard = "guard.toml"    # guard policies of your own; aircraft and stations need the same file
# pad_video = true    # hides the sizes of video datagrams, at the price of bandwidth
# record_on_request = true    # video is recorded aboard only while a station asks for it

# Aircraft: the certificate of each, and its MAVLink system ids (SYSID_THISMAV, MAV_SYS_ID), such as [1] or [1, 51].
"""
STATIONS = f"""
# Stations: each one's public file, and what it may do. Roles: {", ".join(role_names(ALL_ROLES))}.
# policy says which commands of a station with the role command reach the flight controller: {", ".join(GUARDS)}.
"""
RECORDING = """
# Recording keys: the public file of each, made by zegel recording keygen. Without one, nothing is recorded aboard.
"""


def write(
    name: str,
    devices: dict[Path, x509.Certificate],
    stations: dict[Path, StationPublic],
    recording: dict[Path, RecordingPublic],
    folder: Path,
) -> str:
    """The text of a form for `folder`, with these files in it or, of what there is none, an example."""
    lines = [HEAD.format(name=printable(name))]
    known = [(path, f"{name_of(one)}, key {fingerprint(one)}") for path, one in devices.items()]
    for path, what in known or [(folder / "drone-7.crt", "an example")]:
        lines += ["[[device]]", *_file(path, what, folder), "systems = []", ""]
    lines.append(STATIONS)
    public = [
        (path, f"{one.name}, of {one.agency}, {one.profile.label}, key {one.fingerprint}") for path, one in stations.items()
    ]
    for path, what in public or [(folder / "pilot/station.pub", "an example")]:
        lines += ["[[station]]", *_file(path, what, folder), 'roles = ["telemetry", "video"]', '# policy = "pilot"', ""]
    lines.append(RECORDING)
    for key_path, key in recording.items():
        what = f"{key.name}, {key.profile.label}, key {key.fingerprint}"
        lines += ["[[recording]]", *_file(key_path, what, folder), ""]
    if not recording:
        lines += ["# [[recording]]", '# file = "archive/rec.pub"', ""]
    return "\n".join(lines)


def _file(path: Path, what: str, folder: Path) -> Iterator[str]:
    # The way from there leads through ..: the system follows a symbolic link first, and a path in Python does not.
    way = os.path.relpath(path.parent.resolve() / path.name, folder.resolve())
    # A string is spelled in TOML as it is in JSON, but for the one control character that JSON lets stand.
    spelled = json.dumps(way, ensure_ascii=False).replace("\x7f", "\\u007f")
    yield f"file = {spelled}    # {printable(what)}"
