"""A flight controller that answers MSP on a pseudo-terminal at the rate of a serial line."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

import pytest

from firmware_shims import mavlink
from firmware_shims.definitions import name_of
from firmware_shims.msp_session import MspSession
from gateway import clock
from gateway.batch import Batch
from gateway.core.barrier import Barrier
from gateway.endpoint_state import State
from gateway.endpoints import open_endpoint
from gateway.endpoints.address import parse
from gateway.loop.frame_reader import together
from gateway.loop.msp_reader import MspReader
from tests.msp_peer import BAUD, BITS_A_BYTE, Line

RATES = {"ATTITUDE": 50.0, "GLOBAL_POSITION_INT": 10.0, "GPS_RAW_INT": 10.0, "VFR_HUD": 10.0}


@pytest.fixture
def line() -> Iterator[Line]:
    made = Line()
    yield made
    made.close()


def reader(path: str) -> MspReader:
    return MspReader(open_endpoint(parse(f"msp+serial:{path}:{BAUD}")), MspSession(7, RATES), Barrier(), lambda _: None)


def heard(reader: MspReader, line: Line, seconds: float) -> Counter[str]:
    counts: Counter[str] = Counter()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        reader.endpoint.tick(clock.now())
        line.step()
        counts.update(name_of(mavlink.message_id(frame)) for frame in together(reader.read(clock.now())))
        time.sleep(0.001)
    return counts


@pytest.mark.alone
def test_attitude_and_position_at_115200_baud(line: Line, figure):
    fc = reader(line.path)
    heard(fc, line, 1.0)
    line.up = line.down = 0
    began = time.monotonic()
    counts = heard(fc, line, 5.0)
    took = time.monotonic() - began
    per_s = {name: round(count / took, 1) for name, count in sorted(counts.items())}
    share = 100 * BITS_A_BYTE * line.down / took / BAUD
    figure(f"MSP at {BAUD} baud: {per_s} messages a second, {share:.0f} % of the line down, {line.up / took:.0f} B/s up")
    assert {"ATTITUDE", "GLOBAL_POSITION_INT", "GPS_RAW_INT", "HEARTBEAT", "SYS_STATUS", "VFR_HUD"} <= counts.keys()
    assert (fc.resync_bytes, fc.session.unread) == (0, 0)
    fc.endpoint.close()


def test_it_is_asked_at_once_and_again_after_it_was_away(line: Line, tmp_path):
    plug = tmp_path / "ttyFC"
    plug.symlink_to(line.path)
    fc = reader(str(plug))
    assert fc.next_due() == float("inf")
    assert heard(fc, line, 0.5)["STATUSTEXT"] == 2
    assert fc.next_due() < clock.now() + 1
    line.close()
    plug.unlink()
    while fc.endpoint.state is State.CONNECTED:
        fc.endpoint.tick(clock.now())
        fc.read(clock.now())
    assert fc.next_due() == float("inf")
    assert fc.read(clock.now()) == []
    again = Line()
    plug.symlink_to(again.path)
    assert heard(fc, again, 3.0)["STATUSTEXT"] == 2
    assert again.peer.asked[0] in (2, 3)
    fc.endpoint.close()
    line.fd, line._other = again.fd, again._other


def test_what_comes_up_is_dropped_and_counted(line: Line):
    fc = reader(line.path)
    heard(fc, line, 0.3)
    batch, before = Batch(), len(line.peer.asked)
    batch.hold([b"\xfd a frame", b"\xfd another"])
    assert fc.send(batch, clock.now()) == 0
    assert fc.refused == 2
    line.step()
    assert len(line.peer.asked) == before
    fc.endpoint.close()
