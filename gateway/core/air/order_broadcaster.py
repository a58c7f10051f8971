"""Order broadcaster: brings one order to the stations of a session, piece by piece. SPEC.md sections 4.6 and 7.

Before the change it sends in the evidence lane, until each present station says that it holds the order; after the change
in the order lane, again and again, until each station has shown by a challenge that it has the order. Never more than 5 %
of the link, in addition to announcements. Sans-IO.
"""

from __future__ import annotations

from gateway.core import order_fragments
from gateway.core.air.announcer import START_ROUND_EVERY_S, START_ROUNDS, Announcer
from gateway.core.wire import Evidence
from keys.lanes import Lane
from keys.order import VerifiedOrder

ORDER_SHARE = 0.05  # of the link
BUSY_FOR_S = 60.0  # after the change: a round every announce_s, once the first ones are out
IDLE_EVERY_S = 30.0  # and then, for stations that were out of reach


class OrderBroadcaster:
    """`order` in `lane` of the announcer's session, from `begin` on."""

    def __init__(self, announcer: Announcer, order: VerifiedOrder, lane: Lane, begin: float) -> None:
        self._announcer, self._lane, self._begin = announcer, lane, begin
        self._fragments = order_fragments.split(order)
        self._bytes_per_s = announcer.link_bps * ORDER_SHARE / 8
        self.round_s = sum(map(len, self._fragments)) / self._bytes_per_s  # duration of one round at its share
        self._expected = {station.index for station in announcer.order.content.stations}
        self._have: set[int] = set()  # stations
        self._expect(begin)
        self._place = 0  # of the next fragment in its round
        self._round_at = self._due = begin
        self.rounds = 0  # rounds sent completely

    @property
    def done(self) -> bool:
        """Whether nothing is left to send."""
        said = self.rounds > 0 or self._lane is Lane.ORDER
        return (said and self._expected <= self._have) or self._announcer.send_key(self._lane) is None

    def arrived(self, station: int) -> None:
        """This station has it: it says so, or it sends under this order."""
        self._have.add(station)

    def _expect(self, now: float) -> None:
        """Before the change, stations that have not been received recently are not waited for."""
        if self._lane is Lane.EVIDENCE:
            self._expected = {*self._announcer.freshness.challenges(now)}

    def next_due(self) -> float:
        return float("inf") if self.done else self._due

    def datagrams(self, now: float) -> list[bytes]:
        """The sealed fragments that are due at `now`."""
        out = []
        self._expect(now)
        while now >= self.next_due():
            out.append(self._seal(self._fragments[self._place]))
            self._due = max(self._due, now - 1) + len(out[-1]) / self._bytes_per_s
            self._place = (self._place + 1) % len(self._fragments)
            if self._place == 0:
                self._end_round(now)
        return out

    def _seal(self, fragment: bytes) -> bytes:
        key = self._announcer.send_key(self._lane)
        assert key is not None
        kind = bytes([Evidence.ORDER_FRAGMENT]) if self._lane is Lane.EVIDENCE else b""
        return self._announcer.sealer.seal_one(key, kind + fragment)

    def _end_round(self, now: float) -> None:
        self.rounds += 1
        if self._lane is Lane.EVIDENCE or self.rounds < START_ROUNDS:
            self._round_at += START_ROUND_EVERY_S
        else:
            busy = now - self._begin < BUSY_FOR_S
            self._round_at += self._announcer.order.content.policy.announce_s if busy else IDLE_EVERY_S
        self._due = self._round_at = max(self._due, self._round_at)
