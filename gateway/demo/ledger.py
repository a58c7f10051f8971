"""The demo's ledger: what was sent and received, when and where, and whether the two agree byte for byte."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Mapping, Sequence

from rich.table import Table

Timed = Sequence[tuple[float, bytes]]  # (monotonic seconds, the sent data)

FLUSH_GUARD_S = 0.1  # data sent this shortly before the power cut may not have left the aircraft


@dataclasses.dataclass(frozen=True, slots=True)
class Feed:
    """The data that one station gave to its programs."""

    name: str
    frames: list[bytes]
    packets: list[bytes]


@dataclasses.dataclass(frozen=True, slots=True)
class Match:
    """`got` found in `sent`, in order."""

    exact: bool  # everything received was sent, unchanged and in order
    lost: int  # sent while the aircraft was up, and never received
    down: int  # sent while it was down


class Ledger:
    """The account of one demonstration: `expectations` are its claims, each with whether it held."""

    def __init__(self) -> None:
        self.expectations: list[tuple[str, bool]] = []
        self._outages: list[tuple[float, float]] = []

    @property
    def good(self) -> bool:
        return all(good for _, good in self.expectations)

    def expect(self, text: str, good: bool) -> None:
        self.expectations.append((text, good))

    def outage(self, lost: float) -> float:
        """The aircraft was down from `lost` until now, when every station opens again."""
        back = time.monotonic()
        self._outages.append((lost, back))
        return back

    def match(self, sent: Timed, got: Sequence[bytes]) -> Match:
        """Compare both in order: sent and skipped data is lost; received data that was not sent is not exact."""
        at, lost, down = 0, 0, 0
        for when, item in sent:
            if at < len(got) and got[at] == item:
                at += 1
            elif any(begin - FLUSH_GUARD_S <= when <= end for begin, end in self._outages):
                down += 1
            else:
                lost += 1
        return Match(at == len(got), lost, down)

    def recorded(self, sent: Timed, got: Sequence[bytes]) -> Match:
        """`got` was recorded, without a gap but at the one outage: `lost` was sent directly before it, `down` in it."""
        items = [item for _, item in sent]
        ((cut_at, back_at),) = self._outages
        cut, back = (sum(when < at for when, _ in sent) for at in (cut_at, back_at))
        begin = next((n for n, pair in enumerate(zip(items, got, strict=False)) if pair[0] != pair[1]), cut)
        begin = min(begin, len(got))
        end = len(items) - (len(got) - begin)
        exact = begin <= cut <= end <= back and list(got[begin:]) == items[end:]
        return Match(exact, cut - begin, end - cut)

    def judge(
        self, frames: Timed, packets: Timed, feeds: Iterable[Feed], refused: Mapping[str, int]
    ) -> list[tuple[str, ...]]:
        """Rows of the table, the heading first; the result of each row is recorded as an expectation."""
        rows: list[tuple[str, ...]] = [
            ("station", "feed", "entered", "opened", "byte-exact", "lost", "air down", "refused")
        ]
        for feed in feeds:
            for what, sent, got in (("telemetry", frames, feed.frames), ("video", packets, feed.packets)):
                match = self.match(sent, got)
                exact = "yes" if match.exact else "NO"
                counts = (len(sent), len(got), exact, match.lost, match.down, refused[feed.name])
                rows.append((feed.name, what, *map(str, counts)))
                good = match.exact and not match.lost and bool(got)
                self.expect(f"{feed.name} opened all {what} that entered while the aircraft was up, byte-exact", good)
        return rows


def table(rows: list[tuple[str, ...]]) -> Table:
    """Rows for a terminal of 80 columns, the heading first."""
    made = Table(*rows[0], box=None, padding=(0, 2, 0, 0), header_style="underline")
    for row in rows[1:]:
        made.add_row(*row)
    return made
