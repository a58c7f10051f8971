"""The air role's own decisions, with a line that a test makes busy."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from gateway import clock
from gateway.air.role import AHEAD_S, Air
from gateway.batch import Batch
from gateway.core.sealer import Sealer
from gateway.loop.barrier import Barrier
from keys.keyring import SendKey
from keys.lanes import Lane
from keys.policy import Policy
from tests.unit.gateway.core.by_hand import batch_of
from tests.unit.gateway.plain_end import PlainEnd


class Line(PlainEnd):
    waits_s = 0.0

    def backlog_s(self, _now: float) -> float:
        return self.waits_s


@pytest.fixture
def line() -> Line:
    made = Line()
    made.tick(0.0)
    return made


@pytest.fixture
def air(line: Line) -> Any:
    key, announcer = SendKey(bytes(32), 0x2A0), SimpleNamespace(sealer=Sealer(bytes(16)))
    announcer.send_key = lambda _: key
    made: Any = SimpleNamespace(
        links=[line],
        wide=[line],
        announcer=announcer,
        sessions=SimpleNamespace(datagrams=lambda _: [b"beat"]),
        order=SimpleNamespace(content=SimpleNamespace(policy=Policy())),
        settings=SimpleNamespace(mtu=1472),
        oversize=SimpleNamespace(leave_out=lambda *_: None),
        barrier=Barrier(),
        crowded=0,
        unsent=0,
        _control_at=0.0,
        _batch=Batch(),
    )
    for name in ("_send", "_drain", "_drain_live"):
        setattr(made, name, getattr(Air, name).__get__(made))
    return made


def test_while_a_line_is_busy_video_is_dropped_and_control_goes_at_once(air: Any, line: Line):
    for waits_s, drained in ((AHEAD_S, 3), (AHEAD_S + 0.01, 1)):
        line.waits_s, air._batch, now = waits_s, batch_of(b"a picture", b"another"), clock.now()
        line.drained.clear()
        Air._send_video(air, Lane.VIDEO_A, now)
        Air._send_control(air, now)
        assert len(line.drained) == drained
        assert line.drained[-1] == b"beat"
        assert (Air._line_wait_s(air, now) > 0) is (drained == 1), "telemetry waits to be sealed"
    assert (air.crowded, air.unsent) == (2, 0)
