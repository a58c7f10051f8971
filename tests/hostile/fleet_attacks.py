"""Attacks with a seized aircraft's key on the others of its fleet, and of one trusted agency on another's operation."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path

from keys import amendment
from keys.errors import KeysError
from keys.folders.station import StationFolder
from keys.grant import Profile
from keys.order import Order, VerifiedOrder, issue_order, verify_order
from keys.order_device import OrderDevice
from keys.order_station import OrderStation
from tests.agency import NOW, Agency, device, harbour, order
from tests.hostile.fleet import GCS_BEAT, Two, arm, beat, position, waypoint
from tests.hostile.row import Row
from tests.memory_link import PILOT, verified
from tests.system.house import House, zegel


def reads_the_others() -> Row:
    two = Two()
    two.talk()
    two.down(two.first, beat(1)), two.down(two.second, beat(2))
    secret = [waypoint(1) for _ in range(50)] + [arm(1)]
    real, thief = two.up(GCS_BEAT, *secret)
    assert real == [GCS_BEAT, *secret]
    assert thief == [GCS_BEAT], f"the finder reads {len(thief)} frames"
    return Row(
        "the finder of a switched-off aircraft starts a session with its key, and reads what the pilot tells another",
        "50 mission items and an ARM to the other's system id",
        "it went to the session of the aircraft that owns the id; **the finder reads what is for all: heartbeats**",
        {},
    )


def speaks_for_another() -> Row:
    two = Two()
    two.talk()
    assert two.down(two.first, beat(1), position(1)) == [beat(1), position(1)]
    assert two.down(two.second, beat(2), position(2)) == [beat(2), position(2)]
    forged = [position(1)] * 100
    heard = two.down(two.second, *forged)
    assert heard == [], f"{len(heard)} frames of the other's system id reached the ground control station"
    clashes = two.pilot.sessions.systems.take_clashes()
    assert [clash.system for clash in clashes] == [1]
    return Row(
        "the same finder speaks for the other aircraft",
        "100 positions of the other's system id, sealed in the session of the seized key",
        "none reached the ground control station: the id is the other's; alarm `system_twice`",
        {"foreign_system": two.pilot.sessions.systems.dropped},
    )


def one_id_twice() -> Row:
    two = Two()
    two.talk()
    two.down(two.first, beat(1)), two.down(two.second, beat(1))
    took = two.up(arm(1))
    assert [len(frames) for frames in took] == [1, 0], f"of one ARM, {sum(map(len, took))} aircraft armed"
    took = two.up(arm(0))
    assert [len(frames) for frames in took] == [0, 0]
    return Row(
        "two aircraft with one system id, and two that are meant by one command",
        "an ARM to the id; an ARM to all, 0",
        "the first went to the aircraft that was received with it first; the second was refused, with a message",
        {},
    )


def comes_first() -> Row:
    without = Two()
    meets_the_finder_first(without)
    assert without.up(arm(1)) == ([], [arm(1)]), "both armed"
    assert without.pilot.sessions.systems.take_clashes()
    listed = Two(((1,), (2,)))
    meets_the_finder_first(listed)
    assert listed.up(arm(1)) == ([arm(1)], [])
    assert listed.down(listed.second, position(1)) == []
    return Row(
        "the finder is heard first, and takes the system id of an aircraft that is not in the air yet",
        "a heartbeat of the other's id",
        "where the order lists ids, they are the aircraft's that it says; **where it lists none, the finder owns the id,"
        " reads what is sent to it, and the aircraft is dropped with an alarm**",
        {"foreign_system": listed.pilot.sessions.systems.dropped},
    )


def meets_the_finder_first(two: Two) -> None:
    two.talk()
    for aircraft in (two.second, two.first):
        two.down(aircraft, beat(1))


def poses_as_the_ground() -> Row:
    two = Two()
    two.talk()
    two.down(two.first, beat(1)), two.down(two.second, beat(2))
    two.up(GCS_BEAT)
    assert two.down(two.second, position(255), beat(255)) == [], "the ground control station hears itself"
    return Row(
        "the finder speaks as the pilot's ground control station, to a program that routes by system id",
        "frames of system 255 from the seized key",
        "none passed: the ground control station had said that this id is its own",
        {"foreign_system": two.pilot.sessions.systems.dropped},
    )


def goes_on_after_revocation(folder: Path) -> Row:
    """The commands are the agency's own; what follows happens in memory, under the orders that they wrote."""
    house = House(folder)
    zegel("device", "init", folder / "drone-8", "--name", "drone-8")
    zegel("agency", "certify-device", folder / "agency", folder / "drone-8/device.csr", "-o", folder / "drone-8.crt")
    house.issue(folder / "two.order", ("pilot",), ("--device", folder / "drone-8.crt"))
    revoke = ("order", "revoke", folder / "two.order", "--agency", folder / "agency", "--device", "drone-8")
    zegel(*revoke, "-o", folder / "new.order")
    roots = StationFolder.open(folder / "pilot").roots
    old, new = (verify_order((folder / f"{name}.order").read_bytes(), roots, 0) for name in ("two", "new"))
    assert amendment.succeeds(new, old)
    two = Two(((1,), (2,)))
    two.talk()
    assert two.down(two.second, position(2)) == [position(2)]
    ours = two.world.order.content
    revoked = dataclasses.replace(ours, serial=2, devices=amendment.voided(ours, "drone-2").devices)
    adopt(two, revoked)
    assert two.down(two.second, position(2)) == []
    assert two.up(GCS_BEAT, arm(2)) == ([GCS_BEAT], [])
    two.talk()
    assert two.pilot.listener.revoked.take_heard() == {two.key.public_key().public_bytes_raw()}
    assert len(two.pilot.listener.sessions) == 1
    assert two.down(two.first, beat(1)) == [beat(1)]
    return Row(
        "the finder goes on after `zegel order revoke --device`, in a session under the old order",
        "telemetry, beats, statements; the pilot's heartbeats and an ARM to its id",
        "the session ended in the turn that took the order: nothing was opened, nothing went up; its beats are an alarm",
        {"revoked_device": two.pilot.drops["revoked_device"]},
    )


