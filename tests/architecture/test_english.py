"""Plain English: words that are hard for readers of another first language do not come back. CONTRIBUTING.md, "English".

Documents and scripts are checked completely, Python files of the packages in their comments and strings, tests in the names
of their functions.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.test_arrows import PACKAGES, ROOT

# The word, and what to write. A pattern has no group; case does not matter.
DIALECT = {
    r"\bdear(?:er|est)?\b": "expensive",
    r"\banew\b": "again, new",
    r"\bof late\b": "recently",
    r"\bfor ever\b": "without end",
    r"\bvouch(?:es|ed)?\b": "certifies, signs, authenticates",
    r"\bwhoever\b": "an attacker who, a station that",
    r"(?<![\"\w])(?<!user )nobody(?![\"\w])": "no one, no station",
    r"(?<!\.)\bbeside\b(?!\.| =|, | /|\()": "next to, in addition to, compared with",
    r"\bhung? up on\b": "disconnected",
    r"\bstands? (?:in|at|there|before|behind|above|beside|here)\b": "is in",
    r"\b(?:he|his|him)\b": "an attacker, the user",
    r"(?-i:(?:^|[.] )Who (?:is|has|can|may|comes|sends|joins|had|was|never|reads|hears))\b": "An attacker who",
}
WHO = r"\b(?:by|of|to|at) whom?\b|^test who(?:m|se|ever)?\b"  # in the name of a test, where no capital begins a sentence
SCRIPTS = ("Makefile", ".ci/*", "bench/c/*", "bench/plugin/*.c", "packaging/*", "packaging/debian/*")
NOT_OURS = {"CONTRIBUTING.md"}  # its table shows what not to write
WORDS_MIN = 3  # a shorter string is a name, not a sentence


def documents() -> list[Path]:
    folders = (ROOT, *(ROOT / name for name in (*PACKAGES, "docs", "examples", "packaging", "tests")))
    found = {path for folder in folders for path in folder.glob("*.md" if folder == ROOT else "**/*.md")}
    return sorted(path for path in found if path.name not in NOT_OURS and "build" not in path.parts)


def scripts() -> list[Path]:
    found = {path for pattern in SCRIPTS for path in ROOT.glob(pattern) if path.is_file()}
    return sorted(path for path in found if path.suffix not in {".md", ".py"} and path.name != "requirements.txt")


def functions_of_tests() -> Iterator[tuple[Path, str]]:
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield path, node.name


def modules() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def sentences(path: Path) -> Iterator[str]:
    """The comments and the longer strings of a module."""
    for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
        if token.type == tokenize.COMMENT or (token.type == tokenize.STRING and len(token.string.split()) >= WORDS_MIN):
            yield token.string


def found_in(text: str) -> list[str]:
    hits = ((re.search(pattern, text, re.IGNORECASE | re.MULTILINE), better) for pattern, better in DIALECT.items())
    return [f"{hit.group()!r}: write {better}" for hit, better in hits if hit]


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", documents(), ids=named)
def test_documents_are_in_plain_english(page: Path):
    assert found_in(page.read_text()) == []


def test_comments_and_messages_are_in_plain_english():
    assert {named(path): found for path in modules() for text in sentences(path) if (found := found_in(text))} == {}


@pytest.mark.parametrize("script", scripts(), ids=named)
def test_scripts_and_programs_in_c_are_in_plain_english(script: Path):
    assert found_in(script.read_text()) == []


def test_names_of_tests_are_in_plain_english():
    words = ((path, name, name.replace("_", " ")) for path, name in functions_of_tests())
    assert [(named(path), name) for path, name, text in words if found_in(text) or re.search(WHO, text)] == []


@pytest.mark.parametrize("text", ["test who joins waits", "test it is told to whom it is for", "test whoever asks"])
def test_each_of_these_names_is_found(text: str):
    assert re.search(WHO, text)


def test_there_are_scripts_and_names_to_look_at():
    assert {"Makefile", ".ci/run", "bench/c/load.c", "packaging/deb"} <= {named(script) for script in scripts()}
    assert len([*functions_of_tests()]) > 1000


@pytest.mark.parametrize(
    "text",
    [
        "an array of numbers is dear",
        "starts the service anew",
        "who has not been heard of late",
        "tried for ever",
        "a root vouches for it",
        "whoever sent it",
        "kept by nobody",
        "a key beside the other",
        "is hung up on",
        "it stands in the order",
        "he has the datagrams",
        "Who has the one refuses the other",
    ],
)
def test_each_of_these_words_is_found(text: str):
    assert len(found_in(text)) >= 1


@pytest.mark.parametrize("text", ["a program of user nobody", '"nobody": Linux shows it', "a station who is listed"])
def test_plain_sentences_pass(text: str):
    assert found_in(text) == []
