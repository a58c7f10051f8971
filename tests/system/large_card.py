"""A large card, written by the recorder's own code in less time than its flight took: its clock is an argument."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from gateway.recording import handover, pcap
from gateway.recording.disk import Disk
from gateway.recording.group import PORTS, Group
from gateway.recording.handover import Clock, Close, Epoch, FromAir, Session, Sign, Signed
from gateway.recording.queue import Queue
from gateway.recording.reason import CloseReason
from gateway.recording.sealing import Sealing
from gateway.recording.settings import Record
from gateway.video.nal import AccessUnit
from gateway.video.packetiser import Packetiser
from keys import grant
from keys.folders.recording import RecordingFolder
from keys.order import issue_order
from keys.order_station import OrderRecording
from keys.policy import Policy
from tests import agency
from tests.recorder_peer import Air
from tests.system.field import attitude

FPS, KEY_EACH_S, EPOCH_S = 25, 2, 600
SETS = [b"\x67\x42\x00\x1e" + b"s" * 8, b"\x68" + b"p" * 4]
BEGAN = 1000.0


def order_of(key: RecordingFolder) -> bytes:
    public = grant.public_bytes(key.profile, key.seed)
    listed = OrderRecording(7, "archive", key.profile, public)
    content = agency.order(recording=(listed,), policy=Policy(segment_s=2))
    return issue_order(content, [agency.harbour().signer])


def pictures(bytes_per_s: int) -> Iterator[list[bytes]]:
    """RTP of one picture after another; a key picture has four times the bytes of another."""
    packetiser = Packetiser("h264", 1, 0)
    size = bytes_per_s * KEY_EACH_S // (FPS * KEY_EACH_S + 3)
    noise, number = secrets.token_bytes(1 << 20).replace(b"\0", b"\1"), 0
    while True:
        key = number % (FPS * KEY_EACH_S) == 0
        begin = number * 997 % (len(noise) - 4 * size)
        body = number.to_bytes(4, "big").replace(b"\0", b"\1") + noise[begin : begin + (4 * size if key else size)]
        nals = [*SETS, b"\x65\x88" + body] if key else [b"\x41\x9a" + body]
        yield list(packetiser.packets(AccessUnit(nals, key, number / FPS, "h264"), number * 90_000 // FPS))
        number += 1


def messages(group: Group, contents: list[bytes], mono_us: int) -> Iterator[bytes]:
    """As `zegel air` hands it over: no message is larger than the socket takes."""
    parts, size = list[bytes](), handover.HEAD.size
    head = handover.HEAD.pack(handover.DATA, group, 0, 0)
    for content in contents:
        record = pcap.head(mono_us * 1000, PORTS[group][0], len(content)) + content
        if size + len(record) > handover.MESSAGE_MAX:
            yield head + b"".join(parts)
            parts, size = [], handover.HEAD.size
        parts.append(record)
        size += len(record)
    yield head + b"".join(parts)


def write(card: Path, key: RecordingFolder, seconds: int, bytes_per_s: int) -> None:
    """A flight of telemetry, 50 frames a second, and of video A."""
    card.mkdir()
    air, asked, now = Air(order_of(key)), list[Sign](), BEGAN
    settings = Record(folder=str(card), keep_free_mib=0)
    sealing = Sealing(Queue(settings.memory), Disk(), settings, asked.append, _fill)

    def say(*said: FromAir) -> None:
        sealing.turn([(now, handover.encode(each)) for each in said], now)
        while asked:
            payload = asked.pop().payload
            sealing.turn([(now, handover.encode(Signed(payload, air.sign(payload))))], now)

    stated = air.session
    say(Session(stated.session_id, BEGAN, stated.order, stated.statement, stated.software), Clock(1_800_000_000_000_000))
    film = pictures(bytes_per_s)
    for number in range(seconds * FPS):
        now = BEGAN + number / FPS
        mono_us = number * 1_000_000 // FPS
        if number and number % (EPOCH_S * FPS) == 0:
            say(Epoch(mono_us))
        frames = messages(Group.FLIGHT, [attitude(2 * number), attitude(2 * number + 1)], mono_us)
        sealing.turn([(now, each) for each in (*frames, *messages(Group.VIDEO_A, next(film), mono_us))], now)
        if asked:
            say()
    say(Close(seconds * 1_000_000, CloseReason.ENDED))
    sealing.turn([], now, last=True)
    assert sealing.rejected == 0


def forget(card: Path) -> int:
    """None of it is in the memory of this computer any more; its bytes."""
    size = 0
    for path in card.rglob("*"):
        if path.is_file():
            handle = os.open(path, os.O_RDONLY)
            os.fsync(handle)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            size += os.fstat(handle).st_size
            os.close(handle)
    return size


def _fill(into: bytearray) -> None:
    into[:] = secrets.token_bytes(len(into))
