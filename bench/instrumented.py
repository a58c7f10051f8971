"""Instrumented: the data path between marks, for an emulator that counts instructions. emulation.py runs it there.

Each region is run until the interpreter has specialised its code, and then `REPEATS` times between two marks. Each region
is the product's own path under a real session (bench/pair.py). The output is one line of JSON: the regions by number, and
the addresses of the code of this process.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import itertools
import json
import math
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from bench.pair import Pair, arrived
from bench.plain_turns import Interrupted, PlainTurns
from bench.recorded_session import data, in_a_message, records
from bench.recorder_in_memory import RecorderInMemory
from firmware_shims.mavlink import Framer
from gateway.batch import CAPACITY, TAG_SIZE, Batch
from gateway.core.bundle import Bundler
from gateway.core.wire import LINK_MTU
from gateway.demo.flight import recorded_flight
from gateway.endpoints import Endpoint, address, open_endpoint, open_link
from gateway.endpoints.address import Address
from gateway.loop.poller import Poller
from gateway.recording.handover import MESSAGE_MAX
from keys.keyring import NONCE_SIZE
from keys.lanes import Lane

MARK = 0x5E6E1 << 8  # plugin/count.c knows it, and that the low bits are a number
SIZE = 1200  # bytes of a datagram
HEADER_SIZE = 6  # with the counter of bench/pair.py
FRAMES = 256
TRIES = 200
WARM, REPEATS = 40, 16  # the mean includes the data that is prepared for several batches
HOST, DISCARD = "127.0.0.1", 9
FIRST_PORT, PORTS = 21_950, 100
MESSAGES = 4  # of air to the recorder, each with a batch of video
WAKE_UPS = (1, 8, 28)  # datagrams: evenly spaced video, and pictures of 2 and 8 Mbit/s
LEFT_OVER = itertools.cycle(range(100, SIZE, 7))  # bytes
NOTHING, WAIT = "nothing", "wake-up 0 C"  # regions that are subtracted from others
RECORDED = "recorded wake-up 1 C"


class Region(NamedTuple):
    """`run` handles `units` datagrams or frames; `prepare` provides them, and is not counted.

    `less`: the region whose count is subtracted, because it is in this one too; the empty one by default.
    """

    name: str
    units: int
    prepare: Callable[[], object]
    run: Callable[[], object]
    less: str = NOTHING


def nothing() -> None:
    """The cost of the marks themselves: its count is subtracted from all others."""


def regions() -> Iterator[Region]:
    """Everything that is counted; the first is the empty one."""
    pair = Pair()
    yield Region(NOTHING, 1, nothing, nothing)
    yield _aead(pair)
    yield from _in_memory(pair)
    yield from _over_sockets(pair)
    yield from _wake_ups(pair)
    yield from _in_c()
    yield from _recorded_in_c()
    yield _telemetry(pair)
    yield from _recorder()


def _aead(pair: Pair) -> Region:
    """The AEAD alone, in the fastest loop of Python: the lower bound of any data path."""
    encrypt, arena = pair.key(Lane.VIDEO_A).cipher.encrypt_into, Batch().arena
    nonce, plain, sealed = bytes(NONCE_SIZE), arena[:SIZE], arena[: SIZE + TAG_SIZE]
    aad = bytes(HEADER_SIZE) + pair.announcer.session_id

    def run() -> None:
        for _ in range(CAPACITY):
            encrypt(nonce, plain, aad, sealed)

    return Region("aead", CAPACITY, nothing, run)


def _in_memory(pair: Pair) -> Iterator[Region]:
    aboard, below = Batch(), Batch()

    def sealed() -> None:
        _fill(aboard)
        pair.seal(Lane.VIDEO_A, aboard)
        arrived(aboard, below)

    yield Region("seal", CAPACITY, lambda: _fill(aboard), lambda: pair.seal(Lane.VIDEO_A, aboard))
    yield Region("mixed", CAPACITY, lambda: _fill(aboard, ends=True), lambda: pair.seal(Lane.VIDEO_A, aboard))
    yield Region("open", CAPACITY, sealed, lambda: pair.opener.open(below, pair.now))


def _over_sockets(pair: Pair) -> Iterator[Region]:
    """A turn of `air` and one of `ground` with a batch of video: read it, seal or open it, send it on."""
    camera, link = _udp("udpin", _free_port()), _udp("udpin", _free_port(), open_link)
    to_camera, to_link = _udp("udpout", camera.address.port), _udp("udpout", link.address.port)
    to_player = _udp("udpout", DISCARD)
    plain, aboard, below = Batch(), Batch(), Batch()

    def filmed() -> None:
        while link.receive_into(below, pair.now):
            pass
        _fill(plain)
        to_camera.send(plain, pair.now)

    def air() -> None:
        camera.receive_into(aboard, pair.now)
        pair.seal(Lane.VIDEO_A, aboard)
        to_link.send(aboard, pair.now)
        assert aboard.count == CAPACITY

    def ground() -> None:
        link.receive_into(below, pair.now)
        pair.opener.open(below, pair.now)
        to_player.send(below, pair.now)
        assert below.count == CAPACITY

    def flown() -> None:
        filmed()
        air()

    yield Region("air", CAPACITY, filmed, air)
    yield Region("ground", CAPACITY, flown, ground)


def _wake_ups(pair: Pair) -> Iterator[Region]:
    """What a camera sends at once, from its socket to the player's: both ends wait, read, seal or open, and send on."""
    camera, link = _udp("udpin", _free_port()), _udp("udpin", _free_port(), open_link)
    to_camera, to_link = _udp("udpout", camera.address.port), _udp("udpout", link.address.port)
    to_player = _udp("udpout", DISCARD)
    up, down = Poller([camera, to_link]), Poller([link, to_player])
    plain, aboard, below = Batch(), Batch(), Batch()

    def run() -> None:
        assert camera in up.wait(math.inf)
        camera.receive_into(aboard, pair.now)
        pair.seal(Lane.VIDEO_A, aboard)
        to_link.send(aboard, pair.now)
        assert link in down.wait(math.inf)
        link.receive_into(below, pair.now)
        pair.opener.open(below, pair.now)
        to_player.send(below, pair.now)

    def filmed(count: int) -> None:
        plain.hold([bytes(SIZE)] * count)
        to_camera.send(plain, pair.now)

    for count in WAKE_UPS:
        yield Region(f"wake-up {count}", 1, partial(filmed, count), run)


