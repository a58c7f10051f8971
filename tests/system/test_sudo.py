"""`sudo zegel ...` by a person whose home nobody else may enter (0700), for the folder of a service.

Such a command is a process of root that finds the person in its environment (sudo(8)). It reads as the person, and
writes as the owner of the folder.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.demo.stage import HOST, free_port
from keys.errors import Denied
from keys.folders.store import BY_SUDO
from keys.grant import Profile
from tests import cards

if os.geteuid() != 0:
    pytest.skip("needs root, for programs of several users", allow_module_level=True)
if shutil.which("setpriv") is None:
    pytest.skip("needs setpriv: apt install util-linux", allow_module_level=True)

ROOT = Path(__file__).parents[2]
ZEGEL, PERSON = 4711, 4713
PROGRAM = (sys.executable, "-P", "-m", "gateway.cli")  # the program, from whichever folder it is called


class Computer:
    """`home` is the person's, `kept` the service's: both 0700. The agency's files are in the home."""

    def __init__(self, folder: Path) -> None:
        folder.chmod(0o755)
        self.home, self.kept = folder / "home", folder / "zegel"
        for path, uid in ((self.home, PERSON), (self.kept, ZEGEL)):
            path.mkdir(mode=0o700)
            os.chown(path, uid, uid)

    def run(self, *words: object, uid: int = 0, more: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        """By this user in the home, as sudo starts it."""
        environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "PYTHONPATH": str(ROOT)}
        by_sudo = {} if uid == PERSON else {"SUDO_UID": str(PERSON), "SUDO_GID": str(PERSON)}
        become = ("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", *more)
        command = [*become, *PROGRAM, *map(str, words)]
        return subprocess.run(
            command, cwd=self.home, env={**environment, **by_sudo}, capture_output=True, text=True, check=False
        )

    def sudo(self, *words: object) -> str:
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def person(self, *words: object) -> str:
        done = self.run(*words, uid=PERSON)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def save(self, name: str, text: str) -> None:
        """What `> name` does: the person's own shell writes it."""
        (self.home / name).write_text(text)
        os.chown(self.home / name, PERSON, PERSON)

    def owners(self, folder: Path) -> set[tuple[int, int]]:
        return {(path.stat().st_uid, path.stat().st_gid) for path in (folder, *folder.rglob("*"))}


@pytest.fixture
def computer() -> Iterator[Computer]:
    with tempfile.TemporaryDirectory() as name:
        made = Computer(Path(name))
        if made.run("--version", uid=PERSON).returncode:
            pytest.skip("needs a clone and a Python that other users may read")
        yield made


@pytest.fixture
def enrolled(computer: Computer) -> Computer:
    computer.person("agency", "init", "agency", "--name", "Harbour Police")
    shutil.copy(computer.home / "agency/root/root.crt", computer.home)
    (computer.home / "root.crt").chmod(0o600)
    os.chown(computer.home / "root.crt", PERSON, PERSON)
    computer.sudo("device", "init", computer.kept / "air", "--name", "drone-7")
    computer.save("drone-7.csr", computer.sudo("device", "request", computer.kept / "air"))
    computer.person("agency", "certify-device", "agency", "drone-7.csr", "-o", "drone-7.crt")
    (computer.home / "drone-7.crt").chmod(0o600)
    computer.sudo("device", "enrol", computer.kept / "air", "drone-7.crt", "--root", "root.crt")
    computer.sudo("station", "init", computer.kept / "ground", "--name", "pilot", "--root", "root.crt")
    computer.save("pilot.pub", computer.sudo("station", "public", computer.kept / "ground"))
    return computer


def order(computer: Computer, *words: object, name: str = "op.order") -> Path:
    computer.person(
        *("order", "issue", "agency", "--operation", "Night Watch", "--device", "drone-7.crt:1", "--hours", "8"),
        *("--station", "pilot.pub:telemetry,video,command", "-o", name, *words),
    )
    return computer.home / name


def test_from_nothing_to_an_order_by_sudo_alone(enrolled):
    assert stat.S_IMODE(order(enrolled).stat().st_mode) == 0o600
    told = enrolled.sudo("device", "load-order", enrolled.kept / "air", "op.order")
    assert "flies from now on under the order for operation 'Night Watch'" in told
    assert enrolled.owners(enrolled.kept) == {(ZEGEL, ZEGEL)}
    assert enrolled.owners(enrolled.home) == {(PERSON, PERSON)}
    enrolled.sudo("station", "trust", enrolled.kept / "ground", "--root", "root.crt")
    enrolled.sudo("station", "destroy", enrolled.kept / "ground", "--yes")
    assert enrolled.owners(enrolled.kept) == {(ZEGEL, ZEGEL)}


