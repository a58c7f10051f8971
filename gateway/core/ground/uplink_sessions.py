"""Uplink sessions: the sessions to which a station may send, a Commander for each, and which one of a device is commanded.

If a session is under another order than our newest, an OrderUploader carries ours up, if our role allows it.

SPEC.md section 7. Sans-IO: time and random bytes are arguments.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from firmware_shims import mavlink, target
from gateway.core import order_fragments
from gateway.core.barrier import Barrier
from gateway.core.ground.challenges import Way
from gateway.core.ground.commander import MAY_CONTROL, Commander
from gateway.core.ground.instance import Instance
from gateway.core.ground.order_uploader import OrderUploader
from gateway.core.ground.record_request import RecordRequest
from gateway.core.ground.session import Session
from gateway.core.ground.systems import Systems
from gateway.core.refusal import Refusal
from keys.beat_flag import Flag
from keys.epoch import Entropy
from keys.order import VerifiedOrder
from keys.order_station import OrderStation

SILENT_AFTER_S = 2.5  # without a beat, which a narrow link has once a second
OVERDUE_AFTER_S = 1.5  # without a beat, where OFTEN beats come
OFTEN = 1.5  # beats a second on average; a narrow link has fewer
# HEARTBEAT, SYSTEM_TIME, PING, TIMESYNC: a ground control station sends them whether or not its pilot asks for something.
_SENT_BY_ITSELF = frozenset((0, 2, 4, 111))
GONE_AFTER_S = 10.0  # without a beat: longer than a gap of an unstable link, and visible to the pilot


class Sealed(NamedTuple):
    """The result for some frames: the datagrams, how many frames are in them, and why the others are in none."""

    datagrams: list[bytes]
    sent: int
    refused: list[tuple[bytes, Refusal]]


class UplinkSessions:
    """All aircraft of `order`, as the station of this `index` may command them, each by the order under which it flies."""

    def __init__(
        self, order: VerifiedOrder, index: int, mtu: int, entropy: Entropy, barrier: Barrier | None = None
    ) -> None:
        self.order = order  # the newest
        self.systems = Systems(order.content, barrier)
        self.commanders: dict[bytes, Commander] = {}  # by session_id
        self.commanded_at: dict[bytes, float] = {}  # by device: when a frame that asks for something went up
        self._index, self._mtu, self._entropy = index, mtu, entropy
        self._uploaders: dict[bytes, OrderUploader] = {}  # by session_id
        self._commanded: dict[bytes, bytes] = {}  # public key of a device -> session_id
        self._handed_on: dict[bytes, tuple[int, bytes]] = {}  # by device: boot counter and instance
        self.record_requests: dict[bytes, RecordRequest] = {}  # by device; the last one of each
        self._followed = defaultdict[bytes, set[bytes]](set)  # by device: sessions in which our instance followed

    @property
    def station(self) -> OrderStation:
        """This station, as the newest order lists it."""
        return _listed(self.order, self._index)

    def adopt(self, order: VerifiedOrder) -> None:
        """Go on under an order that succeeds the present one. Nothing is sent to devices that it makes void."""
        self.order = order
        self.systems.adopt(order.content)
        void = {device.pub for device in order.content.devices if device.void}
        gone = {name for name, commander in self.commanders.items() if commander.session.device_public in void}
        self.commanders = {name: commander for name, commander in self.commanders.items() if name not in gone}
        self._uploaders = {name: uploader for name, uploader in self._uploaders.items() if name not in gone}

    def follow(self, sessions: Iterable[Session], now: float) -> None:
        """Take the present sessions; call it whenever they may have changed."""
        self._hand_on(now)
        closing = [commander.session for commander in self.commanders.values() if commander.closing(now)]
        known = [*closing, *(session for session in sessions if session.heard)]  # the listener may have dropped closed ones
        self.commanders = {session.session_id: self._commander(session) for session in known}
        for device in {session.device_public for session in known}:
            self._choose(device, now)
        self._send_uploaders(now)

    def _commander(self, session: Session) -> Commander:
        known = self.commanders.get(session.session_id)
        order = session.order or self.order
        station = _listed(order, self._index)
        if known and known.session is session and known.station is station:
            return known
        instance = known.instance if known else self._instance(session)
        return Commander(session, station, order.content.policy, self._mtu, self._entropy, instance)

    def _instance(self, session: Session) -> Instance:
        """Our instance in a new session. If it follows from a former one, the aircraft can tell that."""
        device = session.device_public
        boot_counter, name = self._handed_on.get(device, (0, None))
        former = name if boot_counter < session.boot_counter else None
        return Instance(session.session_id, self._index, self._entropy, former, self._followed[device])

    def _hand_on(self, now: float) -> None:
        """Keep the names of the commanded sessions' instances: the sessions may be gone when the next one is heard."""
        for device, commander in self._by_device().items():
            session = commander.session
            name = commander.instance.hand_on(answered=session.proved)
            if name and session.alive(now):
                self._handed_on[device] = session.boot_counter, name

    def _send_uploaders(self, now: float) -> None:
        """Have one uploader for each session that is not under our newest order."""
        others = {
            name: commander
            for name, commander in self.commanders.items()
            if self._flies_under_another(commander) and self.station.roles & MAY_CONTROL
        }
        kept = {name: uploader for name, uploader in self._uploaders.items() if uploader.order is self.order}
        self._uploaders = {
            name: kept.get(name) or OrderUploader(commander, self.order, now) for name, commander in others.items()
        }

    def _flies_under_another(self, commander: Commander) -> bool:
        """Whether a session is under another order, and its beats announce no change of order."""
        session = commander.session
        ahead = session.beat is not None and session.beat.flags & Flag.ORDER_CHANGE_AHEAD
        return session.order is not self.order and not ahead

    def _choose(self, device: bytes, now: float) -> None:
        """Choose the session to command. It stays while it beats: a newer one may be a copy of the aircraft."""
        theirs = [commander for commander in self.commanders.values() if commander.session.device_public == device]
        current = self.commanders.get(self._commanded.get(device, b""))
        beating = [c for c in theirs if not c.session.closed and now - c.session.beat_at <= SILENT_AFTER_S]
        if current is None or (beating and not _stays(current, beating, now)):
            choice = max(beating or theirs, key=lambda c: (c.session.boot_counter, c.session.first_beat_at))
            self._commanded[device] = choice.session.session_id

    @property
    def commanded(self) -> list[Commander]:
        """The one commanded session of each device."""
        return list(self._by_device().values())

    def _by_device(self) -> dict[bytes, Commander]:
        return {device: self.commanders[name] for device, name in self._commanded.items() if name in self.commanders}

    def challenges(self, ways: Sequence[Way], now: float) -> list[tuple[Way, bytes]]:
        """The challenges that are due, to every live session, so that each can be commanded at once; each with its way."""
        return [due for commander in self.commanders.values() for due in commander.challenges(ways, now)]

    def asking(self, now: float) -> bool:
        """Whether a challenge to a live session is unanswered."""
        live = (commander for commander in self.commanders.values() if commander.session.alive(now))
        return any(not commander.answered(now) for commander in live)

    def take_proved(self) -> list[Way]:
        """The ways by which a session was reached since the last call."""
        return [way for commander in self.commanders.values() for way in commander.take_proved()]

    def control(self, now: float) -> list[bytes]:
        """What is due by every way: what is to be recorded; our order and its name, to sessions under another one."""
        out: list[bytes] = []
        for commander in self.commanders.values():
            if commander.session.order is not self.order:
                out += commander.hold(order_fragments.name_of(self.order.order_hash), now)
        for device, request in self.record_requests.items():
            out += request.datagrams(self._by_device().get(device), now)
        return out + [datagram for uploader in self._uploaders.values() for datagram in uploader.datagrams(now)]

    def refusal(self, now: float) -> Refusal | None:
        """Why no aircraft may be commanded now; None if one may."""
        refusals = [commander.refusal(now) for commander in self.commanded] or [Refusal.NO_AIRCRAFT]
        return refusals[-1] if all(refusals) else None

    def refusal_of(self, session: Session, now: float) -> Refusal | None:
        """Why this session may not be commanded now; None if it may."""
        commander = self.commanders.get(session.session_id)
        if commander is None:
            return Refusal.NO_KEYS
        return commander.refusal(now) if commander in self.commanded else Refusal.OTHER_SESSION

    def seal(self, frames: Sequence[bytes], now: float, came_at: float | None = None) -> Sealed:
        """Seal `frames` in their order, each for its aircraft.

        `came_at`: when the first of them came to this computer; default `now`.
        """
        commanders, shares, missed = self._by_device(), defaultdict[bytes, list[int]](list), dict[int, Refusal]()
        for place, frame in enumerate(frames):
            devices = self._devices_for(frame, commanders, now)
            if isinstance(devices, Refusal):
                missed[place] = devices
            else:
                for device in devices:
                    shares[device].append(place)
        out: list[bytes] = []
        taken: set[int] = set()
        for device, places in shares.items():
            sealed = commanders[device].seal([frames[place] for place in places], now, came_at)
            if isinstance(sealed, Refusal):
                missed |= dict.fromkeys(places, sealed)
            else:
                out += sealed
                taken.update(places)
                if not all(mavlink.message_id(frames[place]) in _SENT_BY_ITSELF for place in places):
                    self.commanded_at[device] = now
        refused = [(frames[place], missed[place]) for place in sorted(missed.keys() - taken)]
        return Sealed(out, len(taken), refused)

    def _devices_for(self, frame: bytes, commanders: dict[bytes, Commander], now: float) -> Sequence[bytes] | Refusal:
        """The public keys of its devices; or why it is for none of them. SPEC.md section 7.4."""
        if not commanders:
            return Refusal.NO_AIRCRAFT
        system = target.system(frame)
        if system:
            return self._device_of(system, commanders)
        several = sum(_may_be_meant(each, now) for each in commanders.values()) > 1
        if several and system == target.EVERYBODY and not target.may_mean_all(frame):
            return Refusal.FOR_ALL
        return [*commanders]

    def _device_of(self, system: int, commanders: dict[bytes, Commander]) -> Sequence[bytes] | Refusal:
        owner = self.systems.owner(system)
        if owner is None:
            return Refusal.NOBODYS
        return [owner] if owner in commanders else Refusal.NO_AIRCRAFT


