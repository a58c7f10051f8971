"""`zegel status --watch` in a terminal of 80 columns and 24 rows: what a pilot must read in six states, by real flights.

`make soak K=watch` prints the six screens.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator

import pytest

from gateway.demo.stage import FIRST_SFRAME, Listener, free_port
from gateway.report.role_status import encoded
from keys.lanes import Lane
from tests.system.emulated import CTRL_C, Emulated, until
from tests.system.house import Flight, House, zegel
from tests.system.test_advice import Cockpit
from tests.system.test_order_change import amend, load
from tests.unit.gateway.report.published import published
from tests.unit.gateway.report.statuses import ground

ENDS_IN_MINUTES = 9
SECONDS = "SECONDS"  # of an age; how many is not asserted


@pytest.fixture
def terminal() -> Iterator[Callable[..., Emulated]]:
    """Start `zegel status` in terminals; they end with the test."""
    made: list[Emulated] = []

    def start(*words: str, **more) -> Emulated:
        made.append(Emulated("status", *words, **more))
        return made[-1]

    yield start
    for each in made:
        each.close()


class Watch:
    """A pilot's terminal during a flight."""

    def __init__(self, flight: Flight, terminal: Emulated, figure: Callable[[str], None]) -> None:
        self.flight, self.terminal, self._figure = flight, terminal, figure

    def reads(self, title: str, *texts: str) -> None:
        """Wait for all of them on one screen, note it, and hold it to its size."""
        there = self.flight.until(lambda: all(self.terminal.says(text, SECONDS) for text in texts))
        lines = self.terminal.lines()
        self._figure(f"--- {title} ---")
        for line in lines:
            self._figure(line)
        assert there, (texts, lines, self.flight.logs())
        assert len(lines) <= 24
        assert max(map(len, lines)) <= 80
        assert "..." not in " ".join(lines), "nothing is left out"
        assert not re.search(r"unknown_kid|evidence|\bboot\b|\bepoch\b|unopened", " ".join(lines))


@pytest.fixture
def watch(fly, terminal, figure) -> Iterator[Callable[..., Watch]]:
    """A flight of the pilot, and what is to be read of it."""
    cockpits: list[Cockpit] = []

    def start(name: str = "pilot") -> Watch:
        flight = fly(("pilot",))
        cockpits.append(Cockpit(flight))
        return Watch(flight, terminal(name, "--watch"), figure)

    yield start
    for cockpit in cockpits:
        cockpit.close()


@pytest.mark.soak
def test_all_is_well_then_no_camera_then_the_link_is_cut(watch):
    seen = watch()
    camera = seen.flight.camera_port
    seen.reads(
        "well",
        *("ground pilot: open", "wrong nothing", "operation Night Watch, order 1", "order ends in 7 hours 5"),
        *("sealed for pilot (telemetry, video, command), observer (telemetry, video)", "drone-7: open; commands go up"),
        *("telemetry last frame now", "video last picture: A now", "up, 0 % lost, in ", "commands none sent"),
    )
    seen.flight.camera_port = free_port()
    seen.reads(
        "no camera",
        *("wrong no picture for", "drone-7: open; commands go up", "telemetry last frame now"),
        f"video last picture: A {SECONDS} ago",
    )
    seen.flight.camera_port = camera
    seen.reads("(the camera is back)", "wrong nothing", "video last picture: A now")
    seen.flight.radio.listeners.clear()
    seen.reads(
        "link cut",
        *("ground pilot: nothing to open", "wrong the link is silent", "aircraft drone-7: silent telemetry"),
        *(f"telemetry last frame {SECONDS} ago", f"video last picture: A {SECONDS} ago", "nothing comes in"),
    )


@pytest.mark.soak
def test_an_order_that_ends_in_nine_minutes(house: House, watch):
    house.order = house.folder / "short.order"
    zegel(
        *("order", "issue", house.folder / "agency", "--operation", "Short Watch", "-o", house.order),
        *("--hours", str(ENDS_IN_MINUTES / 60), "--device", house.folder / "drone-7.crt"),
        *("--station", f"{house.folder}/pilot/station.pub:telemetry,video,command"),
    )
    zegel("device", "load-order", house.folder / "drone-7", house.order)
    seen = watch()
    seen.reads(
        "order ending in 9 minutes",
        *("ground pilot: open", "wrong the order ends in 9 minutes", "operation Short Watch", "order ends in 8 minutes"),
        *("sealed for pilot (telemetry, video, command)", "drone-7: open; commands go up"),
    )


