"""`zegel agency`, `device`, `station` and `order`: what a person types, and what is answered.

What lives here: arguments and sentences. What must not: a rule about keys, orders or files.
"""

from __future__ import annotations

import argparse
import datetime
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path

from cryptography import x509

from keys import certificate, files, order_text, station_public, store
from keys.agency import ROOT, SIGNER, AgencyFolder
from keys.certificate import fingerprint, load_certificate, utc
from keys.device import REQUEST, DeviceFolder
from keys.errors import ClockWrong, KeysError
from keys.files import Kind
from keys.grant import Profile
from keys.kid import Role, role_names
from keys.order import CLASSIFICATIONS, EARLIEST, LATEST, Order, OrderStation, parse_order, verify_order
from keys.policy import Policy, PolicyFlag
from keys.station import PUBLIC, StationFolder

ALL_ROLES = Role(sum(Role))
HOUR_S = 3600
HOURS_MAX = 366 * 24
COMPARE = "compare fingerprints by phone or in person"

Run = Callable[[argparse.Namespace], int]

# --- agency ---


def agency(parser: argparse.ArgumentParser) -> None:
    """make an agency's keys, and certify its devices"""
    add = _commands(parser)
    init = add("init", _agency_init, "make the root key and the order signer's key", 'agency --name "Harbour Police"')
    init.add_argument("dir", type=Path, metavar="DIR", help="a folder that is not there yet")
    init.add_argument("--name", required=True, help="the agency, as orders name it")
    certify = add(
        "certify-device",
        _agency_certify,
        "issue the certificate that a device asks for; needs the root key",
        "agency device.csr -o device.crt",
    )
    certify.add_argument("dir", type=Path, metavar="DIR", help="the agency's folder, with root/ in it")
    certify.add_argument("request", type=Path, metavar="device.csr", help="made by zegel device init")
    _add_output(certify, "device.crt")
    renew = add("new-signer", _agency_new_signer, "replace the order signer's key; needs the root key", "agency")
    renew.add_argument("dir", type=Path, metavar="DIR", help="the agency's folder, with root/ in it")


def _agency_init(args: argparse.Namespace) -> int:
    root = AgencyFolder.init(args.dir, args.name, _now())
    print(f"agency {args.name!r} made in {args.dir}")
    print(f"  {args.dir / ROOT}: the root key. Take this folder offline, with a copy; only certify-device needs it")
    print(f"  {args.dir / SIGNER}: the key that signs orders")
    print(f"  root key fingerprint {fingerprint(root)}")
    print(f"next: give {args.dir / ROOT / 'root.crt'} to every device and station of the agency, and {COMPARE}")
    return 0


def _agency_certify(args: argparse.Namespace) -> int:
    issued = AgencyFolder(args.dir).certify_device(files.read(Kind.REQUEST, args.request), _now())
    store.write(args.output, certificate.pem(issued), store.PUBLIC_MODE, new=True)
    end = int(issued.not_valid_after_utc.timestamp())
    print(f"{args.output}: certificate of device {certificate.name_of(issued)!r}, until {utc(end)}")
    print(f"  key fingerprint {fingerprint(issued)}; compare it with what zegel device init showed")
    print(f"next: zegel device enrol DIR {_word(args.output)} --root root.crt")
    return 0


def _agency_new_signer(args: argparse.Namespace) -> int:
    signer = AgencyFolder(args.dir).new_signer(_now())
    end = int(signer.not_valid_after_utc.timestamp())
    print(f"{args.dir / SIGNER}: a new signer's key of generation {certificate.generation(signer)}, until {utc(end)}")
    print("next: issue an order; an aircraft that has loaded it takes no order of an earlier signer any more")
    return 0


# --- device ---


