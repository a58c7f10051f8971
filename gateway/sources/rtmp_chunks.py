"""Chunks: RTMP's messages on a TCP connection, in parts of several chunk streams (Adobe, "RTMP 1.0", section 5.3).

What lives here: parts to messages and back, and the two control messages about parts: Set Chunk Size and Abort. What must
not: what a message means. All lengths that a peer names have bounds, and what is held has one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.sources.rtmp_refusal import Refusal, Refused

SET_CHUNK_SIZE, ABORT = 1, 2
CHUNK_SIZE = 128  # until a peer says another
CHUNK_SIZE_MIN, CHUNK_SIZE_MAX = 128, 65_536
STREAMS_MAX = 32
UNPUBLISHED_MAX = 16 << 10  # of a message, before the publisher has shown its stream key
MESSAGE_MAX = 8 << 20  # the largest picture
# A message may be empty, and a read of 256 KiB of such ones would take half a second from the other sources.
CHUNKS_FREE, CHUNK_SIZE_MEAN = 1024, 32  # of one `feed`
EXTENDED = 0xFFFFFF

_U32, _LITTLE_U32 = struct.Struct(">I"), struct.Struct("<I")
_HEADER_SIZES = (11, 7, 3, 0)  # of a message header by format
_ONE_MORE, _TWO_MORE = 0, 1  # values of the chunk stream id that announce further bytes
_FULL, _WITHOUT_STREAM, _DELTA, _SAME = range(4)


@dataclass(frozen=True, slots=True)
class Message:
    """`timestamp` in milliseconds, modulo 2**32."""

    kind: int
    stream: int
    timestamp: int
    payload: bytes


@dataclass(slots=True)
class _ChunkStream:
    kind: int = 0
    stream: int = 0
    length: int = 0
    timestamp: int = 0
    delta: int = 0
    extended: int | None = None  # timestamp or delta of the last header, if it did not fit into three bytes
    parts: bytearray | None = None  # of a message that is not complete


class ChunkReader:
    """Bytes in, messages out.

    `message_max`  the longest message now; all unfinished ones together hold at most twice that
    """

    def __init__(self) -> None:
        self.message_max = UNPUBLISHED_MAX
        self._size = CHUNK_SIZE
        self._buffer = bytearray()
        self._streams: dict[int, _ChunkStream] = {}
        self._held = 0

    def feed(self, data: bytes) -> Iterator[Message]:
        """Each message before the bytes after it are read, so that its receiver can set `message_max`. Raises Refused."""
        self._buffer += data
        out: list[Message] = []
        at, left = 0, CHUNKS_FREE + len(self._buffer) // CHUNK_SIZE_MEAN
        while (end := self._chunk(at, out)) is not None:
            at, left = end, left - 1
            if left < 0:
                raise Refused(Refusal.CHUNKS)
            yield from out
            out.clear()
        del self._buffer[:at]

    def _chunk(self, at: int, out: list[Message]) -> int | None:
        """Read the chunk at `at`; where the next one begins, or None if it is not complete."""
        basic = _basic_header(self._buffer, at)
        if basic is None:
            return None
        form, stream_id, at = basic
        stream = self._stream(stream_id, form)
        head = self._buffer[at : at + _HEADER_SIZES[form]]
        if len(head) < _HEADER_SIZES[form]:
            return None
        at += len(head)
        field = int.from_bytes(head[:3], "big") if head else 0
        extended = field == EXTENDED if head else stream.extended is not None
        if extended:
            found = self._extended(at, None if head else stream.extended)
            if found is None:
                return None
            field, at = found
        length = int.from_bytes(head[3:6], "big") if form <= _WITHOUT_STREAM else stream.length
        if length > self.message_max:
            raise Refused(Refusal.MESSAGE_SIZE)
        size = min(self._size, length - len(stream.parts or b""))
        if len(self._buffer) < at + size:
            return None
        if stream.parts is None:
            stream.extended = field if extended else None
            _begin(stream, form, head, field, length)
            stream.parts = bytearray()
        self._add(stream, self._buffer[at : at + size], out)
        return at + size

    def _extended(self, at: int, known: int | None) -> tuple[int, int] | None:
        """The extended timestamp at `at`, and where it ends; None if it is not complete (section 5.3.1.3).

        Chunks without a header have to repeat it: `known`. Some publishers do not (librtmp, OBS until 2024). It is no rare
        case: DJI's begin below zero.
        """
        found = bytes(self._buffer[at : at + _U32.size])
        if known is not None and not _U32.pack(known).startswith(found):
            return known, at
        if len(found) < _U32.size:
            return None
        return int(_U32.unpack(found)[0]), at + _U32.size

    def _stream(self, stream_id: int, form: int) -> _ChunkStream:
        stream = self._streams.get(stream_id)
        if stream is None:
            # A first chunk has nothing to refer to. Some publishers leave out the message stream, and mean 0.
            if form > _WITHOUT_STREAM:
                raise Refused(Refusal.CHUNK_HEADER)
            if len(self._streams) == STREAMS_MAX:
                raise Refused(Refusal.CHUNK_STREAMS)
            stream = self._streams[stream_id] = _ChunkStream()
        if stream.parts is not None and form != _SAME:
            raise Refused(Refusal.CHUNK_HEADER)
        return stream

    def _add(self, stream: _ChunkStream, part: bytearray, out: list[Message]) -> None:
        assert stream.parts is not None
        stream.parts += part
        self._held += len(part)
        if len(stream.parts) < stream.length:
            if self._held > 2 * self.message_max:
                raise Refused(Refusal.MESSAGE_SIZE)
            return
        payload, stream.parts = bytes(stream.parts), None
        self._held -= len(payload)
        message = Message(stream.kind, stream.stream, stream.timestamp, payload)
        if message.kind == SET_CHUNK_SIZE:
            self._size = _chunk_size(payload)
        elif message.kind == ABORT:
            self._abort(control_number(payload))
        else:
            out.append(message)

    def _abort(self, stream_id: int) -> None:
        stream = self._streams.get(stream_id)
        if stream and stream.parts is not None:
            self._held -= len(stream.parts)
            stream.parts = None


def chunked(message: Message, stream_id: int, size: int) -> bytes:
    """A message of ours, on a chunk stream from 2 to 63; `message.timestamp` is smaller than the extended ones."""
    head = message.timestamp.to_bytes(3, "big") + len(message.payload).to_bytes(3, "big") + bytes((message.kind,))
    parts = [message.payload[at : at + size] for at in range(0, len(message.payload), size)]
    first = bytes((stream_id,)) + head + _LITTLE_U32.pack(message.stream)
    return first + bytes((_SAME << 6 | stream_id,)).join(parts)


def control_number(payload: bytes) -> int:
    """The number of four bytes that most control messages are (section 5.4). Raises Refused."""
    if len(payload) < _U32.size:
        raise Refused(Refusal.CONTROL)
    return int(_U32.unpack_from(payload)[0])


def _chunk_size(payload: bytes) -> int:
    size = control_number(payload)
    if not CHUNK_SIZE_MIN <= size <= CHUNK_SIZE_MAX:
        raise Refused(Refusal.CHUNK_SIZE)
    return size


def _basic_header(buffer: bytearray, at: int) -> tuple[int, int, int] | None:
    """Format, chunk stream id, and where the message header begins; None if it is not complete (section 5.3.1.1)."""
    if len(buffer) <= at:
        return None
    form, stream_id = buffer[at] >> 6, buffer[at] & 63
    more = {_ONE_MORE: 1, _TWO_MORE: 2}.get(stream_id, 0)
    at += 1
    if len(buffer) < at + more:
        return None
    if more:
        stream_id = 64 + int.from_bytes(buffer[at : at + more], "little")
    return form, stream_id, at + more


def _begin(stream: _ChunkStream, form: int, head: bytearray, field: int, length: int) -> None:
    """The first chunk of a message: its header says how the message differs from the one before (section 5.3.1.2)."""
    stream.length = length
    if form <= _WITHOUT_STREAM:
        stream.kind = head[6]
    if form == _FULL:
        stream.stream = _LITTLE_U32.unpack_from(head, 7)[0]
        stream.timestamp, stream.delta = field, 0
        return
    if form != _SAME:
        stream.delta = field
    stream.timestamp = (stream.timestamp + stream.delta) % (1 << 32)
