"""What is installed is pinned by hash: the locks fit setup.cfg for each Python and board, and nothing else is installed."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.architecture.test_papers import ROOT, setup

RUNTIME, BUILD = ROOT / "packaging/requirements.txt", ROOT / "packaging/build-requirements.txt"
BOARDS = [
    {
        "python_version": version,
        "python_full_version": f"{version}.2",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "os_name": "posix",
        "sys_platform": "linux",
        "platform_machine": machine,
    }
    for version in ("3.11", "3.13")
    for machine in ("aarch64", "x86_64")
]


def pinned(path: Path) -> list[tuple[Requirement, list[str]]]:
    """Each requirement of a lock file, and its hashes."""
    found = []
    for line in path.read_text().replace("\\\n", "").splitlines():
        text = line.partition(" #")[0].strip()
        if text and not text.startswith("#"):
            stated, *hashes = re.split(r"\s+--hash=", text)
            found.append((Requirement(stated), hashes))
    return found


def stated() -> list[Requirement]:
    lines = setup()["options"]["install_requires"].splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize("path", [RUNTIME, BUILD], ids=lambda path: path.name)
def test_each_version_is_exact_and_has_a_hash(path):
    assert len(pinned(path)) >= 4
    for requirement, hashes in pinned(path):
        assert re.fullmatch(r"==[\d.]+", str(requirement.specifier)), requirement
        assert hashes
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for each in hashes), requirement


@pytest.mark.parametrize("path", [RUNTIME, BUILD], ids=lambda path: path.name)
def test_no_version_depends_on_the_python(path):
    """pip judges a marker by its own Python: fetched by 3.11 for 3.13, the package would lack what it asks for there."""
    assert not re.search("python_(full_)?version", path.read_text())


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: f"{board['python_version']}-{board['platform_machine']}")
def test_what_setup_cfg_asks_for_is_locked_once_for_each_board(board):
    here = [
        requirement for requirement, _ in pinned(RUNTIME) if not requirement.marker or requirement.marker.evaluate(board)
    ]
    versions = {requirement.name.lower(): str(requirement.specifier).removeprefix("==") for requirement in here}
    assert len(versions) == len(here)
    for wanted in stated():
        version = versions.get(wanted.name.lower())
        assert version, f"make lock: {wanted} is not locked"
        assert version in wanted.specifier, f"make lock: {wanted.name} is locked at {version}"


def test_the_lock_of_what_builds_has_the_build_backend():
    (backend,) = re.findall(r'requires = \["([^"]+)"\]', (ROOT / "pyproject.toml").read_text())
    wanted = Requirement(backend)
    (version,) = (str(found.specifier)[2:] for found, _ in pinned(BUILD) if found.name == wanted.name)
    assert version in wanted.specifier


def test_nothing_of_packaging_installs_without_hashes():
    """But uv, for `make lock`, with which nothing is built or installed."""
    for path in sorted((ROOT / "packaging").iterdir()):
        if path.is_file() and path.name != "lock":
            text = path.read_text().replace("\\\n", " ")
            locked = re.search(r"^locked=\(.*--require-hashes.*\)$", text, re.MULTILINE)
            for line in re.findall(r"^.*(?:\bpip\b|\{pip\[@\]\}).* (?:install|download) .*$", text, re.MULTILINE):
                assert "--require-hashes" in line or ("locked[@]" in line and locked), f"{path.name}: {line}"


def test_a_change_of_the_lock_is_seen_by_git():
    done = subprocess.run(["git", "check-ignore", RUNTIME, BUILD], cwd=ROOT, capture_output=True, check=False)
    assert done.stdout == b""
