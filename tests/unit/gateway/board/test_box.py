"""`zegel setup box`: a source and a contained network that the programs read, and the examples of docs/box.md."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gateway import cli, config
from gateway.board import contain, egress
from gateway.config import AirConfig
from tests.unit.gateway.board.test_egress import NOTHING

ROOT = Path(__file__).parents[4]
LINK = ("--link", "udpout:10.1.1.2:14600")


def setup(tmp_path: Path, *words: str) -> int:
    return cli.main(["setup", "box", "--config", str(tmp_path / "air.toml"), "--yes", *LINK, *words])


def test_what_it_writes_is_what_air_and_the_guard_read(tmp_path, capsys):
    assert setup(tmp_path, "--interface", "enx1", "--seen-by", "autel") == 0
    told = capsys.readouterr().out
    found = config.load_file(AirConfig, tmp_path / "air.toml")
    (source,) = found.source
    assert (source.rtmp or "").startswith("192.168.50.1:1935/live/")
    assert (found.vendors(), found.fc, found.no_fc) == (["autel"], "udpin:127.0.0.1:14560", True)
    assert f"rtmp://{source.rtmp}" in told
    for word in ("WLAN", "Bluetooth", "SIM", "ifname enx1", "zegel egress check", "zegel device init"):
        assert word in told
    guard, _ = egress.read(tmp_path / "egress.toml", NOTHING)
    (contained,) = guard.contained
    assert (contained.interface, contained.ports.tcp, contained.dhcp) == ("enx1", (1935,), True)


def test_twice_is_once_and_keeps_the_key_that_is_typed_in_and_what_a_person_wrote(tmp_path, capsys):
    guard = tmp_path / "egress.toml"
    guard.write_text('interface = ["usb0"]\n[[allow]]\nwhy = "pings"\nprotocol = "ping"\n')
    assert setup(tmp_path) == 0
    first = config.load_file(AirConfig, tmp_path / "air.toml").source
    written = guard.read_text()
    assert setup(tmp_path) == 0
    assert f"{guard} contains eth1 already" in capsys.readouterr().out
    assert config.load_file(AirConfig, tmp_path / "air.toml").source == first
    assert guard.read_text() == written
    found, _ = egress.read(guard, NOTHING)
    assert (found.interfaces, found.holes[0].why, found.contained[0].interface) == (("usb0",), "pings", "eth1")


def test_mavlink_of_an_app_is_a_flight_controller(tmp_path):
    assert setup(tmp_path, "--fc", "udpin:0.0.0.0:14560") == 0
    assert not config.load_file(AirConfig, tmp_path / "air.toml").no_fc


def test_two_boxes_have_two_keys(tmp_path):
    keys = set()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        assert setup(tmp_path / name) == 0
        keys |= {source.rtmp for source in config.load_file(AirConfig, tmp_path / name / "air.toml").source}
    assert len(keys) == 2


@pytest.mark.parametrize("words", [("--interface", "lo"), ("--interface", "x;y"), ("--seen-by", "D J I")])
def test_a_mistake_writes_nothing(tmp_path, capsys, words):
    assert setup(tmp_path, *words) == 2
    assert "hint" in capsys.readouterr().err
    assert [*tmp_path.iterdir()] == []


def test_flags_of_the_box_are_not_for_the_others(tmp_path, capsys):
    for role in ("air", "ground"):
        assert cli.main(["setup", role, "--config", str(tmp_path / "x.toml"), "--yes", "--interface", "eth1"]) == 2
    assert "is for zegel setup box" in capsys.readouterr().err


def test_an_egress_file_that_is_no_toml_is_named(tmp_path):
    (tmp_path / "egress.toml").write_text("=\n")
    assert setup(tmp_path) == 2


def test_the_examples_are_what_the_programs_read(tmp_path):
    """Each of the three ways in turn: the others are comments."""
    for name in ("air.toml", "egress.toml"):
        shutil.copy(ROOT / "examples/box" / name, tmp_path / name)
    text = (tmp_path / "air.toml").read_text()
    assert contain.ports_of(tmp_path / "air.toml") == (contain.Ports(tcp=(1935,)), "")
    head, *ways = text.split("\n\n")
    keys, *sources = ways
    seen = []
    for way in sources:
        body = "\n".join(line.removeprefix("# ") for line in way.splitlines()[1:])
        (tmp_path / "air.toml").write_text(f"{head}\n{keys}\n{body[body.index('[[source]]') :]}\n")
        (source,) = config.load_file(AirConfig, tmp_path / "air.toml").source
        seen.append(source.way)
    assert seen == ["rtmp", "rtsp", "run"]
    assert egress.read(tmp_path / "egress.toml", NOTHING)[0].contained[0].interface == "eth1"
