"""Revoke: a station is revoked in flight, and can open nothing more."""

from __future__ import annotations

from gateway.demo.play import JOIN_WITHIN_S, Play

LASTS_S = 3.0


def act(play: Play) -> None:
    play.title("9. The observer's station is lost: the agency revokes it while the aircraft flies")
    if play.stay:
        play.say("   in the pilot's console the observer leaves the list of readers, and the observer's own goes dark")
    here, sealed = play.folder, _sealed_sessions(play)
    words = ("order", "revoke", here / "op.order", "--station", "observer", "--agency", here / "agency")
    play.shell.run(*words, "-o", here / "new.order")
    play.shell.run("device", "load-order", here / "drone-7", here / "new.order")
    changed = play.until(lambda: _sealed_sessions(play) > sealed, JOIN_WITHIN_S)
    pilot, observer = play.stations["pilot"], play.stations["observer"]
    pilot.forget()
    observer.forget()
    play.playing = True
    goes_on = play.until(lambda: bool(pilot.frames and pilot.packets), JOIN_WITHIN_S)
    play.fly(LASTS_S)
    blind = not (observer.frames or observer.packets)
    play.say(f"   since then the observer opened {len(observer.frames)} + {len(observer.packets)},")
    play.say(f"   the pilot {len(pilot.frames)} + {len(pilot.packets)}, who got the new order by the link")
    play.ledger.expect("a station that was revoked in flight could open nothing more", changed and blind)
    play.ledger.expect("the other stations continued under the new order", goes_on)


def _sealed_sessions(play: Play) -> int:
    return play.air.output().count("sealed: operation")
