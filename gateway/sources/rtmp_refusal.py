"""Why an RTMP publisher is refused, which ends its connection. A picture that cannot be read is only counted.

What lives here: the reasons, and the exception that carries one to the connection.
"""

from __future__ import annotations

from enum import Enum


class Refusal(Enum):
    """The value is the sentence for people."""

    VERSION = "it does not speak RTMP"
    CHUNK_SIZE = "a chunk size that is not between 128 and 65,536"
    CHUNK_STREAMS = "too many chunk streams"
    CHUNKS = "too many small messages"
    CHUNK_HEADER = "a chunk whose header does not fit the chunks before it"
    MESSAGE_SIZE = "a message that is too long"
    CONTROL = "a control message that is too short"
    COMMAND = "a command that cannot be read"
    ORDER = "a command out of order"
    UNPUBLISHED = "it sends much and does not publish"
    PLAY = "it wants to play, and there is nothing to be played here"
    PATH = "another path or stream key"
    TAKEN = "another publisher is sending on this path"
    TIMEOUT = "it did not begin to publish in time"
    SILENT = "it fell silent"
    ENDED = "it stayed after the end of its stream"
    NOT_READING = "it does not read what it is sent"
    CROWD = "too many connections"


class Refused(Exception):
    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal
