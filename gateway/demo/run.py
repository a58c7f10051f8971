"""`zegel demo`: the main job on one computer, with real processes, explained in plain words and checked by counting.

The acts, in their order, each in a file of acts/:
  1  keys       an agency, its recording key, an aircraft, three stations, one stranger; if hybrid, also forged orders
  2  take_off   a recorded flight and a camera enter; each station opens what the order grants it
  3  stranger   a station that is not in the order opens nothing
  4  restart    the aircraft and its recorder lose power and come back; so do the feeds
  5  replay     a recording of the first run is replayed and refused
  6  commands   a pilot commands, an observer may not, a delayed command is refused (uplink.py)
  7  links      one of two links is cut and restored, and no frame is lost
  8  count      the table of what was counted
  9  revoke     a station is revoked in flight, and can open nothing more
 10  land       what flew is on the card, and only the recording key opens it
And `_verdict`  yes or no for each expectation; not 0 if anything is not as it should be
"""

from __future__ import annotations

import argparse
import contextlib
import shlex
import signal
import sys
import tempfile
from pathlib import Path

from gateway.demo.acts import commands, count, keys, land, links, replay, restart, revoke, stranger, take_off
from gateway.demo.clip import player
from gateway.demo.play import ARCHIVE, CARD, Play
from gateway.errors import DemoFailed
from keys.commands import account

ACTS = (keys, take_off, stranger, restart, replay, commands, links, count, revoke, land)


def command(parser: argparse.ArgumentParser) -> None:
    """show the main job on this computer, with temporary keys, in about a minute"""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "example:\n  zegel demo\n  zegel demo --stay\n  zegel demo --hybrid"
    parser.add_argument(
        "--stay", action="store_true", help="continue flying until Ctrl-C, to UDP 14550 and 5600, and keep what flew"
    )
    parser.add_argument("--hybrid", action="store_true", help="with an agency that signs with P-384 and ML-DSA-65")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    if sys.platform != "linux":
        raise DemoFailed("the demo needs Linux: its flight controller is a pseudo-terminal")
    account.forget_invoker()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the folder with its keys is removed then, too
    with (
        tempfile.TemporaryDirectory(prefix="zegel-demo-") as folder,
        Play(Path(folder), hybrid=args.hybrid, stay=args.stay) as play,
    ):
        for each in ACTS:
            each.act(play)
        if args.stay:
            _stay(play)
        _verdict(play)
        if args.stay:
            _keep(play)
        return 0


def _stay(play: Play) -> None:
    play.title("Flying until Ctrl-C: QGroundControl gets the pilot's telemetry on UDP 14550, RTP H.264 is on UDP 5600")
    play.say("   in another terminal, from this folder:")
    play.say(f"     {shlex.quote(sys.argv[0])} status")
    play.say(f"     {player()}")
    play.start_air()
    play.stations["pilot"].hand_over()
    play.playing = True
    with contextlib.suppress(KeyboardInterrupt):
        while all(program.running for program in play.programs()):
            play.run(1.0)
            play.forget()
    play.playing = False
    play.ledger.expect("what flew until the end is on the card", play.land())


def _keep(play: Play) -> None:
    zegel, kept = shlex.quote(sys.argv[0]), play.keep_recordings()
    card, key = (shlex.quote(str(kept / name)) for name in (CARD, ARCHIVE))
    play.say("\n   what flew is kept, with the recording key; play sends it to UDP 14550 and 5600:")
    play.say(f"     {zegel} recording list {card}")
    play.say(f"     {zegel} recording play {card} --key {key}")
    play.say(f"     {zegel} recording export {card} --key {key} --session all -o {shlex.quote(str(kept / 'flight'))}")


def _verdict(play: Play) -> None:
    stopped = [program.end() for program in play.programs()]
    play.ledger.expect("aircraft and stations stopped on request", not any(stopped))
    for text, good in play.ledger.expectations:
        play.say(f"   {'yes' if good else 'NO '}  {text}")
    if not play.ledger.good:
        raise DemoFailed("something is not as it should be", hint=f"the lines marked NO above; logs: {play.keep()}")
    play.say("\nEverything is as it should be.")
