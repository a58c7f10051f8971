"""The commands of README's first flight, run in their order on two computers, which are two folders here.

What is left out is the installation (test_package.py, test_fresh_install.py); the ports are free ones, and the flight
controller is a socket.
"""

from __future__ import annotations

import re
import shlex
import shutil
import time
from pathlib import Path

import pytest

from gateway import cli
from gateway.demo.stage import HOST, Program, free_port

README = Path(__file__).parents[2] / "README.md"
BOARD = "pi@drone:"
WITHIN_S = 15.0


def sections() -> list[list[list[str]]]:
    """The words of each command, by the block that it stands in: board, laptop, board."""
    text = README.read_text().split("## From a bare machine to a first flight")[1].split("\n## ")[0]
    blocks = re.findall(r"```\n(.*?)```", text, re.DOTALL)
    return [[shlex.split(line) for line in block.replace("\\\n", " ").splitlines()] for block in blocks]


def copy(words: list[str], board: Path, laptop: Path) -> None:
    """`scp`, typed on the laptop."""
    *sources, target = words[1:]
    for source in sources:
        if source.startswith(BOARD):
            shutil.copy(board / source.removeprefix(BOARD), laptop / target)
        else:
            shutil.copy(laptop / source, board / target.removeprefix(BOARD))


@pytest.mark.usefixtures("house")  # its folder for the status
def test_the_first_flight_of_the_readme_opens_at_the_station(tmp_path, monkeypatch):
    board, laptop = tmp_path / "board", tmp_path / "laptop"
    link, plain, flown = free_port(), free_port(), []
    ports = {
        "ground": [
            "--link",
            f"udpin:{HOST}:{link}",
            "--gcs",
            f"udpout:{HOST}:{plain}",
            "--video",
            f"udpout:{HOST}:{plain}",
        ],
        "air": ["--fc", f"udpin:{HOST}:{free_port()}", "--video", f"udpin:{HOST}:{free_port()}"],
    }
    try:
        for folder, block in zip((board, laptop, board), sections(), strict=True):
            folder.mkdir(exist_ok=True)
            monkeypatch.chdir(folder)
            for words in block:
                if words[0] == "scp":
                    copy(words, board, laptop)
                elif words[:2] in (["zegel", "air"], ["zegel", "ground"]):
                    kept = words[1:6] if words[1] == "ground" else words[1:4]
                    here = [*kept, *ports[words[1]]] + (["--link", f"udpout:{HOST}:{link}"] if words[1] == "air" else [])
                    flown.append(Program(here, tmp_path, words[1]))
                elif words[0] == "zegel":
                    assert cli.main(words[1:]) == 0, words
                else:
                    assert words[0] in {"sudo", "git"}, words
        ground = flown[0]
        limit = time.monotonic() + WITHIN_S
        while ": open" not in ground.output():
            assert time.monotonic() < limit, [program.output() for program in flown]
            time.sleep(0.1)
    finally:
        for program in flown:
            program.end()
    assert [program.log.stem for program in flown] == ["ground", "air"]
