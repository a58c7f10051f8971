"""One RTMP publisher's connection, without the connection: bytes in, pictures and answers out (Adobe, "RTMP 1.0").

What lives here: handshake, commands and their order, for publishing and nothing else. What must not: sockets, clocks, the
stream keys. The answers are those of nginx-rtmp, which publishers of all makes are used to.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

from gateway.sources import rtmp_amf0 as amf0
from gateway.sources.rtmp_chunks import MESSAGE_MAX, SET_CHUNK_SIZE, ChunkReader, Message, chunked, control_number
from gateway.sources.rtmp_refusal import Refusal, Refused
from gateway.sources.rtmp_video import VideoTags
from gateway.video.nal import AccessUnit

BEGIN_WITHIN_S = 5.0  # from the connection to the first byte of a stream
SILENT_AFTER_S = 3.0  # a publisher that is gone without a word makes room for the next
# A stranger must not keep the process from its pictures by many small messages. Publishers need less than 2 KiB.
UNPUBLISHED_BYTES_MAX, PIECE_SIZE = 64 << 10, 4 << 10
VERSION = 3
HANDSHAKE_SIZE = 1536
RANDOM_SIZE = HANDSHAKE_SIZE - 8
OUR_CHUNK_SIZE = 4096
WINDOW = 5_000_000
ACKNOWLEDGE_AFTER = WINDOW // 2
ACKNOWLEDGE_AFTER_MIN = 1 << 16
STREAM = 1
CONTROL_CHUNKS, COMMAND_CHUNKS, STATUS_CHUNKS = 2, 3, 5  # chunk streams

ACKNOWLEDGEMENT, USER_CONTROL, WINDOW_SIZE, PEER_BANDWIDTH, VIDEO, AMF3_COMMAND, AMF0_COMMAND = 3, 4, 5, 6, 9, 17, 20
DYNAMIC = b"\2"
PING, PONG = b"\0\6", b"\0\7"
PING_SIZE = 6
NAME_PLACE = 3  # in releaseStream, publish and others: after the command, its number and null


class State(Enum):
    HANDSHAKE = auto()
    SECOND_HANDSHAKE = auto()
    CONNECTING = auto()
    CONNECTED = auto()
    PUBLISHING = auto()
    ENDED = auto()


_LATE = {State.PUBLISHING: Refusal.SILENT, State.ENDED: Refusal.ENDED}


class Session:
    """`admit` gets "application/stream" of a publisher and says why not, or None. `random` are RANDOM_SIZE random bytes.

    `state`
    `heard`  when its last bytes came
    `video`  the reader of its pictures
    """

    def __init__(self, admit: Callable[[str], Refusal | None], random: bytes, now: float) -> None:
        self.state = State.HANDSHAKE
        self.heard = now
        self.video = VideoTags()
        self._begun = now
        self._admit, self._random = admit, random
        self._application = ""
        self._handshake = bytearray()
        self._chunks = ChunkReader()
        self._out = bytearray()
        self._unpublished = 0  # bytes that came after the handshake and outside of a stream
        self._received, self._acknowledged, self._acknowledge_after = 0, 0, ACKNOWLEDGE_AFTER
        self._commands: dict[str, Callable[[list[amf0.Value]], None]] = {
            "connect": self._connect,
            "createStream": self._create_stream,
            "publish": self._publish,
            "play": self._play,
            "play2": self._play,
            "closeStream": self._end,
            "deleteStream": self._end,
        }

    def feed(self, data: bytes, now: float) -> list[tuple[AccessUnit, int]]:
        """The pictures that are complete now, each with its RTP timestamp. Raises Refused; `output` has the last answer."""
        self.heard = now
        self._received += len(data)
        if self.state in (State.HANDSHAKE, State.SECOND_HANDSHAKE):
            data = self._shake_hands(data)
        pictures: list[tuple[AccessUnit, int]] = []
        while data and self.state is not State.PUBLISHING:
            piece, data = data[:PIECE_SIZE], data[PIECE_SIZE:]
            self._unpublished += len(piece)
            if self._unpublished > UNPUBLISHED_BYTES_MAX:
                raise Refused(Refusal.UNPUBLISHED)
            self._read(piece, now, pictures)
        self._read(data, now, pictures)
        if self._received - self._acknowledged >= self._acknowledge_after:
            self._acknowledged = self._received
            self._send(CONTROL_CHUNKS, ACKNOWLEDGEMENT, 0, (self._received % (1 << 32)).to_bytes(4, "big"))
        return pictures

    def _read(self, data: bytes, now: float, pictures: list[tuple[AccessUnit, int]]) -> None:
        for message in self._chunks.feed(data):
            if message.kind == VIDEO and self.state is State.PUBLISHING:
                if picture := self.video.feed(message.payload, message.timestamp, now):
                    pictures.append(picture)
            else:
                self._control(message)

    def output(self) -> bytes:
        """What the peer is to be sent now."""
        out = bytes(self._out)
        self._out.clear()
        return out

    def due(self) -> float:
        """When `check` raises if nothing comes."""
        begun = self.state in (State.PUBLISHING, State.ENDED)
        return self.heard + SILENT_AFTER_S if begun else self._begun + BEGIN_WITHIN_S

    def check(self, now: float) -> None:
        """Raises Refused for a peer that is too slow to begin, is silent, or does not hang up when its stream has ended."""
        if now >= self.due():
            raise Refused(_LATE.get(self.state, Refusal.TIMEOUT))

    def _shake_hands(self, data: bytes) -> bytes:
        """Section 5.2; what follows the handshake."""
        self._handshake += data
        if self._handshake and self._handshake[0] != VERSION:
            raise Refused(Refusal.VERSION)
        first = 1 + HANDSHAKE_SIZE
        if self.state is State.HANDSHAKE and len(self._handshake) >= first:
            # Four zeros in place of a version tell the peer that no digest follows, which Adobe never documented.
            self._out += bytes((VERSION,)) + bytes(8) + self._random + self._handshake[1:first]
            self.state = State.SECOND_HANDSHAKE
        if len(self._handshake) < first + HANDSHAKE_SIZE:
            return b""
        self.state = State.CONNECTING
        rest, self._handshake = bytes(self._handshake[first + HANDSHAKE_SIZE :]), bytearray()
        return rest

    def _control(self, message: Message) -> None:
        """All but pictures. Sound, data and what is not known is dropped, as is a picture outside of a stream."""
        if self.state is State.ENDED:
            return
        if message.kind in (AMF0_COMMAND, AMF3_COMMAND):
            # A command in AMF 3 has a zero, and then AMF 0.
            self._command(amf0.decode(message.payload[1:] if message.kind == AMF3_COMMAND else message.payload))
        elif message.kind == WINDOW_SIZE:
            window = control_number(message.payload)
            self._acknowledge_after = min(max(window // 2, ACKNOWLEDGE_AFTER_MIN), ACKNOWLEDGE_AFTER)
        elif message.kind == USER_CONTROL and message.payload[:2] == PING:
            self._send(CONTROL_CHUNKS, USER_CONTROL, 0, PONG + message.payload[2:PING_SIZE])

    def _command(self, values: list[amf0.Value]) -> None:
        name = values[0] if values else None
        if not isinstance(name, str):
            raise Refused(Refusal.COMMAND)
        # Others are not answered, as by nginx-rtmp: releaseStream, FCPublish, FCUnpublish, _checkbw.
        if command := self._commands.get(name):
            command(values)

    def _connect(self, values: list[amf0.Value]) -> None:
        options = values[2] if len(values) > 2 else None  # noqa: PLR2004
        if self.state is not State.CONNECTING:
            raise Refused(Refusal.ORDER)
        if not isinstance(options, dict) or not isinstance(options.get("app"), str):
            raise Refused(Refusal.COMMAND)
        self._application = str(options["app"])
        self.state = State.CONNECTED
        self._send(CONTROL_CHUNKS, WINDOW_SIZE, 0, WINDOW.to_bytes(4, "big"))
        self._send(CONTROL_CHUNKS, SET_CHUNK_SIZE, 0, OUR_CHUNK_SIZE.to_bytes(4, "big"))
        self._send(CONTROL_CHUNKS, PEER_BANDWIDTH, 0, WINDOW.to_bytes(4, "big") + DYNAMIC)
        self._answer(
            COMMAND_CHUNKS,
            0,
            "_result",
            _number(values),
            {"fmsVer": "FMS/3,0,1,123", "capabilities": 31.0},
            {
                "level": "status",
                "code": "NetConnection.Connect.Success",
                "description": "Connection succeeded.",
                "objectEncoding": 0.0,
            },
        )

    def _create_stream(self, values: list[amf0.Value]) -> None:
        if self.state is not State.CONNECTED:
            raise Refused(Refusal.ORDER)
        self._answer(COMMAND_CHUNKS, 0, "_result", _number(values), None, float(STREAM))

    def _publish(self, values: list[amf0.Value]) -> None:
        name = values[NAME_PLACE] if len(values) > NAME_PLACE else None
        if self.state is not State.CONNECTED:
            raise Refused(Refusal.ORDER)
        if not isinstance(name, str):
            raise Refused(Refusal.COMMAND)
        # Publishers cut the same address in different places.
        if refusal := self._admit(f"{self._application}/{name}".strip("/")):
            self._status("error", "NetStream.Publish.BadName", "Refused")
            raise Refused(refusal)
        self.state = State.PUBLISHING
        self._chunks.message_max = MESSAGE_MAX
        self._status("status", "NetStream.Publish.Start", "Start publishing")

    def _play(self, _: list[amf0.Value]) -> None:
        raise Refused(Refusal.PLAY)

    def _end(self, _: list[amf0.Value]) -> None:
        if self.state is State.PUBLISHING:
            self._status("status", "NetStream.Unpublish.Success", "Stop publishing")
            self.state = State.ENDED

    def _status(self, level: str, code: str, description: str) -> None:
        self._answer(
            STATUS_CHUNKS, STREAM, "onStatus", 0.0, None, {"level": level, "code": code, "description": description}
        )

    def _answer(self, chunk_stream: int, stream: int, *values: amf0.Value) -> None:
        self._send(chunk_stream, AMF0_COMMAND, stream, amf0.encode(*values))

    def _send(self, chunk_stream: int, kind: int, stream: int, payload: bytes) -> None:
        self._out += chunked(Message(kind, stream, 0, payload), chunk_stream, OUR_CHUNK_SIZE)


def _number(values: list[amf0.Value]) -> float:
    """Of the command, which its answer has too."""
    number = values[1] if len(values) > 1 else None
    if not isinstance(number, float):
        raise Refused(Refusal.COMMAND)
    return number
