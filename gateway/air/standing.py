"""Standing: whether the aircraft is on the ground, by the heartbeats of its flight controller before anything is sent.

What lives here: listening for them. The role decides what follows, also from silence.
"""

from __future__ import annotations

from firmware_shims import heartbeat
from gateway import clock
from gateway.air.flight_controller import FlightController
from gateway.core.barrier import Barrier
from gateway.loop.barrier import breathe
from gateway.loop.frame_reader import together
from gateway.loop.poller import Poller
from gateway.report.log import say

HEAR_FC_S = 3.0  # how long to listen
LOOK_EVERY_S = 0.05


def listen(fc: FlightController, system_id: int, poller: Poller, barrier: Barrier) -> heartbeat.Autopilots:
    """What the flight controller says in HEAR_FC_S; it may be silent."""
    until, autopilots = clock.now() + HEAR_FC_S, heartbeat.Autopilots(system_id)
    while (now := clock.now()) < until and not autopilots.flies and not poller.stopping:
        with barrier:
            fc.endpoint.tick(now)
        poller.wait(min(until, now + LOOK_EVERY_S))
        with barrier:
            autopilots.hear(together(fc.read(clock.now())))
        breathe(barrier)
    if autopilots.others:
        heard = ", ".join(map(str, sorted(autopilots.others)))
        say("air", f"heartbeats of system {heard} count as another aircraft's: this one is {system_id}")
    return autopilots
