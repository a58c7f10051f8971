"""README and docs/ against the program: commands parse, options exist, links lead somewhere, README stays short."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from gateway import cli
from gateway.config import AirConfig, GroundConfig

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
MANUALS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES = [
    path
    for path in sorted(ROOT.rglob("*.md"))
    if not any(part.startswith(".") or part in {"build", "dist"} for part in path.relative_to(ROOT).parts)
]
KNOWN = {command.name: command for command in entry_points(group=cli.GROUP)}
AS_SOMEBODY = re.compile(r"^sudo (?:-u \w+ )?(?=zegel )")
README_LINES_MAX = 150
FIRST_FLIGHT_MAX = 17
TRY_IT_WITHIN = "about a minute"


def names(path: Path) -> str:
    return str(path.relative_to(ROOT))


def lines_to_type(text: str) -> list[str]:
    """The lines of the blocks that are no program and no file, joined where one goes on, without comments."""
    blocks = "".join(re.findall(r"^```(?:sh)?\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)).replace("\\\n", " ")
    return [line for row in blocks.splitlines() if (line := re.sub(r"\s+#.*", "", row).strip())]


def zegel_lines(text: str) -> list[str]:
    lines = [AS_SOMEBODY.sub("", line).partition(" > ")[0] for line in lines_to_type(text)]
    return [line for line in lines if line.startswith("zegel ")]


def spans(text: str) -> list[str]:
    """What stands in code within a sentence."""
    without_blocks = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", without_blocks)]


def parser_of(words: list[str]) -> argparse.ArgumentParser:
    """The parser of the command that these words begin with, down to its subcommand."""
    parser = cli._parser(KNOWN, words)
    for word in words:
        below = [action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
        if not below or word.startswith("-"):
            break
        assert word in below[0], f"there is no {' '.join(words)}"
        parser = below[0][word]
    return parser


@pytest.mark.parametrize("page", MANUALS, ids=names)
def test_every_command_line_parses(page):
    for line in zegel_lines(page.read_text()):
        words = shlex.split(line)[1:]
        assert callable(cli._parser(KNOWN, words).parse_args(words).run), line


def test_there_are_commands_to_parse():
    assert len(zegel_lines(README)) >= 9
    assert sum(len(zegel_lines(page.read_text())) for page in MANUALS) >= 40


@pytest.mark.parametrize("page", MANUALS, ids=names)
def test_commands_and_options_within_sentences_exist(page):
    for span in spans(page.read_text()):
        line = AS_SOMEBODY.sub("", span)
        if line.startswith("zegel "):
            words = shlex.split(line)[1:]
            parser = parser_of(words)
            for option in (word for word in words if word.startswith("-")):
                assert option in parser._option_string_actions, span


@pytest.mark.parametrize("page", MANUALS, ids=names)
def test_options_that_stand_alone_belong_to_a_command(page):
    every = " ".join(options(cli._parser(KNOWN, [name])) for name in KNOWN)
    for span in spans(page.read_text()):
        if span.startswith("--"):
            assert span.split()[0] in every.split(), span


def options(parser: argparse.ArgumentParser) -> str:
    """All of a parser's and of those below it."""
    below = [action.choices.values() for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    found = list(parser._option_string_actions)
    return " ".join([*found, *(options(one) for parsers in below for one in parsers if one is not parser)])


@pytest.mark.parametrize("page", MANUALS, ids=names)
def test_every_make_target_exists(page):
    makefile = (ROOT / "Makefile").read_text()
    text = page.read_text()
    typed = [line for line in (*lines_to_type(text), *spans(text)) if re.match(r"(sudo )?make \S", line)]
    for line in typed:
        words = [word for word in line.removeprefix("sudo ").split()[1:] if "=" not in word]
        target = words[2] if words[0] == "-C" else words[0]
        assert re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE), line


def test_make_alone_builds_and_tells_the_two_commands_of_readme():
    alone = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    words = ["make", "--dry-run", "--old-file=.venv/ready"]
    done = subprocess.run(words, cwd=ROOT, env=alone, capture_output=True, text=True, check=True)
    told = re.findall(r'^echo "(.*)"$', done.stdout, re.MULTILINE)
    assert len(told) == len(done.stdout.splitlines()), "nothing else is run"
    following = [line.split("#")[0].strip() for line in told[1:]]
    assert following == [line for line in lines_to_type(README) if line.startswith("make ")]


def test_the_defaults_of_the_endpoints_are_those_of_the_program():
    table = (ROOT / "docs/operate.md").read_text().split("| option | which endpoints | default |")[1].split("\n\n")[0]
    shown = [re.findall(r"`((?:udpin|udpout):[\d.:]+|:\d+)`", row) for row in table.splitlines()[2:]]
    air, ground = AirConfig(device="", link=()), GroundConfig(station="", order="")
    for row, texts in zip(shown, [(air.fc,), ground.gcs, ground.link, air.video, ground.video], strict=True):
        assert len(row) == len(texts)
        assert all(text.endswith(end) for text, end in zip(texts, row, strict=True)), row


def test_readme_and_help_say_the_same_of_the_demo(capsys):
    with pytest.raises(SystemExit):
        cli.main(["demo", "--help"])
    assert TRY_IT_WITHIN in " ".join(capsys.readouterr().out.split())
    assert f"make demo      # {TRY_IT_WITHIN}" in README


def test_readme_says_what_stays_a_vendors():
    said = (
        "the link between a DJI aircraft and its controller is DJI's and stays DJI's, and we know of no API that"
        " switches it off; from the controller on, the pictures can be the agency's alone."
    )
    assert said in " ".join(README.split())


def test_readme_is_short():
    assert len(README.splitlines()) <= README_LINES_MAX


def test_a_first_flight_takes_as_many_commands_as_readme_says():
    section = README.split("## From a bare machine to a first flight")[1].split("\n## ")[0]
    assert "Seventeen commands" in section
    assert len(lines_to_type(section)) == FIRST_FLIGHT_MAX


def test_the_picture_of_the_demo_is_of_one_that_succeeded():
    picture = (ROOT / "docs/demo.svg").read_text()
    assert "Everything&#160;is&#160;as&#160;it&#160;should&#160;be." in picture
    assert "url(" not in picture.replace("url(#", "")  # nothing that a reader's browser would fetch


def links(text: str) -> Iterator[str]:
    without_code = re.sub(r"^( *)```.*?^\1```$", "", text, flags=re.DOTALL | re.MULTILINE)
    without_code = re.sub(r"`[^`\n]*`", "", without_code)
    yield from re.findall(r"\]\(([^)\s]+)\)", without_code)


def anchors(text: str) -> set[str]:
    """Of the headings, as a forge and the site make them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_relative_links_lead_somewhere(page):
    for link in links(page.read_text()):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.read_text()), link


def test_readme_leads_to_every_page_of_docs():
    there = {(ROOT / link.partition("#")[0]).resolve() for link in links(README)}
    assert {page for page in MANUALS if page.parent.name == "docs"} <= there


def test_the_site_has_every_page_that_readme_leads_to():
    nav = set(re.findall(r": (\S+\.md)$", (ROOT / "docs/mkdocs.yml").read_text(), re.MULTILINE))
    assert {link for link in links(README) if link.endswith(".md")} <= nav
