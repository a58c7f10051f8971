"""`zegel agency`, `device` and `station`: the commands and their answers. order.py has `zegel order`.

What lives here: arguments and sentences. What must not: a rule about keys, orders or files.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509

from keys import certificate, order_text
from keys.certificate import fingerprint
from keys.commands import account, arguments
from keys.commands.arguments import COMPARE
from keys.commands.terminal import show
from keys.errors import FolderInUse, KeysError
from keys.folders import device as device_folder
from keys.folders import files, inbox, public_files, roots, store
from keys.folders import station as station_folder
from keys.folders.agency import ROOT, SIGNER, AgencyFolder
from keys.folders.device import KEY, REQUEST, DeviceFolder
from keys.folders.files import Kind
from keys.folders.station import PUBLIC, StationFolder
from keys.grant import Profile
from keys.order import Order, parse_order
from keys.times import duration

OF_SERVICE = "its folder; default %(default)s, which the packages use"
SERVICE_STARTS = "sudo systemctl enable --now zegel-air; one that runs already has taken it"

# --- agency ---


def agency(parser: argparse.ArgumentParser) -> None:
    """make an agency's keys, and certify its devices"""
    add = arguments.commands(parser)
    init = add("init", _agency_init, "make the root key and the order signer's key", 'agency --name "Harbour Police"')
    init.add_argument("dir", type=Path, metavar="DIR", help="a folder that does not exist yet")
    init.add_argument("--name", required=True, help="the name of the agency in orders")
    init.add_argument(
        "--hybrid",
        action="store_true",
        help="P-384 and ML-DSA-65 keys: orders need both signatures, in case one kind is broken",
    )
    certify = add(
        "certify-device",
        _agency_certify,
        "issue the certificate that a device asks for; needs the root key",
        "agency device.csr -o device.crt",
    )
    certify.add_argument("dir", type=Path, metavar="DIR", help="the agency's folder, with root/ in it")
    certify.add_argument("request", type=Path, metavar="device.csr", help="made by zegel device init")
    arguments.add_output(certify, "device.crt")
    look = add("show", _agency_show, "say whose keys are in a folder, and until when they are valid", "agency")
    look.add_argument("dir", type=Path, metavar="DIR", help="the agency's folder, with root/ or signer/ in it")
    renew = add("new-signer", _agency_new_signer, "replace the order signer's key; needs the root key", "agency")
    renew.add_argument("dir", type=Path, metavar="DIR", help="the agency's folder, with root/ in it")


def _agency_init(args: argparse.Namespace) -> int:
    with account.owner(args.dir).acting():
        made = AgencyFolder.init(args.dir, args.name, arguments.now(), hybrid=args.hybrid)
    keys = "keys" if args.hybrid else "key"
    show(f"agency {args.name!r} made in {args.dir}")
    show(f"  {args.dir / ROOT}: the root {keys}. Take this folder offline, with a copy;")
    show("    only certify-device and new-signer need it")
    show(f"  {args.dir / SIGNER}: the {keys} that sign{'' if args.hybrid else 's'} orders")
    show(f"  {order_text.root_key(made)}")
    show(f"next: give {args.dir / ROOT / 'root.crt'} to every device and station of the agency, and {COMPARE}")
    return 0


def _agency_certify(args: argparse.Namespace) -> int:
    store.require_free(args.output)
    request = files.read(Kind.REQUEST, args.request)
    with account.owner(args.dir).acting():
        issued = AgencyFolder(args.dir).certify_device(request, arguments.now())
    store.write(args.output, certificate.pem(issued), store.PUBLIC_MODE, new=True)
    end = int(issued.not_valid_after_utc.timestamp())
    show(f"{args.output}: certificate of device {certificate.name_of(issued)!r}, until {arguments.when(end)}")
    show(f"  key fingerprint {fingerprint(issued)}; compare it with what zegel device init showed")
    show(f"next: zegel device enrol DIR {arguments.word(args.output)} --root root.crt")
    return 0


