"""A real Air and a real Ground in this process, over real sockets, and everything that others send to them.

Each runs its own loop in a thread; one lock lets the test look and speak in between two turns. Whatever the two parse
while they fly is parsed here, again and again: frames, pictures, control, orders by every way, the feed's subscribers.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import socket
import threading
import time
import traceback
import tty
from collections.abc import Callable
from pathlib import Path

import zmq
from pymavlink.dialects.v20 import all as dialect

from gateway import clock
from gateway.air.role import Air
from gateway.batch import Batch
from gateway.config import AirConfig, GroundConfig
from gateway.core import order_fragments
from gateway.core.control_cipher import ControlCipher
from gateway.core.fragment import split
from gateway.core.wire import CONTROL_HEADER_SIZE, Evidence, Kind
from gateway.demo.stage import HOST, drain, free_port, port_of, udp_socket
from gateway.endpoints import slip
from gateway.ground.role import Ground
from gateway.local_users import LocalUsers
from gateway.loop.watchdog import Manager
from keys.folders import inbox, store
from keys.folders.device import DeviceFolder
from keys.folders.station import StationFolder
from keys.lanes import Lane
from keys.order import claimed_hash
from tests.memory_link import mavlink_frame
from tests.system.house import House

WITHIN_S = 20.0
ORDERS_EVERY = 8  # steps
GCS = dialect.MAVLink(None, srcSystem=255, srcComponent=190)


def heartbeat() -> bytes:
    return bytes(dialect.MAVLink_heartbeat_message(6, 8, 0, 0, 4, 3).pack(GCS))


def pty() -> tuple[int, str]:
    """(our end, the name of theirs)."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    os.set_blocking(ours, False)
    return ours, os.ttyname(theirs)


def write(line: int, data: bytes) -> None:
    """As a serial line does: what the driver at the other end has no room for is lost.

    While a function is broken by which a line is read, nobody reads that line, and it becomes full.
    """
    with contextlib.suppress(BlockingIOError):
        os.write(line, data)


