"""Sysroot: an emulator, and an aarch64 Debian with Python and the product's libraries, unpacked into the user's cache.

What lives here: fetching and unpacking, without privileges and without installing. What must not: running it
(emulation.py). The programs come from Debian, whose signature apt checks; the libraries come from the package index, and
guest.txt pins them. The emulator is fetched too: it must support plugins, which that of later Debian releases does not.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from gateway.errors import GatewayError

PINS = Path(__file__).parent / "guest.txt"
SUITE = "bookworm"  # its Python is the oldest supported one, that of Raspberry Pi OS of 2023
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
SOURCE = f"deb [signed-by={KEYRING}] http://deb.debian.org/debian {SUITE} main\n"
PACKAGES = ("python3.11:arm64", "libstdc++6:arm64", "qemu-user")
PLATFORMS = ("manylinux2014_aarch64", "manylinux_2_28_aarch64")
WITHIN_S = 240
STALLED_S = 20
NETWORK = "the first run needs Debian's mirror and the package index: check that they can be reached, and run it again"
HINTS = {
    "gcc": "apt-get install gcc libc6-dev",
    "apt-get": "instructions are counted on Debian and its derivatives",
    "dpkg": "instructions are counted on Debian and its derivatives",
}


class CannotCount(GatewayError):
    """Something that the emulation needs is not available here."""


def sysroot() -> Path:
    """Its folder, made if the cache has none: half a minute, 60 MB to fetch, 350 MB to keep."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zegel-bench"
    recipe = " ".join((SOURCE, *PACKAGES, PINS.read_text()))
    made = cache / f"aarch64-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    if made.is_dir():
        return made
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        root = Path(scratch) / "root"
        for package in _fetch_packages(Path(scratch)):
            run(["dpkg", "--extract", str(package), str(root)], f"unpacking {package.name}")
        _install_libraries(root / "site")
        with contextlib.suppress(OSError):  # another process was faster, and has made the same
            root.rename(made)
    return made


def _fetch_packages(scratch: Path) -> list[Path]:
    """`PACKAGES` and all their dependencies, by an apt with an empty list of installed packages."""
    if not KEYRING.exists():
        raise CannotCount(f"Debian's keys are missing: {KEYRING}", hint="apt-get install debian-archive-keyring")
    native = run(["dpkg", "--print-architecture"], "asking for the architecture").strip()
    archives, lists = scratch / "archives", scratch / "lists"
    for folder in (archives, lists):
        (folder / "partial").mkdir(parents=True)
    (scratch / "sources.list").write_text(SOURCE)
    (scratch / "status").touch()
    settings = (
        f"APT::Architecture={native}",
        *(f"APT::Architectures::={name}" for name in dict.fromkeys((native, "arm64"))),
        "APT::Sandbox::User=",
        f"Acquire::http::Timeout={STALLED_S}",
        "Acquire::Languages=none",
        "Acquire::Retries=2",
        f"Dir::Cache={scratch}",
        f"Dir::Cache::archives={archives}",
        f"Dir::Etc::sourcelist={scratch / 'sources.list'}",
        "Dir::Etc::sourceparts=-",
        f"Dir::State={scratch}",
        f"Dir::State::lists={lists}",
        f"Dir::State::status={scratch / 'status'}",
    )
    apt = ["apt-get", "-qq", *(word for setting in settings for word in ("-o", setting))]
    run([*apt, "--error-on=any", "update"], "reading Debian's lists", NETWORK)
    run([*apt, "install", "-y", "--no-install-recommends", "--download-only", *PACKAGES], "fetching from Debian", NETWORK)
    return sorted(archives.glob("*.deb"))


def _install_libraries(site: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile", "--no-deps"]
    kind = ["--only-binary", ":all:", "--implementation", "cp", "--python-version", "3.11"]
    platforms = [word for platform in PLATFORMS for word in ("--platform", platform)]
    run([*pip, *kind, *platforms, "--target", str(site), "--requirement", str(PINS)], "fetching the libraries", NETWORK)


def run(command: Sequence[str], what: str, hint: str = "", env: dict[str, str] | None = None) -> str:
    """The output of `command`. CannotCount if it is not installed, fails, or takes longer than `WITHIN_S`."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN_S, check=True, env=env)  # noqa: S603
    except FileNotFoundError:
        raise CannotCount(f"{command[0]} is not installed", hint=HINTS.get(command[0], "")) from None
    except subprocess.TimeoutExpired:
        raise CannotCount(f"{what} took longer than {WITHIN_S} s", hint=hint) from None
    except subprocess.CalledProcessError as error:
        said = (error.stderr or error.stdout).strip().splitlines() or [f"exit {error.returncode}"]
        raise CannotCount(f"{what} failed: {said[-1]}", hint=hint) from None
    return done.stdout
