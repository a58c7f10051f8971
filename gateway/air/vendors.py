"""Vendors: who else holds a picture of a session before it is sealed, and what a confidential order says to that.

SPEC.md sections 5.4 (flag 8) and 6. What lives here: the rule, the flag and the alarm. What must not: finding out whether
the aircraft is on the ground (standing.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.report.alarms import Alarms, Reason
from keys.beat_flag import Flag
from keys.order import CONFIDENTIAL, Order

CURE = "fly with cameras that no vendor sees (seen_by in air.toml), or under an order of class regular"


class Vendors:
    """`names` are those of the configuration; without one nothing here has an effect."""

    def __init__(self, names: Sequence[str] = (), alarms: Alarms | None = None) -> None:
        self.names, self._alarms = tuple(names), alarms

    @property
    def flag(self) -> Flag:
        """For every beat of a session."""
        return Flag.VENDOR_HAS_PICTURE if self.names else Flag(0)

    def breach(self, order: Order) -> str:
        """Why nothing should fly under this order, or nothing."""
        if not self.names or order.classification != CONFIDENTIAL:
            return ""
        return f"the order is confidential, and pictures are held by {', '.join(self.names)} before they are sealed"

    def look(self, order: Order, now: float) -> None:
        """Raise the alarm under this order, or end it. It is called when a session begins, so the flight goes on."""
        if self._alarms is None:
            return
        if self.breach(order):
            self._alarms.raise_(Reason.SEEN_BY_VENDOR, now, vendors=", ".join(self.names))
        else:
            self._alarms.clear(Reason.SEEN_BY_VENDOR)
