"""Two of each end of a link that get the same datagrams: one turns in Python, the other in C where that is plain.

What lives here: both ends, their datagrams (hostile ones too), and the comparison. Seeded, over real sockets.
"""

from __future__ import annotations

import contextlib
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from gateway import clock
from gateway.batch import AGED_S, CAPACITY, HEADROOM, ROOM, Batch
from gateway.core.drop_reason import DropReason
from gateway.core.ground.session import Lease
from gateway.core.sealer import Sealer
from gateway.core.sframe import encode_header
from gateway.demo.stage import HOST, drain, free_port, port_of, udp_socket
from gateway.endpoints import Endpoint, open_endpoint, open_link
from gateway.endpoints.address import parse
from gateway.endpoints.endpoint import State
from gateway.endpoints.mmsg import Mmsg
from gateway.native.library import Library
from gateway.native.open import OpenTurn
from gateway.native.seal import SealTurn
from gateway.native.structures import Open, Seal
from gateway.recording import pcap, stage
from gateway.recording.group import Group, Port
from gateway.recording.handover import MESSAGE_MAX
from gateway.recording.link.form import LINK_PORT
from gateway.recording.link.stage import GROUP, LinkStage
from gateway.recording.stage import Stages
from keys.keyring import REJECT_AFTER_PACKETS, KeyExhausted, SendKey
from keys.lanes import VIDEO_LANES, Lane
from keys.policy import Policy
from keys.replay import DOWNLINK_WINDOW
from tests.memory_link import Station, World, lossy, mavlink_frame
from tests.stage_reader import Recorder, empty

LARGEST = 1449  # plaintext of a datagram of video, for a link of 1,472 bytes
SIZES = (0, 1, 60, 700, 1_177, 1_177, 1_177, LARGEST)
# Where the counter of a header grows, where the window begins anew, and where counters end.
WIDTHS = (6, 254, 65_534, DOWNLINK_WINDOW - 2, (1 << 24) - 2, REJECT_AFTER_PACKETS - 2)
MESSAGES = 2  # that wait for the recorder
FAR = 1 << 40  # of a time that never comes
ROUNDS, TRIES = 60, 5


def tick(endpoint: Endpoint, *states: State) -> Endpoint:
    """Until it is open."""
    while endpoint.state not in states:
        endpoint.tick(clock.now())
    return endpoint


def runs(rng: random.Random, count: int) -> list[bytes]:
    """As video has them: runs of one size with a shorter end."""
    out: list[bytes] = []
    while len(out) < count:
        size = rng.choice(SIZES)
        out += [rng.randbytes(size) for _ in range(rng.randrange(1, 30))] + [rng.randbytes(rng.randrange(size + 1))]
    return out[:count]


class Mouth:
    """Two sockets that send the same to several ports, each port the same datagrams from the same sender."""

    def __init__(self, ports: Sequence[int]) -> None:
        self.ports = ports
        self.sockets = [[udp_socket() for _ in range(2)] for _ in ports]  # the usual sender, and a stranger

    def say(self, rng: random.Random, datagrams: Iterable[bytes], stranger: float = 0.0, joined: float = 0.7) -> None:
        """Some of them as one piece, as a link brings them."""
        waiting = [*datagrams]
        while waiting:
            part, waiting = waiting[:CAPACITY], waiting[CAPACITY:]
            if rng.random() < stranger:
                self._send(part, 1, joined=False)
            else:
                self._send(part, 0, joined=rng.random() < joined and max(map(len, part)) <= ROOM)

    def _send(self, datagrams: Sequence[bytes], who: int, *, joined: bool) -> None:
        batch = Batch()
        for port, sockets in zip(self.ports, self.sockets, strict=True):
            if joined:
                batch.hold(datagrams)
                mover = Mmsg(sockets[who])
                sent = mover.send(batch, mover.peer((HOST, port)))
                assert sent.error == 0
            else:
                for datagram in datagrams:
                    sockets[who].sendto(datagram, (HOST, port))

    def close(self) -> None:
        for each in self.sockets:
            for made in each:
                made.close()


