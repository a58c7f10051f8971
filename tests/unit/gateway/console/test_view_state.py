"""What a page is told: the seal, who may read and command, telemetry, losses, pictures; and nothing that is not known."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from gateway.console import picture_message, seal_words, view_state
from gateway.console.view_state import ViewState
from gateway.core.session_state import SessionState
from gateway.endpoints.feed_reader import Published
from gateway.report.role_status import ComponentStatus, GroundStatus, Use
from gateway.report.wording import SESSION
from tests.unit.gateway.report.statuses import end, ground, recording, session
from tests.unit.gateway.view.test_aircraft import adsb, frame, heartbeat
from tests.unit.gateway.view.test_fleet import UNIX, frames, origin, video
from tests.unit.gateway.view.test_pictures import FILM, packets

Picture = tuple[int, bytes, bool]


class Here:
    """A view whose time is set by a test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at, self.pictures = 1000.0, list[Picture]()
        monkeypatch.setattr(view_state, "clock", SimpleNamespace(now=lambda: self.at))
        monkeypatch.setattr(view_state, "time", SimpleNamespace(time=lambda: UNIX - 1000 + self.at))
        self.view = ViewState(lambda stream, data, key: self.pictures.append((stream, data, key)))

    def status(self, status: GroundStatus | None = None, name: str = "pilot") -> None:
        self.view.take_status(name, status or ground())

    def said(self) -> dict[str, Any]:
        self.at += 0.2
        return json.loads(self.view.state(), parse_constant=pytest.fail)

    def one(self) -> dict[str, Any]:
        (found,) = self.said()["aircraft"]
        return found

    def ground(self) -> dict[str, Any]:
        (found,) = self.said()["grounds"]
        return found


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[Here]:
    return Here(monkeypatch)


def test_without_a_ground_there_is_nothing(here: Here):
    assert here.said() == {
        "type": "state",
        "browser_dropped": 0,
        "now_us": round((UNIX + 0.2) * 1e6),
        "grounds": [],
        "aircraft": [],
    }
    assert json.loads(here.view.state(7))["browser_dropped"] == 7


def test_a_ground_tells_its_order_and_who_can_read(here: Here):
    here.status(ground(commands={"sent": 3, "not_fresh": 2, "observer": 0}, drops={"bad_tag": 4}))
    found = here.ground()
    assert (found["operation"], found["agency"], found["class"], found["order"]) == (
        "Night Watch",
        "Harbour Police",
        "regular",
        7,
    )
    assert found["role"] == ["telemetry", "video", "command"]
    assert found["readers"] == [
        {"name": "pilot", "roles": ["telemetry", "video", "command"]},
        {"name": "observer", "roles": ["telemetry", "video"]},
    ]
    assert found["refused"] == {"not_fresh": 2, "bad_tag": 4}
    assert (found["order_ends_us"], found["order_left_s"], found["next_order"]) == (1_800_000_000_000_000, 7199.8, None)
    assert (found["alive"], found["alarms"]) == (True, [])


def test_a_station_that_an_order_revokes_leaves_the_list_at_once(here: Here):
    here.status()
    before = here.view.version
    here.status()
    assert here.view.version == before
    here.status(ground(order=8, roles={"pilot": ["telemetry", "video", "command"]}))
    assert here.view.version == before + 1
    assert [reader["name"] for reader in here.ground()["readers"]] == ["pilot"]


def test_an_order_that_aircraft_announce_is_the_next_one(here: Here):
    ahead = session(order=7, order_change_ahead=True, next_key_s=4.0)
    here.status(ground(order=8, sessions=[ahead]))
    assert here.ground()["next_order"] == {"serial": 8, "begins_us": pytest.approx((UNIX + 4) * 1e6, abs=2)}
    here.status(ground(order=8, sessions=[session(order=8)]))
    assert here.ground()["next_order"] is None


