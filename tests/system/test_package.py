"""The package in an empty Debian: installed with no network and no systemd, upgraded, removed, purged; and booted, in a
container, where real services in their sandbox are killed and stopped and come back.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import FIGURES
from tests.system.debian import empty_debian
from tests.system.test_sbom import faults

pytestmark = pytest.mark.soak

SOURCE = Path(__file__).parents[2]
PACKAGES = "python3,systemd,systemd-sysv,dbus,sudo"  # what Raspberry Pi OS Lite has, as far as it matters
CLEAN = ("env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C")
RECORDINGS = "/var/lib/zegel/recordings"
LOAD = ("zegel", "device", "load-order", "/var/lib/zegel/air", "/srv/op.order")
SET_UP = """set -e
cd /srv
zegel agency init agency --name "Harbour Police"
zegel device init /var/lib/zegel/air --name drone-7
zegel agency certify-device agency /var/lib/zegel/air/device.csr -o drone-7.crt
install -m 644 agency/root/root.crt .
zegel device enrol /var/lib/zegel/air drone-7.crt --root root.crt
zegel station init /var/lib/zegel/ground --name pilot --root root.crt
zegel order issue agency --operation "Night Watch" --hours 8 -o op.order --device drone-7.crt \
    --station /var/lib/zegel/ground/station.pub:telemetry,video,command
install -o zegel -m 600 op.order /var/lib/zegel/op.order
echo 'link = ["udpout:127.0.0.1:14600"]' > /etc/zegel/air.d/link.toml
"""


class Root:
    """A Debian of our own in `path`. Commands run in it with no network."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def run(self, *words: str, code: int | None = 0) -> str:
        apart = ["unshare", "--net", "--mount", "sh", "-c", f'mount -t proc proc {self.path}/proc && exec "$@"', "sh"]
        command = [*apart, "chroot", str(self.path), *CLEAN, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert code in (None, done.returncode), f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def has(self, path: str) -> bool:
        return os.path.lexists(self.path / path)


@pytest.fixture(scope="module")
def debian() -> Path:
    return empty_debian(PACKAGES)


@pytest.fixture(scope="module")
def package(request) -> Path:
    subprocess.run(["make", "deb"], cwd=SOURCE, check=True, capture_output=True)
    made = max((SOURCE / "dist").glob("zegel_*.deb"), key=lambda path: path.stat().st_mtime)
    figures = request.config.stash.setdefault(FIGURES, [])
    figures.append(f"{made.name}: {made.stat().st_size / 1e6:.0f} MB")
    return made


def test_another_build_elsewhere_makes_the_same_bytes(package, tmp_path, figure):
    """Of the same source in another folder, at another time, by a user whose files only that user may read."""
    copy, tracked = (
        tmp_path / "zegel",
        subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=SOURCE,
            capture_output=True,
            check=True,
        ),
    )
    copy.mkdir()
    tar = f"tar -C {shlex.quote(str(SOURCE))} --null -T - -c | tar -C {shlex.quote(str(copy))} -x --touch"
    subprocess.run(["sh", "-c", tar], input=tracked.stdout, check=True)
    subprocess.run(["chmod", "-R", "go=", copy], check=True)
    epoch = subprocess.run(
        ["git", "log", "-1", "--format=%ct"], cwd=SOURCE, capture_output=True, text=True, check=True
    ).stdout
    arch = package.stem.rpartition("_")[2]
    command = ["sh", "-c", 'umask 077; exec packaging/deb "$@"', "sh", sys.executable, arch]
    subprocess.run(
        command, cwd=copy, env={**os.environ, "SOURCE_DATE_EPOCH": epoch.strip()}, check=True, capture_output=True
    )
    (again,) = (copy / "dist").glob("*.deb")
    first, second = (hashlib.sha256(path.read_bytes()).hexdigest() for path in (package, again))
    figure(f"built twice: {first}, {second}")
    assert first == second


