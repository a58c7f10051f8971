"""Count: the table of what entered and what was opened, and whether any of it was on the wire."""

from __future__ import annotations

from rich.padding import Padding

from gateway.demo.leaks import shared_windows
from gateway.demo.ledger import Feed, table
from gateway.demo.play import AGENCY, OPERATION, OTHER, STATIONS, Play
from gateway.demo.stage import data_paths
from gateway.demo.uplink import COMMANDS


def act(play: Play) -> None:
    play.title("8. Counted, not claimed")
    feeds = [Feed(n, s.frames, s.packets) for n, s in play.stations.items()]
    rows = play.ledger.judge(play.flight.sent, play.camera.sent, feeds, play.refused)
    play.show(Padding(table(rows), (0, 0, 1, 3)))
    play.say("   air down: entered while the aircraft had no power; refused: datagrams of the replay")
    play.say(f"   data path: {data_paths(play.programs())}")
    plain = [*play.flight.frames_sent(), *play.camera.packets_sent(), *COMMANDS]
    wire = [*play.radio.capture, *(datagram for _, datagram in play.radio.up)]
    names = [word.encode() for word in (AGENCY, OTHER, OPERATION, "drone-7", *STATIONS)]
    leaks = shared_windows(plain, wire)
    named = sum(name in datagram for name in names for datagram in wire)
    play.ledger.expect(f"16-byte pieces of the input that appear on the wire: {leaks}", leaks == 0)
    play.ledger.expect(f"names from the order that appear on the wire: {named}", named == 0)
