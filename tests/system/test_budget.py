"""The budget of instructions finds a needless copy of each datagram, in C and in Python; counted on an emulated aarch64.

What is compared with is the program as it is, counted here too: a budget that is out of date must not be the cause.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from bench import budget, counted_tree, emulation
from bench.budget import Figure
from bench.emulation import PI_5
from bench.measures.pi import budgeted
from bench.sysroot import CannotCount, sysroot

pytestmark = [pytest.mark.soak, pytest.mark.alone]

ENCRYPT = "encrypt(nonce, plain, aad, sealed)"  # gateway/core/sealer.py


def count(tree: Path, *flags: str) -> Mapping[str, Figure]:
    try:
        counted_tree.build(tree, flags)
        return budgeted(emulation.count(sysroot(), PI_5, tree))
    except CannotCount as missing:
        pytest.skip(f"{missing}; {missing.hint}")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Figure]:
    return count(counted_tree.copy(tmp_path_factory.mktemp("plain")))


def over(figures: Mapping[str, Figure], plain: Mapping[str, Figure]) -> set[str]:
    """The regions that are over the budget if that is `plain`."""
    said = list(budget.broken({PI_5.name: figures}, {PI_5.name: plain}, (PI_5.name, "seal")))
    print(*said, sep="\n")
    return {line.partition(",")[0] for line in said}


def test_the_program_as_it_is_is_within_its_budget(tmp_path: Path, plain: Mapping[str, Figure]):
    assert not over(count(counted_tree.copy(tmp_path)), plain)


def test_a_needless_copy_in_c_exceeds_it(tmp_path: Path, plain: Mapping[str, Figure]):
    found = over(count(counted_tree.copy(tmp_path), "-DPLANTED_BUG=7"), plain)
    assert "air C" in found
    assert all(region.endswith(" C") for region in found), "only C was changed"


def test_a_needless_copy_in_python_exceeds_it(tmp_path: Path, plain: Mapping[str, Figure]):
    sealer = counted_tree.copy(tmp_path) / "gateway/core/sealer.py"
    before = sealer.read_text()
    assert before.count(ENCRYPT) == 1
    sealer.write_text(before.replace(ENCRYPT, ENCRYPT.replace("plain", "bytes(plain)")))
    found = over(count(tmp_path), plain)
    assert {"seal", "air"} <= found
    assert not [region for region in found if region.endswith(" C")], "only Python was changed"
