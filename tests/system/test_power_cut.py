"""Power cut: what a file system without its last writes leaves of a folder. All flies on, or it is said what to do.

Every file of a folder in turn, and both of the state: away, empty, cut in the middle, zeroes in full length (as ext4 leaves
what was not synced). Zegel's own writes are whole (test_store.py); this is about cards that are not, and about files that
were copied and never synced. And the power fails between two writes, at each step that changes a folder.
"""

from __future__ import annotations

import itertools
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from keys.errors import KeysError
from keys.folders.device import DeviceFolder
from keys.folders.station import StationFolder
from keys.order import parse_order
from tests.system.house import House, zegel

PAIRS = (("state.json", "state-copy.json"),)
WAYS: dict[str, Callable[[Path], object]] = {
    "away": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "zeroes": lambda path: path.write_bytes(bytes(path.stat().st_size)),
}
BOOTS = 3


@pytest.fixture
def flown(house: House) -> House:
    """Flown before: both folders hold all that they ever hold."""
    with DeviceFolder.open(house.folder / "drone-7") as device:
        public = device.key.public_key().public_bytes_raw()
        for _ in range(BOOTS):
            device.order()
            device.next_boot()
    station = StationFolder.open(house.folder / "pilot")
    order = station.newest_order(house.order.read_bytes(), int(time.time()))
    station.record_boot(order.agency_id, public, BOOTS, bytes(16), 1)
    assert station.store_heard() is None
    return house


def wounds(folder: Path) -> Iterator[tuple[str, Path]]:
    """A copy of the folder for each way in which each of its files, or pair of them, can be hurt."""
    names = [(path.name,) for path in sorted(folder.iterdir())]
    for files in (*names, *PAIRS):
        for way, hurt in WAYS.items():
            copy = folder.with_name("copy")
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(folder, copy)
            for name in files:
                hurt(copy / name)
            yield f"{' and '.join(files)} {way}", copy


def asked(folder: Path, begin: Callable[[Path], None]) -> str:
    """What is said if `begin` cannot; empty if it can."""
    try:
        begin(folder)
    except KeysError as error:
        return f"{error}; {error.hint}" if error.hint else "no hint"
    return ""


def hurt_all(folder: Path, begin: Callable[[Path], None], figure: Callable[[str], None]) -> set[str]:
    """Names of the files without which `begin` asks for help, each time with words that say which folder, and a hint."""
    said = {wound: asked(copy, begin) for wound, copy in wounds(folder)}
    help_ = {wound.rpartition(" ")[0] for wound, words in said.items() if words}
    assert [words for words in said.values() if words and "copy" not in words and "'pilot'" not in words] == []
    figure(f"power cut, {folder.name}: {len(said)} kinds of damage; asks for help without {', '.join(sorted(help_))}")
    return help_


def test_an_aircraft_flies_on_or_says_what_to_do(flown, figure):
    """It begins no start under a counter that was used without saying so; and no damage of its state stops it."""

    def begin(folder: Path) -> None:
        with DeviceFolder.open(folder) as device:
            device.device_index(device.order().content)
            damage = device.damage()
            counter, _ = device.next_boot()
            assert counter == BOOTS + 1 or "--accept-older-session" in damage

    assert hurt_all(flown.folder / "drone-7", begin, figure) == {"device.crt", "device.key", "order", "roots.crt"}


def test_a_station_opens_or_says_what_to_do(flown, figure):
    """It never forgets a start of the aircraft without saying so, but where somebody took its whole state away."""
    order = flown.order.read_bytes()

    def begin(folder: Path) -> None:
        anew = not any(folder.glob("state*"))
        station = StationFolder.open(folder)
        found = station.newest_order(order, int(time.time()))
        assert station.boot(found.agency_id, found.content.devices[0].pub) or anew

    pair = "state.json and state-copy.json"
    assert hurt_all(flown.folder / "pilot", begin, figure) == {"roots.crt", "seed", "station.pub", pair}


def test_what_was_left_half_handed_over_is_no_order(flown):
    """An order that was on its way to the running aircraft, and the answer to it."""
    folder = flown.folder / "drone-7"
    for name in ("order.new", "order.answer"):
        for data in (b"", bytes(100), flown.order.read_bytes()[:100]):
            (folder / name).write_bytes(data)
            (folder / name).chmod(0o600)
            zegel("device", "load-order", folder, flown.order)


# --- between two writes ---

CHANGES = ("open", "fsync", "replace", "rename", "link", "unlink")  # of `os`: what a folder is changed by


