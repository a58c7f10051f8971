"""The law of the barrier, SPEC.md section 12: whatever a parser throws, the aircraft and the ground fly on.

Every function of ours that is given bytes, a file or an address in flight is made to throw what nobody expects of it, in
turn, and is healed again. Which functions those are is not listed but found: by their annotations, and by flying once to
see which are called.
What the aircraft says by itself (`Air._send_control`) is no input of others, and is left alone.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import re
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import pytest
from cryptography.x509 import UnsupportedGeneralNameType

from gateway.air.role import Air
from gateway.loop import hardening
from tests.property.inner_flight import InnerFlight

OURS = {"gateway", "keys", "firmware_shims"}
TAKES = re.compile(r"\b(bytes|memoryview|Batch|Octets|Path|SockAddr)\b")
STEPS, STEPS_MAX = 8, 400  # some are called seldom
SPEAKS = Air._send_control.__code__
THROWN: dict[str, Callable[[], Exception]] = {
    "RuntimeError": RuntimeError,
    "RecursionError": RecursionError,
    "MemoryError": MemoryError,
    "KeyError": functools.partial(KeyError, "x"),
    "a library's own": functools.partial(UnsupportedGeneralNameType, "x", 3),  # what ended flights
}
# Some of each entry; `make soak` does all.
A_FEW = (
    "keys.order.verify_order",
    "keys.cose.loads",
    "gateway.core.ground.listener.Listener.control",
    "gateway.core.ground.opener.Opener._open_in_order",
    "gateway.core.air.uplink_opener.UplinkOpener.open",
    "firmware_shims.mavlink.Framer.feed",
    "firmware_shims.guard.Guard.held",
    "gateway.endpoints.udp._Udp.receive_into",
    "gateway.report.frame_counts.FrameCounts.count",
)


class Parser(NamedTuple):
    call: Callable[..., object]
    places: list[tuple[object, str, object]]  # what holds it, under which name, and the attribute as it stands there


def parsers() -> dict[str, Parser]:
    """Functions and methods of ours that are given what others may have written."""
    found: dict[Callable[..., object], Parser] = {}
    for name, module in sorted(sys.modules.items()):
        if name.partition(".")[0] not in OURS:
            continue
        kinds = [kind for _, kind in inspect.getmembers(module, inspect.isclass) if kind.__module__ == name]
        for owner in (module, *kinds):
            for attribute, held in vars(owner).items():
                call = inspect.unwrap(getattr(held, "__func__", held))
                if inspect.isfunction(call) and call.__module__.partition(".")[0] in OURS and _takes_input(call):
                    found.setdefault(call, Parser(call, [])).places.append((owner, attribute, held))
    return {f"{parser.call.__module__}.{parser.call.__qualname__}": parser for parser in found.values()}


def _takes_input(call: Callable[..., object]) -> bool:
    return any(TAKES.search(str(kind)) for name, kind in call.__annotations__.items() if name != "return")


@contextlib.contextmanager
def instead(parser: Parser, other: Callable[..., object]) -> Iterator[None]:
    """`other` stands wherever the parser stood."""
    for owner, attribute, held in parser.places:
        setattr(owner, attribute, type(held)(other) if isinstance(held, classmethod | staticmethod) else other)
    try:
        yield
    finally:
        for owner, attribute, held in parser.places:
            setattr(owner, attribute, held)


@contextlib.contextmanager
def broken(parser: Parser, error: Callable[[], Exception]) -> Iterator[list[str]]:
    """It throws, but not in the test's own thread; the names of the threads where it did."""
    thrown: list[str] = []

    @functools.wraps(parser.call)
    def other(*args: object, **more: object) -> object:
        if threading.current_thread() is threading.main_thread() or _speaks(sys._getframe()):
            return parser.call(*args, **more)
        thrown.append(threading.current_thread().name)
        raise error()

    with instead(parser, other):
        yield thrown


def _speaks(frame: FrameType | None) -> bool:
    while frame is not None and frame.f_code is not SPEAKS:
        frame = frame.f_back
    return frame is not None


def called(flight: InnerFlight) -> list[str]:
    """Which parsers are called while others send."""
    seen: Counter[str] = Counter()

    def counting(name: str, call: Callable[..., object]) -> Callable[..., object]:
        @functools.wraps(call)
        def other(*args: object, **more: object) -> object:
            if threading.current_thread() is not threading.main_thread() and not _speaks(sys._getframe()):
                seen[name] += 1
            return call(*args, **more)

        return other

    with contextlib.ExitStack() as stack:
        for name, parser in parsers().items():
            stack.enter_context(instead(parser, counting(name, parser.call)))
        for _ in range(60):
            flight.step()
        flight.flies()
    return sorted(seen)


@pytest.fixture
def flight(tmp_path: Path, monkeypatch) -> Iterator[InnerFlight]:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(hardening, "freeze_gc", lambda: None)
    tmp_path.chmod(0o700)
    made = InnerFlight(tmp_path)
    yield made
    made.end()


def breaks(flight: InnerFlight, name: str, errors: dict[str, Callable[[], Exception]]) -> int:
    """How often the parser threw, 0 if this flight calls it no more.

    AssertionError unless both fly on and each unexpected thing was counted.
    """
    times = 0
    for what, error in errors.items():
        before = sum(flight.met().values())
        with broken(parsers()[name], error) as thrown:
            for number in range(STEPS_MAX):
                flight.step()
                if thrown and number >= STEPS:
                    break
        assert not flight.failed, f"{what} of {name}: {flight.failed[0]}"
        counted = sum(flight.met().values()) > before
        assert counted or not thrown or name.startswith("keys."), f"{what} of {name} was not counted"  # or a KeysError
        times += len(thrown)
        if not thrown:
            break
    flight.flies()
    return times


def breaks_once(folder: Path, name: str, errors: dict[str, Callable[[], Exception]]) -> int:
    """The same of a parser that a flight calls once, as at the first heartbeat: a new flight for each error."""
    times = 0
    for number, error in enumerate(errors.values()):
        place = folder / f"{name}-{number}"
        place.mkdir(mode=0o700)
        with broken(parsers()[name], error) as thrown:
            flight = InnerFlight(place)
            for _ in range(STEPS_MAX):
                flight.step()
                if thrown:
                    break
        assert thrown, f"{name} was not called"
        times += len(thrown)
        flight.flies()
        flight.end()
    return times


def test_whatever_a_parser_throws_both_fly_on(flight):
    flight.flies()
    for name in A_FEW:
        assert breaks(flight, name, {"a library's own": THROWN["a library's own"]}), f"{name} was not called"
    assert all(re.fullmatch(r"(gateway|keys)(\.\w+)+:\d+ UnsupportedGeneralNameType", place) for place in flight.met())


@pytest.mark.soak
def test_soak(flight, figure, tmp_path):
    flight.flies()
    names, times = called(flight), Counter[str]()
    assert len(names) > 100
    for name in names:
        times[name] = breaks(flight, name, THROWN) or breaks_once(tmp_path, name, THROWN)
    figure(f"{len(names)} parsers threw {times.total()} times, each of {len(THROWN)} kinds: air and ground flew on")
