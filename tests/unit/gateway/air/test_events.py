from __future__ import annotations

import json

import pytest
from pymavlink.dialects.v20 import common

from gateway.air.events import BURST, KINDS_MAX, Events
from gateway.recording.event import TEXT_MAX, Event, encode

PILOT = common.MAVLink(None, srcSystem=255, srcComponent=190)
ARM = bytes(common.MAVLink_command_long_message(1, 1, 400, 0, 1, 0, 0, 0, 0, 0, 0).pack(PILOT))
PING = bytes(common.MAVLink_ping_message(0, 1, 0, 0).pack(PILOT))


class Told:
    """Events, as a recording has them."""

    def __init__(self) -> None:
        self.written: list[dict[str, object]] = []
        self.events = Events(
            lambda event, station=0, **more: self.written.append(json.loads(encode(event, station, **more)))
        )

    def look(self, now: float, *heard: int, up: bool = True) -> list[dict[str, object]]:
        self.events.look(now, heard, up=up)
        said, self.written = self.written, []
        return said


def test_commands_are_counted_by_station_and_message_and_told_once_a_second():
    told = Told()
    told.look(10.0)
    for _ in range(50):
        told.events.accepted(1, ARM)
        told.events.accepted(2, PING)
    told.events.refused(1, "COMMAND_LONG FLASH_BOOTLOADER", "guard policy 'pilot'")
    assert told.look(10.5) == []
    assert told.look(11.0) == [
        {"event": "command", "station": 1, "message": "COMMAND_LONG", "count": 50},
        {"event": "command", "station": 2, "message": "PING", "count": 50},
        {
            "event": "command refused",
            "station": 1,
            "message": "COMMAND_LONG FLASH_BOOTLOADER",
            "count": 1,
            "why": "guard policy 'pilot'",
        },
    ]
    assert told.look(12.0) == []


def test_a_flood_of_refusals_of_ever_new_kinds_is_few_events():
    told = Told()
    told.look(10.0)
    for kind in range(100_000):
        told.events.refused(1, f"MESSAGE {kind}", "guard policy 'pilot'")
    said = told.look(11.0)
    assert len(said) == KINDS_MAX + 1
    assert said[-1] == {
        "event": "command refused",
        "station": 1,
        "message": "others",
        "count": 100_000 - KINDS_MAX,
        "why": "guard policy 'pilot'",
    }


def test_a_station_that_is_heard_no_more_and_a_link_that_is_down_are_lost():
    told = Told()
    assert told.look(1.0, 1, 3) == [{"event": "link back", "station": 1}, {"event": "link back", "station": 3}]
    assert told.look(2.0, 3) == [{"event": "link lost", "station": 1}]
    assert told.look(3.0, 3, up=False) == [{"event": "link lost"}]
    assert told.look(4.0, 1, 3) == [{"event": "link back"}, {"event": "link back", "station": 1}]


def test_alarms_that_come_and_go_are_told_as_long_as_they_are_few():
    told = Told()
    told.look(1.0)
    for number in range(1000):
        told.events.alarm(f"a card fails {number}", over=bool(number % 2))
    assert len(told.written) == BURST
    assert told.written[:2] == [
        {"event": "alarm", "text": "a card fails 0"},
        {"event": "alarm over", "text": "a card fails 1"},
    ]
    assert told.events.left_out == 1000 - BURST


@pytest.mark.parametrize("text", ["x" * 5000, "\ud800", "a\n\x1b[2J\u202e", "日本"])
def test_an_event_is_one_bounded_line_of_json(text: str):
    content = encode(Event.ALARM, text=text)
    said = json.loads(content.decode("utf-8"))
    assert said["event"] == "alarm"
    assert len(said["text"]) <= TEXT_MAX
    assert said["text"].isprintable()
    assert b"\n" not in content
