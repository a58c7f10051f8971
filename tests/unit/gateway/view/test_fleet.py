"""The fleet: each message to its aircraft and lane, one session of an aircraft at a time, and an end to all of it."""

from __future__ import annotations

from gateway.endpoints.feed import Origin
from gateway.endpoints.feed_reader import Published
from gateway.view import fleet
from gateway.view.fleet import Fleet, LiveStream
from gateway.view.pictures import Picture
from tests.unit.gateway.report.statuses import ground, session
from tests.unit.gateway.view.test_aircraft import frame, heartbeat
from tests.unit.gateway.view.test_pictures import FILM, packets

UNIX = 1_790_000_000.0
Seen = list[tuple[LiveStream, Picture]]


def origin(lane: str = "telemetry", device: str = "drone-7", its: str = "a", **more: object) -> Origin:
    values = {"device": device, "systems": [1], "session": its, "lane": lane, "time_us": round(UNIX * 1e6), **more}
    return Origin(**values)  # type: ignore[arg-type]


def frames(*data: bytes, **more: object) -> Published:
    return Published("telemetry", data, origin(**more))  # type: ignore[arg-type]


def video(count: int = 0, lane: str = "video_a", ssrc: int = 1, **more: object) -> Published:
    film = [data for _, data in packets(FILM[:30], ssrc=ssrc)]
    return Published("video.a", film[: count or len(film)], origin(lane, **more))  # type: ignore[arg-type]


def made() -> tuple[Fleet, Seen]:
    seen: Seen = []
    return Fleet(lambda stream, picture: seen.append((stream, picture))), seen


def test_frames_go_to_the_aircraft_of_their_ground_and_device():
    all_of_them, _ = made()
    all_of_them.take("pilot", frames(heartbeat(), frame("vfr_hud", climb=1.0)), 10.0, UNIX)
    all_of_them.take("observer", frames(heartbeat(base_mode=209)), 10.0, UNIX)
    all_of_them.take("pilot", frames(heartbeat(), device="drone-8"), 10.0, UNIX)
    assert {*all_of_them.aircraft} == {("pilot", "drone-7"), ("observer", "drone-7"), ("pilot", "drone-8")}
    mine = all_of_them.aircraft["pilot", "drone-7"]
    assert mine.seen.telemetry.climb
    assert (mine.systems, mine.session) == ([1], "a")


def test_age_counts_from_the_arrival_at_the_ground():
    all_of_them, _ = made()
    for waited, at in ((2.5, 7.5), (-9.0, 10.0), (1e6, 10.0 - fleet.LATE_MAX_S)):
        all_of_them.take("pilot", frames(heartbeat(), device=str(waited)), 10.0, UNIX + waited)
        armed = all_of_them.aircraft["pilot", str(waited)].seen.telemetry.armed
        assert armed
        assert armed.at == at


def test_pictures_have_a_number_and_their_stream_an_id_that_stays():
    all_of_them, seen = made()
    all_of_them.take("pilot", video(), 10.0, UNIX)
    all_of_them.take("pilot", video(lane="video_b"), 10.0, UNIX)
    all_of_them.take("pilot", video(lane="evidence"), 10.0, UNIX)
    assert [(stream.id, stream.lane, stream.number) for stream in all_of_them.streams()] == [
        (1, "video_a", 30),
        (2, "video_b", 30),
    ]
    assert len(seen) == 60


def test_another_session_is_shown_once_the_first_is_silent_and_begins_with_its_own_pictures():
    all_of_them, seen = made()
    all_of_them.take("pilot", video(), 10.0, UNIX)
    all_of_them.take("pilot", video(its="b", ssrc=2), 10.5, UNIX + 0.5)
    mine = all_of_them.aircraft["pilot", "drone-7"]
    assert (len(seen), mine.session, mine.other_session) == (30, "a", 1)
    all_of_them.take("pilot", video(its="b", ssrc=2), 11.5, UNIX + 1.5)
    assert (len(seen), mine.session) == (60, "b")
    assert seen[30][1].key
    assert mine.streams["video_a"].id == 1


def test_a_later_start_replaces_an_earlier_one_at_once_if_the_ground_knows_both():
    all_of_them, seen = made()
    sessions = [session(session="a", boot_counter=5), session(session="b", boot_counter=6)]
    all_of_them.take_status("pilot", ground(sessions=sessions), 10.0)
    all_of_them.take("pilot", video(), 10.0, UNIX)
    all_of_them.take("pilot", video(its="b", ssrc=2), 10.1, UNIX)
    all_of_them.take("pilot", video(), 10.2, UNIX)
    mine = all_of_them.aircraft["pilot", "drone-7"]
    assert (len(seen), mine.session, mine.other_session) == (60, "b", 1)


def test_a_ground_that_ends_is_gone_until_it_comes_back_and_forgotten_after_a_while():
    all_of_them, _ = made()
    all_of_them.take_status("pilot", ground(), 10.0)
    all_of_them.take("pilot", frames(heartbeat()), 10.0, UNIX)
    all_of_them.take_status("pilot", None, 11.0)
    assert (all_of_them.grounds, [*all_of_them.gone]) == ({}, ["pilot"])
    all_of_them.take_status("pilot", ground(), 12.0)
    assert ([*all_of_them.grounds], all_of_them.gone) == (["pilot"], {})
    all_of_them.take_status("pilot", None, 13.0)
    all_of_them.take_status("other", ground(sessions=[]), 13.0 + fleet.FORGET_AFTER_S)
    assert ([*all_of_them.gone], [*all_of_them.aircraft]) == ([], [])


def test_names_without_end_are_bounded():
    all_of_them, _ = made()
    for place in range(1000):
        all_of_them.take("pilot", frames(heartbeat(), device=str(place)), 10.0, UNIX)
    assert len(all_of_them.aircraft) == fleet.AIRCRAFT_MAX
