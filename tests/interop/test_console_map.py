"""The console's map, its positions and its snapshot, in a real browser, and the coordinates against published points."""

from __future__ import annotations

import hashlib
import json
import math
import re
import struct
import time
from pathlib import Path

import pytest

from gateway.console.pages import FOLDER
from gateway.console.view_state import ViewState
from tests import map_tiles
from tests.browser import chromium
from tests.console_pages import serve
from tests.unit.gateway.report.statuses import ground
from tests.unit.gateway.view.test_aircraft import adsb, frame, heartbeat
from tests.unit.gateway.view.test_fleet import frames

pytestmark = pytest.mark.peers

LAT, LON = 52.09, 4.35
MARKUP = "<img src=/x onerror=alert(1)>"

# The test sheet of RDNAPTRANS(TM)2008 (Kadaster and Rijkswaterstaat): ETRS89 latitude and longitude, RD x and y.
RD_POINTS = {
    "Texel": (53.160753042, 4.824761912, 117380.12, 575040.34),
    "Noord-Groningen": (53.419482050, 6.776726674, 247380.56, 604580.78),
    "Amersfoort": (52.155172897, 5.387203657, 155000.00, 463000.00),
    "Zeeuws-Vlaanderen": (51.368607152, 3.397588595, 16460.91, 377380.23),
    "Zuid-Limburg": (50.792584916, 5.773795548, 182260.45, 311480.67),
    "Maasvlakte": (51.947393898, 4.072887101, 64640.89, 440700.01),
}
RD_WITHIN_M = 0.25  # the greatest correction of the grid that is left out
RD_OUTSIDE = (
    (48.843030210, 8.723260235),
    (50.687420392, 4.608971813),
    (-35.363261, 149.165230),
    (53.71, 5.0),
    (52.0, 7.23),
)

# NGA.STND.0037 has 4QFJ1234567890, chrisveness/geodesy the Eiffel tower and Greenwich; the others are published with tests
# of other programs: both hemispheres, the exceptions of Norway and Svalbard, and the equator.
MGRS_POINTS = {
    (21.4098012, -157.9160763): "4QFJ 12345 67890",
    (48.8582, 2.2945): "31UDQ 48251 11932",
    (51 + 28 / 60 + 40.37 / 3600, -5.29 / 3600): "30UYC 08215 07233",
    (55.805, 37.402): "37UCB 99839 85532",
    (60.0, 5.0): "32VKM 76979 58157",
    (78.2, 15.6): "33XWG 13696 80760",
    (0.0, 39.0): "37NEA 00000 00000",
    (-33.8688, 151.2093): "56HLH 34368 50948",
    (40.7128, -74.006): "18TWL 83959 07350",
    (-45.0, -70.0): "19GDL 21184 16563",
}

# As published with Leaflet 1.9.4 (the integrity of leaflet.js and leaflet.css on its download page, in base64 there).
LEAFLET = {
    "leaflet.js": "db49d009c841f5ca34a888c96511ae936fd9f5533e90d8b2c4d57596f4e5641a",
    "leaflet.css": "a7837102824184820dfa198d1ebcd109ff6d0ff9a2672a074b9a1b4d147d04c6",
    "LICENSE": "53e8dc25862014e4324741ca18fbe3611e11d42ef69f59f86ea8c5389647d4cb",
}
SHOW = """async ([aircraft, all, points, tiles]) => {
    const { MapView } = await import("/map.js");
    window.view ??= new MapView(document.getElementById("map"), { tiles });
    view.show(aircraft, all);
    if (points) view.track({ ground: aircraft.ground, device: aircraft.device, points });
}"""


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def address():
    with serve() as found:
        yield found


@pytest.fixture
def page(browser, address):
    yield from opened(browser, address)


def opened(browser, address, **options):
    """A page that fails the test if a script failed, or if anything was asked of another address."""
    context = browser.new_context(viewport={"width": 1000, "height": 700}, accept_downloads=True, **options)
    page = context.new_page()
    asked, errors = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("dialog", lambda dialog: errors.append(dialog.message))
    page.goto(address)
    yield page
    context.close()
    assert not errors
    assert not [url for url in asked if not url.startswith((address, "blob:" + address))]


def valued(v, age_s=0.1):
    return {"v": v, "age_s": age_s}