def test_the_seal_of_an_aircraft(here: Here):
    here.status(ground(sessions=[session(key_age_s=12.0, next_key_s=5.0, heard=["pilot", "observer"])]))
    found = here.one()
    begun_us = pytest.approx((UNIX - 50) * 1e6, abs=2)
    assert (found["sealed"], found["state"], found["seal_begins"]) == (True, "open", "aircraft")
    assert found["seal"] == {"level": "good", "text": seal_words.SEALED, "since_us": begun_us}
    assert (found["sealed_since_us"], found["key_age_s"], found["next_key_s"], found["beat_age_s"]) == (
        begun_us,
        12.2,
        4.8,
        0.4,
    )
    assert (found["heard"], found["order"]) == (["pilot", "observer"], 7)


WORDS = [
    (session(), ("good", seal_words.SEALED)),
    (session(vendor_has_picture=True), ("warn", seal_words.FROM_THE_CONTROLLER)),
    (session(flags=1), ("warn", f"{seal_words.SEALED}; {seal_words.EXPIRED}")),
    (session(proved=False), ("warn", f"{seal_words.SEALED}; {seal_words.UNPROVED}")),
    *((session(state), ("bad", SESSION[state])) for state in SessionState if state is not SessionState.OPEN),
    (None, ("bad", seal_words.NO_SESSION)),
]


@pytest.mark.parametrize(("its", "words"), WORDS)
def test_the_seal_in_words(its: Any, words: tuple[str, str]):
    assert seal_words.seal(its, alive=True) == words
    assert seal_words.seal(its, alive=False) == ("bad", seal_words.GROUND_ENDED)


def test_where_nothing_is_known_nothing_is_told(here: Here):
    nothing = {"key_age_s": None, "next_key_s": None, "beat_age_s": None, "vendor_has_picture": None, "open_for_s": None}
    here.status(
        ground(sessions=[session(SessionState.STATED, **nothing, order=None, recording=None)], frames={}, endpoints=[])
    )
    found = here.one()
    unknown = ("key_age_s", "next_key_s", "beat_age_s", "seal_begins", "sealed_since_us", "order", "recording", "home")
    assert {found[name] for name in unknown} == {None}
    assert found["link"] == {"loss_percent": None, "serial_lost": None, "radio_lost": None, "age_s": None}
    assert (found["commander"]["last"], found["commander"]["last_age_s"], found["commander"]["refused"]) == (
        None,
        None,
        None,
    )
    assert (found["telemetry"], found["streams"], found["sealed"]) == ({}, [], False)


def test_a_ground_that_is_silent_or_has_ended_seals_nothing_and_its_ages_grow(here: Here):
    here.status()
    here.at += view_state.GROUND_SILENT_AFTER_S
    assert (here.ground()["alive"], here.one()["sealed"], here.one()["state"]) == (False, False, "open")
    here.status()
    assert here.one()["sealed"]
    here.view.take_status("pilot", None)
    assert (here.ground()["alive"], here.ground()["wrong"]) == (False, seal_words.GROUND_ENDED)
    assert here.one()["beat_age_s"] > 0.5


def test_stations_that_may_command_and_the_last_one_that_did_at_this_computer(here: Here):
    here.status(ground(sessions=[session(commanded_age_s=9.0)]))
    here.status(ground(sessions=[session(commanded_age_s=3.0)]), name="pilot 2")
    first, second = here.said()["aircraft"]
    assert first["commander"] == {"may": ["pilot"], "last": "pilot 2", "last_age_s": 3.2, "refused": None}
    assert second["commander"] == first["commander"]


def test_losses_are_told_apart(here: Here):
    links = [end(Use.LINK, loss_percent=3.0, rx_lost_est=30), end(Use.LINK, loss_percent=1.5, rx_lost_est=12)]
    lost = {"1/1": ComponentStatus(90, 9, 4), "1/100": ComponentStatus(90, 9, 1), "2/1": ComponentStatus(90, 9, 100)}
    here.status(ground(endpoints=links, frames=lost))
    assert here.one()["link"] == {"loss_percent": 1.5, "serial_lost": 5, "radio_lost": 12, "age_s": 0.4}