def _agency_new_signer(args: argparse.Namespace) -> int:
    with account.owner(args.dir).acting():
        signer = AgencyFolder(args.dir).new_signer(arguments.now())[0]
    end = int(signer.not_valid_after_utc.timestamp())
    until = arguments.when(end)
    show(f"{args.dir / SIGNER}: a new signer's key of generation {certificate.generation(signer)}, until {until}")
    show("next: issue an order; an aircraft that has loaded it refuses each order of an earlier signer")
    return 0


def _agency_show(args: argparse.Namespace) -> int:
    with account.owner(args.dir).acting():
        known = AgencyFolder(args.dir).known()
    show(f"agency {certificate.name_of(known.roots[0])!r} in {args.dir}")
    show(f"  {order_text.root_key(known.roots)}")
    root = (
        f"the root key, {_until(known.roots)}" if known.has_root else "not here: the root key is elsewhere, as it should be"
    )
    show(f"  {args.dir / ROOT}: {root}")
    if not known.signers:
        show(f"  {args.dir / SIGNER}: not here: the signer's key is elsewhere")
        return 0
    generation = certificate.generation(known.signers[0])
    show(f"  {args.dir / SIGNER}: signer {generation}, {_until(known.signers)}")
    show(f"  orders: {known.serial} so far; operations that the folder remembers: {known.operations}")
    return 0


def _until(issued: Sequence[x509.Certificate]) -> str:
    end = min(int(each.not_valid_after_utc.timestamp()) for each in issued)
    now = arguments.believable_now()
    left = "" if now is None else f": {duration(end - now)} from now" if end > now else ": EXPIRED"
    return f"certificate until {arguments.when(end)}{left}"


# --- device ---


def device(parser: argparse.ArgumentParser) -> None:
    """make an aircraft's key, enrol it with its agency, and load orders"""
    add = arguments.commands(parser)
    init = add("init", _device_init, "make the device's key and the request for its certificate", "drone7 --name drone-7")
    init.add_argument("dir", type=Path, metavar="DIR", help="a folder that does not exist yet")
    init.add_argument("--name", required=True, help="the name of the aircraft in orders")
    enrol = add(
        "enrol", _device_enrol, "install the certificate and trust the agency's root", "drone7 device.crt --root root.crt"
    )
    enrol.add_argument("dir", type=Path, metavar="DIR", help="the device's folder")
    enrol.add_argument("certificate", type=Path, metavar="device.crt", help="made by zegel agency certify-device")
    arguments.add_root(enrol)
    request = add("request", _device_request, "print the request for its certificate", "> drone-7.csr")
    request.add_argument("dir", nargs="?", type=Path, default=device_folder.SERVICE, metavar="DIR", help=OF_SERVICE)
    request.set_defaults(holds_key=False)
    look = add("show", _device_show, "show the agency of a device and its order", "drone7")
    look.add_argument("dir", nargs="?", type=Path, default=device_folder.SERVICE, metavar="DIR", help=OF_SERVICE)
    load = add("load-order", _device_load, "put an order in force for the next flights", "drone7 op.order")
    load.add_argument("dir", type=Path, metavar="DIR", help="the device's folder")
    load.add_argument("order", type=Path, metavar="op.order", help="made by zegel order issue")


def _device_init(args: argparse.Namespace) -> int:
    with account.owner(args.dir).acting():
        request = DeviceFolder.init(args.dir, args.name)
    show(f"device {args.name!r} made in {args.dir}; its private key stays there")
    show(f"  key fingerprint {fingerprint(request)}")
    show(f"next: {_zegel()} device request {arguments.word(args.dir)} > device.csr")
    show("then, at the agency: zegel agency certify-device AGENCY device.csr -o device.crt")
    return 0


def _device_request(args: argparse.Namespace) -> int:
    with account.owner(args.dir).acting():
        store.check_folder(args.dir, KEY, "device")
        data = files.read(Kind.REQUEST, args.dir / REQUEST)
    show(data.decode(), end="")
    return 0


def _zegel() -> str:
    """The program, as it has to be called again for the same folder."""
    return "sudo zegel" if account.by_sudo() else "zegel"


