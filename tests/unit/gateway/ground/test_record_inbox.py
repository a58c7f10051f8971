"""`zegel record` at a real ground whose real aircraft hears it, with what the status says of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway import clock
from gateway.core.record_outcome import Outcome
from gateway.ground import record_file
from gateway.ground.record_file import Asked
from gateway.ground.record_inbox import NONE_HEARD, NOT_PERMITTED
from gateway.report.recording_report import NOTHING_RECORDED
from gateway.report.role_status import RecordStatus
from tests.stepped_pair import SteppedPair, stepped_pair
from tests.system.house import zegel


def with_key(folder: Path) -> tuple[str, str]:
    zegel("recording", "keygen", folder / "archive", "--name", "archive")
    return "--recording", str(folder / "archive/rec.pub")


def asked(pair: SteppedPair, request: Asked) -> RecordStatus | None:
    socket = Path(pair.ground.station.path).parent / "socket"
    socket.touch()
    record_file.write(socket, request)
    pair.ground.record_inbox.look(socket, clock.now())
    return pair.ground.status(clock.now()).record


def test_without_a_recording_key_or_an_aircraft_nothing_is_asked(tmp_path: Path):
    with stepped_pair(tmp_path) as pair:
        assert pair.ground.status(clock.now()).record is None
        assert asked(pair, Asked("a", True)) == RecordStatus(name="a", on=True, refused=NOTHING_RECORDED, devices={})
        pair.join()
        pair.until(lambda: pair.ground.status(clock.now()).sessions[0].recording is not None)
        said = pair.ground.status(clock.now()).sessions[0].recording
        assert said is not None
        assert not said.key


def test_an_aircraft_that_is_heard_is_asked_and_one_that_is_not_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """No recorder runs in this process: the aircraft says so, and takes the pause all the same."""
    monkeypatch.setattr("gateway.air.recorder_link.RecorderLink.look", lambda *_: None)
    with stepped_pair(tmp_path, order=with_key(tmp_path)) as pair:
        assert asked(pair, Asked("a", False)) == RecordStatus(name="a", on=False, refused=NONE_HEARD, devices={})
        pair.join()
        pair.until(lambda: bool(pair.ground.uplink.sessions.commanded))
        other = asked(pair, Asked("b", False, "drone-8"))
        assert other is not None
        assert other.refused == "no aircraft of the name 'drone-8' is heard"
        said = asked(pair, Asked("c", False, "drone-7"))
        assert said == RecordStatus(name="c", on=False, refused="", devices={"drone-7": Outcome.ASKING})

        def outcome() -> Outcome | None:
            status = pair.ground.status(clock.now()).record
            return status.devices["drone-7"] if status else None

        pair.until(lambda: outcome() is Outcome.CONFIRMED)
        recording = pair.ground.status(clock.now()).sessions[0].recording
        assert recording is not None
        assert recording.paused_by == "pilot"
        assert pair.air.status(clock.now()).recording.paused_by == "pilot"


def test_an_observer_is_refused(tmp_path: Path):
    with stepped_pair(tmp_path, order=with_key(tmp_path), station="observer") as pair:
        pair.join()
        said = asked(pair, Asked("a", True))
        assert said is not None
        assert said.refused == NOT_PERMITTED