class InnerFlight:
    def __init__(self, folder: Path) -> None:
        self.house, self.random, self.lock = House(folder, profile="x25519"), random.Random(1), threading.RLock()
        self.numbers, self.steps = itertools.count(1), 0
        self.order = self.house.order.read_bytes()
        self.line, fc = pty()
        self.radio, radio = pty()
        self.link, self.tcp, self.camera = free_port(), free_port(socket.SOCK_STREAM), free_port()
        self.gcs, self.player, self.stranger = udp_socket(), udp_socket(), udp_socket()
        self.device = DeviceFolder.open(folder / "drone-7")
        self.air = Air(
            AirConfig(
                device=str(folder / "drone-7"),
                fc=f"serial:{fc}:921600",
                video=(f"udpin:{HOST}:{self.camera}",),
                link=(f"udpout:{HOST}:{self.link}",),
            ),
            self.device,
            Manager({}),
            LocalUsers(),
        )
        self.ground = self._new_ground(folder / "pilot", radio)
        self.feed = zmq.Context()
        self.failed: list[str] = []
        self.heard = bytearray()
        self.threads = [self._start(role) for role in (self.air, self.ground)]

    def _new_ground(self, station: Path, radio: str) -> Ground:
        opened = StationFolder.open(station)
        settings = GroundConfig(
            station=str(station),
            order=str(self.house.order),
            link=(f"udpin:{HOST}:{self.link}", f"serial:{radio}:921600"),
            gcs=(f"udpout:{HOST}:{port_of(self.gcs)}", f"tcpin:{HOST}:{self.tcp}"),
            video=(f"udpout:{HOST}:{port_of(self.player)}",),
            feed=f"tcp://{HOST}:{free_port(socket.SOCK_STREAM)}",
        )
        return Ground(settings, opened, opened.newest_order(self.order, int(time.time())), Manager({}), LocalUsers())

    def _start(self, role: Air | Ground) -> threading.Thread:
        wait, turn = role.poller.wait, role.turn
        role.poller.wait = lambda until: wait(min(until, clock.now() + 0.0005))  # type: ignore[method-assign]

        def locked() -> None:
            with self.lock:
                turn()
            time.sleep(0.0005)

        def run() -> None:
            try:
                role.run()
            except BaseException:
                self.failed.append(traceback.format_exc())

        role.turn = locked  # type: ignore[method-assign]
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    # --- what is sent ---

    def step(self) -> None:
        """Everything that others send, once."""
        self.steps += 1
        write(self.line, mavlink_frame(self.random, self.steps) + self.fc_heartbeat())
        self.stranger.sendto(self.random.randbytes(300), (HOST, self.camera))
        self.player.sendto(bytes(8), (HOST, port_of(self.gcs)))
        self._command(heartbeat() if self.steps % 2 else self.arm())
        for rubbish in (b"", bytes(20), b"\x01" + self.random.randbytes(60), b"\x90" + self.random.randbytes(60)):
            self.stranger.sendto(rubbish, (HOST, self.link))
        with self.lock:
            if self.steps % ORDERS_EVERY == 0:
                self._orders()
            self._control()
        time.sleep(0.01)
        self.take()

    def arm(self) -> bytes:
        """A command, with a number that tells one from another."""
        made = dialect.MAVLink_command_long_message(1, 1, dialect.MAV_CMD_COMPONENT_ARM_DISARM, 0, 1, 0, 0, 0, 0, 0, 0)
        made.param2 = next(self.numbers)
        return bytes(made.pack(GCS))

    def fc_heartbeat(self) -> bytes:
        flight = dialect.MAVLink(None, srcSystem=1, srcComponent=1)
        return bytes(dialect.MAVLink_heartbeat_message(2, 3, 128, 0, 4, 3).pack(flight))

    def _command(self, frame: bytes) -> None:
        with self.lock:
            there = self.ground.gcs[0]._socket
            port = there.getsockname()[1] if there else 0  # 0 until it has sent something
        if port:
            self.gcs.sendto(frame, (HOST, port))

    def _control(self) -> None:
        """What repeats seldom, at once; and forged messages of each kind."""
        announcer, listener = self.air.sessions.announcer, self.ground.listener
        listener._stated.clear()
        for session in listener.sessions.values():
            session.listed.taken.clear()
        announcer._round_at = announcer.beat_at = 0.0
        if self.steps % 2:  # what was made ahead for datagrams in their order
            for lease in (lease for leases in listener.leases.values() for lease in leases):
                lease.key.block = None
        cipher = ControlCipher(announcer.order.content.op_id)
        message = (cipher.open(announcer._statement[0]) or b"")[CONTROL_HEADER_SIZE:]
        (forged,) = map(cipher.seal, split(Kind.STATEMENT, message[:-1] + self.random.randbytes(1)))
        for datagram in (forged, forged[:-1]):
            self.stranger.sendto(datagram, (HOST, self.link))
            write(self.radio, slip.encode(datagram))
        self.air.sessions._inbox_at = self.ground._status_at = self.air._status_at = 0.0

    def _orders(self) -> None:
        """By the link down and up, by the inbox, over the order file."""
        forged = self.order.replace(b"Night Watch", b"Night " + b"%05d" % next(self.numbers))
        name = (claimed_hash(forged) or b"")[:16]
        pieces = [forged[at : at + order_fragments.PIECE_MAX] for at in range(0, len(forged), order_fragments.PIECE_MAX)]
        for place, piece in enumerate(pieces):
            fragment = name + bytes([place, len(pieces)]) + piece
            announcer, now = self.air.sessions.announcer, time.monotonic()
            if key := announcer.send_key(Lane.EVIDENCE):
                self._drain(self.air, announcer.sealer.seal_one(key, bytes([Evidence.ORDER_FRAGMENT]) + fragment))
            for commander in self.ground.uplink.sessions.commanders.values():
                if up := commander.carry(fragment, now):
                    self._drain(self.ground, up)
        store.write(self.device.path / inbox.ORDER, self.order)
        store.write(self.house.order, self.order)

    def _drain(self, role: Air | Ground, datagram: bytes) -> None:
        batch = Batch(1)
        batch.append(datagram)
        role.links[0].send(batch, time.monotonic())

    # --- what arrives ---

    def take(self) -> list[bytes]:
        """The frames that came to the ground control station; what the flight controller heard is kept."""
        with contextlib.suppress(BlockingIOError):
            self.heard += os.read(self.line, 1 << 16)
        return drain(self.gcs)

    def until(self, done: Callable[[], bool], step: Callable[[], None]) -> bool:
        limit = time.monotonic() + WITHIN_S
        while time.monotonic() < limit and not self.failed:
            step()
            if done():
                return True
        return False

    def flies(self) -> None:
        """AssertionError unless both go on, and a frame, a picture and a command that are sent now arrive.

        The ground reads its serial radio, too.
        """
        frame, picture, rubbish = mavlink_frame(self.random, 7), self.random.randbytes(200), self.random.randbytes(60)
        radio = self.ground.links[1].counters
        read = radio.rx_datagrams
        command = self.arm()
        came, seen = list[bytes](), list[bytes]()

        def step() -> None:
            write(self.line, frame)
            write(self.radio, slip.encode(rubbish))
            self.stranger.sendto(picture, (HOST, self.camera))
            self._command(command)
            time.sleep(0.01)
            came.extend(self.take())
            seen.extend(drain(self.player))

        def all_came() -> tuple[bool, ...]:
            return frame in came, picture in seen, command in self.heard, radio.rx_datagrams > read

        well = self.until(lambda: all(all_came()), step)
        assert not self.failed, self.failed[0]
        assert well, (all_came(), self.met())
        assert all(thread.is_alive() for thread in self.threads)

    def met(self) -> dict[str, int]:
        return dict(self.air.barrier.places + self.ground.barrier.places)

    def end(self) -> None:
        for role, thread in zip((self.air, self.ground), self.threads, strict=True):
            role.poller.stopping = True
            thread.join(10)
        self.device.close()
        self.feed.destroy(linger=0)
        for made in (self.gcs, self.player, self.stranger):
            made.close()
        os.close(self.line)
        os.close(self.radio)
