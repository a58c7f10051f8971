"""Compiler: the C programs of bench/c, compiled once for this machine and kept in a cache."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import sysconfig
from pathlib import Path

from gateway.errors import GatewayError

SOURCES = Path(__file__).parent / "c"
WORDS = ("-std=gnu11", "-O2", "-Wall", "-Wextra")
WITHIN_S = 60.0


class Absent(GatewayError):
    """A program for measuring or comparing is not installed; the hint is the command that installs it."""


def built(name: str, libraries: tuple[str, ...] = (), package: str = "") -> Path:
    """The compiled `name`.c. Absent without a compiler, or without the headers of `package`."""
    compiler = _compiler()
    command = [*compiler, *WORDS]
    digest = hashlib.sha256(repr((command, libraries, sysconfig.get_platform())).encode())
    for source in (SOURCES / f"{name}.c", *sorted(SOURCES.glob("*.h"))):
        digest.update(source.read_bytes())
    program = _cache() / f"{name}-{digest.hexdigest()[:16]}"
    if not program.exists():
        _compile([*command, str(SOURCES / f"{name}.c"), *(f"-l{library}" for library in libraries)], program, package)
    return program


def _compiler() -> list[str]:
    for words in (shlex.split(os.environ.get("CC", "")), ["cc"], ["gcc"], ["clang"]):
        if words and shutil.which(words[0]):
            return words
    raise Absent("there is no C compiler", hint="apt install gcc libc6-dev")


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    folder = (Path(base) if base else Path.home() / ".cache") / "zegel-bench"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _compile(command: list[str], program: Path, package: str) -> None:
    made = program.with_name(f"{program.name}.{os.getpid()}")  # two benches may compile at once; the last one wins
    told = subprocess.run(  # noqa: S603 - the compiler of this machine, on sources of ours
        [*command, "-o", str(made)], capture_output=True, text=True, timeout=WITHIN_S, check=False
    )
    if told.returncode:
        line = next((line for line in told.stderr.splitlines() if "error" in line), told.stderr.strip())
        raise Absent(f"the compiler refuses: {line}", hint=f"apt install {package or 'libc6-dev'}")
    made.rename(program)
