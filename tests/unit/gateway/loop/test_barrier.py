"""Where the barrier stands in the roles' own parts: one input that nobody can handle costs that input."""

from __future__ import annotations

import time

import pytest

from firmware_shims import addresses, mavlink
from firmware_shims.guard import Guard
from gateway.air import session_manager
from gateway.air.session_manager import await_order
from gateway.core.barrier import Barrier
from gateway.loop.background import BackgroundTask
from gateway.loop.barrier import breathe, refusing
from gateway.loop.frame_reader import SETTLE_S, FrameReader, together
from gateway.report.role_status import StationCommands
from keys.errors import KeysError, NotListed
from keys.folders import inbox
from keys.folders.device import DeviceFolder
from tests.agency import NOW
from tests.unit.gateway.air.test_session_manager import aboard, alarms, next_order
from tests.unit.gateway.air.test_uplink import ARM, HEARTBEAT, Scene
from tests.unit.gateway.core.test_barrier import failing
from tests.unit.gateway.loop.test_frame_reader import FRAMES
from tests.unit.gateway.plain_end import PlainEnd
from tests.unit.keys.folders.test_device import device, path, signed

__all__ = ["aboard", "alarms", "device", "path"]


def test_what_is_met_again_and_again_does_not_take_the_whole_processor(monkeypatch):
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    barrier = Barrier()
    breathe(barrier)
    barrier.note(ValueError())
    breathe(barrier)
    breathe(barrier)
    assert slept == [0.001]


def test_the_person_that_brings_an_order_is_told_what_was_unexpected():
    barrier = Barrier()
    with pytest.raises(KeysError, match=r"unexpected gateway\.loop\.barrier:\d+ KeyError") as caught:
        refusing(barrier, {}.__getitem__)(b"\x01secret")
    assert "secret" not in str(caught.value)
    with pytest.raises(NotListed):
        refusing(barrier, failing(bytes, error=NotListed))("refused")
    assert barrier.total == 1
    assert refusing(barrier, len)(b"four") == 4


def hand(folder, data: bytes) -> None:
    (folder / inbox.ORDER).write_bytes(data)
    (folder / inbox.ORDER).chmod(0o600)


def test_an_order_in_the_inbox_at_which_a_parser_throws_is_answered(aboard, device, alarms, monkeypatch):
    hand(device.path, next_order(aboard))
    with monkeypatch.context() as broken:
        broken.setattr(DeviceFolder, "load_order", failing(DeviceFolder.load_order))
        aboard.watch(1.0)
    assert b"unexpected " in (device.path / inbox.ANSWER).read_bytes()
    assert any("handed over is refused: unexpected" in text for text in alarms.texts)
    hand(device.path, next_order(aboard))
    aboard.watch(3.0)
    assert device.order().content.serial == 8


def test_so_is_one_for_an_aircraft_that_waits_for_its_first_order(device, path, monkeypatch):
    hand(path, signed(device))
    broken = [True]
    monkeypatch.setattr(session_manager, "board_clock", lambda: NOW)
    monkeypatch.setattr(DeviceFolder, "load_order", failing(DeviceFolder.load_order, lambda *_: broken))
    answers = []

    def bring_again(_: float) -> None:
        answers.append((path / inbox.ANSWER).read_bytes())
        broken.clear()
        hand(path, signed(device))

    monkeypatch.setattr(session_manager.time, "sleep", bring_again)
    await_order(device, Told())
    assert b"unexpected " in answers[0]
    assert device.order().content.serial == 7


class Told:
    def tell(self, words) -> None:
        words()

    def turned(self, _now: float) -> None:
        pass


def test_a_framer_that_throws_costs_what_it_was_given(monkeypatch):
    barrier = Barrier()
    for stream in (False, True):
        end = PlainEnd(stream=stream)
        reader = FrameReader(end, barrier)
        name = "feed" if stream else "datagrams"
        with monkeypatch.context() as broken:
            broken.setattr(mavlink.Framer, name, failing(getattr(mavlink.Framer, name)))
            end.put(FRAMES[0])
            assert reader.read(0.0) == []
        end.put(FRAMES[1] + FRAMES[2])
        assert together(reader.read(0.0)) == [FRAMES[1], FRAMES[2]]
    assert barrier.total == 2


def test_a_framer_that_throws_in_a_silence_is_not_asked_without_end(monkeypatch):
    barrier, end = Barrier(), PlainEnd(stream=True)
    reader = FrameReader(end, barrier)
    end.put(FRAMES[0][:10])
    reader.read(0.0)
    monkeypatch.setattr(mavlink.Framer, "end_of_burst", failing(mavlink.Framer.end_of_burst))
    assert reader.read(SETTLE_S) == []
    assert barrier.total == 1
    assert reader.next_due() == float("inf")


def test_a_command_that_cannot_be_judged_is_held_and_the_next_one_passes(monkeypatch):
    scene = Scene()
    monkeypatch.setattr(Guard, "held", failing(Guard.held, lambda _, frame: frame == ARM))
    assert scene.send(1, HEARTBEAT, ARM, HEARTBEAT) == [HEARTBEAT, HEARTBEAT]
    assert scene.uplink.commands()["station-1"] == StationCommands(2, 1)


def test_a_frame_that_cannot_be_judged_stays_aboard_and_the_others_leave(monkeypatch):
    scene = Scene()
    monkeypatch.setattr(addresses, "is_watched", failing(addresses.is_watched, lambda frame: frame == ARM))
    assert scene.uplink.may_leave([HEARTBEAT, ARM, HEARTBEAT], 0.0) == [HEARTBEAT, HEARTBEAT]


def test_a_task_aside_that_throws_is_counted():
    barrier = Barrier()
    background = BackgroundTask(barrier)
    background.start(failing(bytes))
    background.finish()
    assert barrier.total == 1
    assert background.start(lambda: "the card is full")
    background.finish()
    assert background.take_trouble() == "the card is full"