def aircraft(device="uav1", *, lat=LAT, lon=LON, age_s=0.1, height_m=80.0, **telemetry):
    position = valued({"lat": lat, "lon": lon, "alt_m": 82.0, "height_m": height_m}, age_s)
    return {
        "ground": "pilot", "device": device, "session": "5e55", "track_reset": 0, "traffic": [],
        "home": {"lat": LAT, "lon": LON},
        "telemetry": {"position": position, "heading": valued(90.0)} | telemetry,
    }  # fmt: skip


def show(page, main, *others, points=None, tiles=False):
    page.evaluate(SHOW, [main, [main, *others], points, tiles])


def written(page, name, lat, lon):
    return page.evaluate("async ([n, a, o]) => (await import('/coordinates.js'))[n](a, o)", [name, lat, lon])


def test_leaflet_is_as_published():
    found = {name: hashlib.sha256((FOLDER / "vendor/leaflet" / name).read_bytes()).hexdigest() for name in LEAFLET}
    assert found == LEAFLET
    assert {path.name for path in (FOLDER / "vendor/leaflet").iterdir()} == {*LEAFLET, "leaflet.cdx.json"}


def test_rd_new_is_within_the_correction_of_the_published_points(page):
    for name, (lat, lon, x, y) in RD_POINTS.items():
        found = written(page, "rdNew", lat, lon)
        distance = math.hypot(found["x"] - x, found["y"] - y)
        assert distance < RD_WITHIN_M, (name, found)
    for lat, lon in RD_OUTSIDE:
        assert written(page, "rdNew", lat, lon) is None
        assert written(page, "rdText", lat, lon) == "outside of RD"
    assert written(page, "rdText", *RD_POINTS["Amersfoort"][:2]) == "155000, 463000"


def test_mgrs_is_as_published(page):
    assert {place: written(page, "mgrs", *place) for place in MGRS_POINTS} == MGRS_POINTS
    assert written(page, "mgrs", 84.1, 0) == "outside of MGRS"


def test_degrees(page):
    assert written(page, "decimalDegrees", -35.363261, 149.16523) == "-35.363261, 149.165230"
    assert written(page, "degreesMinutesSeconds", 52.155172897, -5.387203657) == "52°09'18.62\" N 5°23'13.93\" W"
    assert written(page, "degreesMinutesSeconds", -0.9999999999, 9.99999999) == "1°00'00.00\" S 10°00'00.00\" E"


def metres(place):
    lat, lon = (math.radians(value) for value in (place[0] - LAT, place[1] - LON))
    return lat * 6371008.8, lon * 6371008.8 * math.cos(math.radians(LAT))


def footprint(page, **camera):
    camera = {"lat": LAT, "lon": LON, "heightM": 100, "pitch": -45, "yaw": 0, "roll": 0, "hfov": 60, "vfov": 40} | camera
    found = page.evaluate("async (camera) => (await import('/footprint.js')).footprint(camera)", camera)
    return found | {
        "outline": [*map(metres, found["outline"] or [])],
        "centre": found["centre"] and metres(found["centre"]),
    }


def test_the_footprint_is_the_flat_ground_that_the_camera_sees(page):
    down = footprint(page, pitch=-90)
    assert down["centre"] == pytest.approx((0, 0), abs=0.01)
    north, east = (sorted({round(point[axis], 1) for point in down["outline"]}) for axis in (0, 1))
    assert (north[0], north[-1]) == pytest.approx((-36.4, 36.4), abs=0.1), "100 m * tan 20"
    assert (east[0], east[-1]) == pytest.approx((-57.7, 57.7), abs=0.1), "100 m * tan 30"
    ahead = footprint(page, yaw=90)
    assert ahead["centre"] == pytest.approx((0, 100), abs=0.1)
    assert min(east for _, east in ahead["outline"]) == pytest.approx(100 / math.tan(math.radians(65)), abs=0.1)
    assert max(east for _, east in ahead["outline"]) == pytest.approx(100 / math.tan(math.radians(25)), abs=0.1)
    assert not ahead["cut"]
    assert len(ahead["outline"]) == 4, "corners: points between them would only add the errors of pixels"
    turned = footprint(page, pitch=-90, roll=90)
    assert max(east for _, east in turned["outline"]) == pytest.approx(36.4, abs=0.1), "the picture's axes change places"
    banked = footprint(page, roll=20)
    assert max(east for _, east in banked["outline"]) < max(-east for _, east in banked["outline"]), (
        "right side down: nearer"
    )


