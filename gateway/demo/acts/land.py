"""Land: what flew is on the aircraft's card; the agency's recording key plays it back, and nothing aboard does."""

from __future__ import annotations

from rich.padding import Padding

from gateway.demo.flight import read_tlog
from gateway.demo.leaks import shared_windows
from gateway.demo.ledger import table
from gateway.demo.play import ARCHIVE, Play
from gateway.demo.stage import HOST, drain, port_of, udp_socket
from gateway.demo.uplink import ACCEPTED, COMMANDS
from gateway.recording.opened import Session, sessions

SPEED = 10
ENDS_WITHIN_S = 60.0
ID_SHOWN = 8  # characters


def act(play: Play) -> None:
    play.title("10. The aircraft lands, and the agency has its card: what flew is on it, sealed to the recording key")
    play.ledger.expect("the aircraft landed, and the end of its recording is on the card", play.land())
    root = play.folder / "agency/root/root.crt"
    play.shell.run("recording", "list", play.card, "--check", "--root", root, shown=True)
    starts = sessions(play.card)
    play.ledger.expect("the recording of the first start ends with the power", starts[0].close is None)
    _is_sealed(play)
    _plays_back(play, starts)


def _is_sealed(play: Play) -> None:
    # Zeros are at the end of the log, which has its place on the card before it is written, and in the input, too.
    card = [path.read_bytes().rstrip(b"\0") for path in play.card.rglob("*") if path.is_file()]
    leaks = shared_windows([*play.flight.frames_sent(), *play.camera.packets_sent()], card)
    play.ledger.expect(f"16-byte pieces of the input that appear on the card: {leaks}", leaks == 0)


def _plays_back(play: Play, starts: list[Session]) -> None:
    frames, packets = _played(play, starts)
    logged = _exported(play, starts)
    commands = [frame for frame in logged if frame in COMMANDS]
    logged = [frame for frame in logged if frame not in COMMANDS]
    rows: list[tuple[str, ...]] = [("feed", "entered", "came back", "byte-exact", "power cut", "air down")]
    for what, sent, got in (
        ("telemetry", play.flight.sent, frames),
        ("flight.tlog", play.flight.sent, logged),
        ("video", play.camera.sent, packets),
    ):
        match = play.ledger.recorded(sent, got)
        exact = "yes" if match.exact else "NO"
        rows.append((what, *map(str, (len(sent), len(got), exact, match.lost, match.down))))
        play.ledger.expect(f"all that entered came back as {what}, byte-exact, but what the power cut took", match.exact)
    play.show(Padding(table(rows), (1, 0, 1, 3)))
    play.say("   power cut: was not on the card yet; air down: entered while the aircraft had no power")
    play.say(f"   in flight.tlog are also the {len(commands)} commands that the flight controller got, and no other\n")
    play.ledger.expect("the commands that the aircraft let through are recorded, and no other", commands == ACCEPTED)


def _played(play: Play, starts: list[Session]) -> tuple[list[bytes], list[bytes]]:
    """The frames and the packets that came to the ports of a ground control station and a player."""
    frames, packets = list[bytes](), list[bytes]()
    with udp_socket() as gcs, udp_socket() as player:
        to = ("--gcs", f"udpout:{HOST}:{port_of(gcs)}", "--video", f"udpout:{HOST}:{port_of(player)}")

        def hear() -> None:
            frames.extend(drain(gcs))
            packets.extend(drain(player))

        for start in starts:
            which = ("--session", start.id.hex()[:ID_SHOWN], "--speed", str(SPEED))
            play.run_beside((*_of_card("play", play), *which, *to), hear, ENDS_WITHIN_S)
    return frames, packets


def _exported(play: Play, starts: list[Session]) -> list[bytes]:
    """The frames in the telemetry logs."""
    out = play.folder / "flight"
    play.run_beside((*_of_card("export", play), "--session", "all", "-o", out), lambda: None, ENDS_WITHIN_S)
    names = sorted({path.name for path in out.glob("*/*")})
    play.say(f"   for each of the {len(starts)} sessions: {', '.join(names)}")
    logs = [out / start.folder.name / "flight.tlog" for start in starts]
    return [frame for log in logs for _, frame in read_tlog(log.read_bytes())]


def _of_card(verb: str, play: Play) -> tuple[object, ...]:
    return ("recording", verb, play.card, "--key", play.folder / ARCHIVE)