class Pace:
    """Whether this process stood still while datagrams waited: then their age decides what becomes of them."""

    stood_still = False

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        began = clock.now()
        try:
            yield
        finally:
            self.stood_still |= clock.now() - began >= AGED_S


class Camera:
    """One camera, its lane, its link and its recorder, aboard. `in_c`: where it is plain."""

    def __init__(self, library: Library | None) -> None:
        self.port, self.sink = free_port(), udp_socket()
        self.camera = tick(open_endpoint(parse(f"udpin:{HOST}:{self.port}")), State.IDLE)
        self.link = tick(open_link(parse(f"udpout:{HOST}:{port_of(self.sink)}")), State.CONNECTED)
        self.batch = Batch()
        self.turn_in_c = SealTurn(library, self.camera, self.batch) if library else None
        self.recorder, self.stages = Recorder(), Stages([Group.VIDEO_B])
        self.stages.want(Group)
        self._leave_little_room()
        if self.turn_in_c is not None:
            self.turn_in_c.record(self.stages, Group.VIDEO_B)
        self.in_c, self.exhausted, self.sealed_in_c = False, 0, 0
        self.later = clock.now() + FAR

    def _leave_little_room(self) -> None:
        """So that some are lost, and so that the last message ends where the memory does."""
        at, unused = self.stages._at[Group.VIDEO_B], (stage.MESSAGES - stage.MESSAGES_OF_FLIGHT - MESSAGES) * MESSAGE_MAX
        self.stages._words[at + stage.ROOM] = MESSAGES
        self.stages._words[at + stage.MEMORY] += unused
        self.stages._begin[at] += unused

    def begin(self, base_key: bytes, kid: int, session_id: bytes) -> None:
        self.key, self.session_id, self.sealer = SendKey(base_key, kid), session_id, Sealer(session_id)
        self.in_c, self.exhausted = False, 0

    def empty(self) -> list[bytes]:
        """Turn until nothing waits; what left by the link."""
        left: list[bytes] = []
        while self._turn():
            left += drain(self.sink)
        return left + drain(self.sink)

    def _turn(self) -> bool:
        now = clock.now()
        if self.turn_in_c is not None:
            if self.in_c and (done := self.turn_in_c.turn(now)) is not None:
                self.sealed_in_c += done
                return done > 0
            self.turn_in_c.collect(now)
        came = self._by_hand(now)
        if self.turn_in_c is not None:
            self.in_c = self.turn_in_c.prepare(self.key, self.session_id, LARGEST, [self.link], FAR)
        return came

    def _by_hand(self, now: float) -> bool:
        """As gateway.air.role does it."""
        if not self.camera.receive_into(self.batch, now):
            return False
        self.stages.add_batch(Group.VIDEO_B, Port.VIDEO_B, self.batch, now)
        self.batch.keep(np.flatnonzero(self.batch.lengths[: self.batch.count] <= LARGEST))
        try:
            self.sealer.seal(self.key, self.batch)
            self.link.send(self.batch, now)
        except KeyExhausted:
            self.exhausted += 1
        return True

    def state(self) -> tuple[object, ...]:
        if self.turn_in_c is not None:
            self.turn_in_c.collect(clock.now())
        self.record()
        lost = self.recorder.lost[Group.VIDEO_B]
        return self.key.next_ctr, self.exhausted, self.camera.counters, self.link.counters, lost

    def record(self) -> list[bytes]:
        """What a recorder gets that connects now, without times; they go forward."""
        self.stages.connect(self.recorder.air)
        self.later += 1.0
        empty(self.stages, self.recorder, self.later)
        self.stages.connect(None)
        records = self.recorder.records[Group.VIDEO_B]
        times = [each.time_ns for each in records]
        assert times == sorted(times)
        assert all(0 < time <= clock.now() * 1e9 for time in times)
        contents = [b"%d " % each.port + each.content for each in records]
        records.clear()
        return contents

    def close(self) -> None:
        if self.turn_in_c is not None:
            self.turn_in_c.close()
        self.camera.close()
        self.link.close()
        self.sink.close()
        self.recorder.air.close()
        self.recorder.made.close()


