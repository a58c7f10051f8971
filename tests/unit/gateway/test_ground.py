from __future__ import annotations

import pytest

from gateway.config import GroundConfig
from gateway.core.starts import Start
from gateway.errors import ConfigError
from gateway.ground import named_start
from tests.memory_link import World


def named(text: str | None) -> Start | None:
    return named_start(GroundConfig(station="pilot", order="op.order", accept_older_session=text), World().order)


def test_a_start_is_named_by_its_aircraft_and_its_counter():
    world = World()
    settings = GroundConfig(station="pilot", order="op.order", accept_older_session="drone:42")
    assert named_start(settings, world.order) == Start(world.order.order.devices[0].pub, 42)
    assert named(None) is None


@pytest.mark.parametrize("text", ["", "drone", "drone:", ":42", "drone:-1", "drone:x", "other:42", "drone:4²", "drone:42:"])
def test_what_names_no_start_is_said(text: str):
    with pytest.raises(ConfigError, match="names no start of an aircraft") as caught:
        named(text)
    assert "NAME:COUNTER, such as drone:42; of drone" in caught.value.hint
