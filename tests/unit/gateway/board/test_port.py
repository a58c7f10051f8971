from __future__ import annotations

import os
import pty
from pathlib import Path

import pytest

from gateway.board.port import look
from gateway.board.subject import Subject
from gateway.config import AirConfig
from keys.commands.account import Account, caller


@pytest.fixture
def line():
    master, slave = pty.openpty()
    name = os.ttyname(slave)
    os.close(slave)
    yield name
    os.close(master)


def asked(root, device: str, user: Account | None = None):
    settings = AirConfig(device="d", fc=f"serial:{device}:57600", link=("udpout:127.0.0.1:9",))
    return list(look(Subject(role="air", path=root / "air.toml", settings=settings, user=user or caller(), root=root)))


def put(root, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def test_a_free_line_is_ok(tmp_path, line):
    (finding,) = asked(tmp_path, line)
    assert finding.state == "ok"
    assert f"{line} is there, free" in finding.text


def test_a_console_on_the_line_is_named_with_the_command_that_frees_it(tmp_path, line):
    name = line.rpartition("/")[2]
    put(tmp_path, "proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4\0")
    put(tmp_path, "sys/class/tty/console/active", f"tty1 {name}\n")
    put(tmp_path, "boot/firmware/cmdline.txt", f"console={name},115200 console=tty1 root=PARTUUID=1")
    (finding,) = asked(tmp_path, line)
    assert (finding.what, finding.state) == ("serial console", "do this")
    assert "raspi-config nonint do_serial_cons 1" in finding.cure


def test_a_missing_port_of_a_pi_is_switched_on_in_its_boot_file(tmp_path):
    put(tmp_path, "boot/firmware/config.txt", "")
    put(tmp_path, "proc/device-tree/model", "Raspberry Pi 5 Model B Rev 1.0\0")
    (finding,) = asked(tmp_path, "/dev/ttyAMA77")
    assert finding.text == "/dev/ttyAMA77 does not exist"
    assert finding.cure.startswith("put dtparam=uart0=on into /boot/firmware/config.txt")


def test_bluetooth_on_the_good_uart_of_a_pi_4(tmp_path, line):
    put(tmp_path, "proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4\0")
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/serial1").symlink_to(line.rpartition("/")[2])
    (finding,) = asked(tmp_path, line)
    assert (finding.what, finding.text) == ("Bluetooth", f"{line} belongs to Bluetooth")
    assert "dtoverlay=disable-bt" in finding.cure


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user for a moment")
def test_the_service_must_be_allowed_and_not_only_who_asks(tmp_path, line):
    os.chown(line, -1, 20)
    Path(line).chmod(0o660)
    nobody = Account("nobody", 65534, 65534)
    (finding,) = asked(tmp_path, line, nobody)
    assert (finding.state, finding.text) == ("do this", f"nobody may not open {line}")
    assert finding.cure.startswith("sudo usermod -a -G ")
    with nobody.acting():
        assert (os.geteuid(), os.getegid()) == (65534, 65534)
    assert os.geteuid() == 0