def test_a_footprint_is_cut_at_the_horizon_and_left_out_where_it_is_unknown(page):
    near = footprint(page, pitch=-15)
    assert near["cut"]
    assert max(math.hypot(*point) for point in near["outline"]) == pytest.approx(1000, abs=1)
    above = footprint(page, pitch=30)
    assert (above["centre"], above["outline"][0]) == (None, pytest.approx((0, 0), abs=0.01)), "a sector from the aircraft"
    assert footprint(page, pitch=90)["outline"] == []
    unknown = footprint(page, hfov=None, vfov=None)
    assert unknown["outline"] == []
    assert unknown["centre"] == pytest.approx((100, 0), abs=0.1)


CAMERA = {
    "gimbal": valued({"roll": 0.0, "pitch": -45.0, "yaw": 0.0, "yaw_is_absolute": False}),
    "camera": valued({"hfov": 60.0, "vfov": 40.0}, 100),
}


def test_the_map_shows_what_the_state_says(page):
    show(page, aircraft(**CAMERA), aircraft("uav2", lat=LAT + 0.002), points=[[LAT, LON, 1], [LAT + 0.001, LON, 2]])
    assert page.locator(".symbol.aircraft").count() == 2
    assert page.locator(".symbol.aircraft.main svg").evaluate("svg => svg.style.transform") == "rotate(90deg)"
    assert page.locator(".symbol.home").count() == 1
    assert page.locator(".positions .title").all_inner_texts() == ["uav1", "camera looks at"]
    assert page.locator(".note").all_inner_texts()[1] == "80 m, 090° from the aircraft, if the ground is flat"
    show(page, aircraft(camera=valued({"hfov": None, "vfov": None, "lat": LAT, "lon": LON + 0.002})))
    assert page.locator(".positions .copy").all_inner_texts()[1] == "52.090000, 4.352000", "the aircraft says where"
    assert page.locator(".note").all_inner_texts()[1] == "137 m, 090° from the aircraft"
    show(page, aircraft(heading=None, gimbal=None))
    assert page.locator(".symbol.aircraft").count() == 1, "an aircraft that is gone is gone from the map"
    assert page.locator(".symbol.aircraft svg").evaluate("svg => svg.style.transform") == ""
    assert page.locator(".positions .title").all_inner_texts() == ["uav1"]


def assert_note(page, text):
    assert page.locator(".map-note").text_content() == text


def test_frames_of_an_aircraft_come_to_the_map_as_its_state_says(page):
    place = {"lat": round(LAT * 1e7), "lon": round(LON * 1e7)}
    yaw_in_earth, down_45 = 64, [math.cos(math.radians(22.5)), 0, -math.sin(math.radians(22.5)), 0]
    view = ViewState(lambda *_: None)
    view.take_status("pilot", ground())
    view.take(
        "pilot",
        frames(
            heartbeat(),
            frame("global_position_int", **place, alt=82_000, relative_alt=80_000, hdg=9000),
            frame("home_position", latitude=place["lat"], longitude=place["lon"]),
            frame("gimbal_device_attitude_status", component=154, flags=yaw_in_earth, q=down_45),
            frame("camera_fov_status", component=100, hfov=60.0, vfov=40.0, lat_image=2**31 - 1),
            adsb(1, lat=place["lat"] + 10_000, lon=place["lon"]),
            frame("open_drone_id_system", operator_latitude=place["lat"] - 9000, operator_longitude=place["lon"]),
            time_us=round(time.time() * 1e6),
        ),
    )
    state, (track, *_) = json.loads(view.state()), view.tracks()[0]
    (main,) = state["aircraft"]
    show(page, main, points=json.loads(track)["points"])
    assert page.locator(".symbol.aircraft.main svg").evaluate("svg => svg.style.transform") == "rotate(90deg)"
    kinds = ("aircraft", "home", "station", "camera", "adsb")
    assert {kind: page.locator(f".symbol.{kind}").count() for kind in kinds} == dict.fromkeys(kinds, 1)
    assert page.locator(".note").all_inner_texts()[1] == "80 m, 000° from the aircraft, if the ground is flat"


def test_what_is_old_says_so_and_is_grey(page):
    show(page, aircraft(age_s=12.4, **CAMERA))
    assert_note(page, "position is 12 s old")
    assert page.locator(".symbol.aircraft.stale .label").inner_text().splitlines() == ["uav1", "12 s old"]
    assert page.locator(".symbol.camera").count() == 0, "no footprint from an old position"
    show(page, {**aircraft(), "telemetry": {}})
    assert_note(page, "no position yet")
    assert page.locator(".symbol.aircraft").count() == 0


