"""The console as its service runs it: whose programs get its link. Needs root, to be other users."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from gateway.console.token_file import TOKEN
from gateway.demo.stage import Program, free_port
from tests.system.users import ROOT, as_user

pytestmark = pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="needs root, to be other users")
SERVICE, GROUP, MEMBER, STRANGER = 4731, 4731, 4732, 4733
WITHIN_S = 20.0
# The interpreter may be where only root can read it, so all is loaded before it becomes that user.
ASKS = """
import os, pathlib, sys
from gateway.console import token_file
token_file.SERVICE = pathlib.Path(sys.argv[1])
user, groups, renew = int(sys.argv[2]), list(map(int, sys.argv[3].split())), sys.argv[4] == "renew"
if user:
    os.setgroups(groups)
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
try:
    print(token_file.link(renew=renew))
except Exception as error:
    print(type(error).__name__)
"""


@pytest.fixture
def service(tmp_path, monkeypatch):
    """A console as systemd starts it, and its folder."""
    for place in (tmp_path, *tmp_path.parents):
        if place == Path(tempfile.gettempdir()):
            break
        place.chmod(0o711)
    folder = tmp_path / "zegel-view"
    folder.mkdir()
    os.chown(folder, SERVICE, GROUP)
    folder.chmod(0o750)
    port = free_port(socket.SOCK_STREAM)
    with monkeypatch.context() as patch:
        patch.setenv("RUNTIME_DIRECTORY", str(folder))
        program = Program(("console", "--port", str(port)), tmp_path, "console", as_user(SERVICE))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "none"))
    yield folder, port, program
    program.end()


def asked(folder: Path, user: int, groups: str = "", *, renew: bool = False) -> str:
    """What this user gets."""
    temporary = folder.with_name("tmp")
    temporary.mkdir(exist_ok=True)
    temporary.chmod(0o1777)
    environ = {name: value for name, value in os.environ.items() if name != "XDG_RUNTIME_DIR"} | {"TMPDIR": str(temporary)}
    command = [sys.executable, "-c", ASKS, str(folder), str(user), groups, "renew" if renew else ""]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout.strip()


def test_root_and_the_group_get_the_link_and_no_one_else(service):
    folder, port, program = service
    until = time.monotonic() + WITHIN_S
    while "it runs" not in program.output():
        assert time.monotonic() < until, program.output()
        time.sleep(0.05)
    token = (folder / TOKEN).read_text().strip()
    assert token not in program.output(), "the journal is read by others, and kept"
    assert (folder / TOKEN).stat().st_mode & 0o777 == 0o640
    link = f"http://127.0.0.1:{port}/?token={token}"
    assert asked(folder, ROOT) == link
    assert asked(folder, MEMBER, str(GROUP)) == link
    assert asked(folder, STRANGER) == "NotRunning"
    assert asked(folder, MEMBER, str(GROUP), renew=True) == "PermissionError", "the group may read, not write"
    assert asked(folder, STRANGER, renew=True) == "NotRunning"
    renewed = asked(folder, ROOT, renew=True)
    assert renewed.partition("=")[0] == link.partition("=")[0]
    assert renewed != link
    assert asked(folder, MEMBER, str(GROUP)) == renewed
    kept = (folder / TOKEN).stat()
    assert (kept.st_uid, kept.st_gid, kept.st_mode & 0o777) == (SERVICE, GROUP, 0o640)
