"""Order uploader: carries a station's newest order up to an aircraft that flies under another one. SPEC.md section 7.

The aircraft decides whether it accepts it. An uploader only stops when the session is over or under this order, or when a
minute has passed. Sans-IO.
"""

from __future__ import annotations

from gateway.core import order_fragments
from gateway.core.ground.commander import Commander
from keys.order import VerifiedOrder, fits_link

PENDING_FOR_S = 3.0  # wait, if we do not have the order of a session: most often it is on its way to us
EVERY_S = 0.25  # between fragments: 37 kbit/s
ROUND_EVERY_S = 5.0
GIVE_UP_AFTER_S = 60.0


class OrderUploader:
    """`order` for the session of `commander`, seen to fly under another one at `now`."""

    def __init__(self, commander: Commander, order: VerifiedOrder, now: float) -> None:
        self.commander, self.order = commander, order
        self._fragments = order_fragments.split(order) if fits_link(order.raw) else []
        self._place = 0
        self._began = now
        self._due = self._round_at = now + (PENDING_FOR_S if commander.session.pending else 0.0)

    def datagrams(self, now: float) -> list[bytes]:
        """The sealed fragment that is due, if any."""
        if not self._fragments or now < self._due or now - self._began > GIVE_UP_AFTER_S:
            return []
        sealed = self.commander.carry(self._fragments[self._place], now)
        if sealed is None:
            return []
        self._due = now + EVERY_S
        self._place = (self._place + 1) % len(self._fragments)
        if self._place == 0:
            self._round_at = self._due = max(self._due, self._round_at + ROUND_EVERY_S)
        return [sealed]
