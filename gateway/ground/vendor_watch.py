"""Vendor watch: a station's alarm about pictures that a vendor holds under a confidential order. SPEC.md section 6."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.core.session_state import SessionState
from gateway.report.alarms import Alarms, Reason
from gateway.report.role_status import SessionStatus
from keys.order import CONFIDENTIAL, Order


class VendorWatch:
    """An aircraft that is silent keeps its alarm: nothing newer is known. One that ended or is gone loses it."""

    def __init__(self, alarms: Alarms) -> None:
        self._alarms = alarms
        self._live: set[str] = set()

    def look(self, order: Order, sessions: Sequence[SessionStatus], now: float) -> None:
        """Call it about twice a second, with all sessions."""
        confidential = order.classification == CONFIDENTIAL
        live = [session for session in sessions if session.state is not SessionState.CLOSED]
        seen = {session.device for session in live if session.vendor_has_picture} if confidential else set()
        for device in sorted(seen):
            self._alarms.raise_(Reason.SEEN_BY_VENDOR_ABOARD, now, key=device, device=device)
        for device in self._live - seen:
            self._alarms.clear(Reason.SEEN_BY_VENDOR_ABOARD, key=device)
        self._live = seen
