"""The demo's forgeries are good orders but for the signature that the forger cannot make."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.demo.forgery import forged
from keys.cose import Alg
from keys.errors import BadSignature
from keys.folders import roots
from keys.order import parse_order, verify_order
from tests.unit.keys.commands.test_custody import good, zegel
from tests.unit.keys.test_hybrid import here, made_hybrid

__all__ = ["good", "here", "made_hybrid", "zegel"]


@pytest.mark.parametrize(("broken", "place"), [(Alg.ESP384, 0), (Alg.ML_DSA_65, 1)])
def test_only_the_other_signature_refuses_it(here, good, broken, place):
    good("station init stranger --name stranger --root agency/root/root.crt")
    data = forged(Path("agency"), Path("op.order"), Path("stranger/station.pub"), broken)
    both = roots.of_agency(Path("agency/root/root.crt"))
    taken = verify_order(data, both[place : place + 1], 0)
    assert taken.content.stations[-1].name == "stranger"
    assert taken.rank > (1, parse_order(Path("op.order").read_bytes()).serial)
    with pytest.raises(BadSignature, match=f"lacks the {(Alg.ML_DSA_65, Alg.ESP384)[place].label} signature"):
        verify_order(data, both, 0)