class Link:
    """One link of a ground, and the players of its lanes. `in_c`: where it is plain."""

    def __init__(self, library: Library | None, station: Station) -> None:
        self.port, self.sinks = free_port(), [udp_socket() for _ in VIDEO_LANES]
        self.station, self.opener = station, station.opener
        self.link = tick(open_link(parse(f"udpin:{HOST}:{self.port}"), proved=True), State.IDLE)
        ends = [parse(f"udpout:{HOST}:{port_of(sink)}") for sink in self.sinks]
        self.players = [tick(open_endpoint(end), State.CONNECTED) for end in ends]
        self.batch, self.plain = Batch(), Batch()
        self.turn_in_c = OpenTurn(library, self.link, self.players, self.batch) if library else None
        self.in_c = False
        self.name: object = None
        self.frames: list[bytes] = []
        self.opened_in_c = 0
        self.stage = LinkStage(clock.now())
        if self.turn_in_c is not None:
            self.turn_in_c.record(self.stage.stages, GROUP, LINK_PORT + 1)
        self.ahead = 0.0  # of the flight's time before the clock's: a test need not wait for epochs

    def empty(self) -> list[list[bytes]]:
        """Turn until nothing waits; what left to the players."""
        left: list[list[bytes]] = [[] for _ in self.sinks]
        more = True
        while more:
            more = self._turn()
            for out, sink in zip(left, self.sinks, strict=True):
                out.extend(drain(sink))
        return left

    def _turn(self) -> bool:
        now = clock.now()
        if self.turn_in_c is not None:
            if self.in_c and (done := self.turn_in_c.turn(now)) is not None:
                return done > 0
            self.collect(now)
        came = self._by_hand(now)
        self._prepare()
        return came

    def kept(self) -> list[tuple[int, bytes]]:
        """What came and is kept of it, since this was asked last; times go forward."""
        found, lost = self.stage.take()
        records = [record for message in found for record in pcap.read(message)]
        times = [record.time_ns for record in records]
        assert (lost, times) == (0, sorted(times))
        return [(record.port, record.content) for record in records]

    def tick(self, now: float) -> None:
        """As the upkeep does."""
        if self.turn_in_c is not None:
            self.collect(now)
        self.opener.listener.tick(now)
        self._prepare()

    def _prepare(self) -> None:
        if self.turn_in_c is not None:
            leases = [each for leases in self.opener.listener.leases.values() for each in plain(leases)]
            until = self.opener.listener.next_change - self.ahead
            self.in_c = self.turn_in_c.prepare(leases, self.name, until, feed=False)

    def collect(self, now: float) -> None:
        assert self.turn_in_c is not None
        for lease, ctrs, bad_tag in self.turn_in_c.collect(now):
            self.opened_in_c += len(ctrs)
            self.opener.opened[lease.lane] += len(ctrs)
            self.opener.drops[DropReason.BAD_TAG] += bad_tag

    def _by_hand(self, now: float) -> bool:
        """As gateway.ground.role does it."""
        if not self.link.receive_into(self.batch, now):
            return False
        self.stage.add(1, self.batch, clock.now())
        opened = self.opener.open(self.batch, now + self.ahead)
        self.frames += [bytes(frame) for frame in opened.frames]
        for arrival in opened.arrivals:
            if arrival.lease.lane in VIDEO_LANES:
                self.name = self.link.only_sender()
        for lane, player in zip(VIDEO_LANES, self.players, strict=True):
            if slots := opened.slots(lane):
                self.plain.copy_from(self.batch, slots)
                player.send(self.plain, now)
        return True

    def state(self) -> tuple[object, ...]:
        if self.turn_in_c is not None:
            self.collect(clock.now())
        drops = self.opener.drops.copy()
        # A forgery beside the genuine datagram of the same counter is one or the other, as the batches happen to be cut.
        drops[DropReason.BAD_TAG] += drops.pop(DropReason.REPLAYED, 0)
        drops = +drops
        leases = [lease for leases in self.opener.listener.leases.values() for lease in leases]
        windows = {lease.key.kid: (lease.key.window.top, lease.key.window.seen.tobytes()) for lease in leases}
        opened = {lane: count for lane, count in self.opener.opened.items() if count}
        counters = [end.counters for end in (self.link, *self.players)]
        return drops, opened, windows, counters, self.frames

    def first_slot(self, size: int) -> bytes:
        """Where a lone datagram was opened, or wiped."""
        return self.batch.octets[0, HEADROOM : HEADROOM + size].tobytes()

    def close(self) -> None:
        if self.turn_in_c is not None:
            self.turn_in_c.close()
        for end in (self.link, *self.players):
            end.close()
        for sink in self.sinks:
            sink.close()