def _device_enrol(args: argparse.Namespace) -> int:
    issued, of_agency = arguments.read_certificate(args.certificate), roots.of_agency(args.root)
    with account.owner(args.dir).acting(), DeviceFolder.open(args.dir) as folder:
        folder.enrol(issued, of_agency)
    show(f"device {folder.name!r} is enrolled with {certificate.name_of(of_agency[0])!r}")
    show(f"  {order_text.root_key(of_agency)}; {COMPARE}")
    show(f"next, for each operation: {_zegel()} device load-order {arguments.word(args.dir)} op.order")
    return 0


def _device_show(args: argparse.Namespace) -> int:
    with account.owner(args.dir).acting():
        folder, user = DeviceFolder.view(args.dir), store.holder(args.dir)
        order = _order_in_words(folder) if folder.roots else []
    show(f"device {folder.name!r} in {args.dir}{f', in use by {user}' if user else ''}")
    show(f"  key fingerprint {fingerprint(folder.key.public_key())}")
    if not folder.roots:
        show(f"  not enrolled: {_zegel()} device enrol {arguments.word(args.dir)} device.crt --root root.crt")
        return 0
    show(f"  enrolled with {certificate.name_of(folder.roots[0])!r}, {order_text.root_key(folder.roots)}")
    show(f"  starts so far: {folder.boot_counter}")
    for line in order:
        show(f"  {line}")
    if damage := folder.damage():
        show(f"  note: {damage}")
    return 0


def _order_in_words(folder: DeviceFolder) -> list[str]:
    try:
        order, listed = folder.order().content, folder.listed()
    except KeysError as error:
        return [f"order: {error}{f'; {error.hint}' if error.hint else ''}"]
    return [f"order {order.serial} for {arguments.title(order)}, {order_text.systems(listed)}", _dates(order)]


def _dates(order: Order) -> str:
    """From when to when, and what that means now, if the clock is plausible."""
    now = arguments.believable_now()
    standing = "" if now is None else f": {order_text.standing(order, now)}"
    return f"from {arguments.when(order.not_before)} to {arguments.when(order.not_after)}{standing}"


def _device_load(args: argparse.Namespace) -> int:
    data = files.read(Kind.ORDER, args.order)
    now = int(time.time())
    with account.owner(args.dir).acting():
        try:
            opened = DeviceFolder.open(args.dir)
        except FolderInUse:
            if not inbox.hand_over(args.dir, data):
                raise
            _say_handed_over(data)
            return 0
        with opened as folder:
            verified = folder.load_order(data, now)
            damage, ended = folder.damage(), folder.limits(now) is not None
    begin = "begins no new flight" if ended else "flies from now on"
    show(f"device {folder.name!r} {begin} under the order for {arguments.title(verified.content)}")
    show(f"  {_dates(verified.content)}")
    show(f"  {order_text.signed_by(verified)}")
    if damage:
        show(f"  note: {damage}")
    if ended:
        return 0
    if verified.content.not_before > now:
        show("  note: by this board's clock it has not begun; aircraft and stations use it from its beginning")
    by_hand = f"zegel air --device {arguments.word(args.dir)} --fc serial:/dev/ttyAMA0:921600 --link udpout:STATION:14600"
    show(f"next: {SERVICE_STARTS if args.dir == device_folder.SERVICE else by_hand}")
    return 0


def _say_handed_over(data: bytes) -> None:
    show(f"the running zegel air has accepted the order for {arguments.title(parse_order(data))}")
    show("  dropped stations can open nothing more; if none is dropped, the session changes within the order's lead time")


# --- station ---


