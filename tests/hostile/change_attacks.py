"""Attacks around a change of order: on what still comes up in the closed session, and on who holds the next order."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

from pymavlink.dialects.v20 import all as dialect

from gateway.air.uplink import AirUplink
from gateway.core.order_fragments import PIECE_MAX
from gateway.core.sealer import Sealer
from gateway.demo.stage import FIRST_SFRAME
from gateway.report.alarms import Alarms
from keys.folders.device import DeviceFolder
from keys.keyring import SendKey
from keys.lanes import Lane, uplink_kid
from keys.order_station import OrderStation
from tests.hostile.fleet import GCS, GCS_BEAT, arm
from tests.hostile.row import Row, only
from tests.memory_link import OBSERVER, PILOT, Station, World, command, verified
from tests.property.handover import WIDE_BPS, Handover, longest_gap
from tests.relay import Weather
from tests.system.house import House
from tests.unit.gateway.plain_end import PlainEnd

FIRST, SECOND = 1, 2  # stations that command; the attacker is the second
AGAIN = 20
LONGEST_S = 1.0
LEAD_S = 5.0
WITHHELD_S = 2.0
PING = bytes(dialect.MAVLink_ping_message(1, 1, 1, 1).pack(GCS))


class Change:
    """A flight with two pilots, both fresh, whose order changes. What reaches the flight controller is `heard`."""

    def __init__(self) -> None:
        self.world = World(1, roles=(PILOT, PILOT, OBSERVER))
        self.aircraft, self.now = self.world.aircraft(), 0.0
        self.fc, self.link = PlainEnd(), PlainEnd()
        self.uplink = AirUplink(self.aircraft.announcer, self.fc, Alarms(lambda _: None))
        self.stations = {index: self.world.station(index) for index in (FIRST, SECOND)}
        for station in self.stations.values():
            self.now = command(self.world, station, self.aircraft, self.now)

    def change(self, second: OrderStation | None) -> None:
        """To an order in which the second station is like this; both hear the closing beat and nothing of what follows."""
        first, _, *others = self.world.order.content.stations
        listed = (first, second, *others) if second else (first, *others)
        self.world.order = verified(dataclasses.replace(self.world.order.content, serial=2, stations=listed))
        closing = self.aircraft.announcer.close(self.now)
        self.aircraft = self.world.after(self.aircraft, self.now)
        self.uplink.follow(self.aircraft.announcer)
        for station in self.stations.values():
            station.receive(closing, self.now)

    @property
    def second(self) -> OrderStation:
        return self.world.order.content.stations[1]

    def sealed(self, index: int, frame: bytes = GCS_BEAT) -> list[bytes]:
        sealed = self.stations[index].seal([frame], self.now)
        assert isinstance(sealed, list), sealed
        return sealed

    def forged(self, frame: bytes) -> list[bytes]:
        """By a changed ground of the second station, with the keys that it has, behind the newest beat that it heard."""
        (session,) = self.stations[SECOND].listener.sessions.values()
        kid = uplink_kid(Lane.UPLINK, SECOND, session.session_id, 0, self.world.random.randbytes(5))
        sealer, key = Sealer(session.session_id), SendKey(session.uplink_keys[0], kid)
        return [sealer.seal_one(key, session.beat.nonce + frame) for _ in range(AGAIN)]

    def heard(self, *datagrams: bytes) -> tuple[list[bytes], Counter[str]]:
        """What of these goes to the flight controller, and by how much each counter moves."""
        before = Counter(self.uplink.drops())
        self.link.put(*datagrams)
        self.uplink.receive(self.link, self.now)
        out, self.fc.drained = self.fc.drained, []
        return out, Counter(self.uplink.drops()) - before

    def commanded(self, station: Station) -> list[bytes]:
        return [commander.session.session_id for commander in station.sessions.commanded]

    def pilot_goes_on(self) -> None:
        """In the session that is closed, since the first station has heard of no other."""
        assert self.heard(*self.sealed(FIRST)) == ([GCS_BEAT], Counter())


def dropped_station_goes_on() -> Row:
    scene = Change()
    known = [datagram for _ in range(AGAIN) for datagram in scene.sealed(SECOND, arm(1))]
    scene.change(None)
    forged = scene.forged(arm(1))
    heard, counters = scene.heard(*known, *forged)
    assert heard == []
    scene.pilot_goes_on()
    return Row(
        "a station that the new order drops continues in the old session, with a modified ground",
        f"{len(known) + len(forged)} commands in the moment after the change, with echoes of fresh beats",
        "none was opened; the remaining pilot was accepted in the old session without a pause",
        only(counters, "not_permitted"),
    )


def demoted_station_goes_on() -> Row:
    scene = Change()
    known = [datagram for frame in (PING, arm(1)) for datagram in scene.sealed(SECOND, frame)]
    scene.change(dataclasses.replace(scene.second, guard="observer"))
    heard, counters = scene.heard(*known, *scene.forged(arm(1)))
    assert heard == [PING]
    scene.pilot_goes_on()
    return Row(
        "a pilot whom the new order makes an observer by guard policy continues in the old session",
        f"{AGAIN + 1} times ARM, and a PING",
        "judged by the new policy from the first moment: the PING passed, no ARM did",
        only(counters, "guarded"),
    )


def old_session_played_back() -> Row:
    scene = Change()
    recorded = [datagram for _ in range(AGAIN) for datagram in scene.sealed(FIRST, arm(1))]
    assert len(scene.heard(*recorded)[0]) == AGAIN
    scene.change(scene.second)
    scene.pilot_goes_on()
    heard, counters = scene.heard(*recorded)
    scene.now += scene.world.order.content.policy.fresh_ms / 1000 + 0.1
    later, more = scene.heard(*recorded)
    assert (heard, later) == ([], [])
    return Row(
        "commands of the old session recorded and played back after the change",
        f"{len(recorded)} at once and again after fresh_ms",
        "none was carried out twice: the windows of the old session stay as long as its keys",
        only(counters + more, "replayed", "unknown_session"),
    )


def held_over_the_change() -> Row:
    scene = Change()
    (held,) = scene.sealed(FIRST, arm(1))
    scene.change(scene.second)
    scene.pilot_goes_on()
    station = scene.stations[FIRST]
    station.listener.adopt(scene.world.order)
    while scene.aircraft.announcer.session_id not in scene.commanded(station):
        scene.now += 0.05
        station.receive(scene.aircraft.control(scene.now), scene.now)
        scene.heard(*station.control(scene.now))
    assert scene.heard(*scene.sealed(FIRST))[0] == [GCS_BEAT]
    heard, counters = scene.heard(held)
    assert heard == []
    return Row(
        "a command of the old session held back until its pilot has commanded in the new one",
        "1, still fresh by its echo",
        "refused: commands of a station that has moved are not accepted in the old session",
        only(counters, "not_permitted"),
    )


def pieces_withheld(folder: Path) -> Row:
    """For two seconds the radio lets no piece of the order through to the pilot, and everything else."""
    house = House(folder)
    with DeviceFolder.open(house.folder / "drone-7") as device:
        flight, withheld = Handover(house, device, 1, Weather(delay_ms=50), WIDE_BPS), 0
        flight.joined()
        flight.run(3.0)
        begin, put = flight.now, flight.down["pilot"].put

        def radio(datagram: bytes, now: float) -> None:
            nonlocal withheld
            if len(datagram) > PIECE_MAX and datagram[0] >= FIRST_SFRAME and begin <= now < begin + WITHHELD_S:
                withheld += 1
            else:
                put(datagram, now)

        flight.down["pilot"].put = radio  # type: ignore[method-assign]
        flight.change()
        flight.run(10.0)
        gap = longest_gap(flight.times, begin, flight.now)
    assert withheld
    assert gap < LONGEST_S, f"{gap:.1f} s without the pilot"
    return Row(
        "an attacker who relays a radio withholds pieces of the announced order",
        f"all but {withheld} datagrams, in {WITHHELD_S:.0f} s",
        "they are repeated until the pilot's ground says that it holds the order: the pilot was accepted without a pause",
        {},
    )


def held_said_again(folder: Path) -> Row:
    """An insider who commands says at once that it holds the order, plays that back, and says it of orders of its own."""
    house = House(folder)
    with DeviceFolder.open(house.folder / "drone-7") as device:
        flight = Handover(house, device, 1, Weather(delay_ms=50), WIDE_BPS)
        flight.joined()
        flight.run(3.0)
        put, recorded = flight.up["observer"].put, list[bytes]()

        def again(datagram: bytes, now: float) -> None:
            recorded.append(datagram)
            for copy in recorded[-AGAIN:]:
                put(copy, now)

        flight.up["observer"].put = again  # type: ignore[method-assign]
        flight.down["pilot"].weather = Weather(loss=1.0)
        before, begin = Counter(flight.aboard.uplink.drops()), flight.now
        old = flight.aboard.sessions.announcer
        flight.change()
        while flight.aboard.sessions.announcer is old:
            flight.step()
        waited = flight.now - begin
        counters = Counter(flight.aboard.uplink.drops()) - before
    assert LEAD_S - 0.1 < waited < LEAD_S + 0.5
    return Row(
        "an observer's 'I hold this order' played back, while the pilot receives nothing",
        f"{len(recorded)} datagrams of the observer's, each up to {AGAIN} times",
        f"they count for the observer alone: the change waited {waited:.1f} s for the pilot, and no longer than lead_s",
        only(counters, "replayed"),
    )


ATTACKS = (
    dropped_station_goes_on,
    demoted_station_goes_on,
    old_session_played_back,
    held_over_the_change,
    pieces_withheld,
    held_said_again,
)