def test_ages_go_on_while_no_message_comes(page):
    page.clock.install()
    show(page, aircraft(age_s=1.0))
    assert_note(page, "")
    page.clock.run_for(9000)
    assert_note(page, "position is 10 s old")


def test_traffic_is_shown_once_with_its_age(page):
    seen = {"kind": "adsb", "id": "PH-ABC", "lat": LAT + 0.001, "lon": LON, "alt_m": 450.4, "heading": 200, "age_s": 1.0}
    drone = {
        "kind": "remote_id",
        "id": MARKUP,
        "lat": LAT,
        "lon": LON + 0.001,
        "alt_m": None,
        "heading": None,
        "age_s": 32.0,
    }
    nowhere = {**drone, "id": "nowhere", "lat": None}
    main = aircraft() | {"traffic": [seen | {"age_s": 8.0, "lat": LAT}, drone, nowhere]}
    show(page, main, aircraft("uav2") | {"traffic": [seen]})
    assert page.locator(".symbol.adsb .label").all_inner_texts() == ["PH-ABC\nat 450 m"], "the newer of two"
    assert page.locator(".symbol.remote_id.stale .label").all_inner_texts() == [f"{MARKUP}\n32 s old"]


def test_markup_from_the_air_is_text(page):
    show(page, aircraft(MARKUP))
    assert page.locator(".symbol.aircraft .label").inner_text().startswith(MARKUP)
    assert page.locator(".positions .title").inner_text() == MARKUP
    assert page.evaluate("document.querySelectorAll('#map img').length") == 0


def screen_position(page, name=".symbol.aircraft.main"):
    frame, place = page.locator(".map-frame").bounding_box(), page.locator(f"{name} svg").bounding_box()
    return [
        (place[at] + place[size] / 2 - frame[at]) / frame[size] for at, size in (("x", "width"), ("y", "height"))
    ]  # of the map's size


def test_the_map_follows_until_it_is_moved(page):
    show(page, aircraft())
    assert screen_position(page) == pytest.approx([0.5, 0.5], abs=0.02)
    show(page, aircraft(lat=LAT + 0.0002))
    assert screen_position(page) != pytest.approx([0.5, 0.5], abs=0.01), "a small step does not move the map"
    show(page, aircraft(lat=LAT + 0.02))
    assert screen_position(page) == pytest.approx([0.5, 0.5], abs=0.02)
    follow = page.get_by_role("button", name="Follow")
    assert follow.get_attribute("aria-pressed") == "true"
    page.locator(".map-frame").press("ArrowRight")
    assert follow.get_attribute("aria-pressed") == "false"
    show(page, aircraft(lat=LAT + 0.1))
    assert not -1 < screen_position(page)[1] < 2
    follow.click()
    assert screen_position(page) == pytest.approx([0.5, 0.5], abs=0.02)
    page.get_by_role("button", name="All").click()
    assert 0 < screen_position(page, ".symbol.home")[1] < 1


def test_a_track_is_known_once_and_starts_again(page):
    points = [[LAT, LON + n / 1e4, n] for n in range(10)]
    kept = page.evaluate(
        """async (points) => {
            const { Track } = await import("/map_track.js");
            const { L } = await import("/leaflet.js");
            const lines = [];
            const polyline = L.polyline;
            L.polyline = (...given) => { const line = polyline(...given); lines.push(line); return line; };
            const track = new Track(L.map(document.createElement("div")).setView([0, 0], 5));
            const count = () => lines[0].getLatLngs().length;
            track.beginAt(0); track.add(points); track.add(points.slice(4)); const once = count();
            track.add([[0, 0, 5], [0, 0, 10]]); const clockWentBack = count();
            track.beginAt(0); const same = count();
            track.add([[1, 0, 20]]); track.beginAt(20); const again = count();
            track.beginAt(30); const notYet = count();
            track.add(Array.from({ length: 30000 }, (_, n) => [0, 0, 30 + n])); track.beginAt(30);
            return [once, clockWentBack, same, again, notYet, count()];
        }""",
        points,
    )
    assert kept == [10, 12, 12, 1, 0, 20000]


def test_positions_are_chosen_and_copied(browser, address):
    for page in opened(browser, address, permissions=["clipboard-read", "clipboard-write"]):
        lat, lon, *_ = RD_POINTS["Amersfoort"]
        show(page, aircraft(lat=lat, lon=lon))
        shown = {}
        for name in page.locator(".positions option").all_inner_texts():
            page.get_by_label("notation of positions").select_option(name)
            page.locator(".positions .copy").click()
            shown[name] = page.evaluate("navigator.clipboard.readText()")
        assert shown == {
            "WGS 84": "52.155173, 5.387204",
            "WGS 84, degrees": "52°09'18.62\" N 5°23'13.93\" E",
            "RD New": "155000, 463000",
            "MGRS": written(page, "mgrs", lat, lon),
        }


