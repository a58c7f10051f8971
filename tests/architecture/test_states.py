"""A state is a member of an Enum. What decides by states compares no texts, and the core has no sentences for them."""

from __future__ import annotations

import ast
import enum
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.core.refusal import Refusal
from gateway.core.session_state import FOLLOWING, SessionState
from tests.architecture.test_arrows import ROOT, modules, under

SEARCHES = {"startswith", "endswith", "find", "index", "removeprefix", "removesuffix", "partition", "search", "match"}
DECIDES = ("gateway/report/advice.py", "gateway/report/role_status.py", "gateway/ground/session_report.py")


def texts_compared(path: Path) -> Iterator[str]:
    """Comparisons with a text, and searches in one."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Compare):
            within = [part for side in (node.left, *node.comparators) for part in ast.walk(side)]
            if any(isinstance(part, ast.Constant) and isinstance(part.value, str) for part in within):
                yield ast.unparse(node)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in SEARCHES:
            yield ast.unparse(node)


@pytest.mark.parametrize("path", DECIDES)
def test_what_decides_by_states_compares_no_texts(path: str):
    assert [*texts_compared(ROOT / path)] == []


def test_a_gauge_of_a_state_is_made_from_members_of_its_enum():
    text = (ROOT / "gateway/report/metrics.py").read_text()
    samples = text.split("# --- a status to samples ---")[1].split("# --- where it goes ---")[0]
    searched = set(re.findall(r"\w+\.(?:startswith|endswith|find|count)\([^)]*\)", samples))
    assert searched == {'step.startswith("{")'}  # of a metric's place, which is ours


@pytest.mark.parametrize("module", [name for name in modules() if under(name, "gateway.core")])
def test_the_core_has_no_sentence_for_a_state(module: str):
    for name, kind in inspect.getmembers(importlib.import_module(module), inspect.isclass):
        if issubclass(kind, enum.Enum) and kind.__module__ == module:
            assert not [member.value for member in kind if re.search(r"[^a-z0-9_]", str(member.value))], name


def test_the_specification_draws_the_states_of_a_session():
    drawing = (ROOT / "gateway/SPEC.md").read_text().split("\nsession at a ground ")[1].split("\nits uplink aboard")[0]
    assert {state.name for state in SessionState} == set(re.findall(r"\b[A-Z]{4,}\b", drawing))


def test_the_page_for_integrators_names_every_word():
    part = (ROOT / "docs/integrate.md").read_text().split("## The status as JSON")[1].split("## Metrics")[0]
    words = set(re.findall(r"`(\w+)`", part))
    assert {*SessionState, *Refusal} <= words


def test_every_state_follows_on_another_and_none_on_the_last():
    assert set(FOLLOWING) == set(SessionState)
    assert {state for following in FOLLOWING.values() for state in following} == set(SessionState) - {SessionState.STATED}
    assert not FOLLOWING[SessionState.CLOSED]