def test_what_is_recorded_aboard(here: Here):
    here.status(ground(sessions=[session(recording=recording(reason="card_full"))]))
    assert here.one()["recording"] == {"groups": ["flight", "video_a"], "reason": "card_full", "room_s": 7200}
    here.status(ground(sessions=[session(recording=recording(key=False))]))
    assert here.one()["recording"] is None


def test_telemetry_has_its_age(here: Here):
    here.status()
    place = frame("global_position_int", lat=520000000, lon=40000000, alt=9000, relative_alt=8000, hdg=9000)
    text = frame("statustext", severity=4, text=b"<img src=x>")
    home = frame("home_position", latitude=520000000, longitude=40000000)
    here.view.take("pilot", frames(heartbeat(), place, text, adsb(), home, session=32 * "a"))
    found = here.one()
    assert found["telemetry"]["position"] == {"v": {"lat": 52.0, "lon": 4.0, "alt_m": 9.0, "height_m": 8.0}, "age_s": 0.2}
    assert found["telemetry"]["mode"] == {"v": "LOITER", "age_s": 0.2}
    assert "climb" in found["telemetry"]
    assert "attitude" not in found["telemetry"]
    assert found["home"] == {"lat": 52.0, "lon": 4.0}
    assert found["texts"] == [{"at_us": round(UNIX * 1e6), "severity": 4, "text": "<img src=x>"}]
    assert [(one["kind"], one["id"], one["age_s"]) for one in found["traffic"]] == [("adsb", "KLM123", 0.2)]
    assert found["track_reset"] == round(UNIX * 1e6)
    assert found["link"]["age_s"] == 0.2


def test_a_track_is_told_once(here: Here):
    def fly(place: int) -> None:
        here.at += 1.5
        data = frame("global_position_int", lat=520000000 + 1000 * place, lon=40000000)
        here.view.take("pilot", frames(heartbeat(), data, time_us=round((UNIX - 1000 + here.at) * 1e6)))

    for place in range(5):
        fly(place)
    (first,), cursor = here.view.tracks(0)
    said = json.loads(first)
    assert [said["type"], said["device"], said["ground"], len(said["points"])] == ["track", "drone-7", "pilot", 5]
    assert said["points"][0] == [52.0, 4.0, round((UNIX + 1.5) * 1e6)]
    assert here.view.tracks(cursor) == ([], cursor)
    fly(9)
    assert len(json.loads(here.view.tracks(cursor)[0][0])["points"]) == 1
    assert len(json.loads(here.view.tracks(0)[0][0])["points"]) == 6


def test_a_picture_is_one_message(here: Here):
    here.status()
    before = here.view.version
    here.view.take("pilot", video(session=32 * "a"))
    assert here.view.version == before + 1
    stream = here.view.stream_id("pilot", "drone-7", "video_a")
    assert stream
    assert [key for _, _, key in here.pictures] == [unit.key for unit in FILM[:30]]
    _, data, _ = here.pictures[25]
    assert struct.unpack("<BBHIdII", data[:24])[:5] == (1, picture_message.KEY, stream, 26, UNIX)
    assert data[24:] == b"".join(b"\0\0\0\1" + nal for nal in FILM[25].nals)
    again = here.view.since_key(stream)
    assert [message[24:] for message in again] == [data[24:] for _, data, _ in here.pictures[25:]]
    assert {message[1] for message in again} == {
        picture_message.KEY | picture_message.CATCHING_UP,
        picture_message.CATCHING_UP,
    }
    assert [struct.unpack_from("<I", message, 4)[0] for message in again] == [26, 27, 28, 29, 30]