def test_a_browser_that_refuses_the_clipboard_leaves_a_selection(page):
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    show(page, aircraft())
    page.locator(".positions .copy").click()
    assert page.evaluate("getSelection().toString()") == "52.090000, 4.350000"


def test_a_point_is_set_by_click_or_key_and_removed(page):
    show(page, aircraft())
    page.mouse.click(300, 200)
    assert page.locator(".positions .title").all_inner_texts() == ["uav1", "point"]
    page.get_by_role("button", name="remove").click()
    page.locator(".map-frame").press("Enter")
    assert page.locator(".position", has_text="point").locator(".note").inner_text() == "0 m from the aircraft"
    page.locator(".map-frame").press("Escape")
    assert page.locator(".positions .title").all_inner_texts() == ["uav1"]


def test_the_grid_counts_in_round_metres(page):
    names = "async (n) => { const { squareSize, lineLabel } = await import('/map_grid.js');"
    assert page.evaluate(names + "return n.map(squareSize) }", [0.1, 0.5, 1, 1.3, 30]) == [10, 50, 100, 200, 5000]
    labels = page.evaluate(names + "return n.map((at) => lineLabel(at, 'N', 'S')) }", [0, 400, -50, 1500, -20000])
    assert labels == ["home", "400 m N", "50 m S", "1.5 km N", "20 km S"]
    show(page, aircraft())
    axis = """() => {
        const { data } = document.querySelector("canvas.grid").getContext("2d").getImageData(0, 0, 900, 500);
        return data.filter((value, at) => at % 4 === 0 && value === 0x52 && data[at + 1] === 0x66).length;
    }"""
    assert 1350 < page.evaluate(axis) < 1400, "the two lines through home, but where a label is over them"
    page.evaluate("document.body.dataset.contrast = 'high'")
    page.wait_for_timeout(1500)  # it is drawn each second
    assert page.evaluate(axis) == 0, "in the colours of high contrast"


@pytest.mark.parametrize("place", [(LAT, LON), (-35.363261, 149.165230)])
def test_tiles_come_from_the_file(browser, tmp_path, place):
    tiles = map_tiles.write(tmp_path / "a.mbtiles", *place)
    with serve(tiles) as address:
        for page in opened(browser, address):
            show(page, aircraft(lat=place[0], lon=place[1]), tiles=True)
            column, row = map_tiles.tile_of(*place, 16)
            page.locator(f"img.leaflet-tile-loaded[src$='/tiles/16/{column}/{row}']").wait_for()
            assert page.locator(".map-credit").inner_text() == "<b>nobody</b>", "text, not markup"


def test_a_snapshot_is_the_picture_and_says_what_it_is(page, tmp_path):
    take = """async ([aircraft, about]) => {
        const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 360 });
        canvas.getContext("2d").fillRect(1, 1, 5, 5);
        const { snapshot } = await import("/snapshot.js");
        return snapshot(canvas, aircraft, about);
    }"""
    downloads = []
    page.on("download", lambda *found: downloads.extend(found))
    station = {"name": "pilot", "operation": "op", "agency": "police", "class": "confidential", "order": 7}
    name = page.evaluate(take, [aircraft("../uav 1"), {"lane": "video_a", "ground": station}])
    for _ in range(100):
        if len(downloads) == 2:
            break
        page.wait_for_timeout(50)
    assert re.fullmatch(r"zegel-_uav_1-video_a-\d{8}T\d{9}Z", name)
    saved = {each.suggested_filename: tmp_path / each.suggested_filename for each in downloads}
    for each in downloads:
        each.save_as(saved[each.suggested_filename])
    picture = Path(saved[f"{name}.png"]).read_bytes()
    assert struct.unpack(">II", picture[16:24]) == (640, 360)
    said = json.loads(saved[f"{name}.json"].read_text())
    assert said["sha256"] == hashlib.sha256(picture).hexdigest()
    assert said["file"] == f"{name}.png"
    assert (said["device"], said["session"], said["lane"], said["operation"]) == ("../uav 1", "5e55", "video_a", "op")
    assert said["position"] == aircraft()["telemetry"]["position"]
    assert page.evaluate("localStorage.length + sessionStorage.length") == 0
