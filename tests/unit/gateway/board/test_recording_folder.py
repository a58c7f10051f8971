"""Where `zegel setup air` says that recordings go, and what lets the service write there."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from gateway import cli, config
from gateway.board import recording_folder
from gateway.board.recording_folder import allow, taken, text_for
from gateway.config import AirConfig
from gateway.errors import ConfigError
from gateway.recording.settings import FOLDER
from keys.commands import account
from keys.commands.account import Account
from tests.system.card import mount_apart
from tests.unit.keys.disk import only_root

UNIT = Path(__file__).parents[4] / "packaging/zegel-recorder.service"
RECORDER = Account("recorder", 4714, 4714)


def setup(path: Path, *words: str) -> int:
    return cli.main(["setup", "air", "--config", str(path), "--yes", "--link", "udpout:10.1.1.2:14600", *words])


def test_a_configuration_of_a_persons_own_records_next_to_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert setup(Path("air.toml")) == 0
    assert config.load_file(AirConfig, tmp_path / "air.toml").record.folder == f"{tmp_path}/recordings"


def test_a_folder_that_is_said_stays_with_the_other_keys_of_its_table(tmp_path):
    path = tmp_path / "air.toml"
    path.write_text('[record]\nfolder = "/media/card"\nqueue_mib = 64\n')
    assert setup(path) == 0
    assert "record" not in config.read(config.setup_file(path))
    assert setup(path, "--record", "/media/other") == 0
    record = config.load_file(AirConfig, path).record
    assert (record.folder, record.queue_mib) == ("/media/other", 64)


def test_the_flag_is_for_air_alone(tmp_path, capsys):
    assert cli.main(["setup", "ground", "--config", str(tmp_path / "ground.toml"), "--yes", "--record", "/x"]) == 2
    assert "--record is for zegel setup air" in capsys.readouterr().err


def test_the_service_needs_no_word_for_its_own_folder():
    assert taken(None, None, None) == {}
    assert text_for(FOLDER) == ""


@pytest.mark.parametrize("folder", ["/home/alice/card", "/root", "/run/user/1000/card"])
def test_what_the_service_cannot_reach_is_refused_before_anything_is_written(folder):
    with pytest.raises(ConfigError, match="the recorder cannot reach"):
        taken(folder, None, None)


@pytest.mark.parametrize("folder", ['/media/"card"', "/media/a\\b", "/media/a\nb"])
def test_a_name_that_a_unit_cannot_have_is_refused(folder):
    with pytest.raises(ConfigError, match="cannot be named in a unit"):
        text_for(folder)


def test_systemd_understands_the_drop_in(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is missing: apt-get install systemd")
    unit = UNIT.read_text().replace("/opt/zegel/bin/zegel", "/bin/true")
    (tmp_path / UNIT.name).write_text(unit)
    (tmp_path / f"{UNIT.name}.d").mkdir()
    (tmp_path / f"{UNIT.name}.d/folder.conf").write_text(text_for("/media/my card 100%"))
    words = ["systemd-analyze", "verify", str(tmp_path / UNIT.name)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert str(tmp_path) not in done.stdout + done.stderr
    assert UNIT.name not in done.stdout + done.stderr


@only_root
def test_another_folder_is_made_for_the_recorder_and_allowed_once(tmp_path, monkeypatch):
    monkeypatch.setattr(account, "of_service", lambda _: RECORDER)
    monkeypatch.setattr(recording_folder, "HIDDEN", ())
    folder, drop_in = tmp_path / "card", tmp_path / "zegel-recorder.service.d/folder.conf"
    said = allow(str(folder), drop_in)
    assert f"recordings go to {folder}\nthen: sudo systemctl daemon-reload" in said
    assert drop_in.read_text().endswith(f'[Service]\nReadWritePaths="-{folder}"\n')
    assert (folder.stat().st_uid, folder.stat().st_mode & 0o777) == (RECORDER.uid, 0o700)
    assert allow(str(folder), drop_in) == ""
    assert f"recordings go to {FOLDER}" in allow(FOLDER, drop_in)
    assert not drop_in.exists()
    assert allow(FOLDER, drop_in) == ""


@only_root
def test_a_card_that_is_not_there_yet_is_allowed_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(account, "of_service", lambda _: RECORDER)
    monkeypatch.setattr(recording_folder, "HIDDEN", ())
    drop_in = tmp_path / "zegel-recorder.service.d/folder.conf"
    assert allow(str(tmp_path / "none/card"), drop_in)
    assert drop_in.exists()
    assert not os.path.lexists(tmp_path / "none")


@only_root
@pytest.mark.parametrize(("there", "owner"), [("lost+found", RECORDER.uid), ("photos", 0)])
def test_a_new_card_is_given_to_the_recorder_and_what_is_of_somebody_stays_so(tmp_path, monkeypatch, there, owner):
    """As docs/recordings.md has it: mkfs.ext4, the mount, and then setup."""
    monkeypatch.setattr(account, "of_service", lambda _: RECORDER)
    monkeypatch.setattr(recording_folder, "HIDDEN", ())
    mount_apart()
    folder = tmp_path / "card"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "card", folder], check=True)
    try:
        (folder / there).mkdir()
        allow(str(folder), tmp_path / "zegel-recorder.service.d/folder.conf")
        assert (folder.stat().st_uid, folder.stat().st_mode & 0o777) == (owner, 0o755 if owner == 0 else 0o700)
    finally:
        subprocess.run(["umount", folder], check=True)