def device(parser: argparse.ArgumentParser) -> None:
    """make an aircraft's key, enrol it with its agency, and load orders"""
    add = _commands(parser)
    init = add("init", _device_init, "make the device's key and the request for its certificate", "drone7 --name drone-7")
    init.add_argument("dir", type=Path, metavar="DIR", help="a folder that is not there yet")
    init.add_argument("--name", required=True, help="the aircraft, as orders name it")
    enrol = add(
        "enrol", _device_enrol, "take the certificate and trust the agency's root", "drone7 device.crt --root root.crt"
    )
    enrol.add_argument("dir", type=Path, metavar="DIR", help="the device's folder")
    enrol.add_argument("certificate", type=Path, metavar="device.crt", help="made by zegel agency certify-device")
    _add_root(enrol)
    load = add("load-order", _device_load, "put an order in force for the next flights", "drone7 op.order")
    load.add_argument("dir", type=Path, metavar="DIR", help="the device's folder")
    load.add_argument("order", type=Path, metavar="op.order", help="made by zegel order issue")


def _device_init(args: argparse.Namespace) -> int:
    request = DeviceFolder.init(args.dir, args.name)
    print(f"device {args.name!r} made in {args.dir}; its private key stays there")
    print(f"  key fingerprint {fingerprint(request)}")
    print(f"next, at the agency: zegel agency certify-device AGENCY {_word(args.dir / REQUEST)} -o device.crt")
    return 0


def _device_enrol(args: argparse.Namespace) -> int:
    issued, root = _certificate(args.certificate), _certificate(args.root)
    with DeviceFolder.open(args.dir) as folder:
        folder.enrol(issued, root)
        print(f"device {folder.name!r} is enrolled with {certificate.name_of(root)!r}")
    print(f"  root key fingerprint {fingerprint(root)}; {COMPARE}")
    print(f"next, for each operation: zegel device load-order {_word(args.dir)} op.order")
    return 0


def _device_load(args: argparse.Namespace) -> int:
    data = files.read(Kind.ORDER, args.order)
    with DeviceFolder.open(args.dir) as folder:
        verified = folder.load_order(data, int(time.time()))
        damage = folder.damage()
        print(f"device {folder.name!r} flies from now on under the order for {_title(verified.order)}")
    print(f"  in force from {utc(verified.order.not_before)} to {utc(verified.order.not_after)}")
    print(f"  {order_text.signed_by(verified)}")
    if damage:
        print(f"  note: {damage}")
    if verified.order.not_before > time.time():
        print("  note: by this board's clock it has not begun; aircraft and stations use it from its beginning")
    print(f"next: zegel air --device {_word(args.dir)} --fc serial:/dev/ttyAMA0:921600 --link udpout:STATION:14600")
    return 0


# --- station ---


def station(parser: argparse.ArgumentParser) -> None:
    """make a ground station's key for one operation, and destroy it afterwards"""
    add = _commands(parser)
    init = add("init", _station_init, "make the station's key for one operation", "pilot --name pilot --root root.crt")
    init.add_argument("dir", type=Path, metavar="DIR", help="a folder that is not there yet")
    init.add_argument("--name", required=True, help="the station, as orders name it")
    _add_root(init, action="append")
    init.add_argument("--agency", metavar="NAME", help="whose station it is; default: the name on the first root")
    profiles = [profile.label for profile in Profile]
    init.add_argument("--profile", choices=profiles, default=profiles[0], help="how keys are sealed to it; default x-wing")
    trust = add("trust", _station_trust, "trust the root of another agency too", "visitor --root harbour-root.crt")
    trust.add_argument("dir", type=Path, metavar="DIR", help="the station's folder")
    _add_root(trust)
    destroy = add("destroy", _station_destroy, "destroy the station's key after the operation", "pilot --yes")
    destroy.add_argument("dir", type=Path, metavar="DIR", help="the station's folder")
    destroy.add_argument("--yes", action="store_true", help="do not ask")


def _station_init(args: argparse.Namespace) -> int:
    roots = [_certificate(path) for path in args.root]
    public = StationFolder.init(args.dir, args.name, Profile.from_name(args.profile), roots, args.agency)
    print(f"station {public.name!r} of {public.agency!r} made in {args.dir}; its private seed stays there")
    print(f"  key fingerprint {public.fingerprint} ({public.profile.label})")
    for root in roots:
        print(f"  trusts orders of {certificate.name_of(root)!r}, root key fingerprint {fingerprint(root)}")
    print(f"next: send {args.dir / PUBLIC} to the agency that issues the order, and {COMPARE}")
    return 0


