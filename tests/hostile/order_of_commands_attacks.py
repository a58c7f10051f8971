"""Attacks without a key on which commands reach an aircraft, and when: commands held back, floods, a faster relay."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pymavlink.dialects.v20 import all as dialect

from gateway.batch import Batch
from gateway.core import sframe
from gateway.core.air.uplink_opener import UplinkOpener
from gateway.report.wording import READY
from keys.lanes import Lane, uplink_kid
from keys.order import Policy
from tests.hostile.row import Row, only
from tests.hostile.test_uplink import Scene
from tests.hostile.way_up import FasterRelay
from tests.memory_link import Station, command, mavlink_frame
from tests.system.house import Flight, House

GCS = dialect.MAVLink(None, srcSystem=255, srcComponent=190)
FORCE = 21196
STEP_S = 0.05
READY_WITHIN_S = 20.0
RELAYED_FOR_S = 5.0
HELD_BACK_S, STILL_S = 1.0, 1.1


def arm(arms: int, force: int = 0) -> bytes:
    made = dialect.MAVLink_command_long_message(1, 1, dialect.MAV_CMD_COMPONENT_ARM_DISARM, 0, arms, force, 0, 0, 0, 0, 0)
    return bytes(made.pack(GCS))


ARM, FORCE_DISARM = arm(1), arm(0, FORCE)


class Pilot(Scene):
    """Whose first command, a FORCE DISARM, an attacker keeps; those that follow arrive."""

    def __init__(self, policy: Policy | None = None, at: float = 0.0) -> None:
        super().__init__(policy=policy)
        self.pass_time(max(0.0, at - self.now))
        (self.held,) = self.pilot.seal([FORCE_DISARM], self.now)

    def commands_for(self, seconds: float) -> int:
        """How many commands the pilot sent, all of which were carried out."""
        end, before, sent = self.now + seconds, len(self.aircraft.commands), 0
        while self.now < end:
            self.now += STEP_S
            self.pilot.receive(self.aircraft.control(self.now), self.now)
            self.aircraft.receive(self.pilot.control(self.now), self.now)
            self.aircraft.receive(self.pilot.seal([ARM], self.now), self.now)
            sent += 1
        assert len(self.aircraft.commands) - before == sent
        return sent

    def let_go(self) -> dict[str, int]:
        """What the counters say of the command that was held back."""
        before = self.aircraft.drops
        self.aircraft.receive([self.held], self.now)
        assert (1, FORCE_DISARM) not in self.aircraft.commands
        return only(self.aircraft.drops - before, "out_of_order")


def held_back() -> Row:
    pilot = Pilot()
    sent = pilot.commands_for(2.45)
    return Row(
        "a FORCE DISARM held back for 2.5 s, past a later ARM",
        f"1 command, after {sent} later ones, the last of them at the same moment",
        "not carried out, although it is authentic, new and fresh",
        pilot.let_go(),
    )


def held_back_over_a_rekey() -> Row:
    pilot = Pilot(Policy(rekey_s=60, lead_s=5), at=59.5)
    sent = pilot.commands_for(2.0)
    assert pilot.aircraft.announcer.epoch == 1
    return Row(
        "the same, the rekey in between",
        f"1 command of the epoch before, after {sent} later ones",
        "not carried out: the echoed beats tell the order of both epochs",
        pilot.let_go(),
    )


def held_back_over_a_restart() -> Row:
    pilot = Pilot(Policy(fresh_ms=10_000))
    pilot.pilot = pilot.world.station(1)
    pilot.now = command(pilot.world, pilot.pilot, pilot.aircraft, pilot.now)
    sent = pilot.commands_for(0.5)
    return Row(
        "the same, a restart of the ground in between, under an order whose fresh_ms is 10 s",
        f"1 command of the ground before, after {sent} of the new one, whose counters begin at 0",
        "not carried out: a new start echoes beats that the one before never heard",
        pilot.let_go(),
    )


def held_back_over_a_standstill() -> Row:
    pilot, batch = Pilot(), Batch()
    (later,) = pilot.pilot.seal([ARM], pilot.now)
    batch.hold([later, pilot.held])
    batch.waited(STILL_S, np.array([STILL_S, STILL_S - HELD_BACK_S]))
    before = pilot.aircraft.drops
    frames = pilot.aircraft.uplink_opener.open(batch, pilot.now + STILL_S).frames
    assert frames == [(1, ARM)]
    return Row(
        "the same, at an aircraft that stands still and reads both at once",
        f"1 command, {HELD_BACK_S} s after an ARM, {STILL_S - HELD_BACK_S:.1f} s before the aircraft goes on",
        "not carried out: it is too late by the times of arrival; commands of one read are carried out in the order of"
        " sealing",
        only(pilot.aircraft.drops - before, "out_of_order"),
    )


def forged(scene: Scene, rate: int) -> list[bytes]:
    """The share of one step: of instances that nobody knows, under the epoch that is taken."""
    epoch, session_id = scene.aircraft.announcer.epoch, scene.aircraft.announcer.session_id
    kids = (uplink_kid(Lane.UPLINK, 1, session_id, epoch, scene.rng.randbytes(5)) for _ in range(int(rate * STEP_S)))
    return [sframe.encode_header(kid, 0) + scene.rng.randbytes(60) for kid in kids]


def flooded(rate: int) -> Row:
    """From before the pilot's first command until after the rekey."""
    scene = Scene(policy=Policy(rekey_s=60, lead_s=5))
    scene.pass_time(58.0 - scene.now)
    begun, sent, before = scene.now, [], scene.aircraft.drops
    while scene.now < begun + 6:
        scene.now += STEP_S
        scene.pilot.receive(scene.aircraft.control(scene.now), scene.now)
        sent.append((1, mavlink_frame(scene.rng, len(sent))))
        up = up_of(scene.pilot, sent[-1][1], scene.now)
        scene.aircraft.receive([*forged(scene, rate), *up], scene.now)
    assert scene.aircraft.announcer.epoch == 1
    assert scene.aircraft.commands == sent
    return Row(
        f"forged commands of unknown instances over a rekey, {rate:,} a second",
        f"{6 * rate:,} in 6 s, while the pilot begins to command, 20 times a second",
        f"all {len(sent)} of the pilot's arrived: an instance is known from its first challenge on, in all epochs",
        only(scene.aircraft.drops - before, "over_budget"),
    )


