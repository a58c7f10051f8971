"""Status report: the status of a running ground, out of its parts. What must not live here: publishing it, and alarms."""

from __future__ import annotations

import time
from collections import Counter
from typing import Protocol

from gateway.core.barrier import Barrier
from gateway.core.drop_reason import DropReason
from gateway.core.ground.listener import Listener
from gateway.core.ground.opener import Opener
from gateway.core.ground.reorder import Reorder
from gateway.core.ground.session import Session
from gateway.core.ground.systems import Systems
from gateway.core.session_state import SessionState
from gateway.ground import session_report
from gateway.ground.owners import Owners
from gateway.ground.plain_video import PlainVideo
from gateway.ground.publication import Publication
from gateway.ground.record_inbox import RecordInbox
from gateway.ground.uplink import GroundUplink
from gateway.report.alarms import Alarms
from gateway.report.frame_counts import FrameCounts
from gateway.report.meter import Ages, Meter, Rates, RatesBy
from gateway.report.role_status import GroundStatus, SessionStatus
from keys.folders.station import StationFolder
from keys.lanes import role_names
from keys.order import VerifiedOrder


class Parts(Protocol):
    """What a status comes from: gateway.ground.role.Ground."""

    station: StationFolder
    barrier: Barrier
    listener: Listener
    opener: Opener
    plain_video: PlainVideo
    reorder: Reorder
    systems: Systems
    owners: Owners
    uplink: GroundUplink
    publication: Publication
    record_inbox: RecordInbox
    frames: FrameCounts
    meter: Meter
    alarms: Alarms
    started: float

    @property
    def order(self) -> VerifiedOrder: ...


class StatusReport:
    """Of one ground."""

    def __init__(self, ground: Parts) -> None:
        self._ground = ground
        self._ages = Ages()
        self._open_since: dict[bytes, float] = {}  # by session_id
        self._dropped, self._refused, self._kept_back = Rates[str](), Rates[str](), RatesBy()

    def read(self, now: float) -> GroundStatus:
        ground, order, uplink = self._ground, self._ground.order.content, self._ground.uplink
        sessions, drops, kept_back = ground.listener.sessions.values(), self._drops(), uplink.kept_back()
        self._look_what_is_open(now)
        commands = {"sent": uplink.sent, **uplink.refused}
        opened = {lane.name.lower(): count for lane, count in ground.opener.opened.items()}
        return GroundStatus(
            name=ground.station.name,
            agency=order.agency,
            classification=order.classification,
            operation=order.operation,
            order=order.serial,
            order_ends=order.not_after,
            order_left_s=round(order.not_after - time.time(), 1),
            sealed=any(s.alive(now) and s.granted for s in sessions),
            roles={station.name: [*role_names(station.roles)] for station in order.stations},
            uptime_s=round(now - ground.started, 1),
            sessions=[self._session(session, now) for session in sessions],
            opened=opened,
            opened_age_s=self._ages.read(now, opened),
            endpoints=ground.meter.read(now),
            reordered=ground.reorder.late,
            data_path=ground.plain_video.data_path,
            feed=ground.publication.status(),
            feed_tcp=ground.publication.status_of_tcp(),
            frames=ground.frames.status(),
            commands=commands,
            commands_per_s=self._refused.read(now, commands),
            kept_back=kept_back,
            kept_back_per_s=self._kept_back.read(now, kept_back),
            misrouted=dict(uplink.misrouted.counts),
            foreign=ground.owners.foreign(),
            record=ground.record_inbox.status(),
            drops=drops,
            drops_per_s=self._dropped.read(now, drops),
            unexpected=dict(ground.barrier.places),
            alarms=ground.alarms.texts,
            alarm_reasons=ground.alarms.by_reason(),
        )

    def _session(self, session: Session, now: float) -> SessionStatus:
        ground, device = self._ground, session.device_public
        name, systems = ground.owners.name(device), ground.systems.owned(device)
        refusal, station = ground.uplink.sessions.refusal_of(session, now), ground.listener.me.index
        since, commanded_at = self._open_since.get(session.session_id), ground.uplink.sessions.commanded_at.get(device)
        return session_report.report(
            session,
            station,
            now,
            device=name,
            systems=systems,
            refusal=refusal,
            open_since=since,
            commanded_at=commanded_at,
        )

    def _look_what_is_open(self, now: float) -> None:
        station, before = self._ground.listener.me.index, self._open_since
        sessions = self._ground.listener.sessions.values()
        open_now = [each.session_id for each in sessions if each.state(station, now) is SessionState.OPEN]
        self._open_since = {name: before.get(name, now) for name in open_now}

    def _drops(self) -> dict[str, int]:
        ground = self._ground
        drops: Counter[DropReason] = ground.opener.drops + Counter({DropReason.LATE: ground.reorder.dropped})
        counts = {reason.value: count for reason, count in sorted(drops.items()) if count}
        unexpected = {DropReason.UNEXPECTED.value: ground.barrier.total}
        foreign = {DropReason.FOREIGN_SYSTEM.value: ground.systems.dropped}
        return {**counts, **foreign, **unexpected, "commands_refused": ground.uplink.refused.total()}