def test_a_stream_says_what_it_is(here: Here):
    here.status(ground(endpoints=[end(Use.PLAYER, endpoint="udpout:127.0.0.1:5600")]))
    here.view.take("pilot", video(session=32 * "a"))
    here.view.take("pilot", video(lane="video_b", session=32 * "a"))
    first, second = here.one()["streams"]
    said = {
        name: first[name] for name in ("lane", "codec", "codec_string", "width", "height", "pictures", "damaged", "lost")
    }
    assert [*said.values()] == ["video_a", "h264", "avc1.4d4032", 1280, 720, 30, 0, 0]
    assert "udpsrc port=5600 " in first["player"]
    assert "encoding-name=H264" in first["player"]
    assert second["player"] == "", "its ground has no player's port for it"
    here.view.transcoded[first["id"]] = "avc1.42e01f"
    shown = here.one()["streams"][0]
    assert (shown["codec"], shown["codec_string"], shown["transcoded"]) == ("h264", "avc1.42e01f", True)
    assert here.view.codec(first["id"]) == "h264"
    assert (here.view.codec(99), here.view.since_key(99), here.view.stream_id("x", "y", "z")) == (None, [], None)


def test_another_session_goes_on_in_the_same_stream(here: Here):
    here.status()
    here.view.take("pilot", video(session=32 * "a"))
    here.at += 2
    here.view.take("pilot", video(session=32 * "b", ssrc=2))
    assert {stream for stream, _, _ in here.pictures} == {1}
    assert [struct.unpack_from("<I", data, 4)[0] for _, data, _ in here.pictures] == [*range(1, 61)]


def test_the_session_that_is_shown_is_the_one_that_pictures_come_of(here: Here):
    sessions = [session(session=32 * "a", boot_counter=5), session(session=32 * "b", boot_counter=6)]
    here.status(ground(sessions=sessions))
    assert here.one()["session"] == 32 * "b"
    here.view.take("pilot", video(session=32 * "a"))
    assert here.one()["session"] == 32 * "a"


def test_names_and_sentences_are_text_in_one_line_whatever_an_order_has(here: Here):
    bad = "<b>\u202e\n\0" + 500 * "x"
    roles = {bad: ["telemetry"], **{str(place): ["command"] for place in range(1000)}}
    sessions = [session(device=bad, heard=[bad], systems=[*range(255)])]
    here.status(ground(name=bad, operation=bad, agency=bad, roles=roles, sessions=sessions, alarms=[bad] * 1000), name=bad)
    here.view.take(bad, Published("telemetry", [heartbeat()], origin(device=bad)))
    text = here.view.state()
    assert len(text) < 16_000
    assert not {*text.decode()} & {"\u202e", "\n", "\0"}
    said = json.loads(text)
    assert said["aircraft"][0]["device"].startswith("<b>\\u202e\\n\\x00xxx")
    assert here.view.stream_id(bad, bad, "video_a") is None


def test_a_busy_aircraft_stays_a_small_message(here: Here):
    here.status()
    flood = [adsb(place, callsign=b"FLIGHT%03d" % place) for place in range(300)]
    flood += [frame("statustext", text=b"w" * 50) for _ in range(90)]
    here.view.take("pilot", frames(heartbeat(), *flood, session=32 * "a"))
    assert len(here.view.state()) < 16_000


def test_a_number_that_json_does_not_have_never_leaves(here: Here):
    here.status(ground(endpoints=[end(Use.LINK, loss_percent=math.nan, rx_lost_est=1)], order_left_s=math.inf))
    text = here.view.state()
    json.loads(text, parse_constant=pytest.fail)
    assert msgspec.json.decode(text)["grounds"][0]["order_left_s"] is None


def test_a_message_is_within_what_its_stream_can_be(here: Here):
    film = [data for _, data in packets(FILM[:30])]
    here.view.take("pilot", Published("video.a", film, origin("video_a")))
    here.view.take("pilot", Published("video.a", [b"", b"\x80", b"\xff" * 70_000], origin("video_a")))
    assert len(here.pictures) == 30
