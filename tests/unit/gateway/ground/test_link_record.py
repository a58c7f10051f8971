"""What a real ground keeps of its links, by C and by Python: each datagram once, in its order, as it came."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from gateway import clock
from gateway.demo.stage import HOST, drain
from gateway.endpoints.mmsg import SOL_UDP, UDP_SEGMENT
from gateway.recording.damage import Damages
from gateway.recording.group import Port
from gateway.recording.link import form, reading, session
from gateway.recording.link.session import OfStation
from gateway.report.alarms import Reason
from keys.folders.station import StationFolder
from keys.lanes import Lane
from tests.memory_link import mavlink_frame
from tests.stepped_pair import SteppedPair, stepped_pair


@pytest.fixture
def pair(tmp_path: Path, data_path: str) -> Iterator[SteppedPair]:
    with stepped_pair(tmp_path, ground={"record": str(tmp_path / "kept")}) as made:
        made.join()
        made.carry()
        yield made
        assert made.ground.plain_video.data_path.startswith(data_path)


def turned(pair: SteppedPair) -> None:
    """One turn of the ground without upkeep, as long as something waits."""
    pair.ground._housekeep_at = clock.now() + 0.05
    pair.ground._due = None
    pair.ground.turn()


def kept(pair: SteppedPair) -> list[bytes]:
    """The datagrams in the recording of a ground that has ended."""
    pair.stop(pair.ground)
    (start,) = reading.starts(Path(pair.ground.settings.record or ""), Damages())
    found = [record.content for _, record in start.records() if form.link_of(record.port) == 0]
    assert start.damage.lines() == []
    return found


def test_each_datagram_is_kept_once_as_it_came_also_rubbish_and_what_came_as_one(pair: SteppedPair, tmp_path: Path):
    """Pictures one by one and as a run of one size (UDP_SEGMENT), frames between them, copies, and what opens nothing."""
    rng, frame = random.Random(1), partial(mavlink_frame, random.Random(2))
    before = len(drain(pair.player))
    sent: list[bytes] = []
    shown: list[bytes] = []
    for number in range(30):
        pictures = [rng.randbytes(rng.choice((1, 600, 600, 1200))) for _ in range(rng.randrange(1, 4))]
        sealed = [s for one in pictures for s in pair.sealed(Lane.VIDEO_A, partial(pair.from_camera, one))]
        if number % 3 == 1:
            sealed += pair.sealed(Lane.TELEMETRY, partial(pair.from_fc, frame(number)))
        if number % 5 == 4:
            sealed[1:1] = [sealed[0], b"\x90" + bytes(30), b"rubbish", bytes([*sealed[0][:-1], sealed[0][-1] ^ 1])]
        pair.down(*sealed)
        sent += sealed
        turned(pair)
        shown += drain(pair.player)
    run = [s for _ in range(40) for s in pair.sealed(Lane.VIDEO_A, partial(pair.from_camera, rng.randbytes(700)))]
    made, port = pair.ways[0]
    made.setsockopt(SOL_UDP, UDP_SEGMENT, len(run[-1]))
    run = [each for each in run if len(each) == len(run[-1])]
    made.sendto(b"".join(run), (HOST, port))
    made.setsockopt(SOL_UDP, UDP_SEGMENT, 0)
    sent += run
    for _ in range(20):
        turned(pair)
        shown += drain(pair.player)
    found = kept(pair)
    assert found[-len(sent) :] == sent
    assert before >= 0
    assert len(shown) >= 40
    (opened,) = session.sessions(tmp_path / "kept")
    station = OfStation(StationFolder.open(tmp_path / "pilot"))
    later = [record.content for record in opened.records(station, opened.groups) if record.port == Port.VIDEO_A]
    assert later[-len(shown) :] == shown
    assert b"".join(run) not in b"".join(later)


def test_what_finds_no_room_is_lost_counted_and_an_alarm_and_the_pictures_go_on(
    pair: SteppedPair, monkeypatch: pytest.MonkeyPatch
):
    """The writer does not take anything any more."""
    assert pair.ground.link_record is not None
    monkeypatch.setattr(pair.ground.link_record._writer, "lost", 7)
    pair.ground.link_record.look(pair.ground.alarms, clock.now())
    assert any(
        "not all that comes by the links is recorded: the disk is too slow" in text for text in pair.ground.alarms.texts
    )
    pair.ground.link_record.look(pair.ground.alarms, clock.now() + 60)
    assert Reason.LINK_NOT_RECORDED.label not in {
        name for name, alarm in pair.ground.alarms.by_reason().items() if alarm.live
    }


def test_a_stage_that_is_nearly_full_is_left_to_python_which_empties_it(pair: SteppedPair):
    """More than the stage holds, without a turn of upkeep: everything is there."""
    assert isinstance(pair.radio, socket.socket)
    rng, sent = random.Random(3), []
    for _ in range(120):
        burst = [s for _ in range(32) for s in pair.sealed(Lane.VIDEO_A, partial(pair.from_camera, rng.randbytes(1200)))]
        pair.down(*burst)
        sent += burst
        turned(pair)
    for _ in range(5):
        turned(pair)
    assert sum(map(len, sent)) > 4 << 20
    assert kept(pair)[-len(sent) :] == sent