class Flight:
    """An aircraft, and two copies of one station that hear it. All that is random comes from `rng`."""

    def __init__(self, library: Library | None, rng: random.Random, pace: Pace) -> None:
        self.pace, self.rng, self.ahead = pace, rng, 0.0
        self.world = World(rng.randrange(1 << 30), policy=Policy(rekey_s=60, announce_s=2))
        self.aircraft = self.world.aircraft(clock.now())
        self.ends = [Link(None, self.world.station()), Link(library, self.world.station())]
        self.mouth = Mouth([end.port for end in self.ends])
        self.sent: list[bytes] = []
        self.datagrams = 0
        while not all(end.opener.listener.leases for end in self.ends):
            self.control()

    def control(self) -> None:
        """Some time passes, and both hear what the aircraft says by itself."""
        self.ahead += self.rng.choice((0.5, 0.5, 2.0))
        now = clock.now() + self.ahead
        for end in self.ends:
            end.ahead = self.ahead
            end.tick(now)
        self.say(self.aircraft.control(now))

    def say(self, datagrams: Sequence[bytes], **how: float) -> None:
        """Both get the same, and have done the same with it."""
        self.datagrams += len(datagrams)
        with self.pace.kept():
            self.mouth.say(self.rng, datagrams, **how)
            one, other = (end.empty() for end in self.ends)
            kept, also = (end.kept() for end in self.ends)
        assert kept == also, "what is kept differs"
        if _grows(datagrams):
            one, other = ([sorted(out) for out in outs] for outs in (one, other))
        assert one == other
        if len(datagrams) == 1:
            one, other = (end.first_slot(min(ROOM, len(datagrams[0]))) for end in self.ends)
            assert one == other, "what is left behind differs"

    def compare(self) -> None:
        same(*(end.state() for end in self.ends))

    def round(self) -> None:
        """Datagrams of one moment, as the air brings them, and those that an attacker adds."""
        rng = self.rng
        if rng.random() < 0.1:  # more than C has room for in one turn
            lane, small = rng.choice(VIDEO_LANES), [rng.randbytes(60) for _ in range(CAPACITY)]
            self.say([each for _ in range(5) for each in self.aircraft.seal(lane, small)], joined=1.0)
            return
        datagrams = [datagram for _ in range(rng.randrange(1, 4)) for datagram in self._sealed()]
        self.sent = [*self.sent, *datagrams][-2_000:]
        bad = rng.random() < 0.5
        if bad:
            air = lossy(rng, loss=0.02, duplicate=0.02, swap=0.02, damage=0.02)
            datagrams = air(datagrams)
            for _ in range(rng.choice((0, 1, 5))):
                datagrams.insert(rng.randrange(len(datagrams) + 1), self._hostile(datagrams))
        while datagrams:
            some = rng.choice((1, 7, 64, 300))
            self.say(datagrams[:some], stranger=0.05 * bad)
            datagrams = datagrams[some:]

    def _sealed(self) -> list[bytes]:
        rng, now = self.rng, clock.now() + self.ahead
        lane = rng.choice(VIDEO_LANES)
        kind = rng.random()
        if kind < 0.7:
            return self.aircraft.seal(lane, runs(rng, rng.randrange(1, CAPACITY + 1)))
        if kind < 0.9:
            return self.aircraft.telemetry([mavlink_frame(rng, seq) for seq in range(rng.randrange(1, 20))], now)
        key = self._key(lane)
        if kind < 0.95:  # a gap, or the place where the header grows
            further = [ctr for ctr in WIDTHS if key.next_ctr < ctr < self._below(lane)]
            before = rng.choice((0, 0, 70))  # so that the next picture crosses it, perhaps in C
            key.next_ctr = max(key.next_ctr, min(further, default=key.next_ctr + rng.randrange(1, 200)) - before)
        else:
            key.next_ctr = max(key.next_ctr, self._below(lane) - 2)
        return self.aircraft.seal(lane, runs(rng, 4))

    def _key(self, lane: Lane) -> SendKey:
        key = self.aircraft.announcer.send_key(lane)
        assert key is not None
        return key

    def _below(self, lane: Lane) -> int:
        leases = self.ends[0].opener.listener.leases.get(self._key(lane).kid, ())
        return max((lease.below for lease in leases), default=0)

    def _hostile(self, datagrams: Sequence[bytes]) -> bytes:
        rng = self.rng
        kind, known = rng.randrange(8), bytearray(rng.choice([*datagrams, *self.sent]))
        if kind == 0:
            return bytes(known)
        if kind == 1:
            return rng.randbytes(rng.choice((0, 1, 18, 19, 23, ROOM, ROOM + 1, 3_000)))
        if kind == 2:  # a KID of nobody, or of another epoch
            known[1:3] = bytes([rng.choice((1, 2, 3, 7)), rng.randrange(256)]) if len(known) > 2 else known[1:3]
            return bytes(known)
        key = self._key(rng.choice(VIDEO_LANES))
        head = encode_header(key.kid, key.next_ctr if kind < 6 else self._next(key.kid))
        if kind == 3:  # a counter that is longer than it has to be
            head = bytes([head[0] | 0x0B]) + head[1:3] + key.next_ctr.to_bytes(4, "big")
        if kind == 4:
            head = bytes([rng.choice((0x00, 0x3F, 0x40, 0xF0, 0xFF))]) + head[1:]
        return head + rng.randbytes(rng.choice((0, 15, 16, 17, 500)))

    def _next(self, kid: int) -> int:
        """The counter that an attacker would forge to meet C."""
        leases = self.ends[0].opener.listener.leases.get(kid, ())
        return max((lease.key.window.top + 1 for lease in leases), default=0)

    def close(self) -> None:
        self.mouth.close()
        for end in self.ends:
            end.close()


