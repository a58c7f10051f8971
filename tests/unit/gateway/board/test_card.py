"""What the doctor says of the card on which flights are recorded, and of the recorder."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from gateway.board import card, card_speed, disk, service
from gateway.board.card_speed import Speed
from gateway.board.finding import Finding, State
from gateway.board.live import Live
from gateway.board.subject import Subject, default_path
from gateway.config import AirConfig
from gateway.recording.settings import Record
from gateway.report.role_status import AirStatus
from keys.commands.account import Account, caller
from keys.grant import Profile
from keys.order_station import OrderRecording
from tests.agency import NOW, public
from tests.system.card import Card
from tests.unit.gateway.report.statuses import air, recording
from tests.unit.keys.disk import only_root
from tests.unit.keys.folders.test_device import device, path, signed

__all__ = ["device", "path"]

EVIDENCE = OrderRecording(1, "evidence", Profile.X_WING, public(Profile.X_WING, 1))
FAST = Speed(1e9, 0.01)
FLYING = (Live(1, "air", "alex", None),)


@pytest.fixture
def recorded(device, path):
    """An aircraft whose order has a recording key."""
    device.load_order(signed(device, recording=(EVIDENCE,)), NOW)
    device.close()
    return path


@pytest.fixture
def folder():
    """On a disk that outlives the power, which the temporary one may not be on."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        yield Path(name)


def looked(aircraft: Path, folder: Path, keep_free_mib: int = 0, **more: object) -> list[Finding]:
    record = Record(folder=str(folder), keep_free_mib=keep_free_mib)
    settings = AirConfig(device=str(aircraft), link=("udpout:127.0.0.1:9",), record=record)
    values = {"role": "air", "path": Path("air.toml"), "settings": settings, "user": caller(), **more}
    return [*card.look(Subject(**values))]


def wrong(findings: list[Finding]) -> str:
    return "\n".join(f"{each.text} -> {each.cure}" for each in findings if each.state is State.DO)


def test_an_order_without_a_recording_key_records_nothing_and_no_card_is_looked_at(device, path):
    device.load_order(signed(device, recording=()), NOW)
    device.close()
    (found,) = looked(path, Path("/none"))
    assert (found.state, found.text) == (State.OK, "nothing is recorded: the order has no recording key")
    assert "zegel recording keygen" in found.cure


def test_without_an_order_nothing_is_said(device, path):
    device.close()
    assert looked(path, Path("/none")) == []


def test_a_card_that_is_well_is_measured_and_left_as_it_was(recorded, folder, figure):
    findings = looked(recorded, folder)
    assert {each.state for each in findings if "Mbit/s, longest" not in each.text} == {State.OK}, findings
    keys, kind, room, speed = (each.text for each in findings)
    assert keys == "what flies is recorded, sealed to 'evidence'"
    assert kind == f"{folder} is on {disk.kind(folder) or 'an unknown file system'}"
    assert "at 8 Mbit/s, as of one camera" in room
    figure(f"the card of this computer {speed}")
    assert not [*folder.iterdir()]


def test_in_flight_no_card_is_measured(recorded, folder, monkeypatch):
    monkeypatch.setattr(card_speed, "measure", lambda _: pytest.fail("measured"))
    assert not wrong(looked(recorded, folder, live=FLYING))


def test_a_card_that_is_not_there_has_a_cure(recorded, tmp_path):
    said = wrong(looked(recorded, tmp_path / "none"))
    assert f"{tmp_path}/none does not exist -> mount the card" in said
    assert f"sudo install -d -m 700 -o {caller().name} {tmp_path}/none" in said


@only_root
def test_a_folder_that_is_another_users_has_a_cure(recorded, folder, monkeypatch):
    monkeypatch.setattr(Subject, "account_of", lambda *_: Account("recorder", 4714, 4714))
    folder.chmod(0o755)
    assert f"recorder cannot write to {folder} -> sudo install -d -m 700 -o recorder" in wrong(looked(recorded, folder))
    folder.chmod(0o700)
    assert f"recorder cannot enter the folders above {folder}/below" in wrong(looked(recorded, folder / "below"))


@only_root
def test_a_card_in_memory_is_no_card(recorded, folder):
    (folder / "card").mkdir()
    memory = Card(folder / "card")
    try:
        said = wrong(looked(recorded, memory.folder))
    finally:
        memory.remove()
    assert "is on tmpfs: a power cut deletes all recordings" in said
    assert "0.0 GiB of room: no time at 8 Mbit/s" in said
    assert "cannot be written: no space left on device" in said


@pytest.mark.parametrize("kind", ["vfat", "exfat"])
def test_a_card_without_a_journal_is_told_with_its_reason(recorded, folder, monkeypatch, kind):
    monkeypatch.setattr(disk, "kind", lambda _: kind)
    monkeypatch.setattr(card_speed, "measure", lambda _: FAST)
    said = wrong(looked(recorded, folder))
    assert f"is on {kind}, which has no journal: a power cut can lose files that were complete" in said
    assert "mkfs.ext4" in said


def test_what_other_programs_need_is_no_room(recorded, folder, monkeypatch):
    monkeypatch.setattr(card_speed, "measure", lambda _: FAST)
    assert "0.0 GiB of room: no time" in wrong(looked(recorded, folder, keep_free_mib=1_048_576))


@pytest.mark.parametrize("speed", [Speed(1e6, 0.1), Speed(1e9, 7.0)])
def test_a_slow_card_is_told(recorded, folder, monkeypatch, speed):
    monkeypatch.setattr(card_speed, "measure", lambda _: speed)
    assert "two good cameras need 20 Mbit/s" in wrong(looked(recorded, folder))


@pytest.mark.parametrize(
    ("more", "state", "said"),
    [
        ({}, State.OK, "the running zegel air is connected to it; recording since 14:13 UTC: video A, telemetry"),
        ({"groups": []}, State.OK, "it begins"),
        ({"groups": [], "reason": "card_full"}, State.OK, "is connected to it; NOT RECORDING: card full"),
        (
            {"groups": [], "reason": "recorder_restarted", "text": "the recorder is gone"},
            State.DO,
            "the running zegel air has none: the recorder is gone",
        ),
    ],
)
def test_a_running_aircraft_says_whether_it_has_a_recorder_and_where_it_writes(recorded, folder, more, state, said):
    running: AirStatus = air(recording=recording(folder=str(folder), **more))
    *_, found = findings = looked(recorded, Path("/none"), live=FLYING, running=running)
    assert (found.what, found.state) == ("recorder", state)
    assert said in found.text
    assert f"{folder} is on" in "\n".join(each.text for each in findings)


@pytest.mark.parametrize(
    ("facts", "state", "said"),
    [
        ("LoadState=loaded\nActiveState=active\nNRestarts=2", State.OK, "is active, restarted 2 times"),
        ("LoadState=loaded\nActiveState=inactive", State.OK, "zegel-air starts it"),
        ("LoadState=loaded\nActiveState=activating", State.DO, "is activating"),
        ("LoadState=masked\nActiveState=inactive", State.DO, "is masked: nothing is recorded"),
    ],
)
def test_the_unit_of_the_recorder(recorded, folder, tmp_path, monkeypatch, facts, state, said):
    monkeypatch.setattr(card_speed, "measure", lambda _: FAST)
    monkeypatch.setattr(service, "told", lambda *_: facts)
    (tmp_path / service.BOOTED).mkdir(parents=True)
    found = looked(recorded, folder, path=default_path("air"), root=tmp_path)[-1]
    assert (found.what, found.state) == ("recorder", state)
    assert said in found.text
