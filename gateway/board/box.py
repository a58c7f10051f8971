"""Box: what `zegel setup box` writes and says, for a vendor's controller on a network of its own. setup.py does the rest.

What lives here: two answers and their defaults, the source, the contained network, and what to do at the controller.
"""

from __future__ import annotations

import argparse
import ipaddress
import secrets
import shlex
import tomllib
from pathlib import Path
from typing import NamedTuple

from gateway import config
from gateway.board import egress, settings_file, wiring
from gateway.board.subject import default_path
from gateway.config import AirConfig
from gateway.errors import ConfigError
from gateway.sources import tables
from keys.commands import account
from keys.commands.terminal import show
from keys.printable import printable

FC = "udpin:127.0.0.1:14560"  # no flight controller is at the box
VIDEO = "udpin:127.0.0.1:5602"  # from zegel source
NETWORK = ipaddress.IPv4Interface("192.168.50.1/24")
RTMP_PORT = 1935
KEY_BYTES = 8
INTERFACE, VENDOR = "eth1", "dji"
SOURCE_FILE = "60-box.toml"  # over that of setup: a file that has sources replaces all others

AT_THE_CONTROLLER = """\
at the controller:
  type into its live stream, as a custom RTMP address: {url}
  switch off what this computer cannot see: its WLAN (forget all networks), Bluetooth, its SIM or LTE dongle, enhanced 4G
  transmission, the vendor's cloud account; with DJI switch on Local Data Mode, if the live stream works in it
its network, on Raspberry Pi OS (NetworkManager):
  sudo nmcli connection add type ethernet ifname {interface} con-name controller ipv4.method shared \\
      ipv4.addresses {network} ipv6.method disabled
then:
  sudo zegel egress apply{egress} && sudo zegel egress check{egress}"""


class Box(NamedTuple):
    """The controller's interface, and who has its pictures in plain."""

    interface: str
    vendor: str
    has_fc: bool  # an app there gives MAVLink


def asked(args: argparse.Namespace) -> Box:
    """By flags, or by a person; ConfigError for a flag that is wrong."""
    interface = args.interface or _answer(args, "interface of the controller", INTERFACE)
    vendor = args.seen_by or _answer(args, "whose controller it is, such as dji, autel, skydio", VENDOR)
    egress.check_interface(interface)
    if not tables.NAME.fullmatch(vendor):
        raise ConfigError(f"{printable(vendor)!r} is no vendor", hint=tables.NAME_HINT.replace("front", "dji"))
    return Box(interface, vendor, has_fc=args.fc is not None)


def _answer(args: argparse.Namespace, text: str, default: str) -> str:
    if args.yes:
        return default
    try:
        return input(f"{text} [{default}]: ").strip() or default
    except EOFError:
        show()
        raise ConfigError("there is no terminal to answer", hint="--yes, or --interface IF --seen-by VENDOR") from None


def answer_the_rest(args: argparse.Namespace) -> None:
    """What a box need not be asked: there is no flight controller, and the source is of this file."""
    args.fc, args.video, args.autopilot = args.fc or FC, args.video or [VIDEO], args.autopilot or wiring.ARDUPILOT
    args.seen_by = None


def write(box: Box, path: Path) -> str:
    """Write the source over the air.toml at `path` and the contained network into the egress.toml next to it.

    The result is what to do at the controller.
    """
    file, guard = path.with_suffix(".d") / SOURCE_FILE, path.with_name("egress.toml")
    with account.owner(path).acting():
        settings_file.make_folder(file.parent)
        key = _key(path)
        url = f"{NETWORK.ip}:{RTMP_PORT}/live/{key}"
        settings_file.write(file, _source(box, url).encode())
        said = [f"wrote {file}", _contain(box, guard)]
    show("\n".join(said))
    more = "" if path == default_path("air") else f" --config {shlex.quote(str(guard))}"
    return AT_THE_CONTROLLER.format(url=f"rtmp://{url}", interface=box.interface, network=NETWORK, egress=more)


def _key(path: Path) -> str:
    """That of an earlier setup, which is typed into the controller already; otherwise a new one."""
    found = config.load_file(AirConfig, path).source if config.is_there(path) and _has_required(path) else ()
    old = [at.key for at in map(tables.rtmp_address, found) if at]
    return old[0] if old else secrets.token_hex(KEY_BYTES)


def _has_required(path: Path) -> bool:
    keys = {key for file in config.files(path) for key in config.read(file)}
    return {"device", "link"} <= keys


def _source(box: Box, url: str) -> str:
    return (
        "# Pictures of a vendor's controller. Written by zegel setup box; docs/box.md has the other ways.\n\n"
        f"no_fc = {'false' if box.has_fc else 'true'}\n\n"
        f'[[source]]\nname = "controller"\nlane = "a"\nseen_by = "{box.vendor}"\nrtmp = "{url}"\n'
    )


def _contain(box: Box, file: Path) -> str:
    """Add the network to the file, unless it is there; a sentence about it."""
    text = file.read_text() if file.exists() else "# Written by zegel setup box. zegel egress show prints the rules.\n"
    try:
        there = [each.get("interface") for each in tomllib.loads(text).get("contain", [])]
    except (tomllib.TOMLDecodeError, AttributeError) as error:
        raise ConfigError(f"{file}: {error}", hint="correct it first") from None
    if box.interface in there:
        return f"{file} contains {box.interface} already"
    added = f'\n[[contain]]\ninterface = "{box.interface}"\ndhcp = true\n'
    settings_file.write(file, (text.rstrip("\n") + "\n" + added).encode())
    return f"added [[contain]] of {box.interface} to {file}"
