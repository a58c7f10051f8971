"""What CONTRIBUTING.md, CHANGELOG.md and the package's list of files say is so."""

from __future__ import annotations

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


def test_contributing_has_one_place_for_the_coverage():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    once = covered.with_table(text, "| a |", datetime.date(2026, 1, 2))
    assert "Measured on 2026-01-02:\n\n| a |" in once
    assert covered.with_table(once, "| a |", datetime.date(2026, 1, 2)) == once
    with pytest.raises(ValueError, match="2 places"):
        covered.with_table(text + text, "", datetime.date(2026, 1, 2))
