"""`zegel source` and an RTSP server: its password is in no command line, and pictures come back after the server."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.demo.stage import HOST, free_port, run_until
from tests.system.house import zegel
from tests.system.source_stage import ROOT, Player, command_lines, prepared, staged, table

FEWEST = 20
GI = "import gi; gi.require_version('GstRtspServer', '1.0')"
SYSTEM_PYTHON = "/usr/bin/python3"
LOGIN = ("operator", "pa:ss w@rd/%1")
RESTARTS = 20


@pytest.fixture
def folder(tmp_path, monkeypatch):
    return prepared(tmp_path, monkeypatch)


def has_rtsp_server() -> bool:
    return subprocess.run([SYSTEM_PYTHON, "-c", GI], capture_output=True, check=False).returncode == 0


class RtspServer:
    def __init__(self, port: int) -> None:
        script = ROOT / "tests/system/rtsp_server.py"
        words = [SYSTEM_PYTHON, str(script), str(port)]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n".join((*LOGIN, "")).encode())
        self.process.stdin.flush()
        assert self.process.stdout.readline() == b"ready\n"

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


def rtsp_table(folder: Path, port: int, login: Sequence[str]) -> str:
    secret = folder / "front.secret"
    secret.write_text(":".join(login))
    secret.chmod(0o600)
    return table("front", "a", rtsp=f"rtsp://{HOST}:{port}/live", credentials=str(secret))


RTSP = pytest.mark.skipif(
    not (has_rtsp_server() and shutil.which("ffmpeg")),
    reason="needs ffmpeg and GStreamer's RTSP server: apt install ffmpeg python3-gi gir1.2-gst-rtsp-server-1.0",
)


@RTSP
@pytest.mark.parametrize("restarts", [1, pytest.param(RESTARTS, marks=pytest.mark.soak)])
def test_rtsp_with_a_password_that_no_command_line_has_comes_back_after_the_server(folder, restarts):
    port, player = free_port(), Player()
    server = RtspServer(port)
    seen: list[str] = []

    def step() -> None:
        player.take()
        seen.extend(words for _, words in command_lines() if "ss w" in words or "ss%20w" in words)

    try:
        with staged(folder, rtsp_table(folder, port, LOGIN), (player.port, free_port())) as stage:
            for _ in range(restarts + 1):
                at, wanted = time.monotonic(), player.packets + FEWEST
                assert run_until(lambda least=wanted: player.packets > least, step, [player.socket], 30), (
                    stage.program.output()
                )
                print(f"pictures {time.monotonic() - at:.2f} s after the server")
                server.end()
                run_until(lambda: False, step, [player.socket], 0.5)
                server = RtspServer(port)
            text = stage.program.output() + zegel("status", "--json")
    finally:
        server.end()
    assert seen == []
    assert "ss w" not in text
    assert "ss%20w" not in text


@RTSP
def test_a_wrong_password_is_an_error_that_does_not_show_it(folder):
    port = free_port()
    server = RtspServer(port)
    try:
        with staged(folder, rtsp_table(folder, port, ("operator", "wr@ng")), (free_port(), free_port())) as stage:
            assert run_until(lambda: "401" in stage.program.output(), lambda: None, [], 20), stage.program.output()
            text = stage.program.output() + zegel("status", "--json")
    finally:
        server.end()
    assert "wr@ng" not in text
    assert "wr%40ng" not in text


def test_credentials_that_others_may_read_are_not_used(folder):
    text = rtsp_table(folder, 1, LOGIN)
    (folder / "front.secret").chmod(0o640)
    with staged(folder, text, (free_port(), free_port())) as stage:
        assert run_until(lambda: "may be read by others" in stage.program.output(), lambda: None, [], 20)
        assert "ss w" not in stage.program.output()
