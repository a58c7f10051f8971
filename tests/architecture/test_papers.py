"""What CONTRIBUTING.md, CHANGELOG.md and the package's list of files say is so."""

from __future__ import annotations

import ast
import configparser
import datetime
import re

import pytest

from tests import covered
from tests.architecture.test_arrows import PACKAGES, ROOT

HEADINGS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}  # of Keep a Changelog 1.1
REPORT = {
    "files": {
        "gateway/core/wire.py": {
            "summary": {"num_statements": 90, "missing_lines": 1, "num_branches": 10, "missing_branches": 2}
        },
        "gateway/core/air/beat.py": {
            "summary": {"num_statements": 10, "missing_lines": 0, "num_branches": 0, "missing_branches": 0}
        },
        "keys/order.py": {
            "summary": {"num_statements": 9999, "missing_lines": 1, "num_branches": 1, "missing_branches": 0}
        },
    }
}


def setup() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


def targets() -> list[str]:
    (phony,) = re.findall(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return phony.split()


@pytest.mark.parametrize("package", PACKAGES)
def test_each_package_ships_its_types(package):
    assert (ROOT / package / "py.typed").is_file()
    assert "py.typed" in re.split(r",\s*", setup()["options.package_data"][package])


@pytest.mark.parametrize("target", targets())
def test_each_target_of_make_is_explained(target):
    table = (ROOT / "CONTRIBUTING.md").read_text().split("## Make targets")[1].split("\n## ")[0]
    assert re.search(rf"make {target}\b", table)


def test_the_changelog_names_the_version():
    text = (ROOT / "CHANGELOG.md").read_text()
    versions = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert versions[0] == "[Unreleased]"
    assert re.fullmatch(rf"\[{re.escape(setup()['metadata']['version'])}\] - \d{{4}}-\d\d-\d\d", versions[1])
    assert set(re.findall(r"^### (.+)$", text, re.MULTILINE)) <= HEADINGS


def test_coverage_is_summed_by_part_and_never_rounded_up():
    rows = covered.table(REPORT).splitlines()
    assert rows[2] == "| `gateway/core` | 100 | 1 | 10 | 2 | 97.2 % |"
    assert rows[3] == "| `keys` | 9,999 | 1 | 1 | 0 | 99.9 % |"


def test_what_is_not_reached_has_a_reason_or_is_named():
    lines = {"missing_lines": [90], "missing_branches": []}
    branch = {"missing_lines": [], "missing_branches": [[26, 30]]}
    whole = {"missing_lines": [], "missing_branches": []}
    report = {
        "files": {
            "keys/cose.py": {"functions": {"_NoTag.__len__": lines, "dumps": whole, "new": lines}},
            "keys/folders/store.py": {"functions": {"": branch}},
            "bench/cli.py": {"functions": {"main": lines}},
        }
    }
    found = covered.missed(report)
    assert found == {"keys/cose.py:_NoTag.__len__": "90", "keys/cose.py:new": "90", "keys/folders/store.py:": "a branch"}
    assert covered.reasons(found).splitlines()[2:] == [
        "| `keys/cose.py` | a Mapping must have it, and not every cbor2 calls it |",
        f"| `keys/folders/store.py` | {covered.WINDOWS} |",
    ]


@pytest.mark.parametrize("place", covered.REASONS)
def test_each_reason_is_of_a_function_that_exists(place):
    path, _, name = place.partition(":")
    defined = {getattr(node, "name", "") for node in ast.walk(ast.parse((ROOT / path).read_text()))}
    assert {*name.split(".")} <= defined | {""}


def test_contributing_has_one_place_for_the_coverage():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    once = covered.with_table(text, "| a |", datetime.date(2026, 1, 2))
    assert "Measured on 2026-01-02:\n\n| a |" in once
    assert covered.with_table(once, "| a |", datetime.date(2026, 1, 2)) == once
    with pytest.raises(ValueError, match="2 places"):
        covered.with_table(text + text, "", datetime.date(2026, 1, 2))