def test_the_bill_of_materials_is_of_what_is_in_the_package(package, tmp_path):
    subprocess.run(["dpkg-deb", "--extract", package, tmp_path], check=True)
    text = (tmp_path / "usr/share/doc/zegel/zegel.cdx.json").read_text()
    assert faults(text) is None
    assert package.with_suffix(".cdx.json").read_text() == text, "and it stands beside the package"
    made = json.loads(text)
    listed = {
        file["name"]: file["hashes"][0]["content"]
        for library in (made["metadata"]["component"], *made["components"])
        for file in library["components"]
    }
    wheels = (tmp_path / "usr/share/zegel/wheels").glob("*.whl")
    assert listed == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in wheels}
    parts = {
        part["name"] for one in made["components"] for file in one["components"] for part in file.get("components", ())
    }
    assert any("openssl" in name.lower() for name in parts), parts


@pytest.mark.parametrize("python", ["3.11", "3.13"])
def test_its_wheels_are_all_that_each_python_needs(package, tmp_path, python, figure):
    """Installed as packaging/venv does, by that Python itself."""
    program = shutil.which(f"python{python}")
    if program is None or subprocess.run([program, "-c", ""], check=False, capture_output=True).returncode:
        pytest.skip(f"needs python{python}")
    subprocess.run(["dpkg-deb", "--extract", package, tmp_path], check=True)
    wheels, made = tmp_path / "usr/share/zegel/wheels", tmp_path / "venv"
    subprocess.run([program, "-m", "venv", "--without-pip", made], check=True)
    (pip,) = wheels.glob("pip-*.whl")
    words = [
        "--isolated",
        "install",
        "--no-index",
        "--find-links",
        wheels,
        "--require-hashes",
        "-r",
        wheels / "requirements.txt",
    ]
    environment = {**os.environ, "PIP_CONFIG_FILE": os.devnull}
    subprocess.run([made / "bin/python", pip / "pip", *words], env=environment, check=True, capture_output=True)
    said = subprocess.run([made / "bin/zegel", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    figure(f"{package.name} in Python {python}: {said}")


@pytest.fixture
def root(debian, package, tmp_path) -> Root:
    subprocess.run(["cp", "-a", str(debian), str(tmp_path / "root")], check=True)
    shutil.copy(package, tmp_path / "root/root/zegel.deb")
    yield Root(tmp_path / "root")
    shutil.rmtree(tmp_path / "root")


def test_what_the_package_promises(root):
    root.run("useradd", "alice")
    root.run("env", "SUDO_USER=alice", "dpkg", "--install", "/root/zegel.deb")
    for role in ("air", "ground"):
        person = root.path / f"etc/zegel/{role}.d/10-plain-users.toml"
        assert person.read_text().endswith('plain_users = ["alice"]\n')
        person.write_text('plain_users = ["alice", "bob"]\n')
    assert root.run("zegel", "--version").startswith("zegel ")
    assert {"dialout", "video"} <= set(root.run("id", "-Gn", "zegel").split())
    assert root.run("stat", "-c", "%a %U", "/var/lib/zegel") == "711 zegel\n"
    assert root.run("stat", "-c", "%a %U", RECORDINGS) == "700 zegel-recorder\n"
    assert root.run("id", "-Gn", "zegel-view") == "zegel-view\n"
    for role in ("air", "ground"):
        assert root.run("systemd-analyze", "verify", f"zegel-{role}.service") == ""
        assert root.run("systemctl", "is-enabled", f"zegel-{role}", code=1) == "disabled\n"
    root.run("sh", "-c", SET_UP)
    root.run(*LOAD)
    told = root.run("zegel", "doctor", "air", "--json", code=None)
    assert {"ok"} == {
        one["state"] for one in json.JSONDecoder().raw_decode(told)[0] if one["what"] in {"folder", "enrolled", "order"}
    }, told
    root.run("systemctl", "enable", "zegel-air")
    with (root.path / "etc/zegel/air.toml").open("a") as file:
        file.write("# mine\n")

    def kept() -> None:
        assert (root.path / "etc/zegel/ground.d/10-plain-users.toml").read_text() == 'plain_users = ["alice", "bob"]\n'
        assert (root.path / "etc/zegel/air.toml").read_text().endswith("# mine\n")
        for name in ("air/device.key", "air/order", "ground/station.pub", "op.order"):
            assert root.has(f"var/lib/zegel/{name}"), name

    root.run("env", "SUDO_USER=alice", "dpkg", "--install", "/root/zegel.deb")  # over itself
    kept()
    assert root.run("systemctl", "is-enabled", "zegel-air") == "enabled\n"
    environment = root.run("readlink", "/opt/zegel").strip()
    shutil.rmtree(f"{root.path}{environment}/lib")
    root.run("dpkg-trigger", "--by-package=zegel", "--no-await", "/usr/bin/python3")  # as a new Python would
    root.run("dpkg", "--configure", "--pending")
    assert root.run("zegel", "--version").startswith("zegel ")

    root.run("dpkg", "--remove", "zegel")
    kept()
    assert not any(map(root.has, ("usr/bin/zegel", "opt/zegel", "usr/lib/systemd/system/zegel-air.service")))
    root.run("dpkg", "--install", "/root/zegel.deb")
    kept()
    _purge_keeps_recordings(root)
    left = subprocess.run(
        ["find", str(root.path), "-path", "*/tmp", "-prune", "-o", "-name", "*zegel*", "-print"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert left.stdout.split() == [f"{root.path}/root/zegel.deb"]


def _purge_keeps_recordings(root: Root) -> None:
    evidence = root.path / RECORDINGS[1:] / "session-1/leaves.cbor"
    evidence.parent.mkdir()
    evidence.touch()
    assert f"sealed recordings stay in {RECORDINGS}" in root.run("dpkg", "--purge", "zegel")
    assert evidence.exists()
    assert [path.name for path in (root.path / "var/lib/zegel").iterdir()] == ["recordings"]
    shutil.rmtree(evidence.parent)
    root.run("dpkg", "--install", "/root/zegel.deb")
    assert "stay" not in root.run("dpkg", "--purge", "zegel")


# --- typed by a person ---


def next_lines(role: str) -> list[str]:
    """What the package says to do next."""
    text = (SOURCE / f"packaging/{role}.toml").read_text()
    return re.findall(r"^# next: (?:at the agency: )?(.*)$", text, re.MULTILINE)


def test_the_lines_that_it_prints_work_from_a_home_that_no_other_user_may_enter(root):
    """Real sudo(8) and Bookworm's mode of a home. Nobody starts a service here, or answers the questions of setup."""
    root.run("useradd", "--create-home", "--shell", "/bin/bash", "alice")
    root.run("chmod", "700", "/home/alice")
    (root.path / "etc/sudoers.d/alice").write_text("alice ALL=(ALL) NOPASSWD: ALL\n")
    root.run("dpkg", "--install", "/root/zegel.deb")
    air, ground = next_lines("air"), next_lines("ground")
    agency = ['zegel agency init agency --name "Harbour Police"', "cp agency/root/root.crt ."]
    lines = [*agency, *air[:4], *ground[:4], *air[4:]]
    typed = [line for line in lines if "systemctl" not in line]
    assert len(typed) == len(lines) - 1
    for line in typed:
        answers = " --yes --link udpout:127.0.0.1:14600" if line == "sudo zegel setup air" else ""
        root.run("runuser", "-u", "alice", "--", "sh", "-c", f"cd && {line}{answers}")
    assert root.run("find", "/var/lib/zegel", "!", "-user", "zegel").splitlines() == [RECORDINGS]
    assert root.run("find", "/home/alice", "!", "-user", "alice") == ""
    told = json.JSONDecoder().raw_decode(root.run("zegel", "doctor", "air", "--json", code=None))[0]
    states = {one["what"]: one["state"] for one in told}
    assert [states[what] for what in ("configuration", "folder", "enrolled", "order")] == ["ok"] * 4, told


def test_an_upgrade_after_setup_asks_nothing(root, tmp_path):
    """A package whose air.toml has changed. Where a conffile was changed too, dpkg asks, and stops where nobody answers."""
    root.run("dpkg", "--install", "/root/zegel.deb")
    root.run("zegel", "setup", "air", "--yes", "--link", "udpout:127.0.0.1:14600")
    written = (root.path / "etc/zegel/air.d/50-setup.toml").read_text()
    unpacked = tmp_path / "newer"
    subprocess.run(["dpkg-deb", "--raw-extract", root.path / "root/zegel.deb", unpacked], check=True)
    with (unpacked / "etc/zegel/air.toml").open("a") as file:
        file.write("# newer\n")
    control = unpacked / "DEBIAN/control"
    control.write_text(re.sub(r"^Version: .*", "Version: 99", control.read_text(), flags=re.MULTILINE))
    subprocess.run(
        ["dpkg-deb", "-Zgzip", "-z1", "--build", unpacked, root.path / "root/newer.deb"], check=True, capture_output=True
    )
    said = root.run("sh", "-c", "dpkg --install /root/newer.deb </dev/null")
    assert "onfiguration file" not in said
    assert root.run("dpkg-query", "--show", "--showformat", "${Version} ${Status}", "zegel") == "99 install ok installed"
    assert (root.path / "etc/zegel/air.toml").read_text().endswith("# newer\n")
    assert (root.path / "etc/zegel/air.d/50-setup.toml").read_text() == written


# --- booted ---


class Booted:
    """The root with its own systemd, in a container without a network."""

    def __init__(self, root: Root) -> None:
        command = ["systemd-nspawn", "--quiet", "--directory", str(root.path), "--register=no", "--keep-unit"]
        self._nspawn = subprocess.Popen(
            [*command, "--private-network", "--boot", "--console=pipe"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        self.wait(self._children, "")
        self._leader = self._children()[0]
        self.wait(lambda: self.run("systemctl", "is-system-running").strip() in {"running", "degraded"}, "it does not boot")

    def _children(self) -> list[str]:
        return Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children").read_text().split()

    def run(self, *words: str) -> str:
        command = ["nsenter", "-t", self._leader, "-m", "-u", "-i", "-n", "-p", *CLEAN, *words]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    def show(self, unit: str, name: str) -> str:
        return self.run("systemctl", "show", "-P", name, unit).strip()

    def wait(self, done, why: str, limit_s: float = 40.0) -> None:
        end = time.monotonic() + limit_s
        while not done():
            assert time.monotonic() < end, f"{why}\n{self.run('journalctl', '-n', '50', '--no-pager')}"
            time.sleep(0.2)

    def end(self) -> None:
        os.kill(int(self._leader), signal.SIGRTMIN + 4)  # systemd's word for power off
        self._nspawn.wait(60)


def test_the_services_live_in_their_sandbox_and_come_back(root, figure):
    if not shutil.which("systemd-nspawn"):
        pytest.skip("systemd-nspawn is missing: apt-get install systemd-container")
    root.run("dpkg", "--install", "/root/zegel.deb")
    computer = Booted(root)
    try:
        computer.run("systemctl", "start", "--no-block", "zegel-air")
        computer.wait(
            lambda: "hint: make it: zegel device init" in computer.run("journalctl", "-u", "zegel-air"), "no hint"
        )
        time.sleep(3)
        assert int(computer.show("zegel-air", "NRestarts")) == 0  # not at full speed
        computer.run("sh", "-c", SET_UP)
        computer.run("systemctl", "enable", "--now", "--no-block", "zegel-ground")
        computer.wait(lambda: "waiting for an order" in computer.show("zegel-air", "StatusText"), "it does not wait")
        computer.wait(lambda: computer.show("zegel-air", "ActiveState") == "active", "it is not ready while it waits")
        computer.run(*LOAD)
        computer.wait(lambda: computer.show("zegel-ground", "StatusText") == "open", "the station does not open")
        assert "ground pilot: open" in computer.run("zegel", "status")
        _the_viewers_read_a_ground_and_no_more(computer)
        for number, result in ((signal.SIGKILL, "signal"), (signal.SIGSTOP, "watchdog")):
            for unit in ("zegel-air", "zegel-ground"):
                before, began = computer.show(unit, "MainPID"), time.monotonic()
                computer.run("sh", "-c", f"kill -{number.value} {before}")
                computer.wait(
                    lambda unit=unit, before=before: (
                        computer.show(unit, "MainPID") not in {before, "0"}
                        and computer.show(unit, "ActiveState") == "active"
                    ),
                    f"{unit} does not come back after {number.name}",
                )
                assert f"Failed with result '{result}'" in computer.run("journalctl", "-u", unit, "--no-pager")
                figure(f"{unit}.service active again {time.monotonic() - began:.1f} s after {number.name}")
        computer.wait(lambda: computer.show("zegel-ground", "StatusText") == "open", "the station does not open again")
        _upgrade_in_flight(computer)
    finally:
        computer.end()


VIEWER = """
import os, pathlib, sys
from gateway.report import status_socket
from gateway.endpoints.feed_reader import subscribe

(status,) = status_socket.read_all(5)
for message in subscribe(status.feed.address, "telemetry"):
    break
print(status.name, message.origin.device)
for place in ("/run/zegel", "/var/lib/zegel", "/var/lib/zegel/ground", "/etc/zegel/ground.toml", "/var/lib/zegel/op.order"):
    try:
        os.listdir(place) if os.path.isdir(place) else open(place).close()
        print("reads", place)
    except OSError:
        pass
view = pathlib.Path(status.feed.address.removeprefix("ipc://")).parent
try:
    (view / "x").touch()
    print("writes", view)
except OSError:
    pass
"""
OTHER = """
import socket, sys
try:
    socket.socket(socket.AF_UNIX).connect(sys.argv[1])
    print("connects")
except PermissionError:
    print("may not")
"""


def _the_viewers_read_a_ground_and_no_more(computer: Booted) -> None:
    as_viewer = (
        "setpriv",
        "--reuid=zegel-view",
        "--regid=zegel-view",
        "--clear-groups",
        "/opt/zegel/bin/python",
        "-c",
        VIEWER,
    )
    assert computer.run(*as_viewer).split("\n")[0] == "pilot drone-7"
    computer.run("systemctl", "start", "zegel-metrics")  # which has the same runtime folder
    assert computer.run(*as_viewer) == "pilot drone-7\nreads /etc/zegel/ground.toml\n"
    assert computer.run("stat", "-c", "%a %U %G", "/run/zegel/view") == "750 zegel zegel-view\n"
    (feed,) = computer.run("find", "/run/zegel/view", "-name", "*.feed.*").split()
    assert computer.run("stat", "-c", "%a %U %G", feed) == "660 zegel zegel-view\n"
    for user in ("nobody", "zegel-source", "zegel-recorder"):
        as_other = ("setpriv", f"--reuid={user}", f"--regid={user}".replace("nobody", "nogroup"), "--clear-groups")
        assert computer.run(*as_other, "python3", "-c", OTHER, feed) == "may not\n"
    computer.run("systemctl", "stop", "zegel-metrics")


def _upgrade_in_flight(computer: Booted) -> None:
    """It neither ends the flight nor takes away the files that it runs from; the next start has the new ones."""
    units = ("zegel-air", "zegel-ground")
    before = {unit: computer.show(unit, "MainPID") for unit in units}
    said = computer.run("dpkg", "--install", "/root/zegel.deb")
    for unit, process in before.items():
        assert f"After the flight: sudo systemctl restart {unit}.service" in said
        assert computer.show(unit, "MainPID") == process
        mapped = [line for line in computer.run("cat", f"/proc/{process}/maps").splitlines() if "/opt/zegel." in line]
        assert mapped
        assert not [line for line in mapped if line.endswith("(deleted)")]
    assert len(computer.run("sh", "-c", "ls -d /opt/zegel.*").split()) == 2
    computer.run("systemctl", "restart", *units)
    computer.wait(lambda: computer.show("zegel-ground", "StatusText") == "open", "the station does not open after it")
    computer.run("dpkg", "--install", "/root/zegel.deb")
    computer.run("systemctl", "restart", *units)
    assert len(computer.run("sh", "-c", "ls -d /opt/zegel.*").split()) == 2  # the first one is gone
