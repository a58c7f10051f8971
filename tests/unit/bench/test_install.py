from __future__ import annotations

import subprocess
import sys

import pytest

from bench import install


def test_a_clone_is_told_a_line_that_pip_takes():
    line = install.command("matplotlib")
    python, *words = line.replace("'", "").split()
    assert (python, words) == (f"{sys.prefix}/bin/python", ["-m", "pip", "install", "matplotlib>=3.8"])
    dry = ["--dry-run", "--no-deps", "--quiet", "--disable-pip-version-check"]
    subprocess.run([python, *words, *dry], check=True, capture_output=True)


@pytest.mark.parametrize("prefix", ["/opt/zegel", "/opt/zegel.Xa3b1c"])
def test_what_an_upgrade_would_take_away_is_not_installed_there(prefix):
    assert install.command("MAVProxy", prefix).endswith(": make && .venv/bin/python -m pip install 'MAVProxy>=1.8'")


def test_pipx_is_told_its_own_word(tmp_path):
    (tmp_path / install.PIPX).write_text("{}")
    assert install.command("matplotlib", str(tmp_path)) == "pipx inject zegel 'matplotlib>=3.8'"
