"""The state machines as Promela models, searched whole by spin. Each file says its properties and which rule, broken, it
must find: a model that cannot fail proves nothing.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

MODELS = sorted(Path(__file__).parent.glob("*.pml"))
BROKEN = [(model, rule) for model in MODELS for rule in sorted(set(re.findall(r"BROKEN_\w+", model.read_text())))]
SEARCH_MAX = "1000000"  # steps deep; a search that reaches it is not whole

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(
        not (shutil.which("spin") and shutil.which("gcc")), reason="needs spin and gcc (apt-get install spin)"
    ),
]


def searched(model: Path, folder: Path, *flags: str) -> str:
    """What spin's verifier says of the model; invalid ends are no property of ours (-E)."""
    for words in (["spin", *flags, "-a", str(model)], ["gcc", "-O2", "-w", "-DSAFETY", *flags, "-o", "pan", "pan.c"]):
        subprocess.run(words, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    out = subprocess.run(["./pan", f"-m{SEARCH_MAX}", "-E"], cwd=folder, check=True, capture_output=True, text=True).stdout
    assert "max search depth too small" not in out
    return out


@pytest.mark.parametrize("model", MODELS, ids=lambda path: path.stem)
def test_every_state_keeps_the_properties(model: Path, tmp_path, figure):
    out = searched(model, tmp_path)
    assert "errors: 0" in out, out
    states = int(re.search(r"(\d+) states, stored", out).group(1))
    properties = ", ".join(re.findall(r"Property (\w+):", model.read_text()))
    figure(f"spin, {model.stem}: {states:,} states explored, {properties} in each")


@pytest.mark.parametrize(("model", "rule"), BROKEN, ids=lambda part: getattr(part, "stem", part))
def test_a_broken_rule_is_found(model: Path, rule: str, tmp_path):
    assert "errors: 1" in searched(model, tmp_path, f"-D{rule}")
