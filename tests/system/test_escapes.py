"""Text of others at the terminal of a person: names of files and processes, contents of files, a status. Real commands."""

from __future__ import annotations

import contextlib
import io
import json
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gateway import cli
from gateway.demo.stage import HOST, free_port
from gateway.endpoint_state import State
from gateway.report.role_status import ComponentStatus, Use, encoded
from keys.folders import inbox
from tests.unit.gateway.report.published import published
from tests.unit.gateway.report.statuses import end, feed, ground, session

ESCAPE = "\x1b[2J\x1b]0;title\x07"
HOSTILE = f"{ESCAPE}\u202e\u200b\x9b31m"
SETS_ITS_NAME = """
import socket, sys
open('/proc/self/comm', 'w').write(sys.argv[1])
taken = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
taken.bind(('127.0.0.1', int(sys.argv[2])))
print('ready', flush=True)
sys.stdin.read()
"""


def run(*words: object) -> str:
    """All that a command shows, whether it ends well or not."""
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(shown):
        cli.main([str(word) for word in words])
    return shown.getvalue()


def is_harmless(shown: str) -> bool:
    return all(line.isprintable() for line in shown.split("\n"))


def test_a_file_that_is_not_there(tmp_path):
    shown = run("order", "show", tmp_path / f"{HOSTILE}\nzegel: all is well")
    assert is_harmless(shown)
    assert len(shown.splitlines()) == 2, "the error and its hint, and no line of the name's"
    assert r"\x1b[2J" in shown


@pytest.mark.parametrize("text", [f'"{ESCAPE}" = 1', f'link = ["udp{ESCAPE}:x:1"]'])
def test_a_configuration(tmp_path, text):
    file = tmp_path / "air.toml"
    file.write_text(f'device = "x"\n{text.encode("unicode_escape").decode().replace(chr(92) + "x", chr(92) + "u00")}\n')
    shown = run("air", "--config", file)
    assert is_harmless(shown)
    assert "air.toml" in shown
    assert is_harmless(run("doctor", "air", "--config", file))


def test_a_process_that_chose_its_name(tmp_path):
    port = free_port()
    file = tmp_path / "air.toml"
    file.write_text(f'device = "{tmp_path}"\nfc = "udpin:{HOST}:{port}"\nlink = ["udpout:{HOST}:9"]\nvideo = []\n')
    words = [sys.executable, "-c", SETS_ITS_NAME, "\x1b[2J\nok", str(port)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        shown = run("doctor", "air", "--config", file)
        process.stdin.close()
    assert is_harmless(shown)
    assert re.search(rf"is in use by \\x1b\[2J\\nok of user \S+ \(process {process.pid}\)", shown)


def test_a_station_file_and_an_order_with_such_a_name(house):
    file, order = house.folder / "pilot/station.pub", house.folder / "bad.order"
    file.write_text(file.read_text().replace("name: pilot", f"name: pilot{ESCAPE}"))
    new = house.folder / "new.order"
    crt = house.folder / "drone-7.crt"
    words = ("order", "issue", house.folder / "agency", "--operation", "x", "--hours", "1", "-o", new, "--device", crt)
    shown = run(*words, "--station", f"{file}:telemetry")
    order.write_bytes(house.order.read_bytes().replace(b"Night Watch", b"Night\x1b[2J\x9b".ljust(11, b"\x07")))
    for answer in (shown, run("order", "show", order), run("device", "load-order", house.folder / "drone-7", order)):
        assert is_harmless(answer)
        assert "zegel: " in answer


def test_an_answer_in_the_device_folder(house):
    """Of the running zegel air to `device load-order`: it quotes what was refused."""
    folder, order = house.folder / "drone-7", house.order.read_bytes()
    answer = inbox.Answer(digest=inbox._digest(order), error=f"no {HOSTILE}\nzegel: taken", hint=HOSTILE)
    script = "import sys; from pathlib import Path; from keys.folders.device import DeviceFolder;"
    script += "DeviceFolder.open(Path(sys.argv[1])); print('ready', flush=True); sys.stdin.read()"
    words = [sys.executable, "-c", f"folder = 0\n{script.replace('DeviceFolder.open', 'folder = DeviceFolder.open')}"]
    with subprocess.Popen([*words, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "ready\n"
        answered = threading.Event()

        def write() -> None:
            while not answered.wait(0.05):
                if (folder / inbox.ORDER).exists():
                    inbox.store.write(folder / inbox.ANSWER, inbox.msgspec.json.encode(answer))

        thread = threading.Thread(target=write)
        thread.start()
        shown = run("device", "load-order", folder, house.order)
        answered.set()
        thread.join()
        holder.stdin.close()
    assert is_harmless(shown)
    assert len(shown.splitlines()) == 2


def test_a_status_of_another_process(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    kept = {HOSTILE: {HOSTILE: 1}}
    link = end(Use.LINK, endpoint=HOSTILE, state=State.RECONNECTING, last_error=f"{HOSTILE}\n  dropped    nothing")
    status = ground(
        name=HOSTILE,
        operation=HOSTILE,
        sessions=[session(session=HOSTILE, device=HOSTILE)],
        opened={HOSTILE: 1},
        endpoints=[link, end(Use.GCS, endpoint=HOSTILE, clients=[HOSTILE])],
        feed=feed(address=HOSTILE, subscriptions={HOSTILE: 1}),
        frames={HOSTILE: ComponentStatus(1, 1)},
        drops={HOSTILE: 1},
        unexpected={HOSTILE: 1},
        alarms=[HOSTILE],
        kept_back=kept,
        misrouted={HOSTILE: 1},
        foreign=kept,
    )
    another = {"role": "ground", "name": f"{HOSTILE} of another version"}
    with published(tmp_path / "zegel", encoded(status), another):
        shown, verbose, as_json = run("status"), run("status", "-v"), run("status", "--json")
    assert is_harmless(shown)
    assert is_harmless(verbose)
    assert is_harmless(as_json)
    assert json.loads(as_json)[0]["name"] == HOSTILE
    assert sum(line.startswith("  dropped") for line in verbose.splitlines()) == 1


def test_what_the_service_manager_is_told_is_one_line(tmp_path, monkeypatch):
    from gateway.loop import watchdog  # noqa: PLC0415 - the socket must be in the environment first

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(Path(tmp_path) / "notify"))
        with watchdog.Manager({"NOTIFY_SOCKET": str(tmp_path / "notify")}) as manager:
            manager.tell(lambda: f"no link is up: {HOSTILE}\nMAINPID=1")
        (line,) = listener.recv(4096).decode().split("\n")
    assert line.startswith("STATUS=no link is up: ")
    assert line.isprintable()
