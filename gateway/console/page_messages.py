"""Page messages: the two things that a page may say, and nothing else. Neither goes to a ground.

{"type": "watch", "streams": [{"ground": "pilot", "device": "uav1", "lane": "video_a"}]}     send these from now on
{"type": "again", "stream": 1}     its decoder begins again: send this from its last key picture on
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec

STREAMS_MAX = 32

Name: TypeAlias = Annotated[str, msgspec.Meta(max_length=64)]


class StreamName(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A lane of an aircraft, as a ground of this computer has it."""

    ground: Name
    device: Name
    lane: Name


class Watch(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="watch"):
    """The streams that a page shows."""

    streams: Annotated[list[StreamName], msgspec.Meta(max_length=STREAMS_MAX)]


class Again(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="again"):
    """A decoder that begins again."""

    stream: Annotated[int, msgspec.Meta(ge=0, lt=1 << 16)]


_decoder: msgspec.json.Decoder[Watch | Again] = msgspec.json.Decoder(Watch | Again)


def decoded(message: str | bytes) -> Watch | Again | None:
    """None if a page says anything else."""
    if isinstance(message, bytes):
        return None
    try:
        return _decoder.decode(message)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return None
