"""Every rule of SPEC.md names its test (tests/RULES.md), and the pages name no test that is not there."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from keys.policy import RANGES, Policy

ROOT = Path(__file__).parents[2]
SPEC = (ROOT / "gateway/SPEC.md").read_text()
PAGES = (
    "gateway/SPEC.md",
    "gateway/THREATS.md",
    "keys/CUSTODY.md",
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/*.md",
    "tests/RULES.md",
)
_TEST = r"`(\S+)` (\w+)"
_RULE = re.compile(rf"\| ([\d.]+) \| (.+) \| ({_TEST}(?:; {_TEST})*) \|")
_NUMBER = re.compile(r"\| ([\d.]+) \| (.+) \| `(\S+)\.(\w+)` \| (.+) \|")


def rows(heading: str) -> list[str]:
    """Those of the table under this heading, without its head."""
    part = (ROOT / "tests/RULES.md").read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return [line for line in part.splitlines() if line.startswith("|")][2:]


def rules() -> list[tuple[str, str, str]]:
    """(section, words, its tests)."""
    return [match.group(1, 2, 3) for row in rows("Rules") if (match := _RULE.fullmatch(row))]


def numbers() -> list[tuple[str, str, str, str, str]]:
    """(section, words, module, constant, value)."""
    return [match.groups() for row in rows("Numbers") if (match := _NUMBER.fullmatch(row))]  # type: ignore[misc]


def sections() -> dict[str, str]:
    """The text of each section without its subsections, on one line, without bars of tables; 0 is what stands in front."""
    parts = re.split(r"^#{2,3} (\d+(?:\.\d)?)\.? ", "## 0. " + SPEC.replace("\n## 0. ", "\n", 1), flags=re.MULTILINE)
    return {number: " ".join(text.replace("|", " ").split()) for number, text in zip(parts[1::2], parts[2::2], strict=True)}


def names_in(path: Path) -> Iterator[str]:
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node.name


def test_every_row_is_a_rule_or_a_number():
    assert len(rules()) == len(rows("Rules")) >= 150
    assert len(numbers()) == len(rows("Numbers")) >= 150


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: f"{rule[0]} {rule[1][:40]}")
def test_the_words_are_in_the_section_and_the_tests_exist(rule: tuple[str, str, str]):
    section, words, tests = rule
    assert words in sections()[section]
    for path, name in re.findall(_TEST, tests):
        assert f"test_{name}" in names_in(ROOT / path)


@pytest.mark.parametrize("number", numbers(), ids=lambda number: f"{number[0]} {number[3]}")
def test_the_specification_and_the_code_have_the_same_number(number: tuple[str, str, str, str, str]):
    section, words, module, constant, value = number
    assert words in sections()[section]
    assert getattr(importlib.import_module(module), constant) == ast.literal_eval(value)


def test_every_section_that_orders_something_has_a_rule():
    named = {section for section, *_ in rules()}
    ordering = {number for number in sections() if 2 <= float(number) < 10}  # 0, 1 and 10 on are not rules
    assert ordering <= named


def test_the_pages_name_no_file_of_tests_that_is_not_there():
    for page in (page for pattern in PAGES for page in ROOT.glob(pattern)):
        named = {name.rstrip("./,") for name in re.findall(r"tests/[\w/.]+", page.read_text())}
        assert not {name for name in named if not (ROOT / name).exists()}, page
        short = set(re.findall(r"`(test_\w+\.py)`", page.read_text()))  # without a folder, after one that has it
        assert not {name for name in short if not any((ROOT / "tests").rglob(name))}, page


def test_the_numbers_of_the_policy_are_those_that_issue_writes():
    text = SPEC.split("11 policy ")[1].split("```")[0].replace(",", " ")
    written = {
        name: (int(at), int(low), int(high)) for name, at, low, high in re.findall(r"(\w+) (\d+) \((\d+)\.\.(\d+)\)", text)
    }
    assert {"rekey_s", "lead_s", "announce_s", "fresh_ms", "segment_s", "segment_max"} <= written.keys()
    for name, (number, *limits) in written.items():
        assert (number, tuple(limits)) == (getattr(Policy(), name), RANGES[name]), name
    assert "policy=Policy(flags=" in (ROOT / "keys/commands/issue.py").read_text()
