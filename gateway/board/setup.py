"""`zegel setup`: asks five questions, writes the configuration of a role, and says what to wire, to set and to do next.

What lives here: the questions, their defaults, the file. wiring.py has the texts about wires, parameters and keys.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import ipaddress
import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from gateway import config
from gateway.board import box as boxes
from gateway.board import port, recording_folder, settings_file, source_answer, sudo_user, wiring
from gateway.board.computer import told
from gateway.board.source_answer import NONE
from gateway.board.subject import Role, default_path
from gateway.config import AirConfig, GroundConfig
from gateway.errors import ConfigError
from keys.commands import account
from keys.commands.terminal import show
from keys.errors import Denied
from keys.folders import device, station, store
from keys.printable import printable

Values: TypeAlias = dict[str, object]
LINK_PORT = 14600
USB_BAUD, PINS_BAUD = 115_200, 921_600


@dataclasses.dataclass(frozen=True)
class Question:
    """`key` is the name in the configuration and of the flag; `comment` precedes it in the file, if it is written there."""

    key: str
    text: str
    comment: str = ""
    several: bool = False


QUESTIONS: dict[Role, tuple[Question, ...]] = {
    "air": (
        Question("device", "device folder", "The folder with the device's key and order."),
        Question("fc", "flight controller", "The flight controller."),
        Question("video", source_answer.QUESTION, "Where cameras send RTP or MPEG-TS on this computer.", True),
        Question("link", "stations are at", "Where sealed datagrams go; several links carry the same datagrams.", True),
        Question("autopilot", f"flight controller runs {' or '.join(wiring.AUTOPILOTS)}"),
    ),
    "ground": (
        Question("station", "station folder", "The folder with the station's key."),
        Question("order", "operation order", "The order that lists this station; a replaced file counts at once."),
        Question(
            "link", "sealed datagrams come in at", "Where sealed datagrams come in; several are received together.", True
        ),
        Question("gcs", "MAVLink goes to", "Where MAVLink goes: QGroundControl and Mission Planner listen at 14550.", True),
        Question("video", f"video goes to, or {NONE}", "The players of video A and video B.", True),
    ),
}


def command(parser: argparse.ArgumentParser) -> None:
    """ask five questions, write the configuration, and say what to wire and to set"""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        "example:\n  sudo zegel setup air\n"
        "  sudo zegel setup air --yes --fc serial:/dev/ttyAMA0:921600 --link udpout:192.168.10.2:14600\n"
        "  sudo zegel setup box --interface eth1 --seen-by dji\n"
        "  zegel setup ground --config ground.toml --station pilot --order op.order"
    )
    parser.add_argument(
        "role", choices=("air", "ground", "box"), help="box: zegel air at a vendor's controller, docs/box.md"
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="FILE.d/50-setup.toml is written, without the .toml of FILE; default /etc/zegel/ROLE.toml",
    )
    parser.add_argument("--yes", action="store_true", help="ask nothing, and use the defaults that were found")
    parser.add_argument("--device", metavar="DIR", help="air: the device folder")
    parser.add_argument("--fc", metavar="ENDPOINT", help="air: the flight controller")
    parser.add_argument("--autopilot", choices=wiring.AUTOPILOTS, help="air: whose parameters to show")
    parser.add_argument("--station", metavar="DIR", help="ground: the station folder")
    parser.add_argument("--order", metavar="FILE", help="ground: the operation order")
    parser.add_argument("--gcs", metavar="ENDPOINT", action="append", help="ground: where MAVLink goes; repeatable")
    parser.add_argument(
        "--link", metavar="ENDPOINT", action="append", help="where stations are, or where to listen; repeatable"
    )
    parser.add_argument("--video", metavar="ENDPOINT", action="append", help=f"cameras, or players; or {NONE}; repeatable")
    parser.add_argument("--interface", metavar="IF", help=f"box: where the controller is; {boxes.INTERFACE}")
    parser.add_argument(
        "--seen-by", metavar="WHO", help=f"air, box: who else has the picture of a source, such as dji; or {NONE}"
    )
    parser.add_argument("--record", metavar="DIR", help="air: where recordings go, if the order has a recording key")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    role: Role = "air" if args.role == "box" else args.role
    asked = [question.key for question in QUESTIONS[role]]
    path: Path = args.config or default_path(role)
    _refuse_others_flags(args, role)
    _require_writable(path, role)
    box = boxes.asked(args) if args.role == "box" else None
    if box:
        boxes.answer_the_rest(args)
    there = _there(path, role)
    found = {**_found(role), **there}
    given: Values = {q.key: _parsed(q, value) for q in QUESTIONS[role] if (value := getattr(args, q.key)) is not None}
    answers = given if args.yes else {**given, **_asked(role, given, found)}
    answers = source_answer.taken(answers, args.seen_by, asks=not args.yes) if role == "air" else answers
    if role == "air":
        answers |= recording_folder.taken(args.record, there.get("record"), None if _is_service(path) else path.parent)
    values = {**found, **answers}
    autopilot = str(values.pop("autopilot", wiring.ARDUPILOT))
    _check(role, values)
    _write(path, role, {key: value for key, value in values.items() if key in (*asked, *answers)})
    for line in (sudo_user.told(path), _recording(path, role)):
        if line:
            show(line)
    fc = config.endpoint(str(values["fc"])) if role == "air" else None
    told = boxes.write(box, path) if box else wiring.aboard(fc, autopilot) if fc else wiring.STATION
    show()
    show(told)
    show()
    show(_next(path, role, values))
    return 0


def _recording(path: Path, role: Role) -> str:
    """What was done so that the service can record where the configuration says; empty if nothing was."""
    if role != "air" or not _is_service(path):
        return ""
    return recording_folder.allow(config.load_file(AirConfig, path).record.folder)


def _refuse_others_flags(args: argparse.Namespace, role: Role) -> None:
    if args.record and role != "air":
        raise ConfigError("--record is for zegel setup air", hint="zegel setup air --help")
    if args.interface and args.role != "box":
        raise ConfigError("--interface is for zegel setup box", hint="zegel setup box --help")
    mine = {question.key for question in QUESTIONS[role]}
    for other in (question.key for questions in QUESTIONS.values() for question in questions if question.key not in mine):
        if getattr(args, other) is not None:
            raise ConfigError(f"--{other} is not for zegel {role}", hint=f"zegel setup {args.role} --help")


# --- defaults ---


def _there(path: Path, role: Role) -> Values:
    """What the configuration that is there says already, as far as this role has it. ConfigError if that cannot be read."""
    known = (AirConfig if role == "air" else GroundConfig).__struct_fields__
    found: Values = {}
    for file in config.files(path) if config.is_there(path) else ():
        with contextlib.suppress(ConfigError) if file == config.setup_file(path) else contextlib.nullcontext():
            found |= config.read(file)
    return {key: value for key, value in found.items() if key in known}


def _found(role: Role) -> Values:
    """Defaults, by the hardware of this computer."""
    if role == "ground":
        defaults = GroundConfig(station=str(station.SERVICE), order=str(station.SERVICE.with_name("op.order")))
        return {question.key: _plain(getattr(defaults, question.key)) for question in QUESTIONS[role]}
    values: Values = {
        "device": str(device.SERVICE),
        "fc": _flight_controller(),
        "video": ["udpin:127.0.0.1:5602"],
        "autopilot": wiring.ARDUPILOT,
    }
    if neighbour := _neighbour():
        values["link"] = [f"udpout:{neighbour}:{LINK_PORT}"]
    return values


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _flight_controller() -> str:
    name = next(iter(port.present()), "/dev/ttyAMA0")
    return f"serial:{name}:{USB_BAUD if wiring.is_usb(name) else PINS_BAUD}"


def _neighbour() -> str:
    """A guess: the first address of the first network of this computer, or the second if the first is its own."""
    try:
        links = json.loads(told("ip", "-json", "-4", "address", "show", "scope", "global") or "[]")
        own = [ipaddress.ip_interface(f"{a['local']}/{a['prefixlen']}") for link in links for a in link["addr_info"]]
        return str(next(host for host in own[0].network.hosts() if host != own[0].ip)) if own else ""
    except (ValueError, KeyError, StopIteration):
        return ""


# --- asking ---


def _asked(role: Role, given: Mapping[str, object], found: Mapping[str, object]) -> Values:
    """An answer for each question without a flag; after a wrong answer the question is repeated."""
    show(f"zegel {role}: press Enter for the value in brackets; separate several by a space")
    return {q.key: _answer(q, role, found) for q in QUESTIONS[role] if q.key not in given}


def _answer(question: Question, role: Role, found: Mapping[str, object]) -> object:
    default = found.get(question.key)
    shown = (" ".join(map(str, default)) or NONE) if isinstance(default, list) else default
    while True:
        try:
            typed = input(f"{question.text}{f' [{printable(shown)}]' if shown else ''}: ").strip()
        except EOFError:
            show()
            raise ConfigError(
                "there is no terminal to answer", hint="with --yes nothing is asked; each question has a flag, see --help"
            ) from None
        if not typed and default is not None:
            return default
        try:
            value = _parsed(question, typed.split() if question.several else typed)
            _check(role, {**_minimum(role), **source_answer.trial(question.key, value)})
        except ConfigError as error:
            show(f"  {error}\n  {error.hint}")
        else:
            return value


def _minimum(role: Role) -> Values:
    """The other values that are needed to check one answer alone."""
    return {"device": "x", "link": ["udpout:127.0.0.1:1"]} if role == "air" else {"station": "x", "order": "x"}


def _parsed(question: Question, value: object) -> object:
    if question.key == "autopilot" and value not in wiring.AUTOPILOTS:
        raise ConfigError(
            f"{value!r} is none of {', '.join(wiring.AUTOPILOTS)}", hint="which firmware the flight controller has"
        )
    if not value:
        raise ConfigError("this question has no default", hint=f"--{question.key}, see --help")
    return [] if question.key == "video" and value == [NONE] else value


def _check(role: Role, values: Mapping[str, object]) -> None:
    """ConfigError if `zegel air` or `zegel ground` would refuse it."""
    asked = argparse.Namespace(config=None, **values)
    settings = config.load(AirConfig, asked) if role == "air" else config.load(GroundConfig, asked)
    for text in (settings.fc,) if isinstance(settings, AirConfig) else settings.gcs:
        config.endpoint(text)


# --- writing ---


def _require_writable(path: Path, role: Role) -> None:
    """Denied or MissingFile, before anybody has answered anything."""
    file = config.setup_file(path)
    first = next((each for each in (file, file.parent) if each.parent.is_dir()), path.parent if _is_service(path) else path)
    try:
        with account.owner(path).acting():
            store.require_writable(first)
    except Denied as error:
        cure = f"sudo zegel setup {role}, or for a file of your own: zegel setup {role} --config {role}.toml"
        raise Denied(str(error), hint=cure) from None


def _is_service(path: Path) -> bool:
    return path in {default_path("air"), default_path("ground")}


def _write(path: Path, role: Role, values: Mapping[str, object]) -> None:
    """Write it, completely or not at all; a former file is kept. `path` itself stays unchanged."""
    file = config.setup_file(path)
    with account.owner(path).acting():
        said = _save(file, _toml(role, {**_kept(file), **values}))
    show(said)
    for key in values:
        if (counts := config.file_for(path, key)).name > file.name:
            show(f"note: {counts} sets {key} too, and overrides it")


def _save(file: Path, text: str) -> str:
    """Write it; the result is a sentence about it."""
    for folder in (file.parent.parent, file.parent):
        settings_file.make_folder(folder)
    before = ""
    if file.exists():
        if (old := file.read_bytes()) == text.encode():
            return f"{file} has these values already"
        kept = file.with_name(f"{file.name}.old")
        settings_file.write(kept, old)
        before = f"{file} existed already: it is now {kept}\n"
    settings_file.write(file, text.encode())
    return f"{before}wrote {file}"


def _kept(file: Path) -> Values:
    """The values that a person wrote into the file of an earlier setup."""
    with contextlib.suppress(ConfigError):
        return config.read(file)
    return {}


def _toml(role: Role, values: Mapping[str, object]) -> str:
    comments = {question.key: question.comment for question in QUESTIONS[role]}
    lines = [
        f"# zegel {role}. Written by zegel setup, over {role}.toml; for the other keys: zegel {role} --help",
    ]
    for key, value in values.items():
        lines += ["", *([f"# {comments[key]}"] if key in comments else []), f"{key} = {settings_file.literal(value)}"]
    return "\n".join(lines) + "\n"


# --- the next steps ---


def _next(path: Path, role: Role, values: Mapping[str, object]) -> str:
    service = account.of_service() if _is_service(path) else None
    where = "" if _is_service(path) else f" --config {shlex.quote(str(path))}"
    start = f"sudo systemctl enable --now zegel-{role}" if service else f"zegel {role} --config {shlex.quote(str(path))}"
    steps = wiring.keys_aboard if role == "air" else wiring.keys_at_station
    doctor = f"{'sudo ' if service else ''}zegel doctor {role}{where}"
    sources = f"\n  {start.replace(f'zegel-{role}', 'zegel-source').replace(f'zegel {role}', 'zegel source')}"
    return f"{steps(values, service)}\n  {doctor}\n  {start}{sources if values.get('source') else ''}"
