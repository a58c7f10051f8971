"""What the doctor says of the tables [[source]] and [vendor.NAME]."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from gateway.board import jail
from gateway.board.finding import Finding
from gateway.board.sources import look
from gateway.board.subject import Subject
from gateway.config import AirConfig
from gateway.demo.stage import free_port
from gateway.sources.tables import Source, Vendor
from keys.commands.account import Account, caller

NOBODY = Account("nobody", 65_534, 65_534)


def asked(root, *sources: Source, user: Account | None = None, **vendors: Vendor) -> list[Finding]:
    settings = AirConfig(device="d", link=("udpout:127.0.0.1:9",), source=sources, vendor=vendors)
    return [*look(Subject(role="air", path=root / "air.toml", settings=settings, user=user or caller(), root=root))]


def source(**values: object) -> Source:
    return Source(**{"name": "front", "lane": "a", "seen_by": "", **values})  # type: ignore[arg-type]


def test_without_sources_nothing_is_said(tmp_path):
    assert asked(tmp_path) == []


def test_a_program_that_is_there_is_ok(tmp_path):
    (found,) = asked(tmp_path, source(run=(sys.executable,), gives="h264", seen_by="dji"))
    assert found.state == "ok"
    assert "dji has its picture before the seal" in found.text


@pytest.mark.parametrize(
    ("program", "cure"),
    [
        ("ffmpeg", "sudo apt install ffmpeg"),
        ("rpicam-vid", "sudo apt install rpicam-apps"),
        ("gst-launch-1.0", "sudo apt install gstreamer1.0-tools"),
        ("program-of-no-one", "install it, or correct run of front"),
    ],
)
def test_a_program_that_is_missing_has_a_cure(tmp_path, monkeypatch, program, cure):
    monkeypatch.setenv("PATH", str(tmp_path))
    (found,) = asked(tmp_path, source(run=(program, "-o", "-"), gives="h264"))
    assert (found.state, found.cure) == ("do this", cure)
    assert "finds no program" in found.text


def test_a_device_that_is_missing_is_named(tmp_path):
    (found,) = asked(tmp_path, source(run=(sys.executable, "-i", "/dev/video99"), gives="h264"))
    assert "/dev/video99 does not exist" in found.text


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_a_device_that_the_user_may_not_read_is_named_with_its_group(tmp_path):
    device = next(each for each in map(Path, ("/dev/mem", "/dev/kmsg", "/dev/ptmx")) if each.exists())
    found = asked(tmp_path, source(run=("/bin/true", str(device)), gives="h264"), user=NOBODY)
    if device.stat().st_mode & 0o004:
        pytest.skip(f"every user may read {device} here")
    assert any(f"nobody may not read {device}" in each.text for each in found)


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [("a:b\n", 0o644, "may be read by others"), ("ab\n", 0o600, "does not hold one line"), (None, 0o600, "cannot read")],
)
def test_credentials_that_cannot_be_used_are_named(tmp_path, text, mode, said):
    secret = tmp_path / "secret"
    if text is not None:
        secret.write_text(text)
        secret.chmod(mode)
    found = asked(tmp_path, source(rtsp="rtsp://h/", credentials=str(secret)))
    assert any(said in each.text and each.cure for each in found)


def test_a_port_that_is_taken_is_named(tmp_path):
    port = free_port()
    pushed = source(rtmp=f"127.0.0.1:{port}/live/front")
    assert [each.state for each in asked(tmp_path, pushed)] == ["ok"]
    with socket.create_server(("127.0.0.1", port)):
        (found,) = asked(tmp_path, pushed)
    assert f"127.0.0.1:{port} cannot be listened at" in found.text


def test_an_address_that_this_computer_does_not_have_is_not_cured_by_another_port(tmp_path):
    """As at a box whose network of the controller is not set up yet."""
    (found,) = asked(tmp_path, source(rtmp="198.18.0.1:1935/live/front"))
    assert (found.state, found.cure) == ("do this", "give this computer the address 198.18.0.1")


def test_a_jail_that_was_not_written_or_is_of_another_table_is_named(tmp_path):
    vendor = Vendor(run=("/bin/true",), devices=("/dev/null",))
    (found,) = asked(tmp_path, psdk=vendor)
    assert "its jail is not that of [vendor.psdk]" in found.text
    jail.write(AirConfig(device="d", link=("udpout:h:9",), vendor={"psdk": vendor}), tmp_path / "etc/systemd/system")
    (found,) = asked(tmp_path, psdk=vendor)
    assert found.state == "ok"
    assert {each.state for each in asked(tmp_path, psdk=Vendor(run=("/bin/false",)))} == {"do this"}


def test_what_a_vendor_lacks_is_named(tmp_path):
    found = asked(tmp_path, psdk=Vendor(run=("/opt/none",), devices=("/dev/none",)))
    said = "\n".join(each.text for each in found)
    assert "/opt/none is no program" in said
    assert "/dev/none does not exist" in said