@pytest.mark.soak
def test_an_aircraft_under_a_newer_order_of_this_operation(house: House, watch):
    """The link carries all but the order itself, as where it takes long."""
    seen = watch()
    send = seen.flight.radio.send
    seen.flight.radio.send = lambda datagram: None if carries_order(datagram) else send(datagram)
    amend(house, "extend", "--hours", "12")
    load(seen.flight)
    seen.reads(
        "aircraft under a newer order of this operation",
        *("wrong the aircraft flies under a newer order", "operation Night Watch, order 1", "order pending"),
        "drone-7: open, order pending, unproved; no commands: it flies under an order that has not come yet; aboard",
    )


def carries_order(datagram: bytes) -> bool:
    return datagram[0] >= FIRST_SFRAME and datagram[1] in {Lane.ORDER, Lane.EVIDENCE}


@pytest.mark.soak
def test_only_control_of_another_operation(house: House, watch):
    house.issue(house.folder / "other.order", ("pilot", "observer"))
    seen = watch("observer")
    lost = Listener("observer", house.folder, house.folder / "other.order")
    seen.flight.stations["observer"] = lost
    seen.flight.radio.listeners.append(lost.port)
    seen.reads(
        "only control of another operation",
        *("ground observer: nothing to open", "wrong control of another operation", "aircraft none is heard"),
        *("telemetry no frame yet", "video no picture yet"),
    )


# --- the terminal ---


def test_a_role_that_ends_and_starts_again_is_seen_to_and_ctrl_c_ends_it(house: House, terminal):
    runtime = house.folder / "run/zegel"
    shown = terminal("--watch")
    assert until(lambda: shown.says("no zegel air or ground of this user is running here"))
    with published(runtime, encoded(ground())):
        assert until(lambda: shown.says("ground pilot: open")), shown.lines()
    (runtime / f"test-0.{os.getpid()}").unlink()  # as a role does at its end
    assert until(lambda: shown.says("ground pilot: not running any more")), shown.lines()
    with published(runtime, encoded(ground(order_left_s=500.0))):
        assert until(lambda: shown.says("the order ends in 9 minutes")), shown.lines()
        assert b"\x1b[?1049h" in shown.raw, "a screen of its own, so that what was there before comes back"
        shown.press(CTRL_C)
        assert shown.ends() == 128 + signal.SIGINT
    assert b"Traceback" not in shown.raw
    assert shown.raw.rindex(b"\x1b[?1049l") > shown.raw.rindex(b"\x1b[?1049h")
    assert shown.raw.rindex(b"\x1b[?25h") > shown.raw.rindex(b"\x1b[?25l"), "the cursor is back"


def test_an_ended_process_leaves_the_terminal_as_it_was(house: House, terminal):
    shown = terminal("--watch")
    assert until(lambda: shown.says("no zegel air or ground"))
    shown.process.terminate()
    shown.ends()
    assert shown.raw.rindex(b"\x1b[?1049l") > shown.raw.rindex(b"\x1b[?1049h")


def test_no_color_is_respected_and_a_status_has_no_escapes_at_all(house: House, terminal):
    with published(house.folder / "run/zegel", encoded(ground(order_left_s=500.0))):
        coloured, plain = terminal("--watch"), terminal("--watch", env={**os.environ, "NO_COLOR": "1"})
        once = terminal()
        assert until(lambda: all(each.says("the order ends in 9 minutes") for each in (coloured, plain, once)))
        once.ends()
        for each, colours in ((coloured, True), (plain, False)):
            assert bool(re.search(rb"\x1b\[[0-9;]*3[0-9]", each.raw)) is colours
    assert b"\x1b" not in once.raw


@pytest.mark.parametrize(("columns", "rows"), [(40, 10), (20, 5), (200, 60)])
def test_another_size_of_terminal(house: House, terminal, columns, rows):
    with published(house.folder / "run/zegel", encoded(ground()), encoded(ground(name="observer"))):
        shown = terminal("--watch", columns=columns, rows=rows)
        assert until(lambda: shown.lines()[0].startswith("ground observer: ")), shown.lines()
        assert shown.says("sealed for") is (rows > 24), "in full where there is room"
