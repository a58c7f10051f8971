"""Notices: STATUSTEXT to the ground control stations about an alarm of an aircraft. SPEC.md section 5.4.

What lives here: the sentences, and where they go. What must not: finding out what is wrong (aircraft_watch.py). A notice
never goes up the link, and nothing that an aircraft says is in it but numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from firmware_shims import statustext
from gateway.batch import Batch
from gateway.endpoints import Endpoint
from gateway.report.alarms import Reason

WORDS = {
    Reason.NO_FC_ABOARD: ("no flight controller at the aircraft", "flight controller is back"),
    Reason.NO_PICTURE: ("no picture for {seconds} s (video {camera})", "picture is back (video {camera})"),
    Reason.CARD_FAILS_ABOARD: ("the aircraft's card fails", "the aircraft's card is writable again"),
    Reason.NOT_RECORDED_ABOARD: ("the aircraft does not record: {why}", "the aircraft records all again"),
    Reason.LITTLE_ROOM_ABOARD: ("the aircraft's card is nearly full", "the aircraft's card has room again"),
    Reason.LINKS_DOWN_ABOARD: ("a link of the aircraft is down", "all links of the aircraft are up"),
}
"""What is said when the alarm begins, and when it ends."""


class Notices:
    def __init__(self, gcs: Sequence[Endpoint]) -> None:
        self._gcs, self._batch, self._speaker = gcs, Batch(), statustext.Speaker()

    def send(
        self, systems: Iterable[int], reason: Reason, arguments: Mapping[str, object], now: float, *, over: bool
    ) -> None:
        """Send it as from each of `systems`, the MAVLink ids of the aircraft. Nothing is sent before an id is known."""
        text, severity = WORDS[reason][over], statustext.NOTICE if over else statustext.WARNING
        self._say(systems, text.format_map(arguments), severity, now)

    def recorded(self, systems: Iterable[int], text: str, now: float) -> None:
        """What is recorded has changed; `text` has no word of an aircraft or a station."""
        self._say(systems, text, statustext.NOTICE, now)

    def _say(self, systems: Iterable[int], text: str, severity: int, now: float) -> None:
        said = f"zegel: {text}"
        self._batch.hold([self._speaker.frame(system, severity, said) for system in systems])
        for gcs in self._gcs:
            gcs.send(self._batch, now)
