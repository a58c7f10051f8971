"""No remedy of the doctor harms a flight: what interrupts one has to wait, and none ends a program that may be needed."""

from __future__ import annotations

import os
import pty
import re
from pathlib import Path

import pytest

from gateway.board import clock, computer, doctor, folder, health, holder, kernel, link, port, service
from gateway.board.finding import Finding, State
from gateway.board.holder import Holder
from gateway.board.live import Live
from gateway.board.subject import Subject
from gateway.config import AirConfig, GroundConfig
from gateway.endpoints.address import parse
from gateway.report.role_status import Use
from keys.commands.account import Account, caller
from tests.unit.gateway.report.statuses import air, end, ground

HARMS = re.compile(
    r"reboot|restart|start zegel|make install|apt |ip link set|mount|modprobe|date|set-ntp|5\.1 V|install the|replace it"
    r"|(SERIAL|MAV_|SER_|SYSID)|systemctl (?!status|is-|show)|usermod|tee |raspi-config|plain_users"
)
ENDS = re.compile(r"\bkill|end that program|terminate|pkill")
GROUP = 20  # any but root's
FLYING = (Live(1, "air", "alex", None),)


def put(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


@pytest.fixture
def bad(tmp_path, monkeypatch):
    """A board on which much is wrong, with its serial line."""
    master, slave = pty.openpty()
    line = os.ttyname(slave)
    name = line.rpartition("/")[2]
    put(tmp_path, "proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4\0")
    put(tmp_path, "proc/meminfo", "MemTotal: 1000 kB\nMemAvailable: 1000 kB\n")
    put(tmp_path, "sys/class/tty/console/active", f"tty1 {name}\n")
    put(tmp_path, "boot/firmware/cmdline.txt", "console=tty1")
    put(tmp_path, health.THROTTLED, "50005")
    put(tmp_path, "proc/cmdline", "boot=overlay")
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/serial1").symlink_to(name)
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    monkeypatch.setattr(clock.time, "time", lambda: 5.0)
    monkeypatch.setattr(kernel, "_tried", lambda _: False)
    monkeypatch.setattr(computer.struct, "calcsize", lambda _: 4)
    monkeypatch.setattr(holder, "runs", lambda _: True)
    monkeypatch.setattr(port, "USB", re.compile(r"\d+"))
    monkeypatch.setattr(link, "_width", lambda *_: 1000)
    yield tmp_path, line
    os.close(master)
    os.close(slave)


def subject(root: Path, line: str, **more: object) -> Subject:
    settings = AirConfig(device=str(root), fc=f"serial:{line}:57600", link=("udpout:127.0.0.1:9",), buffer_kib=65_536)
    values = {"role": "air", "path": root / "air.toml", "settings": settings, "user": caller(), "root": root}
    return Subject(**{**values, "live": FLYING, **more})


def looked(about: Subject, *looks: doctor.Look) -> list[Finding]:
    found = [finding for look in looks for finding in doctor._isolated("x", look, about)]
    assert not [finding for finding in found if "this check failed" in finding.text]
    return found


LOOKS = (computer.look, health.look, clock.look, kernel.look, port.look, link.look)


def test_what_interrupts_a_flight_is_for_afterwards(bad):
    root, line = bad
    flies, stands = (looked(subject(root, line, live=live), *LOOKS) for live in (FLYING, ()))
    harmful = [finding for finding in stands if HARMS.search(finding.cure)]
    assert len({finding.what for finding in harmful}) >= 8, harmful
    for finding in flies:
        assert not HARMS.search(finding.cure) or finding.cure.startswith("after the flight: "), finding
    assert [finding.text for finding in flies] == [finding.text for finding in stands]
    assert not [finding for finding in stands if finding.cure.startswith("after the flight: ")]
    assert not [finding for finding in flies if ENDS.search(finding.cure)]


@pytest.mark.parametrize("facts", ["inactive\nUnitFileState=disabled", "inactive\nUnitFileState=enabled"])
def test_a_service_is_not_started_during_a_flight(bad, monkeypatch, facts):
    root, line = bad
    monkeypatch.setattr(service, "told", lambda *_: f"LoadState=loaded\nResult=success\nActiveState={facts}")
    (finding,) = looked(subject(root, line), service.look)
    assert finding.cure.startswith("after the flight: sudo systemctl ")


def test_a_lost_mount_is_mended_after_the_flight_and_not_if_the_card_is_damaged():
    finding = folder._unwritable(Path("/x"), OSError(30, "Read-only file system")).during_flight()
    assert finding.cure.startswith("after the flight: see why: dmesg | tail; if the card is not damaged: sudo mount")
    full = folder._unwritable(Path("/x"), OSError(28, "No space left on device")).during_flight()
    assert full.cure.startswith("make room: df -h")


WHO = Holder(812, "minicom of user alex (process 812)")
PORT = parse("udpin:0.0.0.0:14600")


def test_the_holder_of_a_port_is_named_and_never_to_be_killed(tmp_path):
    finding = holder.taken("link", PORT, [WHO], subject(tmp_path, "/dev/x"), "name another port")
    assert finding.state is State.DO
    assert "in use by minicom of user alex (process 812), and only one" in finding.text
    assert finding.cure == "name another port; or stop that program yourself if it is not needed"


def test_a_live_role_of_the_same_kind_is_in_order_and_one_of_the_other_kind_is_not(tmp_path):
    flies = Live(812, "air", "alex", air(endpoints=[end(Use.LINK, endpoint=str(PORT)), end(Use.FC)]))
    about = subject(tmp_path, "/dev/x", live=[flies])
    finding = holder.taken("link", PORT, [WHO], about, "name another port")
    assert (finding.state, finding.cure) == (State.OK, "")
    assert finding.text.startswith("zegel air drone-7 of user alex (process 812) has udpin:0.0.0.0:14600: connected, 9 ")
    other = subject(tmp_path, "/dev/x", live=[Live(812, "ground", "alex", ground())])
    assert holder.taken("link", PORT, [WHO], other, "name another port").state is State.DO
    both = holder.taken("link", PORT, [WHO, Holder(9, "socat of user eve (process 9)")], about, "name another port")
    assert both.state is State.DO
    assert "socat of user eve" in both.text
    unseen = holder.taken("link", PORT, [holder.UNSEEN], about, "name another port")
    assert (unseen.state, unseen.cure) == (State.UNKNOWN, "sudo zegel doctor shows which")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user for a moment")
def test_a_group_is_advised_only_if_its_members_may_open_the_line(bad):
    _, line = bad
    nobody = Account("nobody", 65534, 65534)
    for mode, group, words in (
        (0o600, GROUP, 'GROUP="dialout"'),
        (0o660, 0, 'GROUP="dialout"'),
        (0o660, GROUP, "sudo usermod -a -G "),
    ):
        os.chown(line, -1, group)
        Path(line).chmod(mode)
        (finding,) = port._not_allowed(Path(line), nobody)
        assert words in finding.cure


def test_a_station_in_the_same_state_gets_the_same_care(bad):
    root, line = bad
    settings = GroundConfig(station=str(root), order="x", link=("udpout:127.0.0.1:9",))
    found = looked(subject(root, line, role="ground", settings=settings), *LOOKS)
    assert [finding.what for finding in found if finding.cure.startswith("after the flight: sudo timedatectl")] == ["clock"]
