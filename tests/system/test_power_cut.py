"""Power cut: what a file system without its last writes leaves of a folder. All flies on, or it is said what to do.

Every file of a folder in turn, and both of the state: away, empty, cut in the middle, zeroes in full length (as ext4 leaves
what was not synced). Zegel's own writes are whole (test_store.py); this is about cards that are not, and
about files that were copied and never synced.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from keys.errors import KeysError
from keys.folders.device import DeviceFolder
from keys.folders.station import StationFolder
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