class Cut(BaseException):
    """The power fails: nothing is caught or tidied up after it."""


def counted(change: Callable[..., Any], left: Iterator[int]) -> Callable[..., Any]:
    """`change`, as long as there are steps left."""
    opens = change is os.open

    def step(*words: Any, **more: Any) -> Any:
        if (not opens or words[1] & os.O_CREAT) and next(left) <= 0:
            raise Cut
        return change(*words, **more)

    return step


def interrupted(folder: Path, act: Callable[[Path], object]) -> Iterator[Path]:
    """A copy of the folder for each step of `act` at which the power can fail, as that leaves it."""
    for steps in itertools.count():
        copy, left = folder.with_name("copy"), itertools.count(steps, -1)
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(folder, copy)
        with pytest.MonkeyPatch.context() as patch:
            for name in CHANGES:
                patch.setattr(os, name, counted(getattr(os, name), left))
            try:
                act(copy)
            except Cut:
                pass
            else:
                return
        yield copy


AMENDMENTS = {
    "revoke": ("--station", "observer"),
    "change": ("--station", "observer:telemetry"),
    "extend": ("--hours", 1),
    "end": (),
}


@pytest.mark.parametrize("verb", AMENDMENTS)
def test_an_order_that_an_interrupted_command_wrote_is_the_newest_and_else_the_one_before_is(house, figure, verb):
    """Else a revoked station would come back with the next amendment, or the operation could not go on."""

    def amend(folder: Path) -> None:
        zegel("order", verb, folder / "op.order", *AMENDMENTS[verb], *by(folder), "-o", folder / "2.order")

    def by(folder: Path) -> tuple[object, ...]:
        return "--agency", folder / "agency"

    outcomes = []
    for folder in interrupted(house.folder, amend):
        outcomes.append(written := (folder / "2.order").exists())
        newest = folder / ("2.order" if written else "op.order")
        if written:
            with pytest.raises(AssertionError, match="number 2 of its operation was issued after it"):
                zegel("order", "extend", folder / "op.order", "--hours", 1, *by(folder), "-o", folder / "back.order")
        zegel("order", "extend", newest, "--hours", 1, *by(folder), "-o", folder / "3.order")
        serials = [parse_order(path.read_bytes()).serial for path in folder.glob("*.order")]
        assert len(set(serials)) == len(serials), "two orders have one number"
    assert set(outcomes) == {False, True}
    figure(f"power cut, zegel order {verb}: {len(outcomes)} steps, the new order is there after {sum(outcomes)}")


def test_a_station_goes_on_whenever_the_power_fails_while_it_takes_an_order(flown, figure):
    """With the order file that it was started with, which may be older than all that came by the link."""
    given, folder, now = flown.order.read_bytes(), flown.folder, int(time.time())
    for number in (2, 3):
        before, output = folder / ("op.order" if number == 2 else "2.order"), folder / f"{number}.order"
        zegel("order", "extend", before, "--hours", 1, "--agency", folder / "agency", "-o", output)
    second, third = ((folder / f"{number}.order").read_bytes() for number in (2, 3))
    StationFolder.open(folder / "pilot").accept_order(second, now)

    def take(copy: Path) -> None:
        StationFolder.open(copy / "pilot").accept_order(third, now)

    serials = []
    for copy in interrupted(folder, take):
        serials.append(StationFolder.open(copy / "pilot").newest_order(given, now).content.serial)
        assert StationFolder.open(copy / "pilot").newest_order(third, now).content.serial == 3
    assert serials == sorted(serials)
    assert set(serials) == {2, 3}
    figure(f"power cut, a station takes an order: {len(serials)} steps")


def test_an_aircraft_flies_under_one_of_two_orders_whenever_the_power_fails_between_them(house, figure):
    folder = house.folder
    zegel("order", "extend", house.order, "--hours", 1, "--agency", folder / "agency", "-o", folder / "2.order")
    new = (folder / "2.order").read_bytes()

    def fly(copy: Path) -> None:
        with DeviceFolder.open(copy / "drone-7") as device:
            device.order()
            used.append(device.next_boot()[0])
            device.load_order(new, int(time.time()))
            used.append(device.next_boot()[0])

    used: list[int] = []
    serials = []
    for copy in interrupted(folder, fly):
        with DeviceFolder.open(copy / "drone-7") as device:
            serials.append(device.order().content.serial)
            assert device.next_boot()[0] > max(used, default=0)
        used.clear()
    assert serials == sorted(serials)
    assert set(serials) == {1, 2}
    figure(f"power cut, an aircraft takes an order between two starts: {len(serials)} steps")
