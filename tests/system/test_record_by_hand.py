"""`zegel air` that a person starts: where its recorder writes, what is said if it cannot, and what a new start records."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gateway.recording.group import Port
from gateway.recording.leaf import Gap
from gateway.recording.reason import GapReason
from gateway.report.advice import advise
from keys.beat_flag import Flag
from tests.system.recorded import RecordedFlight
from tests.system.test_record import aboard, at, record, recorded_at, runtime

__all__ = ["runtime"]


class ByHand(RecordedFlight):
    """`words`: more of the command line of `zegel air`."""

    def __init__(self, folder: Path, words: Sequence[str] = (), **more: Any) -> None:
        self.words = words
        super().__init__(folder, **more)

    def start_air(self) -> None:
        self.more = (*self.more, *self.words)
        super().start_air()


def test_it_records_in_the_folder_that_its_command_line_names(runtime, tmp_path):
    mine = tmp_path / "mine"
    flight = ByHand(tmp_path, ("--record", str(mine)))
    try:
        flight.wait_open()
        assert flight.until(lambda: recorded_at("pilot") == ["flight", "video_a"]), flight.logs()
        first = flight.recorders()
        flight.kill_recorder()
        assert flight.until(lambda: bool(flight.recorders()) and flight.recorders() != first)
        assert flight.until(lambda: recorded_at("pilot") == ["flight", "video_a"]), flight.logs()
        assert (own := aboard()) is not None
        assert own.recording.folder == str(mine)
        flight.run(3.0)
    finally:
        flight.end()
    assert not flight.card.exists(), "the folder of the configuration"
    flight.card = mine
    (found,) = flight.ended()
    assert found.of(Port.TELEMETRY)
    assert found.of(Port.VIDEO_A)
    gaps = {gap.reason for gap in found.leaves if isinstance(gap, Gap)}
    assert gaps == {GapReason.RECORDER_RESTARTED}, "a camera that is not there is none"


def test_what_is_no_place_for_recordings_is_said_before_the_flight(tmp_path):
    words = ("air", "--device", "drone-7", "--link", "udpout:127.0.0.1:9", "--record", str(tmp_path / "no/card"))
    done = subprocess.run([sys.executable, "-m", "gateway.cli", *words], check=False, capture_output=True, text=True)
    said = f"zegel: {tmp_path}/no does not exist\n  hint: make it, or mount the card that it is on\n"
    assert (done.returncode, done.stderr) == (2, said)


def test_a_folder_that_cannot_be_written_is_told_once_and_the_flight_goes_on(runtime, tmp_path):
    flight = ByHand(tmp_path, card=tmp_path / "none/card")
    try:
        flight.wait_open()
        told = "alarm: not all is recorded that should be: card failed: "
        assert flight.until(lambda: told in flight.air.output())
        flight.run(6.0)
        (line,) = (line for line in flight.air.output().splitlines() if "record" in line)
        why = f"{told}{flight.card}: no such file or directory; the flight goes on; zegel doctor says what to do;"
        assert why in line, line
        assert line.endswith("by --record DIR"), line
        assert (own := aboard()) is not None
        assert advise(own).startswith("NOT RECORDING, card failed: ")
        flight.stations["pilot"].forget()
        assert flight.until(lambda: bool(flight.stations["pilot"].frames and flight.stations["pilot"].packets))
    finally:
        flight.end()


def test_a_new_start_records_what_its_order_says_and_not_what_was_asked_before(runtime, tmp_path):
    """An order with video on request: after a restart no station has asked for it."""
    flight = ByHand(tmp_path, order=("--record-on-request",))
    try:
        flight.wait_open()
        assert flight.until(lambda: recorded_at("pilot") == ["flight"]), flight.logs()
        assert record(flight, "on")[0] == 0
        assert flight.until(lambda: recorded_at("pilot") == ["flight", "video_a"])
        before = at("pilot")
        flight.air.kill()
        flight.start_air()
        flight.wait_open(2)
        assert flight.until(lambda: (now := at("pilot")) is not None and now.session != getattr(before, "session", ""))
        assert flight.until(lambda: recorded_at("pilot") == ["flight"]), flight.logs()
        flight.run(3.0)
        assert (seen := at("pilot")) is not None
        assert not seen.flags & Flag.VIDEO_RECORDED
    finally:
        flight.end()
    first, second = flight.ended()
    assert first.of(Port.VIDEO_A)
    assert not second.of(Port.VIDEO_A)
    assert second.of(Port.TELEMETRY)
