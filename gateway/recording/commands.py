"""`zegel recording`: the commands that make a recording key, and that list, play and disclose what is on a card.

What lives here: arguments and sentences. What must not: a rule about keys, or the form of a card.

Under sudo a card is read as root, because its folders belong to the service that wrote them; a folder of keys is read as
its owner, and what is written belongs to the person who called sudo.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Sequence
from pathlib import Path

from gateway.recording import arguments, keyboard, listing, outlets, segment_keys
from gateway.recording.export.command import add_export
from gateway.recording.group import PORTS, Group, Port
from gateway.recording.opened import Session
from gateway.recording.play import Player
from keys.commands import account
from keys.commands import arguments as of_keys
from keys.commands.recording import keygen
from keys.commands.terminal import json_text, show
from keys.folders import store

EXAMPLE = "/media/card --key archive"
SPEED_MIN, SPEED_MAX = 0.1, 100.0


def recording(parser: argparse.ArgumentParser) -> None:
    """make a recording key; list, play, export and disclose what an aircraft or a ground recorded"""
    add = of_keys.commands(parser)
    keygen(add)
    listed = add("list", _list, "say what is on a card: sessions, times, gaps, sizes; needs no key", "/media/card")
    arguments.add_card(listed)
    arguments.add_order(listed)
    listed.add_argument("--check", action="store_true", help="read every file, and compare its SHA-256 with the log's")
    listed.add_argument("--json", action="store_true", help="for programs")
    listed.set_defaults(run=_list, holds_key=False)
    _add_play(add)
    add_export(add)
    _add_disclose(add)


def _list(args: argparse.Namespace) -> int:
    found = arguments.all_sessions(args)
    matching = [_matches(session) if args.check and not session.of_link else None for session in found]
    if args.json:
        show(json_text(listing.as_json(found, matching), indent=1))
    else:
        show(f"{args.card}: {len(found)} session{'s' if len(found) > 1 else ''}")
        for session, same in zip(found, matching, strict=True):
            show("\n".join(listing.lines(session, same)))
    return 1 if False in matching else 0


def _matches(session: Session) -> bool:
    matching = [session.check(segment) for segment in session.segments]  # each of them, so that all damage is told
    return all(matching)


# --- play ---


def _add_play(add: of_keys.Add) -> None:
    made = add("play", _play, "play a flight as if it were live, for QGroundControl and a video player", EXAMPLE)
    arguments.add_card(made)
    arguments.add_key(made)
    arguments.add_choice(made)
    arguments.add_span(made)
    made.add_argument("--speed", type=_speed, default=1.0, metavar="TIMES", help="0.1 to 100 times as fast; default 1")
    made.add_argument("--gcs", metavar="ENDPOINT", help=f"default {outlets.DEFAULTS[Port.TELEMETRY]}")
    made.add_argument(
        "--video", metavar="ENDPOINT", action="append", default=[], help="players of video A and B; default 5600, 5604"
    )
    made.set_defaults(run=_play)


def _play(args: argparse.Namespace) -> int:
    found, keys = arguments.all_sessions(args), arguments.keys(args)
    session = arguments.chosen(args, found)
    groups = session.require_opens(keys, args.lanes)
    begin, end = arguments.span_ns(args, session)
    out = outlets.Outlets(_places(args, groups))
    show(f"session {session.id.hex()[:8]}, began {session.times.date(0)}: {listing.labels(groups)}")
    for missing in session.proof.missing:
        show(f"  not proved: {missing}")
    if len(found) > 1:
        show(f"  not played: {len(found) - 1} other sessions of the card; zegel recording list shows them")
    with contextlib.closing(out), keyboard.opened() as pressed:
        player = Player(session, keys, groups, out, pressed, args.speed)
        try:
            player.run(begin, end)
        finally:
            show("\n".join(("played:", *player.summary())))
    return 0


def _places(args: argparse.Namespace, groups: Sequence[Group]) -> dict[Port, str]:
    """Where the records of each port go."""
    given = dict(zip((Port.VIDEO_A, Port.VIDEO_B, Port.CAMERA_C, Port.CAMERA_D), args.video, strict=False))
    given |= {Port.TELEMETRY: args.gcs} if args.gcs else {}
    wanted = {port for group in groups for port in PORTS[group]}
    return {port: given.get(port, place) for port, place in outlets.DEFAULTS.items() if port in wanted}


def _speed(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not SPEED_MIN <= found <= SPEED_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is no speed from {SPEED_MIN} to {SPEED_MAX:g}")
    return found


# --- disclose ---


def _add_disclose(add: of_keys.Add) -> None:
    made = add(
        "disclose",
        _disclose,
        "write the keys of some segments, which open those and nothing else of the flight",
        f"{EXAMPLE} --lanes video-a --from +12:30 --to +13:00 -o video.keys",
    )
    arguments.add_card(made)
    made.add_argument("--key", type=Path, required=True, metavar="DIR", help="the folder of the recording key")
    arguments.add_choice(made)
    arguments.add_span(made)
    of_keys.add_output(made, "FILE")
    made.set_defaults(run=_disclose, segment_keys=None)


def _disclose(args: argparse.Namespace) -> int:
    store.require_free(args.output)
    session, keys = arguments.session(args), arguments.keys(args)
    groups = session.require_opens(keys, args.lanes)
    begin, end = arguments.span_ns(args, session)
    segments = [segment for group in groups for segment in session.between(group, begin, end)]
    found = [(segment.place, key) for segment in segments if (key := session.key(keys, segment)) is not None]
    data = segment_keys.disclosed(session.id.hex(), listing.labels(groups), found)
    with account.invoker().acting():
        store.write(args.output, data, store.SECRET_MODE, new=True)
    show(f"{args.output}: the keys of {len(found)} segments of {listing.labels(groups)}")
    show("  it opens those segments and no other; a segment is disclosed as a whole, a few seconds")
    show(f"next: zegel recording play CARD --segment-keys {of_keys.word(args.output)}")
    return 0
