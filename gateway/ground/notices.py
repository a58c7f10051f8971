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
        said = f"zegel: {text.format_map(arguments)}"
        self._batch.hold([self._speaker.frame(system, severity, said) for system in systems])
        for gcs in self._gcs:
            gcs.send(self._batch, now)
