"""Keys: a temporary agency, its recording key, an aircraft, three stations, one stranger; if hybrid, also forged orders."""

from __future__ import annotations

from pathlib import Path

from gateway.demo import forgery
from gateway.demo.play import AGENCY, ARCHIVE, OPERATION, OTHER, STATIONS, STRANGER, Play


def act(play: Play) -> None:
    play.title("1. The agency makes its keys, and the vendor gets none of them")
    here, run = play.folder, play.shell.run
    run("agency", "init", here / "agency", "--name", AGENCY, *["--hybrid"] * play.hybrid)
    run("device", "init", here / "drone-7", "--name", "drone-7")
    run("agency", "certify-device", here / "agency", here / "drone-7/device.csr", "-o", here / "drone-7.crt")
    root = here / "agency/root/root.crt"
    run("device", "enrol", here / "drone-7", here / "drone-7.crt", "--root", root)
    for name, (agency, _) in {**STATIONS, STRANGER: (OTHER, "")}.items():
        run("station", "init", here / name, "--name", name, "--agency", agency, "--root", root)
    run("recording", "keygen", here / ARCHIVE, "--name", ARCHIVE)
    listed = [w for n, (_, roles) in STATIONS.items() for w in ("--station", f"{here / n / 'station.pub'}:{roles}")]
    run(
        *("order", "issue", here / "agency", "--operation", OPERATION, "--device", here / "drone-7.crt"),
        *listed,
        *("--recording", here / ARCHIVE / "rec.pub", "--hours", "8", "-o", here / "op.order"),
    )
    run("device", "load-order", here / "drone-7", here / "op.order")
    play.say("")
    run("order", "show", here / "op.order", shown=True)
    if play.hybrid:
        _forgeries(play, root)


def _forgeries(play: Play, root: Path) -> None:
    play.say("\n   Every order of a hybrid agency carries two signatures, and both are needed:")
    play.shell.run("order", "verify", play.folder / "op.order", "--root", root, shown=True)
    play.say(f"   One attacker has broken P-384, another one ML-DSA-65, and each lists {STRANGER!r} in an order:")
    forgery.try_both(play.folder, play.shell, play.ledger, STRANGER)