class Cameras:
    """Two cameras that see the same."""

    def __init__(self, library: Library | None, rng: random.Random, pace: Pace) -> None:
        self.pace, self.rng, self.datagrams = pace, rng, 0
        self.ends = [Camera(None), Camera(library)]
        self.mouth = Mouth([end.port for end in self.ends])
        self.begin()

    def begin(self) -> None:
        """An epoch; often near a counter at which something changes."""
        key, session_id = self.rng.randbytes(32), self.rng.randbytes(16)
        first = self.rng.choice((0, 100, *WIDTHS)) - self.rng.randrange(3)
        for end in self.ends:
            end.begin(key, 0x1A4, session_id)
            end.key.next_ctr = max(0, first)

    def round(self) -> None:
        rng = self.rng
        datagrams = runs(rng, rng.choice((1, 1, 5, 28, 64, 200)))
        for _ in range(rng.choice((0, 0, 0, 1))):
            datagrams.insert(rng.randrange(len(datagrams)), rng.randbytes(rng.choice((LARGEST + 1, ROOM, ROOM + 1, 9_000))))
        if rng.random() < (0.5 if self.ends[0].exhausted else 0.1):
            self.begin()
        while datagrams:
            some = rng.choice((1, 28, 64, 300))
            self.datagrams += len(datagrams[:some])
            with self.pace.kept():
                self.mouth.say(rng, datagrams[:some], stranger=0.05)
                one, other = (end.empty() for end in self.ends)
            assert one == other
            datagrams = datagrams[some:]
            if rng.random() < 0.6:  # else more waits than there is room for
                one, other = (end.record() for end in self.ends)
                assert one == other, "what is recorded differs"

    def compare(self) -> None:
        same(*(end.state() for end in self.ends))

    def close(self) -> None:
        self.mouth.close()
        for end in self.ends:
            end.close()


