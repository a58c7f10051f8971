"""Land: what flew is on the aircraft's card; the agency's recording key plays it back, and nothing aboard does."""

from __future__ import annotations

from rich.padding import Padding

from gateway.demo.leaks import shared_windows
from gateway.demo.ledger import table
from gateway.demo.play import ARCHIVE, Play
from gateway.demo.stage import HOST, drain, port_of, udp_socket
from gateway.recording.opened import Session, sessions

SPEED = 10
PLAYED_WITHIN_S = 60.0
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
    frames, packets = list[bytes](), list[bytes]()
    with udp_socket() as gcs, udp_socket() as player:
        to = ("--gcs", f"udpout:{HOST}:{port_of(gcs)}", "--video", f"udpout:{HOST}:{port_of(player)}")

        def hear() -> None:
            frames.extend(drain(gcs))
            packets.extend(drain(player))

        for start in starts:
            which = ("--session", start.id.hex()[:ID_SHOWN], "--speed", str(SPEED))
            words = ("recording", "play", play.card, "--key", play.folder / ARCHIVE, *which, *to)
            play.run_beside(words, hear, PLAYED_WITHIN_S)
    rows: list[tuple[str, ...]] = [("feed", "entered", "played back", "byte-exact", "lost with the power", "air down")]
    for what, sent, got in (("telemetry", play.flight.sent, frames), ("video", play.camera.sent, packets)):
        match = play.ledger.recorded(sent, got)
        exact = "yes" if match.exact else "NO"
        rows.append((what, *map(str, (len(sent), len(got), exact, match.lost, match.down))))
        text = f"all {what} that entered was played back, byte-exact, but what the power cut took"
        play.ledger.expect(text, match.exact and bool(got))
    play.show(Padding(table(rows), (1, 0, 1, 3)))
    play.say("   lost with the power: not yet on the card; air down: entered while the aircraft had no power\n")
