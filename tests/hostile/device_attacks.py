"""Attacks with a device's folder, and clocks that lie. The folder is a real one, as `zegel device` made it."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

from pymavlink.dialects.v20 import common

from firmware_shims import mavlink
from firmware_shims.msp_session import MspSession
from firmware_shims.shim import BY_VARIANT
from keys.folders.device import DeviceFolder
from keys.folders.station import StationFolder
from keys.order import verify_order
from tests.hostile.mutation import mutated
from tests.hostile.row import Row, only
from tests.hostile.scene import Scene
from tests.memory_link import LANES, Aircraft, Station, World, join
from tests.msp_peer import BETAFLIGHT, INAV, MspPeer, reply
from tests.system.house import House

YEAR_2100 = 4_102_444_800
SYSTEM_TIME_MAX = 2**64 - 1


class Hangar(World):
    """The world of a real house: its order, its aircraft's folder, and the pilot's seed."""

    def __init__(self, folder: Path) -> None:
        house = House(folder, profile="x25519")
        station = StationFolder.open(folder / "pilot")
        self.random = random.Random(1)
        self.order = verify_order(house.order.read_bytes(), station.roots, 0)
        self.profile, self.seeds = station.profile, {1: station.seed}
        self.folder = folder / "drone-7"

    def copy(self, name: str) -> Path:
        """The whole device folder, as somebody with the card makes it."""
        return Path(shutil.copytree(self.folder, self.folder.parent / name))

    def starts(self, folder: Path, now: float) -> Aircraft:
        with DeviceFolder.open(folder) as device:
            boot, alarm = device.next_boot()
            assert alarm is None
            self.device_key = device.key
        return Aircraft(self, boot, now, 8_000_000, LANES)


def hear_both(station: Station, one: Aircraft, other: Aircraft, now: float, seconds: float) -> float:
    end = now + seconds
    while now < end:
        station.receive(one.control(now) + other.control(now), now)
        station.listener.tick(now)
        station.sessions.follow(station.listener.sessions.values(), now)
        now += 0.1
    return now


def copied_folder(folder: Path) -> Row:
    hangar = Hangar(folder)
    copy = hangar.copy("copy")
    real, station = hangar.starts(hangar.folder, 0.0), hangar.station(1)
    now = join(hangar, station, real, 0.0)
    now = hear_both(station, real, hangar.starts(copy, now), now, 5)
    assert len(station.listener.sessions) == 1
    assert not station.listener.two_aircraft(now)
    same_start = station.drops
    again = hangar.starts(copy, now)
    now = hear_both(station, real, again, now, 5)
    assert station.listener.two_aircraft(now)
    assert [c.session.session_id for c in station.sessions.commanded] == [real.announcer.session_id]
    return Row(
        "a copied device folder, flying at the same time",
        "a start with the same boot counter, then one with a higher",
        "the first is refused; the second raises the alarm `two aircraft`, and commands stay with the one that was there",
        only(same_start, "older_session"),
    )


def rolled_back_folder(folder: Path) -> Row:
    hangar = Hangar(folder)
    image, station, now = hangar.copy("image"), hangar.station(1), 0.0
    for _ in range(5):
        aircraft = hangar.starts(hangar.folder, now + 1)
        now = join(hangar, station, aircraft, now + 1)
    now = hear_both(station, *[aircraft] * 2, now, 6)  # until it has lasted
    hear_both(station, *[hangar.starts(image, now + 60)] * 2, now + 60, 5)
    refused = station.listener.starts.refused
    assert (refused.heard, refused.known) == (1, 5)
    return Row(
        "a rolled-back device folder",
        "start 1 from an old image, after start 5 was received",
        "refused, and the operator is told both counters",
        only(station.drops, "older_session", "unknown_session"),
    )


def clocks(folder: Path) -> Row:
    hangar = Hangar(folder)
    with DeviceFolder.open(hangar.folder) as device:
        assert [device.limits(clock) for clock in (0, YEAR_2100, SYSTEM_TIME_MAX // 10**6, SYSTEM_TIME_MAX)] == [None] * 4
        assert device.limits(hangar.order.content.not_after + 1) is not None
    return Row(
        "a board clock at 1970, at 2100 and at 2^64-1",
        "each at the start of an aircraft whose order is in force",
        "not believed: the order stays in force; a believable clock past its end is",
        {},
    )


def system_time(folder: Path) -> Row:
    scene = Scene(20)
    mav = common.MAVLink(None, srcSystem=1, srcComponent=1)
    frame = bytes(mav.system_time_encode(SYSTEM_TIME_MAX, 2**32 - 1).pack(mav))
    scene.station.receive(
        scene.aircraft.control(scene.now + 1) + scene.aircraft.telemetry([frame], scene.now + 1), scene.now + 1
    )
    assert scene.station.frames == [frame]
    (session,) = scene.station.listener.sessions.values()
    assert session.beat.unix_time == 0
    assert scene.is_well()
    return Row(
        "SYSTEM_TIME of 2^64-1 from the flight controller",
        "one frame",
        "passed on byte for byte, and not used by Zegel",
        {},
    )


def msp_answers(folder: Path) -> Row:
    rng, session, now = random.Random(5), MspSession(1, {}), 0.0
    genuine, damaged, made = MspPeer(BETAFLIGHT), 20_000, list[bytes]()
    samples = tuple(reply(command, payload) for command, payload in {**BETAFLIGHT, **INAV}.items())
    for number in range(damaged):
        asked = b"".join(session.requests(now))
        genuine.take(asked) if number % 2 else made.extend(session.receive(b"".join(genuine.take(asked)), now))
        made += session.receive(mutated(rng, samples), now)
        now += 0.01
    assert all(mavlink.Framer().feed(frame) == [frame] for frame in made)
    assert session.firmware is BY_VARIANT["BTFL"]
    assert set(genuine.asked) == {*BETAFLIGHT}
    return Row(
        "answers by MSP that are damaged, or of another firmware",
        f"{damaged:,} of them between those of a Betaflight",
        "what is made of them are whole frames of MAVLink; the firmware stays what it was, and is asked nothing else",
        {},
    )


ATTACKS = (copied_folder, rolled_back_folder, clocks, system_time, msp_answers)
