"""Air uplink: from the links through the uplink opener and each station's guard policy to the flight controller.

What must not live here: authentication (gateway.core.air.uplink_opener), the policies (firmware_shims.guard).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Protocol

from firmware_shims import addresses
from firmware_shims.guard import UNJUDGED
from gateway.air.events import Events
from gateway.air.recording import Recording
from gateway.batch import AGED_S, Batch
from gateway.core.air.announcer import Announcer
from gateway.core.air.instances import INSTANCES_MAX
from gateway.core.air.uplink_opener import Accepted, UplinkOpener
from gateway.core.barrier import Barrier
from gateway.core.drop_reason import DropReason
from gateway.endpoints import Endpoint
from gateway.guards import Guards
from gateway.recording.group import Port
from gateway.report.alarms import Alarms, Reason
from gateway.report.kept_back import KeptBack
from gateway.report.role_status import StationCommands


class Taker(Protocol):
    """What frames are handed to; an endpoint is one."""

    def send(self, batch: Batch, now: float, /) -> int:
        """How many were sent, or wait."""


class AirUplink:
    """The uplink of the present session; `follow` replaces the session.

    `clock` is read when a batch is ready: the process may have stood still since the turn began. Without it the
    caller's `now` is believed. `rewrite`: the address of a video stream is replaced by the mark of its lane.
    """

    def __init__(
        self,
        announcer: Announcer,
        fc: Taker,
        alarms: Alarms,
        barrier: Barrier | None = None,
        clock: Callable[[], float] | None = None,
        guards: Guards | None = None,
        *,
        recording: Recording | None = None,
        events: Events | None = None,
        rewrite: bool = False,
    ) -> None:
        self._rewrite, self._policies, self._recording = rewrite, guards or Guards(), recording or Recording()
        self._events = events or Events(self._recording.event)
        self._fc, self._alarms, self._barrier, self._clock = fc, alarms, barrier or Barrier(), clock
        self._crowds = 0  # datagrams of surplus senders that already raised an alarm
        self._passed: Counter[str] = Counter()  # frames that were handed to the flight controller, by the station's name
        self.not_taken = 0  # frames for which it was not there
        self._kept: dict[str, KeptBack] = {}  # by the station's name
        self.kept_aboard = KeptBack()  # of the flight controller's frames
        self._batch, self._frames = Batch(), Batch()
        self._guard(UplinkOpener(announcer, self._barrier))

    def follow(self, announcer: Announcer) -> None:
        """A new session replaces the last one, whose commands continue for fresh_ms, under the new guard policies."""
        self._guard(UplinkOpener(announcer, self._barrier, self.opener))

    def _guard(self, opener: UplinkOpener) -> None:
        self.opener, announcer = opener, opener.announcer
        self._stations = {station.index: station for station in announcer.order.content.stations}
        fresh_s = announcer.order.content.policy.fresh_ms / 1000
        self._guards = {index: self._policies.of_station(each.guard, fresh_s) for index, each in self._stations.items()}

    # --- up ---

    def receive(self, link: Endpoint, now: float) -> Accepted:
        """Read one batch of `link`, and give the permitted frames to the flight controller, in order."""
        began = self._clock() if self._clock else now
        if not link.receive_into(self._batch, now):
            return Accepted()
        now = self._clock() if self._clock else now
        accepted = self.opener.open(self._batch, now, lambda slot: (link.address, *link.senders([slot])))
        if self._clock and self._clock() - began > AGED_S:  # it stood still meanwhile: their age is unknown
            self.opener.drops[DropReason.LATE] += len(accepted.frames)
            accepted.frames.clear()
        if accepted.slots:
            link.authenticated(link.senders(accepted.slots), now)
        if accepted.copies:
            link.renew(link.senders(accepted.copies), now)
        self._to_fc([(station, frame) for station, frame in accepted.frames if self._may(station, frame, now)], now)
        crowds = self.opener.drops[DropReason.TOO_MANY_INSTANCES]
        if crowds > self._crowds:
            self._crowds = crowds
            self._alarms.raise_(Reason.TOO_MANY_SENDERS, now, limit=INSTANCES_MAX)
        return accepted

    def _may(self, station: int, frame: bytes, now: float) -> bool:
        listed = self._stations[station]
        held: str | None = UNJUDGED
        with self._barrier:
            held = self._guards[station].held(frame, now)
        if held is None:
            return True
        kept = self._kept.setdefault(listed.name, KeptBack())
        name = kept.count(held)
        self._events.refused(station, name, f"guard policy {listed.guard!r}")
        key, times = f"{station} {name}", kept.times(name)
        self._alarms.raise_(
            Reason.GUARDED, now, key=key, policy=listed.guard, station=listed.name, message=name, times=times
        )
        return False

    def _to_fc(self, commands: Sequence[tuple[int, bytes]], now: float) -> None:
        """In order, and counted by station: what was handed over, and what found no flight controller."""
        for station, sent in groupby(commands, key=lambda command: command[0]):
            for batch in self._frames.refill([frame for _, frame in sent]):
                taken = self._fc.send(batch, now)
                passed = batch.datagrams()[:taken]
                self._recording.frames(Port.UPLINK, passed, now)
                for frame in passed:
                    self._events.accepted(station, frame)
                self._passed[self._stations[station].name] += taken
                self.not_taken += batch.count - taken

    # --- down ---

    def may_leave(self, frames: list[bytes], now: float) -> list[bytes]:
        """The flight controller's frames without those that cross no link. Nearly all pass by their number alone."""
        try:
            watched = any(map(addresses.is_watched, frames))
        except Exception:  # again one by one, so that one frame costs only itself
            watched = True
        if not watched:
            return frames
        return [left for frame in frames if (left := self._leaving(frame, now)) is not None]

    def _leaving(self, frame: bytes, now: float) -> bytes | None:
        held: str | None = UNJUDGED
        with self._barrier:
            held = addresses.held(frame) if addresses.is_watched(frame) else None
            if held is not None and self._rewrite and (marked := addresses.marked(frame)):
                return marked
        if held is None:
            return frame
        name = self.kept_aboard.count(held)
        if held in addresses.NAMES:
            self._alarms.raise_(Reason.ADDRESS_KEPT, now, key=name, message=name, times=self.kept_aboard.times(name))
        return None

    # --- what a person sees ---

    def commands(self) -> dict[str, StationCommands]:
        """The frames of each station that were handed to the flight controller, and those that its policy kept back."""
        heard, none = sorted({*self._passed, *self._kept}), KeptBack()
        return {name: StationCommands(self._passed[name], self._kept.get(name, none).total) for name in heard}

    def kept_back(self) -> dict[str, dict[str, int]]:
        """The frames of each station that its guard policy kept back, by the names of firmware_shims.guard."""
        return {name: dict(kept.counts) for name, kept in sorted(self._kept.items())}

    def drops(self) -> dict[str, int]:
        counts = {reason.value: count for reason, count in sorted(self.opener.drops.items()) if count}
        guarded = sum(kept.total for kept in self._kept.values()) + self.kept_aboard.total
        return {**counts, DropReason.GUARDED.value: guarded}
