"""The page of the console in Chromium: the real door, server and pages; what is seen is a script (scripted_console.py)."""

from __future__ import annotations

import copy
import shutil
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gateway.console.page_messages import Again, Watch
from tests.browser import chromium
from tests.interop.scripted_console import AIRCRAFT, DAMAGED, READ_NUMBER, ScriptedConsole, codec_string, film, message

pytestmark = [pytest.mark.peers, pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")]
BRIGHTEST = """canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data
    .reduce((most, value, at) => at % 4 < 3 ? Math.max(most, value) : most, 0)"""
STREAM = "pilot/uav1/video_a"
WITHIN_S = 20.0  # a loaded machine


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def pictures() -> list[bytes]:
    return film(60)


@pytest.fixture
def console() -> Iterator[ScriptedConsole]:
    running = ScriptedConsole()
    yield running
    running.stop()


@pytest.fixture
def page(browser: Any, console: ScriptedConsole) -> Iterator[Any]:
    """The page, with its first state; at the end: no error, and no request to anything but our port."""
    opened = browser.new_page(viewport={"width": 1280, "height": 800})
    errors, hosts = [], set()
    opened.on("pageerror", lambda error: errors.append(error))  # noqa: PLW0108 # Playwright takes no built-in function
    opened.on("request", lambda request: hosts.add(request.url.split("/")[2]))
    opened.on("websocket", lambda socket: hosts.add(socket.url.split("/")[2]))
    opened.goto(console.link)
    until(lambda: text(opened, "#seal-word") != "CONNECTING")
    yield opened
    opened.close()
    assert errors == []
    assert hosts == {f"127.0.0.1:{console.port}"}


def until(true: Callable[[], object], within_s: float = WITHIN_S) -> None:
    end = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end, "it did not become true"
        time.sleep(0.02)


def text(page: Any, selector: str) -> str:
    return str(page.locator(selector).first.text_content())


def counts(page: Any, stream: str = STREAM) -> dict[str, Any]:
    return dict(page.evaluate("key => zegel.streams()[key] ?? {shown: 0, received: 0, size: null}", stream))


def number(page: Any, selector: str = "#picture canvas") -> int:
    return int(page.locator(selector).evaluate(READ_NUMBER))


def watched(console: ScriptedConsole) -> None:
    until(lambda: any(isinstance(one, Watch) and one.streams for one in console.said))


@pytest.mark.alone  # a machine that is too slow leaves pictures out
def test_every_picture_is_shown_and_the_last_one_stands_on_the_canvas(console, page, pictures):
    watched(console)
    console.play(pictures, per_s=20.0)
    until(lambda: counts(page)["shown"] == len(pictures))
    assert number(page) == len(pictures) - 1
    assert counts(page)["codec"] == codec_string(pictures[0])
    assert counts(page)["damaged"] == 0


def test_a_viewer_who_comes_late_begins_with_the_pictures_since_the_key_picture(console, page, pictures):
    for at, picture in enumerate(pictures[:25]):
        console.send(message(at, picture))
    page.reload()
    until(lambda: counts(page)["shown"] == 1)
    assert counts(page)["caughtUp"] == 10, "15 is a key picture; 24 is shown, because nothing follows it"
    assert number(page) == 24


def test_what_is_damaged_is_shown_and_marked(console, page, pictures):
    watched(console)
    for at, picture in enumerate(pictures[:15]):
        console.send(message(at, picture, DAMAGED if at in (3, 9) else 0, 2 if at in (3, 9) else 0))
    until(lambda: number(page) == 14)
    until(lambda: "4 packets missing in 2 of 15 pictures" in text(page, "#picture .mark"))


def test_a_picture_without_a_slice_is_left_out(console, page, pictures):
    watched(console)
    console.play(pictures[:10])
    console.send(message(10, pictures[10][:6], DAMAGED, 1))
    console.play(pictures[11:], begin=11)
    until(lambda: number(page) == len(pictures) - 1)
    assert counts(page)["errors"] == 0


def test_a_decoder_that_dies_is_made_again_and_asks_for_the_pictures_since_the_key_picture(console, page, pictures):
    watched(console)
    console.play(pictures[:15])
    until(lambda: number(page) == 14)
    console.send(message(15, pictures[0][:40] + b"\0\0\0\1\x65" + b"\xff" * 300))
    until(lambda: any(isinstance(one, Again) for one in console.said))
    console.play(pictures[15:], begin=16)
    until(lambda: number(page) == len(pictures) - 1)
    assert counts(page)["restarts"] >= 1


def test_a_resolution_that_changes_in_mid_stream(console, page, pictures):
    watched(console)
    console.play(pictures[:15])
    console.play(film(20, (640, 360)), begin=15)
    until(lambda: counts(page)["size"] == [640, 360] and number(page) == 19)
    console.play(pictures[:15], begin=35)
    until(lambda: counts(page)["size"] == [320, 180] and number(page) == 14)
    assert counts(page)["errors"] == 0


@pytest.mark.alone
def test_b_pictures_come_in_their_order(console, page):
    watched(console)
    with_b = film(60, (320, 180), "libx264", "-tune", "animation", "-bf", "2", "-x264-params", "bframes=2:rc-lookahead=5")
    console.play(with_b, per_s=20.0)
    until(lambda: counts(page)["shown"] >= len(with_b) - 5)
    assert number(page) >= len(with_b) - 5


def test_h265_says_its_sentence_and_the_players_line(console, page):
    stream = console.aircraft[0]["streams"][0]
    stream.update(codec="h265", codec_string="hvc1.1.6.L63.B0")
    until(lambda: text(page, "#picture .veil-word") == "H.265")
    said = text(page, "#picture .veil-detail")
    assert said == "This video is H.265, which this browser cannot decode. Play it with: ffplay -i station.sdp"


def test_a_lane_that_stops_is_grey_and_has_its_age(console, page, pictures):
    watched(console)
    console.play(pictures[:15])
    console.aircraft[0]["streams"][0]["age_s"] = 9.0
    until(lambda: page.locator("#picture").get_attribute("data-state") == "old")
    assert text(page, "#picture .veil-word") == "NO PICTURE"
    assert text(page, "#picture .veil-age").endswith(" s old")
    assert number(page) == 14, "the last picture stays"


def test_the_seal_in_words(console, page):
    assert text(page, "#seal-word") == "SEALED"
    assert "key 3 min old" in text(page, "#seal-detail")
    assert text(page, "#begins-word") == "in the aircraft"
    assert [text(page, "#operation-name"), text(page, "#operation-detail")] == [
        "Night Watch",
        "Harbour Police · restricted",
    ]
    assert text(page, "#readers li:nth-child(2)") == "observervideo"
    assert text(page, "#commander").startswith("pilot (last: pilot, 3.")
    console.aircraft[0]["seal_begins"] = "controller"
    until(lambda: text(page, "#begins-word") == "at the controller")
    assert text(page, "#begins-detail") == "the vendor of this aircraft holds the picture before the seal"
    assert text(page, "#seal-word") == "SEALED FROM THE CONTROLLER ON"
    assert text(page, "#readers li:last-child") == "its vendorthe picture, before the seal"
    console.aircraft[0].update(sealed=False, seal={"level": "bad", "text": "the order does not list us", "since_us": None})
    until(lambda: text(page, "#seal-word") == "NOT OPEN HERE")
    assert text(page, "#seal-detail") == "the order does not list us"


def test_the_page_of_a_station_that_is_revoked_goes_dark(console, page, pictures):
    watched(console)
    console.play(pictures[:15])
    until(lambda: number(page) == 14)
    console.aircraft[0].update(sealed=False, state="unlisted")
    until(lambda: text(page, "#seal-word") == "CLOSED TO THIS STATION")
    assert text(page, "#picture .veil-word") == "CLOSED TO THIS STATION"
    assert text(page, "#readers") == "not known here: its order is another one"
    assert page.locator("#picture canvas").evaluate(BRIGHTEST) == 0, "no picture stays"


def test_an_order_that_ends_soon_counts_down_and_is_marked(console, page):
    assert text(page, "#order-left").startswith(("4:59:", "5:00:"))
    console.ground["order_left_s"] = 385.0
    until(lambda: page.locator("#order").get_attribute("data-level") == "bad")
    assert text(page, "#order-left") in {"06:25", "06:24"}
    console.ground["next_order"] = {"serial": 8, "begins_us": 1_790_019_000_000_000}
    until(lambda: "order 8 begins" in text(page, "#order-detail"))


def test_a_link_that_is_lost_is_said_everywhere_and_nothing_is_held_as_if_live(console, page):
    one = console.aircraft[0]
    one.update(state="silent", beat_age_s=8.0)
    one["link"]["age_s"] = 8.0
    for each in one["telemetry"].values():
        each["age_s"] = 8.0
    until(lambda: text(page, "#seal-word") == "LINK LOST")
    assert "last heard 8." in text(page, "#seal-detail")
    assert "it was sealed then" in text(page, "#seal-detail")
    assert text(page, "#readers-title") == "Could read this when it was last heard"
    assert text(page, "#picture .veil-word") == "LINK LOST"
    assert page.locator('.instrument[data-state="live"]').count() == 0
    assert page.locator('.instrument[data-state="old"] .small').first.text_content().endswith(" s old")


def test_a_ground_and_a_console_that_are_gone(browser, console, page):
    console.ground["alive"] = False
    until(lambda: text(page, "#seal-word") == "GROUND GONE")
    console.ground["alive"] = True
    until(lambda: text(page, "#seal-word") == "SEALED")
    console.stop()
    until(lambda: text(page, "#seal-word") == "CONSOLE GONE")
    assert "The console is gone" in text(page, "#warning")
    again = ScriptedConsole(console.port)
    until(lambda: text(page, "#seal-word") == "SEALED")
    watched(again)
    again.stop()


def test_an_aircraft_that_is_no_longer_reported_is_not_exchanged_for_another(console, page):
    other = copy.deepcopy(AIRCRAFT) | {"device": "uav2", "streams": []}
    console.aircraft.append(other)
    until(lambda: page.locator("#fleet button").count() == 2)
    console.aircraft.pop(0)
    until(lambda: text(page, "#seal-word") == "NOT REPORTED")
    assert text(page, "#picture .name").startswith("uav1")
    page.keyboard.press("1")
    until(lambda: text(page, "#seal-word") == "SEALED")
    assert text(page, "#picture .name").startswith("uav2")


def test_no_ground_and_no_aircraft(console, page):
    console.aircraft.clear()
    until(lambda: text(page, "#seal-word") == "NOT REPORTED")
    page.reload()
    until(lambda: text(page, "#seal-word") == "NO AIRCRAFT")
    console.grounds.clear()
    until(lambda: text(page, "#seal-word") == "NO GROUND")


def test_texts_from_outside_are_no_markup(console, page):
    evil = '<img src=x onerror="document.title=1"><b id=evil>'
    one = console.aircraft[0]
    one["device"] = evil
    one["texts"] = [{"at_us": 1_790_000_000_000_000, "severity": 2, "text": evil}]
    one["telemetry"]["mode"]["v"] = evil
    console.ground.update(name=evil, operation=evil, agency=evil, readers=[{"name": evil, "roles": [evil]}])
    one["ground"] = evil
    page.reload()
    until(lambda: evil in text(page, "#texts"))
    assert evil in text(page, "#readers")
    assert "CRITICAL" in text(page, "#texts")
    assert text(page, "#operation-name") == evil
    assert page.locator("#evil, img[src=x]").count() == 0


def test_keys_choose_aircraft_and_camera_and_only_what_is_in_sight_is_asked_for(console, page):
    second = copy.deepcopy(AIRCRAFT) | {"device": "uav2"}
    second["streams"] = [second["streams"][0] | {"id": 2}, second["streams"][0] | {"id": 3, "lane": "video_b"}]
    console.aircraft.append(second)
    until(lambda: page.locator("#fleet button").count() == 2)
    until(lambda: asked(console) == {"uav1/video_a", "uav2/video_a"})
    page.keyboard.press("2")
    until(lambda: asked(console) == {"uav1/video_a", "uav2/video_a", "uav2/video_b"})
    assert "camera A" in text(page, "#picture .name")
    page.keyboard.press("v")
    until(lambda: "camera B" in text(page, "#picture .name"))
    page.keyboard.press("f")
    until(lambda: asked(console) == {"uav2/video_a", "uav2/video_b"})
    page.keyboard.press("f")
    page.keyboard.press("c")
    assert page.locator("body").get_attribute("data-contrast") == "high"
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()


def test_a_system_of_high_contrast_gets_it_and_c_leads_back(console, page):
    page.emulate_media(contrast="more")
    page.reload()
    until(lambda: page.locator("body").get_attribute("data-contrast") == "high")
    page.keyboard.press("c")
    until(lambda: page.locator("body").get_attribute("data-contrast") == "usual")


def asked(console: ScriptedConsole) -> set[str]:
    last = [one for one in console.said if isinstance(one, Watch)][-1]
    return {f"{stream.device}/{stream.lane}" for stream in last.streams}


@pytest.mark.parametrize("width", [390, 1280, 1920])
def test_nothing_is_wider_than_the_screen(console, page, width):
    page.set_viewport_size({"width": width, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_whole_page_is_small_and_keeps_nothing(console, page):
    sizes = page.evaluate("performance.getEntriesByType('resource').map(one => one.encodedBodySize)")
    assert sum(sizes) < 400_000
    assert page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