def adopt(two: Two, content: Order) -> None:
    changed = verified(content)
    two.pilot.listener.adopt(changed)
    two.pilot.sessions.adopt(changed)


def forgotten_revocation(folder: Path) -> Row:
    """Nobody attacks: an older copy of the agency's folder does not know the revocation, and amends the order before."""
    lost = dataclasses.replace(device(3), name="drone-8")
    public = StationFolder.init(folder / "pilot", "pilot", Profile.X25519, [harbour().root])
    listed = (OrderStation(1, "pilot", public.profile, public.pub, PILOT, "pilot"),)
    flying, void = (lost, *order().devices), (dataclasses.replace(lost, void=True), *order().devices)

    def issued(serial: int, devices: tuple[OrderDevice, ...]) -> bytes:
        return issue_order(order(serial=serial, devices=devices, stations=listed, recording=()), [harbour().signer])

    def take(serial: int, devices: tuple[OrderDevice, ...]) -> list[bool]:
        """Which devices are void for the station then; empty if it has no order to go on under."""
        newest = None
        for data in (issued(serial, devices), issued(1, flying)):
            with contextlib.suppress(KeysError):
                newest = StationFolder.open(folder / "pilot").newest_order(data, NOW)
        return [each.void for each in newest.content.devices] if newest else []

    taken = [take(2, void), take(9, flying), take(10, void)]
    next((folder / "pilot").glob("order-*")).write_bytes(b"damaged")
    taken += [take(11, flying), take(12, void)]
    assert [any(each) for each in taken] == [True, True, True, False, True], "a revoked aircraft is believed again"
    assert taken[3] == []
    return Row(
        "a revoked aircraft comes back by an order of the agency's own, whose folder was restored and has forgotten it",
        "a later order by file, without the revocation",
        "refused, also after a restart and where the kept order is damaged; `zegel order extend` and the others"
        " amend no order that the folder does not know",
        {},
    )


def another_agency(folder: Path) -> Row:
    """The other is trusted as a guest's station must trust it, and knows the op_id like all who had an order file."""
    coast = Agency("Coast Guard", generation=2**32 - 1)
    public = StationFolder.init(folder / "pilot", "pilot", Profile.X25519, [harbour().root, coast.root])
    listed = (OrderStation(1, "pilot", public.profile, public.pub, PILOT, "pilot"),)
    content = order(stations=listed, recording=())
    station = StationFolder.open(folder / "pilot")
    ours = station.newest_order(issue_order(content, [harbour().signer]), NOW)
    rogue = dataclasses.replace(content, agency="Coast Guard", serial=1, devices=(*content.devices, device(3)))
    theirs = issue_order(rogue, [coast.signer])
    taken = [succeeds_ours(theirs, station, ours)]
    with contextlib.suppress(KeysError):
        station.newest_order(theirs, NOW)
    taken.append(StationFolder.open(folder / "pilot").newest_order(ours.raw, NOW).content.agency != ours.content.agency)
    assert taken == [False, False], "the operation is the other agency's now"
    later = issue_order(dataclasses.replace(content, serial=9), [harbour().signer])
    assert StationFolder.open(folder / "pilot").accept_order(later, NOW).content.serial == 9
    return Row(
        "an agency that a station trusts signs an order with the op_id of another agency's operation",
        "the other's order with one aircraft more, by a signer of generation 2^32-1",
        "it succeeds nothing, also after a restart; the operation's own next order is taken",
        {},
    )


def succeeds_ours(data: bytes, station: StationFolder, ours: VerifiedOrder) -> bool:
    return amendment.succeeds(verify_order(data, station.roots, 0), ours)


ATTACKS = (
    reads_the_others,
    speaks_for_another,
    one_id_twice,
    comes_first,
    poses_as_the_ground,
    goes_on_after_revocation,
    forgotten_revocation,
    another_agency,
)
