from __future__ import annotations

import threading

import pytest

from gateway import cli
from gateway.report.status_socket import Publisher


@pytest.fixture(autouse=True)
def _runtime(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


def test_a_status_of_another_version_costs_itself(capsys):
    """It lacks what this version shows; the others are shown all the same."""
    with Publisher("ground", "pilot") as older, Publisher("air", "drone-7\x1b[2J") as other:
        over = threading.Event()

        def publish() -> None:
            while not over.wait(0.02):
                older.send({"role": "ground", "name": "pilot", "sealed": True, "operation": "Night Watch"})
                other.send({"role": "air", "name": "drone-7\x1b[2J"})

        thread = threading.Thread(target=publish)
        thread.start()
        try:
            assert cli.main(["status"]) == 0
        finally:
            over.set()
            thread.join()
    shown = capsys.readouterr().out
    assert shown.count("it is another version's") == 2
    assert "\x1b" not in shown
