"""Arguments: how the commands that read a card are told which, of when, and by which key.

What lives here: argparse, and what is chosen by it. What must not: what is done with it.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from gateway.errors import CardError, ConfigError
from gateway.recording.group import Group
from gateway.recording.link import session as link
from gateway.recording.listing import labels
from gateway.recording.opened import FOR_EVER_NS, US_NS, Session, sessions
from gateway.recording.segment_keys import OfFile, OfKey, SegmentKeys
from gateway.recording.times import since
from keys import typo
from keys.commands import account
from keys.commands.terminal import show
from keys.folders import files, roots, store
from keys.folders.files import Kind
from keys.folders.recording import RecordingFolder
from keys.folders.station import StationFolder

_NAMES = {group.label: group for group in Group}


def add_card(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "card",
        type=Path,
        metavar="CARD",
        help="a mounted card or image, or a copy, or the folder of zegel ground --record; never written",
    )
    parser.add_argument(
        "--root", type=Path, metavar="root.crt", help="the agency's root: was the order really signed by it"
    )


def add_order(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--order", type=Path, metavar="op.order", help="of a recording of a ground, if its own copy of the order is lost"
    )


def add_choice(parser: argparse.ArgumentParser, *, all_too: bool = False) -> None:
    more = ", or all, each in a folder of its own" if all_too else ""
    parser.add_argument(
        "--session", metavar="ID", help=f"its first digits, as zegel recording list shows it{more}; default the last"
    )
    parser.add_argument(
        "--lanes",
        type=_lanes,
        default=tuple(Group),
        metavar="NAMES",
        help=f"of {', '.join(_NAMES)}; default all that the key opens",
    )


def add_key(parser: argparse.ArgumentParser) -> None:
    one = parser.add_mutually_exclusive_group(required=True)
    one.add_argument("--key", type=Path, metavar="DIR", help="the folder of the recording key (zegel recording keygen)")
    one.add_argument(
        "--segment-keys",
        type=Path,
        metavar="FILE",
        help="or the keys that zegel recording disclose wrote, which open those",
    )
    one.add_argument(
        "--station", type=Path, metavar="DIR", help="or, for a recording of zegel ground, the folder of its station"
    )
    add_order(parser)


def add_span(parser: argparse.ArgumentParser) -> None:
    when = "+12:30 since the start, or 14:05:10 UTC as the aircraft claims it"
    parser.add_argument("--from", dest="begin", metavar="TIME", help=f"{when}; default the start")
    parser.add_argument("--to", dest="end", metavar="TIME", help="likewise; default the end")


def all_sessions(args: argparse.Namespace) -> list[Session]:
    """Of the card, or of what a ground recorded; the last start last."""
    trusted = roots.of_agency(args.root) if args.root else _station(args).folder.roots if _is_of_station(args) else ()
    if not link.is_here(args.card):
        return sessions(args.card, trusted)
    more = [files.read(Kind.ORDER, args.order)] if getattr(args, "order", None) else []
    return [*link.sessions(args.card, trusted, more)]


def session(args: argparse.Namespace) -> Session:
    """The one that is asked for, or the last."""
    return chosen(args, all_sessions(args))


def chosen(args: argparse.Namespace, found: Sequence[Session]) -> Session:
    """Likewise, of the sessions of the card."""
    if not args.session:
        return _told(args, found[-1])
    if not re.fullmatch("[0-9a-f]+", args.session):
        raise ConfigError(f"{args.session!r} is no id of a session", hint="zegel recording list shows them")
    meant = [each for each in found if each.id.hex().startswith(args.session)]
    if len(meant) != 1:
        raise CardError(
            f"{len(meant) or 'no'} sessions on the card begin with {args.session}",
            hint=f"they are {', '.join(each.id.hex()[:8] for each in found)}",
        )
    return _told(args, meant[0])


def _told(args: argparse.Namespace, chosen: Session) -> Session:
    """Say which of the lanes that are asked for a station may not read."""
    if chosen.of_link and _is_of_station(args):
        open_to_it = chosen.opens(_station(args))
        absent = [group for group in chosen.groups if group in args.lanes and group not in open_to_it]
        if open_to_it and absent:
            show(f"absent: {labels(absent)}, which this station may not read by its order")
    return chosen


def keys(args: argparse.Namespace) -> SegmentKeys:
    """By the folder of a recording key or of a station, read as its owner, or by the file."""
    if _is_of_station(args):
        return _station(args)
    if args.segment_keys:
        return OfFile.decode(store.read_public(args.segment_keys), args.segment_keys)
    with account.owner(args.key).acting():
        return OfKey(RecordingFolder.open(args.key))


def _is_of_station(args: argparse.Namespace) -> bool:
    return getattr(args, "station", None) is not None


def _station(args: argparse.Namespace) -> link.OfStation:
    """Its seed cannot be destroyed while this process has it."""
    if not isinstance(found := getattr(args, "of_station", None), link.OfStation):
        with account.owner(args.station).acting():
            found = args.of_station = link.OfStation(StationFolder.open(args.station))
    return found


def span_ns(args: argparse.Namespace, of: Session) -> tuple[int, int]:
    """(from, to) in nanoseconds since the session began."""
    begin = _time_ns("--from", args.begin, of) if args.begin else 0
    end = _time_ns("--to", args.end, of) if args.end else FOR_EVER_NS
    if end <= begin:
        raise ConfigError(f"--to {args.end} is not after --from {args.begin or '+0:00'}")
    if begin > of.end_us * US_NS and all(segment.end_us is not None for segment in of.segments):
        raise ConfigError(
            f"--from {args.begin} is after the end of session {of.id.hex()[:8]}: "
            f"it began {of.times.date(0)}, and ended at {since(of.end_us)}",
            hint="write +12:30 for a time since the start; 12:30 without the + is a time of day in UTC",
        )
    return begin, end


def _time_ns(option: str, text: str, of: Session) -> int:
    try:
        return of.times.parse(text) * 1000
    except ValueError as error:
        raise ConfigError(f"{option}: {error}", hint="zegel recording list shows the times of a session") from None


def _lanes(text: str) -> Sequence[Group]:
    for name in text.split(","):
        if name not in _NAMES:
            raise argparse.ArgumentTypeError(f"there is no {name!r}; {typo.meant(name, _NAMES)}they are {labels(Group)}")
    return tuple(_NAMES[name] for name in dict.fromkeys(text.split(",")))
