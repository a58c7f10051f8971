"""Rates: how often the flight controller shall send which message, as the configuration asks. Sans-IO.

    `hear` the autopilot's first heartbeat, and `requests` asks for one message after another by SET_MESSAGE_INTERVAL. After
    an answer that it does not have that command, all are asked by REQUEST_DATA_STREAM, which knows only groups of messages.

Never a parameter: parameters outlive the flight, and their names change between versions. A message whose rate a ground
control station has set is left to that station until this program ends. A flight controller that was away is asked again.
The answers to these requests are for this component and go no further: a station could take one for the answer to its own.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping, Sequence

from firmware_shims import command_ack, heartbeat, mavlink, shim
from firmware_shims.definitions import COMMAND_NUMBER_OF, MESSAGES, NUMBER_OF
from firmware_shims.heartbeat import AUTOPILOT, Heartbeat
from firmware_shims.sender import Sender
from firmware_shims.statustext import ONBOARD_COMPUTER

ANSWER_WITHIN_S = 1.0
TRIES = 3
AWAY_AFTER_S = 5.0  # without a heartbeat the flight controller may have been restarted
_INTERVAL = COMMAND_NUMBER_OF["SET_MESSAGE_INTERVAL"]
_COMMAND, _ACK, _STREAM = (NUMBER_OF[name] for name in ("COMMAND_LONG", "COMMAND_ACK", "REQUEST_DATA_STREAM"))
_COMMAND_FORM, _STREAM_FORM = struct.Struct("<7fHBBB"), struct.Struct("<HBBBB")
_STREAM_AT, _ALL_STREAMS = 4, 0
_ACCEPTED, _UNSUPPORTED = 0, 3  # MAV_RESULT


class Rates:
    """`wanted`: messages by name, and how often a second. `system` is that of this aircraft.

    `notes`  sentences for the log; the caller takes them out
    """

    def __init__(self, system: int, wanted: Mapping[str, float]) -> None:
        self._system, self._wanted = system, dict(wanted)
        self._sender = Sender(system, ONBOARD_COMPUTER)
        self._shim: shim.Shim | None = None
        self._heard_at = -math.inf
        self._left: set[str] = set()  # to a station
        self._to_ask: list[str] = []
        self._tries, self._asked_at = 0, -math.inf
        self._waits = self._shared = False  # for an answer; a station has sent the same command meanwhile
        self._by_stream = False
        self.notes: list[str] = []

    # --- from the flight controller ---

    def hear(self, frames: Sequence[bytes], now: float) -> list[bytes]:
        """The frames without the answers to our own requests."""
        out = []
        for frame in frames:
            number = mavlink.message_id(frame)
            if number == 0 and (heard := heartbeat.read(frame)):
                self._alive(heard, now)
            elif number == _ACK and self._is_ours(frame):
                continue
            out.append(frame)
        return out

    def _alive(self, heard: Heartbeat, now: float) -> None:
        if not heard.from_autopilot or (heard.sysid, heard.compid) != (self._system, AUTOPILOT):
            return
        if now - self._heard_at > AWAY_AFTER_S:
            self._shim = shim.sender_of(heard)
            self._to_ask = [name for name in self._wanted if name not in self._left]
            self._tries, self._waits, self._by_stream = 0, False, False
        self._heard_at = now

    def _is_ours(self, frame: bytes) -> bool:
        """Whether it answers a request of ours; old firmware does not say whom it answers. Only the autopilot was asked."""
        content = mavlink.payload(frame).ljust(command_ack.FIELDS.size, b"\0")
        command, result, _, _, system, component = command_ack.FIELDS.unpack_from(content)
        if command != _INTERVAL or (system, component) not in ((self._system, ONBOARD_COMPUTER), (0, 0)):
            return False
        asked = self._waits and mavlink.key(frame)[:2] == (self._system, AUTOPILOT)
        if not system and (self._shared or not asked):
            return False
        if asked:
            self._answered(result)
        return True

    def _answered(self, result: int) -> None:
        self._waits, self._tries = False, 0
        if result == _UNSUPPORTED:
            self._by_stream = True
            return
        name = self._to_ask.pop(0)
        if result != _ACCEPTED:
            self._note(f"it refuses to send {name} {self._wanted[name]:g} times a second (result {result})")

    # --- from the stations ---

    def sent_up(self, frames: Iterable[bytes]) -> None:
        """A station's frames that go to the flight controller: the rates that it sets are its own from now on."""
        for frame in frames:
            number = mavlink.message_id(frame)
            if number in command_ack.COMMANDS:
                self._command_sent_up(number, mavlink.payload(frame))
            elif number == _STREAM:
                stream = mavlink.payload(frame).ljust(_STREAM_FORM.size, b"\0")[_STREAM_AT]
                streams = self._shim.STREAMS if self._shim else {}
                self._leave(name for name in self._wanted if stream in (_ALL_STREAMS, streams.get(name, stream)))

    def _command_sent_up(self, number: int, payload: bytes) -> None:
        message = MESSAGES[number]
        if message.number_in(payload, "command") == _INTERVAL:
            self._shared = True
            wanted = message.number_in(payload, "param1")
            self._leave(name for name in self._wanted if NUMBER_OF[name] == wanted)

    def _leave(self, names: Iterable[str]) -> None:
        for name in list(names):
            self._left.add(name)
            if name in self._to_ask:
                if name == self._to_ask[0]:
                    self._tries, self._waits = 0, False
                self._to_ask.remove(name)

    # --- to the flight controller ---

    def requests(self, now: float) -> list[bytes]:
        """What to send now: one request, or the streams together."""
        if not self._to_ask or (self._waits and now < self._asked_at + ANSWER_WITHIN_S):
            return []
        if self._by_stream:
            return self._streams()
        if self._tries >= TRIES:
            self._note(f"it does not answer SET_MESSAGE_INTERVAL for {self._to_ask[0]}: no rate is set")
            self._to_ask, self._waits = [], False
            return []
        self._tries, self._asked_at, self._waits, self._shared = self._tries + 1, now, True, False
        name = self._to_ask[0]
        interval_us = 1e6 / self._wanted[name]
        content = (NUMBER_OF[name], interval_us, 0, 0, 0, 0, 0, _INTERVAL, self._system, AUTOPILOT, self._tries - 1)
        return [self._sender.frame(_COMMAND, _COMMAND_FORM.pack(*content))]

    def next_due(self) -> float:
        """When `requests` has something next, unless an answer or a heartbeat comes before."""
        if not self._to_ask:
            return math.inf
        return self._asked_at + ANSWER_WITHIN_S if self._waits else -math.inf

    def _streams(self) -> list[bytes]:
        streams, rates = self._shim.STREAMS if self._shim else {}, dict[int, float]()
        for name in self._to_ask:
            if (stream := streams.get(name)) is None:
                self._note(f"it has no SET_MESSAGE_INTERVAL, and {name} is in no stream that is known here")
            else:
                rates[stream] = max(rates.get(stream, 0), self._wanted[name])
        self._to_ask = []
        to = self._system, AUTOPILOT
        contents = [_STREAM_FORM.pack(math.ceil(rate), *to, stream, 1) for stream, rate in rates.items()]
        return [self._sender.frame(_STREAM, content) for content in contents]

    def _note(self, text: str) -> None:
        self.notes.append(f"rates: {text}")
