"""Source answer: where the answer to `zegel setup`'s question about cameras names a source, the [[source]] that it means.

What lives here: words to tables. What must not: the questions, the file (setup.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from gateway.config import AirConfig
from gateway.errors import ConfigError
from gateway.sources.tables import NAME
from keys.commands.terminal import show

NONE = "none"  # the answer for nothing
RPICAM, RTMP, RTSP = "rpicam", "rtmp", re.compile("rtsp://.+")
QUESTION = f"cameras send to; or zegel source brings: {RPICAM}, {RTMP}, rtsp://...; or {NONE}"
WHO = f"who else has that picture before it is sealed (dji, autel, ...), or {NONE}"
PORTS = AirConfig(device="", link=()).video
NAMES = ("front", "second")
COMMAND = ("rpicam-vid", "-n", "-t", "0", "--inline", "--flush", "-o", "-")


def taken(answers: Mapping[str, object], seen_by: str | None, *, asks: bool) -> dict[str, object]:
    """The answers, with `source` if `video` names one. ConfigError if no one says who else has its picture."""
    found = trial("video", answers.get("video"))
    if "source" not in found:
        if seen_by is not None:
            raise ConfigError(
                "--seen-by is about a source", hint=f"--video {RPICAM}, --video {RTMP}, or --video rtsp://..."
            )
        return dict(answers)
    tables = found["source"]
    assert isinstance(tables, list)
    for table in tables:
        if seen_by is not None or "run" not in table:
            table["seen_by"] = _who(seen_by, asks=asks)
    return {**answers, **found}


def trial(key: str, value: object) -> dict[str, object]:
    """The keys of air.toml that an answer is; a source's `seen_by` as if no one else had it."""
    if key != "video" or not isinstance(value, list):
        return {key: value}
    tables = [table for place, word in enumerate(value[: len(NAMES)]) if (table := _table(place, str(word)))]
    if not tables:
        return {key: value}
    ends = [PORTS[place] if place < len(NAMES) and _table(place, str(word)) else word for place, word in enumerate(value)]
    return {key: ends, "source": tables}


def _table(place: int, word: str) -> dict[str, object] | None:
    """None if it is no source."""
    begin = {"name": NAMES[place], "lane": "ab"[place], "seen_by": ""}
    if word == RPICAM:
        return {**begin, "run": [*COMMAND], "gives": "h264"}
    if word == RTMP:
        return {**begin, "rtmp": f"0.0.0.0:1935/live/{NAMES[place]}"}
    return {**begin, "rtsp": word} if RTSP.fullmatch(word) else None


def _who(given: str | None, *, asks: bool) -> str:
    while given is None:
        if not asks:
            raise ConfigError("it is not said who else has the picture of the source", hint=f"--seen-by dji, or {NONE}")
        try:
            typed = input(f"{WHO}: ").strip()
        except EOFError:
            raise ConfigError("there is no terminal to answer", hint=f"--seen-by dji, or {NONE}") from None
        if typed == NONE or NAME.fullmatch(typed):
            given = typed
        else:
            show(f"  this names no one; small letters, or {NONE}")
    return "" if given == NONE else given
