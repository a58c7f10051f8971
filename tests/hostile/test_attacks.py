"""Each attack of the table fails as THREATS.md says, and the table is that of these attacks."""

from __future__ import annotations

import pytest

from tests.hostile.attacks import ATTACKS, carry_out, shape, written


@pytest.mark.parametrize(("attack", "line"), list(zip(ATTACKS.values(), written(), strict=True)), ids=ATTACKS)
def test_attack(attack, line, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert shape(carry_out(attack, tmp_path).markdown()) == shape(line), "run python -m tests.hostile.attacks"