def station(parser: argparse.ArgumentParser) -> None:
    """make a ground station's key for one operation, and destroy it afterwards"""
    add = arguments.commands(parser)
    init = add("init", _station_init, "make the station's key for one operation", "pilot --name pilot --root root.crt")
    init.add_argument("dir", type=Path, metavar="DIR", help="a folder that does not exist yet")
    init.add_argument("--name", required=True, help="the name of the station in orders")
    arguments.add_root(init, action="append")
    init.add_argument("--agency", metavar="NAME", help="the station's agency; default: the name on the first root")
    profiles = [profile.label for profile in Profile]
    init.add_argument("--profile", choices=profiles, default=profiles[0], help="how keys are sealed to it; default x-wing")
    public = add("public", _station_public, "print its public file, which the agency lists in an order", "> pilot.pub")
    public.add_argument("dir", nargs="?", type=Path, default=station_folder.SERVICE, metavar="DIR", help=OF_SERVICE)
    public.set_defaults(holds_key=False)
    listing = add("list", _station_list, "list the stations whose public files are in a folder, or one below it", ".")
    listing.add_argument("dir", type=Path, metavar="DIR", help="where the station.pub files are")
    listing.set_defaults(holds_key=False)
    trust = add("trust", _station_trust, "trust the root of another agency too", "visitor --root harbour-root.crt")
    trust.add_argument("dir", type=Path, metavar="DIR", help="the station's folder")
    arguments.add_root(trust)
    destroy = add("destroy", _station_destroy, "destroy the station's key after the operation", "pilot --yes")
    destroy.add_argument("dir", type=Path, metavar="DIR", help="the station's folder")
    destroy.add_argument("--yes", action="store_true", help="do not ask")


def _station_init(args: argparse.Namespace) -> int:
    agencies = [roots.of_agency(path) for path in args.root]
    trusted = [root for of_agency in agencies for root in of_agency]
    with account.owner(args.dir).acting():
        public = StationFolder.init(args.dir, args.name, Profile.from_name(args.profile), trusted, args.agency)
    show(f"station {public.name!r} of {public.agency!r} made in {args.dir}; its private seed stays there")
    show(f"  key fingerprint {public.fingerprint} ({public.profile.label})")
    for of_agency in agencies:
        show(f"  trusts orders of {certificate.name_of(of_agency[0])!r}, {order_text.root_key(of_agency)}")
    show(f"next: {_zegel()} station public {arguments.word(args.dir)} > station.pub")
    show(f"then send it to the agency that issues the order, and {COMPARE}")
    return 0


def _station_public(args: argparse.Namespace) -> int:
    with account.owner(args.dir).acting():
        store.check_folder(args.dir, PUBLIC, "station")
        data = files.read(Kind.STATION, args.dir / PUBLIC)
    show(data.decode(), end="")
    return 0


def _station_list(args: argparse.Namespace) -> int:
    found, unfit = public_files.stations(args.dir)
    for path, public in found.items():
        show(f"{public.name}, of {public.agency!r}, {public.profile.label}: {path}")
        show(f"  key fingerprint {public.fingerprint}")
    for path, error in unfit.items():
        show(f"note: {path} is left out: {error}")
    if not found:
        raise KeysError(
            f"there is no station's public file in {args.dir}", hint="zegel station init makes one: station.pub"
        )
    return 0


def _station_trust(args: argparse.Namespace) -> int:
    of_agency = roots.of_agency(args.root)
    with account.owner(args.dir).acting():
        folder = StationFolder.open(args.dir)
        also = "now also trusts" if folder.trust(of_agency) else "already trusted"
    show(f"station {folder.name!r} {also} orders of {certificate.name_of(of_agency[0])!r}")
    show(f"  {order_text.root_key(of_agency)}; {COMPARE}")
    return 0


def _station_destroy(args: argparse.Namespace) -> int:
    with account.owner(args.dir).acting():
        folder = StationFolder.open(args.dir)
        if not args.yes and not _agreed(f"destroy the seed of station {folder.name!r}? type its name: ", folder.name):
            raise KeysError("nothing was destroyed", hint="type the name of the station, or add --yes")
        folder.destroy()
    show(f"the seed of station {folder.name!r} is destroyed: it opens nothing any more, and no recording of the link")
    show("  flash memory may keep a trace; if the disk was not encrypted, keep or destroy it accordingly")
    return 0


def _agreed(question: str, answer: str) -> bool:
    show(question, end="")
    return sys.stdin.readline().strip() == answer
