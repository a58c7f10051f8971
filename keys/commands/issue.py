"""`zegel order issue` and `draft`: the first order of an operation, asked for by options or by a file.

What lives here: arguments and sentences. What must not: a rule about orders or files.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterable
from pathlib import Path

from keys import order_limits
from keys.certificate import fingerprint
from keys.commands import account, arguments, issued, order_form
from keys.commands.arguments import COMPARE
from keys.commands.order_form import Form
from keys.commands.terminal import show
from keys.errors import MalformedOrder, OrderExpired
from keys.folders import public_files, store
from keys.folders.agency import AgencyFolder
from keys.order import CLASSIFICATIONS, Order
from keys.order_device import OrderDevice
from keys.order_station import OrderRecording, OrderStation
from keys.policy import Policy, PolicyFlag
from keys.times import duration

NEEDED = ("operation", "device", "station", "hours")
OPTIONS = (*NEEDED, "classification", "pad_video", "start", "guard", "recording", "record_on_request")


def add_commands(add: arguments.Add) -> None:
    draft = add("draft", _draft, "write a file to fill in for zegel order issue --file", ". -o order.toml")
    draft.add_argument(
        "dir",
        type=Path,
        nargs="?",
        metavar="DIR",
        help="where certificates, station.pub and rec.pub files are, to be written into it",
    )
    arguments.add_output(draft, "order.toml")
    draft.set_defaults(holds_key=False)
    issue = add(
        "issue",
        _issue,
        "sign an order: which aircraft, which stations with which roles, how long",
        'agency --operation "Night Watch" --device device.crt:1 \\\n    --station pilot.pub:telemetry,video,command'
        " --station observer.pub:telemetry,video --hours 8 -o op.order",
    )
    issue.epilog = f"{order_limits.SAID}\n\n{issue.epilog}"
    issue.add_argument("dir", type=Path, metavar="AGENCY", help="the agency's folder, with signer/ in it")
    issue.add_argument(
        "--file", type=Path, metavar="order.toml", help="read all that follows from a file; zegel order draft writes one"
    )
    issue.add_argument("--operation", metavar="NAME", help="the name that people use")
    arguments.add_devices(issue, "FILE[:IDS]", "an aircraft's certificate", required=False)
    arguments.add_stations(issue, required=False)
    arguments.add_guard(issue, "guard policies of your own, for aircraft and stations that have the same file")
    arguments.add_recording(issue)
    issue.add_argument(
        "--record-on-request",
        action="store_true",
        default=None,
        help="record video only while a station asks for it",
    )
    issue.add_argument("--classification", choices=CLASSIFICATIONS, help="default regular")
    issue.add_argument("--hours", type=arguments.hours, help="how long it is in force")
    issue.add_argument(
        "--pad-video",
        action="store_true",
        default=None,
        help="hide the sizes of video datagrams, at the price of bandwidth",
    )
    issue.add_argument("--start", type=arguments.start, metavar="TIME", help="UTC, such as 2031-05-09T18:00; default now")
    arguments.add_output(issue, "op.order")


def _draft(args: argparse.Namespace) -> int:
    folder = args.output.parent
    devices = public_files.devices(args.dir) if args.dir else {}
    stations, unfit = public_files.stations(args.dir) if args.dir else ({}, {})
    recording, unfit_keys = public_files.recording_keys(args.dir) if args.dir else ({}, {})
    text = order_form.write(args.output.name, devices, stations, recording, folder)
    store.write(args.output, text.encode(), new=True)
    counts = f"{len(devices)} aircraft, {len(stations)} stations and {len(recording)} recording keys"
    found = f"{counts} of {args.dir}" if args.dir else "examples"
    show(f"{args.output}: a file to fill in, with {found}")
    for path, error in {**unfit, **unfit_keys}.items():
        show(f"  note: {path} is left out: {error}")
    show("each station has the roles telemetry and video: add command for the stations that command")
    show(f"next: zegel order issue AGENCY --file {arguments.word(args.output)} -o op.order")
    return 0


def _issue(args: argparse.Namespace) -> int:
    store.require_free(args.output)
    form = _form(args)
    publics, recording = issued.publics(form.stations), issued.recording_keys(form.recording)
    certificates = [arguments.read_certificate(Path(given.name)) for given in form.devices]
    now = arguments.now()
    with account.owner(args.dir).acting():
        folder = AgencyFolder(args.dir)
        folder.require_clock(now)
        devices = [folder.device(certificate, now) for certificate in certificates]
        order = _order(form, folder.name, devices, issued.listed(form.stations, publics, folder.name), recording, now)
        signed = folder.issue(order)
    store.write(args.output, signed.raw, new=True)
    length, end = duration(form.seconds), arguments.when(order.not_after)
    show(f"{args.output}: order {signed.content.serial} for {arguments.title(order)}, {length} until {end}")
    if order.not_before > now:
        show(f"  it begins at {arguments.when(order.not_before)}")
    for listed in order.stations:
        show(f"  {issued.said(listed)}; key fingerprint {fingerprint(listed.pub)}")
    for line in issued.said_of_recording(order):
        show(f"  {line}")
    if form.guards:
        path = arguments.word(form.guards.path)
        show(f"  with the guard policies of {path}: aircraft and stations need the same file; zegel guard test checks it")
    issued.say_weaknesses(signed)
    show(f"read it: zegel order show {arguments.word(args.output)}. With each station, {COMPARE}")
    show(f"next, aboard: {issued.load(args.output)}; and a copy of the order to each station")
    return 0


def _form(args: argparse.Namespace) -> Form:
    given = {name: value for name in OPTIONS if (value := getattr(args, name)) not in (None, [])}
    if args.file:
        if given:
            args.parser.error(f"--file holds the whole order: write {_options(given)} there")
        return order_form.read(args.file)
    if missing := [name for name in NEEDED if name not in given]:
        args.parser.error(f"give {_options(missing)}, or --file order.toml, which zegel order draft writes")
    return Form(
        operation=args.operation,
        seconds=args.hours,
        start=args.start,
        classification=args.classification or CLASSIFICATIONS[0],
        pad_video=bool(args.pad_video),
        record_on_request=bool(args.record_on_request),
        guards=arguments.guards_of(args),
        devices=tuple(args.device),
        stations=tuple(args.station),
        recording=tuple(args.recording),
    )


def _order(
    form: Form,
    agency: str,
    devices: list[OrderDevice],
    stations: list[OrderStation],
    recording: list[OrderRecording],
    now: int,
) -> Order:
    begin = now if form.start is None else form.start
    flags = PolicyFlag.PAD_VIDEO * form.pad_video | PolicyFlag.VIDEO_ON_REQUEST * form.record_on_request
    order = Order(
        op_id=b"",
        serial=0,
        not_before=begin,
        not_after=begin + form.seconds,
        agency=agency,
        operation=form.operation,
        classification=form.classification,
        devices=tuple(
            dataclasses.replace(device, systems=given.systems) for given, device in zip(form.devices, devices, strict=True)
        ),
        stations=tuple(stations),
        recording=tuple(recording),
        previous=None,
        policy=Policy(flags=flags),
        guards=form.guards.hash if form.guards else None,
    )
    if form.record_on_request and not recording:
        raise MalformedOrder(
            "video would be recorded on request, and the order lists no recording key",
            hint="list one, which zegel recording keygen makes, or leave out that it is recorded on request",
        )
    if now > order.not_after:
        raise OrderExpired(
            f"the order would have ended at {arguments.when(order.not_after)} already",
            hint="begin it later, or let it last longer",
        )
    return order


def _options(names: Iterable[str]) -> str:
    return ", ".join(f"--{name.replace('_', '-')}" for name in names)
