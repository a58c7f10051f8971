from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time

import pytest

from gateway import log, process, status
from gateway.errors import NotRunning
from gateway.status import Publisher, Table


def frame(seq: int, sysid: int = 1, compid: int = 1) -> bytes:
    return bytes([0xFD, 0, 0, 0, seq & 0xFF, sysid, compid, 0, 0, 0, 0, 0])


def test_loss_is_counted_for_each_component():
    table = Table()
    table.count([frame(seq) for seq in (250, 251, 254, 255, 0, 1)])
    table.count([frame(seq, compid=2) for seq in (7, 8)])
    assert status.frames_status(table) == {
        "1/1": {"frames": 6, "rx_lost_est": 2},
        "1/2": {"frames": 2, "rx_lost_est": 0},
    }


def test_a_forger_of_ids_fills_no_memory():
    table = Table()
    table.count([frame(0, sysid, compid) for sysid in range(256) for compid in range(3)])
    assert len(table.rows) == 256


def test_a_frame_out_of_order_is_no_loss():
    table = Table()
    table.count([frame(seq) for seq in (1, 3, 2, 4)])
    assert table.rows[1, 1][:2] == [4, 1]


@pytest.fixture
def runtime(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path / "zegel"


def test_what_is_published_is_read(runtime):
    with Publisher("air", "drone 7/x") as publisher:
        code = "import json, gateway.status as s; print(json.dumps(s.read_all(10)))"
        reader = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        while reader.poll() is None:
            publisher.send({"role": "air", "name": "drone 7/x", "n": 1})
            time.sleep(0.05)
        ours = {"pid": os.getpid(), "memory_locked": process.locked()}
        assert json.loads(reader.stdout.read()) == [{**ours, "role": "air", "name": "drone 7/x", "n": 1}]
    assert list(runtime.iterdir()) == []


def test_what_a_killed_process_left_is_cleared_away(runtime):
    runtime.mkdir(mode=0o700)
    process = subprocess.Popen(["true"])
    process.wait()
    left, precious = runtime / f"air-drone.{process.pid}", runtime / "root.key"
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(left))
    precious.write_bytes(b"no socket of ours")
    assert status.read_all(0.1) == []
    assert not left.exists()
    assert precious.exists()


def test_a_link_in_the_place_of_the_folder_is_not_followed(runtime, tmp_path):
    (tmp_path / "pilot").mkdir(mode=0o700)
    runtime.symlink_to(tmp_path / "pilot")
    with pytest.raises(NotRunning, match="not ours alone"):
        status.read_all(0.1)


def test_a_folder_that_others_can_enter_is_not_used(runtime, capfd):
    runtime.mkdir(mode=0o777)
    runtime.chmod(0o777)
    with Publisher("air", "drone") as publisher:
        publisher.send({})
    log.flush()
    assert "not ours alone" in capfd.readouterr().out
    with pytest.raises(NotRunning, match="not ours alone"):
        status.read_all(0.1)
