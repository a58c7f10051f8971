"""Ground: the role at a station. Connects the link to the opener, and the opener to the programs that people use.

Between two turns C waits and opens video by itself, as long as nothing else happens (`_plain_turns`, gateway.native).
One turn of the loop, and the functions in its order:
  1  `turn`          wait for an endpoint or a deadline; if only links have data and nothing is due, steps 2 to 4 are all
  2  `_open_link`    one batch from a link is opened in place (gateway.core.ground.opener)
  3  `_to_gcs`       telemetry first: one MAVLink frame per datagram, in order also by several links (core/ground/reorder)
  4  `_to_video`     each video lane to its player, datagram for datagram
  5  `_take_gcs`     what a ground control station sends goes up, if this station may command (gateway.ground.uplink)
  6  `_housekeep`    reopening, status, a newer order (succession.py), starts to the station folder (boots.py)

When the link is silent, so is the plain side: no frame is made up. Only notices are frames of our own (notices.py).
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Set

from firmware_shims import addresses
from gateway import clock, config
from gateway.batch import Batch
from gateway.config import GroundConfig
from gateway.core.barrier import Barrier
from gateway.core.drop_reason import DropReason
from gateway.core.ground.listener import Listener, StationIdentity
from gateway.core.ground.opened import Bundle, Opened
from gateway.core.ground.opener import Opener
from gateway.core.ground.paths import Paths
from gateway.core.ground.reorder import Reorder
from gateway.core.ground.uplink_sessions import UplinkSessions
from gateway.endpoints import Endpoint, open_endpoint, open_link
from gateway.ground import session_report
from gateway.ground.aircraft_watch import AircraftWatch
from gateway.ground.boots import Boots
from gateway.ground.bundle_gaps import BundleGaps
from gateway.ground.link_record import link_record
from gateway.ground.named_start import named_start
from gateway.ground.notices import Notices
from gateway.ground.order_file import OrderFile
from gateway.ground.owners import Owners
from gateway.ground.path_size import PathSizes
from gateway.ground.plain_video import PlainVideo
from gateway.ground.publication import Publication
from gateway.ground.record_inbox import RecordInbox
from gateway.ground.status_report import StatusReport
from gateway.ground.succession import Succession
from gateway.ground.uplink import GroundUplink
from gateway.ground.vendor_watch import VendorWatch
from gateway.guards import Guards
from gateway.local_users import LocalUsers
from gateway.loop import hardening, watchdog
from gateway.loop.background import BackgroundTask
from gateway.loop.barrier import breathe
from gateway.loop.poller import Poller
from gateway.report import in_clear, runtime_folder, wording
from gateway.report.advice import in_one_line
from gateway.report.alarms import Alarms, Reason
from gateway.report.endpoint_watch import EndpointWatch
from gateway.report.frame_counts import FrameCounts
from gateway.report.log import say
from gateway.report.meter import Meter
from gateway.report.order_end import OrderEnd
from gateway.report.role_status import GroundStatus, Use
from gateway.report.status_socket import Publisher
from keys.folders.station import StationFolder
from keys.lanes import VIDEO_LANES
from keys.order import VerifiedOrder

BATCHES_A_TURN = 8  # of one link, before the other links and the upkeep have their turn
HOUSEKEEP_SOON_S = 0.1  # after a beat or another message about keys; and the time between two while an answer is awaited
STATUS_EVERY_S = 0.5
SESSIONS_EVERY_S = 0.4  # of the upkeep of sessions, while nothing is heard about their keys


class Ground:
    """One station that listens under one order. `turn` may be called as soon as it is made."""

    _due: float | None = None  # the next deadline; None if it has to be found again

    def __init__(
        self,
        settings: GroundConfig,
        station: StationFolder,
        order: VerifiedOrder,
        manager: watchdog.Manager,
        users: LocalUsers,
        guards: Guards | None = None,
    ) -> None:
        self.settings, self.station, self.manager, self.users = settings, station, manager, users
        self.barrier = Barrier()
        me = StationIdentity(station.index_in(order.content), station.profile, station.seed)
        self.listener = Listener(order, me, {}, named_start(settings, order))
        self.opener = Opener(self.listener, self.barrier)
        self.paths, self.frames, self._gaps = Paths(len(settings.link)), FrameCounts(), BundleGaps()
        self.reorder = Reorder(self.paths.several)
        buffer = settings.buffer_kib << 10
        self.links = [open_link(config.endpoint(text), buffer, proved=True) for text in settings.link]
        self._links_in_turn, self._only_links = deque(enumerate(self.links)), frozenset(self.links)
        self.path_sizes = PathSizes(self.links, self.paths.receptions)
        self.gcs = [
            open_endpoint(config.endpoint(text), buffer, users.rule, commands=True, large=True) for text in settings.gcs
        ]
        self.players = [open_endpoint(config.endpoint(text), buffer, users.rule) for text in settings.video]
        # A player that comes to a port of ours has none that a camera's message could name.
        self._video_ports = tuple(end.address.port if end.address.kind == "udpout" else None for end in self.players)
        self.endpoints: list[Endpoint] = [*self.links, *self.gcs, *self.players]
        self.meter = Meter({Use.LINK: self.links, Use.GCS: self.gcs, Use.PLAYER: self.players}, self.paths.receptions)
        self.poller = Poller(self.endpoints)
        sessions = UplinkSessions(order, me.index, settings.mtu, os.urandom, self.barrier)
        self.systems = sessions.systems
        self.owners = Owners(self.systems, self.listener, station)
        self.record_inbox, self.link_record = RecordInbox(sessions, self.owners), link_record(settings, station, order)
        feed = config.feed(settings.feed) if settings.feed else None
        self.publication = Publication(station.name, feed, users.rule, self.owners, self.systems)
        self.alarms = Alarms(lambda text: say("ground", f"{station.name}: {text}"))
        self.uplink = GroundUplink(sessions, self.gcs, self.links, self.alarms, self.barrier, guards)
        parts = (OrderFile(settings.order), self.listener, self.uplink, self.alarms, self.barrier)
        self.succession = Succession(station, *parts)
        self._batch, self._plain = Batch(settings.batch, settings.few), Batch(settings.batch, settings.few)
        ends = (self.links, self.players, self._batch, self.opener, self.paths)
        self.plain_video = PlainVideo(*ends, native=settings.native, record=self.link_record)
        self._housekeep_at = self._sessions_at = self._status_at = 0.0
        self.started, self._older_seen = clock.now(), 0  # the latter: datagrams of older sessions that raised an alarm
        self._aircraft = AircraftWatch(self.alarms, Notices(self.gcs) if settings.notices else None)
        self._vendors = VendorWatch(self.alarms)
        self.publisher = Publisher("ground", station.name, folder=runtime_folder.of_ground)
        self.boots = Boots(station, self.listener, self.alarms, BackgroundTask(self.barrier))
        self._order_end = OrderEnd(lambda text: say("ground", f"{station.name}: {text}"))
        self._watch = EndpointWatch(self.endpoints, lambda text: say("ground", f"{station.name}: {text}"))
        # What the log says: of each session, and to which ones commands go up.
        self._shown, self._commanded = dict[bytes, session_report.Seen](), set[bytes]()
        self._report = StatusReport(self)

    @property
    def order(self) -> VerifiedOrder:
        return self.listener.order

    def run(self) -> None:
        """Open until SIGINT or SIGTERM."""
        with self.publisher:
            order = self.order.content
            say("ground", f"{self.station.name}: listening for operation {order.operation!r} of {order.agency!r}")
            self._show_unsaved(self.started)
            self.publication.alarm(self.alarms, self.started)
            in_clear.alarm(self.alarms, self.gcs, self.players, self.started)
            hardening.freeze_gc()
            while not self.poller.stopping:
                self._plain_turns()
                self.turn()
        self._end()

    def _end(self) -> None:
        self.plain_video.close()
        self.boots.finish()
        if self.link_record:
            self.link_record.end()
        for endpoint in self.endpoints:
            endpoint.close()
        self.publication.close()

    # --- 1: a turn ---

    def _plain_turns(self) -> None:
        """Those of C, one after another, until another turn is due. If video is published, Python sees each of them."""
        if self.plain_video.why_python or self.publication.wants_video:
            return
        self._due = self._deadline()
        with self.barrier:
            self.plain_video.wait(self.poller, self._due, self.path_sizes.watched)

    def _deadline(self) -> float:
        if self._due is None:
            dues = self._housekeep_at, self.reorder.next_due(), self.uplink.next_due(), self.publication.next_due()
            return min(dues)
        return self._due

    def turn(self) -> None:
        """The barrier is at each entry of hostile input: an input that fails there costs itself alone."""
        self._due = due = self._deadline()
        ready = self.poller.wait(due)
        now = clock.now()
        if now >= due or not self._only_links.issuperset(ready):
            self._due = None
            self._whole_turn(ready, now)
        else:
            self._take_links(ready, now)  # nearly all turns
        breathe(self.barrier)

    def _whole_turn(self, ready: Set[Endpoint], now: float) -> None:
        if now >= self._housekeep_at:
            self._housekeep(now)
            ready = {*self.endpoints}  # some send what waits in them, or notice that they are broken
        self._take_links(ready, now)
        with self.barrier:
            self._to_gcs(self.reorder.release(now), now)
            if now >= self.publication.next_due():
                self.publication.flush()
        self._take_gcs(ready, now)

    def _take_links(self, ready: Set[Endpoint], now: float) -> None:
        self._links_in_turn.rotate()  # so that no link is always read first and wins as the first copy
        for number, link in self._links_in_turn:
            if link in ready:
                with self.barrier:
                    self._take_link(number, link, now)

    def _take_link(self, number: int, link: Endpoint, now: float) -> None:
        """A link never rests: that would delay its telemetry, and what the aircraft sends together comes together."""
        for _ in range(BATCHES_A_TURN):
            began = clock.now()
            # A path whose sizes are watched is read by Python, which notes them.
            watched = number in self.path_sizes.watched
            more = None if watched else self.plain_video.take(link, self.publication, now)
            if more is not None:
                if not more:
                    break
                continue
            if count := link.receive_into(self._batch, now):
                came_at = clock.now()
                if self.link_record:
                    with self.barrier:
                        self.link_record.take(number, self._batch, self.order, came_at)
                self._open_link(number, link, began, came_at)
            if count < self._batch.capacity and not link.waiting:
                break

    # --- 2: from the link ---

    def _open_link(self, number: int, link: Endpoint, began: float, now: float) -> None:
        opened = self.opener.open(self._batch, now)
        self.plain_video.heard(link, opened)
        self.opener.look_again(opened, clock.now() - began)
        if opened.bundles:
            self._due = None
        elif not opened.video:
            self._due = None
            self._housekeep_soon(now)
        if opened.fresh:
            link.authenticated(link.senders(opened.fresh), now)
        with self.barrier:
            for arrival in opened.arrivals:
                senders = link.senders(arrival.slots)
                self.paths.hear(number, arrival, senders, now)
                if number in self.path_sizes.watched:
                    self.path_sizes.note(number, arrival, self._batch)
                link.propose(senders, now)
        if opened.bundles:
            with self.barrier:
                self._to_gcs(self.reorder.put(self.systems.sift(opened.bundles), now), now)
        if opened.video:
            self._to_players(opened, now)
        if opened.bundles or not opened.video:
            self._record(now)

    def _record(self, _now: float) -> None:
        self.boots.record()
        self.owners.record()

    # --- 3 and 4: to the people ---

    def _to_gcs(self, bundles: list[Bundle], now: float) -> None:
        self.uplink.answers.hear(bundles)
        frames: list[bytes | memoryview] = [frame for bundle in bundles for frame in bundle.frames]
        with self.barrier:
            if any(map(addresses.is_stream, frames)):
                frames = [addresses.at_station(frame, self._video_ports) for frame in frames]
            self.frames.count(frames, after_gap=self._gaps.found(bundles))
            self.publication.telemetry(bundles)
        for plain in self._plain.refill(frames):
            for gcs in self.gcs:
                with self.barrier:
                    gcs.send(plain, now)

    def _to_players(self, opened: Opened, now: float) -> None:
        for lane, player in zip(VIDEO_LANES, self.players, strict=False):
            if slots := opened.slots(lane):
                with self.barrier:
                    self._to_video(player, slots, now)
        with self.barrier:
            self.publication.video(opened, self._batch, now)

    def _to_video(self, player: Endpoint, slots: list[int], now: float) -> None:
        if len(slots) == self._batch.count:
            player.send(self._batch, now)
        else:
            self._plain.copy_from(self._batch, slots)
            player.send(self._plain, now)

    # --- 5: from the ground control station ---

    def _take_gcs(self, ready: Set[Endpoint], now: float) -> None:
        self.uplink.relay(ready, now)
        for player in self.players:
            with self.barrier:
                if player in ready:
                    player.receive_into(self._plain, now)  # receiver reports (RTCP), and the address of a player at a udpin

    # --- 6: upkeep ---

    def _housekeep(self, now: float) -> None:
        self._housekeep_at = now + min(end.tick_within_s() for end in self.endpoints)
        steps: list[Callable[[float], None]] = [*(end.tick for end in self.endpoints), self.publication.tick]
        steps += [self.link_record.hand_over] if self.link_record else []
        sessions, status = now >= self._sessions_at, now >= self._status_at
        steps += [self.plain_video.collect] if sessions or status else []
        if sessions:
            self._sessions_at = now + SESSIONS_EVERY_S
            steps += [self.listener.tick, self._challenge, self._show_sessions, self._show_commands]
            steps += [self._record, self.boots.write, self.succession.look_at_link]
        if status:
            self._status_at = now + STATUS_EVERY_S
            steps += [self._tell, self._watch.look, self.succession.look_at_file, self._show_alarms]
        for step in steps:
            with self.barrier:
                step(now)
        if self.uplink.sessions.asking(now):
            self._housekeep_soon(now)
        self.publisher.attach()
        self.manager.turned(now)

    def _housekeep_soon(self, now: float) -> None:
        self._housekeep_at, self._sessions_at = min(self._housekeep_at, now + HOUSEKEEP_SOON_S), 0.0

    def _challenge(self, now: float) -> None:
        self.uplink.challenge(self.listener.sessions.values(), now)

    def _tell(self, now: float) -> None:
        self.path_sizes.look(self.listener.sessions.values(), self.listener.my_lanes, now)
        self.record_inbox.look(self.publisher.path, now)
        status = self.status(now)
        self.publisher.send(status)
        self._aircraft.look(status.sessions, now)
        self._vendors.look(self.order.content, status.sessions, now)
        self._order_end.look(status.order_left_s)
        self.manager.tell(lambda: in_one_line(status))

    # --- what a person sees ---

    def _show_sessions(self, now: float) -> None:
        """Print one line when the state of a session changes. Sessions that the listener dropped are forgotten."""
        for session in self.listener.sessions.values():
            seen = session_report.seen(session, self.listener.me.index, now)
            if self._shown.get(session.session_id) != seen:
                self._shown[session.session_id] = seen
                say("ground", f"{self.station.name}: session {session.session_id.hex()[:8]}: {seen.text}")
        held = {session.session_id for session in self.listener.sessions.values()}
        self._shown = {name: seen for name, seen in self._shown.items() if name in held}
        self._commanded &= held

    def _show_alarms(self, now: float) -> None:
        """Raise the alarms whose reason holds, and end the others."""
        for place in self.barrier.news():
            self.alarms.raise_(Reason.UNEXPECTED, now, key=place, place=place)
        older = self.opener.drops[DropReason.OLDER_SESSION]
        if (refused := self.listener.starts.refused) and older > self._older_seen:
            self._older_seen = older
            device = self.owners.name(refused.device_public)
            self.alarms.raise_(
                Reason.OLDER_SESSION, now, key=device, device=device, heard=refused.heard, known=refused.known
            )
        if self.listener.two_aircraft(now):
            self.alarms.raise_(Reason.TWO_AIRCRAFT, now)
        if time.time() > self.order.content.not_after:
            self.alarms.raise_(Reason.ORDER_ENDED, now)
        else:
            self.alarms.clear(Reason.ORDER_ENDED)
        self.owners.alarm(self.alarms, now)
        if self.link_record:
            self.link_record.look(self.alarms, now)
        self._show_unsaved(now)
        self.users.tell(self.alarms, now)
        self.alarms.tick(now)

    def _show_unsaved(self, now: float) -> None:
        if self.station.unsaved_order:
            self.alarms.raise_(Reason.ORDER_UNSAVED, now, error=self.station.unsaved_order)
        else:
            self.alarms.clear(Reason.ORDER_UNSAVED)

    def _show_commands(self, now: float) -> None:
        """Print one line when commands to a session begin or cease to go up."""
        for session in self.listener.sessions.values() if self.uplink.may_command else ():
            refusal, name = self.uplink.sessions.refusal_of(session, now), session.session_id
            if (refusal is None) != (name in self._commanded):
                self._commanded ^= {name}
                say("ground", f"{self.station.name}: session {name.hex()[:8]}: {wording.commands(refusal)}")

    def status(self, now: float) -> GroundStatus:
        return self._report.read(now)
