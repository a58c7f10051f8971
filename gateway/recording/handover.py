"""Handover: what `zegel air` and `zegel recorder` say to each other, by an AF_UNIX SOCK_SEQPACKET socket.

Data messages go one way: the head below, then whole records (pcap.py) of one group, MESSAGE_MAX bytes at most. All others
are small structures. Neither side waits for the other: what the socket does not take waits in the sender, or is counted.

    air        Session at a start or a change of order, Epoch at a rekey, Armed, Wanted, Clock, Signed after Sign, Close
    recorder   Sign for the header of each new recording, State when it changes and twice a second

The two are of one version and one computer, but neither believes the other: what does not decode is a counted refusal, and
air signs no header that is not of its own session (keys.recording_header).
"""

from __future__ import annotations

import struct
from typing import TypeAlias

import msgspec

from gateway.recording.group import Group

MESSAGE_MAX = 65_536  # bytes: larger ones need more memory of the socket than most systems give it
DATA, STRUCTURE = 1, 2  # the first byte of a message
HEAD = struct.Struct("<BBHI")  # DATA, group, 0, datagrams of this group that were lost since the message before


class Session(msgspec.Struct, frozen=True, tag="session"):
    """A session began. Its order holds the recording keys and the policy; times are on its clock from now on."""

    session_id: bytes  # 16 bytes
    began: float  # seconds, gateway.clock
    order: bytes  # the file
    statement: bytes  # the message
    software: str  # the version, for leaf 0


class Epoch(msgspec.Struct, frozen=True, tag="epoch"):
    """The keys of the link have changed: each group goes on in a new recording."""

    mono_us: int


class Armed(msgspec.Struct, frozen=True, tag="armed"):
    """The autopilot says so."""

    mono_us: int
    armed: bool


class Wanted(msgspec.Struct, frozen=True, tag="wanted"):
    """The groups that are recorded from now on. `station`: whose pause leaves the others out; 0 if the order does."""

    mono_us: int
    groups: list[Group]
    station: int = 0


class Clock(msgspec.Struct, frozen=True, tag="clock"):
    """The time that the aircraft claims: Unix time in microseconds minus mono_us; None if it is not known."""

    offset_us: int | None


class Signed(msgspec.Struct, frozen=True, tag="signed"):
    """The signed header of the payload that was asked for; empty if it is not one of this session."""

    payload: bytes
    message: bytes


class Close(msgspec.Struct, frozen=True, tag="close"):
    """The session is over. `reason`: SPEC.md section 9."""

    mono_us: int
    reason: int


class Sign(msgspec.Struct, frozen=True, tag="sign"):
    """Asks for the signature of a header."""

    payload: bytes


class State(msgspec.Struct, frozen=True, tag="state"):
    """What is recorded. `reason`: of the gap that is open because something fails (SPEC.md section 9), or 0."""

    groups: list[Group]
    reason: int
    text: str  # what fails, for people; empty if nothing does
    room_s: int | None  # at the rate of the last minute; None if nothing is written
    lost: int  # datagrams of this session
    bytes_written: int  # of this session


FromAir: TypeAlias = Session | Epoch | Armed | Wanted | Clock | Signed | Close
FromRecorder: TypeAlias = Sign | State
_from_air: msgspec.msgpack.Decoder[FromAir] = msgspec.msgpack.Decoder(FromAir)
_from_recorder: msgspec.msgpack.Decoder[FromRecorder] = msgspec.msgpack.Decoder(FromRecorder)
_encoder = msgspec.msgpack.Encoder()


def encode(message: FromAir | FromRecorder) -> bytes:
    """As it goes over the socket."""
    return bytes([STRUCTURE]) + _encoder.encode(message)


def from_air(message: bytes | memoryview) -> FromAir:
    """ValueError for what is no structure of air's."""
    return _from_air.decode(_body(message))


def from_recorder(message: bytes | memoryview) -> FromRecorder:
    """ValueError for what is no structure of the recorder's."""
    return _from_recorder.decode(_body(message))


def _body(message: bytes | memoryview) -> memoryview:
    view = memoryview(message)
    if not view or view[0] != STRUCTURE:
        raise ValueError("no structure")
    return view[1:]
