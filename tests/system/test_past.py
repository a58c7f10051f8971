"""The past does not pass for live, at real processes: an attacker on the radio who records, holds back and plays again."""

from __future__ import annotations

import json
import random
import socket
import time
from collections.abc import Callable

import pytest

from gateway.core.ground.session import LATE_S, LEASE_S
from gateway.core.ground.starts import STORE_EVERY_S
from gateway.core.wire import FIRST_CONTROL
from gateway.demo.stage import HOST, Listener
from keys.lanes import Lane
from tests.memory_link import mavlink_frame
from tests.system.house import Flight, zegel

FRAME_EVERY_S = 0.02
OLDEST_S = 2 * LATE_S + LEASE_S  # SPEC.md section 5.7
SLACK_S = 1.0  # of processes on a busy computer


class Attacker:
    """Between the aircraft's radio and the stations. `holds` says for how long a datagram is held back; None for ever."""

    def __init__(self, flight: Flight) -> None:
        self.flight, self.tape = flight, list[tuple[float, bytes]]()
        self.holds: Callable[[bytes], float | None] = lambda _: 0.0
        self.sent: dict[bytes, float] = {}  # frame -> when the flight controller sent it
        self._due: list[tuple[float, bytes]] = []
        self._out, self._next = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 0.0
        self._rng, self._send = random.Random(5), flight.radio.send
        flight.radio.send = self._take
        flight.step_more = self.step

    def _take(self, datagram: bytes) -> None:
        now = time.monotonic()
        self.tape.append((now, datagram))
        if (held := self.holds(datagram)) is not None:
            self._due.append((now + held, datagram))

    def step(self) -> None:
        now = time.monotonic()
        for _, datagram in (due for due in self._due if due[0] <= now):
            self._send(datagram)
        self._due = [due for due in self._due if due[0] > now]
        if now >= self._next:
            self._next = now + FRAME_EVERY_S
            frame = mavlink_frame(self._rng, len(self.sent))
            self.sent[frame] = now
            self._out.sendto(frame, (HOST, self.flight.fc_port))

    def play(self, station: Listener, begin: float, end: float, *, at_once: bool = False) -> None:
        """Of the tape what was sent between, at its own pace unless it is said."""
        tape, start = [one for one in self.tape if begin <= one[0] < end], time.monotonic()
        for sent, datagram in tape:
            while not at_once and time.monotonic() < start + sent - begin:
                self.flight.step()
                time.sleep(0.001)
            self._out.sendto(datagram, (HOST, station.port))
            if at_once:
                time.sleep(0.0001)

    def ages(self, station: Listener, since: int) -> list[float]:
        """How old each frame was that reached the station's ground control station, from number `since` on."""
        return [
            came - self.sent[frame] for frame, came in zip(station.frames[since:], station.frame_times[since:], strict=True)
        ]

    def close(self) -> None:
        self._out.close()


@pytest.fixture
def attacked(fly):
    """A flight whose pilot is open, and the attacker on its radio."""
    flight = fly()
    flight.wait_open()
    attacker = Attacker(flight)
    flight.run(1.0)
    yield flight, attacker
    attacker.close()


def of_ground() -> dict[str, object]:
    return next(status for status in json.loads(zegel("status", "--json")) if status["role"] == "ground")


def is_telemetry(datagram: bytes) -> bool:
    return datagram[0] != FIRST_CONTROL and datagram[1] in (Lane.TELEMETRY, Lane.OBSERVER_TELEMETRY)


