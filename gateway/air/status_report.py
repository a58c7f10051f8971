"""Status report: the status of a running air, out of its parts. What must not live here: publishing it, and alarms."""

from __future__ import annotations

from typing import Protocol

from gateway.air.downlink import Downlink
from gateway.air.flight_controller import FlightController
from gateway.air.hold_back import HoldBack
from gateway.air.oversize import Oversize
from gateway.air.own_state import OwnState
from gateway.air.plain_video import PlainVideo
from gateway.air.record_state import RecordState
from gateway.air.session_manager import SessionManager
from gateway.air.uplink import AirUplink
from gateway.air.vendors import Vendors
from gateway.core.air.announcer import Announcer
from gateway.core.barrier import Barrier
from gateway.core.bundle import Bundler
from gateway.core.drop_reason import DropReason
from gateway.endpoint_state import State
from gateway.endpoints import Endpoint
from gateway.report import aircraft_report
from gateway.report.alarms import Alarms
from gateway.report.frame_counts import FrameCounts
from gateway.report.meter import Growth, Meter, Rates, RatesBy
from gateway.report.role_status import AirStatus
from keys.folders.device import DeviceFolder
from keys.lanes import role_names
from keys.order import VerifiedOrder
from keys.policy import PolicyFlag


class Parts(Protocol):
    """What a status comes from: gateway.air.role.Air."""

    device: DeviceFolder
    barrier: Barrier
    links: list[Endpoint]
    sessions: SessionManager
    vendors: Vendors
    uplink: AirUplink
    bundler: Bundler
    fc_frames: FlightController
    frames: FrameCounts
    oversize: Oversize
    plain_video: PlainVideo
    state: OwnState
    hold_back: HoldBack
    downlink: Downlink
    meter: Meter
    record: RecordState
    alarms: Alarms
    started: float

    @property
    def announcer(self) -> Announcer: ...
    @property
    def order(self) -> VerifiedOrder: ...


class StatusReport:
    """Of one air."""

    def __init__(self, air: Parts) -> None:
        self._air = air
        self._lost_to_links: Growth[str] = Growth()
        self._dropped, self._kept_back = Rates[str](), RatesBy()

    def read(self, now: float) -> AirStatus:
        air, late = self._air, self._late_per_s(now)
        announcer, order, drops, kept_back = air.announcer, air.order.content, self._drops(), air.uplink.kept_back()
        air.state.note(air.links, unsaved=air.device.unsaved, no_room_per_s=late)
        return AirStatus(
            name=air.device.name,
            operation=order.operation,
            session=announcer.session_id.hex(),
            boot_counter=air.sessions.boot,
            order=order.serial,
            order_ends=order.not_after,
            order_left_s=air.sessions.left_s(now),
            sealed=any(link.state is State.CONNECTED for link in air.links),
            epoch=announcer.epoch,
            phase=announcer.phase.value,
            uptime_s=round(now - air.started, 1),
            lanes={lane.name.lower(): key.next_ctr for lane, key in announcer.current.send_keys.items()},
            roles={station.name: [*role_names(station.roles)] for station in order.stations},
            endpoints=air.meter.read(now),
            late_per_s=late,
            fc_waits_s=air.hold_back.waits_s(now),
            aircraft=aircraft_report.report(air.state.read(now)),
            recording=air.record.status(now),
            seen_by=[*air.vendors.names],
            data_path=air.plain_video.data_path(padded=bool(order.policy.flags & PolicyFlag.PAD_VIDEO)),
            frames=air.frames.status(),
            commands=air.uplink.commands(),
            kept_aboard=dict(air.uplink.kept_aboard.counts),
            kept_back=kept_back,
            kept_back_per_s=self._kept_back.read(now, kept_back),
            drops=drops,
            drops_per_s=self._dropped.read(now, drops),
            unexpected=dict(air.barrier.places),
            unsaved=air.device.unsaved,
            alarms=air.alarms.texts,
            alarm_reasons=air.alarms.by_reason(),
        )

    def _late_per_s(self, now: float) -> float:
        """Frames and video datagrams that the links had no room for, in the last seconds."""
        lost = {"late": self._air.bundler.late, "link_full": self._air.downlink.full}
        return self._lost_to_links.grown(now, lost).per_s(*lost)

    def _drops(self) -> dict[str, int]:
        air, uplink = self._air, self._air.uplink.drops()
        return {
            **uplink,
            "late": air.bundler.late + air.downlink.late + air.plain_video.late + uplink.get(DropReason.LATE.value, 0),
            "link_down": air.downlink.down,
            "fc_down": air.uplink.not_taken - air.fc_frames.refused,
            "not_for_msp": air.fc_frames.refused,
            "link_full": air.downlink.full,
            "oversize": air.oversize.total,
            "resync_bytes": air.fc_frames.resync_bytes,
            DropReason.UNEXPECTED.value: air.barrier.total + air.plain_video.failed,
        }
