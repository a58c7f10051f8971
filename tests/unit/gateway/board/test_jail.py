"""The drop-in of a vendor's process: what its table names, and no more."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from gateway.board import jail
from gateway.errors import ConfigError
from gateway.sources.tables import Vendor

UNIT = Path(__file__).parents[4] / "packaging/zegel-vendor@.service"
RUN = ("/opt/psdk/feeder", "--key", 'a "b" $HOME 100%')


def test_a_table_that_names_nothing_gets_neither_a_network_nor_a_device():
    said = jail.drop_in("psdk", Vendor(run=RUN), ("usb0",))
    assert [line.split("=")[0] for line in said.splitlines()[2:]] == ["ExecStart", "ExecStart"]
    assert 'ExecStart="/opt/psdk/feeder" "--key" "a \\"b\\" $$HOME 100%%"' in said


def test_what_it_names_it_gets():
    said = jail.drop_in("psdk", Vendor(run=RUN, interface="eth1", devices=("/dev/null", "/dev/nonexistent")), ("usb0",))
    assert "PrivateNetwork=no\nRestrictNetworkInterfaces=eth1\n" in said
    assert "DeviceAllow=/dev/null rw\nDeviceAllow=/dev/nonexistent rw\n" in said
    assert "usb0" not in said


def test_it_never_gets_a_ground_link():
    with pytest.raises(ConfigError, match="usb0, which is a ground link"):
        jail.drop_in("psdk", Vendor(run=RUN, interface="usb0"), ("wlan1", "usb0"))


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is missing: apt-get install systemd")
def test_systemd_understands_it(tmp_path):
    unit = tmp_path / "zegel-vendor@psdk.service"
    unit.write_text(UNIT.read_text())
    beside = tmp_path / "zegel-vendor@psdk.service.d"
    beside.mkdir()
    vendor = Vendor(run=("/bin/true", *RUN[1:]), interface="eth1", devices=("/dev/null",))
    (beside / "jail.conf").write_text(jail.drop_in("psdk", vendor, ()))
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert [line for line in (done.stdout + done.stderr).splitlines() if "psdk" in line or "jail" in line] == []