def flooded_over_a_change() -> Row:
    """From the first moment of the session on that takes the place of another one."""
    scene, rate, sent = Scene(), 30_000, 0
    begun, before = scene.now, scene.aircraft.drops
    changes_at = [begun + 2.0, begun + 5.0]
    while scene.now < begun + 8.0:
        scene.now += STEP_S
        if changes_at and scene.now > changes_at[0]:
            changes_at.pop(0)
            scene.pilot.receive(scene.aircraft.announcer.close(scene.now), scene.now)
            former, scene.aircraft = scene.aircraft, scene.world.after(scene.aircraft, scene.now)
            scene.aircraft.uplink_opener = UplinkOpener(scene.aircraft.announcer, former=former.uplink_opener)
            scene.aircraft.commands = former.commands
        sent += 1
        scene.pilot.receive(scene.aircraft.control(scene.now), scene.now)
        up = up_of(scene.pilot, mavlink_frame(scene.rng, sent), scene.now)
        scene.aircraft.receive([*forged(scene, rate), *up], scene.now)
    assert len(scene.aircraft.commands) == sent
    return Row(
        f"the same over two changes of order, {rate:,} a second",
        f"{8 * rate:,} in 8 s, while the pilot commands 20 times a second",
        f"all {sent} of the pilot's arrived: an instance known in one session is known in the next, by derived bytes",
        only(scene.aircraft.drops - before, "over_budget"),
    )


def up_of(station: Station, frame: bytes, now: float) -> list[bytes]:
    sealed = station.seal([frame], now)
    return station.control(now) + (sealed if isinstance(sealed, list) else [])


def flooded_10_000() -> Row:
    return flooded(10_000)


def flooded_30_000() -> Row:
    return flooded(30_000)


def faster_relay(folder: Path) -> Row:
    flight = Flight(House(folder, profile="x25519"))
    relay, pilot = FasterRelay(flight), flight.stations["pilot"]
    flight.step_more = relay.step
    try:
        assert flight.until(lambda: bool(pilot.says(READY)), READY_WITHIN_S), flight.logs()
        flight.run(RELAYED_FOR_S)
        assert pilot.says("no commands") == 0
        assert relay.swallowed
        return Row(
            "a relay without a key that is faster than the aircraft's radio, and swallows what the ground sends to it",
            "all that the aircraft sent, 30 ms ahead, at real processes",
            "commands go up: the radio's address, which brings copies only, was tried and proved by a challenge",
            {},
        )
    finally:
        relay.close()
        flight.end()


ATTACKS = (
    held_back,
    held_back_over_a_rekey,
    held_back_over_a_restart,
    held_back_over_a_standstill,
    flooded_10_000,
    flooded_30_000,
    flooded_over_a_change,
    faster_relay,
)
