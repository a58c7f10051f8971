"""`zegel recording export`: the arguments, and the two steps of an export.

What lives here: which sessions, into which folder, and what the terminal shows. What must not: the form of any file.

Under sudo a card is read as root, and the export belongs to the person who called sudo; the programs that read pictures
have that person's rights.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from gateway.errors import CardError, ConfigError, GatewayError
from gateway.recording import arguments, listing
from gateway.recording.export import originals, plan
from gateway.recording.export.bar import Bar
from gateway.recording.export.plan import Asked, Gap, Lead, Plan
from gateway.recording.group import VIDEO_GROUPS, Group
from gateway.recording.leaf import Cut
from gateway.recording.opened import FOR_EVER_NS, US_NS, Session
from gateway.recording.segment_keys import SegmentKeys
from keys.commands import account
from keys.commands.arguments import Add
from keys.commands.terminal import show
from keys.folders import store

EXAMPLE = "/media/card --key archive --from +12:30 --to +13:30 -o minute"
ALL = "all"
SDP_MAX = 16_384


def add_export(add: Add) -> None:
    made = add("export", _export, "write a flight as files that other programs read: tlog, mp4, GPX, pcap", EXAMPLE)
    arguments.add_card(made)
    arguments.add_key(made)
    arguments.add_choice(made, all_too=True)
    arguments.add_span(made)
    made.add_argument(
        "-o",
        "--output",
        required=True,
        type=Path,
        metavar="DIR",
        help="a new or an empty folder, or of this export, interrupted",
    )
    made.add_argument("--sdp", type=Path, metavar="FILE", help="the camera's description; has parameter sets")
    made.set_defaults(run=_export)


def _export(args: argparse.Namespace) -> int:
    keys, sdp = arguments.keys(args), _sdp(args.sdp)
    every = arguments.all_sessions(args)
    chosen = every if args.session == ALL else [arguments.session(args)]
    if len(chosen) > 1 and (args.begin or args.end):
        raise ConfigError(
            "--from and --to are of one session", hint="name it by --session, as zegel recording list shows it"
        )
    _check_apart(args.output, args.card)
    opening = [session for session in chosen if session.opens(keys)] or chosen[-1:] if len(chosen) > 1 else chosen
    for session in opening:
        folder = args.output / session.folder.name if args.session == ALL else args.output
        asked = _asked(session, keys, args, sdp)
        others = [f"{other.id.hex()}, began {other.times.date(0)}" for other in every if other.id != session.id]
        Export(session, keys, asked, folder, others).run()
    if shut := len(chosen) - len(opening):
        show(f"not exported: {shut} other session{'s' if shut > 1 else ''}, of which this key opens nothing")
    return 0


def _sdp(path: Path | None) -> str:
    if path is None:
        return ""
    with account.invoker().acting():
        text = store.read_public(path)[:SDP_MAX].decode(errors="replace")
    if "a=rtpmap:" not in text:
        raise ConfigError(f"{path} describes no stream", hint="it has lines a=rtpmap and a=fmtp; RTSP gives it (DESCRIBE)")
    return text


def _check_apart(output: Path, card: Path) -> None:
    """Nothing is written on the card."""
    if output.resolve().is_relative_to(card.resolve()):
        raise ConfigError(f"{output} is on the card, where nothing is written", hint="name a folder elsewhere")


def _asked(session: Session, keys: SegmentKeys, args: argparse.Namespace, sdp: str) -> Asked:
    there = session.groups
    lanes = [group.label for group in session.require_opens(keys, args.lanes) if group in there]
    if not lanes:
        raise CardError(f"session {session.id.hex()[:8]} holds nothing of {listing.labels(args.lanes)}")
    begin, end = arguments.span_ns(args, session)
    return Asked(session.id.hex(), lanes, begin if args.begin else None, end if args.end else None, sdp)


def _lock(folder: Path) -> store.Lock | None:
    """No other export writes there; FolderInUse."""
    with contextlib.suppress(OSError):  # NFS locks no folder
        return store.Lock(folder)
    return None


class Export:
    """Of one session, into one folder."""

    def __init__(self, session: Session, keys: SegmentKeys, asked: Asked, folder: Path, others: list[str]) -> None:
        self._session, self._keys, self._asked, self._folder = session, keys, asked, folder
        self._others, self._person = others, account.invoker()
        self._groups = [group for group in Group if group.label in asked.lanes]
        self._span = asked.from_ns or 0, asked.to_ns or FOR_EVER_NS

    def run(self) -> None:
        with self._person.acting():
            self._folder.mkdir(store.FOLDER_MODE, parents=True, exist_ok=True)
            lock = _lock(self._folder.resolve())
        with lock or contextlib.nullcontext():
            found = self._begin()
            with Bar() as bar:
                for group in self._groups:
                    if group.label not in found.originals:
                        self._original(group, found, bar)
                missing = self._derive(bar, lock.handles if lock else ())
        self._say(missing)

    def _begin(self) -> Plan:
        """An export that was interrupted goes on; any other folder has to be empty."""
        with self._person.acting():
            found = plan.load(self._folder)
            if (other := plan.foreign(self._folder, self._asked)) or (found is None and any(self._folder.iterdir())):
                raise ConfigError(f"{self._folder} holds {other or 'an export'}", hint="name a new or an empty folder")
            if found is not None and found.asked == self._asked:
                for lane in [lane for lane in found.originals if not (self._folder / f"{lane}.pcap").is_file()]:
                    del found.originals[lane]
                show(f"{self._folder}: the export that was interrupted goes on")
                return found
            if found is not None:
                raise ConfigError(
                    f"{self._folder} holds the beginning of another export", hint="name a new folder, or remove it"
                )
            made = Plan(self._asked, version("zegel"), self._facts(), self._claims(), self._gaps(), self._others)
            made.damage, made.aboard = self._session.damage.lines(), not self._session.of_link
            made.store(self._folder)
        return made

    def _original(self, group: Group, found: Plan, bar: Bar) -> None:
        before = self._session.damage.counts()
        (from_ns, to_ns), lead = self._span, Lead()
        if group in VIDEO_GROUPS and self._asked.from_ns is not None:
            lead = originals.before(lambda *span: self._session.records(self._keys, [group], *span), from_ns)
            from_ns = from_ns if lead.key_ns is None else lead.key_ns
        records = self._session.records(self._keys, [group], from_ns, to_ns)
        told = bar.of(f"{group.label}.pcap", self._size(group, from_ns, to_ns))
        original = originals.write(self._folder, group.label, records, told)
        original.moved_back, original.sets = from_ns < self._span[0], lead.sets
        counts = self._session.damage.counts() - before
        original.damage = [f"{damage.value}: {count}" for damage, count in counts.items()]
        found.originals[group.label] = original
        with self._person.acting():
            found.store(self._folder)

    def _size(self, group: Group, from_ns: int, to_ns: int) -> int:
        """Bytes that are read, about."""
        if self._session.of_link:
            return self._session.extent(group)[2]
        return sum(map(self._session.size, self._session.between(group, from_ns, to_ns)))

    def _derive(self, bar: Bar, lock: Sequence[int]) -> list[str]:
        """Everything but the pcaps, by the program that has no key. What is missing or was changed, in sentences."""
        missing: list[str] = []
        failed = "the program that makes files from the pcaps ended"
        with originals.started("derive", str(self._folder), stdin=subprocess.DEVNULL, keeps=lock) as process:
            assert process.stdout is not None
            for line in process.stdout:
                match json.loads(line):
                    case str(sentence):
                        missing.append(sentence)
                    case [str(name), float(share)]:
                        bar.show(name, share)
                    case {"failed": str(why)}:
                        failed = why
        if process.returncode:
            raise GatewayError(failed, hint="the pcaps are complete; call the same command again to go on")
        return missing

    # --- what is known of the session ---

    def _facts(self) -> dict[str, str]:
        proof = self._session.proof
        facts = {"Aircraft": proof.device or "not known"}
        if proof.order:
            facts |= {"Operation": f"{proof.order.operation} of {proof.order.agency}, order {proof.order.serial}"}
        facts |= {"Order": proof.signed_by} if proof.signed_by else {}
        facts |= {"Not proved": "; ".join(proof.missing)} if proof.missing else {}
        facts |= {"Recorded by": f"zegel {self._session.software}"} if self._session.software else {}
        return facts | {"End": listing.end_of(self._session)}

    def _claims(self) -> list[tuple[int, int]]:
        cuts = [(each.end_us, each.utc_us) for each in self._session.leaves if isinstance(each, Cut) and each.utc_us]
        if not cuts and self._session.times.offset_us is not None:
            cuts = [(0, self._session.times.offset_us)]
        return cuts

    def _gaps(self) -> list[Gap]:
        """Those of these lanes within the time that was asked for."""
        begin, end = (at // US_NS for at in self._span)
        return [
            Gap([group.label for group in gap.groups if group in self._groups], gap.from_us, gap.to_us, why, gap.lost)
            for gap in self._session.gaps
            for why in [listing.reason(self._session, gap)]
            if set(gap.groups) & set(self._groups) and gap.from_us < end and (gap.to_us or FOR_EVER_NS) >= begin
        ]

    def _say(self, missing: list[str]) -> None:
        with self._person.acting():
            names = sorted(path.name for path in self._folder.iterdir())
        show(f"{self._folder}: {', '.join(names)}")
        for sentence in missing:
            show(f"  {sentence}")
        for other in self._others:
            show(f"  not in it: session {other}")
