"""A publisher for tests: what ffmpeg, GStreamer and OBS send, with any chunk size, up to any byte."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from gateway.sources import rtmp_amf0 as amf0
from gateway.sources.rtmp_chunks import SET_CHUNK_SIZE, Message, chunked
from gateway.sources.rtmp_session import AMF0_COMMAND, VIDEO, WINDOW_SIZE
from gateway.video.nal import AccessUnit, kind

DATA, AUDIO = 18, 8
HELLO = b"\3" + struct.pack(">II", 1, 0) + bytes(1528) + bytes(1536)


class Publisher:
    """The bytes of each step; joined in order they are a connection."""

    def __init__(self, chunk_size: int = 128, *, application: str = "live", name: str = "front") -> None:
        self._size = 128
        self._chunk_size, self._application, self._name = chunk_size, application, name

    def hello(self) -> bytes:
        return HELLO

    def begin(self) -> bytes:
        """All commands at once, as if the answers were there."""
        return b"".join(self.commands())

    def commands(self) -> Iterator[bytes]:
        yield self.command("connect", 1.0, {"app": self._application, "tcUrl": "rtmp://box/live", "fourCcList": ["hvc1"]})
        yield self.send(2, SET_CHUNK_SIZE, 0, 0, struct.pack(">I", self._chunk_size))
        self._size = self._chunk_size
        yield self.send(2, WINDOW_SIZE, 0, 0, struct.pack(">I", 2_500_000))
        yield self.command("releaseStream", 2.0, None, self._name)
        yield self.command("FCPublish", 3.0, None, self._name)
        yield self.command("createStream", 4.0, None)
        yield self.command("publish", 5.0, None, self._name, "live", stream=1)
        yield self.send(4, DATA, 1, 0, amf0.encode("@setDataFrame", "onMetaData", {"width": 1280.0}))

    def end(self) -> bytes:
        return self.command("FCUnpublish", 6.0, None, self._name) + self.command("deleteStream", 7.0, None, 1.0)

    def command(self, *values: amf0.Value, stream: int = 0) -> bytes:
        return self.send(3, AMF0_COMMAND, stream, 0, amf0.encode(*values))

    def video(self, tag: bytes, timestamp: int) -> bytes:
        return self.send(6, VIDEO, 1, timestamp, tag)

    def pictures(self, units: Iterable[AccessUnit], step_ms: int = 40) -> Iterator[bytes]:
        """The configuration, then each picture, with a little sound between them."""
        for place, unit in enumerate(units):
            if place == 0:
                yield self.video(configuration_tag(unit), 0)
            yield self.video(picture_tag(unit), place * step_ms)
            yield self.send(4, AUDIO, 1, place * step_ms, b"\xaf\1" + bytes(200))

    def send(self, chunk_stream: int, kind: int, stream: int, timestamp: int, payload: bytes) -> bytes:
        return chunked(Message(kind, stream, timestamp, payload), chunk_stream, self._size)


def configuration_tag(unit: AccessUnit) -> bytes:
    """Of the parameter sets that are in a key picture."""
    if unit.codec == "h264":
        return b"\x17\0\0\0\0" + avc_record(unit.nals)
    return b"\x90hvc1" + hevc_record(unit.nals)


def picture_tag(unit: AccessUnit, offset_ms: int = 0) -> bytes:
    body = offset_ms.to_bytes(3, "big", signed=True) + b"".join(struct.pack(">I", len(nal)) + nal for nal in unit.nals)
    if unit.codec == "h264":
        return bytes((0x17 if unit.key else 0x27, 1)) + body
    return bytes((0x91 if unit.key else 0xA1,)) + b"hvc1" + body


def avc_record(nals: Iterable[bytes]) -> bytes:
    sps, pps = ([nal for nal in nals if kind("h264", nal) == which] for which in (7, 8))
    return (
        b"\1"
        + sps[0][1:4]
        + b"\xff"
        + bytes((0xE0 | len(sps),))
        + b"".join(struct.pack(">H", len(nal)) + nal for nal in sps)
        + bytes((len(pps),))
        + b"".join(struct.pack(">H", len(nal)) + nal for nal in pps)
    )


def hevc_record(nals: Iterable[bytes]) -> bytes:
    arrays = [(which, [nal for nal in nals if kind("h265", nal) == which]) for which in (32, 33, 34)]
    return (
        b"\1"
        + bytes(20)
        + b"\x0f"
        + bytes((len(arrays),))
        + b"".join(
            bytes((which,)) + struct.pack(">H", len(sets)) + b"".join(struct.pack(">H", len(nal)) + nal for nal in sets)
            for which, sets in arrays
        )
    )
