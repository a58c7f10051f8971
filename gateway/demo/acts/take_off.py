"""Take-off: a recorded flight and a camera enter; each station opens what the order grants it."""

from __future__ import annotations

import select
import sys
import time

from gateway.demo.play import STATIONS, Play
from gateway.demo.stage import FIRST_SFRAME
from keys.lanes import Lane

LASTS_S = 8.0
CONSOLE_PORT = 8088
GUEST_S = 60.0
EXAMPLE_BYTES = 16


def act(play: Play) -> None:
    play.title("2. Take-off: what enters, what is on the wire, what each station opens")
    for name in STATIONS:
        play.stations[name] = play.listen(name)
        play.radio.listeners.append(play.stations[name].port)
    play.start_air()
    play.wait_open(1)
    took = time.monotonic() - play.air.started
    play.say(f"   sealed, and open at every station, {took:.1f} s after the aircraft's start; 'telemetry + video' below")
    if play.stay:
        _open_consoles(play)
    play.fly(LASTS_S)
    _say_example(play)


def _open_consoles(play: Play) -> None:
    play.say("   open in your browser what two people see, each as if at a computer of their own:")
    for name, port in (("pilot", CONSOLE_PORT), ("observer", CONSOLE_PORT + 1)):
        play.open_console(name, port)
    if sys.stdin.isatty():
        play.say(f"   open both, and press Enter here; the acts go on after {GUEST_S:g} s at the latest")
        play.playing = True
        if play.until(lambda: bool(select.select([sys.stdin], (), (), 0)[0]), GUEST_S):
            sys.stdin.readline()


def _say_example(play: Play) -> None:
    """The last packet of the camera: sent, on the wire, and opened."""
    pilot = play.stations["pilot"]
    packet = next(p for p in reversed(play.camera.packets_sent()) if p in pilot.packets)
    wire = next(d for d in reversed(play.radio.capture) if d[0] >= FIRST_SFRAME and d[1] == Lane.VIDEO_A)
    play.say("   one video packet, its first bytes:")
    play.say(f"     entered      {packet[:EXAMPLE_BYTES].hex(' ')} ...")
    play.say(f"     on the wire  {wire[:EXAMPLE_BYTES].hex(' ')} ...")
    play.say(f"     opened       {pilot.packets[-1][:EXAMPLE_BYTES].hex(' ')} ...")
