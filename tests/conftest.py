"""What all tests share: a folder for the status sockets, figures that are printed at the end, and who runs beside whom."""

from __future__ import annotations

import functools
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from gateway.loop import hardening
from gateway.native import library
from gateway.native.structures import Open, Seal
from keys.commands import account

FIGURES = pytest.StashKey[list[str]]()
LEFT = pytest.StashKey[Counter[str]]()
ELSEWHERE = {"peers": "make peers", "soak": "make soak"}  # marks that `make test` leaves out, and what runs them
SPREAD = ("system", "interop", "property", "hostile")  # folders of long tests, each of which may run in any process


@pytest.fixture(autouse=True, scope="session")
def _not_hardened() -> Iterator[None]:
    """Commands are run in this process, too, which would stay hardened. tests/system/test_ceremony.py has real ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hardening, "harden", lambda: True)
        yield


@pytest.fixture(autouse=True, scope="session")
def _for_itself() -> None:
    """Under sudo the tests' folders are root's all the same; tests/system/test_sudo.py has commands of a person."""
    account.forget_invoker()


@pytest.fixture(autouse=True, scope="session")
def _own_status_sockets() -> Iterator[None]:
    """Of this process: `zegel status` would list the roles of tests that run beside it. A short path: sockets need one."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", folder)
        yield


@pytest.fixture(params=["C", "Python"])
def data_path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A test that uses this runs over both: what roles that begin in it do with plain turns of video."""
    path: str = request.param
    if path == "Python":
        monkeypatch.setenv(library.OFF, "0")
    for name, turn in (("seal", Seal), ("open", Open)) if path == "C" else ():
        try:
            library.Library(name, turn)
        except library.Unavailable as reason:
            pytest.skip(str(reason))
    return path


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Note one line; timing is never asserted, so this is where it shows."""
    return request.config.stash.setdefault(FIGURES, []).append


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first in a parallel run."""
    items.sort(key=lambda item: (*SPREAD, _folder(item.nodeid)).index(_folder(item.nodeid)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Which tests of a parallel run stay in one process: what is short, and what shares a fixture of its file.

    Not by the groups of xdist 3.8: it adds their names to `Item._nodeid`, which pytest 9.2 does not read, so none is kept.
    """
    scheduler = LoadScopeScheduling(config, log)
    scheduler._split_scope = _stays_together  # type: ignore[method-assign]
    return scheduler


def _stays_together(nodeid: str) -> str:
    file, *_ = nodeid.split("::")
    return nodeid if _folder(file) in SPREAD and not _shares(file) else file


def _folder(nodeid: str) -> str:
    return PurePath(nodeid).parts[1]


@functools.cache
def _shares(file: str) -> bool:
    return re.search(r'scope="(module|class)"', (Path(__file__).parents[1] / file).read_text()) is not None


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Count what the other commands run, where the last part of `make test`, or pytest alone, leaves it out."""
    config = items[0].config
    if "not alone" not in config.option.markexpr:
        left = [mark for mark in ELSEWHERE if f"not {mark}" in config.option.markexpr]
        counts = Counter(mark for item in items for mark in left if item.get_closest_marker(mark))
        config.stash.setdefault(LEFT, Counter()).update(counts)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """The figures of a worker are in its own stash: hand them to the process that prints them."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["figures"] = session.config.stash.get(FIGURES, [])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error: object) -> None:
    figures = getattr(node, "workeroutput", {}).get("figures", [])  # a worker that died told none
    node.config.stash.setdefault(FIGURES, []).extend(figures)


def pytest_terminal_summary(terminalreporter, config) -> None:
    if lines := config.stash.get(FIGURES, []):
        terminalreporter.section("measured, not asserted")
        for line in lines:
            terminalreporter.write_line(line)
    for mark, count in config.stash.get(LEFT, {}).items():
        terminalreporter.write_line(f"{count} tests are left to `{ELSEWHERE[mark]}`")
