"""Cursor on Target: each value is that of the telemetry or is not there, and a name is never markup."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import pytest

from gateway.share import cot
from gateway.share.sightings import Sightings
from tests.tak_stage import looking, position, sightings, told
from tests.unit.gateway.report.statuses import ground
from tests.unit.gateway.view.test_aircraft import frame


def now_us() -> int:
    return time.time_ns() // 1000


def event(*frames: bytes, video: str = "", **more: object) -> ET.Element:
    (one,) = sightings(*(frames or (position(),)), **{"time_us": now_us(), **more}).all()
    return ET.fromstring(cot.event(one, video))  # noqa: S314 - our own


def detail(made: ET.Element, name: str) -> dict[str, str] | None:
    found = made.find(f"detail/{name}")
    return None if found is None else found.attrib


def us(text: str) -> int:
    return round(datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1e6)


def test_place_course_and_times_are_those_of_the_telemetry():
    at = now_us() - 700_000
    made = event(time_us=at)
    assert made.attrib["type"] == "a-f-A-M-H-Q"
    assert abs(us(made.attrib["time"]) - at) < 2000
    assert made.attrib["start"] == made.attrib["time"]
    assert us(made.attrib["stale"]) - us(made.attrib["time"]) == 5_000_000
    point = made.find("point")
    assert point is not None
    assert point.attrib == {
        "lat": "52.1234567",
        "lon": "4.3456789",
        "hae": cot.UNKNOWN,
        "ce": cot.UNKNOWN,
        "le": cot.UNKNOWN,
    }
    assert detail(made, "track") == {"course": "45.0", "speed": "10.00"}
    assert made.findtext("detail/remarks") == "120.5 m above mean sea level, 80.0 m above home"


def test_a_height_above_the_sea_is_never_one_above_the_ellipsoid():
    gnss = {"fix_type": 3, "lat": 521234567, "lon": 43456789, "alt": 120_500, "eph": 90, "satellites_visible": 12}
    for said, hae in ((0, cot.UNKNOWN), (163_250, "163.25")):
        point = event(position(), frame("gps_raw_int", alt_ellipsoid=said, **gnss)).find("point")
        assert point is not None
        assert point.attrib["hae"] == hae


def test_what_stands_has_no_course_and_what_has_wings_is_no_copter():
    assert detail(event(position(vx=10, vy=10)), "track") is None
    assert event(position(), vehicle=1).attrib["type"] == "a-f-A-M-F-Q"


def test_the_camera_looks_where_gimbal_and_nose_say():
    made = event(*looking(), position())
    assert detail(made, "sensor") == {
        "azimuth": "120.0",
        "elevation": "-30.0",
        "roll": "0.0",
        "fov": "60.0",
        "vfov": "40.0",
        "range": "160.0",
        "north": "0.0",
    }


@pytest.mark.parametrize("without", [0, 1])
def test_a_camera_of_which_too_little_is_known_has_no_cone(without):
    assert detail(event(position(), looking()[without]), "sensor") is None


def test_the_name_is_the_same_after_each_start_and_no_two_aircraft_have_one():
    names = {cot.uid(agency, device) for agency in ("Harbour Police", "Coast Guard") for device in ("drone-7", "drone-8")}
    assert len(names) == 4
    assert event().attrib["uid"] == cot.uid("Harbour Police", "drone-7") == "zegel.Harbour Police.drone-7"


@pytest.mark.parametrize(
    "name", ['"/><detail><x a="', "</event><event>", "&amp;&#0;<!--", "a\0b\x1b[2J\ud800\ufffe", "<![CDATA[", "x" * 5000]
)
def test_a_name_is_text_and_never_markup(name):
    plain = event(device="drone-7", video="rtsp://192.168.10.2:8554/drone-7/a")
    made = event(device=name, agency=name, video="rtsp://192.168.10.2:8554/drone-7/a")
    assert [one.tag for one in made.iter()] == [one.tag for one in plain.iter()]
    assert detail(made, "contact") == {"callsign": cot.printable(name, cot.NAME_MAX)}


def test_the_address_of_its_video_is_there_without_a_login():
    made = event(video="rtsp://192.168.10.2:8554/drone%207/a")
    video, entry = detail(made, "__video"), detail(made, "__video/ConnectionEntry")
    assert video
    assert entry
    assert video["url"] == "rtsp://192.168.10.2:8554/drone%207/a"
    assert (entry["address"], entry["port"], entry["path"]) == ("192.168.10.2", "8554", "/drone%207/a")
    assert detail(event(), "__video") is None


def test_an_aircraft_that_two_grounds_hear_is_told_once_as_the_last_one_saw_it():
    both = sightings(position(lat=500000000), time_us=now_us() - 900_000)
    both.take_status("observer", ground(name="observer", agency="Harbour Police"))
    both.take("observer", told([position()], now_us()))
    (one,) = both.all()
    assert one.position.v.lat == pytest.approx(52.1234567)
    both.drop("observer")
    (one,) = both.all()
    assert one.position.v.lat == 50.0
    both.drop("pilot")
    assert both.all() == []
    both.take_status("pilot", ground(agency="Harbour Police"))
    assert both.all() == [], "it was forgotten"


def test_nothing_is_known_of_an_aircraft_whose_ground_has_said_nothing():
    made = Sightings()
    made.take("pilot", told([position()], now_us()))
    assert made.all() == []
