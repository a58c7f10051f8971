"""Port: the serial lines of a configuration. Does it exist, may we open it, and what else uses it: a console, ModemManager,
Bluetooth, another program.

What lives here: everything that can be known without opening it. autopilot.py listens.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from gateway.board import computer, holder
from gateway.board.computer import text, told
from gateway.board.finding import Finding, do, ok, unknown
from gateway.board.subject import Subject
from gateway.endpoints.address import Address
from keys.commands.account import Account, group_name

BY_ID = Path("/dev/serial/by-id")  # names that stay the same whatever is plugged in first
BOOT = ("boot/firmware", "boot")  # where config.txt is: Raspberry Pi OS Bookworm and later, and before
FREE_CONSOLE = "sudo raspi-config nonint do_serial_cons 1 && sudo raspi-config nonint do_serial_hw 0 && sudo reboot"
USB = re.compile(r"tty(ACM|USB)\d+")
ROOT, GROUP_MAY = 0, stat.S_IRGRP | stat.S_IWGRP


def look(subject: Subject) -> Iterator[Finding]:
    """Each serial line of the configuration."""
    for address in dict.fromkeys(a for a in subject.addresses() if a.kind == "serial"):
        yield from _one(address, subject)


def present() -> list[str]:
    """Serial lines that may lead to a flight controller, by their most permanent names."""
    found = sorted(map(str, BY_ID.glob("*"))) if BY_ID.is_dir() else []
    found += [name for name in ("/dev/serial0", "/dev/ttyAMA0") if Path(name).exists()][:1]
    return found


def _one(address: Address, subject: Subject) -> Iterator[Finding]:
    device = Path(address.device)
    if not device.exists():
        yield _absent(address.device, subject)
        return
    found = [*_console(device, subject), *_bluetooth(device, subject), *_modem_manager(device)]
    if others := holder.of_device(address.device):
        choice = f"name another port than {address.device} in {subject.path.name}"
        found.append(holder.taken("serial port", address, others, subject, choice))
    if os.name == "posix":
        found += _not_allowed(device, subject.user)
    yield from found
    if not found:
        steady = next((name for name in present() if name != address.device and Path(name).resolve() == device), "")
        usb = USB.fullmatch(device.name) and steady
        yield ok(
            "serial port",
            f"{address.device} is there, free, and {subject.user.name} may open it"
            + (f"; {steady} is the same port and keeps its name" if usb else ""),
        )


def _absent(device: str, subject: Subject) -> Finding:
    there = ", ".join(present())
    cure = f"plug it in, or name one that is there: {there}" if there else "plug it in"
    if "ttyAMA" in device or "serial0" in device:
        overlay = "dtparam=uart0=on" if "Pi 5" in computer.model(subject.root) else "enable_uart=1 and dtoverlay=disable-bt"
        cure = f"put {overlay} into {_boot_file('config.txt', subject)}, then: sudo reboot"
    return do("serial port", f"{device} does not exist", cure, interrupts=True)


def _boot_file(name: str, subject: Subject) -> str:
    found = (Path("/") / folder / name for folder in BOOT if (subject.root / folder / name).exists())
    return str(next(found, Path("/") / BOOT[0] / name))


def _console(device: Path, subject: Subject) -> Iterator[Finding]:
    """Whether the kernel writes to it, or will at the next start, or offers a login."""
    name = device.resolve().name
    active = text(subject.root / "sys/class/tty/console/active").split()
    words = text(subject.root / _boot_file("cmdline.txt", subject).lstrip("/")).split()
    named = [word for word in words if word.startswith("console=")]
    meant = {str(Path("/dev", word[8:].split(",")[0]).resolve().name): word for word in named}
    login = told("systemctl", "is-active", f"serial-getty@{name}") == "active"
    if name not in active and name not in meant and not login:
        return
    words_ = f" ({meant[name]} in {_boot_file('cmdline.txt', subject)})" if name in meant else ""
    what = "the kernel's console" + words_ if name in active or name in meant else "a login prompt"
    cure = (
        FREE_CONSOLE
        if computer.is_pi(computer.model(subject.root))
        else (f"take console={name} from the kernel's command line; sudo systemctl disable --now serial-getty@{name}")
    )
    text_ = f"{device} is {what}: its output would go to the flight controller"
    yield do("serial console", text_, cure, interrupts=True)


def _bluetooth(device: Path, subject: Subject) -> Iterator[Finding]:
    """On a Pi 3 and 4 Bluetooth has the full UART, and the pins get one whose baud rate follows the processor's clock."""
    name = device.resolve().name
    if not computer.is_pi(computer.model(subject.root)) or "Pi 5" in computer.model(subject.root):
        return
    second = subject.root / "dev/serial1"
    if name == "ttyS0":
        fault = f"{device} is the mini UART, whose baud rate follows the processor's clock"
    elif second.is_symlink() and second.readlink().name == name:
        fault = f"{device} belongs to Bluetooth"
    else:
        return
    file = _boot_file("config.txt", subject)
    cure = f"echo dtoverlay=disable-bt | sudo tee -a {file}; sudo systemctl disable hciuart; sudo reboot; use /dev/ttyAMA0"
    yield do("Bluetooth", fault, cure, interrupts=True)


def _modem_manager(device: Path) -> Iterator[Finding]:
    """ModemManager opens every new USB serial port and asks whether it is a modem."""
    if not USB.fullmatch(device.resolve().name) or not holder.runs("ModemManager"):
        return
    properties = dict(
        line.split("=", 1)
        for line in told("udevadm", "info", "-q", "property", "-n", str(device)).splitlines()
        if "=" in line
    )
    if properties.get("ID_MM_DEVICE_IGNORE") == "1":
        return
    vendor = properties.get("ID_VENDOR_ID", "XXXX")
    rule = f'SUBSYSTEM=="tty", ATTRS{{idVendor}}=="{vendor}", ENV{{ID_MM_DEVICE_IGNORE}}="1"'
    yield do(
        "ModemManager",
        f"it runs, and writes to {device} each time that it is plugged in",
        f"echo '{rule}' | sudo tee -a /etc/udev/rules.d/99-zegel.rules && sudo udevadm control --reload; or, on a computer"
        " whose networks need no modem: sudo systemctl disable --now ModemManager",
        interrupts=True,
    )


def _not_allowed(device: Path, user: Account) -> Iterator[Finding]:
    """Tested as that user, if we can; otherwise by the modes."""
    if not user.ours:
        yield unknown("serial port", f"whether {user.name} may open {device}", "sudo zegel doctor")
        return
    with user.acting():
        if os.access(device, os.R_OK | os.W_OK, effective_ids=True):
            return
    info = device.stat()
    cure = f"sudo usermod -a -G {group_name(info.st_gid)} {user.name}, then log in again or restart the service"
    if info.st_gid == ROOT or info.st_mode & GROUP_MAY != GROUP_MAY:  # being in its group would not help
        rule = f'KERNEL=="{device.resolve().name}", GROUP="dialout", MODE="0660"'
        cure = f"let udev give it to a group: echo '{rule}' | sudo tee -a /etc/udev/rules.d/99-zegel.rules, then restart"
    yield do("serial port", f"{user.name} may not open {device}", cure, interrupts=True)