def test_an_export_of_a_services_card_is_the_persons_and_so_is_the_process_that_reads_pictures(computer):
    """The card is of mode 0700 and of the service, the recording key and the export are in the home."""
    computer.person("recording", "keygen", "archive", "--name", "archive")
    key = cards.Key(Profile.X_WING, (computer.home / "archive/seed").read_bytes())
    cards.flight(computer.kept / "card", cards.order_with(key))
    for path in (computer.kept / "card").rglob("*"):
        os.chown(path, ZEGEL, ZEGEL)
    computer.sudo("recording", "export", computer.kept / "card", "--key", "archive", "-o", "out", "--from", "+5")
    assert {path.name for path in (computer.home / "out").iterdir()} >= {"flight.pcap", "flight.tlog", "README.txt"}
    assert computer.owners(computer.home) == {(PERSON, PERSON)}


def test_what_is_printed_next_has_sudo_where_it_is_needed(computer):
    air, pilot = computer.kept / "air", computer.home / "pilot"
    assert f"next: sudo zegel device request {air} > device.csr" in computer.sudo("device", "init", air, "--name", "d")
    assert "next: zegel device request own > device.csr" in computer.person("device", "init", "own", "--name", "d")
    assert not pilot.exists()


def test_what_sudo_writes_for_the_person_is_the_persons(enrolled):
    """A file that an agency's command makes, and an agency itself."""
    order(enrolled)
    enrolled.sudo("order", "extend", "op.order", "--hours", "1", "-o", "longer.order")
    enrolled.sudo("agency", "init", "another", "--name", "River Police")
    assert enrolled.owners(enrolled.home) == {(PERSON, PERSON)}


def test_an_order_from_a_file_is_changed_ended_and_looked_at_by_sudo(enrolled):
    """The person's files in a home that nobody else may enter, the agency of the person, the aircraft of the service."""
    enrolled.sudo("order", "draft", ".", "-o", "order.toml")
    text = (enrolled.home / "order.toml").read_text()
    enrolled.save("order.toml", text.replace('operation = ""', 'operation = "Night Watch"'))
    enrolled.sudo("order", "issue", "agency", "--file", "order.toml", "-o", "op.order")
    enrolled.sudo("order", "change", "op.order", "--station", "pilot:telemetry,command", "-o", "2.order")
    enrolled.sudo("order", "end", "2.order", "-o", "3.order")
    assert "orders: 3 so far" in enrolled.sudo("agency", "show", "agency")
    assert "pilot, of 'Harbour Police', x-wing: pilot.pub" in enrolled.sudo("station", "list", ".")
    enrolled.sudo("device", "load-order", enrolled.kept / "air", "2.order")
    assert "order 2 for operation 'Night Watch'" in enrolled.sudo("device", "show", enrolled.kept / "air")
    assert enrolled.owners(enrolled.home) == {(PERSON, PERSON)}
    assert enrolled.owners(enrolled.kept) == {(ZEGEL, ZEGEL)}


def test_a_running_aircraft_of_the_service_takes_an_order_by_sudo(enrolled):
    order(enrolled)
    enrolled.sudo("device", "load-order", enrolled.kept / "air", "op.order")
    order(enrolled, name="second.order")
    ends = ("--fc", f"udpin:{HOST}:{free_port()}", "--video", f"udpin:{HOST}:{free_port()}", "--link", f"udpout:{HOST}:9")
    air = (*PROGRAM, "air", "--device", enrolled.kept / "air", *ends)
    words = ["setpriv", f"--reuid={ZEGEL}", f"--regid={ZEGEL}", "--clear-groups", *air]
    run = enrolled.kept / "run"
    run.mkdir(mode=0o700)
    os.chown(run, ZEGEL, ZEGEL)
    environment = {**os.environ, "RUNTIME_DIRECTORY": str(run), "PYTHONPATH": str(ROOT)}
    piped = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(list(map(str, words)), cwd="/", env=environment, **piped) as flying:
        said = ""
        for line in flying.stdout:
            said += line
            if "session" in line:
                break
        told = enrolled.run("device", "load-order", enrolled.kept / "air", "second.order")
        flying.terminate()
    assert told.returncode == 0, told.stderr + said
    assert "the running zegel air has accepted the order" in told.stdout
    assert enrolled.owners(enrolled.kept / "air") == {(ZEGEL, ZEGEL)}