def _station_trust(args: argparse.Namespace) -> int:
    root, folder = _certificate(args.root), StationFolder.open(args.dir)
    also = "now also trusts" if folder.trust(root) else "already trusted"
    print(f"station {folder.name!r} {also} orders of {certificate.name_of(root)!r}")
    print(f"  root key fingerprint {fingerprint(root)}; {COMPARE}")
    return 0


def _station_destroy(args: argparse.Namespace) -> int:
    folder = StationFolder.open(args.dir)
    if not args.yes and not _agreed(f"destroy the seed of station {folder.name!r}? type its name: ", folder.name):
        raise KeysError("nothing was destroyed", hint="type the name of the station, or give --yes")
    folder.destroy()
    print(f"the seed of station {folder.name!r} is destroyed: it opens nothing any more, and no recording of the link")
    print("  flash memory may keep a trace; if the disk was not encrypted, keep or destroy it accordingly")
    return 0


def _agreed(question: str, answer: str) -> bool:
    print(question, end="", flush=True)
    return sys.stdin.readline().strip() == answer


# --- order ---


def order(parser: argparse.ArgumentParser) -> None:
    """issue, read and verify operation orders"""
    add = _commands(parser)
    issue = add(
        "issue",
        _order_issue,
        "sign an order: which aircraft, which stations with which roles, how long",
        'agency --operation "Night Watch" --device device.crt \\\n    --station pilot.pub:telemetry,video,command'
        " --station observer.pub:telemetry,video --hours 8 -o op.order",
    )
    issue.add_argument("dir", type=Path, metavar="AGENCY", help="the agency's folder, with signer/ in it")
    issue.add_argument("--operation", required=True, metavar="NAME", help="as people call it")
    issue.add_argument(
        "--device", required=True, action="append", type=Path, metavar="device.crt", help="an aircraft; repeatable"
    )
    issue.add_argument(
        "--station",
        required=True,
        action="append",
        type=_station_and_roles,
        metavar="FILE:ROLES",
        help=f"a station's public file and what it may do: {', '.join(role_names(ALL_ROLES))}; repeatable",
    )
    issue.add_argument("--classification", choices=CLASSIFICATIONS, default=CLASSIFICATIONS[0], help="default regular")
    issue.add_argument("--hours", required=True, type=_hours, help="how long it is in force")
    issue.add_argument(
        "--pad-video", action="store_true", help="hide the sizes of video datagrams, at the price of bandwidth"
    )
    issue.add_argument("--start", type=_start, metavar="TIME", help="UTC, such as 2031-05-09T18:00; default now")
    _add_output(issue, "op.order")
    show = add("show", _order_show, "say in words what an order allows; needs no key", "op.order")
    show.add_argument("order", type=Path, metavar="op.order")
    verify = add(
        "verify", _order_verify, "check who signed an order, and that it has not ended", "op.order --root root.crt"
    )
    verify.add_argument("order", type=Path, metavar="op.order")
    _add_root(verify)


def _order_issue(args: argparse.Namespace) -> int:
    now, folder = _now(), AgencyFolder(args.dir)
    begin = args.start or now
    stations = [_listed(index, folder.name, *given) for index, given in enumerate(args.station, 1)]
    draft = Order(
        op_id=b"",
        serial=0,
        not_before=begin,
        not_after=begin + args.hours,
        agency=folder.name,
        operation=args.operation,
        classification=args.classification,
        devices=tuple(folder.device(_certificate(path), now) for path in args.device),
        stations=tuple(stations),
        recording=(),
        previous=None,
        policy=Policy(flags=PolicyFlag.PAD_VIDEO if args.pad_video else 0),
    )
    issued = folder.issue(draft)
    store.write(args.output, issued.raw, store.PUBLIC_MODE, new=True)
    length = order_text.duration(args.hours)
    print(f"{args.output}: order {issued.order.serial} for {_title(draft)}, {length} until {utc(draft.not_after)}")
    for listed in stations:
        print(
            f"  station {listed.name!r}: {', '.join(role_names(listed.roles))}; key fingerprint {fingerprint(listed.pub)}"
        )
    print(f"read it: zegel order show {_word(args.output)}. With each station, {COMPARE}")
    print(f"next, aboard: zegel device load-order DIR {_word(args.output)}; and a copy of the order to each station")
    return 0