def _stays(current: Commander, beating: Sequence[Commander], now: float) -> bool:
    """Whether the uplink stays at `current` though others of that device are heard.

    A closed session is commanded until another one can be. A later start that has answered us replaces an overdue one.
    """
    ready = [other.session for other in beating if other is not current and other.refusal(now) is None]
    if current.session.closed:
        return current.closing(now) and not ready
    later = any(session.boot_counter > current.session.boot_counter for session in ready)
    return current in beating and not (later and _overdue(current.session, now))


def _may_be_meant(commander: Commander, now: float) -> bool:
    """Whether a command that names no aircraft may mean this one: only if a key of it was ever granted here.

    That includes one that has just become silent: no command goes up to it, but the only other aircraft must not carry out
    a command that was meant for it.
    """
    session = commander.session
    if not (session.opened or session.uplink_keys):
        return False
    return commander.closing(now) if session.closed else now - session.beat_at <= GONE_AFTER_S


def _overdue(session: Session, now: float) -> bool:
    """Whether its beats came twice a second, as on all but narrow links, and three are missing."""
    beat = session.beat
    return beat is not None and now - session.beat_at > OVERDUE_AFTER_S and beat.seq >= OFTEN * beat.session_ms / 1000


def _listed(order: VerifiedOrder, index: int) -> OrderStation:
    return next(station for station in order.content.stations if station.index == index)
