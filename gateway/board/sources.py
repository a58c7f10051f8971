"""Sources: the tables [[source]] and [vendor.NAME] of air.toml: is each program and device there, each password safe, each
port free?

What lives here: what can be known without starting a camera. What must not: the rules of the tables (gateway/sources).
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

from gateway.board import holder, jail
from gateway.board.finding import Finding, do, ok, unknown
from gateway.board.subject import Subject
from gateway.errors import ConfigError
from gateway.local_users import SOURCE_USER
from gateway.sources import rtsp
from gateway.sources.tables import Source, Vendor, rtmp_address
from keys.commands.account import Account
from keys.printable import printable

if os.name == "posix":
    import grp

WHAT = "source"
PACKAGES = {"ffmpeg": "ffmpeg", "rpicam-vid": "rpicam-apps", "gst-launch-1.0": "gstreamer1.0-tools"}
DEVICE = re.compile(r"/dev/[\w./:-]+")


def look(subject: Subject) -> Iterator[Finding]:
    """Each source, then each vendor."""
    if not subject.air or not (subject.air.source or subject.air.vendor):
        return
    user = subject.account_of(SOURCE_USER)
    for source in subject.air.source:
        found = [*_source(source, user)]
        yield from found or [ok(WHAT, f"{source.name}: {_fine(source)}; {_seen(source)}")]
    for name, vendor in subject.air.vendor.items():
        yield from _vendor(name, vendor, subject)


def _seen(source: Source) -> str:
    return f"{source.seen_by} has its picture before the seal" if source.seen_by else "no one else has its picture"


def _fine(source: Source) -> str:
    if source.run:
        return f"{source.run[0]} is there"
    if at := rtmp_address(source):
        return f"port {at.port} is free for RTMP, or zegel source has it"
    return "ffmpeg is there" if source.rtsp else f"[vendor.{source.socket}] feeds it"


def _source(source: Source, user: Account) -> Iterator[Finding]:
    if source.run:
        yield from _program(source.name, source.run[0], user)
        for device in dict.fromkeys(DEVICE.findall(" ".join(source.run))):
            yield from _device(source.name, Path(device), user)
    if source.rtsp:
        yield from _program(source.name, "ffmpeg", user)
        if source.credentials:
            yield from _credentials(source.name, Path(source.credentials), user)
    if at := rtmp_address(source):
        yield from _port(source.name, at.host, at.port)


def _program(name: str, program: str, user: Account) -> Iterator[Finding]:
    with user.acting():
        found = shutil.which(program)
    if found is None:
        package = PACKAGES.get(program)
        cure = f"sudo apt install {package}" if package else f"install it, or correct run of {name}"
        yield do(WHAT, f"{name}: {user.name} finds no program {printable(program)}", cure)


def _device(name: str, device: Path, user: Account) -> Iterator[Finding]:
    if not device.exists():
        yield do(WHAT, f"{name}: {device} does not exist", "plug it in, or name one that is there: ls /dev/video*")
        return
    if not user.ours:
        yield unknown(WHAT, f"{name}: whether {user.name} may open {device}", "sudo zegel doctor")
        return
    with user.acting():
        may = os.access(device, os.R_OK, effective_ids=True)
    if not may:
        group = _group(device.stat().st_gid)
        cure = f"sudo usermod -a -G {group} {user.name}, then restart zegel source"
        yield do(WHAT, f"{name}: {user.name} may not read {device}", cure)


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _credentials(name: str, path: Path, user: Account) -> Iterator[Finding]:
    if not user.ours:
        yield unknown(WHAT, f"{name}: whether {user.name} can read {path}", "sudo zegel doctor")
        return
    try:
        with user.acting():
            rtsp.credentials(path)
    except ConfigError as error:
        yield do(WHAT, f"{name}: {error}", error.hint)
    except OSError as error:
        cure = f"sudo install -m 600 -o {user.name} /dev/null {path}, and write USER:PASSWORD into it"
        yield do(WHAT, f"{name}: {user.name} cannot read {path}: {error.strerror}", cure)


def _port(name: str, host: str, port: int) -> Iterator[Finding]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind((host, port))
        except OSError as error:
            holders = holder.of_port(port, "tcp")
            others = [each for each in holders if not _is_source(each.pid)]
            if others or not holders:
                said = ", ".join(map(str, others)) or error.strerror
                absent = error.errno == errno.EADDRNOTAVAIL
                cure = f"give this computer the address {host}" if absent else f"name another port in rtmp of {name}"
                yield do(WHAT, f"{name}: {host}:{port} cannot be listened at: {said}", cure)


def _is_source(pid: int) -> bool:
    try:
        return b"\0source\0" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _vendor(name: str, vendor: Vendor, subject: Subject) -> Iterator[Finding]:
    what = "vendor process"
    program = Path(vendor.run[0])
    if not os.access(program, os.X_OK):
        yield do(what, f"{name}: {program} is no program", f"install it, or correct run of [vendor.{name}]")
    for device in vendor.devices:
        if not Path(device).exists():
            yield do(what, f"{name}: {device} does not exist", "plug it in, or correct devices")
    if vendor.interface and not (subject.root / "sys/class/net" / vendor.interface).exists():
        yield do(what, f"{name}: there is no interface {vendor.interface}", "plug it in, or correct interface")
    yield from _jail(what, name, vendor, subject)


def _jail(what: str, name: str, vendor: Vendor, subject: Subject) -> Iterator[Finding]:
    try:
        wanted = jail.drop_in(name, vendor, jail.ground_links() if vendor.interface else ())
    except ConfigError as error:
        yield do(what, f"{name}: {error}", error.hint)
        return
    path = subject.root / jail.UNITS.relative_to("/") / jail.DROP_IN.format(name=name)
    if not path.is_file() or path.read_text() != wanted:
        cure = f"sudo zegel source --config {subject.path} --jails && sudo systemctl daemon-reload"
        yield do(what, f"{name}: its jail is not that of [vendor.{name}]", cure)
    else:
        yield ok(what, f"{name}: its jail allows what [vendor.{name}] names, and no more")
