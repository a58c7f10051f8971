"""Air: the role aboard. Connects the flight controller and the cameras to the sealer, and the sealer to the link.

Between two turns C waits and seals video by itself, as long as nothing else happens (`_plain_turns`, gateway.native).
One turn of the loop, and the functions in its order:
  1  `turn`             wait for an endpoint or a deadline; if only a camera has data and nothing is due, step 5 is all
  2  `_telemetry`       bytes from the flight controller become frames (flight_controller.py)
  3  `_send_telemetry`  frames become bundles, sealed once for commanders and once for observers, when a link has room
  4  `_take_commands`   permitted commands go to the flight controller (gateway.air.uplink)
  5  `_relay_video`     one batch of one camera is sealed and sent; then telemetry has its turn again
  6  `_send_control`    beats, statement, announcements and orders that are due; a change of order begins a new session
  7  `_housekeep`       reopening, status, the order's limits and its inbox

Decides nothing about the protocol (gateway.core) or the order (session_manager.py), and moves no bytes (gateway.endpoints).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Set

from gateway import clock, config
from gateway.air import flight_controller, long_round, silent_cameras, standing, vendors
from gateway.air.downlink import Downlink
from gateway.air.hold_back import HoldBack
from gateway.air.oversize import Oversize
from gateway.air.own_state import OwnState
from gateway.air.plain_video import PlainVideo
from gateway.air.record_state import RecordState
from gateway.air.recorder_link import Recorder
from gateway.air.recording import Recording
from gateway.air.session_manager import SessionManager, board_clock
from gateway.air.status_report import StatusReport
from gateway.air.uplink import AirUplink
from gateway.air.vendors import Vendors
from gateway.batch import AGED_S, Batch
from gateway.config import AirConfig
from gateway.core.air.announcer import Announcer
from gateway.core.barrier import Barrier
from gateway.core.bundle import DROP_AFTER_S, Bundler, pad_videos
from gateway.core.drop_reason import DropReason
from gateway.core.wire import DOWNLINK_OVERHEAD, RECORD_ON, Control
from gateway.endpoints import Endpoint, open_endpoint, open_link
from gateway.errors import OrderExpired, SeenByVendor
from gateway.guards import Guards
from gateway.local_users import LocalUsers
from gateway.loop import hardening, pacing, watchdog
from gateway.loop.barrier import breathe
from gateway.loop.frame_reader import together
from gateway.loop.pacing import Pace
from gateway.loop.poller import Poller
from gateway.recording.group import Port
from gateway.report import advice, in_clear, recording_report, wording
from gateway.report.alarms import Alarms, Reason
from gateway.report.endpoint_watch import EndpointWatch
from gateway.report.frame_counts import FrameCounts
from gateway.report.log import say
from gateway.report.meter import Meter
from gateway.report.order_end import OrderEnd
from gateway.report.role_status import AirStatus, Use
from gateway.report.status_socket import Publisher
from keys.folders.device import DeviceFolder
from keys.lanes import TELEMETRY_LANES, VIDEO_LANES, Lane
from keys.order import VerifiedOrder
from keys.policy import PolicyFlag

STATUS_EVERY_S = 0.5
HOUSEKEEP_EARLY_S = 0.02  # the upkeep needs no wake-up of its own if there is one so shortly before it is due


class Air:
    """One start of the aircraft. `device` is the open (locked) device folder.

    After this its session has begun, and `turn` may be called. OrderExpired if the aircraft is disarmed on the
    ground under an order that has ended; SeenByVendor if it is on the ground and the order is confidential.
    """

    def __init__(
        self,
        settings: AirConfig,
        device: DeviceFolder,
        manager: watchdog.Manager,
        users: LocalUsers,
        recorder: Recorder = Recorder(),  # noqa: B008 - a constant
    ) -> None:
        self.settings, self.device, self.manager, self.users = settings, device, manager, users
        self.barrier = Barrier()
        buffer = settings.buffer_kib << 10
        self.fc = open_endpoint(config.endpoint(settings.fc), buffer, users.rule, large=True)
        self.cameras = [open_endpoint(config.endpoint(text), buffer, users.camera_rule) for text in settings.video]
        self.links = [open_link(config.endpoint(text), buffer) for text in settings.link]
        self.hold_back = HoldBack(self.fc, self.links, settings.link_bps())
        self.downlink = Downlink(self.links, self.barrier)
        only_recorded = [open_endpoint(config.endpoint(each), buffer, users.camera_rule) for each in settings.record.video]
        self.recording = Recording(self.cameras, only_recorded)
        self.endpoints: list[Endpoint] = [self.fc, *self.links, *self.cameras, *only_recorded]
        self._report = StatusReport(self)
        self.meter = Meter({Use.FC: [self.fc], Use.LINK: self.links, Use.CAMERA: self.cameras})
        self.poller = Poller(self.endpoints)
        paces = dict.fromkeys([*self.cameras, *only_recorded], pacing.DATAGRAMS)
        paces[self.fc] = pacing.frames(settings.flush_ms / 1000)
        self.pace = Pace(self.poller, paces)
        self._video = deque(zip(VIDEO_LANES, self.cameras, strict=False))
        self._only_video = frozenset(self.cameras)
        self.fc_frames, self.frames = flight_controller.of(self.fc, settings, self.barrier), FrameCounts()
        self.alarms = Alarms(lambda text: say("air", text))
        self.oversize = Oversize(self.cameras, settings.mtu, self.alarms)
        self.state = OwnState(None if settings.no_fc else self.fc, self.cameras)
        self._batch = Batch(settings.batch, settings.few)
        ends = self.cameras, self.downlink.wide, self.recording
        self.plain_video = PlainVideo(*ends, self._batch, settings.mtu, native=settings.native)
        self._bundles = Batch(settings.batch // len(TELEMETRY_LANES), settings.few)  # for each lane, they fill one
        self._housekeep_at = self._status_at = self._control_at = 0.0
        self._due: float | None = None  # the next deadline; None if it has to be found again
        self._order_end = OrderEnd(lambda text: say("air", text))
        self._watch = EndpointWatch(self.endpoints, lambda text: say("air", text))
        self.vendors = Vendors(settings.vendors(), self.alarms)
        self.sessions = SessionManager(
            device, len(self.cameras), settings.link_bps(), self.alarms, self.barrier, self.vendors
        )
        self.record = RecordState(self.recording, recorder, self.sessions.claim, settings.system_id)
        self.recording.link, self.state.fill, self.alarms.tell = self.record, self.record.fill, self.record.events.alarm
        self._begin()
        self.publisher = Publisher("air", device.name)

    # --- start and end ---

    def _begin(self) -> None:
        """The first session. Nothing is drawn or counted for it unless the order allows the flight."""
        self.device.device_index(self.order.content)
        guards = Guards.aboard(self.settings.guard, self.device)
        self._refuse_on_the_ground()
        self.started = now = clock.now()
        self.sessions.begin(now)
        self.recording.begin(self.announcer)
        parts = (self.announcer, self.fc_frames, self.alarms, self.barrier, clock.now, guards)
        self.uplink = AirUplink(*parts, recording=self.recording, events=self.record.events, rewrite=self.settings.rewrite)
        self.bundler = Bundler(self.settings.mtu, self.order.content.policy.pad, now, self.settings.flush_ms / 1000)
        self._pad_video = bool(self.order.content.policy.flags & PolicyFlag.PAD_VIDEO)

    def run(self) -> None:
        """Fly until SIGINT or SIGTERM."""
        with self.publisher:
            self._say_sealed(self.started)
            in_clear.alarm(self.alarms, [self.fc], self.cameras, self.started)
            hardening.freeze_gc()
            try:
                while not self.poller.stopping:
                    self._plain_turns()
                    self.turn()
            finally:
                self._end()

    @property
    def announcer(self) -> Announcer:
        return self.sessions.announcer

    @property
    def order(self) -> VerifiedOrder:
        return self.sessions.order

    def _refuse_on_the_ground(self) -> None:
        """OrderExpired if the order is past its dates or limits and the aircraft disarmed; SeenByVendor unless it flies."""
        reason, seen = self.device.limits(board_clock()), self.vendors.breach(self.order.content)
        if not reason and not seen:
            return
        autopilots = standing.listen(self.fc_frames, self.settings.system_id, self.poller, self.barrier)
        if reason and autopilots.stands:
            raise OrderExpired(
                f"the order {reason}, and the aircraft is on the ground",
                hint="load a newer one: zegel device load-order DIR new.order",
            )
        if seen and (self.settings.no_fc or not autopilots.flies):
            raise SeenByVendor(seen, hint=vendors.CURE)

    def _end(self) -> None:
        now = clock.now()
        self.sessions.state = self.state.read(now)
        self._send(self.sessions.close(now), now)
        self.sessions.count_seconds(now)
        self.recording.close(now)
        self.plain_video.close()
        for endpoint in self.endpoints:
            endpoint.close()

    # --- 1: a turn ---

    def _plain_turns(self) -> None:
        """Those of C, until another one is due. What C leaves goes before anything else comes into the one batch of all."""
        if self.plain_video.why_python or self._pad_video:
            return
        self._due = self._deadline()
        with self.barrier:
            for came in self.plain_video.wait(self.poller, self._due, self._video, self.announcer, self.pace):
                self.pace.add(came.camera, came.datagrams, came.clusters)
                self.state.heard[came.camera] = came.at
        self._relay_video({camera for _, camera in self._video if camera.waiting}, clock.now())

    def _deadline(self) -> float:
        return min(self._next_due(clock.now()), self._housekeep_at) if self._due is None else self._due

    def turn(self) -> None:
        due = self._deadline()
        ready = self.poller.wait(due)
        now = clock.now()
        if now < due and self._only_video.issuperset(ready):  # nearly all turns
            self._due = due
            self._relay_video(ready, now)
        else:
            self._due = None
            self._whole_turn(ready, now)
        with self.barrier:
            self.recording.hand_over(now)
        breathe(self.barrier)

    def _whole_turn(self, ready: Set[Endpoint], now: float) -> None:
        if now >= self._housekeep_at - HOUSEKEEP_EARLY_S:
            self._housekeep(now)
            ready = {*self.endpoints}  # some write their waiting data, or find that they are broken
        with self.barrier:
            self._telemetry(ready, now)
        self._take_commands(ready, now)
        self._relay_video(ready, now)
        with self.barrier:
            self.recording.receive(ready, now, self.pace)
        self._send_control(now)

    def _next_due(self, now: float) -> float:
        telemetry = max(self.bundler.next_due(), now + self.downlink.wait_s(now))
        self._control_at = self.sessions.next_due()  # a turn can change it; the next turn uses the change
        return min(telemetry, self._control_at, self.poller.due(self.fc, self.fc_frames.next_due()))

    # --- 2: from the flight controller ---

    def _telemetry(self, ready: Set[Endpoint], now: float) -> None:
        if self.fc in ready or now >= self.fc_frames.next_due():
            if self.hold_back.holds(self.bundler, now, recorded=self.recording.is_on):
                self.poller.defer(self.fc, max(self.bundler.next_due(), now + self.downlink.wait_s(now)))
                self.state.heard[self.fc] = now  # its data waits, so it is not silent
            else:
                self._read_fc(now)
        if now >= self.bundler.next_due() and (room := self.downlink.room(now)):
            self._send_telemetry(room, clock.now())

    def _read_fc(self, now: float) -> None:
        before = self.fc.counters.rx_bytes
        came = self.fc_frames.read(now, self.hold_back.reads)
        self.hold_back.was_read(self.fc.counters.rx_bytes - before)
        self.recording.frames(Port.TELEMETRY, together(came), now)
        self.record.heard(together(came), now)
        for waited, frames in came:
            leaving = self.uplink.may_leave(frames, now)
            self.bundler.add(leaving, now if waited < AGED_S else self.hold_back.since(waited, now))
            self.frames.count(leaving)
            self.state.heard[self.fc] = now
        self.pace.count(self.fc, len(together(came)), now, more=False)

    # --- 3: telemetry to the link ---

    def _send_telemetry(self, room: float, now: float) -> None:
        """About `room` bytes; the other frames wait in the bundler, and are dropped there when they are late."""
        bundles, batch = self._bundles, self._batch
        keys = [key for lane in TELEMETRY_LANES if (key := self.announcer.send_key(lane))]
        bundles.clear()
        self.bundler.bundle_into(bundles, now, room / max(1, len(keys)))
        batch.copy_from(bundles, [*range(bundles.count)] * len(keys))
        for number, key in enumerate(keys):
            self.announcer.sealer.seal(key, batch, number * bundles.count, bundles.count)
        self.downlink.send_live(batch, now, wide=False)

    # --- 4: from the stations ---

    def _take_commands(self, ready: Set[Endpoint], now: float) -> None:
        for link in [link for link in self.links if link in ready]:
            with self.barrier:
                self._take_link(link, now)

    def _take_link(self, link: Endpoint, now: float) -> None:
        accepted = self.uplink.receive(link, now)
        if accepted.frames:
            self.bundler.expect_answer(now)
            self.poller.resume(self.fc)
        for station in accepted.challenges:
            self.sessions.challenged(station)
        for station, kind, content in accepted.control:
            with self.barrier:
                if kind is Control.RECORD:
                    self.record.asked(station, on=content == RECORD_ON, now=now)
                elif kind is Control.ORDER_HELD:
                    self.sessions.order_held(station, content, now)
                elif not self.sessions.order_fragment(station, content, now):
                    self.uplink.opener.drops[DropReason.BAD_ORDER] += 1

    # --- 5: video to the link ---

    def _relay_video(self, ready: Set[Endpoint], now: float) -> None:
        for lane, camera in tuple(self._video) if ready else ():
            with self.barrier:
                if camera in ready and (count := self._relay_camera(lane, camera, now)):
                    self.pace.count(camera, count, now, more=count == self._batch.capacity)
                    self.state.heard[camera] = now
                    self._video.rotate(-1)
                    if self.announcer.beat_at <= now:  # after many datagrams one is due at once
                        self._due = None
                    return

    def _relay_camera(self, lane: Lane, camera: Endpoint, now: float) -> int:
        """How many datagrams came."""
        in_c = self.plain_video.relay(camera, lane, self.announcer, now, padded=self._pad_video)
        if in_c is not None:
            return in_c
        if count := camera.receive_into(self._batch, now):
            self.recording.batch(camera, self._batch, now)
            self.downlink.late += self._batch.leave_out_late(DROP_AFTER_S)
            self._send_video(lane, now)
        return count

    def _send_video(self, lane: Lane, now: float) -> None:
        batch, key = self._batch, self.announcer.send_key(lane)
        if key is None or not batch.count:
            return  # no station of the order may see video, or it was late
        if not self.downlink.takes_video(batch, now):
            return
        room = self.settings.mtu - DOWNLINK_OVERHEAD
        self.oversize.leave_out(batch, room - self._pad_video, now)
        if self._pad_video:
            pad_videos(batch, self.order.content.policy.pad, room)
        self.announcer.sealer.seal(key, batch)
        self.downlink.send_live(batch, now, wide=True)

    # --- 6: control ---

    def _send_control(self, now: float) -> None:
        if now < self._control_at:
            return
        before = self.announcer
        self.sessions.state = self.state.read(now)
        self._send(self.sessions.datagrams(now), now)
        if self.announcer is not before:
            self.recording.begin(self.announcer)
            self.uplink.follow(self.announcer)
            self.bundler.repad(self.order.content.policy.pad)
            self._pad_video = bool(self.order.content.policy.flags & PolicyFlag.PAD_VIDEO)
            self._say_sealed(now)

    def _send(self, datagrams: list[bytes], now: float) -> None:
        for batch in self._batch.refill(datagrams):
            self.downlink.send(batch, now)

    # --- 7: upkeep ---

    def _housekeep(self, now: float) -> None:
        within_s, beat_at = min(endpoint.tick_within_s() for endpoint in self.endpoints), self.announcer.beat_at
        self._housekeep_at = beat_at if within_s / 2 < beat_at - now < within_s else now + within_s  # one wake-up for both
        self.plain_video.collect(now, self.announcer)
        for endpoint in self.endpoints:
            with self.barrier:
                endpoint.tick(now)
        if now >= self._status_at:
            self._status_at = now + STATUS_EVERY_S
            with self.barrier:
                self._tell(now)
        with self.barrier:
            self.recording.tick(now)
        self.publisher.attach()
        self.pace.tick(now)
        self.uplink.opener.tick(now)
        self.sessions.watch(now)
        self.manager.turned(now)

    def _tell(self, now: float) -> None:
        for place in self.barrier.news():
            self.alarms.raise_(Reason.UNEXPECTED, now, key=place, place=place)
        self.oversize.look(now)
        self.users.tell(self.alarms, now)
        self.record.alarm(self.alarms, now)
        self.alarms.tick(now)
        self._watch.look(now)
        silent_cameras.alarm(self.alarms, self.cameras, self.state.read(now), now)
        status = self.status(now)
        self.record.events.look(now, self.announcer.freshness.challenges(now), up=status.sealed)
        self._order_end.look(status.order_left_s)
        self.publisher.send(status)
        self.manager.tell(lambda: advice.in_one_line(status))

    # --- what a person sees ---

    def _say_sealed(self, now: float) -> None:
        order = self.order.content
        say("air", f"sealed: operation {order.operation!r} of {order.agency!r}, {len(order.stations)} stations")
        names = ", ".join(lane.name.lower().replace("_", " ") for lane in self.announcer.lanes)
        say("air", f"session {self.announcer.session_id.hex()[:8]}, boot {self.sessions.boot}, lanes: {names}")
        if not self.record.has_key:
            say("air", recording_report.NOTHING_RECORDED)
        if self.vendors.names:
            say("air", wording.seal_begins(self.vendors.names))
        long_round.alarm(self.alarms, self.announcer.round_s, order.stations, now)

    def status(self, now: float) -> AirStatus:
        return self._report.read(now)