# --- what cannot be, and is told ---


def test_no_file_is_read_that_the_person_may_not_read(enrolled):
    secret = enrolled.home.parent / "roots.crt"
    shutil.copy(enrolled.home / "root.crt", secret)
    secret.chmod(0o600)
    done = enrolled.run("device", "enrol", enrolled.kept / "air", "drone-7.crt", "--root", secret)
    assert done.returncode == 1
    assert f"{secret} cannot be read: permission denied" in done.stderr
    assert f"files are read and written as {PERSON}, who called sudo" in done.stderr


def test_an_order_that_another_person_was_interrupted_in_writing_is_not_passed_over(enrolled):
    """It may be in that person's home. If it counted as not written, whom it revokes would be listed again."""
    old, other, signer = order(enrolled), enrolled.home.parent / "other", enrolled.home / "agency/signer"
    enrolled.person("order", "extend", old, "--hours", "1", "-o", "2.order")
    other.mkdir(mode=0o700)
    written = (enrolled.home / "2.order").rename(other / "2.order")
    for path in signer.glob("state*.json"):  # as the power leaves it between the order and the record of it
        state = json.loads(path.read_bytes())
        ((operation, rank),) = state["operations"].items()
        state["operations"] = {operation: [1, 1]}
        state["begun"] = {"operation": operation, "rank": rank, "output": str(written)}
        path.write_text(json.dumps(state))
    again = ("order", "extend", old, "--hours", "1", "-o", "again.order")
    refused = enrolled.run(*again, uid=PERSON)
    assert refused.returncode == Denied.exit_code
    assert f"an interrupted command may have written an order, and {written} cannot be read" in refused.stderr
    other.chmod(0o755)
    written.chmod(0o644)
    assert "number 2 of its operation was issued after it" in enrolled.run(*again, uid=PERSON).stderr
    enrolled.person("order", "extend", written, "--hours", "1", "-o", "3.order")


def test_sudo_for_the_wrong_user_is_told_to_be_plain(enrolled):
    """As the packages told people before: the service's user cannot enter the home."""
    done = enrolled.run("device", "enrol", enrolled.kept / "air", enrolled.home / "drone-7.crt", "--root", "x", uid=ZEGEL)
    assert done.returncode == 1
    assert "hint: call sudo without -u" in done.stderr


@pytest.mark.parametrize("words", [("device", "request"), ("device", "show"), ("station", "public")])
def test_without_sudo_the_folder_of_the_service_is_told_to_need_it(enrolled, words):
    folder = enrolled.kept / ("air" if words[0] == "device" else "ground")
    done = enrolled.run(*words, folder, uid=PERSON)
    assert done.returncode == 1
    assert f"hint: {BY_SUDO}" in done.stderr


def test_no_hint_gives_the_folder_of_the_service_to_root(enrolled):
    """`sudo zegel air` is not what the folder is for, and the service must still find it as its own."""
    air = enrolled.kept / "air"
    done = enrolled.run("air", "--device", air, "--link", "udpout:127.0.0.1:9")
    assert f"{air} belongs to {ZEGEL}, not to root" in done.stderr
    assert "chown" not in done.stderr


def test_a_process_that_was_kept_out_of_core_files_stays_so(enrolled):
    """Linux forgets that when a process changes its user."""
    script = (
        "import ctypes\n"
        "from pathlib import Path\n"
        "from gateway.loop import hardening\n"
        "from keys.commands import account\n"
        "hardening.harden()\n"
        "of = lambda: ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)\n"
        f"with account.invoker().acting():\n    one = of()\n    with account.owner(Path('{enrolled.kept}')).acting():\n"
        "        print(one, of())\n"
    )
    environment = {**os.environ, "SUDO_UID": str(PERSON), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "0 0\n"


@pytest.mark.soak
def test_the_demo_is_shown_by_sudo_too(computer):
    """Its folder is root's alone, where the person could not write."""
    assert "Everything is as it should be." in computer.sudo("demo")
