"""Ground uplink: from the ground control stations, through the guard policy and the sessions, to the links.

What must not live here: when a station may command (gateway.core.ground.commander), what a policy lets through
(firmware_shims.guard).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence, Set

from firmware_shims import definitions, mavlink, target
from firmware_shims.guard import UNJUDGED
from gateway.batch import AGED_S, Batch
from gateway.core.barrier import Barrier
from gateway.core.drop_reason import DropReason
from gateway.core.ground.session import Session
from gateway.core.ground.uplink_sessions import UplinkSessions
from gateway.core.refusal import Refusal
from gateway.endpoints import Endpoint
from gateway.ground.answers import Answers
from gateway.guards import OVER_RATE, Guards
from gateway.loop.frame_reader import FrameReader
from gateway.report import wording
from gateway.report.alarms import Alarms, Reason
from gateway.report.kept_back import KeptBack
from keys.lanes import Role
from keys.order import VerifiedOrder

MAY_NOT_COMMAND = "this station may not command"
_MISROUTED = (Refusal.NOBODYS, Refusal.FOR_ALL)  # a person can change what causes these


class GroundUplink:
    """The uplink of one station."""

    def __init__(
        self,
        sessions: UplinkSessions,
        gcs: Iterable[Endpoint],
        links: Sequence[Endpoint],
        alarms: Alarms,
        barrier: Barrier | None = None,
        guards: Guards | None = None,
    ) -> None:
        self.sessions, self._barrier = sessions, barrier or Barrier()
        self.refused: Counter[str] = Counter()  # frames that were not sent, by reason
        self.sent = 0
        self.kept, self.misrouted = KeptBack(), KeptBack()  # by the guard policy; because they are for no one aircraft
        self.answers = Answers()
        self._readers = [FrameReader(endpoint, self._barrier, only_mavlink=True) for endpoint in gcs]
        self._links, self._alarms = links, alarms
        self._guards = guards or Guards()
        self._guard = self._guards.of_station(sessions.station.guard)
        self._batch = Batch()
        self._came_at = float("-inf")  # arrival of the frames that were sealed last

    def adopt(self, order: VerifiedOrder) -> None:
        """Go on under an order that succeeds the present one."""
        self.sessions.adopt(order)
        self._guard = self._guards.of_station(self.sessions.station.guard)

    def require_for(self, order: VerifiedOrder) -> None:
        """WrongGuardFile or UnknownGuard if the policies of this order are not here."""
        self._guards.require_for(order.content)

    def next_due(self) -> float:
        return min((reader.next_due() for reader in self._readers), default=float("inf"))

    def relay(self, ready: Set[Endpoint], now: float) -> None:
        """Read the ground control stations that are ready; send their frames up, or count why not."""
        for reader in self._readers:
            if reader.endpoint in ready or now >= reader.next_due():
                with self._barrier:
                    strangers = reader.strangers
                    for waited, frames in reader.read(now):
                        self._command(reader.endpoint, frames, waited, now)
                    if reader.strangers > strangers:
                        self._alarms.raise_(Reason.NOT_MAVLINK, now, endpoint=reader.endpoint.address)

    def _command(self, gcs: Endpoint, frames: list[bytes], waited: float, now: float) -> None:
        """`frames` had waited here for `waited` seconds. They go up with the echo of that time, or not at all."""
        self.sessions.systems.hear_stations(frames)
        if waited > self.sessions.order.content.policy.fresh_ms / 1000:
            self.refused[DropReason.LATE.value] += len(frames)
            return
        if refusal := self.sessions.refusal(now):
            self.refused[refusal] += len(frames)
            if refusal is Refusal.OBSERVER:
                self._alarms.raise_(Reason.MAY_NOT_COMMAND, now)
                for frame in frames:
                    self.answers.deny(gcs, frame, MAY_NOT_COMMAND, now)
            return
        judged = [(frame, self._held(frame, now)) for frame in frames]
        sealed = self.sessions.seal([frame for frame, held in judged if held is None], now, self._when(waited, now))
        self.sent += sealed.sent
        for frame, held in judged:
            if held is not None:
                name = self._keep_back(held, now)
                if held is not OVER_RATE:  # that passes by itself
                    self.answers.deny(gcs, frame, name, now)
        for frame, why in sealed.refused:
            self._refuse(frame, why, now)
        self._send(sealed.datagrams, now)

    def _when(self, waited: float, now: float) -> float:
        """The arrival of frames that waited for `waited` seconds at most; it never decreases for those that just came."""
        came_at = max(now - waited, self._came_at) if waited < AGED_S else now - waited
        self._came_at = max(self._came_at, came_at)
        return came_at

    def _held(self, frame: bytes, now: float) -> str | None:
        with self._barrier:
            return self._guard.held(frame, now)
        return UNJUDGED

    def _keep_back(self, held: str, now: float) -> str:
        """The name under which it is counted."""
        self.refused[DropReason.GUARDED.value] += 1
        name = self.kept.count(held)
        times, policy = self.kept.times(name), self._guard.policy
        self._alarms.raise_(Reason.GUARDED_HERE, now, key=name, policy=policy, message=name, times=times)
        return name

    def _refuse(self, frame: bytes, why: Refusal, now: float) -> None:
        self.refused[why] += 1
        if why in _MISROUTED:
            message, system = definitions.name_of(mavlink.message_id(frame)), target.system(frame)
            name = self.misrouted.count(f"{message} to system {system}")
            times, text = self.misrouted.times(name), wording.REFUSAL[why]
            self._alarms.raise_(Reason.NOT_ROUTED, now, key=name, message=name, times=times, why=text)

    def challenge(self, sessions: Iterable[Session], now: float) -> None:
        """Follow the present sessions, and send the challenges that are due, each to one address."""
        self.sessions.follow(sessions, now)
        ways = [(number, address) for number, link in enumerate(self._links) for address in link.addresses()]
        for (number, address), datagram in self.sessions.challenges(ways, now):
            self._batch.hold([datagram])
            self._links[number].send_to(self._batch, address, now)
        for number, address in self.sessions.take_proved():
            self._links[number].prove(address, now)
        self._send(self.sessions.control(now), now)

    def _send(self, datagrams: Sequence[bytes], now: float) -> None:
        for batch in self._batch.refill(datagrams):
            for link in self._links:
                link.send(batch, now)

    # --- what a person sees ---

    def kept_back(self) -> dict[str, dict[str, int]]:
        """What this station's guard policy kept back, in the form that the aircraft uses for all stations."""
        return {self.sessions.station.name: dict(self.kept.counts)} if self.kept.counts else {}

    @property
    def may_command(self) -> bool:
        return bool(self.sessions.station.roles & Role.COMMAND)
