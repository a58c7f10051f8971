"""Jail: the drop-in that lets a vendor's process (zegel-vendor@NAME.service) have what [vendor.NAME] names, and no more.

What lives here: text of systemd, and writing it. What must not: the jail itself, which is packaging/zegel-vendor@.service.
"""

from __future__ import annotations

import argparse
import grp
from pathlib import Path

from gateway.board import egress
from gateway.config import AirConfig
from gateway.errors import ConfigError
from gateway.sources.tables import Vendor

UNITS = Path("/etc/systemd/system")
DROP_IN = "zegel-vendor@{name}.service.d/jail.conf"
HEAD = "# Written by `zegel source --jails`, from [vendor.{name}]; it is overwritten.\n[Service]\nExecStart=\n"


def write(settings: AirConfig, folder: Path = UNITS) -> list[Path]:
    """The drop-in of each vendor; ConfigError if one of them may use a ground link."""
    links = ground_links() if any(vendor.interface for vendor in settings.vendor.values()) else ()
    texts = {name: drop_in(name, vendor, links) for name, vendor in settings.vendor.items()}
    written = []
    for name, text in texts.items():
        path = folder / DROP_IN.format(name=name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        written.append(path)
    return written


def ground_links() -> tuple[str, ...]:
    """The interfaces of the ground links, by egress.toml or the routes. ConfigError if none is known."""
    return egress.read(egress.CONFIG, argparse.Namespace())[0].interfaces


def drop_in(name: str, vendor: Vendor, links: tuple[str, ...]) -> str:
    """ConfigError if its interface is one of `links`."""
    lines = [f"ExecStart={' '.join(map(quoted, vendor.run))}"]
    if vendor.interface in links:
        raise ConfigError(
            f"vendor.{name} names {vendor.interface}, which is a ground link",
            hint="name the interface of the vendor's device",
        )
    if vendor.interface:
        lines += [
            "PrivateNetwork=no",
            f"RestrictNetworkInterfaces={vendor.interface}",
            "RestrictAddressFamilies=AF_INET AF_INET6",
        ]
    lines += [f"DeviceAllow={device} rw" for device in vendor.devices]
    groups = sorted({group for device in vendor.devices if (group := group_of(device))})
    lines += [f"SupplementaryGroups={' '.join(groups)}"] if groups else []
    return HEAD.format(name=name) + "\n".join(lines) + "\n"


def group_of(device: str) -> str:
    """The group of a device node; empty if it is not there, or root's."""
    try:
        number = Path(device).stat().st_gid
        return grp.getgrgid(number).gr_name if number else ""
    except (OSError, KeyError):
        return ""


def quoted(word: str) -> str:
    """As systemd reads it in ExecStart= (systemd.service(5))."""
    for mark, written in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%"), ("$", "$$")):
        word = word.replace(mark, written)
    return f'"{word}"'