def _in_c() -> Iterator[Region]:
    """The same turns and wake-ups where C takes them; nothing where it is not built.

    A wake-up is what a wait costs more if it is woken once: its begin and its end, by Python, come only with a deadline.
    """
    turns = _plain_turns()
    if turns.why_python:
        return

    def flown() -> None:
        turns.film(CAPACITY, SIZE)
        turns.air()

    yield Region("air C", CAPACITY, partial(turns.film, CAPACITY, SIZE), turns.air)
    yield Region("ground C", CAPACITY, flown, turns.ground)
    yield Region(WAIT, 1, partial(turns.film, 0, SIZE), partial(turns.wait, 0))
    for count in WAKE_UPS:
        yield Region(f"wake-up {count} C", 1, partial(turns.film, count, SIZE), partial(turns.wait, count), less=WAIT)


def _recorded_in_c() -> Iterator[Region]:
    """A lone wake-up in C while a recording is made: its datagram is also copied, and handed to the recorder at once."""
    ours, recorder = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    turns = _plain_turns(ours)
    if turns.why_python:
        return
    recorder.setblocking(False)

    def filmed() -> None:
        with contextlib.suppress(BlockingIOError):
            while recorder.recv(MESSAGE_MAX):
                pass
        turns.film(1, SIZE)

    yield Region(RECORDED, 1, filmed, partial(turns.wait, 1), less=WAIT)


def _plain_turns(recorder: socket.socket | None = None) -> PlainTurns:
    """With sockets of their own."""
    camera, link = _udp("udpin", _free_port()), _udp("udpin", _free_port(), partial(open_link, proved=True))
    to_camera, to_link = _udp("udpout", camera.address.port), _udp("udpout", link.address.port, open_link)
    return PlainTurns(to_camera, (camera, to_link), (link, _udp("udpout", DISCARD)), recorder)


def _telemetry(pair: Pair) -> Region:
    """Frames of a real flight, from the bytes of a serial line to sealed bundles."""
    stream = b"".join(frame for _, frame in recorded_flight()[:FRAMES])
    framer, bundler, batch = Framer(), Bundler(LINK_MTU, (), pair.now), Batch()

    def run() -> None:
        bundler.add(framer.feed(stream), pair.now)
        batch.clear()
        bundler.bundle_into(batch, pair.now)
        pair.seal(Lane.TELEMETRY, batch)

    return Region("frame", FRAMES, nothing, run)


def _recorder() -> Iterator[Region]:
    """Messages of `zegel air` to ciphertext in a file, for each KiB of records; and the end of a segment, with its leaf."""
    scratch = Path(tempfile.mkdtemp(prefix="zegel-bench-"))
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)
    recorder = RecorderInMemory(scratch / "archive", scratch / "card")
    message, small = (data(records([bytes(SIZE)] * count, 0)) for count in (in_a_message(SIZE), 1))

    def record() -> None:
        for _ in range(MESSAGES):
            recorder.put(message, 0.0)
        recorder.work(0.0)

    def cut() -> None:
        recorder.cut(0.0)
        recorder.work(0.0)

    size = MESSAGES * len(message) // 1024
    yield Region("record", size, lambda: recorder.cut(0.0), record)
    yield Region("cut", 1, lambda: recorder.put(small, 0.0), cut)


def _fill(batch: Batch, *, ends: bool = False) -> None:
    """Full slots; `ends`: every eighth is the end of a picture, a little longer each time."""
    batch.clear()
    batch.lengths[:] = SIZE
    if ends:
        batch.lengths[::8] = [next(LEFT_OVER) for _ in range(0, CAPACITY, 8)]
    batch.count = CAPACITY


def _udp(kind: str, port: int, open_as: Callable[[Address], Endpoint] = open_endpoint) -> Endpoint:
    endpoint = open_as(address.parse(f"{kind}:{HOST}:{port}"))
    endpoint.tick(0.0)
    return endpoint


def _free_port() -> int:
    """The same port in every run if possible, because its number changes the count."""
    for port in range(FIRST_PORT, FIRST_PORT + PORTS):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            return port
    raise OSError(f"no free port from {FIRST_PORT} on")


def mark(number: int) -> None:
    """A mark for the plugin that counts; it has no other effect."""
    try:
        os.getpgid(MARK | number)
    except OSError:
        return


def main() -> None:
    gc.disable()
    listed = list(regions())
    for number, region in enumerate(listed):
        done = 0
        for _ in range(TRIES):
            with contextlib.suppress(Interrupted):  # a mark that begins without one that ends is not counted
                region.prepare()
                if done < WARM:
                    region.run()
                else:
                    mark(2 * number)
                    region.run()
                    mark(2 * number + 1)
                done += 1
            if done == WARM + REPEATS:
                break
        else:
            raise AssertionError(f"{region.name} was interrupted too often")
    units = {region.name: region.units for region in listed}
    less = {region.name: region.less for region in listed}
    json.dump({"units": units, "less": less, "maps": Path("/proc/self/maps").read_text()}, sys.stdout)


if __name__ == "__main__":
    main()