def _grows(datagrams: Sequence[bytes]) -> bool:
    """Whether headers of one KID begin differently: of these Python puts together what is together in one batch."""
    return any(count > 1 for count in Counter(kid for _, kid in {(each[:1], each[1:3]) for each in datagrams}).values())


def same(one: tuple[object, ...], other: tuple[object, ...]) -> None:
    """Part by part, so that what differs is seen."""
    for part, its_other in zip(one, other, strict=True):
        assert part == its_other


def plain(leases: Sequence[Lease]) -> list[Lease]:
    """Of one KID."""
    return [*leases] if len(leases) == 1 and leases[0].lane in VIDEO_LANES else []


def undisturbed(run: Callable[[Pace], tuple[int, int]]) -> tuple[int, int]:
    """What it returns. It is run again, the same, if the two differ and this process stood still."""
    for _ in range(TRIES):
        pace = Pace()
        try:
            return run(pace)
        except AssertionError:
            if not pace.stood_still:
                raise
            print("this process stood still: once more")
    return run(Pace())


def fly(library: Library, seed: int) -> tuple[int, int]:
    """A flight of hostile datagrams to two grounds; AssertionError if they differ. How many came, and were opened in C."""
    return undisturbed(lambda pace: _fly(Flight(library, random.Random(seed), pace)))


def _fly(flight: Flight) -> tuple[int, int]:
    try:
        for _ in range(ROUNDS):
            flight.round()
            flight.control()
        flight.compare()
        return flight.datagrams, flight.ends[1].opened_in_c
    finally:
        flight.close()


def film(library: Library, seed: int) -> tuple[int, int]:
    """A film for two cameras; AssertionError if what they send differs. How many datagrams came, and were sealed in C."""
    return undisturbed(lambda pace: _film(Cameras(library, random.Random(seed), pace)))


def _film(cameras: Cameras) -> tuple[int, int]:
    try:
        for _ in range(ROUNDS):
            cameras.round()
        cameras.compare()
        return cameras.datagrams, cameras.ends[1].sealed_in_c
    finally:
        cameras.close()


def main() -> None:
    """`python -m tests.differential FOLDER DATAGRAMS`: the libraries in FOLDER, until so many have come to each."""
    folder, wanted = Path(sys.argv[1]), int(sys.argv[2])
    for name, turn, run in (("seal", Seal, film), ("open", Open, fly)):
        library, came, in_c, seed = Library(name, turn, (folder,)), 0, 0, 0
        while came < wanted:
            more = run(library, seed)
            came, in_c, seed = came + more[0], in_c + more[1], seed + 1
        print(f"{name}: {came} datagrams, {in_c} of them in C, {seed} seeds: no difference")


if __name__ == "__main__":
    main()