def _listed(index: int, issuer: str, path: Path, roles: Role) -> OrderStation:
    """A station as the order lists it; whoever may not command is guarded as an observer."""
    public = station_public.parse(store.read_public(path), path)
    guard = "pilot" if roles & Role.COMMAND else "observer"
    owner = public.agency if public.agency != issuer else None
    return OrderStation(index, public.name, public.profile, public.pub, roles, guard, owner)


def _order_show(args: argparse.Namespace) -> int:
    print(order_text.describe(parse_order(files.read(Kind.ORDER, args.order))))
    return 0


def _order_verify(args: argparse.Namespace) -> int:
    now, root = _now(), _certificate(args.root)
    certificate.require_root(root)
    verified = verify_order(files.read(Kind.ORDER, args.order), [root], 0)
    verified.order.require_not_expired(now)
    begins = f"begins at {utc(verified.order.not_before)}, " if verified.order.not_before > now else ""
    print(f"{args.order}: good, {order_text.signed_by(verified)}; {begins}ends at {utc(verified.order.not_after)}")
    return 0


# --- shared ---


def _commands(parser: argparse.ArgumentParser) -> Callable[[str, Run, str, str], argparse.ArgumentParser]:
    """Adds a sub-command: (name, run, what it does, an example of its arguments)."""
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "examples:"

    def add(name: str, run: Run, summary: str, example: str) -> argparse.ArgumentParser:
        made = subparsers.add_parser(name, help=summary, description=summary, formatter_class=parser.formatter_class)
        made.epilog = f"example:\n  {parser.prog} {name} {example}"
        made.set_defaults(run=run, parser=made)
        parser.epilog = f"{parser.epilog}\n  {parser.prog} {name} {example}"
        return made

    return add


def _add_root(parser: argparse.ArgumentParser, action: str = "store") -> None:
    more = "; repeatable" if action == "append" else ""
    parser.add_argument(
        "--root", required=True, type=Path, action=action, metavar="root.crt", help=f"the agency's root certificate{more}"
    )


def _add_output(parser: argparse.ArgumentParser, name: str) -> None:
    parser.add_argument("-o", "--output", required=True, type=Path, metavar=name, help="a file that is not there yet")


def _certificate(path: Path) -> x509.Certificate:
    return load_certificate(files.read(Kind.CERTIFICATE, path))


def _now() -> int:
    """The clock of a computer that has one; ClockWrong if it cannot be right."""
    now = int(time.time())
    if not EARLIEST <= now < LATEST:
        raise ClockWrong(f"this computer's clock says {utc(now)}")
    return now


def _title(content: Order) -> str:
    return f"operation {content.operation!r} of {content.agency!r}"


def _word(path: Path) -> str:
    return shlex.quote(str(path))


# --- arguments ---


def _station_and_roles(text: str) -> tuple[Path, Role]:
    path, _, names = text.rpartition(":")
    roles = Role(0)
    for name in names.split(","):
        if not path or name not in role_names(ALL_ROLES):
            known = ", ".join(role_names(ALL_ROLES))
            raise argparse.ArgumentTypeError(
                f"{text!r} is not FILE:ROLES such as pilot.pub:telemetry,video; roles are {known}"
            )
        roles |= Role[name.upper()]
    return Path(path), roles | (Role.TELEMETRY if roles & Role.COMMAND else Role(0))


def _hours(text: str) -> int:
    """Seconds."""
    try:
        hours = float(text)
    except ValueError:
        hours = 0
    if not 0 < hours <= HOURS_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of hours up to {HOURS_MAX}")
    return max(1, round(hours * HOUR_S))


def _start(text: str) -> int:
    """Unix seconds; a time without a zone is UTC."""
    try:
        time_ = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 2031-05-09T18:00") from None
    return int((time_ if time_.tzinfo else time_.replace(tzinfo=datetime.UTC)).timestamp())
