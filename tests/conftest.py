"""What all tests share: a place for the figures that a run measured, printed at its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from gateway.loop import hardening
from keys.commands import account

FIGURES = pytest.StashKey[list[str]]()


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


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Note one line; timing is never asserted, so this is where it shows."""
    return request.config.stash.setdefault(FIGURES, []).append


def pytest_terminal_summary(terminalreporter, config) -> None:
    if lines := config.stash.get(FIGURES, []):
        terminalreporter.section("measured, not asserted")
        for line in lines:
            terminalreporter.write_line(line)
