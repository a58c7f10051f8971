"""The seeds of a rule's schedules: a few for `make test`, the others for `make soak`."""

from __future__ import annotations

import pytest


def seeds(few: int, many: int) -> list[object]:
    """0 to `many` - 1, of which those from `few` on are marked `soak`; for `pytest.mark.parametrize`."""
    return [*range(few), *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(few, many))]
