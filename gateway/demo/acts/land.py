"""Land: what flew is on the aircraft's card; the agency's recording key opens it, and nothing aboard does."""

from __future__ import annotations

from rich.padding import Padding

from gateway.demo.leaks import shared_windows
from gateway.demo.ledger import table
from gateway.demo.play import ARCHIVE, Play
from gateway.recording import opened
from gateway.recording.group import Group, Port
from gateway.recording.segment_keys import OfKey
from keys.folders.recording import RecordingFolder


def act(play: Play) -> None:
    play.title("10. The aircraft lands, and the agency has its card: what flew is on it, sealed to the recording key")
    play.ledger.expect("the aircraft landed, and the end of its recording is on the card", play.land())
    root = play.folder / "agency/root/root.crt"
    play.shell.run("recording", "list", play.card, "--check", "--root", root, shown=True)
    _is_sealed(play)
    _opens(play)


def _is_sealed(play: Play) -> None:
    # Zeros are at the end of the log, which has its place on the card before it is written, and in the input, too.
    card = [path.read_bytes().rstrip(b"\0") for path in play.card.rglob("*") if path.is_file()]
    leaks = shared_windows([*play.flight.frames_sent(), *play.camera.packets_sent()], card)
    play.ledger.expect(f"16-byte pieces of the input that appear on the card: {leaks}", leaks == 0)


def _opens(play: Play) -> None:
    rows: list[tuple[str, ...]] = [("feed", "entered", "on the card", "byte-exact", "lost with the power", "air down")]
    for what, sent, got in (
        ("telemetry", play.flight.sent, _records(play, Group.FLIGHT, Port.TELEMETRY)),
        ("video", play.camera.sent, _records(play, Group.VIDEO_A, Port.VIDEO_A)),
    ):
        match = play.ledger.recorded(sent, got)
        exact = "yes" if match.exact else "NO"
        rows.append((what, *map(str, (len(sent), len(got), exact, match.lost, match.down))))
        text = f"all {what} that entered is on the card, byte-exact, but what the power cut took"
        play.ledger.expect(text, match.exact and bool(got))
    play.show(Padding(table(rows), (1, 0, 0, 3)))


def _records(play: Play, group: Group, port: Port) -> list[bytes]:
    key = OfKey(RecordingFolder.open(play.folder / ARCHIVE))
    return [
        record.content
        for session in opened.sessions(play.card)
        for record in session.records(key, [group])
        if record.port == port
    ]