def test_a_ground_that_restarts_after_its_aircraft_has_gone_opens_no_recording_of_it(attacked, figure):
    """Killed, it knows what it stored last; ended in order, all that it had heard."""
    flight, attacker = attacked
    pilot = flight.stations["pilot"]
    flight.run(14.0)
    flight.air.kill()
    flight.run(0.5)
    attacker.holds, gone = lambda _: None, time.monotonic()
    begin, frames = attacker.tape[0][0], len(attacker.sent)
    delivered = {}
    for how in ("kill", "end"):
        getattr(pilot.program, how)()
        pilot.forget()
        pilot.start()
        assert flight.until(lambda: "listening" in pilot.program.output())
        attacker.play(pilot, begin, gone)
        assert not any(session["proved"] for session in of_ground()["sessions"] if session["state"] == "open")
        flight.run(0.5)
        delivered[how] = len(pilot.frames)
        assert all(gone - attacker.sent[frame] < STORE_EVERY_S + SLACK_S for frame in pilot.frames)
    assert delivered["end"] == 0
    figure(
        f"an aircraft gone, its {frames} frames played to a ground that was killed and started again:"
        f" {delivered['kill']} delivered, of the last 5 s; to one that was ended in order: {delivered['end']}"
    )


def test_a_link_that_begins_to_delay_everything_opens_nothing_and_the_status_names_it(attacked, figure):
    flight, attacker = attacked
    pilot = flight.stations["pilot"]
    attacker.holds = lambda _: 4.0
    flight.run(5.0)  # the lease ends, and what was delayed begins to come
    before = len(pilot.frames)
    assert flight.until(lambda: of_ground()["sessions"][0]["state"] == "delayed")
    status = of_ground()
    assert status["drops"]["late_beat"] > 0
    assert 3.0 < status["sessions"][0]["late_s"] < 6.0
    assert "later than before" in zegel("status")
    flight.run(1.0)
    assert len(pilot.frames) == before
    attacker.holds = lambda _: 0.0
    assert flight.until(lambda: len(pilot.frames) > before + 50)
    late = max(attacker.ages(pilot, before))
    assert late < OLDEST_S + SLACK_S
    figure(f"a link that delays all by 4 s: no frame for as long, {status['sessions'][0]['state']!r}; then open again")


def test_telemetry_that_is_withheld_while_beats_pass_is_too_old(attacked, figure):
    flight, attacker = attacked
    pilot = flight.stations["pilot"]
    began, attacker.holds = time.monotonic(), lambda datagram: None if is_telemetry(datagram) else 0.0
    flight.run(12.0)
    before = len(pilot.frames)
    attacker.holds = lambda _: 0.0
    played = sum(is_telemetry(datagram) for sent, datagram in attacker.tape if sent >= began)
    attacker.play(pilot, began, time.monotonic(), at_once=True)
    flight.run(1.0)
    ages = attacker.ages(pilot, before)
    assert max(ages) < LATE_S + 1.0 + SLACK_S
    assert of_ground()["drops"]["too_old"] > 100
    figure(f"{played} telemetry datagrams withheld for up to 12 s, then let go: the oldest delivered {max(ages):.1f} s old")


def test_a_station_that_hears_an_old_beat_first_opens_nothing_of_the_past(attacked, figure):
    """It joins, or was started again without what it remembered."""
    flight, attacker = attacked
    flight.run(15.0)
    begin = attacker.tape[0][0]
    late = Listener("observer", flight.house.folder, flight.house.order)
    flight.stations["observer"] = late
    assert flight.until(lambda: "listening" in late.program.output())
    assert flight.until(lambda: attacker.play(late, begin, begin + 6.0, at_once=True) or late.says(": open") > 0)
    flight.radio.listeners.append(late.port)
    flight.run(1.0)
    before, past = len(late.frames), time.monotonic()
    assert before
    attacker.play(late, begin, past, at_once=True)
    flight.run(1.0)
    ages = attacker.ages(late, before)
    assert max(ages) < OLDEST_S + SLACK_S
    played = sum(is_telemetry(datagram) for sent, datagram in attacker.tape if sent < past)
    figure(
        f"a station that joined by an old beat, then heard the aircraft: {played} datagrams of the past were played,"
        f" the oldest frame delivered {max(ages):.1f} s old"
    )
